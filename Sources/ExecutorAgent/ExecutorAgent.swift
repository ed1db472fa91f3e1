import Chain
public import ChoraleBase
import ChoraleTypes
import Operations
import OrderedCollections
import PartVerification
import PeerIdentity

/// Executes what this node is elected for: fetches bodies, executes, proves part by part, commits, and settles.
///
/// What happens to one operation is drawn at ``Assignment``. The registry of each final block says what is open,
/// whose turn it is and what was committed; everything else follows.
///
/// 1. Nothing is begun before it is known what an earlier run has left, so that there are never two different
///    commitments of this executor to one operation: what was signed is on disk before it is said, and said again as it is.
///    (Checked in `begin` and `stored`.)
/// 2. A finished part is written at once. After a crash an operation is executed again, which is deterministic, and only
///    parts that are missing are proven.
/// 3. Proofs are served before the commitment that names them is said.
/// 4. At most `workers` jobs run and ``ExecutorLimits/places`` operations hold bodies, executions or proofs.
///    Those that expire first go first; one whose body is not here gives its place away, so that requests without
///    bodies hold nothing up.
/// 5. What cannot be done is given up with an event. Requests, bodies and models are anybody's: none of them traps.
///
/// Memory: ``ExecutorLimits/places`` operations at work; of each other open one (``Operations/OperationRegistry/openMax``) at most
/// its commitment, 14 KiB, and a kilobyte of output.
///
/// States, as ``ExecutorInfo/JobInfo/state`` says them: standby, queued, missing (a body), reading, executing,
/// proving, storing, committing, superseded, committed, settling, failed.
///
/// Specification: mechanisms rows 0.3, 0.14.
public struct ExecutorAgent: StateMachine, ~Copyable {
    public let configuration: ExecutorConfiguration
    let key: Bytes32

    var head: OperationHead?
    /// Open operations that it is elected for.
    var assignments: OrderedDictionary<Bytes32, Assignment> = [:]
    var scan = RowScan.waiting
    /// Open operations that have rows.
    var recorded: Set<Bytes32> = []
    var counters: ExecutorInfo
    var jobsRunning: Set<ExecutorJobID> = []
    private var lastID: UInt64 = 0

    /// - Precondition: the key is Ed25519.
    public init(_ configuration: ExecutorConfiguration) {
        guard case .ed25519(let key) = configuration.key.publicKey else {
            preconditionFailure("executors have Ed25519 keys")
        }
        self.configuration = configuration
        self.key = key
        counters = ExecutorInfo(key: key)
    }

    public var nextDeadline: MonotonicInstant? {
        assignments.values.reduce(scan.deadline) { earliest($0, $1.deadline) }
    }

    public mutating func handle(
        _ input: ExecutorInput, now: Now, into outputs: inout [ExecutorOutput]
    ) {
        let now = now.instant
        switch input {
        case .start(let head):
            follow(head, changes: [], into: &outputs)
            beginScan(from: [], into: &outputs)
        case .advanced(let head, let report):
            follow(head, changes: report.changes, into: &outputs)
        case .bodyArrived(let root): bodyArrived(root)
        case .bodyRead(let root, let body): bodyRead(root, body, now: now, into: &outputs)
        case .finished(let result): finished(result, now: now, into: &outputs)
        case .stored(let id, let reply): stored(id, reply, now: now, into: &outputs)
        case .shelved(let operation): shelved(operation, now: now, into: &outputs)
        case .timeout: expire(now: now, into: &outputs)
        }
        fillPlaces(now: now, into: &outputs)
        giveJobs(into: &outputs)
        renew(into: &outputs)
    }

    mutating func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }

    mutating func store(
        _ request: StoreRequest, into outputs: inout [ExecutorOutput]
    ) -> ExecutorStoreID {
        let id = ExecutorStoreID(nextID())
        outputs.append(.store(id, request))
        return id
    }

    /// It cannot be done here.
    mutating func fail(
        _ name: Bytes32, _ reason: String, into outputs: inout [ExecutorOutput]
    ) {
        assignments[name]?.phase = .failed
        counters.failed += 1
        outputs.append(.event(.failed(operation: name, reason)))
    }

    /// Tries again what was not answered, or failed.
    private mutating func expire(now: MonotonicInstant, into outputs: inout [ExecutorOutput]) {
        if case .failed(let from, let until) = scan, until <= now {
            beginScan(from: from, into: &outputs)
        }
        for (name, assignment) in assignments {
            guard let deadline = assignment.deadline, deadline <= now else { continue }
            switch assignment.phase {
            case .missing: assignments[name]?.phase = .idle
            case .working(let step, _):
                switch step {
                case .rows, .input, .body: miss(name, nil, now: now)
                case .shelving: shelve(name, step, now: now, into: &outputs)
                case .recording(_, let record): self.record(name, record, now: now, into: &outputs)
                case .ready, .executing, .proving:
                    preconditionFailure("workers have no deadline")
                }
            case .idle, .said, .superseded, .onChain, .failed:
                preconditionFailure("nothing is waited for")
            }
        }
    }
}
