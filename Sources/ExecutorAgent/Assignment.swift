import ChoraleBase
import ChoraleTypes
import Operations

/// An open operation that this executor is elected for.
///
///     idle ─▶ working ─▶ said ─▶ onChain
///       ▲        │         │        │ refused
///       │   missing body   │        ▼
///       ├────────┤         │      failed
///       └─ superseded ◀────┘   (from anywhere but onChain: somebody else's commitment is on chain)
struct Assignment: Sendable {
    let request: OperationRequest
    let kind: ExecutableKind
    let limits: KindRecord
    /// 0 for the primary.
    let rank: Int
    var phase = Phase.idle
    /// Whether it may be worked on now: its turn has come, nobody has committed, and this executor is still one.
    var mayWork = false
    var hasBegun = false
    /// How often its bodies were not here.
    var misses = 0
    /// Of its parts, as far as this run knows; 0 until it is executed.
    var proven = 0
    var parts = 0
    var renewal: (progress: UInt16, height: UInt64)?

    enum Phase: Sendable {
        /// Its turn has not come, or others have the places.
        case idle
        /// A body is not here, or the disk fails: tried again at this time.
        case missing(root: Bytes32?, until: MonotonicInstant)
        /// It has one of the places.
        case working(Step, deadline: MonotonicInstant?)
        /// The commitment waits for a block.
        case said(Said)
        /// Somebody else's commitment is on chain.
        case superseded
        /// Ours is.
        case onChain(Committed)
        case failed
    }

    enum Step: Sendable {
        /// Reads what an earlier run, or turn, has left.
        case rows(ExecutorStoreID, Rows)
        case input(Rows, hasArrived: Bool)
        case body(KindInput, Rows, hasArrived: Bool)
        /// Waits for a worker.
        case ready(KindInput, body: [UInt8], Rows)
        case executing(ExecutorJobID)
        case proving(Proving)
        /// Proofs are on their way to where they are served from.
        case shelving([[UInt8]], RecordedCommitment, isRecorded: Bool)
        /// Nil: the last write failed.
        case recording(ExecutorStoreID?, RecordedCommitment)
    }

    /// What is on disk of an operation.
    struct Rows: Sendable {
        var proofs: [Int: [UInt8]] = [:]
        /// Statements of an enclave.
        var attestations: [Int: [UInt8]] = [:]
        var commitment: RecordedCommitment?
    }

    struct Proving: Sendable {
        let execution: KindExecution
        var proofs: [[UInt8]?]
        /// By part.
        var attestations: [Attesting]
        /// By part.
        var running: [Int: ExecutorJobID] = [:]
        /// The job that makes the commitment of all proofs.
        var committing: ExecutorJobID?

        /// The next part for a worker.
        var nextPart: Int? {
            proofs.indices.first { proofs[$0] == nil && running[$0] == nil }
        }

        /// The next part of which a worker is to get a statement.
        var nextAttestation: Int? {
            attestations.firstIndex { if case .wanted = $0 { true } else { false } }
        }

        var isAttesting: Bool {
            attestations.contains { if case .running = $0 { true } else { false } }
        }

        /// Bodies, by part.
        var statements: [[UInt8]?] {
            attestations.map { if case .done(let body) = $0 { body } else { nil } }
        }
    }

    /// How far a part's statement by an enclave is.
    enum Attesting: Sendable {
        /// A worker is to get it.
        case wanted
        case running(ExecutorJobID)
        /// Signed, as a body.
        case done([UInt8])
        /// There is no enclave, or it does not vouch for this.
        case absent
    }

    struct Said: Sendable {
        let commitment: ExecutionCommitment
        let output: StoredOutput
        /// Of the chain, when it was said last.
        var height: UInt64
    }

    struct Committed: Sendable {
        let outputHash: Bytes32
        var output: Output
        /// Of the chain, when the settlement was asked for last.
        var settledAt: UInt64?

        enum Output: Sendable {
            case known(StoredOutput)
            case reading(ExecutorStoreID)
            /// It could not be read.
            case unread
            /// It is not on this disk: anybody else who has it can settle.
            case lost
        }
    }

    init(_ request: OperationRequest, _ kind: ExecutableKind, _ limits: KindRecord, rank: Int) {
        self.request = request
        self.kind = kind
        self.limits = limits
        self.rank = rank
    }

    var isWorking: Bool {
        switch phase {
        case .working: true
        case .idle, .missing, .said, .superseded, .onChain, .failed: false
        }
    }

    /// When something is to be tried again.
    var deadline: MonotonicInstant? {
        switch phase {
        case .missing(_, let until): until
        case .working(_, let deadline): deadline
        case .idle, .said, .superseded, .onChain, .failed: nil
        }
    }

    /// In one word, for people.
    var state: String {
        switch phase {
        case .idle: mayWork ? "queued" : "standby"
        case .missing: "missing"
        case .said: "committing"
        case .superseded: "superseded"
        case .onChain(let committed): committed.settledAt == nil ? "committed" : "settling"
        case .failed: "failed"
        case .working(let step, _):
            switch step {
            case .rows, .input, .body, .ready: "reading"
            case .executing: "executing"
            case .proving: "proving"
            case .shelving, .recording: "storing"
            }
        }
    }

    /// In thousandths, for renewals; nil when there is nothing to say.
    var progress: UInt16? {
        guard case .working(.proving(let proving), _) = phase, !proving.proofs.isEmpty else {
            return nil
        }
        let done = proving.proofs.count { $0 != nil }
        return UInt16(100 + 900 * done / proving.proofs.count)
    }
}

/// An output, as far as the contract stores it.
struct StoredOutput: Hashable, Sendable {
    let size: Int
    /// Empty when it is longer than ``Operations/OperationsContract/storedOutputMax``.
    let bytes: [UInt8]

    init(_ output: [UInt8]) {
        size = output.count
        bytes = output.count <= Int(OperationsContract.storedOutputMax) ? output : []
    }
}
