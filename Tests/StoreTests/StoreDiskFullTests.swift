import ChoraleTypes
import Foundation
import Testing

@testable import Store

@Suite(.enabled(if: SmallDisk.isPossible, "skipped: mounting a small tmpfs needs root"))
struct StoreDiskFullTests {
    /// Writes rows of 16 KiB until one fails; returns how many were acknowledged and the failure.
    private func fill(
        _ store: RocksStore,
        from start: Int = 0
    ) throws -> (rowCount: Int, failure: StoreFailure) {
        for index in start..<start + 10_000 {
            let reply = store.execute(put(index))
            switch reply {
            case .written: continue
            case .failed(let failure): return (index, failure)
            default: Issue.record("\(reply)")
            }
        }
        throw CocoaError(.fileWriteUnknown)
    }

    private func put(_ index: Int) -> StoreRequest {
        // Hardly compressible, and different for each index.
        var state = UInt64(index) &+ 1
        let value = (0..<16_384).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        let key = [UInt8(index >> 8), UInt8(index & 0xFF)]
        return .write([.put(.chunk, key: key, value: value)], sync: false)
    }

    private func countRows(_ store: RocksStore) -> Int {
        let reply = store.execute(
            .scan(.chunk, from: [], to: nil, rowCountMax: .max, sizeMax: .max))
        guard case .rows(let rows, more: false) = reply else { return -1 }
        return rows.count
    }

    @Test func intakeStopsBeforeTheDiskIsFullAndDeletesPass() throws {
        let disk = try #require(SmallDisk())
        var options = StoreOptions()
        options.freeSpaceMin = 8 << 20
        let directory = disk.path + "/db"
        let store = try RocksStore.open(directory: directory, options: options)
        defer { store.close() }
        try disk.fill(leaving: 10 << 20)
        let (rowCount, failure) = try fill(store)
        #expect(failure == .diskFull(path: directory, kept: 8 << 20))
        #expect(rowCount > 0)
        // Well before the end: RocksDB never noticed.
        #expect(try #require(FileSystem.freeSpace(at: disk.path)) > 4 << 20)
        let first = StoreWrite.delete(.chunk, key: [0, 0])
        #expect(store.execute(.write([first], sync: true)) == .written)
        #expect(countRows(store) == rowCount - 1)
        try disk.makeRoom()
        #expect(store.execute(put(0)) == .written)
        #expect(store.counters.recoveries == 0)
        #expect(countRows(store) == rowCount)
    }

    @Test func aFullDiskIsReportedAndRoomMakesTheStoreWorkAgain() throws {
        let disk = try #require(SmallDisk())
        var options = StoreOptions()
        options.freeSpaceMin = 0
        let directory = disk.path + "/db"
        let store = try RocksStore.open(directory: directory, options: options)
        try disk.fill(leaving: 3 << 20)
        let (rowCount, failure) = try fill(store)
        #expect(failure == .diskFull(path: directory))
        // Still full: the same answer again, and no crash.
        #expect(store.execute(put(rowCount)) == .failed(.diskFull(path: directory)))
        try disk.makeRoom()
        #expect(store.execute(put(rowCount)) == .written)
        #expect(store.counters.recoveries >= 1)
        #expect(countRows(store) == rowCount + 1)
        store.close()
        let again = try RocksStore.open(directory: directory, options: options)
        #expect(countRows(again) == rowCount + 1)
        again.close()
    }

    /// Who deletes the oldest bodies because the disk is full must be able to.
    @Test func deletesPassAfterTheDiskWasReallyFull() throws {
        let disk = try #require(SmallDisk())
        var options = StoreOptions()
        options.freeSpaceMin = 0
        let directory = disk.path + "/db"
        let store = try RocksStore.open(directory: directory, options: options)
        try disk.fill(leaving: 3 << 20)
        let (rowCount, failure) = try fill(store)
        #expect(failure == .diskFull(path: directory))
        store.close()
        // The same again with a reserve: now the store knows itself to be short of room throughout.
        try disk.makeRoom()
        options.freeSpaceMin = 8 << 20
        let full = StoreFailure.diskFull(path: directory, kept: 8 << 20)
        let again = try RocksStore.open(directory: directory, options: options)
        defer { again.close() }
        #expect(again.execute(put(rowCount)) == .written)
        // Within the interval between two looks, so that RocksDB meets the end itself.
        try disk.fill(leaving: 64 << 10)
        let (fullCount, end) = try fill(again, from: rowCount + 1)
        #expect(end == full)
        let ballast = disk.path + "/ballast"
        try FileManager.default.removeItem(atPath: ballast)
        try disk.fill(leaving: 4 << 20)
        #expect(again.execute(put(fullCount)) == .failed(full))
        let before = countRows(again)
        let first = StoreWrite.delete(.chunk, key: [0, 0])
        #expect(again.execute(.write([first], sync: true)) == .written)
        #expect(countRows(again) == before - 1)
        #expect(again.execute(put(fullCount)) == .failed(full))
    }

    @Test func openingOnAFullDiskSaysSo() throws {
        let disk = try #require(SmallDisk())
        try disk.fill(leaving: 0)
        let directory = disk.path + "/db"
        #expect(throws: StoreOpenError.diskFull(directory: directory)) {
            try RocksStore.open(directory: directory)
        }
        try disk.makeRoom()
        try RocksStore.open(directory: directory).close()
    }
}
