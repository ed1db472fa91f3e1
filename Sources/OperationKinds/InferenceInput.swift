public import ChoraleBase
public import ChoraleTypes
public import Codec
import Crypto
public import Inference

/// The body that a request of an inference refers to: which model, and what goes into it.
///
/// The request's input hash is not of this body's bytes but of the model's and the vector's hashes
/// (``Inference/InferenceRequest``): where the model's file can be had says nothing about the computation.
public struct InferenceInput: Hashable, Sendable {
    /// The model's file as a body.
    public let modelFile: ContentReference
    /// SHA-256 of the file.
    public let model: Bytes32
    /// The vector file.
    public let vector: [UInt8]

    /// Nil when no vector file is so large, or the model's is no body of the kind `generic`.
    public init?(modelFile: ContentReference, model: Bytes32, vector: [UInt8]) {
        guard vector.count <= QuantisedVector.encodedSizeMax, modelFile.kind == .generic,
            modelFile.index == 0
        else { return nil }
        self.modelFile = modelFile
        self.model = model
        self.vector = vector
    }

    /// For the file of a model. Nil when it is larger than a body may be.
    public init?(modelFile: [UInt8], vector: QuantisedVector) {
        guard let reference = ContentReference(kind: .generic, bytes: modelFile) else { return nil }
        self.init(
            modelFile: reference, model: SHA256.hash(modelFile), vector: vector.encoded())
    }
}

extension InferenceInput: SSZContainer {
    public static let sszLayout = SSZLayout(
        ContentReference.self, Bytes32.self, SSZByteList<262_156>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let vector = SSZByteList<262_156>(vector) else {
            preconditionFailure("a vector file keeps to its limit")
        }
        fields.visit(modelFile)
        fields.visit(model)
        fields.visit(vector)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let modelFile = try fields.next(ContentReference.self, in: input)
        let model = try fields.next(Bytes32.self, in: input)
        let vector = try fields.next(SSZByteList<262_156>.self, in: input).bytes
        guard let value = Self(modelFile: modelFile, model: model, vector: vector) else {
            throw .invalidValue("a model's file that is a body of kind \(modelFile.kind)")
        }
        self = value
    }
}
