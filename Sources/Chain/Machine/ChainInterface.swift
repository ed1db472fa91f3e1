public import ChoraleBase
public import ChoraleTypes
public import Consensus
public import Operations
public import PeerIdentity
import Execution
public import TransactionPool

/// Names a gossip message until its verdict. Chosen by the caller.
public struct ChainGossipID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Names a request of ours to a peer.
public struct ChainRequestID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Names a transaction that a user of this node gave. Chosen by the caller.
public struct SubmissionID: Hashable, Sendable {
    public let rawValue: UInt64
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// The gossip topics of a chain.
public enum ChainTopic: String, CaseIterable, Hashable, Sendable {
    case transaction = "tx"
    case block
    case vote
    case evidence
    /// ``ExecutorStatement``.
    case executor = "exec_output"
}

/// What became of a gossip message.
public enum ChainVerdict: Hashable, Sendable {
    /// Passed on.
    case accept
    /// Not passed on, and nobody's fault.
    case ignore
    /// Whoever sent it did not check it.
    case reject
}

/// What a peer is asked.
public enum ChainRequest: Hashable, Sendable {
    /// ``BlockContents`` of the block with this name, which need not be final.
    case contents(Bytes32)
    /// ``CommittedBlock`` of these heights, ascending.
    case blocks(from: UInt64, count: UInt64)
    /// A payload to propose, of who has state: ``BuiltPayload``.
    case payload(PayloadOrder)
    /// A ``CheckpointAnswer``.
    case checkpoint(CheckpointRequest)
    /// A ``StateRangeAnswer``.
    case state(StateRangeRequest)
}

/// How a request of ours ended.
public enum ChainRequestEnd: Hashable, Sendable {
    case finished
    /// The peer says that it does not have it.
    case unavailable
    /// The peer refuses, is gone, or does not speak the protocol.
    case failed
    /// What came was nothing that was asked for.
    case malformed
}

/// What must be on the disk, and what is to be signed after it.
public struct JournalOrder: Sendable {
    public let id: UInt64
    public let records: [ConsensusRecord]
    public let requests: [SignRequest]
    /// Whether the records are to be synced before anything that rests on them leaves.
    public let needsSync: Bool

    public init(
        id: UInt64, records: [ConsensusRecord], requests: [SignRequest], needsSync: Bool
    ) {
        self.id = id
        self.records = records
        self.requests = requests
        self.needsSync = needsSync
    }
}

/// What came of a ``JournalOrder``.
public struct JournalAnswer: Sendable {
    public let id: UInt64
    public let signed: [Signed]
    /// Why nothing was signed: the disk, in words for the operator. Nothing of the order is on it, or nothing
    /// that matters: what was to leave after it never does.
    public let failure: String?

    public struct Signed: Sendable {
        public let request: SignRequest
        /// nil: the guard refused.
        public let signature: SignatureBytes?
        /// Nobody asked for it: it contradicts what was asked for, to see what others make of it.
        public let isContradiction: Bool

        public init(
            request: SignRequest, signature: SignatureBytes?, isContradiction: Bool = false
        ) {
            self.request = request
            self.signature = signature
            self.isContradiction = isContradiction
        }
    }

