public import ChoraleBase
public import ChoraleTypes
public import Codec

/// What quorums of validators have found of a commitment. Whoever hands it to the registry has checked the
/// certificate or the evidence that it stands for.
public struct OperationVerdict: Hashable, Sendable {
    public let operation: Bytes32
    /// Root of the commitment's content: an operation may have had another before.
    public let commitment: Bytes32
    public let finding: Finding
    /// The proof that everyone has judged by it: more than two thirds of all stake. nil when fewer have spoken, or
    /// not about a proof.
    public let judged: SubProofID?

    public enum Finding: Hashable, Sendable {
        /// Committers are the addresses of those who verified the part.
        case partCertified(UInt8, committers: [ExecutionAddress])
        /// A proof that the commitment names is wrong.
        case rejected
        /// A committee has found the executor's output.
        case justified(committers: [ExecutionAddress])
        /// Everyone has: there is nobody left to ask.
        case agreed(committers: [ExecutionAddress])
        /// Proofs contradict each other, or somebody has found another output than the executor.
        case disputed
        /// Everybody has judged a dispute.
        case resolved(isUpheld: Bool)

        var committers: [ExecutionAddress] {
            switch self {
            case .partCertified(_, let committers), .justified(let committers),
                .agreed(let committers):
                committers
            case .rejected, .disputed, .resolved: []
            }
        }
    }

    public init(
        operation: Bytes32, commitment: Bytes32, _ finding: Finding, judged: SubProofID? = nil
    ) {
        self.operation = operation
        self.commitment = commitment
        self.finding = finding
        self.judged = judged
    }
}

/// What a consensus block says of operations, besides what its execution logs.
public enum OperationItem: Hashable, Sendable {
    case renewal(LeaseRenewal)
    case commitment(ExecutionCommitment)
    case verdict(OperationVerdict)
    /// An enclave vouches for another output of a part than the executor has committed to.
    case contradiction(EnclaveFinding)
}

/// A block, as far as it is about operations.
public struct OperationBlock: Hashable, Sendable {
    public let height: UInt64
    /// The block's own beacon value.
    public let beacon: Bytes32
    /// In the block's order.
    public let items: [OperationItem]
    /// Executors that have signed what contradicts itself.
    public let slashed: [Bytes32]
    /// First height whose set of validators is known: who verifies what was committed to before cannot be said any
    /// more.
    public let setsKnownFrom: UInt64
    /// Of the operations contract, in the order of execution.
    public let logs: [ContractLog]

    public init(
        height: UInt64, beacon: Bytes32, items: [OperationItem], slashed: [Bytes32] = [],
        setsKnownFrom: UInt64 = 0, logs: [ContractLog]
    ) {
        self.height = height
        self.beacon = beacon
        self.items = items
        self.slashed = slashed
        self.setsKnownFrom = setsKnownFrom
        self.logs = logs
    }
}

/// Why a block that says this of operations is invalid.
public enum OperationFault: Error, Hashable, Sendable {
    case tooManyItems(Int, limit: Int)
    case unknownOperation(Bytes32)
    /// The operation is not where this could follow.
    case wrongStatus(Bytes32, OperationStatus)
    /// A verdict on what was committed before, or never.
    case otherCommitment(Bytes32, commitment: Bytes32)
    /// Not an executor that may say this now.
    case notItsTurn(Bytes32, executor: Bytes32)
    case unknownExecutor(Bytes32)
    case badSignature(Bytes32, executor: Bytes32)
    case price(UInt128, fee: UInt128)
    case outputSize(UInt64, limit: UInt64)
    case partCount(Int, limit: Int)
    /// A part has no proof that its kind wants, or one that it does not know.
    case proofTypes(part: Int)
    case unknownPart(Int, count: Int)
    case partCertifiedTwice(Bytes32, part: Int)
    /// Everyone has said the opposite before: a third of all stake says both.
    case judgedOtherwise(Bytes32, part: Int)
    /// What enclaves say has no weight for operations of this kind.
    case notOfEnclaves(Bytes32)
    /// The platform was caught before.
    case enclaveRevoked(Bytes32)
    /// A part is certified by more than a set has members.
    case tooManyCommitters(Int)
    /// The contract has settled what is not certified, or otherwise than it is.
    case settlement(Bytes32)
    case log(ContractLogError)
}

/// What has changed: for those who watch.
public enum OperationChange: Hashable, Sendable {
    case requested(Bytes32)
    /// No executor will be drawn for it. Its fee can be had back when it expires.
    case ignored(Bytes32, IgnoredReason)
    case elected(Bytes32, executors: [Bytes32])
    case renewed(Bytes32, progress: UInt16)
    case committed(Bytes32, executor: Bytes32)
    case partCertified(Bytes32, part: UInt8)
    /// A committee has found the output; final when nobody disputes it.
    case justified(Bytes32)
    case certified(Bytes32)
    /// A commitment was wrong; another executor may commit.
    case rejected(Bytes32, executor: Bytes32)
    /// Everyone has judged a part whose verdict stood already; nothing else changes.
    case partJudged(Bytes32, part: UInt8)
    /// Who verifies a commitment is not known any more. It counts for nothing and is nobody's fault; the operation
    /// waits for an executor again.
    case lapsed(Bytes32, executor: Bytes32)
    case frozen(Bytes32)
    case upheld(Bytes32)
    /// A platform has vouched for what everyone has found to be wrong.
    case enclaveRevoked(Bytes32, enclave: Bytes32)
    case settled(Bytes32)
    case expired(Bytes32)
    case executorJoined(Bytes32)
    /// What it paid is given back.
    case executorRefused(Bytes32)
    case executorLeft(Bytes32)
    case executorSlashed(Bytes32)

    public enum IgnoredReason: Hashable, Sendable {
        case unknownKind(UInt16)
        /// Input, ttl or fee are not within what its kind allows.
        case kindLimits
        case requesterHasTooMany
        /// There are as many as there may be, and none of them pays less.
        case full
        /// It was taken, and gave way to one that pays more.
        case outbid
    }
}

/// Ether that goes back to whoever bonded it.
public struct BondPayment: Hashable, Sendable {
    /// Whose bond it was: lost when it is slashed before. nil for what registered nothing.
    public let key: Bytes32?
    public let recipient: ExecutionAddress
    /// In gwei.
    public let amount: UInt64
    /// First height at which it is paid.
    public let due: UInt64
}
