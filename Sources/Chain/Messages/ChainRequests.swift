public import Codec

/// What one peer tells another at once: `/chorale/req/consensus/1/ssz_snappy`. Answered by nothing.
public typealias ConsensusMessageList = SSZList<ChainMessage, 256>

/// Most messages of one ``ConsensusMessageList``.
public let consensusMessagesMax = 256

/// `/chorale/req/blocks_by_range/1/ssz_snappy`: ``CommittedBlock`` of ascending heights.
public struct BlockRangeRequest: Hashable, Sendable {
    /// Most blocks of one request, as in Ethereum.
    public static let countMax: UInt64 = 1024

    public let first: UInt64
    public let count: UInt64

    public init(first: UInt64, count: UInt64) {
        self.first = first
        self.count = min(count, Self.countMax)
    }
}

extension BlockRangeRequest: SSZContainer {
    public static let sszLayout = SSZLayout(UInt64.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(first)
        fields.visit(count)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        first = try fields.next(in: input)
        count = try fields.next(in: input)
        guard count <= Self.countMax else { throw .invalidValue("\(count) blocks") }
    }
}
