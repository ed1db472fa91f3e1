public import ChoraleBase
public import Operations

extension OperationChange {
    /// A word for logs, events and counters. Stable.
    public var label: String {
        switch self {
        case .requested: "requested"
        case .ignored: "ignored"
        case .elected: "elected"
        case .renewed: "renewed"
        case .committed: "committed"
        case .partCertified: "part_certified"
        case .justified: "justified"
        case .certified: "certified"
        case .partJudged: "part_judged"
        case .lapsed: "lapsed"
        case .rejected: "rejected"
        case .frozen: "frozen"
        case .upheld: "upheld"
        case .enclaveRevoked: "enclave_revoked"
        case .settled: "settled"
        case .expired: "expired"
        case .executorJoined: "executor_joined"
        case .executorRefused: "executor_refused"
        case .executorLeft: "executor_left"
        case .executorSlashed: "executor_slashed"
        }
    }

    /// The operation that it is about; nil when it is about an executor alone.
    public var operation: Bytes32? {
        switch self {
        case .requested(let operation), .ignored(let operation, _), .elected(let operation, _),
            .renewed(let operation, _), .committed(let operation, _),
            .partCertified(let operation, _), .partJudged(let operation, _),
            .justified(let operation), .certified(let operation), .lapsed(let operation, _),
            .rejected(let operation, _), .frozen(let operation), .upheld(let operation),
            .enclaveRevoked(let operation, _), .settled(let operation), .expired(let operation):
            operation
        case .executorJoined, .executorRefused, .executorLeft, .executorSlashed: nil
        }
    }

    /// The executor that it names; the primary one of an election.
    public var executor: Bytes32? {
        switch self {
        case .elected(_, let executors): executors.first
        case .committed(_, let executor), .rejected(_, let executor),
            .lapsed(_, let executor), .executorJoined(let executor), .executorRefused(let executor),
            .executorLeft(let executor), .executorSlashed(let executor):
            executor
        case .requested, .ignored, .renewed, .partCertified, .partJudged, .justified, .certified,
            .frozen, .upheld, .enclaveRevoked, .settled, .expired:
            nil
        }
    }
}
