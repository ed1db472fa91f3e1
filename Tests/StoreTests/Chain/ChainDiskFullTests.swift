import Chain
import ChoraleBase
import ChoraleTypes
import Foundation
import Testing

@testable import Store

@Suite(.enabled(if: SmallDisk.isPossible, "skipped: mounting a small tmpfs needs root"))
struct ChainDiskFullTests {
    private func open(_ path: String, freeSpaceMin: Int) throws -> ChainDatabase {
        var options = ChainStoreOptions.small
        options.state.database.freeSpaceMin = freeSpaceMin
        return try ChainDatabase.open(
            directory: path, network: TestChain.network, options: options)
    }

    /// Heights that take room.
    private func write(_ chain: inout TestChain, _ random: inout DeterministicRandom) throws
        -> BlockWrite
    {
        var write = try chain.append()
        write.block.block = random.bytes(count: 200_000)
        return write
    }

    @Test func intakeStopsBeforeTheDiskIsFull() throws {
        let disk = try #require(SmallDisk())
        let path = disk.path + "/chain"
        let database = try open(path, freeSpaceMin: 8 << 20)
        defer { database.close() }
        var chain = TestChain(seed: 30)
        var random = DeterministicRandom(seed: 30)
        var refused: BlockWrite?
        for _ in 0..<200 {
            let write = try write(&chain, &random)
            do {
                try database.write(write, sync: false)
            } catch {
                #expect(error == .diskFull(path: path, kept: 8 << 20))
                refused = write
                break
            }
        }
        let write = try #require(refused)
        #expect(try #require(FileSystem.freeSpace(at: path)) > 4 << 20)
        #expect(database.height == write.block.height - 1)
        #expect(database.counters.recoveries == 0)
        // The state before stays readable.
        let found = try TestChain.Contents(
            Opened(database.makeReader().state(after: write.block.height - 1)))
        #expect(try found == chain.contents(after: write.block.height - 1))
    }

    @Test func aFullDiskIsReportedAndRoomMakesTheStoreWorkAgain() throws {
        let disk = try #require(SmallDisk())
        let path = disk.path + "/chain"
        let database = try open(path, freeSpaceMin: 0)
        defer { database.close() }
        var chain = TestChain(seed: 31)
        var random = DeterministicRandom(seed: 31)
        for _ in 0..<10 { try database.write(try write(&chain, &random), sync: false) }
        let reader = database.makeReader()
        try disk.fill(leaving: 3 << 20)
        var refused: BlockWrite?
        for _ in 0..<200 where refused == nil {
            let write = try write(&chain, &random)
            do {
                try database.write(write, sync: false)
            } catch {
                #expect(error == .diskFull(path: path))
                refused = write
            }
        }
        let write = try #require(refused)
        let height = write.block.height
        // Still full: the same answer again, and no crash.
        #expect(throws: StoreFailure.diskFull(path: path)) {
            try database.write(write, sync: false)
        }
        #expect(try reader.head()?.height == height - 1)
        try disk.makeRoom()
        try database.write(write, sync: false)
        #expect(database.counters.recoveries >= 1)
        #expect(database.head == write.head)
        for _ in 0..<6 { try database.write(chain.append(), sync: false) }
        // The reader goes on by itself, and what it reads is right.
        let found = try TestChain.Contents(Opened(reader.state(after: height)))
        #expect(try found == chain.contents(after: height))
        var live: Set<Bytes32> = []
        let last = try #require(database.last)
        for kept in last.oldestTrie...last.height {
            live.formUnion(try chain.liveNodes(chain.roots[Int(kept)]))
        }
        #expect(try live.isSubset(of: database.nodeRows().keys))
        if try database.rowCount(.journal, prefix: [2]) == 0 {
            #expect(try Set(database.nodeRows().keys) == live)
        }
        #expect(database.counters.nodesMissing == 0)
    }
}
