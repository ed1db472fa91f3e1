import CRocksDB
import ChoraleTypes
import Foundation
import Testing

@testable import Store

@Suite struct StoreSchemaTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("db") }

    private func open(_ schema: StoreSchema) throws(StoreOpenError) -> RocksStore {
        try RocksStore.open(directory: path, options: StoreOptions(), schema: schema)
    }

    /// Version 3 of a made-up history: 2 copied a value, 3 deleted the old one.
    private static let third = StoreSchema(
        version: 3,
        upgrades: [
            StoreSchema.Upgrade(from: 1) { database throws(RocksError) in
                let value = try database.get(.peer, [1]) ?? []
                return [.put(.peer, key: [2], value: value)]
            },
            StoreSchema.Upgrade(from: 2) { _ throws(RocksError) in [.delete(.peer, key: [1])] },
        ])

    @Test func aNewDatabaseCarriesTheVersionOfItsRelease() throws {
        let store = try RocksStore.open(directory: path)
        #expect(store.execute(.get(.meta, key: StoreSchema.key)) == .value([0, 0, 0, 1]))
        store.close()
    }

    @Test func aNewerDatabaseIsRefusedAndLeftAlone() throws {
        let newer = try open(StoreSchema(version: 0x0102_0304, upgrades: []))
        _ = newer.execute(.write([.put(.peer, key: [1], value: [1])], sync: true))
        newer.close()
        let error = StoreOpenError.newerSchema(directory: path, found: 0x0102_0304, supported: 1)
        #expect(throws: error) { try RocksStore.open(directory: path) }
        #expect(
            "\(error)".contains("schema version 16909060 and this release knows versions up to 1"))
        // Neither the lock nor the data is lost.
        let again = try open(StoreSchema(version: 0x0102_0304, upgrades: []))
        #expect(again.execute(.get(.peer, key: [1])) == .value([1]))
        again.close()
    }

    @Test func anOlderDatabaseIsUpgradedStepByStepAndOnce() throws {
        let first = try RocksStore.open(directory: path)
        _ = first.execute(.write([.put(.peer, key: [1], value: [7])], sync: true))
        first.close()
        for _ in 0..<2 {
            let store = try open(Self.third)
            #expect(store.execute(.get(.peer, key: [1])) == .value(nil))
            #expect(store.execute(.get(.peer, key: [2])) == .value([7]))
            #expect(store.execute(.get(.meta, key: StoreSchema.key)) == .value([0, 0, 0, 3]))
            store.close()
        }
    }

    @Test func anUpgradeThatFailsChangesNothing() throws {
        let first = try RocksStore.open(directory: path)
        _ = first.execute(.write([.put(.peer, key: [1], value: [7])], sync: true))
        first.close()
        let broken = StoreSchema(
            version: 3,
            upgrades: [
                Self.third.upgrades[0],
                StoreSchema.Upgrade(from: 2) { _ throws(RocksError) in
                    throw RocksError(message: "Corruption: made up")
                },
            ])
        #expect(
            throws: StoreOpenError.upgradeFailed(
                directory: path, from: 2, .corrupt("Corruption: made up"))
        ) { try open(broken) }
        // The first step stands, the second can be repeated.
        let store = try open(Self.third)
        #expect(store.execute(.get(.peer, key: [2])) == .value([7]))
        #expect(store.execute(.get(.peer, key: [1])) == .value(nil))
        store.close()
    }

    @Test func aVersionOfTheWrongSizeIsDamage() throws {
        let store = try RocksStore.open(directory: path)
        _ = store.execute(.write([.put(.meta, key: StoreSchema.key, value: [1])], sync: true))
        store.close()
        #expect(
            throws: StoreOpenError.corrupt(
                directory: path, detail: "the schema version has 1 bytes instead of 4")
        ) { try RocksStore.open(directory: path) }
    }

    @Test func familiesOfLaterReleasesAreLeftAlone() throws {
        try RocksStore.open(directory: path).close()
        try FutureDatabase.write(family: "consensus", key: [1], value: [2], directory: path)
        let store = try RocksStore.open(directory: path)
        let written = store.execute(.write([.put(.meta, key: [1], value: [1])], sync: true))
        #expect(written == .written)
        store.close()
        let value = try FutureDatabase.read(family: "consensus", key: [1], directory: path)
        #expect(value == [2])
    }
}

/// A release that knows one more column family, directly on RocksDB.
private enum FutureDatabase {
    static func write(family: String, key: [UInt8], value: [UInt8], directory: String) throws {
        try with(family, directory) { database, handle in
            let options = rocksdb_writeoptions_create()
            defer { rocksdb_writeoptions_destroy(options) }
            try check { error in
                rocksdb_put_cf(
                    database, options, handle, key.map(CChar.init(bitPattern:)), key.count,
                    value.map(CChar.init(bitPattern:)), value.count, error)
            }
        }
    }

    static func read(family: String, key: [UInt8], directory: String) throws -> [UInt8]? {
        try with(family, directory) { database, handle in
            let options = rocksdb_readoptions_create()
            defer { rocksdb_readoptions_destroy(options) }
            var size = 0
            let value = try check { error in
                rocksdb_get_cf(
                    database, options, handle, key.map(CChar.init(bitPattern:)), key.count, &size,
                    error)
            }
            guard let value else { return nil }
            defer { rocksdb_free(value) }
            return (0..<size).map { UInt8(bitPattern: value[$0]) }
        }
    }

    private static func with<Result>(
        _ family: String,
        _ directory: String,
        _ body: (_ database: OpaquePointer, _ handle: OpaquePointer) throws -> Result
    ) throws -> Result {
        let options = rocksdb_options_create()
        defer { rocksdb_options_destroy(options) }
        rocksdb_options_set_create_missing_column_families(options, 1)
        let names = ["default"] + ColumnFamily.allCases.map(\.rawValue) + [family]
        let copies = names.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        var handles = [OpaquePointer?](repeating: nil, count: names.count)
        let database = try check { error in
            rocksdb_open_column_families(
                options, directory, Int32(names.count), copies.map { UnsafePointer($0) },
                names.map { _ in options }, &handles, error)
        }
        defer {
            for handle in handles { rocksdb_column_family_handle_destroy(handle) }
            rocksdb_close(database)
        }
        return try body(database!, handles.last!!)
    }
}
