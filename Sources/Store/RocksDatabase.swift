import CRocksDB
import ChoraleTypes
import Glibc

/// One open RocksDB database with a handle for each column family.
///
/// A class because the handle is an identity shared with C. Its owner is a `RocksStore`, whose
/// threading rule covers it. `close` must be called before the last reference goes away: references
/// live longer than one reads off the code, and the lock must be free at a known moment.
final class RocksDatabase {
    let handle: OpaquePointer
    private let settings: RocksSettings
    /// Every family of the database, also those of later releases, which are left alone.
    private let families: [OpaquePointer]
    /// The families of this release, in the order of `ColumnFamily.allCases`.
    private let known: [OpaquePointer]
    private var isClosed = false
    /// Ranges that were deleted and still take room in tables.
    var leftovers = Leftovers()

    /// Opens the database in `directory`, which must exist, or creates one there.
    init(directory: String, options: StoreOptions) throws(RocksError) {
        let settings = RocksSettings(options)
        let names = try Self.familyNames(
            directory: directory, settings.database,
            known: ColumnFamily.allCases.map(\.rawValue))
        let (database, families) = try Self.open(
            directory: directory, settings.database,
            names.map { ($0, settings.family(ColumnFamily(rawValue: $0))) })
        handle = database
        self.settings = settings
        self.families = families
        known = ColumnFamily.allCases.map { family in
            guard let index = names.firstIndex(of: family.rawValue) else {
                preconditionFailure("\(family) is among the families that are opened")
            }
            return families[index]
        }
    }

