import ChoraleTypes

/// A store that survives its node, and forgets at a crash what was not synced.
struct MemoryStore {
    private var rows: [ColumnFamily: [[UInt8]: [UInt8]]] = [:]
    private var durable: [ColumnFamily: [[UInt8]: [UInt8]]] = [:]
    /// Every write fails.
    var isFull = false

    mutating func crash() { rows = durable }

    func count(_ family: ColumnFamily) -> Int { rows[family]?.count ?? 0 }
    func keys(_ family: ColumnFamily) -> [[UInt8]] {
        (rows[family] ?? [:]).keys.sorted { $0.lexicographicallyPrecedes($1) }
    }

    mutating func perform(_ request: StoreRequest) -> StoreReply {
        switch request {
        case .write(let writes, let sync):
            guard !isFull else { return .failed(.diskFull(path: "memory")) }
            for write in writes { apply(write) }
            // A synced write takes everything before it along: there is one log.
            if sync { durable = rows }
            return .written
        case .get(let family, let key): return .value(rows[family]?[key])
        case .scan(let family, let from, let to, let rowCountMax, let sizeMax):
            var found: [StoreRow] = []
            var size = 0
            for key in keys(family) where !key.lexicographicallyPrecedes(from) {
                if let to, !key.lexicographicallyPrecedes(to) { break }
                let row = StoreRow(key: key, value: rows[family]![key]!)
                size += row.key.count + row.value.count
                if !found.isEmpty, found.count == rowCountMax || size > sizeMax {
                    return .rows(found, more: true)
                }
                found.append(row)
            }
            return .rows(found, more: false)
        case .checkpoint: return .failed(.inputOutput("no checkpoints of memory"))
        }
    }

    private mutating func apply(_ write: StoreWrite) {
        switch write {
        case .put(let family, let key, let value): rows[family, default: [:]][key] = value
        case .delete(let family, let key): rows[family]?[key] = nil
        case .deleteRange(let family, let from, let to):
            for key in keys(family)
            where !key.lexicographicallyPrecedes(from) && key.lexicographicallyPrecedes(to) {
                rows[family]?[key] = nil
            }
        }
    }
}
