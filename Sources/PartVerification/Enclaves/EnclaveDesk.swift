import ChoraleBase
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import ProofSystems

/// What a verified statement says of a part: all of it but its evidence, which is on the shelf.
struct EnclaveFact: Hashable, Sendable {
    let part: UInt8
    let partCount: UInt8
    let input: Bytes32
    let output: Bytes32
    let executor: Bytes32
    /// Key of the platform.
    let enclave: Bytes32
    /// Of the statement as a body.
    let root: Bytes32

    init(_ content: EnclaveStatementContent, enclave: Bytes32, root: Bytes32) {
        part = UInt8(content.body.part)
        partCount = content.partCount
        input = content.body.input
        output = content.body.output
        executor = content.executor
        self.enclave = enclave
        self.root = root
    }
}

/// A statement that a worker checks.
struct EnclaveCheck: Sendable {
    let statement: EnclaveStatement
    let parameters: EnclaveParameters
    /// As it came.
    let bytes: [UInt8]
    let origin: MessageOrigin
}

/// A statement that a commitment names, on its way here.
///
///     due ─▶ shelf ─▶ asking ─▶ checked
///              ╰────────┴─▶ given up
struct EnclavePull {
    enum Stage: Hashable {
        /// Gossip may still bring it.
        case due(MonotonicInstant)
        case shelf
        case asking(PeerID)
    }

    let operation: Bytes32
    let part: Int
    let reference: ProofReference
    let executor: PeerID
    var stage: Stage
    var asked: [PeerID] = []
}

/// What enclaves vouch for, of parts of open operations.
///
/// Of each part and executor there is one statement: the first that was checked. One that is signed by its executor
/// and wrong keeps all others of it away.
struct EnclaveDesk {
    struct Speaker: Hashable {
        let part: UInt8
        let executor: Bytes32
    }

    /// nil for one that is wrong.
    private var facts: OrderedDictionary<Bytes32, OrderedDictionary<Speaker, EnclaveFact?>> = [:]
    private(set) var count = 0
    private let countMax: Int
    /// Facts that the chain was told to contradict a commitment, by its root.
    private var shown: [Bytes32: Set<Bytes32>] = [:]
    /// Disputes of the chain that the pool knows.
    private var told: [Bytes32: EnclaveDispute] = [:]
    /// Platforms that were caught, by this node's own pool or the chain.
    private(set) var revoked: OrderedSet<Bytes32> = []
    private let revokedMax: Int

    private var waiting: Deque<EnclaveCheck> = []
    private let waitingMax: Int
    private var jobs = 0
    private let jobsMax: Int

    var pulls: OrderedDictionary<Bytes32, EnclavePull> = [:]

    init(_ limits: PartLimits) {
        countMax = limits.attestationsMax
        revokedMax = limits.enclavesMax
        waitingMax = limits.attestationChecksMax
        jobsMax = limits.attestationJobsMax
    }

    // MARK: Facts

    /// Whether nothing more is to be heard of a part from its executor, or there is no room.
    func isDone(_ content: EnclaveStatementContent) -> Bool {
        let speaker = Speaker(part: UInt8(content.body.part), executor: content.executor)
        return count >= countMax || facts[content.operation]?[speaker] != nil
    }

    func knows(_ operation: Bytes32, part: Int, executor: Bytes32) -> Bool {
        facts[operation]?[Speaker(part: UInt8(part), executor: executor)] != nil
    }

    func facts(of operation: Bytes32) -> [EnclaveFact] {
        facts[operation]?.values.compactMap { $0 } ?? []
    }

    /// - Parameter fact: nil for a statement that is signed and wrong.
    mutating func add(_ fact: EnclaveFact?, of content: EnclaveStatementContent) {
        guard !isDone(content) else { return }
        let speaker = Speaker(part: UInt8(content.body.part), executor: content.executor)
        facts[content.operation, default: [:]].updateValue(fact, forKey: speaker)
        count += 1
    }

    /// Returns whether the chain is yet to be told that a fact contradicts a commitment.
    mutating func show(_ fact: EnclaveFact, against commitment: Bytes32) -> Bool {
        shown[commitment, default: []].insert(fact.root).inserted
    }

    /// It could not be shown.
    mutating func unshow(_ root: Bytes32, against commitment: Bytes32) {
        shown[commitment]?.remove(root)
    }

    /// Returns whether the pool is yet to be told of a dispute.
    mutating func tell(_ dispute: EnclaveDispute, of operation: Bytes32) -> Bool {
        told.updateValue(dispute, forKey: operation) != dispute
    }

    /// Returns whether that is new.
    mutating func revoke(_ enclave: Bytes32) -> Bool {
        guard revoked.append(enclave).inserted else { return false }
        if revoked.count > revokedMax { revoked.removeFirst() }
        return true
    }

    /// Forgets what belongs to operations and commitments that are over.
    mutating func prune(to operations: OrderedDictionary<Bytes32, OpenOperation>) {
        facts.removeAll { operations[$0.key] == nil }
        count = facts.values.reduce(0) { $0 + $1.count }
        let commitments = Set(operations.values.compactMap { $0.commitment?.root })
        shown = shown.filter { commitments.contains($0.key) }
        told = told.filter { operations[$0.key]?.dispute == $0.value }
    }

    /// The commitment is closed: what it names is not fetched any more, and the next is told everything again.
    mutating func close(_ operation: Bytes32) {
        told.removeValue(forKey: operation)
        pulls.removeAll { $0.value.operation == operation }
    }

    // MARK: Checks

    /// False when there are too many.
    mutating func add(_ check: EnclaveCheck) -> Bool {
        guard waiting.count < waitingMax else { return false }
        waiting.append(check)
        return true
    }

    mutating func next() -> EnclaveCheck? {
        guard !waiting.isEmpty, jobs < jobsMax else { return nil }
        jobs += 1
        return waiting.removeFirst()
    }

    mutating func finished() { jobs -= 1 }

    // MARK: Pulls

    var deadline: MonotonicInstant? {
        var next: MonotonicInstant?
        for pull in pulls.values {
            if case .due(let at) = pull.stage { next = earliest(next, at) }
        }
        return next
    }
}
