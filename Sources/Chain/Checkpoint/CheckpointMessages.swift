public import ChoraleBase
public import Codec
import Execution

/// `/chorale/req/checkpoint/1/ssz_snappy`: the block at a height, and the head that belongs to it.
public struct CheckpointRequest: Hashable, Sendable {
    public let height: UInt64
    /// See ``CheckpointID``: whoever has another head at the height does not have what is asked for, and no
    /// answer may have another.
    public let root: Bytes32

    public init(_ id: CheckpointID) {
        height = id.height
        root = id.root
    }
}

extension CheckpointRequest: SSZContainer {
    public static let sszLayout = SSZLayout(UInt64.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(height)
        fields.visit(root)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        height = try fields.next(in: input)
        root = try fields.next(in: input)
    }
}

/// Where a node can begin: what ``CheckpointCheck`` makes of it is believed, and nothing else.
public struct CheckpointAnswer: Hashable, Sendable {
    /// Most headers before the block's: with its own those that BLOCKHASH reaches.
    public static let ancestorsMax = 255
    /// Largest encoding of a header, in bytes.
    static let headerSizeMax = 4096

    public let head: ChainHead
    public let block: CommittedBlock
    /// Encodings of the headers before the block's, its parent's first.
    public let ancestors: [[UInt8]]

    /// Nil when there are too many headers, or one is too large.
    public init?(head: ChainHead, block: CommittedBlock, ancestors: [[UInt8]]) {
        guard ancestors.count <= Self.ancestorsMax,
            ancestors.allSatisfy({ $0.count <= Self.headerSizeMax })
        else { return nil }
        self.head = head
        self.block = block
        self.ancestors = ancestors
    }
}

extension CheckpointAnswer: SSZContainer {
    public static let sszLayout = SSZLayout(
        ChainHead.self, CommittedBlock.self, SSZList<SSZByteList<4096>, 255>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        let lists = ancestors.compactMap { SSZByteList<4096>($0) }
        guard let headers = SSZList<SSZByteList<4096>, 255>(lists) else {
            preconditionFailure("an answer keeps to its limits")
        }
        fields.visit(head)
        fields.visit(block)
        fields.visit(headers)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        head = try fields.next(in: input)
        block = try fields.next(in: input)
        ancestors = try fields.next(SSZList<SSZByteList<4096>, 255>.self, in: input).elements
            .map(\.bytes)
    }
}
