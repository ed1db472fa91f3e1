import ChoraleBase
import ChoraleTypes
import OperationKinds
import ProofSystems
import Subproof

/// An operation with everything that is needed to verify proofs of its parts; or, where there are none, with what
/// executing it has shown. Shared by workers.
enum PreparedOperation: Sendable {
    case inference(PreparedInference, SplitPlan, modelSize: UInt64)
    /// For a committee: the hash that this member names.
    case judged(Bytes32)

    /// Of its bodies, in bytes.
    var size: UInt64 {
        switch self {
        case .inference(_, _, let modelSize): modelSize
        case .judged: 0
        }
    }

    /// - Parameter executor: whose commitment names the proof.
    func verify(_ body: [UInt8], part: Int, by executor: Bytes32) -> ProofOutcome {
        switch self {
        case .inference(let prepared, let plan, _):
            guard plan.parts.indices.contains(part) else { return .unsupported }
            switch prepared.verify(body, part: part, of: plan, by: executor) {
            case .good: return .valid
            case .bad(let reason): return .invalid(reason)
            }
        // There are no proofs.
        case .judged: return .unsupported
        }
    }
}

/// What became of an operation's bodies.
enum Preparation: Sendable {
    case idle
    /// Bodies come one after the other. What is read now, is not read again.
    case gathering(KindBodies, isReading: Bool)
    /// A worker has them.
    case working
    /// - size: of the bodies.
    case ready(PreparedOperation, size: UInt64)
    /// Nothing can be said of it: not the executor's fault, or nobody's.
    case unsupported
    /// The commitment is wrong whatever its proofs say.
    case faulty(RejectReason)

    /// Whether a large body is in memory, or on its way.
    var isHeavy: Bool {
        switch self {
        case .gathering(let bodies, let isReading): isReading && bodies.isNextLarge
        case .working: true
        case .idle, .ready, .unsupported, .faulty: false
        }
    }
}
