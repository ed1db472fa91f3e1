import CRocksDB

/// RocksDB's option objects for a database of large tables.
///
/// Owned by its `TableFiles`. See `RocksSettings` for lifetimes.
final class TableSettings {
    /// How the rows of one family are kept.
    struct Tuning {
        /// Hashes do not shrink, and most of a trie's nodes are hashes.
        var isCompressed = true
        /// Which part of all unwritten rows it may have.
        var bufferShare = 8
        /// Rows are looked for by the first so many bytes of their keys, if not by all.
        var prefixSize: Int?
        /// Whether nearly every key that is asked for is there.
        var expectsHits = true
        /// Whether unwritten rows lie in many lists by the hash of their prefix, rather than in one list in order.
        ///
        /// For keys that are hashes themselves: a place in the order costs some twenty comparisons with rows
        /// that no cache of the processor has, one in a short list two or three. They are put in order when they
        /// become a table, on another thread, and for whoever walks over all of them.
        var isHashed = false
    }

    let database = rocksdb_options_create()!
    /// In the order of all keys.
    let read = rocksdb_readoptions_create()!
    /// Among the rows that begin as the key does that is looked for.
    let readPrefix = rocksdb_readoptions_create()!
    let write = rocksdb_writeoptions_create()!
    let writeSynced = rocksdb_writeoptions_create()!
    private let cache: OpaquePointer
    private let table = rocksdb_block_based_options_create()!
    private var families: [OpaquePointer] = []
    private let options: StoreOptions

    init(_ options: StoreOptions) {
        self.options = options
        cache = RocksSettings.makeCache(size: options.cacheSizeMax)
        RocksSettings.setUp(database, options)
        // Flushing goes on while tables are merged.
        rocksdb_options_set_max_background_jobs(database, 2)
        // One thread writes, and lists by hash are made for that.
        rocksdb_options_set_allow_concurrent_memtable_write(database, 0)
        rocksdb_writeoptions_set_sync(writeSynced, 1)
        rocksdb_readoptions_set_total_order_seek(read, 1)
        rocksdb_readoptions_set_prefix_same_as_start(readPrefix, 1)
        setUpTables()
    }

    deinit {
        families.forEach(rocksdb_options_destroy)
        rocksdb_options_destroy(database)
        rocksdb_block_based_options_destroy(table)
        rocksdb_readoptions_destroy(read)
        rocksdb_readoptions_destroy(readPrefix)
        rocksdb_writeoptions_destroy(write)
        rocksdb_writeoptions_destroy(writeSynced)
        rocksdb_cache_destroy(cache)
    }

    /// Options of one column family.
    func family(_ tuning: Tuning) -> OpaquePointer {
        let settings = rocksdb_options_create()!
        families.append(settings)
        rocksdb_options_set_block_based_table_factory(settings, table)
        rocksdb_options_set_compression(
            settings,
            Int32(tuning.isCompressed ? rocksdb_lz4_compression : rocksdb_no_compression))
        let bufferSize = options.writeBufferSizeMax / tuning.bufferShare
        rocksdb_options_set_write_buffer_size(settings, bufferSize)
        rocksdb_options_set_max_write_buffer_number(settings, 2)
        rocksdb_options_set_target_file_size_base(settings, 64 << 20)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(settings, 1)
        // Where nearly every key that is asked for is there, most of them are in the last level: filters
        // for it would be nine tenths of all and never say no.
        rocksdb_options_set_optimize_filters_for_hits(settings, tuning.expectsHits ? 1 : 0)
        if !tuning.isHashed {
            // Most keys are not among what was written last, and a filter says so sooner than a search.
            rocksdb_options_set_memtable_whole_key_filtering(settings, 1)
            rocksdb_options_set_memtable_prefix_bloom_size_ratio(settings, 0.02)
        }
        if let size = tuning.prefixSize {
            rocksdb_options_set_prefix_extractor(
                settings, rocksdb_slicetransform_create_fixed_prefix(size))
            if tuning.isHashed {
                // Eight bytes each, so a sixteenth of the room: one to four rows a list when it is full.
                rocksdb_options_set_hash_link_list_rep(settings, bufferSize / 128)
            }
        }
        return settings
    }

    private func setUpTables() {
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(10))
        // In parts: the index of one table of 64 MiB is most of a MiB, and keys are spread over all.
        rocksdb_block_based_options_set_index_type(
            table, Int32(rocksdb_block_based_table_index_type_two_level_index_search))
        rocksdb_block_based_options_set_partition_filters(table, 1)
        rocksdb_block_based_options_set_pin_top_level_index_and_filter(table, 1)
        // No key is ever looked for but as a whole.
        rocksdb_block_based_options_set_data_block_index_type(
            table, Int32(rocksdb_block_based_table_data_block_index_type_binary_search_and_hash))
        // kXXH3, see `RocksSettings`.
        rocksdb_block_based_options_set_checksum(table, 4)
    }
}
