import ChoraleBase
public import Codec
public import Inference
public import ProofSystems

/// Why an operation cannot be executed, or a commitment to it is not believed.
public enum KindFault: Error, Equatable, Sendable {
    // The request's own: nobody can execute it, and it expires.

    /// The input is not the body that the kind wants.
    case input(SSZError)
    /// The bodies are of another input than the request's hash.
    case otherInput
    /// The model's file is not the one that the input names.
    case otherModel
    case model(String)
    case vector(QuantisedVector.DecodeError)
    case execution(InputError)
    /// More parts than a commitment can have.
    case partCount(Int, limit: Int)
    /// A proof is larger than one may be.
    case proofSize(Int)

    // The commitment's: its executor's doing.

    /// The output is not the one that was committed to.
    case otherOutput
    case output(QuantisedVector.DecodeError)
    /// The parts do not follow from the operation, or not from its input to its output.
    case parts(InferenceFault)
    case plan(SplitPlan.PlanFault)
    /// The parts make another plan than the one that was committed to.
    case otherPlan

    /// Whether an honest executor could have come to it.
    public var isOfCommitment: Bool {
        switch self {
        case .otherOutput, .output, .parts, .plan, .otherPlan: true
        case .input, .otherInput, .otherModel, .model, .vector, .execution, .partCount, .proofSize:
            false
        }
    }
}
