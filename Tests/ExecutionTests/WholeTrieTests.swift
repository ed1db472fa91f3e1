import ChoraleBase
import Crypto
import Testing

@testable import Execution

/// The trie of a whole set is that of its entries one by one.
@Suite struct WholeTrieTests {
    static func key(_ text: String) -> Bytes32 {
        let digits = text + String(repeating: "0", count: 64 - text.count)
        return Bytes32(try! Hex.decode(digits))!
    }

    /// Root and nodes of both.
    static func compare(_ entries: [(Bytes32, [UInt8])]) throws {
        let sorted = entries.sorted { $0.0 < $1.0 }
        var built: [Bytes32: [UInt8]] = [:]
        var asked: [Int] = []
        let root = TrieBuilder.build(
            count: sorted.count, key: { sorted[$0].0 },
            value: {
                asked.append($0)
                return sorted[$0].1
            }, node: { built[$0] = $1 })
        #expect(asked == Array(sorted.indices))
        var trie = Trie()
        let source = StateStore()
        for (key, value) in entries {
            let bytes = key.bytes
            try trie.set(bytes.span, to: value, from: source)
        }
        #expect(root == trie.root())
        var nodes: [Bytes32: [UInt8]] = [:]
        trie.forEachNewNode { nodes[$0] = $1 }
        #expect(built == nodes)
    }

    @Test func nothing() throws {
        try Self.compare([])
    }

    @Test func shapes() throws {
        // A leaf; a branch at the root; an extension of one nibble and of many; a branch deep below;
        // leaves that are part of their parents and ones that are not.
        for keys in [
            ["1"], ["1", "2"], ["12", "13"], ["120", "121"], ["12345678", "12345679", "2"],
            [String(repeating: "a", count: 63) + "1", String(repeating: "a", count: 63) + "2"],
            ["0", "00000000000000000000000000000001", "f"],
        ] {
            for size in [1, 2, 30, 40] {
                try Self.compare(
                    keys.map { (Self.key($0), [UInt8](repeating: UInt8($0.count), count: size)) })
            }
        }
    }

    @Test(arguments: UInt64(0)..<40) func manyKeys(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        var entries: [Bytes32: [UInt8]] = [:]
        for _ in 0..<random.below(200) {
            // Some with long prefixes in common.
            var key = random.bytes(count: 32)
            for index in 0..<random.below(32) { key[index] = 0x11 }
            entries[Bytes32(key)!] = random.bytes(count: 1 + random.below(50))
        }
        try Self.compare(entries.map { ($0.key, $0.value) })
    }
}
