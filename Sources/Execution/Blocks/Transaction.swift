public import ChoraleBase
public import Codec

/// A transaction of any type that a block may hold up to Osaka.
///
/// Specification: EIP-155, 2718, 2930, 1559, 4844, 7702.
public struct Transaction: Hashable, Sendable {
    public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case legacy = 0
        case accessList = 1
        case dynamicFee = 2
        case blob = 3
        case setCode = 4
    }

    /// An account, and slots of it, that the transaction announces to use.
    public struct AccessListEntry: Hashable, Sendable {
        public var address: Address
        public var slots: [Bytes32]

        public init(address: Address, slots: [Bytes32]) {
            self.address = address
            self.slots = slots
        }
    }

    /// Leave of an account's holder to let it run the code of another (EIP-7702).
    public struct Authorization: Hashable, Sendable {
        /// Zero for any chain.
        public var chainID: UInt256
        public var address: Address
        public var nonce: UInt64
        public var yParity: UInt8
        public var r: UInt256
        public var s: UInt256

        public init(
            chainID: UInt256, address: Address, nonce: UInt64, yParity: UInt8, r: UInt256,
            s: UInt256
        ) {
            self.chainID = chainID
            self.address = address
            self.nonce = nonce
            self.yParity = yParity
            self.r = r
            self.s = s
        }
    }

    public var kind: Kind
    /// nil for a legacy transaction that is valid on every chain.
    public var chainID: UInt256?
    public var nonce: UInt64
    /// In wei a gas, to the proposer at most. The gas price of the two older types.
    public var maxPriorityFeePerGas: UInt256
    /// In wei a gas, all fees together. The gas price of the two older types.
    public var maxFeePerGas: UInt256
    public var gasLimit: UInt64
    /// nil creates a contract.
    public var to: Address?
    /// In wei.
    public var value: UInt256
    public var data: [UInt8]
    public var accessList: [AccessListEntry] = []
    public var maxFeePerBlobGas = UInt256.zero
    public var blobHashes: [Bytes32] = []
    public var authorizations: [Authorization] = []
    /// Which of two points the signature means: 0 or 1.
    public var yParity: UInt8
    public var r: UInt256
    public var s: UInt256

    /// Without a signature unless one is given.
    public init(
        kind: Kind, chainID: UInt256?, nonce: UInt64, maxPriorityFeePerGas: UInt256,
        maxFeePerGas: UInt256, gasLimit: UInt64, to: Address?, value: UInt256, data: [UInt8],
        accessList: [AccessListEntry] = [], maxFeePerBlobGas: UInt256 = .zero,
        blobHashes: [Bytes32] = [], authorizations: [Authorization] = [], yParity: UInt8 = 0,
        r: UInt256 = .zero, s: UInt256 = .zero
    ) {
        self.kind = kind
        self.chainID = chainID
        self.nonce = nonce
        self.maxPriorityFeePerGas = maxPriorityFeePerGas
        self.maxFeePerGas = maxFeePerGas
        self.gasLimit = gasLimit
        self.to = to
        self.value = value
        self.data = data
        self.accessList = accessList
        self.maxFeePerBlobGas = maxFeePerBlobGas
        self.blobHashes = blobHashes
        self.authorizations = authorizations
        self.yParity = yParity
        self.r = r
        self.s = s
    }
}

/// Why bytes are no transaction, or its signature none.
public enum TransactionError: Error, Hashable, Sendable {
    case rlp(RLPError)
    /// No bytes.
    case empty
    case unknownType(UInt8)
    /// A legacy signature's `v` is neither 27, 28, nor of a chain (EIP-155).
    case recoveryValue(UInt256)
    /// A typed signature's parity is neither 0 nor 1.
    case yParity(UInt64)
    /// `r` or `s` is zero or not below the order, or `s` in its upper half (EIP-2).
    case signatureRange
    /// No key has made the signature.
    case notRecoverable
}

extension Transaction {
    /// Items of one list: a block's gas pays for fewer.
    static let itemCountMax = 1 << 20

