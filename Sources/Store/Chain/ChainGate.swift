import CRocksDB
import ChoraleTypes
import Glibc
import Synchronization

/// The open files of a chain, for its owner and for readers on other threads.
///
/// RocksDB may be read by any number of threads while one writes; it must not be closed while anyone is
/// inside. So readers go through here, one short call each, and closing waits for them. Whoever comes
/// later is refused, until the owner has opened the files again; snapshots of before stay refused.
// @unchecked: what changes is behind the lock, and only the owner changes it.
final class ChainGate: @unchecked Sendable {
    let directory: String
    private let lock = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
    /// Changed by the owner under the lock for writing.
    private var files: ChainFiles?
    /// How often the files were closed.
    private var generation = 0
    /// Addresses of those that were not released. They are gone before the files are closed.
    private let snapshots = Mutex<Set<UInt>>([])

    init(directory: String, _ files: ChainFiles) {
        self.directory = directory
        self.files = files
        pthread_rwlock_init(lock, nil)
    }

    deinit {
        precondition(files == nil, "a database is closed by its owner")
        pthread_rwlock_destroy(lock)
        lock.deallocate()
    }

    /// The files, for the owner, who alone opens and closes them.
    var owned: ChainFiles? { files }

    /// Opens the way to new files.
    func open(_ files: ChainFiles) {
        pthread_rwlock_wrlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        precondition(self.files == nil, "one database at a time")
        self.files = files
    }

    /// Waits for readers that are inside and closes the files.
    func close() {
        pthread_rwlock_wrlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        guard let files else { return }
        generation += 1
        let open = snapshots.withLock { snapshots in
            defer { snapshots.removeAll() }
            return snapshots
        }
        for address in open {
            rocksdb_release_snapshot(files.handle, OpaquePointer(bitPattern: address))
        }
        files.close()
        self.files = nil
    }

    /// Takes a snapshot: what is written later does not show in it.
    func snapshot() throws(RocksError) -> ChainSnapshot {
        pthread_rwlock_rdlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        guard let files else { throw closed }
        let handle = rocksdb_create_snapshot(files.handle)!
        let address = UInt(bitPattern: handle)
        snapshots.withLock { _ = $0.insert(address) }
        return ChainSnapshot(self, handle, generation: generation)
    }

    fileprivate func release(_ handle: OpaquePointer, generation: Int) {
        pthread_rwlock_rdlock(lock)
        defer { pthread_rwlock_unlock(lock) }
        guard let files, self.generation == generation else { return }
        let address = UInt(bitPattern: handle)
        snapshots.withLock { _ = $0.remove(address) }
        rocksdb_release_snapshot(files.handle, handle)
    }

    /// Goes inside: the files stay open until ``leave()``.
    ///
    /// Inside, snapshots are neither taken nor let go.
    fileprivate func enter(generation: Int) throws(RocksError) -> ChainFiles {
        pthread_rwlock_rdlock(lock)
        guard let files, self.generation == generation else {
            pthread_rwlock_unlock(lock)
            throw closed
        }
        return files
    }

    fileprivate func leave() { pthread_rwlock_unlock(lock) }

    private var closed: RocksError {
        RocksError(message: "the database \(directory) is closed, or was opened again")
    }
}

/// A chain as it was at one moment, for one reader.
final class ChainSnapshot {
    private let gate: ChainGate
    private let handle: OpaquePointer
    private let generation: Int
    private let read = rocksdb_readoptions_create()!
    private let readPrefix = rocksdb_readoptions_create()!

    fileprivate init(_ gate: ChainGate, _ handle: OpaquePointer, generation: Int) {
        self.gate = gate
        self.handle = handle
        self.generation = generation
        rocksdb_readoptions_set_snapshot(read, handle)
        rocksdb_readoptions_set_total_order_seek(read, 1)
        rocksdb_readoptions_set_snapshot(readPrefix, handle)
        rocksdb_readoptions_set_prefix_same_as_start(readPrefix, 1)
    }

    deinit {
        rocksdb_readoptions_destroy(read)
        rocksdb_readoptions_destroy(readPrefix)
        gate.release(handle, generation: generation)
    }

    /// Asks for rows. What is returned must not refer to the database.
    func rows<Result>(
        _ body: (ChainRows) throws(RocksError) -> Result
    ) throws(RocksError) -> Result {
        let files = try gate.enter(generation: generation)
        defer { gate.leave() }
        return try body(ChainRows(files, read: read, readPrefix: readPrefix))
    }
}
