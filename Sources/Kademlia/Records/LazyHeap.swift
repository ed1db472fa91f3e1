import ChoraleBase
import HeapModule

/// A heap whose elements go stale instead of being removed.
///
/// A store keeps its entries in a dictionary and their order here. Changing or removing an entry
/// leaves its old element behind; it is recognised by its generation when it comes up. The heap is
/// rebuilt when more than half of it is stale, so that it holds at most twice the entries.
struct LazyHeap<Priority: Comparable & Sendable, Name: Sendable>: Sendable {
    struct Element: Comparable, Sendable {
        let priority: Priority
        /// Which version of the entry this is for; also breaks ties, so that order is total.
        let generation: UInt64
        let name: Name

        static func == (lhs: Self, rhs: Self) -> Bool { lhs.generation == rhs.generation }

        static func < (lhs: Self, rhs: Self) -> Bool {
            if lhs.priority != rhs.priority { return lhs.priority < rhs.priority }
            return lhs.generation < rhs.generation
        }
    }

    private var heap = Heap<Element>()

    var count: Int { heap.count }

    mutating func insert(_ priority: Priority, generation: UInt64, name: Name) {
        heap.insert(Element(priority: priority, generation: generation, name: name))
    }

    /// The smallest element for which `isLive`; stale ones before it are dropped.
    mutating func smallest(where isLive: (Element) -> Bool) -> Element? {
        while let element = heap.min {
            if isLive(element) { return element }
            heap.removeMin()
        }
        return nil
    }

    /// The largest element for which `isLive`; stale ones behind it are dropped.
    mutating func largest(where isLive: (Element) -> Bool) -> Element? {
        while let element = heap.max {
            if isLive(element) { return element }
            heap.removeMax()
        }
        return nil
    }

    /// Drops what is stale when it outweighs the `liveCount` entries of the store.
    mutating func compact(liveCount: Int, where isLive: (Element) -> Bool) {
        guard heap.count > 2 * liveCount + 64 else { return }
        heap = Heap(heap.unordered.filter(isLive))
    }
}
