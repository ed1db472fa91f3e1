import ChoraleTypes
import NodeHost
import Synchronization

/// A store in memory, so that a measurement of the loop is not one of the disk.
final class MemoryStore: StoreExecutor {
    private struct Key: Hashable, Comparable {
        let bytes: [UInt8]

        static func < (lhs: Self, rhs: Self) -> Bool {
            lhs.bytes.lexicographicallyPrecedes(rhs.bytes)
        }
    }

    private let families = Mutex<[ColumnFamily: [Key: [UInt8]]]>([:])

    func execute(_ request: StoreRequest) -> StoreReply {
        families.withLock { families in
            switch request {
            case .write(let writes, _):
                for write in writes { Self.apply(write, to: &families) }
                return .written
            case .get(let family, let key):
                return .value(families[family]?[Key(bytes: key)])
            case .scan(let family, let from, let to, let countMax, let sizeMax):
                return Self.scan(families[family] ?? [:], from, to, countMax, sizeMax)
            case .checkpoint:
                return .failed(.inputOutput("there is no database"))
            }
        }
    }

    private static func apply(
        _ write: StoreWrite, to families: inout [ColumnFamily: [Key: [UInt8]]]
    ) {
        switch write {
        case .put(let family, let key, let value):
            families[family, default: [:]][Key(bytes: key)] = value
        case .delete(let family, let key):
            families[family]?.removeValue(forKey: Key(bytes: key))
        case .deleteRange(let family, let from, let to):
            let range = Key(bytes: from)..<Key(bytes: max(from, to, by: Self.precedes))
            families[family] = families[family]?.filter { !range.contains($0.key) }
        }
    }

    private static func scan(
        _ rows: [Key: [UInt8]], _ from: [UInt8], _ to: [UInt8]?, _ countMax: Int, _ sizeMax: Int
    ) -> StoreReply {
        let first = Key(bytes: from)
        let end = to.map(Key.init(bytes:))
        let keys = rows.keys
            .filter { key in key >= first && (end.map { key < $0 } ?? true) }
            .sorted()
        var found: [StoreRow] = []
        var size = 0
        for key in keys {
            let value = rows[key] ?? []
            size += key.bytes.count + value.count
            guard found.isEmpty || (found.count < countMax && size <= sizeMax) else {
                return .rows(found, more: true)
            }
            found.append(StoreRow(key: key.bytes, value: value))
        }
        return .rows(found, more: false)
    }

    private static func precedes(_ lhs: [UInt8], _ rhs: [UInt8]) -> Bool {
        lhs.lexicographicallyPrecedes(rhs)
    }
}

private func max(
    _ first: [UInt8], _ second: [UInt8], by precedes: ([UInt8], [UInt8]) -> Bool
) -> [UInt8] { precedes(first, second) ? second : first }
