import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Foundation
import Inference
import MadeEnclaves
import OperationKinds
import Operations
import PeerIdentity
import ProofSystems
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

    /// As an operation of which enclaves speak first.
    func ofEnclaves() throws -> Work {
        let request = OperationRequest(
            operation: request.operation, requester: request.requester, kind: 3,
            inputHash: request.inputHash, inputRoot: request.inputRoot,
            inputSize: request.inputSize, expiry: request.expiry, fee: request.fee)!
        return with(request: request)
    }

    /// What the enclave of an executor vouches for.
    ///
    /// - Parameters:
    ///   - isRight: whether it says what was committed to.
    ///   - says: for what its evidence is; nil for the same.
    func statement(
        part: Int, isRight: Bool = true, executor: Int = 1, enclave: UInt8 = 1,
        says: Int? = nil, signedBy signer: Int? = nil, artefact: Bytes32? = nil
    ) -> EnclaveStatement {
        func claim(_ part: Int) -> ProofStatement {
            ProofStatement(
                operation: request.operation, part: UInt32(part),
                partCount: UInt32(content.parts.count), plan: content.planRoot,
                key: VerifierKey(
                    type: .nitro, program: MadeEnclave.measurement.digest,
                    artefact: artefact ?? Network.enclaves.artefact),
                input: content.parts[part].input,
                output: isRight ? content.parts[part].output : SHA256.hash([7]),
                prover: Self.publicKey(Self.executors[executor]))
        }
        let proof = MadeEnclave(enclave).attest(
            AttestationProofVerifier.attested(claim(says ?? part)).reportData)
        return EnclaveStatement(
            signing: EnclaveStatementContent(claim(part), proof: proof)!,
            with: Self.executors[signer ?? executor], network: Network.digest)
    }

    /// The same with a statement of each part named beside its proof.
    func naming(_ statements: [EnclaveStatement]) -> Work {
        let bodies = statements.map { $0.sszEncoded() }
        let parts = zip(content.parts, bodies).map { part, body in
            PartCommitment(
                input: part.input, output: part.output,
                proofs: part.proofs + [
                    ProofReference(
                        type: 83, size: UInt32(body.count),
                        root: ContentReference(kind: .proof, bytes: body)!.root)!
                ])!
        }
        return changed(proofs: proofs + bodies, parts: parts)
    }

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
