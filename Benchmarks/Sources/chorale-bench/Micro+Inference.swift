import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
import OperationKinds
import Operations
import PeerIdentity
import ProofSystems

/// An inference of the digits' model, from its request to proofs that others have verified.
extension Micro {
    static func inference(_ model: [UInt8], _ vector: [UInt8]) throws {
        let executor = Configurations.identity(1)
        let executorKey = SHA256.hash([1])
        let quantised = try QuantisedVector(decoding: vector)
        guard let body = InferenceInput(modelFile: model, vector: quantised),
            let request = OperationRequest(
                operation: SHA256.hash([9]),
                requester: ExecutionAddress([UInt8](repeating: 1, count: 20))!, kind: 1,
                inputHash: InferenceRequest(model: SHA256.hash(model), input: quantised.hash).hash,
                inputRoot: SHA256.hash([7]), inputSize: 100, expiry: 99, fee: 1000)
        else { throw BenchError("no request of an inference") }

        // The executor's side.
        let prepared = try PreparedInference(request, input: body, modelFile: model)
        let executions = perSecond(1) {
            precondition((try? prepared.execute()) != nil, "an input that the model takes")
        }
        report("digits, executed with its split plan", 1e3 / executions, "ms")
        let executed = try prepared.execute()
        var proofs: [[UInt8]] = []
        let proving = perSecond(1) {
            proofs = (0..<prepared.partCount).compactMap {
                try? executed.prove(part: $0, prover: executorKey)
            }
        }
        guard proofs.count == prepared.partCount,
            let commitment = executed.commitment(by: executorKey, proofs: proofs, price: 900)
        else { throw BenchError("an execution that was not proven") }
        report("digits, all \(proofs.count) parts proven", 1e3 / proving, "ms")

        // The verifiers' side.
        let output = executed.output
        let plans = perSecond(1) {
            precondition((try? prepared.plan(of: commitment, output: output)) != nil, "its own")
        }
        report("digits, a commitment checked, once an operation", 1e3 / plans, "ms")
        let plan = try prepared.plan(of: commitment, output: output)
        let verifying = perSecond(1) {
            for (part, proof) in proofs.enumerated() {
                let finding = prepared.verify(proof, part: part, of: plan, by: executorKey)
                precondition(finding == .good, "a true proof")
            }
        }
        report("digits, all \(proofs.count) parts verified", 1e3 / verifying, "ms")
        try overhead(
            proofs, of: plan, commitment, prepared,
            try InferenceJob(QuantisedModel(decoding: model)), by: executorKey, signing: executor)
    }

    /// What is done for a sub-proof besides verifying it: the body against its root, its form and its
    /// statement, and the vote on it, signed and encoded. By turns with the verifier alone.
    private static func overhead(
        _ proofs: [[UInt8]], of plan: SplitPlan, _ commitment: ExecutionCommitmentContent,
        _ prepared: PreparedInference, _ job: InferenceJob, by executor: Bytes32,
        signing validator: IdentityKey
    ) throws {
        guard let network = NetworkDigest([0xBE, 0x4C, 0x41, 0x00]) else {
            preconditionFailure("four bytes")
        }
        var differences: [Double] = []
        var alone = 0.0
        let rounds = 20
        for round in 0..<rounds {
            for (part, body) in proofs.enumerated() {
                let bare = try SubProof(ssz: body.span).proof.bytes
                let statement = plan.statement(part: part, prover: executor)
                func verifier() {
                    guard (try? job.verify(bare.span, of: statement)) != nil else {
                        preconditionFailure("a true proof")
                    }
                }
                func framework() {
                    let named = commitment.parts[part].proofs[0]
                    guard let root = ContentReference(kind: .proof, bytes: body)?.root,
                        root == named.root,
                        prepared.verify(body, part: part, of: plan, by: executor) == .good,
                        let id = SubProofID(
                            operation: plan.operation, part: UInt16(part), proof: root)
                    else { preconditionFailure("a true proof") }
                    let vote = SubProofVote(
                        signing: SubProofVoteContent(
                            id: id, validatorsRoot: .zero, verdict: .valid),
                        as: ValidatorIndex(0), with: validator, network: network)
                    precondition(!vote.sszEncoded().isEmpty)
                }
                // Whoever is second finds warm caches.
                let isFirst = round.isMultiple(of: 2)
                let early = isFirst ? cpuSeconds(verifier) : 0
                let whole = cpuSeconds(framework)
                let bareTime = isFirst ? early : cpuSeconds(verifier)
                alone += bareTime
                differences.append(whole - bareTime)
            }
        }
        differences.sort()
        report(
            "digits, a sub-proof by the verifier alone", alone / Double(differences.count) * 1e3,
            "ms")
        report(
            "digits, what is done besides for a sub-proof and its vote",
            differences[differences.count / 2] * 1e3, "ms", goal: .atMost(2))
    }
}
