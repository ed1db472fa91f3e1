import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Foundation
import Testing

@testable import Store

/// What a state says when it does not have something, or has something else, or cannot tell: three
/// different things, none of them "there is no such account".
@Suite struct StateFaultTests {
    let directory: TemporaryDirectory
    let model: MadeUpChain.Model

    init() throws {
        directory = try TemporaryDirectory()
        var model = MadeUpChain.Model()
        for _ in 0..<10 { try model.append() }
        self.model = model
    }

    var path: String { directory.appending("state") }

    private func open(_ options: StateOptions = .small) throws -> StateDatabase {
        try StateDatabase.open(directory: path, options: options)
    }

    /// A database with the model's state, but for one node.
    private func database(
        without hash: Bytes32, _ options: StateOptions = .small
    ) throws -> StateDatabase {
        let database = try open(options)
        try database.add(
            nodes: model.store.nodes.filter { $0.key != hash }.values,
            codes: model.store.codes.values.map(\.bytes), head: model.head)
        return database
    }

    private func state(_ database: StateDatabase) -> TrieState<StateDatabase> {
        TrieState(root: model.store.root, source: database, blockHashes: [:])
    }

    /// Nodes on the way to the accounts, the root first. Those of storage are not among them.
    private func path(to address: Address) throws -> [Bytes32] {
        var trie = Trie(root: model.store.root)
        let key = Keccak256.hash(address.storage.span)
        _ = try trie.value(at: key.storage.span, from: model.store)
        return trie.resolved
    }

    /// An account that is there, and one that is proven not to be, with what lies on the way to it.
    private var accounts: [Address] {
        get throws {
            let state = TrieState(root: model.store.root, source: model.store, blockHashes: [:])
            let all = (0..<MadeUpChain.accountCount).map(MadeUpChain.address)
            return [
                try #require(try all.first { try state.account(at: $0) != nil }),
                try #require(try all.first { try state.account(at: $0) == nil }),
            ]
        }
    }

