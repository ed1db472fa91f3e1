public import ChoraleBase
import Codec

/// The Merkle tree whose root names a body.
///
/// The root is the `hash_tree_root` of the SSZ container
///
///     class BodyContents(Container):
///         chunk_roots: List[Bytes32, 1024]   # SHA-256 of each chunk
///         size: uint64                       # of the body, in bytes
///         chunk_size: uint32
///
/// so that it fixes how the body is cut as well as its bytes: nobody can announce another's root
/// with a size that makes honest holders look like liars. A chunk's proof is the branch from its
/// root to the container's.
///
///                          root
///                ┌──────────┴──────────┐
///           ┌────┴────┐           ┌────┴────┐
///      chunk_roots   size     chunk_size    0
///       ┌───┴───┐
///     list   length                            depth: 2 + 1 + 10
public enum BodyTree {
    /// Levels of the list: 2^10 chunk roots.
    static let listDepth = 10
    /// Hashes of a proof: the list's levels, its length, and two levels of the container.
    public static let proofCount = listDepth + 3

    /// The hash that stands for a chunk's bytes.
    public typealias ChunkRoot = Bytes32

    /// The root of the body with these chunks.
    ///
    /// - Precondition: as many chunk roots as `shape` has chunks.
    public static func root(chunkRoots: [ChunkRoot], shape: BodyShape) -> Bytes32 {
        precondition(chunkRoots.count == shape.chunkCount, "a root for each chunk")
        var node = listLevels(chunkRoots).last?.first ?? SSZZeroHashes.roots[listDepth]
        for sibling in tail(of: shape) { node = RootHash.combine(node, sibling) }
        return node
    }

    /// The proof of each chunk, in order.
    ///
    /// - Precondition: as many chunk roots as `shape` has chunks.
    /// - Complexity: one hash a chunk, besides copying.
    public static func proofs(chunkRoots: [ChunkRoot], shape: BodyShape) -> [[Bytes32]] {
        precondition(chunkRoots.count == shape.chunkCount, "a root for each chunk")
        let levels = listLevels(chunkRoots)
        let tail = tail(of: shape)
        return chunkRoots.indices.map { index in
            var proof: [Bytes32] = []
            proof.reserveCapacity(proofCount)
            for level in 0..<listDepth {
                let sibling = (index >> level) ^ 1
                proof.append(
                    sibling < levels[level].count
                        ? levels[level][sibling] : SSZZeroHashes.roots[level])
            }
            return proof + tail
        }
    }

    /// Whether `proof` leads from `chunkRoot` at `index` to `root`.
    ///
    /// Says nothing about the body's shape, which the proof's end states: see ``tail(of:)``.
    public static func verify(
        proof: [Bytes32], chunkRoot: ChunkRoot, index: Int, root: Bytes32
    ) -> Bool {
        guard proof.count == proofCount, index >= 0, index < 1 << listDepth else { return false }
        var node = chunkRoot
        for (level, sibling) in proof.enumerated() {
            // Above the list the way always comes from the left.
            node =
                (index >> level) & 1 == 1
                ? RootHash.combine(sibling, node) : RootHash.combine(node, sibling)
        }
        return node == root
    }

    /// The last three hashes of every proof of a body: what they say about its shape.
    ///
    /// A proof that leads to the root with another end shows that the root belongs to a body of
    /// another shape, so that whoever signed this shape for it lied.
    public static func tail(of shape: BodyShape) -> [Bytes32] {
        [
            UInt64(shape.chunkCount).hashTreeRoot,
            UInt64(shape.size).hashTreeRoot,
            RootHash.combine(UInt32(shape.chunkSize).hashTreeRoot, .zero),
        ]
    }

    /// The nodes of the list's tree that are not zero, from the leaves up.
    private static func listLevels(_ chunkRoots: [ChunkRoot]) -> [[Bytes32]] {
        var levels = [chunkRoots]
        for level in 0..<listDepth {
            let below = levels[level]
            levels.append(
                stride(from: 0, to: below.count, by: 2).map { left in
                    RootHash.combine(
                        below[left],
                        left + 1 < below.count ? below[left + 1] : SSZZeroHashes.roots[level])
                })
        }
        return levels
    }
}
