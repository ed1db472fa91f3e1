import ChoraleBase
import ChoraleTypes
import Foundation
import StoreContract
import Testing

@testable import Store

@Suite struct RocksStoreTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("db") }

    @Test(arguments: StoreContract.rows) func keepsTheContract(_ row: StoreContractRow) throws {
        let store = try RocksStore.open(directory: path)
        let mismatch = row.mismatch { store.execute($0) }
        #expect(mismatch == nil)
    }

    @Test(arguments: UInt64(0)..<20) func answersLikeTheModel(seed: UInt64) throws {
        var options = StoreOptions()
        // Small buffers, so that tables, their merging and the log take part.
        options.writeBufferSizeMax = 128 << 10
        var store = try RocksStore.open(directory: path, options: options)
        var model = StoreModel()
        var requests = RandomStoreRequests(seed: seed)
        for index in 0..<300 {
            if index % 100 == 99 {
                store.close()
                store = try RocksStore.open(directory: path, options: options)
            }
            let request = requests.next()
            let expected = model.execute(request)
            let reply = store.execute(request)
            #expect(reply == expected, "request \(index): \(request)")
        }
    }

    @Test func whatWasWrittenIsThereAfterClosingAndOpening() throws {
        let store = try RocksStore.open(directory: path)
        let written = store.execute(.write([.put(.meta, key: [1], value: [2])], sync: false))
        #expect(written == .written)
        store.close()
        let again = try RocksStore.open(directory: path)
        #expect(again.execute(.get(.meta, key: [1])) == .value([2]))
    }

    @Test func aClosedStoreSaysSo() throws {
        let store = try RocksStore.open(directory: path)
        store.close()
        store.close()
        let closed = StoreReply.failed(.inputOutput("the database \(path) is closed"))
        #expect(store.execute(.get(.meta, key: [1])) == closed)
        #expect(store.execute(.write([.delete(.meta, key: [1])], sync: true)) == closed)
    }

    @Test func parentDirectoriesAreCreatedForTheirOwnerOnly() throws {
        let deep = directory.appending("a/b/c/")
        _ = try RocksStore.open(directory: deep)
        let attributes = try FileManager.default.attributesOfItem(atPath: directory.appending("a"))
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test func aFileInPlaceOfTheDirectoryIsRefused() throws {
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(
            throws: StoreOpenError.inaccessible(
                directory: path, detail: "\(path): Not a directory")
        ) { try RocksStore.open(directory: path) }
    }

    @Test func countersAddUp() throws {
        let store = try RocksStore.open(directory: path)
        _ = store.execute(.write([.put(.meta, key: [1], value: [2, 3])], sync: false))
        _ = store.execute(.get(.meta, key: [1]))
        _ = store.execute(.scan(.meta, from: [], to: [9], rowCountMax: 9, sizeMax: 99))
        _ = store.execute(.checkpoint(directory: path))
        var expected = StoreCounters()
        expected.writes = 1
        expected.gets = 1
        expected.scans = 1
        expected.checkpoints = 1
        expected.bytesWritten = 3
        expected.bytesRead = 5
        // The directory exists.
        expected.failuresInputOutput = 1
        #expect(store.counters == expected)
    }

    @Test func aCheckpointIsTheDatabaseAtOneMoment() throws {
        let store = try RocksStore.open(directory: path)
        let copy = directory.appending("copy")
        _ = store.execute(.write([.put(.dht, key: [1], value: [1])], sync: false))
        #expect(store.execute(.checkpoint(directory: copy)) == .checkpointed)
        _ = store.execute(.write([.put(.dht, key: [1], value: [2])], sync: false))

        let restored = try RocksStore.open(directory: copy)
        #expect(restored.execute(.get(.dht, key: [1])) == .value([1]))
        #expect(store.execute(.get(.dht, key: [1])) == .value([2]))
    }

    @Test func aCheckpointOverSomethingIsRefused() throws {
        let store = try RocksStore.open(directory: path)
        guard case .failed(.inputOutput(let detail)) = store.execute(.checkpoint(directory: path))
        else {
            Issue.record("a checkpoint replaced a directory")
            return
        }
        #expect(detail.contains("exists"))
    }
}