    /// Decodes one transaction: for the legacy type a list, for others the type and a list.
    public init(_ bytes: Span<UInt8>) throws(TransactionError) {
        guard bytes.count > 0 else { throw .empty }
        let type = bytes[0]
        guard type < 0x80 else {
            // A legacy transaction: a list, or something RLP has an error for.
            self = try Self.decode(.legacy, bytes)
            return
        }
        guard let kind = Kind(rawValue: type), kind != .legacy else { throw .unknownType(type) }
        self = try Self.decode(kind, bytes.extracting(1...))
    }

    private static func decode(
        _ kind: Kind, _ bytes: Span<UInt8>
    ) throws(TransactionError) -> Transaction {
        var transaction = Transaction(
            kind: kind, chainID: nil, nonce: 0, maxPriorityFeePerGas: .zero, maxFeePerGas: .zero,
            gasLimit: 0, to: nil, value: .zero, data: [], yParity: 0, r: .zero, s: .zero)
        let parity: UInt256
        do throws(RLPError) {
            var fields = try RLPReader.item(bytes).list(itemCountMax: 16)
            parity = try transaction.read(&fields, bytes)
            try fields.finish()
        } catch {
            throw .rlp(error)
        }
        try transaction.take(parity)
        return transaction
    }

    /// Reads the fields in the order of the type; returns what says which point is meant.
    private mutating func read(
        _ fields: inout RLPReader, _ input: Span<UInt8>
    ) throws(RLPError) -> UInt256 {
        if kind != .legacy { chainID = try fields.uint256(input) }
        nonce = try fields.uint64(input)
        maxPriorityFeePerGas = try fields.uint256(input)
        maxFeePerGas =
            hasPriorityFee ? try fields.uint256(input) : maxPriorityFeePerGas
        gasLimit = try fields.uint64(input)
        to = needsRecipient ? try fields.address(input) : try fields.optionalAddress(input)
        value = try fields.uint256(input)
        data = try fields.bytes(input)
        if kind != .legacy {
            accessList = try fields.list(input, itemCountMax: Self.itemCountMax) {
                (reader, input) throws(RLPError) in
                var entry = try reader.required(in: input).list(itemCountMax: 2)
                let address = try entry.address(input)
                let slots = try entry.list(input, itemCountMax: Self.itemCountMax) {
                    (reader, input) throws(RLPError) in try reader.bytes32(input)
                }
                try entry.finish()
                return AccessListEntry(address: address, slots: slots)
            }
        }
        if kind == .blob {
            maxFeePerBlobGas = try fields.uint256(input)
            blobHashes = try fields.list(input, itemCountMax: Self.itemCountMax) {
                (reader, input) throws(RLPError) in try reader.bytes32(input)
            }
        }
        if kind == .setCode {
            authorizations = try fields.list(input, itemCountMax: Self.itemCountMax) {
                (reader, input) throws(RLPError) in try Authorization(&reader, input)
            }
        }
        let parity = try fields.uint256(input)
        r = try fields.uint256(input)
        s = try fields.uint256(input)
        return parity
    }

    private mutating func take(_ parity: UInt256) throws(TransactionError) {
        guard kind == .legacy else {
            guard let small = parity.uint64, small < 2 else {
                throw .yParity(parity.uint64 ?? .max)
            }
            yParity = UInt8(small)
            return
        }
        if let small = parity.uint64, small == 27 || small == 28 {
            yParity = UInt8(small - 27)
            return
        }
        // v is 35 + 2 · chain + parity.
        guard parity >= UInt256(35) else { throw .recoveryValue(parity) }
        let rest = parity &- UInt256(35)
        yParity = UInt8(rest.l0 & 1)
        chainID = rest >> 1
    }

    /// Whether the tip has a field of its own (EIP-1559).
    var hasPriorityFee: Bool { kind != .legacy && kind != .accessList }

    /// Whether the type cannot create contracts.
    var needsRecipient: Bool { kind == .blob || kind == .setCode }
}

extension Transaction.Authorization {
    fileprivate init(_ reader: inout RLPReader, _ input: Span<UInt8>) throws(RLPError) {
        var fields = try reader.required(in: input).list(itemCountMax: 6)
        chainID = try fields.uint256(input)
        address = try fields.address(input)
        nonce = try fields.uint64(input)
        let parity = try fields.uint64(input)
        guard parity <= 0xFF else { throw .wrongSize(found: 8, expected: 1) }
        yParity = UInt8(parity)
        r = try fields.uint256(input)
        s = try fields.uint256(input)
        try fields.finish()
    }
}
