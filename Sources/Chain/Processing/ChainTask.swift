public import ChoraleBase
public import ChoraleTypes
public import Operations
public import PeerIdentity
public import TransactionPool

/// Names one peer's request for blocks. Chosen by the caller.
public struct BlockServeID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names one transaction on its way into the pool. Chosen by the caller.
public struct CandidateID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// What a chain asks of the thread that has its blocks and its state, in this order.
public enum ChainTask: Sendable {
    /// Comes first on a validator: what it had found valid before it stopped.
    case readCandidates
    case build(BuildOrder)
    /// For a validator without state: signs what others are asked.
    case signOrder(BuildOrder)
    /// Makes a block of what somebody built for it, when that is valid.
    case assemble(BuildOrder, BuiltPayload, from: PeerID)
    /// Builds for somebody without state.
    case buildPayload(BlockServeID, PayloadOrder, transactions: PoolSelection)
    case judge(JudgeOrder)
    /// Makes a block that is final the head.
    case commit(BlockContents, Commit)
    /// The same for blocks that came from whoever had them, checked in everything. Ascending.
    case importBlocks([CommittedBlock])
    case readBlocks(BlockServeID, from: UInt64, count: Int, sizeMax: Int)
    /// Parts of a past state and where it begins, for a peer. May be done by another thread that can read.
    case readCheckpoint(BlockServeID, CheckpointRequest)
    case readState(BlockServeID, StateRangeRequest)
    /// Before there is a height, and then never again.
    case download(DownloadTask)
    case checkTransaction(CandidateID, encoding: [UInt8])
    /// What the block of a height has committed to, for who verifies it.
    case readCommitments(height: UInt64)
}

extension ChainTask {
    /// Whether it only reads what never changes, so that another thread may do it beside the owner's.
    public var isReading: Bool {
        switch self {
        case .readCheckpoint, .readState: true
        case .readCandidates, .build, .signOrder, .assemble, .buildPayload, .judge, .commit,
            .importBlocks, .readBlocks, .download, .checkTransaction, .readCommitments:
            false
        }
    }
}

/// A block that is wanted.
public struct BuildOrder: Sendable {
    public let height: UInt64
    public let round: UInt32
    public let time: WallTime
    public let proposer: ValidatorIndex
    public let lastCommit: Commit?
    public let evidence: [Evidence]
    /// What may be said of operations, but for logs, in the order in which it is tried.
    public var items: [ChainItem] = []
    /// In the order in which they are tried.
    public let transactions: PoolSelection
}

/// A block that is to be judged.
public struct JudgeOrder: Sendable {
    public let contents: BlockContents
    /// In which it is proposed.
    public let round: UInt32
    /// Whether the proposal has no valid round.
    public let isFresh: Bool
}

/// What was found of a block.
public enum Judgement: Hashable, Sendable {
    case valid(BlockFacts)
    case invalid(BlockFault)
    /// This node cannot tell: its disk, or a form that a later version knows.
    case undecided(String)
}

/// A block in numbers.
public struct BlockFacts: Hashable, Sendable {
    public var transactionCount = 0
    public var gasUsed: UInt64 = 0
    /// In bytes.
    public var payloadSize = 0
    /// In bytes; 0 when it was executed without.
    public var witnessSize = 0
    /// What executing it asked of consensus (EIP-7685).
    public var requests: [[UInt8]] = []
    /// What the operations contract has logged.
    public var logs: [ContractLog] = []

    public init() {}
}

/// What a block that is the head now means for others.
public struct CommittedSummary: Sendable {
    public let head: ChainHead
    public let facts: BlockFacts
    /// For the pool; nil where no state is kept.
    public let advance: PoolAdvance?
    public let evidence: [Evidence]
    /// Whom the block has evidence against for what they said of parts.
    public let slashedForParts: [SigningKeyBytes]
    /// What has become of operations.
    public let operationChanges: [OperationChange]
    public let commitments: [ExecutionCommitment]
    public let proposer: ValidatorIndex
}

/// Why blocks were not taken.
public struct ImportFailure: Error, Sendable {
    /// Of the first block that was not.
    public let height: UInt64
    public let reason: Reason

    public enum Reason: Sendable {
        /// Whoever sent it made it up, or did not check it.
        case fault(BlockFault)
        case commit(Commit.VerifyError)
        /// It is not the next one.
        case notNext(head: UInt64)
        /// This node cannot take it now.
        case unavailable(String)
    }
}

/// The answer to a ``ChainTask``.
public enum ChainAnswer: Sendable {
    /// Blocks of the height after the head.
    case candidates([BlockContents])
    case built(height: UInt64, round: UInt32, BlockContents, BlockFacts)
    case buildFailed(height: UInt64, round: UInt32, String)
    /// In answer to `signOrder`.
    case orderSigned(PayloadOrder)
    /// In answer to `assemble`, besides `built` and `buildFailed`.
    case payloadRefused(height: UInt64, round: UInt32, BlockFault, from: PeerID)
    /// nil: there is none.
    case payloadBuilt(BlockServeID, BuiltPayload?)
    case judged(blockID: Bytes32, height: UInt64, Judgement)
    /// In answer to `commit`.
    case committed(CommittedSummary)
    case commitFailed(height: UInt64, String)
    /// Those that were taken, and why no more were.
    case imported([CommittedSummary], ImportFailure?)
    /// Encodings of ``CommittedBlock``.
    case blocks(BlockServeID, [[UInt8]])
    /// The answer's encoding; nil when what is asked for is not here.
    case served(BlockServeID, [UInt8]?)
    case download(DownloadAnswer)
    case transactionChecked(CandidateID, Result<PoolCandidate, PoolRejection>)
    /// nil when the block is not here.
    case commitments(height: UInt64, [ExecutionCommitment]?)
}
