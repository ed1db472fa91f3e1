public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// The Tendermint algorithm: one block a height, final at once, as long as less than a third of the stake
/// is faulty.
///
///     waiting ──(late precommits are in, or time is up)──▶ round 0
///
///     a round:  propose ──(block judged, or time is up)──▶ prevote ──(> 2/3 agree, or time is up)──▶ precommit
///                  ▲                                                                                    │
///                  └──────────(time is up, or more than a third are in a later round)──────────────────┘
///
///     any step ──(> 2/3 precommits for a valid block)──▶ committed ──(next height)──▶ waiting
///
/// Comments "line n" refer to Algorithm 1 of the paper. `f + 1` is "more than a third of the stake",
/// `2f + 1` "more than two thirds".
///
/// Invariants:
///   1. Per round and kind at most one vote is asked to be signed; rounds and steps only ascend.
///      (`vote(_:)` is called where the step rises. ``SigningGuard`` is the second line.)
///   2. A precommit for a block is persisted before it is signed, and it is the lock. (`vote(_:)`)
///   3. While locked, a prevote for another block needs > 2/3 prevotes for it in a round not before the
///      lock's. (`decidePrevote`, line 29; checked by the simulation)
///   4. One commit a height. (`commit` ends the height.)
///   5. Outputs depend only on inputs, their order, and the seed.
///
/// Where a vote or proposal counts, its block need not be known; where a block is voted for or committed,
/// it was judged valid here.
///
/// Memory: ``Limits/votesMax(validators:)`` votes of 200 bytes, and a tally for each block voted for.
///
/// Specification: E. Buchman, J. Kwon, Z. Milosevic, "The latest gossip on BFT consensus", arXiv
/// 1807.04938.
public struct Tendermint: ConsensusGadget, ~Copyable {
    public let timing: Timing
    public let limits: Limits
    public internal(set) var counters = Counters()
    public private(set) var nextDeadline: MonotonicInstant?

    let localKey: SigningKeyBytes?
    var random: DeterministicRandom

    /// The height being agreed on. Nil before the first, and between a commit and the next.
    var state: HeightState?
    /// When round 0 starts, while late precommits are waited for.
    var waitDeadline: MonotonicInstant?
    /// The height that is over, while the next was not started.
    var finished: HeightContext?
    var lastCommit: LastCommit?
    var committedAt: MonotonicInstant?
    var ahead = Ahead()
    var gossipDeadline: MonotonicInstant?
    /// Where we were when we last looked whether there is progress.
    var gossipPosition: SigningPosition?
    /// In the order of their last summaries.
    var summaryBudgets: OrderedDictionary<PeerID, TokenBucket> = [:]
    private let layout = PassedByReference()

    /// Messages for the height after the present one, from those who are there already.
    struct Ahead {
        /// The set that they were verified against, nil while it is unknown.
        var validators: ValidatorSet?
        /// Of the next height's round 0.
        var proposer: ValidatorIndex?
        var proposal: Proposal?
        var votes: [Vote] = []
    }

    /// - Parameters:
    ///   - localKey: the validator's key, nil for an observer.
    ///   - seed: moves the times at which messages are sent again, nothing else.
    public init(
        localKey: SigningKeyBytes?, timing: Timing = Timing(), limits: Limits = Limits(),
        seed: UInt64
    ) {
        self.localKey = localKey
        self.timing = timing
        self.limits = limits
        random = DeterministicRandom(seed: seed)
    }

