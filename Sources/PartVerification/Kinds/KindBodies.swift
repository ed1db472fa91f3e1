import ChoraleBase
import ChoraleTypes
import Inference
import OperationKinds
import Operations
import ProofSystems

/// Kinds of operations whose proofs this node understands, or which it can execute for a committee. Of any other it
/// says nothing.
enum KnownKind {
    /// Capability 1: quantised networks, proven with the native system.
    case inference
    /// The same, too large to be proven: a committee executes them again.
    case wholeInference

    init?(_ record: KindRecord) {
        guard record.capability == 1 else { return nil }
        let isProven = record.proofTypes.contains(ProofType.spartan.rawValue)
        switch record.policy {
        case .proof where isProven, .enclaveThenProof where isProven:
            self = .inference
        // Two executions must give one output, or honest members contradict each other.
        case .committee where record.isDeterministic: self = .wholeInference
        case .proof, .committee, .enclave, .enclaveThenProof: return nil
        }
    }

    /// Collects what is needed to verify proofs of an operation of this kind, or to execute it.
    func bodies(of request: OperationRequest, _ content: ExecutionCommitmentContent) -> KindBodies {
        switch self {
        case .inference:
            .inference(InferenceBodies(request: request, content: content, needsOutput: true))
        case .wholeInference:
            .wholeInference(
                InferenceBodies(request: request, content: content, needsOutput: false))
        }
    }
}

/// Bodies of one operation, as they come: each says where the next one is.
enum KindBodies: Sendable {
    case inference(InferenceBodies)
    case wholeInference(InferenceBodies)

    /// The body that is needed next; nil when all are here.
    var nextRoot: Bytes32? {
        switch self {
        case .inference(let bodies), .wholeInference(let bodies): bodies.nextRoot
        }
    }

    /// Whether the next body may have megabytes, so that few of them are in memory at once.
    var isNextLarge: Bool {
        switch self {
        case .inference(let bodies), .wholeInference(let bodies): bodies.isNextLarge
        }
    }

    /// Largest input of the kind, in bytes: of a larger one nothing is read.
    var inputSizeMax: UInt64 {
        switch self {
        case .inference, .wholeInference: 1 << 20
        }
    }

    mutating func take(_ body: [UInt8]) throws(KindFault) {
        switch self {
        case .inference(var bodies):
            try bodies.take(body)
            self = .inference(bodies)
        case .wholeInference(var bodies):
            try bodies.take(body)
            self = .wholeInference(bodies)
        }
    }

    /// For a worker: takes as long as a model is large.
    ///
    /// - Precondition: all are here.
    func prepare() throws(KindFault) -> PreparedOperation {
        switch self {
        case .inference(let bodies): try bodies.prepare()
        case .wholeInference(let bodies): .judged(try bodies.execute())
        }
    }
}

/// The input names the model; the output is named by the commitment.
struct InferenceBodies: Sendable {
    let request: OperationRequest
    let content: ExecutionCommitmentContent
    /// Whoever executes finds the output.
    let needsOutput: Bool
    private var input: InferenceInput?
    private var output: [UInt8]?
    private var model: [UInt8]?

    init(
        request: OperationRequest, content: ExecutionCommitmentContent, needsOutput: Bool
    ) {
        self.request = request
        self.content = content
        self.needsOutput = needsOutput
    }

    /// A body of no bytes has no root and is never had.
    var nextRoot: Bytes32? {
        guard let input else { return request.inputRoot }
        guard hasOutput else { return content.outputRoot }
        return model == nil ? input.modelFile.root : nil
    }

    private var hasOutput: Bool { output != nil || !needsOutput }

    var isNextLarge: Bool { input != nil && hasOutput }

    mutating func take(_ body: [UInt8]) throws(KindFault) {
        guard let input else {
            let found = try RequestedInference.input(body)
            guard found.modelFile.size <= UInt64(ModelLimits.sizeMax) else {
                throw .model("a file of \(found.modelFile.size) bytes")
            }
            self.input = found
            return
        }
        guard hasOutput else {
            // Whoever carried it may have cut it otherwise. Only of the bytes that the commitment names can
            // it be said that they are wrong.
            guard ContentReference(kind: .generic, bytes: body)?.root == content.outputRoot else {
                throw .model("an output that is no body of this root")
            }
            output = body
            return
        }
        guard body.count == input.modelFile.size else { throw .otherModel }
        model = body
    }

    func prepare() throws(KindFault) -> PreparedOperation {
        guard let input, let output, let model else {
            preconditionFailure("prepared when everything is here")
        }
        let prepared = try PreparedInference(request, input: input, modelFile: model)
        let plan = try prepared.plan(of: content, output: output)
        return .inference(prepared, plan, modelSize: input.modelFile.size)
    }

    /// What a committee's member says of the commitment.
    func execute() throws(KindFault) -> Bytes32 {
        guard let input, let model else {
            preconditionFailure("executed when everything is here")
        }
        return try RequestedInference(request, input: input, modelFile: model).execute()
            .finding(of: content)
    }
}
