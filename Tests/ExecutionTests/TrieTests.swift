import ChoraleBase
import Codec
import Conformance
import Crypto
import TestSupport
import Testing

@testable import Execution

/// Entries whose keys share prefixes, so that small tries have every shape.
private struct Entries {
    var random: DeterministicRandom
    var map: [[UInt8]: [UInt8]] = [:]
    let keySize: Int

    init(seed: UInt64, keySize: Int, count: Int) {
        random = DeterministicRandom(seed: seed)
        self.keySize = keySize
        for _ in 0..<count { map[key()] = value() }
    }

    mutating func key() -> [UInt8] {
        // Few first bytes and few nibbles: long shared paths, deep branches.
        (0..<keySize).map { index in
            index < keySize - 1 ? [0x00, 0x01, 0x10][random.below(3)] : UInt8(random.below(32))
        }
    }

    mutating func value() -> [UInt8] {
        random.bytes(count: [1, 2, 20, 40, 110][random.below(5)])
    }

    /// Some new, some changed, some removed, some removed that were never there.
    mutating func changes(count: Int) -> [Trie.Change] {
        var seen: Set<[UInt8]> = []
        var changes: [Trie.Change] = []
        let present = map.keys.sorted { $0.lexicographicallyPrecedes($1) }
        for _ in 0..<count {
            let key =
                random.chance(2, in: 3) && !present.isEmpty
                ? present[random.below(present.count)] : key()
            guard seen.insert(key).inserted else { continue }
            let value = random.chance(1, in: 2) ? nil : value()
            changes.append(Trie.Change(key: key, value: value))
        }
        return changes
    }

    mutating func apply(_ changes: [Trie.Change]) {
        for change in changes { map[change.key] = change.value }
    }
}

@Suite struct TrieTests {
    @Test func anEmptyTrieHasTheKnownRoot() {
        var trie = Trie()
        #expect(
            trie.root().description
                == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
        #expect(trie.isEmpty)
        let known = Trie(root: Trie.emptyRoot)
        #expect(known.isEmpty)
    }

    @Test(arguments: UInt64(1)...40)
    func changesInAnyOrderGiveTheTrieOfTheResult(seed: UInt64) throws {
        for keySize in [1, 3, 32] {
            var entries = Entries(seed: seed, keySize: keySize, count: 30)
            let (store, root) = try NodeStore.holding(entries.map)
            let changes = entries.changes(count: 25)
            var first = Trie(root: root)
            var second = first
            var third = first
            try first.apply(changes, order: .updatesFirst, from: store)
            try second.apply(changes.reversed(), order: .deletionsFirst, from: store)
            for change in entries.random.sample(changes, count: changes.count) {
                try third.set(change.key.span, to: change.value ?? [], from: store)
            }
            entries.apply(changes)
            let expected = try NodeStore.holding(entries.map).root
            #expect(first.root() == expected)
            #expect(second.root() == expected)
            #expect(third.root() == expected)
            for (key, value) in entries.map {
                let found = try first.value(at: key.span, from: store)
                #expect(found == value)
            }
            for change in changes where change.isDeletion {
                let found = try first.value(at: change.key.span, from: store)
                #expect(found == nil)
            }
        }
    }

