import ChoraleBase
import Codec
import Crypto
import Testing

@testable import Execution

/// Tries that somebody made to break whoever reads them.
@Suite struct HostileTrieTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let node: [UInt8]
        let fault: TrieNodeFault

        init(_ name: String, _ node: [UInt8], _ fault: TrieNodeFault) {
            testDescription = name
            self.node = node
            self.fault = fault
        }
    }

    private static func list(_ items: [[UInt8]]) -> [UInt8] {
        var output: [UInt8] = []
        RLPWriter.appendHeader(.list, size: items.reduce(0) { $0 + $1.count }, to: &output)
        return output + items.joined()
    }

    private static func item(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        RLPWriter.append(bytes.span, to: &output)
        return output
    }

    private static let hash = item([UInt8](repeating: 7, count: 32))
    private static let empty = item([])
    private static func branch(_ places: [Int: [UInt8]], value: [UInt8] = empty) -> [UInt8] {
        list((0..<16).map { places[$0] ?? empty } + [value])
    }

    private static func nested(_ depth: Int) -> [UInt8] {
        (0..<depth).reduce([0xC0]) { inner, _ in list([inner]) }
    }

    static let rows = [
        Row("no bytes", [], .rlp(.truncated)),
        Row("not a list", [0x83, 1, 2, 3], .rlp(.unexpectedKind(.bytes))),
        Row(
            "a list that ends early", [0xC3, 0x20], .rlp(.lengthBeyondEnd(length: 3, remaining: 1))),
        Row("bytes behind the node", list([[0x20], [5]]) + [0], .rlp(.trailingBytes(1))),
        Row(
            "a list of 2⁶⁴ − 1 bytes", [0xFF] + [UInt8](repeating: 0xFF, count: 8),
            .rlp(.lengthBeyondEnd(length: .max, remaining: 0))),
        Row("a length that is too long", [0xF8, 2, 0x20, 5], .rlp(.lengthNotMinimal)),
        Row("a byte with a header", list([[0x81, 0x20], [5]]), .rlp(.byteNotMinimal(0x20))),
        Row("no items", [0xC0], .itemCount(0)),
        Row("one item", [0xC1, 0x20], .itemCount(1)),
        Row("three items", list([[0x20], [5], [5]]), .itemCount(3)),
        Row("sixteen items", list([[UInt8]](repeating: hash, count: 16)), .itemCount(16)),
        Row(
            "eighteen items", list([[UInt8]](repeating: empty, count: 18)),
            .rlp(.tooManyItems(limit: 17))),
        Row("a leaf without a path", list([empty, [5]]), .path),
        Row("a path that is a list", list([[0xC0], [5]]), .path),
        Row("an unknown flag", list([[0x40], [5]]), .path),
        Row("a padding that is not zero", list([[0x21], [5]]), .path),
        Row("an extension's padding that is not zero", list([item([0x01, 0x23]), hash]), .path),
        Row("a leaf without a value", list([[0x20], empty]), .emptyValue),
        Row("a leaf with a list", list([[0x20], [0xC0]]), .rlp(.unexpectedKind(.list))),
        Row("an extension of no nibbles", list([[0x00], hash]), .emptyExtension),
        Row("an extension to nothing", list([[0x11], empty]), .extensionWithoutBranch),
        Row(
            "an extension to a leaf", list([[0x11], list([[0x20], [5]])]),
            .extensionWithoutBranch),
        Row(
            "a reference of 31 bytes", list([[0x11], item([UInt8](repeating: 7, count: 31))]),
            .reference(size: 31)),
        Row(
            "a reference of 33 bytes",
            branch([0: item([UInt8](repeating: 7, count: 33)), 1: hash]),
            .reference(size: 33)),
        Row("an empty branch", branch([:]), .sparseBranch),
        Row("a branch of one", branch([3: hash]), .sparseBranch),
        Row("a branch of a value alone", branch([:], value: item([9, 9])), .sparseBranch),
        Row(
            "a branch with a list for a value", branch([0: hash, 1: hash], value: [0xC0]),
            .rlp(.unexpectedKind(.list))),
        Row(
            "an embedded node of 32 bytes",
            branch([0: list([[0x20], item([UInt8](repeating: 9, count: 29))]), 1: hash]),
            .embeddedTooLarge(32)),
        Row(
            "a branch inside a branch",
            branch([0: branch([0: hash, 1: hash]), 1: hash]), .embeddedTooLarge(83)),
        Row("lists inside each other", nested(1000), .itemCount(1)),
        Row(
            "lists inside each other, where a child may be",
            branch([0: list([[0x11], nested(20)]), 1: hash]), .itemCount(1)),
        Row(
            "extensions inside each other",
            (0..<12).reduce(list([[0x20], [5]])) { node, _ in list([[0x11], node]) },
            .extensionWithoutBranch),
    ]

    /// Each is named for what it is, by every way of coming across it.
    @Test(arguments: rows) func refusesNodes(_ row: Row) {
        let hash = Keccak256.hash(row.node)
        var store = NodeStore()
        store.add(row.node)
        let key = [UInt8](repeating: 0, count: 32)
        let error = TrieError.malformed(hash, row.fault)
        #expect(throws: error) {
            var trie = Trie(root: hash)
            _ = try trie.value(at: key.span, from: store)
        }
        for value in [[], [1]] as [[UInt8]] {
            #expect(throws: error) {
                var trie = Trie(root: hash)
                try trie.set(key.span, to: value, from: store)
            }
        }
    }

    /// What a reference leads to must be what may stand there.
    @Test func refusesNodesAtPlacesThatAreNotTheirs() {
        let leaf = Self.list([Self.item([0x20] + [UInt8](repeating: 0, count: 30)), Self.item([5])])
        let small = Self.list([[0x20], [5]])
        let large = Self.branch([0: Self.hash, 1: Self.hash])
        func reference(_ node: [UInt8]) -> [UInt8] { Self.item(Keccak256.hash(node).bytes) }
        let cases: [([UInt8], [UInt8], TrieNodeFault?)] = [
            (Self.list([[0x10], reference(leaf)]), leaf, .extensionWithoutBranch),
            (Self.list([[0x10], reference(large)]), large, nil),
            (
                Self.list([
                    [0x10], reference(Self.list([[0x10], reference(large)])),
                ]), Self.list([[0x10], reference(large)]), .extensionWithoutBranch
            ),
            (Self.branch([0: reference(small), 1: Self.hash]), small, .notEmbedded(small.count)),
            (Self.branch([0: reference(leaf), 1: Self.hash]), leaf, nil),
        ]
        for (parent, child, fault) in cases {
            var store = NodeStore()
            for node in [parent, child] { store.add(node) }
            let key = [UInt8](repeating: 0, count: 32)
            var found: TrieError?
            do throws(TrieError) {
                var trie = Trie(root: Keccak256.hash(parent))
                _ = try trie.value(at: key.span, from: store)
            } catch {
                found = error
            }
            if let fault {
                #expect(found == .malformed(Keccak256.hash(child), fault))
            } else if case .malformed = found {
                Issue.record("\(String(describing: found))")
            }
        }
        // A root is hashed however small it is.
        var store = NodeStore()
        store.add(small)
        let none = try? Trie(root: Keccak256.hash(small)).looked(at: [], in: store)
        #expect(none == [5])
    }

    /// A key that ends at a branch has its value; the state's keys, all of one length, end at leaves.
    @Test func aValueInABranchIsNoSlotOfTheState() throws {
        let leaf = Self.list([
            Self.item([0x3F] + [UInt8](repeating: 0xFF, count: 31)), Self.item([5]),
        ])
        let node = Self.branch(
            [15: Self.item(Keccak256.hash(leaf).bytes)], value: Self.item([1, 2, 3]))
        var store = NodeStore()
        for node in [leaf, node] { store.add(node) }
        let trie = Trie(root: Keccak256.hash(node))
        #expect(try trie.looked(at: [], in: store) == [1, 2, 3])
        #expect(try trie.looked(at: [UInt8](repeating: 0xFF, count: 32), in: store) == [5])
        #expect(try trie.looked(at: [UInt8](repeating: 0, count: 32), in: store) == nil)
        #expect(try trie.looked(at: [0xFF], in: store) == nil)
    }

    // MARK: Cycles and depth

    /// A source that breaks its word and has the same node under every hash: the closest that a trie
    /// comes to a cycle. The key ends, and with it the walk.
    private struct Mirror: TrieNodeSource {
        let node: [UInt8]

        func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) -> Bool {
            bytes.append(contentsOf: node)
            return true
        }
    }

    @Test func endlessTriesEndWithTheKey() throws {
        let mirror = Mirror(
            node: Self.branch(
                Dictionary(uniqueKeysWithValues: (0..<16).map { ($0, Self.hash) }),
                value: Self.item([9, 9, 9])))
        let key = Keccak256.hash([1]).bytes
        for change in [nil, [], [1, 2, 3]] as [[UInt8]?] {
            var trie = Trie(root: Keccak256.hash([1]))
            if let change {
                try trie.set(key.span, to: change, from: mirror)
                _ = trie.root()
            } else {
                #expect(try trie.value(at: key.span, from: mirror) == [9, 9, 9])
            }
            #expect(trie.resolved.count <= 65)
            #expect(trie.nodes.count <= 65 * 17 + 2)
        }
        // Extensions take the key two nibbles at a time, through branches.
        let child = Self.branch([0: Self.hash, 1: Self.hash])
        var trie = Trie(root: Keccak256.hash([1]))
        let other = Mirror(node: Self.list([[0x10], Self.item(Keccak256.hash(child).bytes)]))
        #expect(throws: TrieError.self) {
            try trie.value(at: [UInt8](repeating: 0, count: 32).span, from: other)
        }
    }

    /// A node cannot have its own hash in it; what remains is to write itself into itself.
    @Test func nodesInsideOfThemselves() {
        var node = Self.branch([0: Self.hash, 1: Self.hash])
        for _ in 0..<100 {
            node = Self.branch([0: node, 1: Self.item(Keccak256.hash(node).bytes)])
            #expect {
                _ = try Trie(root: Keccak256.hash(node)).looked(
                    at: [UInt8](repeating: 0, count: 32), in: Mirror(node: node))
            } throws: {
                guard case TrieError.malformed(_, .embeddedTooLarge) = $0 else { return false }
                return true
            }
        }
    }

    /// A branch at every nibble: as deep as a trie of 32-byte keys can be.
    @Test func theDeepestTrie() throws {
        let key = [UInt8](repeating: 0x5A, count: 32)
        var entries: [[UInt8]: [UInt8]] = [key: [UInt8](repeating: 1, count: 40)]
        for depth in 0..<64 {
            var other = key
            other[depth / 2] ^= depth.isMultiple(of: 2) ? 0x10 : 0x01
            entries[other] = [UInt8](repeating: UInt8(depth), count: 40)
        }
        let (store, root) = try NodeStore.holding(entries)
        var trie = Trie(root: root)
        #expect(try trie.value(at: key.span, from: store) == entries[key])
        #expect(trie.resolved.count == 65)
        // Everything but the deepest entry goes, in both orders, singly and at once.
        let changes = entries.keys.filter { $0 != key }.map { Trie.Change(key: $0, value: nil) }
        let alone = try NodeStore.holding([key: entries[key] ?? []]).root
        for changes in [changes, changes.reversed()] {
            var trie = Trie(root: root)
            try trie.apply(changes, from: store)
            #expect(trie.root() == alone)
        }
    }

    // MARK: What the leaves hold

    struct Entry: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let bytes: [UInt8]

        init(_ name: String, _ bytes: [UInt8]) {
            testDescription = name
            self.bytes = bytes
        }
    }

    private static func account(
        nonce: [UInt8] = [1], balance: [UInt8] = [], root: Int = 32, code: Int = 32,
        more: [[UInt8]] = []
    ) -> [UInt8] {
        list(
            [item(nonce), item(balance), item([UInt8](repeating: 3, count: root))]
                + (code < 0 ? [] : [item([UInt8](repeating: 4, count: code))]) + more)
    }

    static let accounts = [
        Entry("no list", item([1, 2, 3])),
        Entry("three fields", account(code: -1)),
        Entry("five fields", account(more: [item([0])])),
        Entry("a nonce with a zero in front", account(nonce: [0, 1])),
        Entry("a nonce of nine bytes", account(nonce: [UInt8](repeating: 1, count: 9))),
        Entry("a balance with a zero in front", account(balance: [0, 1])),
        Entry("a balance of 33 bytes", account(balance: [UInt8](repeating: 1, count: 33))),
        Entry("a root of 31 bytes", account(root: 31)),
        Entry("a code hash of 33 bytes", account(code: 33)),
        Entry("bytes behind it", account() + [0]),
        Entry("a list for a nonce", list([[0xC0]] + account().map { [$0] })),
    ]

    @Test(arguments: accounts) func refusesAccounts(_ entry: Entry) throws {
        let address = Address(UInt256(5))
        let key = Keccak256.hash(address.storage.span).bytes
        let (nodes, root) = try NodeStore.holding([key: entry.bytes])
        var store = ChainStore()
        store.nodes = nodes
        let state = TrieState(root: root, source: store, blockHashes: [:])
        #expect(throws: StateError.accountMalformed(address)) { try state.account(at: address) }
        let proper = try NodeStore.holding([key: Self.account()])
        store.nodes = proper.0
        let good = TrieState(root: proper.root, source: store, blockHashes: [:])
        #expect(try good.account(at: address)?.nonce == 1)
    }

    static let slots = [
        Entry("zero", [0x80]), Entry("zero as a byte", [0x00]), Entry("a list", [0xC1, 5]),
        Entry("a zero in front", [0x82, 0, 5]), Entry("33 bytes", item([UInt8](1...33))),
        Entry("a byte with a header", [0x81, 5]), Entry("bytes behind it", [5, 5]),
        Entry("less than it says", [0x82, 5]),
    ]

    @Test(arguments: slots) func refusesSlots(_ entry: Entry) throws {
        let address = Address(UInt256(5))
        let key = Keccak256.hash(UInt256.one.bytes32.bytes).bytes
        let (nodes, root) = try NodeStore.holding([key: entry.bytes])
        var store = ChainStore()
        store.nodes = nodes
        let state = TrieState(root: Trie.emptyRoot, source: store, blockHashes: [:])
        #expect(throws: StateError.slotMalformed(address, slot: .one)) {
            try state.storage(at: .one, of: address, Account(storageRoot: root))
        }
    }
}

extension Trie {
    /// A lookup on a copy.
    fileprivate func looked(
        at key: [UInt8], in source: some TrieNodeSource
    ) throws(TrieError) -> [UInt8]? {
        var trie = self
        return try trie.value(at: key.span, from: source)
    }
}
