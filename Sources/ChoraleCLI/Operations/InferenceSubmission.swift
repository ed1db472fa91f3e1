import ChoraleBase
import ChoraleTypes
import Codec
import Inference
import OperationKinds
import Operations

/// Kinds of operations that this program asks for. Raw values as `OPERATION_KINDS` and people write them.
enum SubmittedKind: String, CaseIterable {
    /// Proven in parts.
    case inference
    /// Of models too large to be proven: a committee executes them again.
    case inferenceCommittee = "inference-committee"

    init?(number: UInt16) {
        guard let kind = Self.allCases.first(where: { $0.number == number }) else { return nil }
        self = kind
    }

    /// As `OPERATION_KINDS` has it when it says nothing else.
    var number: UInt16 {
        switch self {
        case .inference: 1
        case .inferenceCommittee: 2
        }
    }
}

/// An inference as it is asked for: checked here, executed elsewhere.
struct InferenceSubmission {
    let kind: SubmittedKind
    let modelFile: [UInt8]
    let model: QuantisedModel
    let vector: QuantisedVector
    /// In how many parts it is proven; 0 when nothing is.
    let partCount: Int
    let inputHash: Bytes32
    /// The body that the request names, and what it is called.
    let inputBody: [UInt8]
    let inputRoot: Bytes32
    let modelRoot: Bytes32

    /// Reads and checks both files.
    ///
    /// - Throws: what is wrong with which, in words.
    init(
        _ kind: SubmittedKind, model modelPath: String, input inputPath: String
    ) throws(Failure) {
        let modelFile = try Files.read(modelPath, sizeMax: ModelLimits.sizeMax)
        let inputFile = try Files.read(inputPath, sizeMax: QuantisedVector.encodedSizeMax)
        try self.init(
            kind, modelFile: modelFile, inputFile: inputFile, modelPath: modelPath,
            inputPath: inputPath)
    }

    init(
        _ kind: SubmittedKind, modelFile: [UInt8], inputFile: [UInt8], modelPath: String,
        inputPath: String
    ) throws(Failure) {
        do throws(ModelError) {
            model = try QuantisedModel(decoding: modelFile)
        } catch {
            throw Failure(
                "\(modelPath) is no model that the network runs: \(error) (docs/inference.md)")
        }
        do throws(QuantisedVector.DecodeError) {
            vector = try QuantisedVector(decoding: inputFile)
        } catch {
            throw Failure("\(inputPath) is no vector file: \(error) (docs/inference.md)")
        }
        guard case .int8(let values) = vector else {
            throw Failure("\(inputPath) has values of int32; a model takes int8")
        }
        guard values.count == model.inputCount else {
            throw Failure(
                "\(inputPath) has \(values.count) values, and \(modelPath) takes "
                    + "\(model.inputCount)")
        }
        partCount = kind == .inference ? try Self.partCount(of: model, at: modelPath) : 0
        guard let input = InferenceInput(modelFile: modelFile, vector: vector) else {
            throw Failure(
                "\(modelPath) has \(modelFile.count) bytes, and a body has "
                    + "\(ContentReference.sizeMax) at most")
        }
        inputBody = input.sszEncoded()
        guard let reference = ContentReference(kind: .generic, bytes: inputBody) else {
            throw Failure("\(inputPath) is too large for a body")
        }
        self.kind = kind
        self.modelFile = modelFile
        inputRoot = reference.root
        modelRoot = input.modelFile.root
        inputHash = InferenceRequest(model: model.hash, input: vector.hash).hash
    }

    private static func partCount(
        of model: QuantisedModel, at path: String
    ) throws(Failure) -> Int {
        let instead = "`--kind inference-committee` needs no proofs"
        let plan: InferencePlan
        do throws(InferencePlan.PlanError) {
            plan = try InferencePlan(model)
        } catch {
            throw Failure("\(path) cannot be divided into parts: \(error); \(instead)")
        }
        guard plan.parts.count <= ExecutionCommitmentContent.partsMax else {
            throw Failure(
                "\(path) has \(plan.parts.count) parts, and an operation has "
                    + "\(ExecutionCommitmentContent.partsMax) at most: allow more constraints in a "
                    + "part (docs/inference.md); \(instead)")
        }
        return plan.parts.count
    }

    /// Refuses what the network would take a fee for and never execute.
    func check(
        against parameters: OperationParameters, fee: UInt128, ttl: UInt64
    ) throws(Failure) {
        guard let kind = parameters.kind(kind.number) else {
            throw Failure(
                "this network has no operations of kind \(kind.rawValue) (OPERATION_KINDS in its "
                    + "config.yaml)")
        }
        guard UInt64(inputBody.count) <= kind.inputSizeMax else {
            throw Failure(
                "the input has \(inputBody.count) bytes, and this network takes "
                    + "\(kind.inputSizeMax)")
        }
        guard partCount <= Int(kind.partsMax) else {
            throw Failure(
                "the model has \(partCount) parts, and this network takes \(kind.partsMax)")
        }
        guard fee >= kind.feeMin else {
            throw .usage("--fee must be at least \(kind.feeMin) wei on this network, not \(fee)")
        }
        guard (kind.ttlMin...kind.ttlMax).contains(ttl) else {
            throw .usage(
                "--ttl must be from \(kind.ttlMin) to \(kind.ttlMax) blocks on this network, not "
                    + "\(ttl)")
        }
    }

    func request(ttl: UInt64) -> ContractCall {
        .request(
            kind: kind.number, inputHash: inputHash, inputRoot: inputRoot,
            inputSize: UInt64(inputBody.count), ttl: ttl)
    }

    /// Gives the node the model and the input, so that the executor can have them.
    func publish(
        _ client: AdminClient, modelPath: String
    ) throws(Failure) {
        try Self.publish(modelFile, modelRoot, path: modelPath, client)
        try Self.publish(inputBody, inputRoot, path: nil, client)
    }

    /// Content of one request to the admin socket, in bytes; what is larger the node reads itself.
    private static let contentSizeMax = 1 << 20

    private static func isHeld(
        _ root: Bytes32, _ client: AdminClient
    ) throws(Failure) -> Bool {
        (try client.call("chorale_bodies").array ?? []).contains {
            $0["root"] == .string("\(root)") && $0["isComplete"] == .bool(true)
        }
    }

    private static func publish(
        _ bytes: [UInt8], _ root: Bytes32, path: String?, _ client: AdminClient
    ) throws(Failure) {
        var parameters: JSONObject = ["kind": .string("generic")]
        if bytes.count <= contentSizeMax {
            parameters["base64"] = .string(Base64.encode(bytes))
        } else if let path {
            parameters["file"] = .string(Files.absolute(path))
        }
        let watch = Stopwatch()
        // Whoever asks for the same model again need not send it again; somebody else may be sending it just now.
        while try !isHeld(root, client) {
            guard watch.seconds < publicationSeconds else {
                // Once more, for its reason.
                _ = try client.call("chorale_publishBody", parameters)
                return
            }
            guard let body = try client.callUnlessBusy("chorale_publishBody", parameters) else {
                Pause.short()
                continue
            }
            guard body["root"] == .string("\(root)") else {
                throw Failure(
                    "the node published \(body.text(of: "root")) instead of \(root): was the file "
                        + "changed meanwhile?")
            }
            return
        }
    }

    /// How long a node that is busy with other bodies is waited for.
    private static let publicationSeconds = 10.0
}
