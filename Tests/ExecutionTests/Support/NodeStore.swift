import ChoraleBase
import Crypto

@testable import Execution

/// Trie nodes in memory, by the hash of their bytes.
struct NodeStore: TrieNodeSource {
    private(set) var nodes: [Bytes32: [UInt8]] = [:]
    mutating func add(_ encoding: [UInt8]) { nodes[Keccak256.hash(encoding)] = encoding }

    mutating func remove(_ hash: Bytes32) { nodes[hash] = nil }

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        guard let node = nodes[hash] else { return false }
        bytes.append(contentsOf: node)
        return true
    }

    /// Only the nodes with these hashes.
    func only(_ hashes: [Bytes32]) -> NodeStore {
        var store = NodeStore()
        for hash in hashes { store.nodes[hash] = nodes[hash] }
        return store
    }
}
