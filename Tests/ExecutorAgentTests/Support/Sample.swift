import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Foundation
import Inference
import OperationKinds
import Operations
import TestSupport

/// A model, an input, and what is made of them for a request.
struct Sample {
    let model: QuantisedModel
    let modelFile: [UInt8]
    let vector: QuantisedVector
    let input: InferenceInput
    let body: [UInt8]

    init(_ modelFile: [UInt8], _ vector: QuantisedVector) throws {
        model = try QuantisedModel(decoding: modelFile)
        self.modelFile = modelFile
        self.vector = vector
        input = InferenceInput(modelFile: modelFile, vector: vector)!
        body = input.sszEncoded()
    }

    /// Three parts, in a fraction of a second each.
    static let small = try! Sample(
        try! QuantisedModel.synthetic(widths: [6, 5, 4, 3], seed: 3).encoded(),
        QuantisedModel.synthetic(widths: [6, 5, 4, 3], seed: 3).syntheticInput(seed: 4))
    static let other = try! Sample(
        try! QuantisedModel.synthetic(widths: [5, 4], seed: 5).encoded(),
        QuantisedModel.synthetic(widths: [5, 4], seed: 5).syntheticInput(seed: 6))
    /// Its output is longer than what the contract stores.
    static let long = try! Sample(
        try! QuantisedModel.synthetic(widths: [2, 300], seed: 7).encoded(),
        QuantisedModel.synthetic(widths: [2, 300], seed: 7).syntheticInput(seed: 8))

    /// The model of `models/digits`, with the image of a digit.
    static func digit(_ digit: Int) throws -> Sample {
        func file(_ path: String) throws -> [UInt8] {
            [UInt8](
                try Data(
                    contentsOf: Vectors.checkout.appendingPathComponent("models/digits")
                        .appendingPathComponent(path)))
        }
        return try Sample(
            try file("digits.model"),
            try QuantisedVector(decoding: try file("inputs/\(digit).input")))
    }

    var inputRoot: Bytes32 { ContentReference(kind: .generic, bytes: body)!.root }

    /// What anybody finds who executes.
    var output: [UInt8] {
        get throws { try model.execute(vector).output.encoded() }
    }

    func request(
        _ name: String = "op", kind: UInt16 = 1, expiry: UInt64 = 63, fee: UInt128 = 1001
    ) -> OperationRequest {
        OperationRequest(
            operation: OperationChain.name(name), requester: OperationChain.address(1), kind: kind,
            inputHash: InferenceRequest(model: SHA256.hash(modelFile), input: vector.hash).hash,
            inputRoot: inputRoot, inputSize: UInt64(body.count), expiry: expiry, fee: fee)!
    }

    /// As a node has them that has fetched them.
    var bodies: [Bytes32: [UInt8]] { [inputRoot: body, input.modelFile.root: modelFile] }
}
