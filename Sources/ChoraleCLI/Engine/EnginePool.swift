import ChoraleBase
import EngineAPI
import Execution
import TransactionPool

/// The transactions that wait for an engine's next payload.
///
/// Follows the head. What a new branch leaves out waits again: then the pool is made anew, because the pool itself
/// knows chains that only grow.
final class EnginePool {
    private var pool: TransactionPool
    private let rules: ChainRules
    private let limits = PoolLimits()
    private let start = ContinuousClock.now

    init(_ rules: ChainRules, head: Header) {
        self.rules = rules
        pool = TransactionPool(
            chainID: rules.chainID, head: PoolHead(after: head, rules), limits: limits)
    }

    private var now: Now {
        Now(
            instant: MonotonicInstant(
                nanoseconds: start.duration(to: .now).wholeNanoseconds),
            wall: WallTime(milliseconds: 0))
    }

    func transaction(_ hash: Bytes32) -> PooledTransaction? { pool.transaction(hash) }

    func pendingNonce(of sender: Address) -> UInt64? { pool.pendingNonce(of: sender) }

    /// - Parameter state: after the pool's head.
    func submit(_ encoding: [UInt8], _ state: any StateReader) throws(PoolRejection) -> Bytes32 {
        let candidate = try PoolCandidate(
            encoding.span, chainID: rules.chainID, head: pool.head, limits: limits, state: state)
        var outputs: [TransactionPool.Output] = []
        pool.handle(.timeout, now: now, into: &outputs)
        outputs = []
        pool.handle(.candidate(candidate, isLocal: true), now: now, into: &outputs)
        for case .rejected(candidate.hash, let rejection) in outputs { throw rejection }
        return candidate.hash
    }

    /// - Parameters:
    ///   - head: the new one.
    ///   - state: after it.
    func follow(
        _ change: EngineHeadChange, head: Header, _ state: @autoclosure () -> (any StateReader)?
    ) {
        var outputs: [TransactionPool.Output] = []
        guard change.dropped.isEmpty else {
            let waiting = pool.all.map(\.transaction.encoded)
            pool = TransactionPool(
                chainID: rules.chainID, head: PoolHead(after: head, rules), limits: limits)
            guard let state = state() else { return }
            let returning = change.dropped.reversed().flatMap(\.block.transactions)
                .map(\.encoded)
            // Those that the new branch has, or does not allow, are refused.
            for encoding in returning + waiting { _ = try? submit(encoding, state) }
            return
        }
        for block in change.added {
            pool.handle(
                .advanced(
                    PoolAdvance(
                        head: PoolHead(after: block.block.header, rules),
                        included: block.transactionHashes,
                        accounts: block.changes.map { .init($0) })),
                now: now, into: &outputs)
        }
    }

    /// What a payload may take, best first: no more than twice the gas of a block, as some may not fit.
    func candidates(
        after parent: Header, _ baseFee: UInt256
    ) -> [(transaction: Transaction, sender: Address)] {
        var selection = pool.selection(baseFee: baseFee)
        var chosen: [(transaction: Transaction, sender: Address)] = []
        var gas: UInt64 = 0
        while gas < parent.gasLimit &* 2, let entry = selection.next() {
            chosen.append((entry.transaction, entry.sender))
            gas += entry.transaction.gasLimit
        }
        return chosen
    }
}

extension PoolHead {
    /// What transactions of the block after one with this header are measured by.
    fileprivate init(after header: Header, _ rules: ChainRules) {
        self.init(
            number: header.number, baseFee: header.baseFeeOfNext, gasLimit: header.gasLimit,
            fork: rules.epoch(at: header.timestamp + 1).fork)
    }
}
