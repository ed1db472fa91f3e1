import ChoraleBase
import HeapModule

/// Timers by key, soonest first; ties in the order they were set, so that two runs agree.
///
/// Entries are not removed when they become moot: whoever pops one looks whether it still applies.
/// The owner pushes a key again only for an earlier deadline, which bounds the queue by a small
/// multiple of the keys.
struct DeadlineQueue<Key> {
    private struct Entry: Comparable {
        let deadline: MonotonicInstant
        let order: UInt64
        let key: Key

        static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.deadline, lhs.order) < (rhs.deadline, rhs.order)
        }

        static func == (lhs: Self, rhs: Self) -> Bool { lhs.order == rhs.order }
    }

    private var heap = Heap<Entry>()
    private var count: UInt64 = 0

    var next: MonotonicInstant? { heap.min?.deadline }

    mutating func push(_ deadline: MonotonicInstant, _ key: Key) {
        count += 1
        heap.insert(Entry(deadline: deadline, order: count, key: key))
    }

    /// The key of the soonest timer that is due, or nil.
    mutating func popDue(now: MonotonicInstant) -> Key? {
        guard let first = heap.min, first.deadline <= now else { return nil }
        return heap.removeMin().key
    }
}
