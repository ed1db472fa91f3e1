public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections

/// Verifies in parts what was executed once: this validator's share of it, and everybody's votes.
///
/// The chain names an operation's proofs; each part is verified by the validators that its order puts
/// first; their votes make a certificate. Silence widens the circle, and a vote that rejects widens it at
/// once to everyone.
///
///     commitment ─▶ asked? ─▶ pull ─▶ verify ─▶ intent on disk ─▶ sign ─▶ publish
///     votes ─▶ first tranche > 2/3 ──────────────────────────▶ certificate
///              └ Δ ─▶ 128, majority ── Δ ─▶ everyone, > 2/3 ─▶ certificate
///              └ reject ──────────────────▶ everyone, > 2/3 ─▶ certificate, of either verdict
///
/// Invariants:
///   1. One verdict is signed for one proof, over crashes too. (``VerdictGuard``; by simulation.)
///   2. A certificate has a quorum of its tranche. (``QuorumRule``, when made and when received.)
///   3. While a reject stands, nothing below everyone is accepted. (``PartState/adopt(_:)``.)
///   4. What cannot be verified here is abstained from and never rejected. (``proofVerified``.)
///   5. Levels ascend. (``HybridStatus``, by construction; by all permutations.)
///   6. Each message that is handed in gives one `accepted` or one `drop`. (By the fuzz target.)
///
/// Memory: ``SubproofLimits``, whose comments add it up.
///
/// Specification: mechanisms rows 0.6 to 0.13 and section 5.2.
public struct SubproofPool: StateMachine, ~Copyable {
    public typealias Input = SubproofInput
    public typealias Output = SubproofOutput

    struct OperationState {
        let context: OperationContext
        let openedAt: MonotonicInstant
        /// Ourselves in the operation's set.
        let local: ValidatorIndex?
        var parts: [PartState]
        var committee: CommitteeState?
        var tranche = Tranche.first
        var resendAt: MonotonicInstant
        /// When the first of the proofs that nobody had is asked for again.
        var retryAt: MonotonicInstant?
        /// When the first of our certificates is published.
        var publishAt: MonotonicInstant?
        /// A part is bad: nothing more is done about the others.
        var isDecided = false
        /// All parts were certified valid.
        var wasCertified = false
        var hasReportedSilence = false
    }

    struct PartKey: Hashable {
        let operation: Bytes32
        let part: Int
    }

    public let limits: SubproofLimits
    public let timing: SubproofTiming
    /// Our validator's key; nil for an observer.
    public let localKey: SigningKeyBytes?
    public internal(set) var counters = SubproofCounters()

    /// Few: looked up by walking.
    var operations: [OperationState] = []
    var signers: SignerBook
    var verdicts: VerdictGuard
    var queue = WorkQueue()
    /// By job.
    var works: OrderedDictionary<SubproofJobID, PartKey> = [:]
    var workSize: UInt64 = 0
    var lastJob: UInt64 = 0
    /// When the budget of somebody whose proofs wait comes back.
    var budgetAt: MonotonicInstant?
    var early: [SubProofVote] = []
    /// Certificates of an earlier run, until their operations are opened again.
    var restored: [SubProofCertificate] = []
    var restoredFastPaths: [FastPathCertificate] = []
    var revoked: OrderedSet<Bytes32> = []
    /// All of ``PartState/votes``, and the committees'.
    var voteCount = 0
    private let reference = PassedByReference()

    public init(
        localKey: SigningKeyBytes?, limits: SubproofLimits = .init(),
        timing: SubproofTiming = .init()
    ) {
        self.localKey = localKey
        self.limits = limits
        self.timing = timing
        signers = SignerBook(limits: limits)
        verdicts = VerdictGuard(entriesMax: limits.guardEntriesMax)
    }

    public mutating func handle(
        _ input: SubproofInput, now: Now, into outputs: inout [SubproofOutput]
    ) {
        let now = now.instant
        switch input {
        case .restored(let rows, let floor):
            verdicts.raise(floor: floor)
            for row in rows {
                verdicts.restore(row)
                switch row.content {
                case .certificate(let certificate) where restored.count < limits.partsMax:
                    restored.append(certificate)
                case .fastPath(let certificate)
                where restoredFastPaths.count < limits.operationsMax:
                    restoredFastPaths.append(certificate)
                default: break
                }
            }
        case .commitmentIncluded(let context): open(context, now, &outputs)
        case .operationClosed(let operation): close(operation, &outputs)
        case .voteReceived(let verified): receive(verified.vote, now, &outputs)
        case .voteEarly(let vote): keep(vote, &outputs)
        case .certificateReceived(let verified): receive(verified.certificate, now, &outputs)
        case .evidenceReceived(let verified): receive(verified.evidence, now, &outputs)
        case .bodyArrived(let job): bodyArrived(job, &outputs)
        case .bodyMissing(let job): bodyMissing(job, now, &outputs)
        case .verified(let job, let outcome): proofVerified(job, outcome, now, &outputs)
        case .signed(let vote): signed(vote, now, &outputs)
        case .attested(let operation, let part, let output, let enclave):
            learn(
                .attested(output: output, enclave: enclave), operation, part, now, &outputs)
        case .proofFinal(let operation, let part, let output):
            learn(.final(output: output), operation, part, now, &outputs)
        case .committeeVoteReceived(let verified): receive(verified.vote, now, &outputs)
        case .fastPathReceived(let verified): receive(verified.certificate, now, &outputs)
        case .disputed(let operation): disputed(operation, now, &outputs)
        case .executed(let operation, let outputHash):
            executed(operation, outputHash, now, &outputs)
        case .committeeSigned(let vote): signed(vote, now, &outputs)
        case .timeout: break
        }
        passTime(now, &outputs)
        startWork(now, &outputs)
    }

