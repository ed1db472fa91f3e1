import ChoraleBase

/// Parts that wait to be verified, in lanes that take turns: so neither those of our own tranche wait for
/// all that somebody quarrels about, nor the other way round.
///
/// Entries are not removed when a part needs no work any more; whoever takes one looks. A part is in a lane
/// once at most, so there are never more than three entries a part.
struct WorkQueue {
    enum Lane: Int, CaseIterable {
        /// The first tranche asks us.
        case own = 0
        /// Silence has made us one of those asked.
        case widened = 1
        /// Somebody rejects.
        case contested = 2
    }

    private var lanes: [[SubproofPool.PartKey]] = Array(
        repeating: [], count: Lane.allCases.count)
    /// What of a lane is taken; the rest is moved down when that is half of it.
    private var heads = [Int](repeating: 0, count: Lane.allCases.count)
    private var waiting: [Set<SubproofPool.PartKey>] = Array(
        repeating: [], count: Lane.allCases.count)
    private var turn = 0

    var count: Int { waiting.reduce(0) { $0 + $1.count } }

    mutating func add(_ key: SubproofPool.PartKey, to lane: Lane) {
        guard waiting[lane.rawValue].insert(key).inserted else { return }
        lanes[lane.rawValue].append(key)
    }

    /// The next entry of the lane whose turn it is.
    mutating func take() -> (SubproofPool.PartKey, Lane)? {
        for _ in Lane.allCases {
            let number = turn
            turn = (turn + 1) % lanes.count
            guard heads[number] < lanes[number].count else { continue }
            let key = lanes[number][heads[number]]
            heads[number] += 1
            if heads[number] > 32, heads[number] * 2 > lanes[number].count {
                lanes[number].removeFirst(heads[number])
                heads[number] = 0
            }
            waiting[number].remove(key)
            return (key, Lane(rawValue: number)!)
        }
        return nil
    }
}
