import CRocksDB
import ChoraleTypes

/// RocksDB's option objects for one database.
///
/// Owned by its `RocksDatabase`, which lets go of them after closing. RocksDB copies what it needs
/// from them while opening, so their lifetime is no one else's concern.
final class RocksSettings {
    let database: OpaquePointer
    let read = rocksdb_readoptions_create()!
    let write = rocksdb_writeoptions_create()!
    let writeSynced = rocksdb_writeoptions_create()!
    private let cache: OpaquePointer
    /// Table options of all families; shared, because they share the cache.
    private let table = rocksdb_block_based_options_create()!
    private var families: [OpaquePointer] = []
    private let options: StoreOptions

    init(_ options: StoreOptions) {
        self.options = options
        cache = Self.makeCache(size: options.cacheSizeMax)
        database = rocksdb_options_create()
        setUpTables()
        Self.setUp(database, options)
        rocksdb_writeoptions_set_sync(writeSynced, 1)
    }

    deinit {
        families.forEach(rocksdb_options_destroy)
        rocksdb_options_destroy(database)
        rocksdb_block_based_options_destroy(table)
        rocksdb_readoptions_destroy(read)
        rocksdb_writeoptions_destroy(write)
        rocksdb_writeoptions_destroy(writeSynced)
        rocksdb_cache_destroy(cache)
    }

    /// Options of one column family; nil is a family that this release does not know.
    func family(_ family: ColumnFamily?) -> OpaquePointer {
        let settings = rocksdb_options_create()!
        families.append(settings)
        rocksdb_options_set_block_based_table_factory(settings, table)
        rocksdb_options_set_compression(settings, Int32(rocksdb_lz4_compression))
        // Chunks are large and come in bursts, the others are small. The sum over all families is
        // bounded by `writeBufferSizeMax` whatever is set here.
        let bufferSize = options.writeBufferSizeMax / (family == .chunk ? 2 : 8)
        rocksdb_options_set_write_buffer_size(settings, bufferSize)
        rocksdb_options_set_max_write_buffer_number(settings, 2)
        // Without this the arena grows in steps of up to 1 MiB per family.
        rocksdb_options_set_arena_block_size(settings, 64 << 10)
        // Small files keep the memory and the disk of one compaction small.
        rocksdb_options_set_target_file_size_base(settings, 8 << 20)
        rocksdb_options_set_max_bytes_for_level_base(settings, 32 << 20)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(settings, 1)
        return settings
    }

    static func makeCache(size: Int) -> OpaquePointer {
        let settings = rocksdb_lru_cache_options_create()
        defer { rocksdb_lru_cache_options_destroy(settings) }
        rocksdb_lru_cache_options_set_capacity(settings, size)
        // Two shards. With the default a shard of a small cache is smaller than one filter block,
        // which is then read again for every get.
        rocksdb_lru_cache_options_set_num_shard_bits(settings, 1)
        return rocksdb_cache_create_lru_opts(settings)
    }

    private func setUpTables() {
        rocksdb_block_based_options_set_block_cache(table, cache)
        // In the cache rather than beside it, so that `cacheSizeMax` bounds them too.
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom(10))
        // kXXH3, for which the C API has no name: Debian's build has no hardware CRC32C.
        rocksdb_block_based_options_set_checksum(table, 4)
    }

    /// What every database here is opened with.
    static func setUp(_ database: OpaquePointer, _ options: StoreOptions) {
        rocksdb_options_set_create_if_missing(database, 1)
        rocksdb_options_set_create_missing_column_families(database, 1)
        rocksdb_options_set_db_write_buffer_size(database, options.writeBufferSizeMax)
        rocksdb_options_set_max_open_files(database, Int32(clamping: options.openFileCountMax))
        rocksdb_options_set_table_cache_numshardbits(database, 2)
        // One thread for flushes and one for compactions, the least there is.
        rocksdb_options_set_max_background_jobs(database, 1)
        rocksdb_options_set_max_total_wal_size(database, UInt64(options.writeAheadLogSizeMax))
        // kTolerateCorruptedTailRecords: an incomplete record at the end is a write that a crash
        // interrupted and nobody was told of; anything else stops the opening with a message.
        // The default would silently drop whatever follows damage in the middle, synced or not.
        rocksdb_options_set_wal_recovery_mode(
            database, Int32(rocksdb_tolerate_corrupted_tail_records_recovery))
        // Debian builds RocksDB with its assertions, and one of them aborts the process when the text
        // log meets a full disk. The C API cannot do without that log, so it gets its head at the
        // opening, for which `freeSpaceToOpen` makes sure there is room, and nothing after that:
        // what matters comes back as an error of the call anyway.
        rocksdb_options_set_info_log_level(database, 4)  // fatal
        rocksdb_options_set_keep_log_file_num(database, 1)
        rocksdb_options_set_stats_dump_period_sec(database, 0)
        rocksdb_options_set_max_manifest_file_size(database, 4 << 20)
        // 4 MiB by default, for a file that stays at a few KiB.
        rocksdb_options_set_manifest_preallocation_size(database, 64 << 10)
        // Reads every table's properties at opening otherwise, for compactions we do not need.
        rocksdb_options_set_skip_stats_update_on_db_open(database, 1)
    }
}
