import ChoraleBase
import Crypto
import Testing

@testable import Execution

@Suite struct TrieBuilderTests {
    /// Entries whose keys share more than those of hashes would.
    static func entries(seed: UInt64, count: Int) -> [(key: Bytes32, value: [UInt8])] {
        var random = DeterministicRandom(seed: seed)
        var entries: [Bytes32: [UInt8]] = [:]
        let width = 1 + random.below(4)
        for _ in 0..<count {
            var bytes = [UInt8](repeating: 0, count: 32)
            for _ in 0..<width {
                bytes[random.below(32)] = UInt8(random.below(4)) << 4 | UInt8(random.below(3))
            }
            if random.chance(1, in: 3) { bytes = random.bytes(count: 32) }
            guard let key = Bytes32(bytes) else { continue }
            // Short values are inside other nodes where keys are long enough.
            entries[key] = random.bytes(count: 1 + random.below(40))
        }
        return entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    @Test(arguments: UInt64(0)..<200) func theSameNodesAsATrieOfChanges(seed: UInt64) throws {
        let entries = Self.entries(seed: seed, count: [0, 1, 2, 3, 10, 60, 300][Int(seed % 7)])
        var trie = Trie()
        for (key, value) in entries {
            try trie.set(key.storage.span, to: value, from: NoTrieNodes())
        }
        var expected: [Bytes32: [UInt8]] = [:]
        trie.forEachNewNode { expected[$0] = $1 }
        var nodes: [Bytes32: [UInt8]] = [:]
        var builder = TrieBuilder()
        for (key, value) in entries { builder.add(key, value) { nodes[$0] = $1 } }
        let root = builder.finish { nodes[$0] = $1 }
        #expect(root == trie.root())
        #expect(nodes == expected)
        for (hash, node) in nodes { #expect(Keccak256.hash(node) == hash) }
    }
}
