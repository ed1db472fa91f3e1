public import ChoraleBase
internal import Crypto
public import ProofSystems
public import Spartan

/// A model, made ready to be executed once, proven in parts and verified in parts.
///
/// Everything here follows from the model file: the parts, their constraint systems, and the programs
/// that a split plan must name.
///
/// Specification: docs/inference.md.
public struct InferenceJob: Sendable {
    public let model: QuantisedModel
    public let plan: InferencePlan
    /// All parts' systems, for a model so small that keeping them costs little.
    private let circuits: [R1CS]?

    /// Up to as many multiplications the systems of all parts are built at once and kept, at some 50
    /// bytes each. Larger models' systems are built for each proof, in less time than proving takes.
    static let keptTermCountMax = 1 << 20

    public init(_ model: QuantisedModel) throws(InferencePlan.PlanError) {
        self.model = model
        let plan = try InferencePlan(model)
        self.plan = plan
        circuits =
            model.multiplicationCount <= Self.keptTermCountMax
            ? plan.parts.map { model.circuit(of: $0) } : nil
    }

    public var partCount: Int { plan.parts.count }

    /// The constraint system of a part.
    ///
    /// - Precondition: the plan has that part.
    public func circuit(part: Int) -> R1CS {
        circuits?[part] ?? model.circuit(of: plan.parts[part])
    }

    /// What a statement about a part names: Spartan, the part's program, the model.
    ///
    /// - Precondition: the plan has that part.
    public func key(part: Int) -> VerifierKey {
        VerifierKey(
            type: .spartan, program: model.program(of: plan.parts[part]), artefact: model.hash)
    }

    /// The parts with what an execution gave each of them and what each gave.
    ///
    /// - Precondition: the execution is of this model.
    /// - Complexity: a sum of multiples of the values of each vector.
    public func splitPlan(operation: Bytes32, execution: Execution) -> SplitPlan {
        var parts: [SplitPlan.Part] = []
        var input = model.commitment(toInputOf: plan.parts[0], in: execution)
        for (index, part) in plan.parts.enumerated() {
            let output = model.commitment(toOutputOf: part, in: execution)
            parts.append(SplitPlan.Part(key: key(part: index), input: input, output: output))
            input = output
        }
        do {
            return try SplitPlan(operation: operation, parts: parts)
        } catch {
            preconditionFailure("parts meet and are at most 256: \(error)")
        }
    }

    /// Proves one part of an execution.
    ///
    /// - Precondition: the plan has that part, and the execution is of this model.
    /// - Throws: never for an honest execution.
    public func prove(
        part: Int, of execution: Execution, binding: Bytes32
    ) throws(SpartanProvingError) -> [UInt8] {
        try Spartan.prove(
            shape: circuit(part: part),
            assignment: model.assignment(of: plan.parts[part], in: execution), binding: binding
        ).bytes
    }

    /// Verifies a proof of one part.
    ///
    /// Whose part it is: whoever calls has checked the split plan (``check(_:input:output:)``).
    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement
    ) throws(InferenceFault) {
        guard statement.partCount == partCount else {
            throw .partCount(found: Int(statement.partCount), expected: partCount)
        }
        let part = Int(statement.part)
        let expected = key(part: part)
        guard statement.key == expected else {
            throw .key(part: part, found: statement.key, expected: expected)
        }
        do {
            try Spartan.verify(
                proof, shape: circuit(part: part), input: VectorCommitment(digest: statement.input),
                output: VectorCommitment(digest: statement.output), binding: statement.binding)
        } catch {
            throw .proof(part: part, error)
        }
    }

    /// Checks that a split plan is that of this model for this input and output.
    ///
    /// Proofs say that parts are right, and the plan's own form that they chain. This says what they
    /// are parts *of*: without it, a plan for another model or another input would pass.
    public func check(
        _ plan: SplitPlan, input: QuantisedVector, output: QuantisedVector
    ) throws(InferenceFault) {
        guard plan.parts.count == partCount else {
            throw .partCount(found: plan.parts.count, expected: partCount)
        }
        guard case .int8 = input, input.count == model.inputCount else { throw .inputShape }
        guard output.isInt8 == model.isOutputInt8, output.count == model.outputCount else {
            throw .outputShape
        }
        for (index, part) in plan.parts.enumerated() {
            let expected = key(part: index)
            guard part.key == expected else {
                throw .key(part: index, found: part.key, expected: expected)
            }
        }
        let first = input.commitment
        guard plan.input == first else { throw .input(found: plan.input, expected: first) }
        let last = output.commitment
        guard plan.output == last else { throw .output(found: plan.output, expected: last) }
    }
}

/// Why something is not a proven inference of a model.
public enum InferenceFault: Error, Equatable, Sendable {
    case partCount(found: Int, expected: Int)
    /// Another proof system, constraint system or model than the part's.
    case key(part: Int, found: VerifierKey, expected: VerifierKey)
    case proof(part: Int, SpartanFault)
    /// Not int8, or another number of values than the model takes.
    case inputShape
    /// Another element, or another number of values, than the model gives.
    case outputShape
    /// The plan begins with another vector than the input.
    case input(found: Bytes32, expected: Bytes32)
    /// The plan ends with another vector than the output.
    case output(found: Bytes32, expected: Bytes32)
}

extension QuantisedVector {
    /// What a statement names the vector by: anyone who has it computes this.
    public var commitment: Bytes32 {
        VectorCommitment(to: values.map { Scalar(Int64($0)) }).digest
    }

    var isInt8: Bool {
        switch self {
        case .int8: true
        case .int32: false
        }
    }
}

extension QuantisedModel {
    var isOutputInt8: Bool { layers[layers.count - 1].output != .accumulators }

    fileprivate func commitment(toInputOf part: PartRange, in execution: Execution) -> Bytes32 {
        VectorCommitment(to: inputs(of: part, in: execution).map { Scalar($0) }).digest
    }

    fileprivate func commitment(toOutputOf part: PartRange, in execution: Execution) -> Bytes32 {
        VectorCommitment(to: outputs(of: part, in: execution).map { Scalar($0) }).digest
    }
}

/// What an operation of this kind is asked to do, in 32 bytes.
///
/// Arithmetic, precision and rounding are fixed by the version of the model's format, and there is no
/// randomness: model and input are all that an output depends on.
public struct InferenceRequest: Hashable, Sendable {
    /// ``QuantisedModel/hash``.
    public let model: Bytes32
    /// ``QuantisedVector/hash`` of the input.
    public let input: Bytes32

    public init(model: Bytes32, input: Bytes32) {
        self.model = model
        self.input = input
    }

    /// SHA-256 of a domain, the model's hash and the input's: the operation's input hash.
    public var hash: Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update([UInt8]("chorale/inference-request/1".utf8))
        hasher.update(model)
        hasher.update(input)
        return hasher.finish()
    }
}
