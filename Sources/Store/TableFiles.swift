import CRocksDB
import Glibc

/// A column family of one kind of database.
///
/// Names are written to disk: never rename one, only add.
protocol TableFamily: RawRepresentable<String>, CaseIterable, Sendable {
    /// Its place among all.
    var index: Int { get }
    /// How its rows are kept.
    var tuning: TableSettings.Tuning { get }
}

/// An open RocksDB database of large tables: a state, or a chain with its state.
///
/// A class because the handle is an identity shared with C. Its owner closes it. Reading and writing may
/// happen on several threads at once, closing only when nobody does either.
final class TableFiles<Family: TableFamily> {
    let handle: OpaquePointer
    let settings: TableSettings
    /// Every family, also those of others, which are left alone.
    private let families: [OpaquePointer]
    private let known: [OpaquePointer]
    private var isClosed = false

    init(directory: String, options: StoreOptions) throws(RocksError) {
        let settings = TableSettings(options)
        let all = Array(Family.allCases)
        let names = try RocksDatabase.familyNames(
            directory: directory, settings.database, known: all.map(\.rawValue))
        let (handle, families) = try RocksDatabase.open(
            directory: directory, settings.database,
            names.map { ($0, settings.family(Family(rawValue: $0)?.tuning ?? .init())) })
        known = all.enumerated().map { place, family in
            guard let index = names.firstIndex(of: family.rawValue), family.index == place else {
                preconditionFailure("\(family) is among the families that are opened, in order")
            }
            return families[index]
        }
        self.handle = handle
        self.settings = settings
        self.families = families
    }

    /// The last call: frees the lock. Calling it again does nothing.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for family in families { rocksdb_column_family_handle_destroy(family) }
        rocksdb_close(handle)
    }

    deinit { precondition(isClosed, "a database is closed by its owner") }

    subscript(_ family: Family) -> OpaquePointer { known[family.index] }

    /// The value of a key where it lies, in the cache or in what was read; nil when there is none.
    ///
    /// - Parameter read: options of reading, those of a snapshot; nil for what was written last.
    func value(
        _ family: Family, _ key: Span<UInt8>, _ read: OpaquePointer? = nil
    ) throws(RocksError) -> PinnedValue? {
        let slice = try check { error in
            key.withUnsafeBytes { key in
                rocksdb_get_pinned_cf(
                    handle, read ?? settings.read, self[family],
                    key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count, error)
            }
        }
        guard let slice else { return nil }
        return PinnedValue(slice)
    }

    /// Applies a batch whole or not at all.
    ///
    /// - Parameter sync: whether it is on the disk afterwards. Without, the kernel has it: that outlives
    ///   the process, and not the machine.
    func write(_ batch: borrowing TableBatch, sync: Bool) throws(RocksError) {
        let batch = batch.handle
        try check { error in
            rocksdb_write(handle, sync ? settings.writeSynced : settings.write, batch, error)
        }
    }

    /// Adds a row to a batch.
    func put(
        _ family: Family, _ key: Span<UInt8>, _ value: [UInt8],
        in batch: borrowing TableBatch
    ) {
        let batch = batch.handle
        key.withUnsafeBytes { key in
            value.withCharacters { value in
                rocksdb_writebatch_put_cf(
                    batch, self[family],
                    key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count,
                    value.baseAddress, value.count)
            }
        }
    }

    /// Adds the end of a row to a batch.
    func delete(_ family: Family, _ key: Span<UInt8>, in batch: borrowing TableBatch) {
        let batch = batch.handle
        key.withUnsafeBytes { key in
            rocksdb_writebatch_delete_cf(
                batch, self[family], key.baseAddress?.assumingMemoryBound(to: CChar.self),
                key.count)
        }
    }

    /// Adds the end of every row in `from..<to` to a batch.
    func deleteRange(
        _ family: Family, _ from: [UInt8], _ to: [UInt8], in batch: borrowing TableBatch
    ) {
        // RocksDB leaves a range with its end before its start undefined. Here it is empty.
        guard from.lexicographicallyPrecedes(to) else { return }
        let batch = batch.handle
        from.withCharacters { from in
            to.withCharacters { to in
                rocksdb_writebatch_delete_range_cf(
                    batch, self[family], from.baseAddress, from.count, to.baseAddress, to.count)
            }
        }
    }

    /// A cursor over a family.
    ///
    /// - Parameter read: options of reading; nil for what was written last, in the order of all keys.
    func cursor(_ family: Family, _ read: OpaquePointer? = nil) -> TableCursor {
        TableCursor(rocksdb_create_iterator_cf(handle, read ?? settings.read, self[family])!)
    }

    /// Writes what is only in the log and in memory into tables.
    func flush() throws(RocksError) {
        let options = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(options) }
        rocksdb_flushoptions_set_wait(options, 1)
        for family in known {
            try check { error in rocksdb_flush_cf(handle, options, family, error) }
        }
    }
}

/// A place among the rows of a family, in the order of their keys.
struct TableCursor: ~Copyable {
    private let handle: OpaquePointer

    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { rocksdb_iter_destroy(handle) }

    /// Goes to the first row whose key is not below `key`; false where there is none.
    func seek(_ key: Span<UInt8>) throws(RocksError) -> Bool {
        key.withUnsafeBytes { key in
            rocksdb_iter_seek(
                handle, key.baseAddress?.assumingMemoryBound(to: CChar.self), key.count)
        }
        return try isValid()
    }

    /// Goes to the next row; false where there is none.
    func next() throws(RocksError) -> Bool {
        rocksdb_iter_next(handle)
        return try isValid()
    }

    private func isValid() throws(RocksError) -> Bool {
        if rocksdb_iter_valid(handle) != 0 { return true }
        // A cursor that meets damage ends, as it does where there is nothing more.
        try check { error in rocksdb_iter_get_error(handle, error) }
        return false
    }

    /// Valid until the cursor moves; only where there is a row.
    var key: UnsafeBufferPointer<UInt8> {
        var size = 0
        let start = rocksdb_iter_key(handle, &size)
        return UnsafeBufferPointer(
            start: UnsafeRawPointer(start)?.assumingMemoryBound(to: UInt8.self), count: size)
    }

    /// As ``key``.
    var value: UnsafeBufferPointer<UInt8> {
        var size = 0
        let start = rocksdb_iter_value(handle, &size)
        return UnsafeBufferPointer(
            start: UnsafeRawPointer(start)?.assumingMemoryBound(to: UInt8.self), count: size)
    }
}

/// A value that stays where RocksDB has it for as long as this lives.
struct PinnedValue: ~Copyable {
    private let slice: OpaquePointer

    init(_ slice: OpaquePointer) { self.slice = slice }

    deinit { rocksdb_pinnableslice_destroy(slice) }

    /// Valid as long as this lives.
    var bytes: UnsafeBufferPointer<UInt8> {
        var size = 0
        let start = rocksdb_pinnableslice_value(slice, &size)
        return UnsafeBufferPointer(
            start: UnsafeRawPointer(start)?.assumingMemoryBound(to: UInt8.self), count: size)
    }
}

/// Rows that are written together.
struct TableBatch: ~Copyable {
    let handle: OpaquePointer = rocksdb_writebatch_create()!

    deinit { rocksdb_writebatch_destroy(handle) }

    /// Bytes that the log will take.
    var size: Int {
        var size = 0
        _ = rocksdb_writebatch_data(handle, &size)
        return size
    }
}
