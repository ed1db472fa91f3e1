public import ChoraleBase
public import Codec
import Crypto

/// A block's header of any fork up to Osaka.
///
/// Later forks append fields, so which are there tells the fork family; what must be there at which
/// fork is for whoever checks the block.
///
/// Specification: yellow paper 4.4; EIP-1559, 4895, 4844, 4788, 7685.
public struct Header: Hashable, Sendable {
    public static let bloomSize = 256

    public var parentHash: Bytes32
    public var ommersHash: Bytes32
    /// Who receives the fees.
    public var coinbase: Address
    public var stateRoot: Bytes32
    public var transactionsRoot: Bytes32
    public var receiptsRoot: Bytes32
    /// 256 bytes.
    public var bloom: [UInt8]
    public var difficulty: UInt256
    public var number: UInt64
    public var gasLimit: UInt64
    public var gasUsed: UInt64
    /// Seconds since 1970.
    public var timestamp: UInt64
    public var extraData: [UInt8]
    /// The beacon chain's randomness since the merge.
    public var mixHash: Bytes32
    /// 8 bytes, zero since the merge.
    public var nonce: UInt64
    /// Wei a gas; from London on.
    public var baseFeePerGas: UInt256?
    /// From Shanghai on.
    public var withdrawalsRoot: Bytes32?
    /// From Cancun on, with the two that follow.
    public var blobGasUsed: UInt64?
    public var excessBlobGas: UInt64?
    public var parentBeaconRoot: Bytes32?
    /// From Prague on.
    public var requestsHash: Bytes32?

    /// The hash of the list of no ommers.
    public static let emptyOmmersHash = Keccak256.hash([0xC0])
}

extension Header {
    /// Longest extra data that is decoded, in bytes. The rule of 32 is the block's check to make.
    static let extraDataSizeMax = 1 << 16

    public init(_ bytes: Span<UInt8>) throws(RLPError) {
        try self.init(RLPReader.item(bytes), bytes)
    }

    init(_ item: RLPItem, _ input: Span<UInt8>) throws(RLPError) {
        var fields = try item.list(itemCountMax: 32)
        parentHash = try fields.bytes32(input)
        ommersHash = try fields.bytes32(input)
        coinbase = try fields.address(input)
        stateRoot = try fields.bytes32(input)
        transactionsRoot = try fields.bytes32(input)
        receiptsRoot = try fields.bytes32(input)
        bloom = try fields.bytes(input)
        guard bloom.count == Self.bloomSize else {
            throw .wrongSize(found: bloom.count, expected: Self.bloomSize)
        }
        difficulty = try fields.uint256(input)
        number = try fields.uint64(input)
        gasLimit = try fields.uint64(input)
        gasUsed = try fields.uint64(input)
        timestamp = try fields.uint64(input)
        let extra = try fields.required(in: input).bytes()
        guard extra.count <= Self.extraDataSizeMax else {
            throw .wrongSize(found: extra.count, expected: Self.extraDataSizeMax)
        }
        extraData = input.extracting(extra).copied()
        mixHash = try fields.bytes32(input)
        let nonce = try fields.required(in: input).bytes()
        guard nonce.count == 8 else { throw .wrongSize(found: nonce.count, expected: 8) }
        self.nonce = input.loadBigEndian(UInt64.self, at: nonce.lowerBound)
        if fields.position < fields.end { baseFeePerGas = try fields.uint256(input) }
        if fields.position < fields.end { withdrawalsRoot = try fields.bytes32(input) }
        if fields.position < fields.end {
            blobGasUsed = try fields.uint64(input)
            excessBlobGas = try fields.uint64(input)
            parentBeaconRoot = try fields.bytes32(input)
        }
        if fields.position < fields.end { requestsHash = try fields.bytes32(input) }
        try fields.finish()
    }

    public var encoded: [UInt8] {
        var writer = RLPWriter()
        write(to: &writer)
        return writer.bytes
    }

    /// The block's hash.
    public var hash: Bytes32 { Keccak256.hash(encoded) }

    func write(to writer: inout RLPWriter) {
        let list = writer.beginList()
        writer.digest(parentHash)
        writer.digest(ommersHash)
        writer.address(coinbase)
        writer.digest(stateRoot)
        writer.digest(transactionsRoot)
        writer.digest(receiptsRoot)
        writer.bytes(bloom)
        writer.word(difficulty)
        writer.integer(number)
        writer.integer(gasLimit)
        writer.integer(gasUsed)
        writer.integer(timestamp)
        writer.bytes(extraData)
        writer.digest(mixHash)
        var nonceBytes: [UInt8] = []
        nonceBytes.appendBigEndian(nonce)
        writer.bytes(nonceBytes)
        // A field is written only if all before it are there: a later one cannot stand in its place.
        if let baseFeePerGas {
            writer.word(baseFeePerGas)
            if let withdrawalsRoot {
                writer.digest(withdrawalsRoot)
                if let blobGasUsed, let excessBlobGas, let parentBeaconRoot {
                    writer.integer(blobGasUsed)
                    writer.integer(excessBlobGas)
                    writer.digest(parentBeaconRoot)
                    if let requestsHash { writer.digest(requestsHash) }
                }
            }
        }
        writer.endList(list)
    }
}
