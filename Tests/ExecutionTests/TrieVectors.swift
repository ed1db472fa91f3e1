import ChoraleBase
import Codec
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Execution

/// Ethereum's trie tests and eighty random tries, where the fixtures are at hand.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct TrieVectors {
    /// Text, or hexadecimal behind `0x`.
    private static func bytes(_ text: String) throws -> [UInt8] {
        text.hasPrefix("0x") ? try Hex.decode(String(text.dropFirst(2))) : Array(text.utf8)
    }

    private static func set(
        _ trie: inout Trie, _ key: [UInt8], _ value: [UInt8], isSecure: Bool
    ) throws {
        let place = isSecure ? Keccak256.hash(key).bytes : key
        try trie.set(place.span, to: value, from: NoTrieNodes())
    }

    @Test(arguments: [
        "TrieTests-trietest", "TrieTests-trietest_secureTrie", "TrieTests-trieanyorder",
        "TrieTests-trieanyorder_secureTrie", "TrieTests-hex_encoded_securetrie_test",
    ])
    func official(_ name: String) throws {
        let file = try Fixtures.json("basic/\(name).json")
        try #require(!file.keys.isEmpty)
        for test in file.keys {
            let row = try file[test]
            let input = try row["in"]
            var changes: [(key: [UInt8], value: [UInt8])] = []
            if input.keys.isEmpty {
                for pair in try input.array {
                    let pair = try pair.array
                    let value = pair[1].value is NSNull ? [] : try Self.bytes(pair[1].string)
                    changes.append((try Self.bytes(pair[0].string), value))
                }
            } else {
                for key in input.keys {
                    changes.append((try Self.bytes(key), try Self.bytes(input[key].string)))
                }
            }
            var trie = Trie()
            for change in changes {
                try Self.set(
                    &trie, change.key, change.value, isSecure: name.lowercased().contains("secure"))
            }
            #expect(try trie.root().bytes == Self.bytes(row["root"].string), "\(name): \(test)")
        }
    }

    /// Which keys come before and after others that may not be there.
    @Test func neighbours() throws {
        let file = try Fixtures.json("basic/TrieTests-trietestnextprev.json")
        try #require(!file.keys.isEmpty)
        for name in file.keys {
            var trie = Trie()
            for key in try file[name]["in"].array {
                let bytes = Array(try key.string.utf8)
                try trie.set(bytes.span, to: bytes, from: NoTrieNodes())
            }
            for row in try file[name]["tests"].array {
                let row = try row.array.map { Array(try $0.string.utf8) }
                let key = row[0]
                let before = try trie.key(before: key.span, from: NoTrieNodes()) ?? []
                let after = try trie.key(after: key.span, from: NoTrieNodes()) ?? []
                #expect(before == row[1] && after == row[2], "\(name): \(row)")
            }
        }
    }

    /// How paths of nibbles are packed into bytes, with a flag for leaves: a leaf, or an extension with a
    /// branch below, whose path is the one asked for.
    @Test func packedPaths() throws {
        let file = try Fixtures.json("basic/BasicTests-hexencodetest.json")
        try #require(!file.keys.isEmpty)
        for name in file.keys {
            let nibbles = try file[name]["seq"].array.map { UInt8(try $0.int) }
            let isLeaf = try file[name]["term"].bool
            let packed = try Hex.decode(try file[name]["out"].string)
            let value = [UInt8](repeating: 7, count: 40)
            let branch = RLPValue.list(
                (0..<16).map { .bytes($0 < 2 ? Keccak256.hash([UInt8($0)]).bytes : []) }
                    + [.bytes(value)]
            ).encoded()
            let second = isLeaf ? value : Keccak256.hash(branch).bytes
            let node = RLPValue.list([.bytes(packed), .bytes(second)]).encoded()
            var store = NodeStore()
            store.add(branch)
            store.add(node)
            // Keys have whole bytes, so an odd path is found below a nibble of a branch.
            let isOdd = !nibbles.count.isMultiple(of: 2)
            let top = RLPValue.list(
                (0..<16).map { .bytes($0 < 2 ? Keccak256.hash(node).bytes : []) } + [.bytes([])]
            ).encoded()
            store.add(top)
            var trie = Trie(root: Keccak256.hash(isOdd ? top : node))
            let path = isOdd ? [1] + nibbles : nibbles
            let key = stride(from: 0, to: path.count, by: 2).map { path[$0] << 4 | path[$0 + 1] }
            let found = try trie.value(at: key.span, from: store)
            #expect(found == value, "\(name)")
            // And written: another value, and the first again, is the same trie.
            let root = Keccak256.hash(isOdd ? top : node)
            try trie.set(key.span, to: [1], from: store)
            #expect(trie.root() != root)
            try trie.set(key.span, to: value, from: store)
            #expect(trie.root() == root, "\(name)")
        }
    }

    @Test func random() throws {
        let tries = try Fixtures.json("basic/trie-random.json.gz").array
        #expect(!tries.isEmpty)
        for row in tries {
            let isSecure = try row["secure"].bool
            var trie = Trie()
            for (index, step) in try row["steps"].array.enumerated() {
                for operation in try step["ops"].array {
                    let pair = try operation.array
                    try Self.set(
                        &trie, Self.bytes(pair[0].string), Self.bytes(pair[1].string),
                        isSecure: isSecure)
                }
                let name = try row["name"].string
                #expect(
                    try trie.root().bytes == Self.bytes(step["root"].string),
                    "\(name), step \(index)")
            }
        }
    }
}
