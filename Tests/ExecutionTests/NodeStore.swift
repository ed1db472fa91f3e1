import ChoraleBase
import Crypto

@testable import Execution

/// Nodes in memory, by the hash of their bytes.
struct NodeStore: TrieNodeSource {
    private(set) var nodes: [Bytes32: [UInt8]] = [:]

    mutating func add(_ encoding: [UInt8]) { nodes[Keccak256.hash(encoding)] = encoding }

    mutating func remove(_ hash: Bytes32) { nodes[hash] = nil }

    func withNode<Result, Failure: Error>(
        _ hash: Bytes32, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard let node = nodes[hash] else { return nil }
        return try body(node.span)
    }

    /// Only the nodes with these hashes.
    func only(_ hashes: [Bytes32]) -> NodeStore {
        var store = NodeStore()
        for hash in hashes { store.nodes[hash] = nodes[hash] }
        return store
    }

    /// Every node of the trie with these entries, and its root.
    static func holding(_ entries: [[UInt8]: [UInt8]]) throws -> (NodeStore, root: Bytes32) {
        var trie = Trie()
        for (key, value) in entries { try trie.set(key.span, to: value, from: NoTrieNodes()) }
        var store = NodeStore()
        let root = trie.root()
        trie.forEachNewNode { hash, encoding in
            store.add(encoding)
            assert(hash == Keccak256.hash(encoding))
        }
        return (store, root)
    }
}
