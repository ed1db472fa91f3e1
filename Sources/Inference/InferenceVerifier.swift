import ChoraleBase
public import ProofSystems
import Spartan

/// Verifies proofs of parts of inferences. Its set-up artefact is the model file.
///
/// Specification: docs/inference.md, "Proofs".
public struct InferenceVerifier: ProofVerifier {
    public init() {}

    public var type: ProofType { .spartan }

    /// The size of a proof follows from its part. Of digits it is four kilobytes; of the widest layer
    /// there can be, all of whose parts carry its input, 67 KiB.
    public var proofSizeMax: Int { 68 << 10 }

    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> InferenceJob {
        let model: QuantisedModel
        do { model = try QuantisedModel(decoding: artefact) } catch { throw .refused("\(error)") }
        do { return try InferenceJob(model) } catch { throw .refused("\(error)") }
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: InferenceJob
    ) -> ProofVerdict {
        do {
            try key.verify(proof, of: statement)
            return .valid
        } catch {
            return .invalid(ProofFault(error.reason, error))
        }
    }
}

extension InferenceFault {
    /// The kind of fault, as votes name it.
    public var reason: ProofFault.Reason {
        switch self {
        case .partCount, .inputShape, .outputShape: .program
        case .key(_, let found, let expected): found.program == expected.program ? .key : .program
        case .input, .output: .notBound
        case .proof(_, let fault):
            switch fault {
            case .size: .size
            case .unsupportedVersion, .invalidPoint, .invalidScalar: .malformed
            case .inputCommitment, .outputCommitment: .notBound
            // Another binding changes every challenge, and so shows first where the first are used.
            case .outerSumCheck, .innerSumCheck, .inputOpening, .outputOpening, .internalOpening:
                .check
            }
        }
    }
}

/// Proves parts of inferences of one model, executing it for each: that takes a small part of the
/// time that a proof takes, and nothing has to be believed of whoever sent the input.
public struct InferenceProver: ProofProver {
    private let job: InferenceJob

    public init(_ job: InferenceJob) { self.job = job }

    public var type: ProofType { .spartan }

    /// - Parameter witness: the model's input, as a vector file.
    public func prove(
        _ statement: ProofStatement, witness: [UInt8]
    ) throws(ProvingError) -> [UInt8] {
        guard statement.key.type == type, statement.key.artefact == job.model.hash else {
            throw .unsupported(statement.key.type)
        }
        guard statement.partCount == job.partCount else {
            throw .witness("a plan of \(statement.partCount) parts, not \(job.partCount)")
        }
        let execution: Execution
        do {
            execution = try job.model.execute(try QuantisedVector(decoding: witness))
        } catch {
            throw .witness("\(error)")
        }
        let part = Int(statement.part)
        guard job.key(part: part) == statement.key else {
            throw .witness("another program than that of part \(part)")
        }
        let circuit = job.circuit(part: part)
        let assignment = job.model.assignment(of: job.plan.parts[part], in: execution)
        guard
            VectorCommitment(to: assignment.inputs).digest == statement.input,
            VectorCommitment(to: assignment.outputs).digest == statement.output
        else { throw .witness("the input gives part \(part) other values than the statement's") }
        do {
            return try Spartan.prove(
                shape: circuit, assignment: assignment, binding: statement.binding
            ).bytes
        } catch {
            throw .witness("\(error)")
        }
    }
}
