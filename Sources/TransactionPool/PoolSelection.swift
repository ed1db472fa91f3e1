import Execution

/// The pool's transactions in the order in which a proposer wants them: the highest tip first, each sender's
/// in order of nonces, of equal tips the one that came first.
///
/// A value of the moment at which it was made, for a worker that builds a block.
public struct PoolSelection: Sendable {
    private struct Head: Sendable {
        let tip: Tip
        let sequence: UInt64
        let slot: Int
        let index: Int

        func precedes(_ other: Head) -> Bool {
            tip != other.tip ? tip > other.tip : sequence < other.sequence
        }
    }

    private let senders: [SenderQueue?]
    private let baseFee: UInt256
    /// A heap with the best on top.
    private var heads: [Head] = []
    /// What was given last: its successor is not in the heap yet.
    private var last: Head?

    init(_ senders: [SenderQueue?], baseFee: UInt256) {
        self.senders = senders
        self.baseFee = baseFee
        for slot in senders.indices {
            if let head = head(slot, 0) { heads.append(head) }
        }
        for place in stride(from: heads.count / 2 - 1, through: 0, by: -1) { siftDown(place) }
    }

    /// The next transaction; nil when there are no more that pay the base fee.
    public mutating func next() -> PooledTransaction? {
        if let last {
            self.last = nil
            if let head = head(last.slot, last.index + 1) { push(head) }
        }
        guard let best = pop() else { return nil }
        last = best
        return senders[best.slot]?.entries[best.index]
    }

    /// Leaves out what follows of the sender of the transaction that came last: that one is not in the
    /// block, so no later nonce can be.
    public mutating func skipSender() { last = nil }

    private func head(_ slot: Int, _ index: Int) -> Head? {
        guard let queue = senders[slot], index < queue.runCount else { return nil }
        let entry = queue.entries[index]
        let tip = entry.tip(at: baseFee)
        guard tip >= Tip(wei: 0) else { return nil }
        return Head(tip: tip, sequence: entry.sequence, slot: slot, index: index)
    }

    private mutating func push(_ head: Head) {
        heads.append(head)
        var place = heads.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard heads[place].precedes(heads[parent]) else { break }
            heads.swapAt(place, parent)
            place = parent
        }
    }

    private mutating func pop() -> Head? {
        guard !heads.isEmpty else { return nil }
        heads.swapAt(0, heads.count - 1)
        let best = heads.removeLast()
        siftDown(0)
        return best
    }

    private mutating func siftDown(_ start: Int) {
        var place = start
        while true {
            var best = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < heads.count && heads[child].precedes(heads[best]) { best = child }
            guard best != place else { return }
            heads.swapAt(place, best)
            place = best
        }
    }
}