    @Test func aMissingNodeIsMissing() throws {
        for address in try accounts {
            let hash = try #require(try path(to: address).last)
            let database = try database(without: hash)
            #expect(throws: StateError.trie(.missing(hash))) {
                try state(database).account(at: address)
            }
            database.close()
            try FileManager.default.removeItem(atPath: path)
        }
    }

    @Test func aMissingCodeIsMissing() throws {
        let database = try database(without: .zero)
        #expect(throws: StateError.codeMissing(.zero)) {
            try state(database).code(.zero, of: .zero)
        }
    }

    @Test func aNodeThatIsAnotherIsNotBelieved() throws {
        for address in try accounts {
            let hash = try #require(try path(to: address).last)
            let database = try database(without: hash)
            // What is there is a node of the trie, whole and well formed: only its hash is wrong.
            let other = try #require(
                try path(to: address).dropLast().last.flatMap { model.store.nodes[$0] })
            try database.plant(.node, hash.bytes, other)
            let found = Keccak256.hash(other)
            #expect(throws: StateError.source(.mismatch(hash, found: found))) {
                try state(database).account(at: address)
            }
            #expect(database.counters.failures == 1)
            // Nor does it enter the cache.
            #expect(throws: SourceFailure.mismatch(hash, found: found)) {
                try database.node(hash)
            }
            database.close()
            try FileManager.default.removeItem(atPath: path)
        }
    }

    @Test func everyBitOfANodeMatters() throws {
        let hash = model.store.root
        let node = try #require(model.store.nodes[hash])
        let database = try database(without: .zero, .cacheless)
        for bit in stride(from: 0, to: 8 * node.count, by: 41) {
            var damaged = node
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            try database.plant(.node, hash.bytes, damaged)
            #expect(
                throws: SourceFailure.mismatch(hash, found: Keccak256.hash(damaged))
            ) { try database.node(hash) }
        }
        try database.plant(.node, hash.bytes, node)
        #expect(try database.node(hash) == node)
    }

    @Test func withoutTheCheckTheBytesAreBelieved() throws {
        var options = StateOptions.cacheless
        options.verifiesHashes = false
        let database = try database(without: .zero, options)
        try database.plant(.node, model.store.root.bytes, [0xC0])
        #expect(try database.node(model.store.root) == [0xC0])
    }

    @Test func aCodeThatIsAnotherIsNotBelieved() throws {
        let database = try database(without: .zero)
        let hash = Keccak256.hash([1])
        try database.plant(.code, hash.bytes, [2])
        #expect(throws: StateError.source(.mismatch(hash, found: Keccak256.hash([2])))) {
            try state(database).code(hash, of: .zero)
        }
    }

    @Test func whatIsTooLargeIsNotRead() throws {
        let database = try database(without: .zero)
        let node = [UInt8](repeating: 1, count: 1 << 20)
        let hash = Keccak256.hash(node)
        try database.plant(.node, hash.bytes, node)
        try database.plant(.code, hash.bytes, node)
        #expect(throws: SourceFailure.oversized(hash, size: 1 << 20, limit: 532)) {
            try database.node(hash)
        }
        #expect(throws: SourceFailure.oversized(hash, size: 1 << 20, limit: 24_576)) {
            try database.code(hash)
        }
    }

    @Test func aClosedDatabaseIsNotAnEmptyOne() throws {
        let database = try database(without: .zero)
        database.close()
        database.close()
        let closed = SourceFailure.unavailable("the database \(path) is closed")
        for address in try accounts {
            #expect(throws: StateError.source(closed)) {
                try state(database).account(at: address)
            }
        }
        #expect(throws: StateError.source(closed)) {
            try state(database).code(.zero, of: .zero)
        }
        #expect(
            throws: StateWriteError.database(.inputOutput("the database \(path) is closed"))
        ) { try database.add(nodes: [[1, 2, 3]], codes: []) }
    }

    /// Bits that a disk has lost, in every table of nodes.
    @Test func damagedTablesAreDamage() throws {
        let nodes = model.store.nodes
        var database = try open()
        // Without a head, so that the opening does not read the root.
        try database.add(nodes: nodes.values, codes: [])
        try database.opened().flush()
        database.close()
        let tables = try FileSystem.names(in: path).filter { $0.hasSuffix(".sst") }
        let sizes = try tables.map {
            ($0, try Data(contentsOf: URL(fileURLWithPath: path + "/" + $0)))
        }
        let (name, contents) = try #require(sizes.max { $0.1.count < $1.1.count })
        var damaged = contents
        // One bit in the middle of the values: some blocks are as they were.
        damaged[damaged.count / 3] ^= 0x10
        try damaged.write(to: URL(fileURLWithPath: path + "/" + name))

        database = try open(.cacheless)
        var failures = 0
        for (hash, node) in nodes {
            do throws(SourceFailure) {
                #expect(try database.node(hash) == node)
            } catch {
                failures += 1
                guard case .damaged(let detail) = error else {
                    Issue.record("not damage: \(error)")
                    continue
                }
                #expect(detail.contains("checksum mismatch"))
                #expect(detail.contains(name))
            }
        }
        #expect(failures > 0 && failures < nodes.count / 2)
        #expect(database.counters.failures == UInt64(failures))
    }

    /// A log that a crash has cut off anywhere has the last block whole or not at all.
    @Test func aTornLastBlockIsNotThere() throws {
        // One log: what is written fits into memory.
        var options = StateOptions()
        options.database.freeSpaceMin = 0
        let database = try open(options)
        defer { database.close() }
        for _ in 0..<4 { try MadeUpChain.append(to: database) }
        let before = try #require(database.head)
        try MadeUpChain.append(to: database)
        let after = try #require(database.head)
        let image = directory.appending("image")
        for missing in [0, 1, 7, 100, 1000, 3000, 6000] {
            try? FileManager.default.removeItem(atPath: image)
            try FileManager.default.copyItem(atPath: path, toPath: image)
            let logs = try FileSystem.names(in: image).filter { $0.hasSuffix(".log") }
                .map { URL(fileURLWithPath: image + "/" + $0) }
                .map { ($0, try Data(contentsOf: $0)) }
            let (log, contents) = try #require(logs.max { $0.1.count < $1.1.count })
            try contents.dropLast(missing).write(to: log)
            let survivor = try StateDatabase.open(directory: image, options: .small)
            defer { survivor.close() }
            let head = try #require(survivor.head)
            #expect(head == (missing == 0 ? after : before), "\(missing) bytes are missing")
            var model = MadeUpChain.Model()
            for _ in 0..<head.blockNumber { try model.append() }
            let expected = try MadeUpChain.Contents(root: head.stateRoot, model.store)
            #expect(try MadeUpChain.Contents(root: head.stateRoot, survivor) == expected)
        }
    }
}

extension StateOptions {
    /// Every node is read from the database.
    fileprivate static var cacheless: StateOptions {
        var options = StateOptions.small
        options.nodeCacheSizeMax = 0
        return options
    }
}
