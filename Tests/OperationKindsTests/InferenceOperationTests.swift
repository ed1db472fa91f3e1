import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
import Operations
import ProofSystems
import Testing

@testable import OperationKinds

/// An inference on its way from a request to proofs that others verify.
@Suite struct InferenceOperationTests {
    let model: QuantisedModel
    let file: [UInt8]
    let body: InferenceInput
    let request: OperationRequest
    let prepared: PreparedInference

    static let executor = SHA256.hash([1])

    init() throws {
        model = try QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3)
        file = model.encoded()
        let vector = model.syntheticInput(seed: 4)
        body = try #require(InferenceInput(modelFile: file, vector: vector))
        request = try #require(
            Self.request(InferenceRequest(model: SHA256.hash(file), input: vector.hash).hash))
        prepared = try PreparedInference(request, input: body, modelFile: file)
    }

    static func request(_ inputHash: Bytes32) -> OperationRequest? {
        OperationRequest(
            operation: SHA256.hash([9]),
            requester: ExecutionAddress([UInt8](repeating: 1, count: 20))!,
            kind: 1, inputHash: inputHash, inputRoot: SHA256.hash([7]), inputSize: 100, expiry: 99,
            fee: 1000)
    }

    private func executed() throws -> (ExecutedInference, [[UInt8]], ExecutionCommitmentContent) {
        let executed = try prepared.execute()
        let proofs = try (0..<prepared.partCount).map {
            try executed.prove(part: $0, prover: Self.executor)
        }
        let commitment = try #require(
            executed.commitment(by: Self.executor, proofs: proofs, price: 900))
        return (executed, proofs, commitment)
    }

    /// Without proofs: whoever executes it again finds the same, and says so of no other commitment.
    @Test func aCommitteesMemberFindsTheOutput() throws {
        let asked = try RequestedInference(request, input: body, modelFile: file)
        let whole = try asked.execute()
        #expect(try whole.output == prepared.execute().output)
        let commitment = try #require(whole.commitment(by: Self.executor, price: 900))
        let hash = Keccak256.hash(whole.output)
        #expect(commitment.outputHash == hash)
        #expect(whole.finding(of: commitment) == hash)
        let other = WholeExecution(request: request, output: whole.output + [0])
        let wrong = try #require(other.commitment(by: Self.executor, price: 900))
        #expect(whole.finding(of: wrong) == hash && hash != wrong.outputHash)
        // A right hash by which nobody could have the output.
        for (size, root) in [
            (commitment.outputSize + 1, commitment.outputRoot), (commitment.outputSize, .zero),
        ] {
            let misdescribed = try #require(
                ExecutionCommitmentContent(
                    operation: request.operation, executor: Self.executor, outputHash: hash,
                    outputSize: size, outputRoot: root, price: 900,
                    planRoot: commitment.planRoot, parts: commitment.parts))
            #expect(whole.finding(of: misdescribed) != hash)
        }
        #expect(throws: KindFault.otherModel) {
            try RequestedInference(request, input: body, modelFile: file + [0])
        }
    }

    @Test func whatWasExecutedOnceIsVerifiedInParts() throws {
        // The input travels as bytes.
        let decoded = try RequestedInference.input(body.sszEncoded())
        #expect(decoded == body)
        let (executed, proofs, commitment) = try executed()
        #expect(commitment.parts.count == 2)
        let verifier = try PreparedInference(request, input: decoded, modelFile: file)
        let plan = try verifier.plan(of: commitment, output: executed.output)
        #expect(plan == executed.plan)
        for (part, proof) in proofs.enumerated() {
            #expect(
                verifier.verify(proof, part: part, of: plan, by: Self.executor) == .good)
            #expect(
                ContentReference(kind: .proof, bytes: proof)?.root
                    == commitment.parts[part].proofs[0].root)
        }
        // The output is what anybody finds who executes.
        #expect(
            executed.output == (try model.execute(model.syntheticInput(seed: 4))).output.encoded())
    }

    @Test func bodiesOfAnotherRequestAreRefused() throws {
        let other = try #require(Self.request(SHA256.hash([0])))
        #expect(throws: KindFault.otherInput) {
            try PreparedInference(other, input: body, modelFile: file)
        }
        var changed = file
        changed[changed.count - 1] ^= 1
        #expect(throws: KindFault.otherModel) {
            try PreparedInference(request, input: body, modelFile: changed)
        }
        let another = try #require(
            InferenceInput(modelFile: file, vector: model.syntheticInput(seed: 5)))
        #expect(throws: KindFault.otherInput) {
            try PreparedInference(request, input: another, modelFile: file)
        }
        #expect(throws: KindFault.self) { try RequestedInference.input([1, 2, 3]) }
        // A model that is none, rightly named.
        let junk = try #require(
            InferenceInput(modelFile: [1, 2, 3], vector: model.syntheticInput(seed: 4)))
        let asked = try #require(
            Self.request(
                InferenceRequest(
                    model: SHA256.hash([1, 2, 3]), input: model.syntheticInput(seed: 4).hash
                ).hash))
        #expect(throws: KindFault.self) {
            try PreparedInference(asked, input: junk, modelFile: [1, 2, 3])
        }
        // An input that the model does not take is found when it is executed.
        let short = QuantisedVector.int8([1, 2])
        let wrong = try #require(InferenceInput(modelFile: file, vector: short))
        let asking = try #require(
            Self.request(InferenceRequest(model: SHA256.hash(file), input: short.hash).hash))
        let odd = try PreparedInference(asking, input: wrong, modelFile: file)
        #expect(throws: KindFault.execution(.count(2, expected: 6))) { try odd.execute() }
    }

    /// Of what an executor that lies may commit to, nothing passes.
    @Test func commitmentsToSomethingElseAreRefused() throws {
        let (executed, _, commitment) = try executed()
        func changed(
            output: [UInt8]? = nil, plan: Bytes32? = nil,
            parts: ([PartCommitment]) -> [PartCommitment] = { $0 }
        ) -> ExecutionCommitmentContent? {
            let bytes = output ?? executed.output
            return ExecutionCommitmentContent(
                operation: commitment.operation, executor: Self.executor,
                outputHash: Keccak256.hash(bytes), outputSize: UInt64(bytes.count),
                outputRoot: commitment.outputRoot, price: 900,
                planRoot: plan ?? commitment.planRoot, parts: parts(commitment.parts))
        }
        func fault(_ content: ExecutionCommitmentContent?, _ output: [UInt8]) throws -> KindFault? {
            let content = try #require(content)
            do throws(KindFault) {
                _ = try prepared.plan(of: content, output: output)
                return nil
            } catch {
                #expect(error.isOfCommitment)
                return error
            }
        }
        #expect(try fault(changed(), executed.output) == nil)
        var other = executed.output
        other[other.count - 1] ^= 1
        #expect(try fault(changed(), other) == .otherOutput)
        // The wrong output itself, rightly hashed: the last part gives another.
        guard case .parts(.output) = try fault(changed(output: other), other) else {
            Issue.record("another output")
            return
        }
        #expect(try fault(changed(plan: .zero), executed.output) == .otherPlan)
        guard
            case .parts(.partCount) = try fault(
                changed(parts: { Array($0.prefix(1)) }), executed.output)
        else {
            Issue.record("a part is missing")
            return
        }
        let junk: [UInt8] = [0, 1, 2]
        guard case .output = try fault(changed(output: junk), junk) else {
            Issue.record("an output that is no vector")
            return
        }
        // Another input, and a plan that fits it.
        let elsewhere = try #require(
            PartCommitment(
                input: SHA256.hash([5]), output: commitment.parts[0].output,
                proofs: commitment.parts[0].proofs))
        let plan = try SplitPlan(
            operation: request.operation,
            parts: zip(executed.plan.parts, [elsewhere, commitment.parts[1]]).map {
                SplitPlan.Part(key: $0.key, input: $1.input, output: $1.output)
            })
        guard
            case .parts(.input) = try fault(
                changed(plan: plan.root, parts: { [elsewhere, $0[1]] }), executed.output)
        else {
            Issue.record("another input")
            return
        }
    }

    @Test func proofsOfSomethingElseAreBad() throws {
        let (executed, proofs, commitment) = try executed()
        let plan = try prepared.plan(of: commitment, output: executed.output)
        func finding(_ body: [UInt8], part: Int = 0) -> PartFinding {
            prepared.verify(body, part: part, of: plan, by: Self.executor)
        }
        #expect(finding(proofs[1]) == .bad(.otherStatement))
        #expect(finding(proofs[0], part: 1) == .bad(.otherStatement))
        #expect(finding([]) == .bad(.malformed))
        #expect(finding(Array(proofs[0].dropLast())) != .good)
        var changed = proofs[0]
        changed[changed.count - 40] ^= 1
        #expect(finding(changed) != .good)
        // Stolen: another's proof, under one's own name.
        let thief = SHA256.hash([2])
        let first = proofs[0]
        let genuine = try SubProof(ssz: first.span)
        let stolen = try #require(
            SubProof(
                plan: genuine.plan, part: genuine.part, input: genuine.input,
                output: genuine.output, prover: thief, type: genuine.type,
                proof: genuine.proof.bytes))
        #expect(finding(stolen.sszEncoded()) == .bad(.otherStatement))
        #expect(
            prepared.verify(stolen.sszEncoded(), part: 0, of: plan, by: thief)
                == .bad(.proofFails))
        // Of another operation with the same input.
        let again = try #require(
            OperationRequest(
                operation: SHA256.hash([10]), requester: request.requester, kind: 1,
                inputHash: request.inputHash, inputRoot: request.inputRoot, inputSize: 100,
                expiry: 99, fee: 1000))
        let other = try PreparedInference(again, input: body, modelFile: file).execute()
        let foreign = try other.prove(part: 0, prover: Self.executor)
        #expect(finding(foreign) == .bad(.otherStatement))
        // Relabelled, its claims are right and its proof is not.
        let theirs = try SubProof(ssz: foreign.span)
        let relabelled = try #require(
            SubProof(
                plan: plan, part: 0, prover: Self.executor, proof: theirs.proof.bytes))
        #expect(finding(relabelled.sszEncoded()) == .bad(.proofFails))
        let broken = try #require(
            SubProof(
                plan: plan.root, part: 0, input: SHA256.hash([3]), output: genuine.output,
                prover: Self.executor, type: genuine.type, proof: genuine.proof.bytes))
        #expect(finding(broken.sszEncoded()) == .bad(.brokenChain))
    }
}
