/// How much memory, files and disk the database may use.
///
/// The defaults are for a node that stays below 25 MiB in total while it stores chunks of bodies.
public struct StoreOptions: Hashable, Sendable {
    /// Unwritten data kept in memory over all column families, in bytes.
    ///
    /// The families share it. 4 MiB hold sixteen chunks of 256 KiB, so that files on disk are not
    /// tiny; more only delays the same writes.
    public var writeBufferSizeMax = 4 << 20
    /// Blocks, indexes and filters read from disk, in bytes, over all column families.
    ///
    /// The hot set is the peers and the routing table, below 1 MiB. Chunks that are served pass
    /// through, and the kernel's page cache helps them better than we could.
    public var cacheSizeMax = 4 << 20
    /// Open files of the database. Each costs one descriptor and a few KiB.
    public var openFileCountMax = 64
    /// Log of changes that are not yet in tables, in bytes: bounds the disk it takes and the time
    /// an opening needs to replay it.
    public var writeAheadLogSizeMax = 16 << 20
    /// Room that is left on the disk, in bytes, before writes that add data are refused.
    ///
    /// RocksDB needs room to make room: the log of changes may have to be replayed into tables
    /// (``writeAheadLogSizeMax``), and a compaction writes its result before it deletes its
    /// sources. Writes that only delete are let through until less is left than an opening needs
    /// (2 MiB).
    public var freeSpaceMin = 32 << 20

    public init() {}

    /// Bytes written between two looks at the free space of the disk.
    ///
    /// Far below any sensible ``freeSpaceMin``, and a look costs about as much as one small write.
    static let freeSpaceInterval = 1 << 20

    /// Room that an opening needs, in bytes: RocksDB's new manifest, log and text log.
    ///
    /// Below it RocksDB is not even tried, because it aborts when its text log meets a full disk.
    static let freeSpaceToOpen = 2 << 20

    /// Between two openings after failures, unless there is room again.
    static let reopenInterval: Duration = .seconds(1)
}
