import ChoraleTypes
import Foundation
import Testing

@testable import Store

/// What crashes and bad disks leave behind.
///
/// A crash image is a copy of the directory while the database is open: exactly what the kernel
/// has when the process is killed.
@Suite struct StoreDamageTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("db") }
    var image: String { directory.appending("image") }

    private static func value(_ index: Int) -> [UInt8] {
        (0..<100).map { UInt8(truncatingIfNeeded: index &* 31 &+ $0) }
    }

    private static func key(_ index: Int) -> [UInt8] { [UInt8(index >> 8), UInt8(index & 0xFF)] }

    private func put(_ indices: Range<Int>, in store: RocksStore, sync: Bool) {
        for index in indices {
            let write = StoreWrite.put(.chunk, key: Self.key(index), value: Self.value(index))
            let reply = store.execute(.write([write], sync: sync))
            #expect(reply == .written)
        }
    }

    private func count(in store: RocksStore) throws -> Int {
        let reply = store.execute(
            .scan(.chunk, from: [], to: nil, rowCountMax: 100_000, sizeMax: 1 << 30))
        guard case .rows(let rows, more: false) = reply else {
            Issue.record("\(reply)")
            return 0
        }
        for (index, row) in rows.enumerated() {
            #expect(row == StoreRow(key: Self.key(index), value: Self.value(index)))
        }
        return rows.count
    }

    private func files(_ suffix: String) throws -> [String] {
        try FileSystem.names(in: image).filter { $0.hasSuffix(suffix) }.map { image + "/" + $0 }
    }

    /// The log that holds the rows: the longest one.
    private func log() throws -> String {
        let sizes = try files(".log").map { ($0, try contents($0).count) }
        return try #require(sizes.max { $0.1 < $1.1 }).0
    }

    private func contents(_ file: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
    }

    private func replace(_ file: String, _ bytes: some Sequence<UInt8>) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file))
    }

    private func takeImage() throws {
        try? FileManager.default.removeItem(atPath: image)
        try FileManager.default.copyItem(atPath: path, toPath: image)
    }

    private func expectDamage(
        mentioning texts: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do throws(StoreOpenError) {
            let store = try RocksStore.open(directory: image)
            store.close()
            Issue.record("a damaged database was opened", sourceLocation: sourceLocation)
        } catch {
            guard case .corrupt(image, _) = error else {
                Issue.record("not damage: \(error)", sourceLocation: sourceLocation)
                return
            }
            for text in texts + [image, "restore a backup"] {
                let description = "\(error)"
                #expect(description.contains(text), sourceLocation: sourceLocation)
            }
        }
    }

    @Test func acknowledgedWritesSurviveAKillAtAnyTime() throws {
        let store = try RocksStore.open(directory: path)
        defer { store.close() }
        for round in 1...5 {
            put((round - 1) * 50..<round * 50, in: store, sync: true)
            try takeImage()
            let survivor = try RocksStore.open(directory: image)
            #expect(try count(in: survivor) == round * 50)
            survivor.close()
        }
    }

    @Test func theOwnerFileOfAKilledProcessIsNoLock() throws {
        let store = try RocksStore.open(directory: path)
        defer { store.close() }
        try takeImage()
        #expect(FileSystem.exists(image + "/OWNER"))
        try RocksStore.open(directory: image).close()
    }

    @Test func aTornLastWriteIsDroppedByItself() throws {
        let store = try RocksStore.open(directory: path)
        put(0..<20, in: store, sync: true)
        let last = StoreWrite.put(.chunk, key: Self.key(20), value: Self.value(20))
        let marker = StoreWrite.put(.meta, key: [9], value: [9])
        _ = store.execute(.write([last, marker], sync: false))
        // An opening turns the log into tables, so every cut starts from its own image. The store
        // stays open, so that each has the same log.
        defer { store.close() }
        // The last record is longer than its 100 bytes of value.
        for missing in stride(from: 1, through: 120, by: 7) {
            try takeImage()
            let file = try log()
            try replace(file, try contents(file).dropLast(missing))
            let survivor = try RocksStore.open(directory: image)
            #expect(try count(in: survivor) == 20, "\(missing) bytes are missing")
            let value = survivor.execute(.get(.meta, key: [9]))
            #expect(value == .value(nil), "a batch was applied in part")
            survivor.close()
        }
    }

    @Test func damageInTheMiddleOfTheLogStopsTheOpening() throws {
        let store = try RocksStore.open(directory: path)
        put(0..<200, in: store, sync: true)
        try takeImage()
        store.close()
        var bytes = try contents(try log())
        bytes[bytes.count / 2] ^= 0x40
        try replace(try log(), bytes)
        expectDamage(mentioning: ["checksum"])
    }

    @Test(arguments: ["", "MANIFEST", "MANIFEST-999999\n", "nonsense\n"])
    func aDamagedCurrentFileStopsTheOpening(contents: String) throws {
        let store = try RocksStore.open(directory: path)
        put(0..<3, in: store, sync: true)
        try takeImage()
        store.close()
        try replace(image + "/CURRENT", contents.utf8)
        expectDamage(mentioning: [])
    }

    @Test func aMissingCurrentFileIsNotTakenForANewDatabase() throws {
        let store = try RocksStore.open(directory: path)
        put(0..<3, in: store, sync: true)
        try takeImage()
        store.close()
        FileSystem.remove(image + "/CURRENT")
        let before = try FileSystem.names(in: image)
        expectDamage(mentioning: ["CURRENT is missing"])
        #expect(try FileSystem.names(in: image) == before)
    }

    @Test func aDamagedManifestStopsTheOpening() throws {
        let store = try RocksStore.open(directory: path)
        put(0..<3, in: store, sync: true)
        try takeImage()
        store.close()
        let manifest = try #require(
            try FileSystem.names(in: image).first { $0.hasPrefix("MANIFEST") })
        var bytes = try contents(image + "/" + manifest)
        bytes[bytes.count / 2] ^= 0x01
        try replace(image + "/" + manifest, bytes)
        expectDamage(mentioning: [])
    }

    /// Rows in tables rather than in the log: what a checkpoint consists of.
    private func takeImageOfTables() throws {
        let store = try RocksStore.open(directory: path)
        put(0..<500, in: store, sync: false)
        #expect(store.execute(.checkpoint(directory: image)) == .checkpointed)
        store.close()
    }

    private func largestTable() throws -> String {
        let sizes = try files(".sst").map { ($0, try contents($0).count) }
        return try #require(sizes.max { $0.1 < $1.1 }).0
    }

    @Test func aMissingTableStopsTheOpening() throws {
        try takeImageOfTables()
        let table = try largestTable()
        FileSystem.remove(table)
        // RocksDB looks for an older suffix last, and names that one.
        expectDamage(mentioning: [String(table.dropLast(4))])
    }

    @Test func aTruncatedTableStopsTheOpening() throws {
        try takeImageOfTables()
        let table = try largestTable()
        try replace(table, try contents(table).dropLast(100))
        expectDamage(mentioning: [])
    }

    @Test func aDamagedBlockIsReportedWhenItIsRead() throws {
        try takeImageOfTables()
        let table = try largestTable()
        var bytes = try contents(table)
        bytes[200] ^= 0x10
        try replace(table, bytes)
        let store = try RocksStore.open(directory: image)
        defer { store.close() }
        let scan = StoreRequest.scan(
            .chunk, from: [], to: nil, rowCountMax: 1000, sizeMax: 1 << 20)
        for request in [.get(.chunk, key: Self.key(0)), scan] {
            guard case .failed(.corrupt(let detail)) = store.execute(request) else {
                Issue.record("a damaged block was believed by \(request)")
                continue
            }
            #expect(detail.contains(table))
            #expect(detail.contains("checksum mismatch"))
        }
        // The rest can be used, and counted.
        #expect(store.execute(.get(.meta, key: StoreSchema.key)) == .value([0, 0, 0, 1]))
        #expect(store.counters.failuresCorrupt == 2)
    }
}
