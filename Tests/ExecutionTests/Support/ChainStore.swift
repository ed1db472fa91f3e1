import ChoraleBase
import Conformance

@testable import Execution

/// Nodes and codes in memory, also wrong ones.
struct ChainStore: TrieNodeSource, CodeSource {
    var nodes = NodeStore()
    var codes: [Bytes32: Code] = [:]

    init() {}

    /// Everything that a state is made of.
    init(_ state: MemoryState) throws {
        let store = try StateStore(state.entries)
        codes = store.codes
        for node in store.nodes.values { nodes.add(node) }
    }

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
        nodes.appendNode(hash, to: &bytes)
    }

    func code(_ hash: Bytes32) -> Code? { codes[hash] }
}
