import CRocksDB
import ChoraleTypes

/// Ranges that were deleted and still take room in tables.
///
/// A range delete is one small mark. RocksDB counts it as one entry, sees nothing worth compacting, and
/// keeps what it covers for up to a month: a node that deletes old bodies would fill its disk.
struct Leftovers {
    struct Range {
        let family: ColumnFamily
        let from: [UInt8]
        let to: [UInt8]
    }

    private(set) var ranges: [Range] = []
    private var size = 0

    /// A flush and the compactions after it cost about as much as writing this once more.
    static let sizeMax = 4 << 20
    static let rangeCountMax = 64

    /// - Parameter size: what the range still takes in tables, in bytes.
    mutating func add(_ range: Range, size: Int) {
        guard size > 0 else { return }
        ranges.append(range)
        self.size += size
    }

    /// Everything, once it is worth a compaction.
    mutating func takeDue() -> [Range] {
        guard size >= Self.sizeMax || ranges.count >= Self.rangeCountMax else { return [] }
        defer { self = Leftovers() }
        return ranges
    }
}

extension RocksDatabase {
    /// Gives the room of deleted ranges back to the disk, some of it at once and the rest soon.
    ///
    /// 1. Tables that hold nothing else are dropped, which takes a few milliseconds.
    /// 2. What is left in others, and in tables of level 0, which are never dropped so, is collected.
    ///    Enough of it is compacted; the mark must be in a table for that.
    ///
    /// Call it after the writes were applied. An error is of no consequence here: the rows are deleted
    /// already, and what is wrong with the disk the next write will tell.
    func reclaim(after writes: [StoreWrite]) {
        for (index, write) in writes.enumerated() {
            guard case .deleteRange(let family, let from, let to) = write,
                from.lexicographicallyPrecedes(to),
                !writes[(index + 1)...].contains(where: { $0.puts(in: family, from: from, to: to) })
            else { continue }
            try? dropTables(family, from: from, to: to)
            let size = (try? self.size(of: family, from: from, to: to)) ?? 0
            leftovers.add(.init(family: family, from: from, to: to), size: size)
        }
        let due = leftovers.takeDue()
        for family in ColumnFamily.allCases {
            let ranges = due.filter { $0.family == family }
            guard !ranges.isEmpty, (try? flush(family)) != nil else { continue }
            for range in ranges { compact(range) }
        }
    }

    private func dropTables(
        _ family: ColumnFamily, from: [UInt8], to: [UInt8]
    ) throws(RocksError) {
        // RocksDB takes the end for a part of the range here, and a table that ends with it would go
        // too. So the end is a key just before it.
        let last = Self.key(before: to)
        guard from.lexicographicallyPrecedes(last) else { return }
        try check { error in
            from.withCharacters { from in
                last.withCharacters { last in
                    rocksdb_delete_file_in_range_cf(
                        handle, self[family], from.baseAddress, from.count, last.baseAddress,
                        last.count, error)
                }
            }
        }
    }

    /// A key before `key`, with few between the two: there is no last one.
    static func key(before key: [UInt8]) -> [UInt8] {
        guard let last = key.last else { return [] }
        guard last > 0 else { return Array(key.dropLast()) }
        return Array(key.dropLast()) + [last - 1] + [UInt8](repeating: 0xFF, count: 32)
    }

    /// What rows of the range take in tables, deleted or not, in bytes; about.
    private func size(
        of family: ColumnFamily, from: [UInt8], to: [UInt8]
    ) throws(RocksError) -> Int {
        var size: UInt64 = 0
        try check { error in
            from.withCharacters { from in
                to.withCharacters { to in
                    var (start, startSize) = (from.baseAddress, from.count)
                    var (end, endSize) = (to.baseAddress, to.count)
                    rocksdb_approximate_sizes_cf(
                        handle, self[family], 1, &start, &startSize, &end, &endSize, &size, error)
                }
            }
        }
        return Int(clamping: size)
    }

    private func flush(_ family: ColumnFamily) throws(RocksError) {
        let options = rocksdb_flushoptions_create()
        defer { rocksdb_flushoptions_destroy(options) }
        rocksdb_flushoptions_set_wait(options, 1)
        try check { error in rocksdb_flush_cf(handle, options, self[family], error) }
    }

    /// Rewrites the tables that hold something of a range, without what was deleted.
    ///
    /// Of 1 MiB it takes about 10 ms, more while RocksDB compacts for its own reasons. (Marking the
    /// tables for its background, `rocksdb_suggest_compact_range_cf`, does nothing for the last level,
    /// where old bodies are.)
    private func compact(_ range: Leftovers.Range) {
        let options = rocksdb_compactoptions_create()
        defer { rocksdb_compactoptions_destroy(options) }
        // RocksDB's own compactions go on beside it.
        rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0)
        range.from.withCharacters { from in
            range.to.withCharacters { to in
                rocksdb_compact_range_cf_opt(
                    handle, self[range.family], options, from.baseAddress, from.count,
                    to.baseAddress, to.count)
            }
        }
    }
}

extension StoreWrite {
    fileprivate func puts(in family: ColumnFamily, from: [UInt8], to: [UInt8]) -> Bool {
        guard case .put(family, let key, _) = self else { return false }
        return !key.lexicographicallyPrecedes(from) && key.lexicographicallyPrecedes(to)
    }
}
