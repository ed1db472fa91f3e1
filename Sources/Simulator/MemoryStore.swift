public import ChoraleBase
public import ChoraleTypes
import DequeModule

/// A store in memory with the semantics of the one on disk, and its weaknesses.
///
/// Writes are applied in order and atomically. Those not synced live in a log that a crash cuts at a
/// place the seed chooses, even inside a batch, which is then dropped as RocksDB drops a torn record: what
/// was acknowledged with `sync` is never lost, nor what is older than the half minute after which an
/// operating system writes back by itself.
public final class MemoryStore {
    private var families: [ColumnFamily: SortedRows] = [:]
    /// State as of the last sync, to which a crash returns before it replays part of the log.
    private var synced: [ColumnFamily: SortedRows] = [:]
    /// Batches since then, oldest first.
    private var log: Deque<(at: MonotonicInstant, writes: [StoreWrite])> = []

    /// Linux's `dirty_expire_centisecs`.
    static let writeBackInterval: Duration = .seconds(30)

    /// For tests that checks can fail: a power cut takes what was synced too; nothing is synced.
    var losesSynced = false
    var ignoresSync = false

    private let pool: ValuePool?

    /// - Parameter pool: where large values are kept once for all the stores that share it.
    public init(sharing pool: ValuePool? = nil) { self.pool = pool }

    public func execute(_ request: StoreRequest, now: MonotonicInstant = .zero) -> StoreReply {
        switch request {
        case .write(let writes, let sync):
            let writes = pool?.sharing(writes) ?? writes
            Self.apply(writes, to: &families)
            log.append((now, writes))
            if sync, !ignoresSync { self.sync() } else { writeBack(now: now) }
            return .written
        case .get(let family, let key):
            return .value(families[family]?[key])
        case .scan(let family, let from, let to, let rowCountMax, let sizeMax):
            return families[family]?.scan(
                from: from, to: to, rowCountMax: rowCountMax, sizeMax: sizeMax)
                ?? .rows([], more: false)
        case .checkpoint:
            return .checkpointed
        }
    }

    /// What a power cut would leave of a row.
    func syncedValue(_ family: ColumnFamily, _ key: [UInt8]) -> [UInt8]? { synced[family]?[key] }

    /// All values of a family, synced or not, in the order of their keys.
    func values(of family: ColumnFamily) -> [StoreRow] {
        guard
            case .rows(let rows, _) = families[family]?.scan(
                from: [], to: nil, rowCountMax: .max, sizeMax: .max)
        else { return [] }
        return rows
    }

    /// Makes everything so far survive a crash.
    public func sync() {
        for batch in log { Self.apply(batch.writes, to: &synced) }
        log = []
    }

    /// Moves what the operating system has written meanwhile to the safe side.
    private func writeBack(now: MonotonicInstant) {
        while let first = log.first, first.at.duration(to: now) >= Self.writeBackInterval {
            Self.apply(first.writes, to: &synced)
            log.removeFirst()
        }
    }

    /// Forgets a random suffix of what was not synced.
    public func crash(now: MonotonicInstant = .zero, random: inout DeterministicRandom) {
        writeBack(now: now)
        let kept = log.isEmpty ? 0 : random.below(log.count + 1)
        for batch in log.prefix(kept) { Self.apply(batch.writes, to: &synced) }
        log = []
        if losesSynced { synced = [:] }
        families = synced
    }

    private static func apply(
        _ writes: [StoreWrite], to families: inout [ColumnFamily: SortedRows]
    ) {
        for write in writes {
            switch write {
            case .put(let family, let key, let value):
                families[family, default: SortedRows()][key] = value
            case .delete(let family, let key):
                families[family, default: SortedRows()][key] = nil
            case .deleteRange(let family, let from, let to):
                families[family, default: SortedRows()].deleteRange(from: from, to: to)
            }
        }
    }
}

/// Large values that several stores hold, in memory once: a thousand nodes have the chunks of one body.
public final class ValuePool {
    private var values: [UInt64: [UInt8]] = [:]

    /// Smaller values are not worth the search.
    static let sizeMin = 16 * 1024
    /// 64 MiB of the largest chunks; then all are forgotten, and shared values found anew.
    static let countMax = 256

    public init() {}

    func sharing(_ writes: [StoreWrite]) -> [StoreWrite] {
        writes.map { write in
            guard case .put(let family, let key, let value) = write, value.count >= Self.sizeMin
            else { return write }
            return .put(family, key: key, value: shared(value))
        }
    }

    private func shared(_ value: [UInt8]) -> [UInt8] {
        let fingerprint = Trace.fingerprint(value.span)
        if let known = values[fingerprint], known == value { return known }
        if values.count >= Self.countMax { values = [:] }
        values[fingerprint] = value
        return value
    }
}

/// Rows by key, in byte order.
private struct SortedRows {
    private var keys: [[UInt8]] = []
    private var values: [[UInt8]: [UInt8]] = [:]

    subscript(_ key: [UInt8]) -> [UInt8]? {
        get { values[key] }
        set {
            let isKnown = values[key] != nil
            values[key] = newValue
            switch (isKnown, newValue) {
            case (false, .some): keys.insert(key, at: position(of: key))
            case (true, nil): keys.remove(at: position(of: key))
            case (true, .some), (false, nil): break
            }
        }
    }

    mutating func deleteRange(from: [UInt8], to: [UInt8]) {
        let start = position(of: from)
        let end = max(start, position(of: to))
        for key in keys[start..<end] { values[key] = nil }
        keys.removeSubrange(start..<end)
    }

    func scan(from: [UInt8], to: [UInt8]?, rowCountMax: Int, sizeMax: Int) -> StoreReply {
        var rows: [StoreRow] = []
        var size = 0
        let end = to.map(position) ?? keys.count
        var index = position(of: from)
        while index < end {
            let key = keys[index]
            let value = values[key] ?? []
            size += key.count + value.count
            // Always one row, or a caller could never get past a large one.
            if !rows.isEmpty, rows.count >= rowCountMax || size > sizeMax {
                return .rows(rows, more: true)
            }
            rows.append(StoreRow(key: key, value: value))
            index += 1
        }
        return .rows(rows, more: false)
    }

    /// Where `key` is, or would be inserted.
    private func position(of key: [UInt8]) -> Int {
        var low = 0
        var high = keys.count
        while low < high {
            let middle = (low + high) / 2
            if keys[middle].lexicographicallyPrecedes(key) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }
}
