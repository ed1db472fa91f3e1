public import ChoraleTypes
import Synchronization

/// The node's database: RocksDB behind values.
///
///     open ──(a write fails)──▶ refusing ──(opened again)──▶ open
///       └─────────(close)──▶ closed ◀──(close)──┘
///
/// Invariants:
///   1. A batch is applied whole or not at all. (RocksDB's write batch, one record of its log.)
///   2. `.written` for a synced write means that the write survives a crash. (`RocksDatabase.write`.)
///   3. At most one thread is inside at any time. (Trapped in `enter`.)
///
/// Requests block for as long as the disk takes, so they run on a thread of their own. Every method
/// may be called from any thread, but only one at a time: opening on the main thread, executing on
/// the store thread and closing after that one has ended is fine. `counters` is an exception and
/// may be read at any time.
///
/// Memory: `StoreOptions.writeBufferSizeMax` + `cacheSizeMax` + a few MiB of RocksDB's own.
///
/// Specification: `docs/architecture.md`, "Storage".
// @unchecked: the mutable state is confined to the one thread that `enter` lets in.
public final class RocksStore: @unchecked Sendable {
    /// Where the database is.
    public let directory: String

    private enum State {
        case open(RocksDatabase)
        /// RocksDB refuses all writes once one has failed, be it for want of room, of descriptors or
        /// because of the disk, until it is opened again. The database can still be read, unless
        /// opening it again has failed.
        case refusing(RocksDatabase?, StoreFailure)
        case closed
    }

    private var state: State
    private let options: StoreOptions
    /// Bytes written since the last look at the disk.
    private var sizeSinceLook = StoreOptions.freeSpaceInterval
    private var reopening = Reopening()
    private let isBusy = Atomic<Bool>(false)
    private let shared = Mutex(StoreCounters())

    /// Opens the database in `directory`, creating both if needed.
    ///
    /// - Throws: `StoreOpenError`, whose description tells an operator what to do. In particular a
    ///   database that is open elsewhere, was written by a later release, or is damaged is refused
    ///   and not changed. An incomplete last write is not damage.
    public static func open(
        directory: String,
        options: StoreOptions = StoreOptions()
    ) throws(StoreOpenError) -> RocksStore {
        try open(directory: directory, options: options, schema: .current)
    }

    static func open(
        directory: String,
        options: StoreOptions,
        schema: StoreSchema
    ) throws(StoreOpenError) -> RocksStore {
        try prepare(directory)
        let database: RocksDatabase
        do throws(RocksError) {
            database = try RocksDatabase(directory: directory, options: options)
        } catch {
            throw StoreOpenError(error, directory: directory)
        }
        do throws(StoreOpenError) {
            try schema.apply(to: database, in: directory)
        } catch {
            database.close()
            throw error
        }
        StoreHolder.announce(directory: directory)
        return RocksStore(database, directory: directory, options: options)
    }

    /// Sees that the directory is there and has what an opening needs.
    static func prepare(_ directory: String) throws(StoreOpenError) {
        let names: [String]
        do throws(FileSystem.Failure) {
            try FileSystem.createDirectories(directory)
            names = try FileSystem.names(in: directory)
        } catch {
            if error.isFullDisk { throw .diskFull(directory: directory) }
            throw .inaccessible(directory: directory, detail: error.message)
        }
        guard canOpen(directory) else { throw .diskFull(directory: directory) }
        // RocksDB takes a directory without this file for a new database, and would delete what
        // it finds in it. A crash before the first log is started leaves none of these.
        let hasTables = names.contains { $0.hasSuffix(".sst") || $0.hasSuffix(".log") }
        if hasTables, !names.contains("CURRENT") {
            throw .corrupt(directory: directory, detail: "the file CURRENT is missing")
        }
    }

    /// Unknown free space counts as enough, here and below: then the attempt itself will tell.
    private static func canOpen(_ directory: String) -> Bool {
        FileSystem.freeSpace(at: directory) ?? .max >= StoreOptions.freeSpaceToOpen
    }

    private init(_ database: RocksDatabase, directory: String, options: StoreOptions) {
        self.directory = directory
        self.options = options
        self.state = .open(database)
    }

    deinit { shutDown() }

    /// What has been done so far. Safe from any thread at any time.
    public var counters: StoreCounters { shared.withLock { $0 } }

    /// Carries out one request and returns when it is done.
    ///
    /// A write that failed was not applied, or will appear whole after the next opening: a disk
    /// that fails while syncing does not say which.
    public func execute(_ request: StoreRequest) -> StoreReply {
        enter()
        defer { leave() }
        let reply: StoreReply
        do throws(StoreFailure) {
            reply = try perform(request)
        } catch {
            reply = .failed(error)
        }
        shared.withLock { $0.count(request, reply) }
        return reply
    }

    /// Closes the database. Later requests fail, and closing again does nothing.
    ///
    /// Unsynced writes are not lost by this.
    public func close() {
        enter()
        defer { leave() }
        shutDown()
    }

    private func shutDown() {
        if case .closed = state { return }
        // In this order: once the lock is free, the file belongs to whoever takes it.
        StoreHolder.withdraw(directory: directory)
        closeDatabase()
        state = .closed
    }

