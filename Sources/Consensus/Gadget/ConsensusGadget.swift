public import ChoraleBase
public import ChoraleTypes
public import Codec
public import PeerIdentity

/// What agrees on one block a height: a machine that proposes, votes, locks, commits and times out.
///
/// `Node` knows a gadget by this only, so that another one can take the place of ``Tendermint``.
///
/// The order of outputs is part of the contract. Whatever `persist` asks for must be on disk before
/// any later `sign` or `broadcast` is performed, if ``ConsensusRecord/needsSync`` says so: outputs of
/// one turn need one sync.
public protocol ConsensusGadget: StateMachine, ~Copyable
where Input == ConsensusInput, Output == ConsensusOutput {
    /// Where the gadget is.
    var status: ConsensusStatus { get }

    /// The cheap half of checking a vote, before a worker is asked for its signature.
    func precheck(_ vote: Vote) -> ConsensusPrecheck
    /// The same for a proposal.
    func precheck(_ proposal: Proposal) -> ConsensusPrecheck
    /// The same for a commit.
    func precheck(_ commit: Commit) -> ConsensusPrecheck
}

/// What a message is worth before its signature was looked at.
public enum ConsensusPrecheck: Hashable, Sendable {
    /// Check its signature against this set, then hand it in.
    case verify(ValidatorSet)
    case drop(ConsensusDrop)
}

/// Why a message changed nothing. Each case is also a metric label.
public enum ConsensusDrop: Int, Error, Hashable, Sendable, CaseIterable {
    /// A height that is over.
    case heightPast
    /// A height whose turn has not come.
    case heightAhead
    /// A round that is over, and too old to matter.
    case roundPast
    /// A round too far ahead.
    case roundAhead
    case unknownValidator
    case otherScheme
    case duplicate
    /// By a validator that is known to contradict itself, and that does not complete anything.
    case equivocation
    /// Not the proposer of the round.
    case notProposer
    /// A commit with another number of bits than validators.
    case wrongBitCount
    case notEnoughStake
    /// The answer to a question nobody asks any more.
    case late
    /// A peer that asks too often.
    case rateLimited

    /// Whether only a faulty sender can be the reason.
    public var isFault: Bool {
        switch self {
        case .unknownValidator, .otherScheme, .notProposer, .wrongBitCount, .notEnoughStake: true
        case .heightPast, .heightAhead, .roundPast, .roundAhead, .duplicate, .equivocation, .late,
            .rateLimited:
            false
        }
    }
}

/// What travels between gadgets.
public enum ConsensusMessage: Hashable, Sendable {
    case proposal(Proposal)
    case vote(Vote)
    case commit(Commit)
    case summary(VoteSummary)
}

/// What the gadget must know of a height to agree on its block.
public struct HeightContext: Hashable, Sendable {
    /// Within `1...heightMax`.
    public let height: UInt64
    /// The height's validators, and whose turn it is.
    public let rotation: ProposerRotation
    /// The next height's set, once it is known: votes of those who are already there can be kept.
    public let nextValidators: ValidatorSet?
    /// Why the block before is final. Nil for the first height.
    public let parent: ParentCommit?

    public init(
        height: UInt64, rotation: ProposerRotation, nextValidators: ValidatorSet?,
        parent: ParentCommit?
    ) {
        precondition((1...ConsensusBounds.heightMax).contains(height), "height \(height)")
        precondition(
            parent.map { $0.commit.height + 1 == height } ?? true, "the parent is one height below")
        self.height = height
        self.rotation = rotation
        self.nextValidators = nextValidators
        self.parent = parent
    }
}

/// A commit with the set that its bits mean.
public struct ParentCommit: Hashable, Sendable {
    public let commit: Commit
    public let validators: ValidatorSet

    /// - Precondition: the commit was verified against the set.
    public init(commit: Commit, validators: ValidatorSet) {
        precondition(commit.signers.count == validators.count, "a bit for each validator")
        self.commit = commit
        self.validators = validators
    }
}

/// What an earlier run of this validator left behind.
public struct ConsensusRecovery: Hashable, Sendable {
    /// What the log holds, in order. Records of other heights mean nothing here.
    public let records: [ConsensusRecord]
    /// What was last signed.
    public let lastSigned: SigningPosition?

    public init(records: [ConsensusRecord], lastSigned: SigningPosition?) {
        self.records = records
        self.lastSigned = lastSigned
    }
}

