import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Foundation
import Testing

@testable import Store

@Suite struct ChainDatabaseTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("chain") }

    private func open(
        _ options: ChainStoreOptions = .small, network: Bytes32 = TestChain.network
    ) throws -> ChainDatabase {
        try ChainDatabase.open(directory: path, network: network, options: options)
    }

    @Test func aNewDatabaseHasNothing() throws {
        let database = try open()
        defer { database.close() }
        #expect(database.head == nil)
        #expect(try database.block(at: 0) == nil)
        #expect(try database.height(of: .zero) == nil)
        let reader = database.makeReader()
        #expect(try reader.head() == nil)
        #expect(try reader.number(of: .zero) == nil)
        #expect(try reader.header(at: 0) == nil)
        #expect(throws: ChainReadError.unavailable("there is no height 0 yet")) {
            try reader.state(after: 0)
        }
    }

    @Test func whatWasWrittenIsReadAgain() throws {
        var chain = TestChain(seed: 1)
        var database = try open()
        for _ in 0...20 { try database.write(chain.append(), sync: true) }
        database.close()
        database = try open()
        defer { database.close() }
        #expect(database.head == Array("head 20".utf8))
        #expect(database.stateHead?.stateRoot == chain.roots[20])
        let reader = database.makeReader()
        let head = try #require(try reader.head())
        #expect(head.height == 20 && head.record == database.head)
        for write in chain.writes {
            let height = write.block.height
            #expect(try database.block(at: height) == write.block)
            #expect(try database.height(of: write.block.blockID) == height)
            #expect(try reader.block(at: height) == write.block)
            #expect(try reader.height(of: write.block.blockID) == height)
            #expect(try reader.number(of: write.block.blockHash) == height)
            let header = try #require(try reader.header(at: height))
            #expect(header.header == write.execution?.header)
            #expect(header.hash == write.block.blockHash)
            #expect(try reader.payload(at: height)?.payload == write.block.payload)
            #expect(try reader.receipts(at: height) == write.execution?.receipts)
            for (index, hash) in (write.execution?.transactionHashes ?? []).enumerated() {
                let place = try #require(try reader.location(of: hash))
                #expect(place.number == height && place.index == index)
            }
        }
        #expect(try reader.block(at: 21) == nil)
        #expect(try reader.receipts(at: 21) == nil)
        #expect(try reader.location(of: .zero) == nil)
        // Names, and the hashes of ancestors as far as BLOCKHASH reaches.
        let state = try reader.state(after: 18)
        #expect(try state.blockHash(18) == chain.writes[18].block.blockHash)
        #expect(try state.blockHash(0) == chain.writes[0].block.blockHash)
        #expect(throws: StateError.blockHashMissing(19)) { try state.blockHash(19) }
    }

    @Test func heightsWithoutExecutionAreKeptWithoutState() throws {
        var chain = TestChain(seed: 2)
        let database = try open()
        defer { database.close() }
        for _ in 0..<5 {
            var write = try chain.append()
            write.execution = nil
            try database.write(write, sync: false)
        }
        let reader = database.makeReader()
        #expect(try reader.header(at: 3)?.header.number == 3)
        #expect(throws: ChainReadError.stateless) { try reader.receipts(at: 3) }
        #expect(throws: ChainReadError.stateless) { try reader.state(after: 3) }
        #expect(database.stateHead == nil)
    }

    @Test func anotherNetworkIsRefusedAndNamed() throws {
        try open().close()
        let other = TestChain.hash("another network")
        #expect(
            throws: StoreOpenError.otherNetwork(
                directory: path, found: TestChain.network, expected: other)
        ) { try open(network: other) }
        let text =
            "\(StoreOpenError.otherNetwork(directory: path, found: TestChain.network, expected: other))"
        #expect(text.contains(TestChain.network.description))
        #expect(text.contains(other.description))
        try open().close()
    }

    @Test func schemasThatAreNotKnownAreRefused() throws {
        var database = try open()
        try database.plant(.meta, ChainKey.schema, [0, 0, 0, 9])
        database.close()
        #expect(throws: StoreOpenError.newerSchema(directory: path, found: 9, supported: 1)) {
            try open()
        }
        try FileManager.default.removeItem(atPath: path)
        database = try open()
        try database.plant(.meta, ChainKey.schema, [1])
        database.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path, detail: "the schema version has 1 bytes instead of 4")
        ) { try open() }
    }

    @Test func aHeadWithoutItsRootIsRefused() throws {
        var chain = TestChain(seed: 3)
        let database = try open()
        for _ in 0..<3 { try database.write(chain.append(), sync: true) }
        var head = try #require(database.last)
        head.stateRoot = TestChain.hash("no root")
        try database.plant(.meta, ChainKey.head, head.bytes)
        database.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path,
                detail: "the root 0x\(TestChain.hash("no root")) of block 2 is missing")
        ) { try open() }
    }

    @Test func aStateThatIsNotWholeIsNotWritten() throws {
        var chain = TestChain(seed: 4)
        let database = try open()
        defer { database.close() }
        for _ in 0..<4 { try database.write(chain.append(), sync: false) }
        var write = try chain.append()
        while write.execution?.newNodes.isEmpty ?? true {
            try database.write(write, sync: false)
            write = try chain.append()
        }
        let height = database.height
        var broken = write
        let root = try #require(write.execution?.stateRoot)
        broken.execution?.newNodes.removeAll { $0.hash == root }
        #expect(throws: StoreFailure.corrupt("node 0x\(root) of the state is missing")) {
            try database.write(broken, sync: false)
        }
        #expect(database.height == height)
        try database.write(write, sync: false)
        #expect(database.head == write.head)
    }

    @Test func whatIsTooLargeIsNotWritten() throws {
        var chain = TestChain(seed: 5)
        var options = ChainStoreOptions.small
        options.limits.partSizeMax = 1000
        options.limits.headSizeMax = 10
        let database = try open(options)
        defer { database.close() }
        let write = try chain.append()
        var large = write
        large.block.block = [UInt8](repeating: 0, count: 1001)
        #expect(
            throws: StoreFailure.inputOutput(
                "the consensus block of height 0 has 1001 bytes, not 1000 at most")
        ) { try database.write(large, sync: false) }
        large = write
        large.head = [UInt8](repeating: 0, count: 11)
        #expect(
            throws: StoreFailure.inputOutput("the head of height 0 has 11 bytes, not 10 at most")
        ) { try database.write(large, sync: false) }
        large = write
        let node = [UInt8](repeating: 1, count: 533)
        large.execution?.newNodes.append((Keccak256.hash(node), node))
        #expect(throws: StoreFailure.self) { try database.write(large, sync: false) }
        #expect(database.head == nil)
        try database.write(write, sync: false)
        #expect(database.height == 0)
    }

    @Test func oldBlocksGoWhenTold() throws {
        var chain = TestChain(seed: 6)
        var options = ChainStoreOptions.small
        options.diffCountMax = 3
        options.pruneBlocksBelow = 30
        let database = try open(options)
        defer { database.close() }
        for _ in 0..<320 { try database.write(chain.append(), sync: false) }
        let reader = database.makeReader()
        // 256 hashes before every state that can be read stay, whatever was asked for.
        let oldest = try #require(try reader.oldest()).block
        #expect(oldest == 30)
        #expect(throws: ChainReadError.pruned(height: 29, oldest: 30)) { try reader.block(at: 29) }
        #expect(throws: ChainReadError.pruned(height: 0, oldest: 30)) { try reader.receipts(at: 0) }
        #expect(try reader.number(of: chain.writes[29].block.blockHash) == nil)
        let gone = try #require(chain.writes[29].execution?.transactionHashes.first)
        #expect(try reader.location(of: gone) == nil)
        #expect(try reader.block(at: 30) == chain.writes[30].block)
        #expect(try database.rowCount(.block, prefix: ChainKey.number(29)) == 0)
        database.pruneBlocksBelow = .max
        for _ in 0..<10 { try database.write(chain.append(), sync: false) }
        #expect(try #require(try reader.oldest()).block == 329 - 3 - 256)
        let state = try reader.state(after: 326)
        #expect(try state.blockHash(71) == chain.writes[71].block.blockHash)
    }

    @Test func aStoreHasOneOwner() throws {
        let database = try open()
        #expect(
            throws: StoreOpenError.locked(directory: path, holder: StoreHolder.current())
        ) { try open() }
        database.close()
        database.close()
        #expect(throws: StoreFailure.inputOutput("the database \(path) is closed")) {
            try database.block(at: 0)
        }
        try open().close()
    }

    @Test func aNodeThatIsAnotherIsNotBelieved() throws {
        var chain = TestChain(seed: 7)
        var options = ChainStoreOptions.small
        options.state.nodeCacheSizeMax = 0
        let database = try open(options)
        defer { database.close() }
        for _ in 0..<3 { try database.write(chain.append(), sync: false) }
        let root = chain.roots[2]
        var node: [UInt8] = []
        let birth = try #require(try database.appendNode(root, to: &node) as UInt64?)
        node[9] ^= 1
        try database.plant(.node, ChainKey.node(root, birth), node)
        let failure = SourceFailure.mismatch(root, found: Keccak256.hash(node))
        #expect(throws: failure) {
            var bytes: [UInt8] = []
            _ = try database.appendNode(root, to: &bytes) as Bool
        }
        let height = try #require(database.height)
        #expect(throws: StoreFailure.corrupt("\(failure)")) {
            var write = try chain.append()
            while write.execution?.newNodes.isEmpty ?? true {
                try database.write(write, sync: false)
                write = try chain.append()
            }
            try database.write(write, sync: false)
        }
        #expect(database.height.map { $0 >= height } ?? false)
    }
}
