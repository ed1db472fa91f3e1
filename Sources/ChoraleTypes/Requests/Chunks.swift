public import ChoraleBase
public import Codec

/// Asks for chunks of one body: `/chorale/req/chunks_by_root/1/ssz_snappy`.
///
/// Each side's bitmap travels with every request and answer, so that asking for nothing is how
/// nodes tell each other what they hold.
///
/// Specification: mechanisms §6.3.
public struct ChunksByRootRequest: Hashable, Sendable {
    public static let protocolName = "chunks_by_root"
    /// Largest encoding, in bytes: root, two offsets, 1,024 indices of two bytes, 1,025 bits.
    public static let encodedSizeMax = 32 + 8 + 2048 + 129

    public let root: Bytes32
    /// Which chunks, ascending without repetition; may be empty. The answer holds those of them
    /// that the peer has and cares to send now, which may be fewer.
    public let indices: [UInt16]
    /// What the asking node holds itself. Empty when it does not say.
    public let held: ChunkBitmap

    /// Nil unless the indices ascend and are at most 1,024.
    public init?(root: Bytes32, indices: [UInt16], held: ChunkBitmap) {
        guard indices.count <= BodyShape.chunkCountMax else { return nil }
        guard zip(indices, indices.dropFirst()).allSatisfy({ $0 < $1 }) else { return nil }
        self.root = root
        self.indices = indices
        self.held = held
    }
}

extension ChunksByRootRequest: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, SSZList<UInt16, 1024>.self, ChunkBitmap.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let indices = SSZList<UInt16, 1024>(indices) else {
            preconditionFailure("a request keeps to its limits")
        }
        fields.visit(root)
        fields.visit(indices)
        fields.visit(held)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let root = try fields.next(Bytes32.self, in: input)
        let indices = try fields.next(SSZList<UInt16, 1024>.self, in: input)
        let held = try fields.next(ChunkBitmap.self, in: input)
        guard let value = Self(root: root, indices: indices.elements, held: held) else {
            throw .invalidValue("chunk indices must ascend")
        }
        self = value
    }
}

/// One item of the answer to ``ChunksByRootRequest``: a chunk with its proof, or none.
///
/// Without a chunk (no data and no proof) it only says what the answering node holds.
public struct ChunkResponse: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax =
        32 + 2 + 12 + BodyShape.chunkSizeMax + 32 * BodyTree.proofCount + 129

    public let root: Bytes32
    /// Which chunk; zero when there is none.
    public let index: UInt16
    public let data: SSZByteList<262_144>
    /// See ``BodyTree``.
    public let proof: SSZList<Bytes32, 16>
    /// What the answering node holds and is willing to send. May be less than it has: a producer
    /// shows different chunks to different peers at first.
    public let held: ChunkBitmap

    public init(root: Bytes32, index: UInt16, chunk: StoredChunk, held: ChunkBitmap) {
        self.root = root
        self.index = index
        self.data = chunk.data
        self.proof = chunk.proof
        self.held = held
    }

    /// Only the bitmap.
    public init(root: Bytes32, held: ChunkBitmap) {
        self.root = root
        self.index = 0
        self.data = SSZByteList()
        self.proof = SSZList()
        self.held = held
    }

    /// False when it only says what is held. No body has an empty chunk.
    public var hasChunk: Bool { !data.bytes.isEmpty }

    /// The chunk as it is stored.
    public var chunk: StoredChunk { StoredChunk(data: data, proof: proof) }
}

extension ChunkResponse: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, UInt16.self, SSZByteList<262_144>.self, SSZList<Bytes32, 16>.self,
        ChunkBitmap.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(root)
        fields.visit(index)
        fields.visit(data)
        fields.visit(proof)
        fields.visit(held)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        root = try fields.next(in: input)
        index = try fields.next(in: input)
        data = try fields.next(in: input)
        proof = try fields.next(in: input)
        held = try fields.next(in: input)
        guard !data.bytes.isEmpty || (proof.elements.isEmpty && index == 0) else {
            throw .invalidValue("a proof without a chunk")
        }
    }
}
