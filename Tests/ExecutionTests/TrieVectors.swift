import ChoraleBase
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
