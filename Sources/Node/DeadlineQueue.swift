import ChoraleBase
import HeapModule

/// Timers by key, soonest first; ties in the order they were set, so that two runs agree.
///
/// Entries are not removed when they become moot: whoever pops one looks whether it still applies.
/// The owner pushes a key again only for an earlier deadline, and sweeps when ``isSweepDue`` says so,
/// which bounds the queue by twice its live entries and a thousand.
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

    /// How many entries make ``sweep(_:)`` worth its while: twice what the last one left.
    private var sweepAt = 1024

    var next: MonotonicInstant? { heap.min?.deadline }

    /// Entries held, moot ones included.
    var entryCount: Int { heap.count }

    /// Whether so many entries have come since the last sweep that most may be moot.
    var isSweepDue: Bool { heap.count >= sweepAt }

    /// Removes the entries that `isMoot` names.
    ///
    /// - Complexity: O(n), paid for by the pushes since the last sweep.
    mutating func sweep(_ isMoot: (Key) -> Bool) {
        heap = Heap(heap.unordered.filter { !isMoot($0.key) })
        sweepAt = max(1024, 2 * heap.count)
    }

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
