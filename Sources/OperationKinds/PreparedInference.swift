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

    /// Checks that the bodies are those of the request, and makes the parts' systems.
    public init(
        _ request: OperationRequest, input: InferenceInput, modelFile: [UInt8]
    ) throws(KindFault) {
        let asked = try RequestedInference(request, input: input, modelFile: modelFile)
        self.input = asked.input
        do {
            job = try InferenceJob(asked.model)
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
                plan: job.splitPlan(operation: request.operation, execution: execution),
                claim: execution.output)
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
    /// Of what is committed to.
    public let plan: SplitPlan
    /// The output that is committed to: the execution's, unless somebody lies on purpose.
    private let claim: QuantisedVector

    init(job: InferenceJob, execution: Execution, plan: SplitPlan, claim: QuantisedVector) {
        self.job = job
        self.execution = execution
        self.plan = plan
        self.claim = claim
    }

    /// The vector file.
    public var output: [UInt8] { claim.encoded() }

    /// The same with one value of the output changed: a lie in valid form, for tests of those who verify.
    ///
    /// Plan, output and commitment fit each other, and parts before the last are proven as they are. The last part's
    /// proof is that of what was really executed, under the changed plan's name: nothing but verifying it shows the lie.
    public func withWrongOutput() -> Self {
        let wrong: QuantisedVector
        // The lowest bit: whatever element and range the values have, they keep to it.
        switch claim {
        case .int8(var values):
            values[0] ^= 1
            wrong = .int8(values)
        case .int32(var values):
            values[0] ^= 1
            wrong = .int32(values)
        }
        var parts = plan.parts
        let last = parts.removeLast()
        parts.append(SplitPlan.Part(key: last.key, input: last.input, output: wrong.commitment))
        do throws(SplitPlan.PlanFault) {
            let changed = try SplitPlan(operation: plan.operation, parts: parts)
            return Self(job: job, execution: execution, plan: changed, claim: wrong)
        } catch {
            preconditionFailure("nothing meets the end of the last part: \(error)")
        }
    }

    /// Proves one part: the body of its ``ProofSystems/SubProof``.
    ///
    /// - Parameter prover: the executor's key.
    /// - Precondition: the plan has that part.
    public func prove(part: Int, prover: Bytes32) throws(KindFault) -> [UInt8] {
        let isLie = part == plan.parts.count - 1 && claim != execution.output
        let proven = isLie ? job.splitPlan(operation: plan.operation, execution: execution) : plan
        let statement = proven.statement(part: part, prover: prover)
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
