// Transactions that wait for a block.
//
//      candidate ──▶ checks ──▶ ┌──────────── of each sender, by nonce ───────────┐
//                       │       │ pending: follows the account's nonce without gap │──▶ selection
//                    rejected   │ queued: behind a gap                             │
//                               └──────────────────────────────────────────────────┘
//                                   │ included, nonce used, unfunded, evicted, expired
//                                   ▼ dropped
//
// 1. Everything is charged with the bytes that it takes in memory; the sum is never above
//    `bytesMax` after an input. (`makeRoom`)
// 2. What a sender's transactions cost together is never above its balance, as far as the pool knows it:
//    a flood needs as much money as it pretends to spend. (`add`, `settle`)
// 3. Only a sender's last transaction is dropped for room, so no gap is torn. What comes drops only what is
//    worth less; what leaves a gap drops nothing that could run. (`makeRoom`)
// 4. An addition that fails leaves everything as it was. (`makeRoom`)
// 5. Every order is total: by rank, then by arrival. No dictionary is iterated.
//
// Memory: `bytesMax`, and the accounts that the last `headLagMax` blocks changed.
//
// Rules after geth's core/txpool (validation.go, legacypool); differences are in README.md.

public import ChoraleBase
public import Execution

/// The pool of transactions: a machine.
public struct TransactionPool: StateMachine, ~Copyable {
    public enum Input: Sendable {
        /// A transaction that a worker has checked.
        case candidate(PoolCandidate, isLocal: Bool)
        /// A block was committed.
        case advanced(PoolAdvance)
        case timeout
    }

    public enum Output: Hashable, Sendable {
        /// Taken in. `replaced` is not there any more.
        case accepted(Bytes32, isPending: Bool, replaced: Bytes32?)
        case rejected(Bytes32, PoolRejection)
        case dropped(Bytes32, Drop)
    }

    /// Why a transaction is not in the pool any more.
    public enum Drop: String, CaseIterable, Hashable, Sendable {
        case included
        /// Another with its nonce was.
        case nonceUsed
        case replaced
        /// The sender cannot pay for all of its transactions any more.
        case unfunded
        /// The sender has code now.
        case senderHasCode
        /// The next block has other rules, or less gas than it asks for.
        case rules
        /// For one that is worth more.
        case evicted
        case expired
    }

    /// What has happened so far. What came in is the sum of `accepted` and all of `rejected`.
    public struct Counters: Hashable, Sendable {
        public var accepted: UInt64 = 0
        public var rejected: [PoolRejection.Reason: UInt64] = [:]
        public var dropped: [Drop: UInt64] = [:]
    }

    public let limits: PoolLimits
    public let chainID: UInt64
    public internal(set) var head: PoolHead
    public internal(set) var counters = Counters()
    /// What is charged of ``PoolLimits/bytesMax``.
    public internal(set) var bytes = 0
    /// Transactions that could run.
    public internal(set) var pendingCount = 0

    var localBytes = 0
    var senders: [SenderQueue?] = []
    var freeSlots: [Int] = []
    var slots: [Address: Int] = [:]
    var transactions: [Bytes32: PooledTransaction] = [:]
    /// How many transactions would let each account run other code.
    var authorities: [Address: Int] = [:]
    var ranks = SenderHeap()
    var arrivals = ArrivalQueue()
    var recent: [RecentChanges] = []
    var nextSequence: UInt64 = 0

    public init(chainID: UInt64, head: PoolHead, limits: PoolLimits = PoolLimits()) {
        self.chainID = chainID
        self.head = head
        self.limits = limits
    }

    public var nextDeadline: MonotonicInstant? {
        arrivals.first.map { $0.advanced(by: limits.lifetime) }
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
        switch input {
        case .candidate(let candidate, let isLocal):
            do throws(PoolRejection) {
                try add(candidate, isLocal: isLocal, now: now.instant, into: &outputs)
                counters.accepted += 1
            } catch {
                counters.rejected[error.reason, default: 0] += 1
                outputs.append(.rejected(candidate.hash, error))
            }
        case .advanced(let change):
            advance(change, into: &outputs)
        case .timeout:
            expire(now.instant, into: &outputs)
        }
        assert(bytes <= limits.bytesMax, "invariant 1: \(bytes) bytes")
    }

    // MARK: Questions

    public var count: Int { transactions.count }

    public var senderCount: Int { slots.count }

    /// Behind a gap.
    public var queuedCount: Int { transactions.count - pendingCount }

    public func transaction(_ hash: Bytes32) -> PooledTransaction? { transactions[hash] }

    /// Everything that waits, in order of arrival.
    ///
    /// - Complexity: O(n log n).
    public var all: [PooledTransaction] {
        transactions.values.sorted { $0.sequence < $1.sequence }
    }

    /// Whether a transaction is in the pool and could run.
    public func isPending(_ hash: Bytes32) -> Bool {
        guard let entry = transactions[hash], let slot = slots[entry.sender],
            let queue = senders[slot]
        else { return false }
        return entry.nonce < queue.nextNonce
    }

    /// The nonce behind those of the sender that could run; nil when nothing of it waits, so that it is the
    /// account's.
    public func pendingNonce(of sender: Address) -> UInt64? {
        slots[sender].flatMap { senders[$0]?.nextNonce }
    }

    /// What could run, for whoever builds a block.
    ///
    /// - Parameter baseFee: of the block; nil for that of ``head``.
    /// - Complexity: O(number of senders).
    public func selection(baseFee: UInt256? = nil) -> PoolSelection {
        PoolSelection(senders, baseFee: baseFee ?? head.baseFee)
    }
}

/// Transactions in order of arrival, for those that wait too long.
///
/// Those that left otherwise stay until they come to the front or are more than half.
struct ArrivalQueue {
    private var items: [(hash: Bytes32, sequence: UInt64, arrival: MonotonicInstant)] = []
    private var start = 0

    var first: MonotonicInstant? { start < items.count ? items[start].arrival : nil }

    mutating func append(_ entry: PooledTransaction) {
        items.append((entry.hash, entry.sequence, entry.arrival))
    }

    /// Takes the front out.
    mutating func removeFirst() -> (hash: Bytes32, sequence: UInt64) {
        defer { start += 1 }
        return (items[start].hash, items[start].sequence)
    }

    /// Forgets what has left, when that is most.
    mutating func compact(_ living: [Bytes32: PooledTransaction]) {
        guard items.count > 2 * living.count + 64 else { return }
        items = items[start...].filter { living[$0.hash]?.sequence == $0.sequence }
        start = 0
    }
}
