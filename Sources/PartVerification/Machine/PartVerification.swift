public import ChoraleBase
public import ChoraleTypes
import DequeModule
public import Operations
import OrderedCollections
public import PeerIdentity
public import Subproof

/// What a node is told about verification in parts.
public struct PartConfiguration: Sendable {
    /// What this node does wrong on purpose, to see what others make of it.
    public enum Fault: Hashable, Sendable {
        /// Says nothing of any part.
        case silent
        /// Says that every proof is bad.
        case rejecting
    }

    public var network: NetworkDigest
    public var parameters: OperationParameters
    /// Of this node's validator; nil for an observer.
    public var localKey: SigningKeyBytes?
    public var localPeer: PeerID
    /// Between two heights, for telling when an operation's time is over.
    public var blockInterval: Duration
    public var fault: Fault?
    public var pool = SubproofLimits()
    public var timing = SubproofTiming()
    public var limits = PartLimits()
    public var waits = PartTiming()

    public init(
        network: NetworkDigest, parameters: OperationParameters, localKey: SigningKeyBytes?,
        localPeer: PeerID, blockInterval: Duration
    ) {
        self.network = network
        self.parameters = parameters
        self.localKey = localKey
        self.localPeer = localPeer
        self.blockInterval = blockInterval
    }
}

/// This node's share of verification in parts.
///
/// Stands between the chain, peers, workers and the store on one side, and ``Subproof/SubproofPool``, which decides,
/// on the other.
///
///     start ─▶ rows of an earlier run ─▶ commitments of open operations, from their blocks
///     commitment ─▶ orders (worker) ─▶ pool ─▶ pull: bodies, prepared once (worker); proof, from shelf or peers
///                                          ─▶ verify (worker) ─▶ intent synced ─▶ signed ─▶ votes
///     messages ─▶ precheck ─▶ signatures (worker) ─▶ pool ─▶ certificates ─▶ chain
///
/// Invariants:
///   1. Nothing is signed whose intent is not on disk, nor anything before the rows of earlier runs were read.
///      (``SignGate``; by tests that kill at every step.)
///   2. Each gossip message gets one verdict, each question of a peer one answer. (By the fuzz target.)
///   3. Nobody fetches a proof or a body that its pool has not asked for. (By simulation.)
///   4. A proof's bytes have the root that its commitment names before anything is made of them.
///
/// Memory: ``PartLimits`` and ``Subproof/SubproofLimits``.
///
/// Specification: mechanisms rows 0.6 to 0.13; docs/subproofs.md.
public struct PartVerification: StateMachine, ~Copyable {
    public typealias Input = PartInput
    public typealias Output = PartOutput

    enum Phase: Hashable {
        case idle
        case restoring
        case running
    }

    public let configuration: PartConfiguration

    var phase = Phase.idle
    /// The store failed before everything was read.
    var mustRestore = false
    var pool: SubproofPool
    /// What the pool is still to be told: answers that were at hand.
    var answers: Deque<SubproofInput> = []
    var random: DeterministicRandom
    var head = OperationHead(height: 0, operations: OperationRegistry(), eras: [])
    var connected: OrderedSet<PeerID> = []
    var watched: OrderedDictionary<Bytes32, WatchedOperation> = [:]
    /// The newest last.
    var ended: Deque<OperationInfo> = []
    /// Up to where rows were deleted.
    var floor: UInt64 = 0
    /// Heights whose commitments are being read.
    var reading: Set<UInt64> = []
    /// When what the store or a block did not give is asked for again.
    var retryAt: MonotonicInstant?

    // The store
    var lastStore: UInt64 = 0
    var stores: [PartStoreID: StorePurpose] = [:]
    /// Rows of this turn that need no sync.
    var writes: [StoreWrite] = []
    var gate: SignGate
    var shelf: ProofShelf
    /// Of our own executor, until the disk takes them.
    var shelving: [(operation: Bytes32, proofs: [[UInt8]])] = []

    // Peers
    var lastRequest: UInt64 = 0
    var requests: [PartRequestID: AskedOf] = [:]
    var pulls: OrderedDictionary<SubproofJobID, ProofPull> = [:]
    /// Votes of this turn that are said again.
    var votesAgain: [SubProofVote] = []
    var committeeVotesAgain: [CommitteeVote] = []
    /// Bodies that are being read.
    var bodiesRead: Set<Bytes32> = []
    /// Prepared operations, the one that was used last at the end.
    var prepared: OrderedSet<Bytes32> = []
    var checks: MessageChecks
    var enclaves: EnclaveDesk
    var servesInFlight = 0
    var totals = PartCounters()
    var attendance = AttendanceBook()
    private let reference = PassedByReference()

    /// - Parameter seed: of whom to ask.
    public init(_ configuration: PartConfiguration, seed: UInt64) {
        self.configuration = configuration
        random = DeterministicRandom(seed: seed)
        pool = SubproofPool(
            localKey: configuration.localKey, limits: configuration.pool,
            timing: configuration.timing)
        gate = SignGate(rowsMax: configuration.limits.intentsMax)
        shelf = ProofShelf(
            sizeMax: configuration.limits.shelfSizeMax, countMax: configuration.limits.shelfCountMax
        )
        checks = MessageChecks(configuration.limits)
        enclaves = EnclaveDesk(configuration.limits)
    }

