import ChoraleBase
public import ChoraleTypes

/// The contract as the shortest program that keeps it: a list of rows, searched from the start.
public struct StoreModel {
    private var rows: [(family: ColumnFamily, row: StoreRow)] = []

    public init() {}

    public mutating func execute(_ request: StoreRequest) -> StoreReply {
        switch request {
        case .write(let writes, _):
            for write in writes { apply(write) }
            return .written
        case .get(let family, let key):
            return .value(rows(of: family).first { $0.key == key }?.value)
        case .scan(let family, let from, let to, let rowCountMax, let sizeMax):
            let all = rows(of: family).filter { row in
                !row.key.lexicographicallyPrecedes(from)
                    && (to.map { row.key.lexicographicallyPrecedes($0) } ?? true)
            }
            var taken: [StoreRow] = []
            for row in all {
                let size = (taken + [row]).reduce(0) { $0 + $1.key.count + $1.value.count }
                if !taken.isEmpty, taken.count >= rowCountMax || size > sizeMax { break }
                taken.append(row)
            }
            return .rows(taken, more: taken.count < all.count)
        case .checkpoint:
            return .checkpointed
        }
    }

    private func rows(of family: ColumnFamily) -> [StoreRow] {
        rows.filter { $0.family == family }.map(\.row)
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
    }

    private mutating func apply(_ write: StoreWrite) {
        switch write {
        case .put(let family, let key, let value):
            rows.removeAll { $0.family == family && $0.row.key == key }
            rows.append((family, StoreRow(key: key, value: value)))
        case .delete(let family, let key):
            rows.removeAll { $0.family == family && $0.row.key == key }
        case .deleteRange(let family, let from, let to):
            rows.removeAll {
                $0.family == family && !$0.row.key.lexicographicallyPrecedes(from)
                    && $0.row.key.lexicographicallyPrecedes(to)
            }
        }
    }
}

/// Requests for comparing a store with the model: few families and short keys, so that they meet.
public struct RandomStoreRequests {
    private var random: DeterministicRandom
    private let families: [ColumnFamily] = [.peer, .chunk]

    public init(seed: UInt64) { random = DeterministicRandom(seed: seed) }

    public mutating func next() -> StoreRequest {
        switch random.below(10) {
        case 0..<5:
            let writes = (0..<random.below(6)).map { _ in nextWrite() }
            return .write(writes, sync: random.chance(1, in: 3))
        case 5..<7:
            return .get(family(), key: key())
        default:
            return .scan(
                family(), from: key(), to: random.chance(1, in: 3) ? nil : key(),
                rowCountMax: random.below(8), sizeMax: random.below(60))
        }
    }

    public mutating func nextWrite() -> StoreWrite {
        switch random.below(6) {
        case 0: .delete(family(), key: key())
        case 1: .deleteRange(family(), from: key(), to: key())
        default: .put(family(), key: key(), value: random.bytes(count: random.below(20)))
        }
    }

    private mutating func family() -> ColumnFamily { families[random.below(families.count)] }

    private mutating func key() -> [UInt8] {
        (0..<random.below(4)).map { _ in [0x00, 0x01, 0x7F, 0x80, 0xFF][random.below(5)] }
    }
}