    // MARK: Operations

    func operationIndex(_ operation: Bytes32) -> Int? {
        operations.firstIndex { $0.context.operation == operation }
    }

    private mutating func open(
        _ context: OperationContext, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard operationIndex(context.operation) == nil else { return drop(.duplicate, &outputs) }
        let partCount = operations.reduce(0) { $0 + $1.parts.count }
        var parts: [PartState] = []
        var committee: CommitteeState?
        switch context.method {
        case .parts(let contexts):
            guard partCount + contexts.count <= limits.partsMax else {
                return drop(.tooManyOperations, &outputs)
            }
            for (number, part) in contexts.enumerated() {
                let id = SubProofID(
                    operation: context.operation, part: UInt16(number), proof: part.proof)
                parts.append(PartState(id: id!, context: part, rule: context.rules[number]))
            }
        case .committee:
            committee = CommitteeState(context: context, rule: context.rules[0])
        }
        guard operations.count < limits.operationsMax else {
            return drop(.tooManyOperations, &outputs)
        }
        let local = localKey.flatMap { context.validators.index(of: $0) }
        operations.append(
            OperationState(
                context: context, openedAt: now, local: local, parts: parts,
                committee: committee, resendAt: now.advanced(by: timing.resendInterval)))
        counters.operationsOpened += 1
        counters.partsOpened += UInt64(parts.count)
        accept(&outputs)
        outputs.append(.event(.opened(operation: context.operation, parts: parts.count)))
        let index = operations.count - 1
        restoreCertificates(index, now, &outputs)
        for part in operations[index].parts.indices { advance(index, part, now, &outputs) }
        if committee != nil {
            restoreFastPath(index, now, &outputs)
            advanceCommittee(index, now, &outputs)
        }
        releaseEarly(of: context.operation, &outputs)
    }

    private mutating func close(_ operation: Bytes32, _ outputs: inout [SubproofOutput]) {
        guard let index = operationIndex(operation) else { return drop(.late, &outputs) }
        accept(&outputs)
        remove(index, &outputs)
    }

    mutating func remove(_ index: Int, _ outputs: inout [SubproofOutput]) {
        let operation = operations[index].context.operation
        reportSilence(index, &outputs)
        for (job, key) in works where key.operation == operation { forget(job, &outputs) }
        voteCount -= operations[index].parts.reduce(0) { $0 + $1.votes.count }
        voteCount -= operations[index].committee?.votes.count ?? 0
        operations.remove(at: index)
    }

    // MARK: Early votes

    /// Kept without a look at its signature: bounded, and the oldest give way, so that a flood of
    /// forgeries costs no more than a vote that is asked for again.
    private mutating func keep(_ vote: SubProofVote, _ outputs: inout [SubproofOutput]) {
        guard operationIndex(vote.id.operation) == nil else {
            accept(&outputs)
            outputs.append(.verifyVote(vote))
            return
        }
        if early.count >= limits.earlyVotesMax { early.removeFirst(max(1, early.count / 2)) }
        early.append(vote)
        drop(.unknownOperation, &outputs)
    }

    private mutating func releaseEarly(
        of operation: Bytes32, _ outputs: inout [SubproofOutput]
    ) {
        for vote in early where vote.id.operation == operation {
            outputs.append(.verifyVote(vote))
        }
        early.removeAll { $0.id.operation == operation }
    }

    // MARK: Small things

    mutating func drop(_ reason: SubproofDrop, _ outputs: inout [SubproofOutput]) {
        counters.drop(reason)
        outputs.append(.drop(reason))
    }

    mutating func accept(_ outputs: inout [SubproofOutput]) {
        counters.accepted += 1
        outputs.append(.accepted)
    }

    func key(of validator: ValidatorIndex, _ index: Int) -> SigningKeyBytes? {
        operations[index].context.validators[validator]?.key
    }
}
