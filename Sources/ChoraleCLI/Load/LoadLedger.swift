import ChoraleBase

/// What a load has sent and what became of it.
///
/// Times are milliseconds from any one instant.
struct LoadLedger {
    /// Transactions of one account that wait at once: more than a pool keeps would only be refused.
    static let outstandingMax = 16
    /// An account none of whose transactions was included for so long asks for its nonce again.
    static let patience = 10_000.0

    private struct Sender {
        var nonce: UInt64
        var outstanding = 0
        /// When one was included last, or the first of those that wait was sent.
        var lastProgress = 0.0
    }

    private struct Pending {
        let sender: Int
        let nonce: UInt64
        let sentAt: Double
    }

    private var senders: [Sender]
    private var turn = 0
    private var pending: [Bytes32: Pending] = [:]

    private(set) var sent = 0
    private(set) var included = 0
    /// Those that the node does not have any more.
    private(set) var lost = 0
    /// How often the node gave each reason.
    private(set) var refusals: [String: Int] = [:]
    /// Milliseconds from being sent to being seen in a block, of each that was.
    private(set) var latencies: [Double] = []
    private(set) var gasUsed: UInt64 = 0
    private(set) var blocks = 0

    /// - Parameter nonces: the next one of each account.
    init(nonces: [UInt64]) { senders = nonces.map { Sender(nonce: $0) } }

    var waiting: Int { pending.count }
    var refused: Int { refusals.values.reduce(0, +) }

    /// Whose turn it is, with its nonce; nil when every account has as many waiting as it may.
    mutating func next() -> (sender: Int, nonce: UInt64)? {
        for _ in senders.indices {
            let sender = turn
            turn = (turn + 1) % senders.count
            if senders[sender].outstanding < Self.outstandingMax {
                return (sender, senders[sender].nonce)
            }
        }
        return nil
    }

    mutating func taken(_ hash: Bytes32, sender: Int, at now: Double) {
        sent += 1
        if senders[sender].outstanding == 0 { senders[sender].lastProgress = now }
        pending[hash] = Pending(sender: sender, nonce: senders[sender].nonce, sentAt: now)
        senders[sender].nonce += 1
        senders[sender].outstanding += 1
    }

    mutating func refused(_ reason: String) {
        // A node could give a new reason each time.
        let name = refusals.count < 32 || refusals[reason] != nil ? reason : "other"
        refusals[name, default: 0] += 1
    }

    mutating func block(_ hashes: [Bytes32], gasUsed: UInt64, at now: Double) {
        blocks += 1
        self.gasUsed &+= gasUsed
        for hash in hashes {
            guard let found = pending.removeValue(forKey: hash) else { continue }
            included += 1
            latencies.append(now - found.sentAt)
            senders[found.sender].outstanding -= 1
            senders[found.sender].lastProgress = now
        }
    }

    /// Senders whose transactions do not come into blocks.
    func stuck(at now: Double) -> [Int] {
        senders.indices.filter {
            senders[$0].outstanding > 0 && now - senders[$0].lastProgress > Self.patience
        }
    }

    /// What the node says is the sender's next nonce: transactions from it on are not there.
    mutating func synchronise(_ sender: Int, nonce: UInt64, at now: Double) {
        for (hash, transaction) in pending
        where transaction.sender == sender && transaction.nonce >= nonce {
            pending[hash] = nil
            senders[sender].outstanding -= 1
            lost += 1
        }
        senders[sender].nonce = nonce
        senders[sender].lastProgress = now
    }

    /// The latency below which `part` hundredths lie; nil without any.
    func percentile(_ part: Int) -> Double? {
        let sorted = latencies.sorted()
        guard !sorted.isEmpty else { return nil }
        // The nearest rank.
        let rank = (sorted.count * part + 99) / 100
        return sorted[max(0, min(sorted.count, rank) - 1)]
    }
}
