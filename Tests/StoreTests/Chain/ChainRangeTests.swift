import Chain
import ChoraleBase
import Crypto
import Execution
import Testing

@testable import Store

/// A state that is handed out in ranges, and what is not believed of them.
@Suite struct ChainRangeTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let highest = Bytes32(storage: .init(repeating: 0xFF))

    private func verify(_ root: Bytes32, from first: Bytes32, _ range: StateRange) throws {
        try RangeProof.verify(
            root, from: first, through: range.last, range.entries.map { ($0.key, $0.value) },
            proof: range.proof)
    }

    private func open(_ name: String) throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending(name), network: TestChain.network, options: .small)
    }

    /// The key after one.
    private func next(_ key: Bytes32) -> Bytes32 {
        var bytes = key.bytes
        for index in bytes.indices.reversed() {
            bytes[index] &+= 1
            if bytes[index] != 0 { break }
        }
        return Bytes32(bytes) ?? .zero
    }

    @Test(arguments: [1, 200, 700, 100_000]) func aStateIsTakenOverInRanges(
        sizeMax: Int
    ) throws {
        var chain = TestChain(seed: 60)
        let database = try open("source")
        defer { database.close() }
        for _ in 0..<10 { try database.write(chain.append(), sync: false) }
        let reader = database.makeReader()
        let copy = try open("copy")
        defer { copy.close() }
        let state = try copy.importState()
        let root = chain.roots[8]
        var first = Bytes32.zero
        while true {
            let range = try reader.accounts(after: 8, from: first, sizeMax: sizeMax)
            try verify(root, from: first, range)
            for entry in range.entries {
                let decoded = Account(rlp: entry.value.span)
                let account = try #require(decoded)
                try state.add([(key: entry.key, account: account)])
                var slot = Bytes32.zero
                while true {
                    let words = try reader.slots(
                        of: entry.key, after: 8, from: slot, sizeMax: sizeMax)
                    try verify(account.storageRoot, from: slot, words)
                    var parts: [(key: Bytes32, word: UInt256)] = []
                    for word in words.entries {
                        let decoded = UInt256(rlp: word.value.span)
                        let value = try #require(decoded)
                        parts.append((word.key, value))
                    }
                    try state.add(parts, of: entry.key)
                    guard words.last != Self.highest else { break }
                    slot = next(words.last)
                }
            }
            guard range.last != Self.highest else { break }
            first = next(range.last)
        }
        #expect(try state.finish() == root)
        #expect(throws: ChainReadError.pruned(height: 5, oldest: 6)) {
            try reader.accounts(after: 5, from: .zero, sizeMax: 1000)
        }
    }

    /// Whatever is changed, left out or added is noticed.
    @Test(arguments: UInt64(0)..<40) func nothingElseIsBelieved(seed: UInt64) throws {
        var chain = TestChain(seed: 61)
        let database = try open("source")
        defer { database.close() }
        for _ in 0..<10 { try database.write(chain.append(), sync: false) }
        let root = chain.roots[9]
        var random = DeterministicRandom(seed: seed)
        let first = Bytes32(random.bytes(count: 32)) ?? .zero
        let reader = database.makeReader()
        let range = try reader.accounts(
            after: 9, from: first, sizeMax: 1 + random.below(1500))
        try verify(root, from: first, range)
        func refuses(_ change: (inout StateRange) -> Void, _ what: String) {
            var changed = range
            change(&changed)
            guard changed != range else { return }
            #expect(throws: RangeProofError.self, "\(what)") {
                try verify(root, from: first, changed)
            }
        }
        for index in range.entries.indices {
            refuses({ $0.entries.remove(at: index) }, "entry \(index) left out")
            refuses({ $0.entries[index].value[5] ^= 1 }, "entry \(index) changed")
            refuses({ $0.entries[index].value = [] }, "entry \(index) empty")
            refuses({ $0.entries[index].key = next($0.entries[index].key) }, "key \(index)")
            refuses({ $0.entries.append($0.entries[index]) }, "entry \(index) twice")
            refuses(
                { range in
                    var made = range.entries[index]
                    made.key = next(made.key)
                    range.entries.insert(made, at: index + 1)
                }, "an entry made up after \(index)")
        }
        for index in range.proof.indices {
            refuses({ $0.proof.remove(at: index) }, "node \(index) left out")
            for _ in 0..<20 {
                let bit = random.below(8 * range.proof[index].count)
                refuses({ $0.proof[index][bit / 8] ^= 1 << UInt8(bit % 8) }, "bit \(bit)")
            }
            refuses({ $0.proof[index] = [] }, "node \(index) empty")
        }
        refuses({ $0.proof.append([0xC0]) }, "a node of no use")
        refuses({ $0.entries = [] }, "nothing")
        // The answer ends early and says that it does not.
        if range.last != Self.highest {
            refuses({ $0.last = Self.highest }, "the end")
        }
    }

    @Test func theEdgesOfAProof() throws {
        #expect(throws: RangeProofError.emptyRange) {
            try RangeProof.verify(
                Trie.emptyRoot, from: Self.highest, through: .zero, [], proof: [])
        }
        try RangeProof.verify(
            Trie.emptyRoot, from: .zero, through: Self.highest, [], proof: [])
        try RangeProof.verify(
            Trie.emptyRoot, from: TestChain.hash("a"), through: Self.highest, [], proof: [])
        let root = TestChain.hash("no root")
        #expect(throws: RangeProofError.missing(root)) {
            try RangeProof.verify(
                root, from: TestChain.hash("a"), through: Self.highest, [], proof: [])
        }
        #expect(throws: RangeProofError.mismatch(path: [])) {
            try RangeProof.verify(root, from: .zero, through: Self.highest, [], proof: [])
        }
        // A root that is no node, or one whose path never ends.
        let bad: [[UInt8]] = [[], [0x80], [0xC0], [0xC2, 0x80, 0x80], [0xC2, 0x11, 0x80]]
        for node in bad {
            #expect(throws: RangeProofError.self) {
                try RangeProof.verify(
                    Keccak256.hash(node), from: TestChain.hash("a"), through: Self.highest, [],
                    proof: [node])
            }
        }
    }
}