    /// The nodes that a run looked at are a witness for it: with them it gives the same, and without
    /// any one of them it says that this one is missing.
    @Test(arguments: UInt64(1)...20)
    func whatWasLookedAtIsExactlyWhatIsNeeded(seed: UInt64) throws {
        var entries = Entries(seed: seed, keySize: 4, count: 60)
        let (store, root) = try NodeStore.holding(entries.map)
        let changes = entries.changes(count: 12)
        for order in [Trie.ChangeOrder.updatesFirst, .deletionsFirst] {
            var trie = Trie(root: root)
            try trie.apply(changes, order: order, from: store)
            let expected = trie.root()
            let witness = store.only(trie.resolved)
            #expect(Set(trie.resolved).count == trie.resolved.count || keysRepeat(trie.resolved))
            var again = Trie(root: root)
            try again.apply(changes, order: order, from: witness)
            #expect(again.root() == expected)
            for hash in trie.resolved {
                var poorer = witness
                poorer.remove(hash)
                #expect(throws: TrieError.missing(hash)) {
                    var trie = Trie(root: root)
                    try trie.apply(changes, order: order, from: poorer)
                }
            }
        }
    }

    /// Equal subtrees have one hash and are looked at once for each place they stand in.
    private func keysRepeat(_ hashes: [Bytes32]) -> Bool { Set(hashes).count < hashes.count }

    /// Two entries under one branch, one replaced by a third: the branch collapses in between only
    /// when the deletion comes first, and then the sibling is needed.
    @Test func theOrderDecidesWhetherASiblingIsOpened() throws {
        let value = [UInt8](repeating: 7, count: 40)
        let (store, root) = try NodeStore.holding([[0x11]: value, [0x12]: value, [0x23]: value])
        let changes = [
            Trie.Change(key: [0x23], value: nil), Trie.Change(key: [0x34], value: value),
        ]
        var updates = Trie(root: root)
        var deletions = updates
        try updates.apply(changes, order: .updatesFirst, from: store)
        try deletions.apply(changes, order: .deletionsFirst, from: store)
        #expect(updates.root() == deletions.root())
        #expect(updates.resolved.count == 2)
        #expect(deletions.resolved.count == 3)
    }

    @Test func absenceIsProvenAndMissingIsNot() throws {
        let value = [UInt8](repeating: 7, count: 40)
        let (store, root) = try NodeStore.holding([[0x11]: value, [0x12]: value, [0x23]: value])
        var trie = Trie(root: root)
        let absent = try trie.value(at: [0x30].span, from: store)
        #expect(absent == nil)
        #expect(trie.resolved == [root])
        var blind = Trie(root: root)
        #expect(throws: TrieError.missing(root)) {
            try blind.value(at: [0x30].span, from: NoTrieNodes())
        }
    }

    @Test func writingWhatIsThereComputesNothing() throws {
        let (store, root) = try NodeStore.holding([[1, 1]: [5], [1, 2]: [6]])
        var trie = Trie(root: root)
        try trie.set([1, 1].span, to: [5], from: store)
        try trie.set([9, 9].span, to: [], from: store)
        #expect(!trie.references.contains(.unknown))
        #expect(trie.root() == root)
    }

    @Test func boundsAreKept() throws {
        var trie = Trie(limits: .init(byteCountMax: 100, nodeCountMax: 10))
        try trie.set([1].span, to: [UInt8](repeating: 1, count: 60), from: NoTrieNodes())
        #expect(throws: TrieError.tooLarge(limit: 100)) {
            try trie.set([2].span, to: [UInt8](repeating: 1, count: 60), from: NoTrieNodes())
        }
        var branching = Trie(limits: .init(byteCountMax: 1000, nodeCountMax: 4))
        #expect(throws: TrieError.tooManyNodes(limit: 4)) {
            for byte in UInt8(1)...9 {
                try branching.set([byte].span, to: [1], from: NoTrieNodes())
            }
        }
    }
}

