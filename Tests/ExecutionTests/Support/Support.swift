import ChoraleBase
import Codec
import Conformance
import TestSupport

@testable import Execution

extension StatelessCase {
    /// From a file with one case.
    init(path: String) throws { try self.init(FixtureFile.document(Fixtures.data(path))) }
}

extension NodeStore {
    /// Every node of the trie with these entries, and its root.
    static func holding(_ entries: [[UInt8]: [UInt8]]) throws -> (NodeStore, root: Bytes32) {
        var trie = Trie()
        for (key, value) in entries { try trie.set(key.span, to: value, from: NoTrieNodes()) }
        var store = NodeStore()
        let root = trie.root()
        // Under the hash of their bytes, which is what must have been said.
        trie.forEachNewNode { store.add($1) }
        return (store, root)
    }
}

extension JSON {
    /// A number in hexadecimal with or without leading zeros.
    var word: UInt256 {
        get throws {
            var digits = Array(try string.dropFirst(2))
            if !digits.count.isMultiple(of: 2) { digits.insert("0", at: 0) }
            let bytes = try Hex.decode(String(digits))
            guard let word = UInt256(bigEndian: bytes.span) else {
                throw RLPError.wrongSize(found: bytes.count, expected: 32)
            }
            return word
        }
    }
}
