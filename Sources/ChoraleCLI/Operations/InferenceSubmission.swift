import ChoraleBase
import ChoraleTypes
import Codec
import Inference
import OperationKinds
import Operations

/// An inference as it is asked for: checked here, executed elsewhere.
struct InferenceSubmission {
    /// As `inference` in `OPERATION_KINDS` has it.
    static let kind: UInt16 = 1

    let modelFile: [UInt8]
    let model: QuantisedModel
    let vector: QuantisedVector
    /// In how many parts it is proven.
    let partCount: Int
    let inputHash: Bytes32
    /// The body that the request names, and what it is called.
    let inputBody: [UInt8]
    let inputRoot: Bytes32
    let modelRoot: Bytes32

    /// Reads and checks both files.
    ///
    /// - Throws: what is wrong with which, in words.
    init(model modelPath: String, input inputPath: String) throws(Failure) {
        let modelFile = try Files.read(modelPath, sizeMax: ModelLimits.sizeMax)
        let inputFile = try Files.read(inputPath, sizeMax: QuantisedVector.encodedSizeMax)
        try self.init(
            modelFile: modelFile, inputFile: inputFile, modelPath: modelPath, inputPath: inputPath)
    }

    init(
        modelFile: [UInt8], inputFile: [UInt8], modelPath: String, inputPath: String
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
        let plan: InferencePlan
        do throws(InferencePlan.PlanError) {
            plan = try InferencePlan(model)
        } catch {
            throw Failure("\(modelPath) cannot be divided into parts: \(error)")
        }
        guard plan.parts.count <= ExecutionCommitmentContent.partsMax else {
            throw Failure(
                "\(modelPath) has \(plan.parts.count) parts, and an operation has "
                    + "\(ExecutionCommitmentContent.partsMax) at most: allow more constraints in a "
                    + "part (docs/inference.md)")
        }
        guard let input = InferenceInput(modelFile: modelFile, vector: vector) else {
            throw Failure(
                "\(modelPath) has \(modelFile.count) bytes, and a body has "
                    + "\(ContentReference.sizeMax) at most")
        }
        inputBody = input.sszEncoded()
        guard let reference = ContentReference(kind: .generic, bytes: inputBody) else {
            throw Failure("\(inputPath) is too large for a body")
        }
        self.modelFile = modelFile
        partCount = plan.parts.count
        inputRoot = reference.root
        modelRoot = input.modelFile.root
        inputHash = InferenceRequest(model: model.hash, input: vector.hash).hash
    }

    /// Refuses what the network would take a fee for and never execute.
    func check(
        against parameters: OperationParameters, fee: UInt128, ttl: UInt64
    ) throws(Failure) {
        guard let kind = parameters.kind(Self.kind) else {
            throw Failure(
                "this network has no operations of kind inference (OPERATION_KINDS in its "
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
            kind: Self.kind, inputHash: inputHash, inputRoot: inputRoot,
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