@Suite struct TrieNodeTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let node: RLPValue
        let fault: TrieNodeFault
        init(_ name: String, _ node: RLPValue, _ fault: TrieNodeFault) {
            self.name = name
            self.node = node
            self.fault = fault
        }
        var testDescription: String { name }
    }

    static let hash = RLPValue.bytes([UInt8](repeating: 9, count: 32))
    static let leaf = RLPValue.list([.bytes([0x20]), .bytes([1])])

    static func branch(_ places: [Int: RLPValue], value: RLPValue = .bytes([])) -> RLPValue {
        .list((0..<16).map { places[$0] ?? .bytes([]) } + [value])
    }

    static let rows: [Row] = [
        Row("not a list", .bytes([1, 2, 3]), .rlp(.unexpectedKind(.bytes))),
        Row("no items", .list([]), .itemCount(0)),
        Row("three items", .list([hash, hash, hash]), .itemCount(3)),
        Row(
            "eighteen items", .list(Array(repeating: hash, count: 18)),
            .rlp(.tooManyItems(limit: 17))),
        Row("no path", .list([.bytes([]), .bytes([1])]), .path),
        Row("a list as path", .list([.list([]), .bytes([1])]), .path),
        Row("flag 4", .list([.bytes([0x40]), .bytes([1])]), .path),
        Row("padding of an even path", .list([.bytes([0x21, 0x11]), .bytes([1])]), .path),
        Row("a leaf without value", .list([.bytes([0x20]), .bytes([])]), .emptyValue),
        Row("a list as value", .list([.bytes([0x20]), .list([])]), .rlp(.unexpectedKind(.list))),
        Row("an extension without path", .list([.bytes([0x00]), hash]), .emptyExtension),
        Row(
            "an extension to nothing", .list([.bytes([0x11]), .bytes([])]), .extensionWithoutBranch),
        Row("an extension to a leaf", .list([.bytes([0x11]), leaf]), .extensionWithoutBranch),
        Row(
            "an extension to 31 bytes",
            .list([.bytes([0x11]), .bytes([UInt8](repeating: 9, count: 31))]),
            .reference(size: 31)),
        Row("an empty branch", branch([:]), .sparseBranch),
        Row("a branch with one child", branch([3: hash]), .sparseBranch),
        Row("a branch with a value alone", branch([:], value: .bytes([1])), .sparseBranch),
        Row(
            "a list as a branch's value", branch([1: hash, 2: hash], value: .list([])),
            .rlp(.unexpectedKind(.list))),
        Row(
            "a child of 33 bytes", branch([1: hash, 2: .bytes([UInt8](repeating: 9, count: 33))]),
            .reference(size: 33)),
        Row(
            "a large node inside",
            branch([
                1: hash, 2: .list([.bytes([0x20]), .bytes([UInt8](repeating: 9, count: 40))]),
            ]), .embeddedTooLarge(43)),
        Row(
            "a broken node inside", branch([1: hash, 2: .list([.bytes([0x20]), .bytes([])])]),
            .emptyValue),
    ]

    @Test(arguments: rows) func isRefused(_ row: Row) {
        var store = NodeStore()
        let encoding = row.node.encoded()
        store.add(encoding)
        let root = Keccak256.hash(encoding)
        for change in [[UInt8](), [1]] {
            var trie = Trie(root: root)
            #expect(throws: TrieError.malformed(root, row.fault)) {
                try trie.set([0x12, 0x34].span, to: change, from: store)
            }
        }
    }

    /// Bytes that are no RLP at all, at every length of a real node.
    @Test func truncatedNodesAreRefused() throws {
        let value = [UInt8](repeating: 7, count: 40)
        let (whole, root) = try NodeStore.holding([[0x11]: value, [0x12]: value, [0x23]: value])
        let node = try #require(whole.nodes[root])
        for count in 0..<node.count {
            var store = NodeStore()
            let cut = Array(node.prefix(count))
            store.add(cut)
            var trie = Trie(root: Keccak256.hash(cut))
            #expect(throws: TrieError.self) { try trie.value(at: [0x11].span, from: store) }
        }
    }

    /// A hostile source: an extension whose branch turns out to be a leaf. It is refused by whoever goes
    /// through the extension. A change beside it splits the extension; the leaf is then below a branch,
    /// where leaves may be.
    @Test(
        arguments: [([0x11], true), ([0x12], true), ([0x21], false), ([], false)]
            as [([UInt8], Bool)])
    func aLeafBehindAnExtensionIsRefused(_ key: [UInt8], _ goesThrough: Bool) throws {
        var store = NodeStore()
        let leaf = RLPValue.list([.bytes([0x20]), .bytes([UInt8](repeating: 1, count: 40))])
            .encoded()
        store.add(leaf)
        let top = RLPValue.list([.bytes([0x11]), .bytes(Keccak256.hash(leaf).bytes)]).encoded()
        store.add(top)
        var found: TrieError?
        do throws(TrieError) {
            var trie = Trie(root: Keccak256.hash(top))
            try trie.set(key.span, to: [5], from: store)
            _ = trie.root()
            try trie.set(key.span, to: [], from: store)
            _ = trie.root()
        } catch {
            found = error
        }
        let error = TrieError.malformed(Keccak256.hash(leaf), .extensionWithoutBranch)
        #expect(found == (goesThrough ? error : nil))
    }
}

/// Neighbours of keys, against a sorted list.
@Suite struct TrieOrderTests {
    @Test func agreesWithSorting() throws {
        var random = DeterministicRandom(seed: 11)
        for round in 0..<60 {
            // Some keys begin others; few letters make long common paths.
            var keys: Set<[UInt8]> = []
            for _ in 0..<round {
                let size = random.below(5)
                keys.insert((0..<size).map { _ in [0x00, 0x01, 0x10, 0xFF][random.below(4)] })
            }
            let entries = Dictionary(
                uniqueKeysWithValues: keys.map { ($0, [UInt8](repeating: 1, count: 33)) })
            let (store, root) = try NodeStore.holding(entries)
            let sorted = keys.sorted { $0.lexicographicallyPrecedes($1) }
            for _ in 0..<40 {
                let size = random.below(6)
                let key = (0..<size).map { _ in
                    [UInt8]([0x00, 0x01, 0x02, 0x10, 0xFE, 0xFF])[random.below(6)]
                }
                // From what has not been looked at, too.
                var trie = entries.isEmpty ? Trie() : Trie(root: root)
                let after = try trie.key(after: key.span, from: store)
                let before = try trie.key(before: key.span, from: store)
                #expect(after == sorted.first { key.lexicographicallyPrecedes($0) })
                #expect(before == sorted.last { $0.lexicographicallyPrecedes(key) })
            }
        }
    }

    @Test func missingNodesAreMissing() throws {
        let value = [UInt8](repeating: 1, count: 33)
        let (store, root) = try NodeStore.holding([[0x11]: value, [0x12]: value, [0x23]: value])
        var trie = Trie(root: root)
        let none: [UInt8] = []
        let top = store.only([root])
        var found: TrieError?
        do throws(TrieError) { _ = try trie.key(after: none.span, from: top) } catch {
            found = error
        }
        guard case .missing = found else {
            Issue.record("a neighbour below what is missing: \(String(describing: found))")
            return
        }
    }
}
