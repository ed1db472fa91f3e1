import ChoraleBase
import Execution

/// How late a transaction is dropped when room is needed: the lowest goes first.
///
/// Those of others before local ones; those that cannot run yet before those that can, whatever they offer,
/// since an offer that is never taken costs nothing; then by tip; then the newest, so that a flood at
/// the lowest price drops only itself.
struct Rank: Comparable, Hashable, Sendable {
    let isLocal: Bool
    let isPending: Bool
    /// The lowest on the way to it: what is behind a cheap transaction is worth no more than that.
    let tip: Tip
    let sequence: UInt64

    static func < (lhs: Self, rhs: Self) -> Bool {
        if lhs.isWorth(lessThan: rhs) { return true }
        if rhs.isWorth(lessThan: lhs) { return false }
        return lhs.sequence > rhs.sequence
    }

    /// The order without that of arrival.
    func isWorth(lessThan other: Rank) -> Bool {
        if isLocal != other.isLocal { return other.isLocal }
        if isPending != other.isPending { return other.isPending }
        return tip < other.tip
    }
}

/// What waits of one sender, in order of nonces.
///
/// 1. No nonce twice, none below the account's.
/// 2. All together cost no more than the account has, so that none can take away what pays for another.
/// 3. The first ``runCount`` follow each other from the account's nonce on.
struct SenderQueue: Sendable {
    let address: Address
    var account: SenderAccount
    private(set) var entries: [PooledTransaction] = []
    /// How many could run one after the other.
    private(set) var runCount = 0
    /// Of all together, in wei.
    private(set) var cost = UInt256.zero
    /// Bytes.
    private(set) var charge = 0
    var isLocal = false

    init(address: Address, account: SenderAccount) {
        self.address = address
        self.account = account
    }

    /// Where a nonce is, or would be.
    func position(of nonce: UInt64) -> (index: Int, entry: PooledTransaction?) {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].nonce < nonce { low = middle + 1 } else { high = middle }
        }
        let isThere = low < entries.count && entries[low].nonce == nonce
        return (low, isThere ? entries[low] : nil)
    }

    mutating func insert(_ entry: PooledTransaction) {
        let (index, existing) = position(of: entry.nonce)
        precondition(existing == nil, "the transaction that is replaced is gone")
        entries.insert(entry, at: index)
        cost = cost &+ entry.cost
        charge += entry.charge
    }

    /// Takes out what stands at this nonce.
    mutating func remove(_ nonce: UInt64) -> PooledTransaction? {
        let (index, existing) = position(of: nonce)
        guard let existing else { return nil }
        entries.remove(at: index)
        cost = cost &- existing.cost
        charge -= existing.charge
        return existing
    }

    /// Counts what could run, after the entries or the account have changed.
    mutating func countRun() {
        var next = account.nonce
        runCount = 0
        for entry in entries {
            guard entry.nonce == next else { break }
            runCount += 1
            next += 1
        }
        assert(cost <= account.balance || entries.isEmpty, "invariant 2: the sender cannot pay")
    }

    /// The nonce of a transaction that would follow those that can run.
    var nextNonce: UInt64 { account.nonce + UInt64(runCount) }

    /// Of the entry at a position.
    func rank(at index: Int, baseFee: UInt256) -> Rank {
        var tip = Tip.max
        for entry in entries[...index] { tip = min(tip, entry.tip(at: baseFee)) }
        return Rank(
            isLocal: isLocal, isPending: index < runCount, tip: tip,
            sequence: entries[index].sequence)
    }
}
