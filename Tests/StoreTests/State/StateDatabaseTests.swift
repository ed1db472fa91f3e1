import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Foundation
import Testing

@testable import Store

@Suite struct StateDatabaseTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("state") }

    private func open(_ options: StateOptions = .small) throws -> StateDatabase {
        try StateDatabase.open(directory: path, options: options)
    }

    @Test func aNewDatabaseHasNothing() throws {
        let database = try open()
        #expect(database.head == nil)
        #expect(try database.node(Trie.emptyRoot) == nil)
        #expect(try database.code(.zero) == nil)
        let state = TrieState(root: Trie.emptyRoot, source: database, blockHashes: [:])
        #expect(try state.account(at: .zero) == nil)
    }

    @Test func blocksGiveTheSameStatesAsInMemory() throws {
        var model = MadeUpChain.Model()
        var database = try open()
        var roots: [Bytes32] = []
        for number in 1...60 {
            try MadeUpChain.append(to: database, sync: number % 2 == 0)
            try model.append()
            #expect(database.head == model.head)
            roots.append(model.store.root)
            guard number % 7 == 0 else { continue }
            database.close()
            database = try open()
            #expect(database.head == model.head)
        }
        // Also all that were before: nothing is deleted.
        for root in [roots[0], roots[20], roots[59]] {
            let expected = try MadeUpChain.Contents(root: root, model.store)
            let found = try MadeUpChain.Contents(root: root, database)
            #expect(found == expected)
            #expect(!found.codes.isEmpty)
        }
    }

    @Test func theGenesisComesInPartsWithItsHeadInTheLast() throws {
        var model = MadeUpChain.Model()
        for _ in 0..<5 { try model.append() }
        let head = try #require(model.head)
        var database = try open()
        try database.add(nodes: model.store.nodes.values.dropFirst(40), codes: [])
        #expect(database.head == nil)
        try database.add(
            nodes: model.store.nodes.values.prefix(40),
            codes: model.store.codes.values.map(\.bytes), head: head)
        database.close()
        database = try open()
        #expect(database.head == head)
        let expected = try MadeUpChain.Contents(root: head.stateRoot, model.store)
        #expect(try MadeUpChain.Contents(root: head.stateRoot, database) == expected)
    }

    @Test func aCommitIsRefusedWithoutItsRoot() throws {
        let database = try open()
        let head = StateHead(blockNumber: 1, blockHash: .zero, stateRoot: Keccak256.hash([1]))
        #expect(throws: StateWriteError.rootMissing(head.stateRoot)) {
            try database.add(nodes: [[UInt8](repeating: 1, count: 40)], codes: [], head: head)
        }
        #expect(database.head == nil)
        let empty = StateHead(blockNumber: 0, blockHash: .zero, stateRoot: Trie.emptyRoot)
        try database.add(nodes: [], codes: [], head: empty)
        #expect(database.head == empty)
    }

    @Test func whatIsTooLargeIsNotWritten() throws {
        let database = try open()
        let node = [UInt8](repeating: 1, count: 533)
        let code = [UInt8](repeating: 0, count: 24_577)
        #expect(
            throws: StateWriteError.nodeTooLarge(Keccak256.hash(node), size: 533, limit: 532)
        ) { try database.add(nodes: [node], codes: []) }
        #expect(
            throws: StateWriteError.codeTooLarge(
                Keccak256.hash(code), size: 24_577, limit: 24_576)
        ) { try database.add(nodes: [Array(node.dropLast())], codes: [code]) }
        #expect(try database.node(Keccak256.hash(Array(node.dropLast()))) == nil)
        try database.add(nodes: [Array(node.dropLast())], codes: [Array(code.dropLast())])
        #expect(try database.node(Keccak256.hash(Array(node.dropLast())))?.count == 532)
        #expect(try database.code(Keccak256.hash(Array(code.dropLast())))?.size == 24_576)
    }

    @Test func aShortDiskRefusesTheBlockAndKeepsTheStateBefore() throws {
        var database = try open()
        try MadeUpChain.append(to: database)
        let head = database.head
        database.close()
        var options = StateOptions.small
        options.database.freeSpaceMin = .max
        database = try open(options)
        #expect(throws: StateWriteError.database(.diskFull(path: path))) {
            try MadeUpChain.append(to: database)
        }
        #expect(database.head == head)
        // None of its nodes can be read, not from memory either: a block on it would leave them out.
        var model = MadeUpChain.Model()
        try model.append()
        let before = Set(model.store.nodes.keys)
        try model.append()
        for hash in Set(model.store.nodes.keys).subtracting(before) {
            #expect(try database.node(hash) == nil)
        }
        database.close()
        database = try open()
        #expect(database.head == head)
        try MadeUpChain.append(to: database)
        #expect(database.head == model.head)
    }

    @Test func aStateHasOneOwner() throws {
        let database = try open()
        #expect(
            throws: StoreOpenError.locked(directory: path, holder: StoreHolder.current())
        ) { try StateDatabase.open(directory: path, options: .small) }
        database.close()
        #expect(!FileSystem.exists(path + "/OWNER"))
        try open().close()
    }

    @Test func headsThatAreNoneAreRefused() throws {
        var database = try open()
        try database.plant(.meta, StateHead.key, [1, 2, 3])
        database.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path, detail: "the head has 3 bytes instead of 72")
        ) { try open() }

        try FileManager.default.removeItem(atPath: path)
        database = try open()
        let root = Keccak256.hash([1])
        let head = StateHead(blockNumber: 5, blockHash: .zero, stateRoot: root)
        try database.plant(.meta, StateHead.key, head.bytes)
        database.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path, detail: "the root 0x\(root) of block 5 is missing")
        ) { try open() }
    }

    @Test func schemasThatAreNotKnownAreRefused() throws {
        var database = try open()
        try database.plant(.meta, StateDatabase.schemaKey, [0, 0, 0, 2])
        database.close()
        #expect(throws: StoreOpenError.newerSchema(directory: path, found: 2, supported: 1)) {
            try open()
        }
        try FileManager.default.removeItem(atPath: path)
        database = try open()
        try database.plant(.meta, StateDatabase.schemaKey, [1])
        database.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path, detail: "the schema version has 1 bytes instead of 4")
        ) { try open() }
    }

    @Test func countersSayWhatWasDone() throws {
        let database = try open()
        let node = [UInt8](repeating: 1, count: 100)
        try database.add(nodes: [node], codes: [[1, 2, 3]])
        _ = try database.node(Keccak256.hash(node))
        _ = try database.node(.zero)
        _ = try database.code(Keccak256.hash([1, 2, 3]))
        var expected = StateCounters()
        expected.nodeReads = 2
        expected.nodeReadsFromMemory = 1
        expected.codeReads = 1
        expected.bytesRead = 3
        expected.nodesWritten = 1
        expected.codesWritten = 1
        expected.bytesWritten = 103
        #expect(database.counters == expected)
        try MadeUpChain.append(to: database)
        #expect(database.counters.commits == 1)
    }
}
