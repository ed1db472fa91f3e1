package import ChoraleBase
import Crypto
package import Execution

/// Trie nodes and codes in memory, by the hash of their bytes.
package struct NodeStore: TrieNodeSource, CodeSource {
    package private(set) var nodes: [Bytes32: [UInt8]] = [:]
    package var codes: [Bytes32: Code] = [:]

    package init() {}

    /// Everything that a state is made of, and its root.
    package static func holding(
        _ state: MemoryState
    ) throws(StateError) -> (store: NodeStore, root: Bytes32) {
        let tries = TrieState(root: Trie.emptyRoot, source: NodeStore(), blockHashes: [:])
        let root = try tries.apply(state.allAsChanges)
        var store = NodeStore()
        store.codes = state.codes
        tries.forEachNewNode { store.nodes[$0] = $1 }
        return (store, root)
    }

    package mutating func add(_ encoding: [UInt8]) { nodes[Keccak256.hash(encoding)] = encoding }

    package mutating func add(_ hash: Bytes32, _ encoding: [UInt8]) { nodes[hash] = encoding }

    package mutating func remove(_ hash: Bytes32) { nodes[hash] = nil }

    package func withNode<Result, Failure: Error>(
        _ hash: Bytes32, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard let node = nodes[hash] else { return nil }
        return try body(node.span)
    }

    package func code(_ hash: Bytes32) -> Code? { codes[hash] }

    /// Only the nodes with these hashes.
    package func only(_ hashes: [Bytes32]) -> NodeStore {
        var store = NodeStore()
        for hash in hashes { store.nodes[hash] = nodes[hash] }
        return store
    }
}
