import ChoraleBase
import ChoraleTypes
import Codec

/// What is known of one round.
struct RoundState {
    var proposal: Proposal?
    var prevotes: VoteSet
    var precommits: VoteSet
    /// Rules that fire "for the first time": lines 34, 36 and 47.
    var hasPrevoteTimeout = false
    var hasPolka = false
    var hasPrecommitTimeout = false

    init(validators: ValidatorSet) {
        prevotes = VoteSet(validators: validators)
        precommits = VoteSet(validators: validators)
    }

    var isEmpty: Bool { proposal == nil && prevotes.isEmpty && precommits.isEmpty }

    subscript(kind: VoteKind) -> VoteSet {
        get { kind == .prevote ? prevotes : precommits }
        _modify {
            switch kind {
            case .prevote: yield &prevotes
            case .precommit: yield &precommits
            }
        }
    }
}

/// The variables of one height (arXiv 1807.04938, lines 1 to 9).
struct HeightState {
    /// What is known of a block.
    enum Knowledge {
        /// Asked for in a round.
        case awaited(round: UInt32)
        case judged(BlockVerdict)
    }

    let context: HeightContext
    let validators: ValidatorSet
    /// In the set, nil for an observer.
    let local: ValidatorIndex?
    var schedule: ProposerSchedule
    var round: UInt32 = 0
    /// nil while late precommits of the height before are waited for.
    var step: ConsensusStep?
    var locked: BlockInRound?
    var valid: BlockInRound?
    /// Looked up by round; iterated only over sorted keys.
    var rounds: [UInt32: RoundState] = [:]
    /// Blocks asked for, in that order.
    var blocks: [(id: Bytes32, knowledge: Knowledge)] = []
    /// > 2/3 precommitted these, line 49.
    var decisions: [BlockInRound] = []
    /// The same, with its proof, from a peer.
    var certificate: Commit?
    /// By validator. Highest round that each validator voted in.
    var highestRounds: [UInt32?]
    /// Rounds beyond the next that each validator's votes are kept for.
    var roundsAhead: [[UInt32]]
    /// Whose fault has been shown.
    var exposed: ValidatorBits
    /// What we asked to be signed and have no signature for yet, the latest last.
    var unsigned: [SignRequest] = []
    /// The latest round in which we proposed, or asked for the signature.
    var proposedRound: UInt32?
    /// Set once: the height is over.
    var decided: Commit?
    var isAbstaining = false
    var isHalted = false

    var proposeDeadline: MonotonicInstant?
    var prevoteDeadline: MonotonicInstant?
    var precommitDeadline: MonotonicInstant?

    init(_ context: HeightContext, localKey: SigningKeyBytes?, limits: Tendermint.Limits) {
        self.context = context
        validators = context.rotation.validators
        local = localKey.flatMap { context.rotation.validators.index(of: $0) }
        schedule = ProposerSchedule(context.rotation)
        _ = schedule.proposer(of: limits.proposalRoundsAheadMax)
        highestRounds = Array(repeating: nil, count: validators.count)
        roundsAhead = Array(repeating: [], count: validators.count)
        exposed = VoteSet.noBits(validators.count)
    }

    var height: UInt64 { context.height }

    func verdict(of block: Bytes32) -> BlockVerdict? {
        for known in blocks where known.id == block {
            if case .judged(let verdict) = known.knowledge { return verdict }
        }
        return nil
    }

    var voteCount: Int {
        rounds.values.reduce(0) { $0 + $1.prevotes.count + $1.precommits.count }
    }
}

/// The commit of the height before, with the precommits that came after it.
struct LastCommit {
    let height: UInt64
    let round: UInt32
    let blockID: Bytes32
    let scheme: SignatureScheme
    let validators: ValidatorSet
    private var signatures: [SignatureBytes?]

    init(_ commit: Commit, validators: ValidatorSet) {
        height = commit.height
        round = commit.round
        blockID = commit.blockID
        scheme = commit.scheme
        self.validators = validators
        signatures = Array(repeating: nil, count: validators.count)
        for vote in commit.votes where vote.validator.position < validators.count {
            signatures[vote.validator.position] = vote.signature
        }
    }

    var isFull: Bool { signatures.allSatisfy { $0 != nil } }

    func wants(_ vote: Vote) -> Bool {
        vote.kind == .precommit && vote.height == height && vote.round == round
            && vote.blockID == blockID && vote.scheme == scheme
            && vote.validator.position < signatures.count
            && signatures[vote.validator.position] == nil
    }

    mutating func add(_ vote: Vote) {
        guard wants(vote) else { return }
        signatures[vote.validator.position] = vote.signature
    }

    var commit: Commit {
        var bits = VoteSet.noBits(signatures.count)
        for index in signatures.indices where signatures[index] != nil { bits[index] = true }
        guard
            let commit = Commit(
                height: height, round: round, blockID: blockID, scheme: scheme, signers: bits,
                signatures: signatures.compactMap { $0 })
        else { preconditionFailure("a commit that only grows") }
        return commit
    }
}
