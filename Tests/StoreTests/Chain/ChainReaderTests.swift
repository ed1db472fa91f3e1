import Chain
import ChoraleBase
import ChoraleTypes
import Execution
import Foundation
import Synchronization
import Testing

@testable import Store

/// Readers beside the writer, on threads of their own.
@Suite struct ChainReaderTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open(_ options: ChainStoreOptions = .small) throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending("chain"), network: TestChain.network, options: options)
    }

    /// What a reader sees is always whole, whatever is written and pruned beside it.
    @Test func aReaderSeesWholeHeights() throws {
        var chain = TestChain(seed: 20)
        for _ in 0..<400 { try chain.append() }
        let made = chain
        var contents: [TestChain.Contents] = []
        for height in 0..<400 { contents.append(try made.contents(after: UInt64(height))) }
        let expected = contents
        let database = try open()
        defer { database.close() }
        try database.write(made.writes[0], sync: false)

        let group = DispatchGroup()
        let box = Box()
        for _ in 0..<2 {
            let reader = database.makeReader()
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                while !box.isDone.load(ordering: .relaxed) {
                    do {
                        guard let head = try reader.head() else { continue }
                        let height = head.height
                        let write = made.writes[Int(height)]
                        try #require(head.record == write.head)
                        try #require(try reader.block(at: height) == write.block)
                        try #require(try reader.receipts(at: height) == write.execution?.receipts)
                        let state = try reader.state(after: height)
                        try #require(
                            try TestChain.Contents(Opened(state)) == expected[Int(height)])
                        let older = height > 3 ? height - 3 : 0
                        let before = try reader.state(after: older)
                        try #require(
                            try TestChain.Contents(Opened(before)) == expected[Int(older)])
                        box.checks.add(1, ordering: .relaxed)
                    } catch ChainReadError.pruned {
                        // The writer was faster. Once it is done, twenty checks must succeed.
                    } catch {
                        box.problems.withLock { $0.append("\(error)") }
                        return
                    }
                }
            }
        }
        for write in made.writes.dropFirst() { try database.write(write, sync: false) }
        while box.checks.load(ordering: .relaxed) < 20,
            box.problems.withLock({ $0.isEmpty })
        {
            usleep(1000)
        }
        box.isDone.store(true, ordering: .relaxed)
        group.wait()
        #expect(box.problems.withLock { $0 } == [])
    }

    @Test func aReaderMayOutliveTheDatabase() throws {
        var chain = TestChain(seed: 21)
        let database = try open()
        for _ in 0..<5 { try database.write(chain.append(), sync: false) }
        let reader = database.makeReader()
        let state = try reader.state(after: 4)
        database.close()
        let closed = "the database \(directory.appending("chain")) is closed, or was opened again"
        #expect(throws: ChainReadError.unavailable(closed)) { try reader.head() }
        #expect(throws: StateError.source(.unavailable(closed))) {
            try state.account(at: TestChain.address(1))
        }
        // Nor does what it had stand in the way of the next.
        let again = try open()
        #expect(throws: StateError.source(.unavailable(closed))) {
            try state.account(at: TestChain.address(1))
        }
        #expect(again.height == 4)
        again.close()
    }

    @Test func aStateStaysAsItWas() throws {
        var chain = TestChain(seed: 22)
        let database = try open()
        defer { database.close() }
        for _ in 0..<12 { try database.write(chain.append(), sync: false) }
        let reader = database.makeReader()
        let state = try reader.state(after: 11)
        let older = try reader.state(after: 4)
        for _ in 0..<60 { try database.write(chain.append(), sync: false) }
        try database.opened().flush()
        #expect(try TestChain.Contents(Opened(state)) == chain.contents(after: 11))
        #expect(try TestChain.Contents(Opened(older)) == chain.contents(after: 4))
        #expect(throws: ChainReadError.pruned(height: 4, oldest: 62)) {
            try reader.state(after: 4)
        }
    }

    @Test func witnessesAreMadeAgain() throws {
        var options = ChainStoreOptions.small
        options.trieCountMax = 4
        let database = try open(options)
        defer { database.close() }
        let blocks = try EmptyBlocks(database, count: 10)
        let reader = database.makeReader()
        for height in UInt64(7)...9 {
            let witness = try #require(try reader.witness(of: height, rules: EmptyBlocks.rules))
            let block = blocks.blocks[Int(height)]
            let verdict = try StatelessExecution(rules: EmptyBlocks.rules).verdict(
                block, size: block.encoded.count, witness)
            #expect(verdict.roots.stateRoot == block.header.stateRoot)
        }
        #expect(try reader.witness(of: 0, rules: EmptyBlocks.rules) == nil)
        #expect(try reader.witness(of: 10, rules: EmptyBlocks.rules) == nil)
        #expect(throws: ChainReadError.pruned(height: 6, oldest: 7)) {
            try reader.witness(of: 6, rules: EmptyBlocks.rules)
        }
    }
}

private final class Box: Sendable {
    let isDone = Atomic<Bool>(false)
    let checks = Atomic<Int>(0)
    let problems = Mutex<[String]>([])
}
