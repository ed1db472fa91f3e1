import CRocksDB
import Glibc

/// The open RocksDB database of a state.
///
/// A class because the handle is an identity shared with C. Its owner is a `StateDatabase`, which
/// closes it.
final class StateFiles {
    private let handle: OpaquePointer
    private let settings: StateSettings
    /// Every family, also those of others, which are left alone.
    private let families: [OpaquePointer]
    private let meta: OpaquePointer
    private let node: OpaquePointer
    private let code: OpaquePointer
    private var isClosed = false

    init(directory: String, options: StoreOptions) throws(RocksError) {
        let settings = StateSettings(options)
        let names = try RocksDatabase.familyNames(
            directory: directory, settings.database, known: StateFamily.allCases.map(\.rawValue))
        let (handle, families) = try RocksDatabase.open(
            directory: directory, settings.database,
            names.map { ($0, settings.family(StateFamily(rawValue: $0))) })
        func family(_ family: StateFamily) -> OpaquePointer {
            guard let index = names.firstIndex(of: family.rawValue) else {
                preconditionFailure("\(family) is among the families that are opened")
            }
            return families[index]
        }
        (meta, node, code) = (family(.meta), family(.node), family(.code))
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

    private subscript(_ family: StateFamily) -> OpaquePointer {
        switch family {
        case .meta: meta
        case .node: node
        case .code: code
        }
    }

    /// The value of a key where it lies, in the cache or in what was read; nil when there is none.
    func value(_ family: StateFamily, _ key: Span<UInt8>) throws(RocksError) -> PinnedValue? {
        let slice = try check { error in
            key.withUnsafeBytes { key in
                rocksdb_get_pinned_cf(
                    handle, settings.read, self[family],
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
    func write(_ batch: borrowing StateBatch, sync: Bool) throws(RocksError) {
        let batch = batch.handle
        try check { error in
            rocksdb_write(handle, sync ? settings.writeSynced : settings.write, batch, error)
        }
    }

    /// Adds a row to a batch.
    func put(
        _ family: StateFamily, _ key: Span<UInt8>, _ value: [UInt8],
        in batch: borrowing StateBatch
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

    /// Writes what is only in the log and in memory into tables.
    func flush() throws(RocksError) {
        let options = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(options) }
        rocksdb_flushoptions_set_wait(options, 1)
        for family in [meta, node, code] {
            try check { error in rocksdb_flush_cf(handle, options, family, error) }
        }
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
struct StateBatch: ~Copyable {
    let handle: OpaquePointer = rocksdb_writebatch_create()!

    deinit { rocksdb_writebatch_destroy(handle) }
}