    public mutating func handle(
        _ input: ConsensusInput, now: Now, into outputs: inout [ConsensusOutput]
    ) {
        var turn = Turn(
            now: now.instant, timing: timing, limits: limits, outputs: outputs, counters: counters)
        outputs = []
        switch input {
        case .heightStarted(let context, let recovery): start(context, recovery, &turn)
        case .summaryReceived(let summary, let peer): answer(summary, to: peer, &turn)
        case .commitReceived(let commit): receive(commit.commit, &turn)
        case .voteReceived(let vote): receive(vote.vote, &turn)
        case .voteSigned(let vote): signed(vote, &turn)
        case .proposalReceived(let proposal): receive(proposal.proposal, &turn)
        case .proposalSigned(let proposal): signed(proposal, &turn)
        case .blockBuilt(let height, let round, let block):
            if state?.height == height { state?.built(block, in: round, &turn) }
        case .blockJudged(let height, let block, let verdict):
            if state?.height == height { state?.judged(block, verdict, &turn) }
        case .timeout: break
        }
        expire(&turn)
        state?.applyRules(&turn)
        finishHeight(&turn)
        gossip(&turn)
        if let lastCommit { turn.fillBuild(lastCommit) }
        outputs = turn.outputs
        counters = turn.counters
        nextDeadline = deadline
    }

    /// What one call of `handle` hands down.
    struct Turn {
        let now: MonotonicInstant
        let timing: Timing
        let limits: Limits
        var outputs: [ConsensusOutput]
        var counters: Counters

        mutating func drop(_ reason: ConsensusDrop) { counters.drops[reason.rawValue] += 1 }

        /// Adds the commit, with all that came late, to a wish for a block.
        mutating func fillBuild(_ last: LastCommit) {
            for index in outputs.indices {
                if case .build(let height, let round, nil) = outputs[index],
                    height == last.height + 1
                {
                    outputs[index] = .build(
                        height: height, round: round, lastCommit: last.commit)
                }
            }
        }
    }

    /// The earliest of all that is waited for.
    private var deadline: MonotonicInstant? {
        guard let state, !state.isHalted else { return nil }
        return [
            waitDeadline, gossipDeadline, state.proposeDeadline, state.prevoteDeadline,
            state.precommitDeadline,
        ].compactMap { $0 }.min()
    }

    /// Whatever has become due, whichever input brought the news of it.
    private mutating func expire(_ turn: inout Turn) {
        // The first vote of a third that has begun ends the wait as well.
        if state?.step != nil { waitDeadline = nil }
        if let until = waitDeadline, until <= turn.now || lastCommit?.isFull ?? true {
            waitDeadline = nil
            state?.startRound(0, &turn)
        }
        if waitDeadline == nil { state?.expire(&turn) }
    }

    /// Line 49, what follows: the block is final.
    private mutating func finishHeight(_ turn: inout Turn) {
        guard let state, let commit = state.decided else { return }
        turn.outputs.append(.persist(.commit(commit)))
        turn.outputs.append(.commit(commit))
        turn.counters.commits += 1
        lastCommit = LastCommit(commit, validators: state.validators)
        committedAt = turn.now
        finished = state.context
        self.state = nil
        waitDeadline = nil
        gossipDeadline = nil
    }

    public var status: ConsensusStatus {
        var status = ConsensusStatus()
        if let state {
            status.height = state.height
            status.round = state.round
            status.phase = state.step.map { .step($0) } ?? .waiting
            status.locked = state.locked
            status.valid = state.valid
            status.validator = state.local
            status.isAbstaining = state.isAbstaining
        } else if let finished {
            status.height = finished.height
            status.phase = .committed
        }
        return status
    }

    /// Whether the next height's proposal is here already: others have begun it.
    public var isNextProposed: Bool { state == nil && ahead.proposal != nil }

    /// Whether the proposal of a round is for this block, and says that it was made for the round.
    public func isFreshlyProposed(_ blockID: Bytes32, in round: UInt32) -> Bool {
        guard let proposal = state?.rounds[round]?.proposal, proposal.blockID == blockID else {
            return false
        }
        return proposal.validRound == nil
    }

    /// Votes held, for tests of ``Limits/votesMax(validators:)``.
    public var voteCount: Int { (state?.voteCount ?? 0) + ahead.votes.count }
    /// Rounds of which something is held.
    public var roundCount: Int { state?.rounds.count ?? 0 }
}
