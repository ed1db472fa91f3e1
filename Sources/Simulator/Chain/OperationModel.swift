import ChoraleBase
import Codec
import Crypto
import Inference
import OperationKinds

/// The model that users of a simulation want to be executed.
struct OperationModel: Sendable {
    let model: QuantisedModel
    let file: [UInt8]

    /// - Throws: ``ModelError`` for a file that is none.
    init(file: [UInt8]) throws {
        model = try QuantisedModel(decoding: file)
        self.file = file
    }

    /// One layer a part, of a few values each: proven and verified in a millisecond.
    ///
    /// - Parameter parts: `1...64`.
    static func tiny(parts: Int) -> Self {
        do {
            let model = try QuantisedModel.synthetic(
                widths: [6] + [Int](repeating: 4, count: parts), seed: UInt64(parts))
            return try Self(file: model.encoded())
        } catch {
            preconditionFailure("a model of this program: \(error)")
        }
    }

    /// What a user asks for: the body of the request, its hash, and the hash of the output that is right, as
    /// executing it here gives it.
    struct Question {
        let body: [UInt8]
        let inputHash: Bytes32
        let outputHash: Bytes32
    }

    func question(seed: UInt64) -> Question {
        let vector = model.syntheticInput(seed: seed)
        guard let body = InferenceInput(modelFile: file, vector: vector),
            let execution = try? model.execute(vector)
        else { preconditionFailure("an input of this model") }
        return Question(
            body: body.sszEncoded(),
            inputHash: InferenceRequest(model: SHA256.hash(file), input: vector.hash).hash,
            outputHash: Keccak256.hash(execution.output.encoded()))
    }
}