    /// The last call: frees the lock. Calling it again does nothing.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        for family in families { rocksdb_column_family_handle_destroy(family) }
        rocksdb_close(handle)
    }

    deinit { precondition(isClosed, "a database is closed by its owner") }

    /// Opens a database with these families, which are all that it has, or creates what is missing.
    ///
    /// - Returns: its handle, and those of the families in their order.
    static func open(
        directory: String, _ options: OpaquePointer,
        _ families: [(name: String, options: OpaquePointer)]
    ) throws(RocksError) -> (OpaquePointer, [OpaquePointer]) {
        var opened = [OpaquePointer?](repeating: nil, count: families.count)
        let copies = families.map { strdup($0.name) }
        defer { for copy in copies { free(copy) } }
        let namePointers = copies.map { UnsafePointer($0) }
        let familyOptions: [OpaquePointer?] = families.map(\.options)
        let database: OpaquePointer?
        do throws(RocksError) {
            database = try check { error in
                rocksdb_open_column_families(
                    options, directory, Int32(families.count), namePointers, familyOptions, &opened,
                    error)
            }
        } catch {
            throw error.namingLogs(in: directory)
        }
        guard let database else { throw RocksError(message: "no database and no error") }
        let handles = opened.compactMap { $0 }
        precondition(handles.count == families.count, "one handle for each column family")
        return (database, handles)
    }

    /// The families on disk followed by those of `known` that are not there yet.
    static func familyNames(
        directory: String, _ options: OpaquePointer, known: [String]
    ) throws(RocksError) -> [String] {
        var names = ["default"]
        if FileSystem.exists(directory + "/CURRENT") {
            var count = 0
            let list = try check { error in
                rocksdb_list_column_families(options, directory, &count, error)
            }
            if let list {
                defer { rocksdb_list_column_families_destroy(list, count) }
                names = (0..<count).compactMap { list[$0].map { String(cString: $0) } }
            }
        }
        for name in known where !names.contains(name) { names.append(name) }
        return names
    }

    func write(_ writes: [StoreWrite], sync: Bool) throws(RocksError) {
        let batch = rocksdb_writebatch_create()
        defer { rocksdb_writebatch_destroy(batch) }
        for write in writes { append(write, to: batch) }
        try check { error in
            rocksdb_write(handle, sync ? settings.writeSynced : settings.write, batch, error)
        }
    }

    private func append(_ write: StoreWrite, to batch: OpaquePointer?) {
        switch write {
        case .put(let family, let key, let value):
            key.withCharacters { key in
                value.withCharacters { value in
                    rocksdb_writebatch_put_cf(
                        batch, self[family], key.baseAddress, key.count, value.baseAddress,
                        value.count)
                }
            }
        case .delete(let family, let key):
            key.withCharacters { key in
                rocksdb_writebatch_delete_cf(batch, self[family], key.baseAddress, key.count)
            }
        case .deleteRange(let family, let from, let to):
            // RocksDB leaves a range with its end before its start undefined. Here it is empty.
            guard from.lexicographicallyPrecedes(to) else { return }
            from.withCharacters { from in
                to.withCharacters { to in
                    rocksdb_writebatch_delete_range_cf(
                        batch, self[family], from.baseAddress, from.count, to.baseAddress, to.count)
                }
            }
        }
    }

    /// The value of `key`, copied once.
    func get(_ family: ColumnFamily, _ key: [UInt8]) throws(RocksError) -> [UInt8]? {
        let slice = try check { error in
            key.withCharacters { key in
                rocksdb_get_pinned_cf(
                    handle, settings.read, self[family], key.baseAddress, key.count, error)
            }
        }
        guard let slice else { return nil }
        defer { rocksdb_pinnableslice_destroy(slice) }
        var size = 0
        let start = rocksdb_pinnableslice_value(slice, &size)
        return Array(characters: start, count: size)
    }

    /// See `StoreRequest.scan`.
    func scan(
        _ family: ColumnFamily,
        from: [UInt8],
        to: [UInt8]?,
        rowCountMax: Int,
        sizeMax: Int
    ) throws(RocksError) -> (rows: [StoreRow], more: Bool) {
        let iterator = rocksdb_create_iterator_cf(handle, settings.read, self[family])
        defer { rocksdb_iter_destroy(iterator) }
        from.withCharacters { rocksdb_iter_seek(iterator, $0.baseAddress, $0.count) }
        var rows: [StoreRow] = []
        var size = 0
        var more = false
        while rocksdb_iter_valid(iterator) != 0 {
            var keySize = 0
            let keyStart = rocksdb_iter_key(iterator, &keySize)
            let key = [UInt8](characters: keyStart, count: keySize)
            if let to, !key.lexicographicallyPrecedes(to) { break }
            var valueSize = 0
            let valueStart = rocksdb_iter_value(iterator, &valueSize)
            size += keySize + valueSize
            if !rows.isEmpty, rows.count >= rowCountMax || size > sizeMax {
                more = true
                break
            }
            let value = [UInt8](characters: valueStart, count: valueSize)
            rows.append(StoreRow(key: key, value: value))
            rocksdb_iter_next(iterator)
        }
        // An iterator that meets damage becomes invalid, as it does at the end.
        try check { error in rocksdb_iter_get_error(iterator, error) }
        return (rows, more)
    }

    /// Writes a consistent copy into `directory`, which must not exist.
    func checkpoint(to directory: String) throws(RocksError) {
        let checkpoint = try check { error in
            rocksdb_checkpoint_object_create(handle, error)
        }
        defer { rocksdb_checkpoint_object_destroy(checkpoint) }
        // 0: what is in memory becomes tables first, so that the copy has no log to replay.
        try check { error in rocksdb_checkpoint_create(checkpoint, directory, 0, error) }
    }

    subscript(_ family: ColumnFamily) -> OpaquePointer {
        switch family {
        case .meta: known[0]
        case .peer: known[1]
        case .dht: known[2]
        case .witness: known[3]
        case .chunk: known[4]
        case .validation: known[5]
        case .subproof: known[6]
        case .proof: known[7]
        case .execution: known[8]
        }
    }
}

extension [UInt8] {
    /// The bytes as C's characters, for the duration of `body`.
    func withCharacters<Result>(
        _ body: (UnsafeBufferPointer<CChar>) -> Result
    ) -> Result {
        withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self)) }
    }

    fileprivate init(characters start: UnsafePointer<CChar>?, count: Int) {
        self.init(UnsafeRawBufferPointer(start: start, count: count))
    }
}
