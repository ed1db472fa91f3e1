public import ChoraleBase
public import ChoraleTypes
import Codec
import Crypto

/// Whether bytes are the chunk they are said to be: one SHA-256 of at most 256 KiB and 13 hashes of
/// a proof, away from the loop.
public struct ChunkCheck: Equatable, Sendable {
    public let root: Bytes32
    public let index: Int
    public let chunk: StoredChunk

    public init(root: Bytes32, index: Int, chunk: StoredChunk) {
        self.root = root
        self.index = index
        self.chunk = chunk
    }

    /// Whether the proof leads from the bytes to the root.
    public func run() -> Bool {
        BodyTree.verify(
            proof: chunk.proof.elements, chunkRoot: SHA256.hash(chunk.data.bytes), index: index,
            root: root)
    }
}
