/// Senders by the rank of their last transaction, the lowest on top.
///
/// Each sender stands once, at a place that is known, so that it moves when its rank does: O(log n), and
/// nothing stale is ever kept.
struct SenderHeap: Sendable {
    private struct Node {
        var rank: Rank
        let slot: Int
    }

    private var nodes: [Node] = []
    /// Where each slot stands; −1 for nowhere.
    private var places: [Int] = []

    var count: Int { nodes.count }

    var lowest: (slot: Int, rank: Rank)? {
        nodes.first.map { ($0.slot, $0.rank) }
    }

    /// Puts a slot in, or moves it.
    mutating func set(_ slot: Int, _ rank: Rank) {
        while places.count <= slot { places.append(-1) }
        var place = places[slot]
        if place < 0 {
            place = nodes.count
            nodes.append(Node(rank: rank, slot: slot))
            places[slot] = place
        } else {
            nodes[place].rank = rank
        }
        if !siftUp(place) { siftDown(place) }
    }

    mutating func remove(_ slot: Int) {
        guard slot < places.count, places[slot] >= 0 else { return }
        let place = places[slot]
        swap(place, nodes.count - 1)
        nodes.removeLast()
        places[slot] = -1
        guard place < nodes.count else { return }
        if !siftUp(place) { siftDown(place) }
    }

    /// Gives every slot a new rank. O(n).
    mutating func reorder(_ rank: (Int) -> Rank) {
        for place in nodes.indices { nodes[place].rank = rank(nodes[place].slot) }
        for place in stride(from: nodes.count / 2 - 1, through: 0, by: -1) { siftDown(place) }
    }

    private mutating func swap(_ first: Int, _ second: Int) {
        guard first != second else { return }
        nodes.swapAt(first, second)
        places[nodes[first].slot] = first
        places[nodes[second].slot] = second
    }

    private mutating func siftUp(_ start: Int) -> Bool {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard nodes[place].rank < nodes[parent].rank else { break }
            swap(place, parent)
            place = parent
        }
        return place != start
    }

    private mutating func siftDown(_ start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < nodes.count && nodes[child].rank < nodes[least].rank { least = child }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }
}