    public init(id: UInt64, signed: [Signed], failure: String?) {
        self.id = id
        self.signed = signed
        self.failure = failure
    }
}

/// What a peer that asks is given.
public enum ServedAnswer: Hashable, Sendable {
    /// The answer's encoding.
    case item([UInt8])
    /// It is not here, or not any more.
    case absent
    /// Others are being served.
    case busy
}

/// How the download of a checkpoint's state goes.
public enum DownloadEvent: Sendable {
    /// Peers are asked for the checkpoint.
    case asking
    /// It was found; its state is being downloaded.
    case began
    /// The same, from what was there.
    case resumed
    case progress(ChainInfo.DownloadInfo)
    /// Nobody helps at the moment, and why.
    case waiting(String)
    /// The chain goes on from there.
    case finished
    /// It will never be there: a person must look.
    case failed(String)
}

/// Everything that can happen to a chain.
public enum ChainInput: Sendable {
    /// Comes first, once. What the log says, for a validator.
    case start(ConsensusRecovery?)
    /// A message of a topic of ours, unpacked. Answered by `verdict`.
    case gossip(ChainGossipID, ChainTopic, [UInt8], from: PeerID)
    /// A ``ChainMessage`` that a peer sent to us alone.
    case message(ChainMessage, from: PeerID)
    /// A worker's answer to `verify`.
    case verified(ChainVerification.Outcome)
    /// Answers `process`.
    case answered(ChainAnswer)
    /// Answers `crossValidate`: why the block is not to be voted for, or nil.
    case crossValidated(Bytes32, refusal: String?)
    /// Answers `journal`.
    case journaled(JournalAnswer)
    /// A peer of this network.
    /// - Parameter buildsPayloads: whether it answers `ChainRequest.payload`.
    case peerConnected(PeerID, ChainStatus, buildsPayloads: Bool = true)
    case peerDisconnected(PeerID)
    /// An item of an answer to `ask`. Any number of them come before `requestEnded`.
    case contentsReceived(ChainRequestID, BlockContents)
    case blockReceived(ChainRequestID, CommittedBlock, size: Int)
    case payloadReceived(ChainRequestID, BuiltPayload)
    case checkpointReceived(ChainRequestID, CheckpointAnswer)
    case stateReceived(ChainRequestID, StateRangeAnswer)
    /// Exactly once for each request.
    case requestEnded(ChainRequestID, ChainRequestEnd)
    /// A peer asks. Answered by `serveContents`, `serveBlocks`, `servePayload` or `served`.
    case serve(BlockServeID, PeerID, ChainRequest)
    /// A transaction of a user of this node. Answered by `submitted`.
    case submit(SubmissionID, [UInt8])
    /// What this node's executor says.
    case say(ExecutorStatement)
    /// Parts of an operation are certified: somebody may put it into a block. Its signatures were checked.
    case include(SubProofCertificate)
    /// What a committee has found of an operation without proofs. Its signatures were checked.
    case includeFastPath(FastPathCertificate)
    /// A validator has found another output of such an operation than the executor. Its signature was checked.
    case dispute(CommitteeVote)
    /// A validator's fault on a part, to be put into a block. Its signatures were checked.
    case accuse(SubProofEvidence)
    /// An enclave vouches for another output than the executor's, to be put into a block. Its evidence was checked.
    case contradict(EnclaveContradiction)
    /// A body that a block may refer to is here, whole.
    case bodyArrived(root: Bytes32)
    /// Answers `readBody`; nil when it is not there any more.
    case bodyRead(root: Bytes32, [UInt8]?)
    /// The driver's timer. Early, late and repeated ones are harmless.
    case timeout
}

/// Everything that a chain wants.
public enum ChainOutput: Sendable {
    case publish(ChainTopic, [UInt8])
    case verdict(ChainGossipID, ChainVerdict)
    case send(ChainMessage, to: PeerID)
    case verify(ChainVerification)
    case process(ChainTask)
    case journal(JournalOrder)
    /// Asks other implementations what they make of a block that is valid here.
    ///
    /// - Parameter requests: of its execution.
    case crossValidate(BlockContents, requests: [[UInt8]])
    case ask(ChainRequestID, PeerID, ChainRequest, deadline: MonotonicInstant)
    /// nil: not here.
    case serveContents(BlockServeID, BlockContents?)
    /// Encodings of ``CommittedBlock``.
    case serveBlocks(BlockServeID, [[UInt8]])
    /// nil: not for this peer, not now.
    case servePayload(BlockServeID, BuiltPayload?)
    /// Answers for a checkpoint or a part of the state.
    case served(BlockServeID, ServedAnswer)
    case publishBody(BodyKind, height: UInt64, [UInt8])
    case readBody(root: Bytes32)
    /// A fault that is the peer's own.
    case penalize(PeerID, String)
    case submitted(SubmissionID, Result<Bytes32, PoolRejection>)
    /// What is told to new peers has changed.
    case statusChanged(ChainStatus)
    case event(ChainEvent)
}

/// What happened, for lines and numbers.
public enum ChainEvent: Sendable {
    case consensus(ConsensusEvent)
    case committed(CommitReport)
    /// A block of a validator was found invalid.
    case invalidBlock(height: UInt64, blockID: Bytes32, BlockFault)
    case undecided(height: UInt64, blockID: Bytes32, String)
    case buildFailed(height: UInt64, String)
    /// An executor has something to say.
    case executor(ExecutorStatement)
    /// What a block that is final has done to operations. Comes before `committed`.
    case operations(OperationReport)
    case evidence(height: UInt64, ValidatorIndex)
    /// A validator's fault on a part waits for a block.
    case partEvidence(operation: Bytes32, ValidatorIndex)
    case syncing(from: UInt64, to: UInt64)
    case synced(height: UInt64)
    case downloading(CheckpointID, DownloadEvent)
    /// Nothing is signed: the validator's files take nothing. A person must look.
    case signingStopped(String)
    /// They take something again.
    case signingResumed
    /// A final block could not be applied; it is tried again. Said once for each reason, until a block is.
    case stopped(String)
}

/// What a block has done to operations.
public struct OperationReport: Hashable, Sendable {
    public var height: UInt64
    /// In the order in which they happened.
    public var changes: [OperationChange]
    /// Those of the block.
    public var commitments: [ExecutionCommitment]
    /// Validators that are slashed for what they said of parts.
    public var slashed: [SigningKeyBytes]

    public init(
        height: UInt64, changes: [OperationChange] = [], commitments: [ExecutionCommitment] = [],
        slashed: [SigningKeyBytes] = []
    ) {
        self.height = height
        self.changes = changes
        self.commitments = commitments
        self.slashed = slashed
    }
}

/// A height that is final.
public struct CommitReport: Hashable, Sendable {
    public var height: UInt64
    public var round: UInt32
    public var blockID: Bytes32
    public var blockHash: Bytes32
    public var proposer: ValidatorIndex
    public var facts: BlockFacts
    /// From the proposal to the commit as this node saw them; nil for a block that came later.
    public var latency: Duration?
    public var evidenceCount: Int
    /// Pieces of evidence of validators' faults on parts of operations.
    public var partEvidenceCount = 0
}
