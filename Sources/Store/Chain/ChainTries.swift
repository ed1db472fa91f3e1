public import ChoraleBase
public import Execution

/// The state's tries after a height, as they were when this was made: what executing the next block needs.
///
/// It holds a snapshot: let go of it soon.
public final class ChainTries: TrieNodeSource, CodeSource {
    private let nodes: SnapshotNodes

    init(_ nodes: SnapshotNodes) { self.nodes = nodes }

    public func appendNode(
        _ hash: Bytes32, to bytes: inout [UInt8]
    ) throws(SourceFailure) -> Bool {
        try nodes.appendNode(hash, to: &bytes)
    }

    public func code(_ hash: Bytes32) throws(SourceFailure) -> Code? { try nodes.code(hash) }
}

extension ChainReader {
    /// The tries after a height; nil where they are not kept, any more or at all.
    ///
    /// - Throws: ``ChainReadError/unavailable(_:)`` for a height that is not there yet.
    public func tries(after height: UInt64) throws(ChainReadError) -> ChainTries? {
        do throws(ChainReadError) {
            let (snapshot, head) = try snapshot(height)
            guard height >= head.oldestTrie else { return nil }
            return ChainTries(SnapshotNodes(snapshot, codes, state, options))
        } catch {
            guard case .stateless = error else { throw error }
            return nil
        }
    }
}
