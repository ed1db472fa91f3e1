public import ChoraleBase

/// The whole input of a stateless execution, as provers' guest programs read it (EIP-8025): what the
/// consensus client would ask with `engine_newPayload`, the witness, the chain, and the public keys that signed
/// the transactions.
///
/// Encodings: see ``StatelessInputLayout``. The payload is that of Cancun to Osaka, or of Amsterdam, whose
/// additions are given but not part of ``ExecutionPayload``.
public struct StatelessInput: Sendable {
    public var payload: ExecutionPayload
    /// What the sender says the block's hash is.
    public var blockHash: Bytes32
    /// From Amsterdam on: RLP of the block's access list (EIP-7928).
    public var accessList: [UInt8]?
    /// From Amsterdam on (EIP-7843).
    public var slotNumber: UInt64?
    public var versionedHashes: [Bytes32]
    public var parentBeaconRoot: Bytes32
    /// The requests of EIP-7685 as they stand in the input, which drafts encode in different ways; empty for
    /// none.
    public var requests: [UInt8]
    public var witness: Witness
    public var chainID: UInt64
    /// Bytes of the public keys, which may stand in for recovering senders; not used here.
    public var publicKeysSize: Int
    /// nil for encodings of before May 2026.
    public var schemaID: UInt16?

    /// Bytes of a payload's fixed part: Cancun to Osaka, Amsterdam.
    private static let payloadSizes = [528, 540]
    /// Transactions, and withdrawals, of one payload.
    private static let countMax = 1 << 20

    /// - Parameter limits: those of the witness; the request may be as large as a witness.
    public init(
        _ bytes: [UInt8], limits: Witness.Limits = Witness.Limits()
    ) throws(WitnessError) {
        guard bytes.count <= 2 * limits.sizeMax else {
            throw .tooLarge(bytes.count, limit: 2 * limits.sizeMax)
        }
        let input = bytes.span
        guard let layout = StatelessInputLayout(input, size: bytes.count) else {
            throw .ssz(offset: 0)
        }
        let fields = try layout.fields(input)
        schemaID = layout.schemaID
        chainID = input.loadLittleEndian(
            UInt64.self, at: fields.chainConfiguration.lowerBound)
        publicKeysSize = fields.publicKeys.count
        witness = try Witness.read(ssz: bytes, in: fields.witness, limits).witness

        let request = try SSZReader.fields(input, fields.request, sizes: [4, 4, 32, 4])
        versionedHashes = try Self.digests(input, request[1])
        parentBeaconRoot = try Self.digest(input, request[2])
        requests = input.extracting(request[3]).copied()

        let start = request[0]
        let sizes = try Self.sizes(input, start)
        let parts = try SSZReader.fields(input, start, sizes: sizes)
        payload = try Self.payload(input, parts)
        blockHash = try Self.digest(input, parts[12])
        if sizes.count > 17 {
            accessList = input.extracting(parts[17]).copied()
            slotNumber = Self.number(input, parts[18])
        }
    }

    /// The block that the request is about, for forks up to Osaka.
    ///
    /// - Parameter requests: each its type and then its data, none without data (EIP-7685); nil before
    ///   Prague.
    public func block(requests: [[UInt8]]?) throws(PayloadError) -> Block {
        try payload.block(
            parentBeaconRoot: parentBeaconRoot, versionedHashes: versionedHashes,
            requests: requests)
    }

    // MARK: Parts

    /// Sizes of the payload's fields, from the offset of the first that has no fixed size.
    private static func sizes(
        _ input: Span<UInt8>, _ range: Range<Int>
    ) throws(WitnessError) -> [Int] {
        let common = [32, 20, 32, 32, 256, 32, 8, 8, 8, 8, 4, 32, 32, 4, 4, 8, 8]
        guard range.count >= payloadSizes[0] else { throw .ssz(offset: range.lowerBound) }
        switch Int(input.loadLittleEndian(UInt32.self, at: range.lowerBound + 436)) {
        case payloadSizes[0]: return common
        case payloadSizes[1]: return common + [4, 8]
        default: throw .ssz(offset: range.lowerBound + 436)
        }
    }

    private static func payload(
        _ input: Span<UInt8>, _ parts: [Range<Int>]
    ) throws(WitnessError) -> ExecutionPayload {
        guard let recipient = Address(input.extracting(parts[1])),
            let baseFee = UInt256(
                bigEndian: Array(input.extracting(parts[11]).copied().reversed()).span)
        else { throw .ssz(offset: parts[1].lowerBound) }
        let transactions = try SSZReader.byteLists(input, parts[13], countMax, .nodes)
        return ExecutionPayload(
            parentHash: try digest(input, parts[0]), feeRecipient: recipient,
            stateRoot: try digest(input, parts[2]), receiptsRoot: try digest(input, parts[3]),
            logsBloom: input.extracting(parts[4]).copied(),
            prevRandao: try digest(input, parts[5]), blockNumber: number(input, parts[6]),
            gasLimit: number(input, parts[7]), gasUsed: number(input, parts[8]),
            timestamp: number(input, parts[9]),
            extraData: input.extracting(parts[10]).copied(), baseFeePerGas: baseFee,
            transactions: transactions.map { input.extracting($0).copied() },
            withdrawals: try withdrawals(input, parts[14]),
            blobGasUsed: number(input, parts[15]), excessBlobGas: number(input, parts[16]))
    }

    private static func number(_ input: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        input.loadLittleEndian(UInt64.self, at: range.lowerBound)
    }

    private static func digest(
        _ input: Span<UInt8>, _ range: Range<Int>
    ) throws(WitnessError) -> Bytes32 {
        guard let digest = Bytes32(input.extracting(range)) else {
            throw .ssz(offset: range.lowerBound)
        }
        return digest
    }

    private static func digests(
        _ input: Span<UInt8>, _ range: Range<Int>
    ) throws(WitnessError) -> [Bytes32] {
        var digests: [Bytes32] = []
        for part in try items(range, size: 32) { digests.append(try digest(input, part)) }
        return digests
    }

    private static func withdrawals(
        _ input: Span<UInt8>, _ range: Range<Int>
    ) throws(WitnessError) -> [Withdrawal] {
        var withdrawals: [Withdrawal] = []
        for part in try items(range, size: 44) {
            let start = part.lowerBound
            guard let address = Address(input.extracting(start + 16..<start + 36)) else {
                throw .ssz(offset: start)
            }
            withdrawals.append(
                Withdrawal(
                    index: input.loadLittleEndian(UInt64.self, at: start),
                    validatorIndex: input.loadLittleEndian(UInt64.self, at: start + 8),
                    address: address,
                    amount: input.loadLittleEndian(UInt64.self, at: start + 36)))
        }
        return withdrawals
    }

    private static func items(
        _ range: Range<Int>, size: Int
    ) throws(WitnessError) -> [Range<Int>] {
        guard range.count.isMultiple(of: size), range.count / size <= countMax else {
            throw .ssz(offset: range.lowerBound)
        }
        return stride(from: range.lowerBound, to: range.upperBound, by: size).map {
            $0..<$0 + size
        }
    }
}
