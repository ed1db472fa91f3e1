import ChoraleBase
import ChoraleTypes
import Inference
import OperationKinds
import Operations
import ProofSystems

/// Kinds of operations whose proofs this node understands. Of any other it says nothing.
enum KnownKind {
    /// Capability 1: quantised networks, proven with the native system.
    case inference

    init?(_ record: KindRecord) {
        guard record.capability == 1, record.policy == .proof,
            record.proofTypes.contains(ProofType.spartan.rawValue)
        else { return nil }
        self = .inference
    }

    /// Collects what is needed to verify proofs of an operation of this kind.
    func bodies(of request: OperationRequest, _ content: ExecutionCommitmentContent) -> KindBodies {
        switch self {
        case .inference: .inference(InferenceBodies(request: request, content: content))
        }
    }
}

/// Bodies of one operation, as they come: each says where the next one is.
enum KindBodies: Sendable {
    case inference(InferenceBodies)

    /// The body that is needed next; nil when all are here.
    var nextRoot: Bytes32? {
        switch self {
        case .inference(let bodies): bodies.nextRoot
        }
    }

    /// Whether the next body may have megabytes, so that few of them are in memory at once.
    var isNextLarge: Bool {
        switch self {
        case .inference(let bodies): bodies.isNextLarge
        }
    }

    /// Largest input of the kind, in bytes: of a larger one nothing is read.
    var inputSizeMax: UInt64 {
        switch self {
        case .inference: 1 << 20
        }
    }

    mutating func take(_ body: [UInt8]) throws(KindFault) {
        switch self {
        case .inference(var bodies):
            try bodies.take(body)
            self = .inference(bodies)
        }
    }

    /// For a worker: takes as long as a model is large.
    ///
    /// - Precondition: all are here.
    func prepare() throws(KindFault) -> PreparedOperation {
        switch self {
        case .inference(let bodies): try bodies.prepare()
        }
    }
}

/// The input names the model; the output is named by the commitment.
struct InferenceBodies: Sendable {
    let request: OperationRequest
    let content: ExecutionCommitmentContent
    private var input: InferenceInput?
    private var output: [UInt8]?
    private var model: [UInt8]?

    init(request: OperationRequest, content: ExecutionCommitmentContent) {
        self.request = request
        self.content = content
    }

    /// A body of no bytes has no root and is never had.
    var nextRoot: Bytes32? {
        guard let input else { return request.inputRoot }
        guard output != nil else { return content.outputRoot }
        return model == nil ? input.modelFile.root : nil
    }

    var isNextLarge: Bool { input != nil && output != nil }

    mutating func take(_ body: [UInt8]) throws(KindFault) {
        guard let input else {
            let found = try PreparedInference.input(body)
            guard found.modelFile.size <= UInt64(ModelLimits.sizeMax) else {
                throw .model("a file of \(found.modelFile.size) bytes")
            }
            self.input = found
            return
        }
        guard output != nil else {
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
}