    public var nextDeadline: MonotonicInstant? {
        var next = earliest(earliest(retryAt, gate.deadline), enclaves.deadline)
        if phase == .running { next = earliest(next, pool.nextDeadline) }
        for pull in pulls.values { next = earliest(next, pull.deadline) }
        return next
    }

    public mutating func handle(
        _ input: PartInput, now: Now, into outputs: inout [PartOutput]
    ) {
        switch input {
        case .start(let head): start(head, now, &outputs)
        case .advanced(let head, let report): advance(head, report, now, &outputs)
        case .commitmentsRead(let height, let commitments):
            commitmentsRead(height, commitments, now, &outputs)
        case .gossip(let id, let topic, let bytes, _): heard(id, topic, bytes, now, &outputs)
        case .finished(let result): finished(result, now, &outputs)
        case .bodyArrived(let root): bodyArrived(root, &outputs)
        case .bodyRead(let root, let bytes): bodyRead(root, bytes, now, &outputs)
        case .stored(let id, let reply): stored(id, reply, now, &outputs)
        case .signed(let parts): signed(parts, now, &outputs)
        case .proofReceived(let id, let bytes): proofReceived(id, bytes, &outputs)
        case .certificateReceived(let id, let certificate):
            certificateReceived(id, certificate, now, &outputs)
        case .statementReceived(let id, let statement):
            statementReceived(id, statement, now, &outputs)
        case .requestEnded(let id, _): requestEnded(id, now, &outputs)
        case .serve(let id, let peer, let request): serve(id, peer, request, now, &outputs)
        case .shelve(let operation, let proofs): shelve(operation, proofs, &outputs)
        case .attest(let statement): attest(statement, &outputs)
        case .peerConnected(let peer):
            connected.append(peer)
            askAgain(now, &outputs)
        case .peerDisconnected(let peer): connected.remove(peer)
        case .timeout: break
        }
        passTime(now, &outputs)
        settle(now, &outputs)
    }

    // MARK: Time

    private mutating func passTime(_ now: Now, _ outputs: inout [PartOutput]) {
        if let due = retryAt, due <= now.instant {
            retryAt = nil
            retry(now, &outputs)
        }
        passPulls(now, &outputs)
        passAttestations(now, &outputs)
        if phase == .running, let due = pool.nextDeadline, due <= now.instant {
            tell(.timeout, now, &outputs)
        }
    }

    mutating func retryLater(_ now: Now) {
        retryAt = earliest(
            retryAt, now.instant.advanced(by: configuration.waits.retryInterval))
    }

    private mutating func retry(_ now: Now, _ outputs: inout [PartOutput]) {
        if mustRestore { restore(&outputs) }
        admit(now, &outputs)
        shelveWaiting(&outputs)
        for (name, operation) in watched where operation.isExecuting { gather(name, &outputs) }
    }

    /// Ends a turn: what has gathered leaves.
    private mutating func settle(_ now: Now, _ outputs: inout [PartOutput]) {
        while let answer = answers.popFirst() { tell(answer, now, &outputs) }
        sayAgain(&outputs)
        while let work = checks.next() { run(work, &outputs) }
        while let check = enclaves.next() { run(.attestation(check), &outputs) }
        if !writes.isEmpty {
            let rows = writes
            writes = []
            store(.write(rows, sync: false), for: .rows, &outputs)
        }
        if let rows = gate.nextWrite(now.instant) {
            store(.write(rows, sync: true), for: .intents, &outputs)
        }
        if let requests = gate.nextSigning(now.instant) { outputs.append(.sign(requests)) }
    }

    mutating func run(_ work: PartJob.Work, _ outputs: inout [PartOutput]) {
        outputs.append(.run(PartJob(work: work, network: configuration.network)))
    }

    mutating func store(
        _ request: StoreRequest, for purpose: StorePurpose, _ outputs: inout [PartOutput]
    ) {
        lastStore += 1
        stores[PartStoreID(lastStore)] = purpose
        outputs.append(.store(PartStoreID(lastStore), request))
    }

    /// A request to a peer; nil when there are too many.
    @discardableResult
    mutating func ask(
        _ peer: PeerID, _ request: PartRequest, for purpose: AskedOf,
        _ outputs: inout [PartOutput]
    ) -> PartRequestID? {
        guard requests.count < configuration.limits.requestsMax else { return nil }
        lastRequest += 1
        requests[PartRequestID(lastRequest)] = purpose
        outputs.append(.ask(PartRequestID(lastRequest), peer, request))
        return PartRequestID(lastRequest)
    }
}

/// What a request to the store is for.
enum StorePurpose: Hashable {
    case floor
    case subproofRows
    case shelfRows
    case intents
    case rows
    case shelved(Bytes32)
    /// A proof that is to be verified here.
    case proof(SubproofJobID, root: Bytes32)
    case served(PartServeID, root: Bytes32)
    case certificates(PartServeID, parts: [UInt16])
    case statements(PartServeID, PartAnswer)
    /// A statement that a commitment names.
    case attestation(root: Bytes32)
    /// A statement that contradicts a commitment.
    case contradiction(Bytes32, commitment: Bytes32, root: Bytes32)
}

/// What a peer was asked for.
enum AskedOf: Hashable {
    case proof(SubproofJobID, PeerID)
    case certificates(operation: Bytes32, parts: [UInt16], PeerID, left: Int)
    case statements(operation: Bytes32, PeerID, left: Int)
    case votes
    case attestation(root: Bytes32, PeerID)
}