/// What execution, and everybody it asks, found of a block.
public enum BlockVerdict: Hashable, Sendable { case valid, invalid }

/// What a validator signs.
public enum SignRequest: Hashable, Sendable {
    case vote(VoteContent)
    case proposal(ProposalContent)

    public var position: SigningPosition {
        switch self {
        case .vote(let content):
            SigningPosition(
                height: content.height, round: content.round,
                step: content.kind == .prevote ? .prevote : .precommit)
        case .proposal(let content):
            SigningPosition(height: content.height, round: content.round, step: .propose)
        }
    }

    public func message(network: NetworkDigest) -> [UInt8] {
        switch self {
        case .vote(let content): content.signedMessage(network: network)
        case .proposal(let content): content.signedMessage(network: network)
        }
    }
}

/// Everything that can happen.
public enum ConsensusInput: Sendable {
    /// A height begins: the first, or the one after a commit was applied. With a recovery when the
    /// process has just started.
    case heightStarted(HeightContext, ConsensusRecovery?)
    /// Answers `build`. The block is stored where it can be had from.
    case blockBuilt(height: UInt64, round: UInt32, blockID: Bytes32)
    /// Answers `validate`: the block is here, and this is what is thought of it.
    case blockJudged(height: UInt64, blockID: Bytes32, BlockVerdict)
    case proposalReceived(VerifiedProposal)
    case voteReceived(VerifiedVote)
    case commitReceived(VerifiedCommit)
    case summaryReceived(VoteSummary, from: PeerID)
    /// Answers `sign`.
    case proposalSigned(Proposal)
    /// Answers `sign`.
    case voteSigned(Vote)
    /// The driver's timer. Early, late and repeated ones are harmless.
    case timeout
}

/// Everything to be done.
public enum ConsensusOutput: Hashable, Sendable {
    case persist(ConsensusRecord)
    /// By ``SigningGuard``; a refusal needs no answer.
    case sign(SignRequest)
    /// Make a block for this round, with the commit of the block before.
    case build(height: UInt64, round: UInt32, lastCommit: Commit?)
    /// Get the block and judge it, now or whenever it can be had. Asked again after a round or two
    /// when no answer has come.
    case validate(height: UInt64, round: UInt32, blockID: Bytes32)
    case broadcast(ConsensusMessage)
    case send(ConsensusMessage, to: PeerID)
    /// The block is final. Apply it and start the next height.
    case commit(Commit)
    case evidence(Evidence)
    /// The peer is at a height that is over here: it needs blocks.
    case peerBehind(PeerID, height: UInt64)
    /// The peer is ahead by more than a commit: we need blocks.
    case peerAhead(PeerID, height: UInt64)
    case event(ConsensusEvent)
}

/// What happened, for lines and numbers.
public enum ConsensusEvent: Hashable, Sendable {
    case roundStarted(height: UInt64, round: UInt32, proposer: ValidatorIndex)
    case locked(height: UInt64, round: UInt32, blockID: Bytes32)
    case timedOut(height: UInt64, round: UInt32, ConsensusStep)
    /// The signing state is ahead of the log: what is locked is unknown, and so nothing is signed at
    /// this height.
    case abstaining(height: UInt64, signed: SigningPosition)
    /// > 2/3 committed a block that is invalid here. An operator must act; the gadget stands still.
    case committedBlockIsInvalid(height: UInt64, blockID: Bytes32)
}

/// The steps of a round.
public enum ConsensusStep: UInt8, Hashable, Comparable, Sendable {
    case propose = 1
    case prevote = 2
    case precommit = 3

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// A block that a validator is held to, and since which round.
public struct BlockInRound: Hashable, Sendable {
    public let round: UInt32
    public let blockID: Bytes32

    public init(round: UInt32, blockID: Bytes32) {
        self.round = round
        self.blockID = blockID
    }
}

/// Where a gadget is.
public struct ConsensusStatus: Hashable, Sendable {
    public enum Phase: Hashable, Sendable {
        /// No height was started.
        case idle
        /// Late precommits of the height before are waited for.
        case waiting
        case step(ConsensusStep)
        /// The block is final; the next height was not started.
        case committed
    }

    public var height: UInt64 = 0
    public var round: UInt32 = 0
    public var phase = Phase.idle
    public var locked: BlockInRound?
    public var valid: BlockInRound?
    /// In the height's set, nil for an observer.
    public var validator: ValidatorIndex?
    public var isAbstaining = false
}
