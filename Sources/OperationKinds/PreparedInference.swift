public import ChoraleBase
public import ChoraleTypes
import Codec
import Crypto
import Inference
public import Operations
public import ProofSystems

/// An inference that was requested, with its bodies: ready to be executed by one, and verified in parts by others.
///
/// A value: workers get a copy, which shares storage.
public struct PreparedInference: Sendable {
    public let request: OperationRequest
    private let job: InferenceJob
    private let input: QuantisedVector

    /// What the request's input says. The first thing to be known: where the model is.
    public static func input(_ body: [UInt8]) throws(KindFault) -> InferenceInput {
        do throws(SSZError) {
            return try InferenceInput(ssz: body.span)
        } catch {
            throw .input(error)
        }
    }

    /// Checks that the bodies are those of the request, and makes the parts' systems.
    public init(
        _ request: OperationRequest, input: InferenceInput, modelFile: [UInt8]
    ) throws(KindFault) {
        guard SHA256.hash(modelFile) == input.model else { throw .otherModel }
        do throws(QuantisedVector.DecodeError) {
            self.input = try QuantisedVector(decoding: input.vector)
        } catch {
            throw .vector(error)
        }
        let asked = InferenceRequest(model: input.model, input: self.input.hash)
        guard asked.hash == request.inputHash else { throw .otherInput }
        do {
            job = try InferenceJob(try QuantisedModel(decoding: modelFile))
        } catch {
            throw .model("\(error)")
        }
        guard job.partCount <= ExecutionCommitmentContent.partsMax else {
            throw .partCount(job.partCount, limit: ExecutionCommitmentContent.partsMax)
        }
        self.request = request
    }

    public var partCount: Int { job.partCount }

    // MARK: Executing

    /// Executes it: once, by whoever was elected.
    public func execute() throws(KindFault) -> ExecutedInference {
        do throws(InputError) {
            let execution = try job.model.execute(input)
            return ExecutedInference(
                job: job, execution: execution,
                plan: job.splitPlan(operation: request.operation, execution: execution))
        } catch {
            throw .execution(error)
        }
    }

    // MARK: Verifying

    /// Checks that a commitment is to this operation, from its input to the output that it names.
    ///
    /// Proofs of all parts, of which others verify most, then say that the output is right.
    ///
    /// - Parameter output: the body that the commitment names.
    /// - Returns: what the proofs of its parts are about.
    public func plan(
        of commitment: ExecutionCommitmentContent, output: [UInt8]
    ) throws(KindFault) -> SplitPlan {
        guard commitment.outputSize == UInt64(output.count),
            Keccak256.hash(output) == commitment.outputHash
        else { throw .otherOutput }
        let vector: QuantisedVector
        do throws(QuantisedVector.DecodeError) {
            vector = try QuantisedVector(decoding: output)
        } catch {
            throw .output(error)
        }
        guard commitment.parts.count == job.partCount else {
            throw .parts(
                .partCount(found: commitment.parts.count, expected: job.partCount))
        }
        let plan: SplitPlan
        do throws(SplitPlan.PlanFault) {
            plan = try SplitPlan(
                operation: request.operation,
                parts: commitment.parts.enumerated().map { index, part in
                    SplitPlan.Part(
                        key: job.key(part: index), input: part.input, output: part.output)
                })
        } catch {
            throw .plan(error)
        }
        guard plan.root == commitment.planRoot else { throw .otherPlan }
        do throws(InferenceFault) {
            try job.check(plan, input: input, output: vector)
        } catch {
            throw .parts(error)
        }
        return plan
    }

    /// Verifies the proof of one part.
    ///
    /// - Parameters:
    ///   - body: a ``ProofSystems/SubProof``, as the commitment names it.
    ///   - part: of the plan.
    ///   - plan: as ``plan(of:output:)`` gave it.
    ///   - executor: whose commitment it is; nobody else can have proven for it.
    public func verify(
        _ body: [UInt8], part: Int, of plan: SplitPlan, by executor: Bytes32
    ) -> PartFinding {
        let proof: SubProof
        do throws(SSZError) {
            proof = try SubProof(ssz: body.span)
        } catch {
            return .bad(.malformed)
        }
        guard proof.part == UInt32(part), proof.prover == executor else {
            return .bad(.otherStatement)
        }
        let statement: ProofStatement
        do throws(ChainFault) {
            statement = try plan.statement(of: proof)
        } catch {
            switch error {
            case .input, .output, .swapped: return .bad(.brokenChain)
            case .foreignPlan, .foreignPart, .type, .duplicated, .missing:
                return .bad(.otherStatement)
            }
        }
        do throws(InferenceFault) {
            try job.verify(proof.proof.bytes.span, of: statement)
            return .good
        } catch {
            return switch error.reason {
            case .size, .malformed: .bad(.malformed)
            default: .bad(.proofFails)
            }
        }
    }
}

/// What verifying one part's proof came to.
public enum PartFinding: Hashable, Sendable {
    case good
    case bad(RejectReason)
}

/// An inference that was executed, ready to be proven in parts.
public struct ExecutedInference: Sendable {
    private let job: InferenceJob
    private let execution: Execution
    public let plan: SplitPlan

    init(job: InferenceJob, execution: Execution, plan: SplitPlan) {
        self.job = job
        self.execution = execution
        self.plan = plan
    }

    /// The vector file.
    public var output: [UInt8] { execution.output.encoded() }

    /// Proves one part: the body of its ``ProofSystems/SubProof``.
    ///
    /// - Parameter prover: the executor's key.
    /// - Precondition: the plan has that part.
    public func prove(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
        let statement = plan.statement(part: part, prover: prover)
        let proof: [UInt8]
        do {
            proof = try job.prove(part: part, of: execution, binding: statement.binding)
        } catch {
            preconditionFailure("an execution satisfies its parts' systems: \(error)")
        }
        guard
            let body = SubProof(plan: plan, part: part, prover: prover, proof: proof)
        else { throw .proofSize(proof.count) }
        return body.sszEncoded()
    }

    /// What is committed to.
    ///
    /// - Parameters:
    ///   - proofs: bodies of all parts, in their order.
    ///   - price: in wei.
    /// - Returns: nil when a bound of commitments is exceeded.
    public func commitment(
        by executor: Bytes32, proofs: [[UInt8]], price: UInt128
    ) -> ExecutionCommitmentContent? {
        let output = output
        var parts: [PartCommitment] = []
        for (part, proof) in zip(plan.parts, proofs) {
            guard let reference = ContentReference(kind: .proof, bytes: proof),
                let named = ProofReference(
                    type: part.key.type.rawValue, size: UInt32(proof.count), root: reference.root),
                let commitment = PartCommitment(
                    input: part.input, output: part.output, proofs: [named])
            else { return nil }
            parts.append(commitment)
        }
        guard parts.count == plan.parts.count,
            let body = ContentReference(kind: .generic, bytes: output)
        else { return nil }
        return ExecutionCommitmentContent(
            operation: plan.operation, executor: executor, outputHash: Keccak256.hash(output),
            outputSize: UInt64(output.count), outputRoot: body.root, price: price,
            planRoot: plan.root, parts: parts)
    }
}
