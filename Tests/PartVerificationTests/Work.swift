import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Foundation
import Inference
import OperationKinds
import Operations
import PeerIdentity
import TestSupport

/// An inference that was really executed and proven, with everything that travels.
struct Work: Sendable {
    let request: OperationRequest
    let executed: ExecutedInference
    let proofs: [[UInt8]]
    let content: ExecutionCommitmentContent
    /// Input, model and output, by their roots.
    let bodies: [Bytes32: [UInt8]]
    let modelRoot: Bytes32

    static let executors = (0..<3).map { key("executor \($0)") }

    static func key(_ name: String) -> IdentityKey {
        IdentityKey(ed25519Seed: SecretBytes(copying: SHA256.hash(Array(name.utf8))))
    }

    static func publicKey(_ key: IdentityKey) -> Bytes32 {
        guard case .ed25519(let bytes) = key.publicKey else { fatalError("an Ed25519 key") }
        return bytes
    }

    /// Of digits: eight parts.
    static let digits = make("digits", digitsModel.0, digitsModel.1)
    /// Two small parts.
    static let small = make(
        "small", try! QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3).encoded(),
        try! QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3).syntheticInput(seed: 4))
    /// The same by another executor.
    static let second = make(
        "small", try! QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3).encoded(),
        try! QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3).syntheticInput(seed: 4),
        executor: 1)

    private static let digitsModel: ([UInt8], QuantisedVector) = {
        func file(_ path: String) -> [UInt8] {
            [UInt8](
                try! Data(
                    contentsOf: Vectors.checkout.appendingPathComponent("models/digits/\(path)")))
        }
        return (file("digits.model"), try! QuantisedVector(decoding: file("inputs/7.input")))
    }()

    private static func make(
        _ name: String, _ model: [UInt8], _ vector: QuantisedVector, executor: Int = 0
    ) -> Work {
        let input = InferenceInput(modelFile: model, vector: vector)!
        let body = input.sszEncoded()
        let root = ContentReference(kind: .generic, bytes: body)!.root
        let request = OperationRequest(
            operation: SHA256.hash(Array(name.utf8)),
            requester: ExecutionAddress([UInt8](repeating: 1, count: 20))!, kind: 1,
            inputHash: InferenceRequest(model: SHA256.hash(model), input: vector.hash).hash,
            inputRoot: root, inputSize: UInt64(body.count), expiry: 1000, fee: 1_000_000_000)!
        let executed = try! PreparedInference(request, input: input, modelFile: model).execute()
        let prover = publicKey(executors[executor])
        let prepared = try! PreparedInference(request, input: input, modelFile: model)
        let proofs = (0..<prepared.partCount).map { try! executed.prove(part: $0, prover: prover) }
        let content = executed.commitment(by: prover, proofs: proofs, price: 900)!
        return Work(
            request: request, executed: executed, proofs: proofs, content: content,
            bodies: [
                root: body, input.modelFile.root: model, content.outputRoot: executed.output,
            ], modelRoot: input.modelFile.root)
    }

    /// The same with other proofs, rightly named.
    func with(proofs: [[UInt8]]) -> Work {
        let parts = zip(content.parts, proofs).map { part, proof in
            PartCommitment(
                input: part.input, output: part.output,
                proofs: [
                    ProofReference(
                        type: 64, size: UInt32(proof.count),
                        root: ContentReference(kind: .proof, bytes: proof)!.root)!
                ])!
        }
        return changed(proofs: proofs, parts: parts)
    }

    func with(plan: Bytes32) -> Work { changed(plan: plan) }

    func with(request: OperationRequest) -> Work {
        Work(
            request: request, executed: executed, proofs: proofs, content: content, bodies: bodies,
            modelRoot: modelRoot)
    }

    private func changed(
        proofs: [[UInt8]]? = nil, parts: [PartCommitment]? = nil, plan: Bytes32? = nil
    ) -> Work {
        let content = ExecutionCommitmentContent(
            operation: content.operation, executor: content.executor,
            outputHash: content.outputHash, outputSize: content.outputSize,
            outputRoot: content.outputRoot, price: content.price,
            planRoot: plan ?? content.planRoot, parts: parts ?? content.parts)!
        return Work(
            request: request, executed: executed, proofs: proofs ?? self.proofs, content: content,
            bodies: bodies, modelRoot: modelRoot)
    }
}