    private func closeDatabase() {
        switch state {
        case .open(let database), .refusing(let database?, _): database.close()
        case .refusing(nil, _), .closed: break
        }
    }

    private func enter() {
        let (alone, _) = isBusy.compareExchange(
            expected: false, desired: true, ordering: .acquiring)
        precondition(alone, "invariant 3: two threads use one store")
    }

    private func leave() { isBusy.store(false, ordering: .releasing) }

    private func perform(_ request: StoreRequest) throws(StoreFailure) -> StoreReply {
        switch request {
        case .write(let writes, let sync):
            try write(writes, sync: sync)
            return .written
        case .get(let family, let key):
            let value = try onDatabase { database throws(RocksError) in
                try database.get(family, key)
            }
            return .value(value)
        case .scan(let family, let from, let to, let rowCountMax, let sizeMax):
            let (rows, more) = try onDatabase { database throws(RocksError) in
                try database.scan(
                    family, from: from, to: to, rowCountMax: rowCountMax, sizeMax: sizeMax)
            }
            return .rows(rows, more: more)
        case .checkpoint(let copy):
            try onDatabase { database throws(RocksError) in try database.checkpoint(to: copy) }
            return .checkpointed
        }
    }

    private func write(_ writes: [StoreWrite], sync: Bool) throws(StoreFailure) {
        let onlyDeletes = writes.allSatisfy(\.onlyDeletes)
        if case .refusing(_, let failure) = state { try reopen(after: failure, onlyDeletes) }
        let database = try database()
        try admit(onlyDeletes)
        do throws(RocksError) {
            try database.write(writes, sync: sync)
        } catch {
            let failure = error.failure(in: directory)
            // Damage does not go away by opening again.
            if error.kind != .corrupt { state = .refusing(database, failure) }
            throw failure
        }
        sizeSinceLook += writes.reduce(0) { $0 + $1.size }
        database.reclaim(after: writes)
    }

    /// Refuses what the disk has no room for, before RocksDB runs into it.
    private func admit(_ onlyDeletes: Bool) throws(StoreFailure) {
        guard sizeSinceLook >= StoreOptions.freeSpaceInterval else { return }
        guard !isShortOfSpace else {
            if onlyDeletes { return }
            throw .diskFull(path: directory, kept: options.freeSpaceMin)
        }
        sizeSinceLook = 0
    }

    private var isShortOfSpace: Bool {
        guard let size = FileSystem.freeSpace(at: directory) else { return false }
        return size < options.freeSpaceMin
    }

    /// Leaves RocksDB's read-only state, which only a new opening does at a time of our choice.
    ///
    /// For deletes it is tried even on a full disk: they are what makes room.
    private func reopen(after failure: StoreFailure, _ onlyDeletes: Bool) throws(StoreFailure) {
        try reopening.admit(
            after: failure, directory: directory, isShort: isShortOfSpace,
            onlyDeletes: onlyDeletes)
        // The old one first: it holds the lock.
        closeDatabase()
        state = .refusing(nil, failure)
        do throws(RocksError) {
            state = .open(try RocksDatabase(directory: directory, options: options))
        } catch {
            let failure = error.failure(in: directory)
            state = .refusing(nil, failure)
            throw failure
        }
        sizeSinceLook = StoreOptions.freeSpaceInterval
        shared.withLock { $0.recoveries += 1 }
    }

    /// The database, opened again if an attempt to do so left none.
    private func database() throws(StoreFailure) -> RocksDatabase {
        if case .refusing(nil, let failure) = state { try reopen(after: failure, true) }
        switch state {
        case .open(let database), .refusing(let database?, _): return database
        case .refusing(nil, let failure): throw failure
        case .closed: throw .inputOutput("the database \(directory) is closed")
        }
    }

    private func onDatabase<Result>(
        _ body: (RocksDatabase) throws(RocksError) -> Result
    ) throws(StoreFailure) -> Result {
        let database = try database()
        do throws(RocksError) {
            return try body(database)
        } catch {
            throw error.failure(in: directory)
        }
    }
}

extension StoreCounters {
    fileprivate mutating func count(_ request: StoreRequest, _ reply: StoreReply) {
        switch request {
        case .write(let changes, _):
            writes += 1
            if reply == .written {
                bytesWritten += changes.reduce(0) { $0 + UInt64($1.size) }
            }
        case .get: gets += 1
        case .scan: scans += 1
        case .checkpoint: checkpoints += 1
        }
        switch reply {
        case .written, .checkpointed: break
        case .value(let value): bytesRead += UInt64(value?.count ?? 0)
        case .rows(let rows, _):
            bytesRead += rows.reduce(0) { $0 + UInt64($1.key.count + $1.value.count) }
        case .failed(.diskFull): failuresDiskFull += 1
        case .failed(.corrupt): failuresCorrupt += 1
        case .failed(.inputOutput), .failed(.overloaded): failuresInputOutput += 1
        }
    }
}

extension StoreWrite {
    fileprivate var size: Int {
        switch self {
        case .put(_, let key, let value): key.count + value.count
        case .delete(_, let key): key.count
        case .deleteRange(_, let from, let to): from.count + to.count
        }
    }

    fileprivate var onlyDeletes: Bool {
        switch self {
        case .put: false
        case .delete, .deleteRange: true
        }
    }
}
