import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Inference
import OperationKinds
import Operations
import OrderedCollections
import Testing

@testable import PartVerification
@testable import Subproof

/// Operations without proofs: a committee executes them again.
@Suite struct CommitteeTests {
    /// An inference that was really executed, and what was committed to.
    struct Job {
        let request: OperationRequest
        let content: ExecutionCommitmentContent
        let outputHash: Bytes32
        let modelRoot: Bytes32
        let bodies: [Bytes32: [UInt8]]

        /// - Parameter changed: what the executor commits to in place of what came out.
        init(
            _ name: String = "whole", executor: Int = 0, changed: (([UInt8]) -> [UInt8])? = nil
        ) throws {
            let model = try QuantisedModel.synthetic(widths: [6, 5, 4], seed: 3)
            let vector = model.syntheticInput(seed: 4)
            let file = model.encoded()
            let input = try #require(InferenceInput(modelFile: file, vector: vector))
            let body = input.sszEncoded()
            let root = try #require(ContentReference(kind: .generic, bytes: body)?.root)
            let asked = InferenceRequest(model: SHA256.hash(file), input: vector.hash)
            let requester = try #require(ExecutionAddress([UInt8](repeating: 1, count: 20)))
            request = try #require(
                OperationRequest(
                    operation: SHA256.hash(Array(name.utf8)), requester: requester, kind: 4,
                    inputHash: asked.hash, inputRoot: root,
                    inputSize: UInt64(body.count), expiry: 1000, fee: 1_000_000_000))
            let right = try RequestedInference(request, input: input, modelFile: file).execute()
            let said = WholeExecution(
                request: request, output: changed?(right.output) ?? right.output)
            outputHash = Keccak256.hash(right.output)
            modelRoot = input.modelFile.root
            content = try #require(
                said.commitment(by: Work.publicKey(Work.executors[executor]), price: 900))
            bodies = [root: body, modelRoot: file, content.outputRoot: said.output]
        }

        /// The right output, and a commitment that describes it wrongly.
        func misdescribed() throws -> ExecutionCommitmentContent {
            try #require(
                ExecutionCommitmentContent(
                    operation: content.operation, executor: content.executor,
                    outputHash: content.outputHash, outputSize: content.outputSize + 1,
                    outputRoot: content.outputRoot, price: content.price,
                    planRoot: content.planRoot, parts: content.parts))
        }
    }

    private func network(
        _ validators: Int = 4, faults: [Int: PartConfiguration.Fault] = [:], seed: UInt64 = 1,
        loss: Int = 0
    ) -> Network {
        var settings = Network.Settings()
        settings.validators = validators
        settings.faults = faults
        settings.seed = seed
        settings.loss = loss
        return Network(settings)
    }

    private func commit(
        _ job: Job, _ content: ExecutionCommitmentContent? = nil, on network: Network
    ) {
        network.commit(job.request, content ?? job.content, proofs: [], bodies: job.bodies)
    }

    private func status(_ job: Job, _ network: Network) -> OperationStatus? {
        network.registry.operations[job.request.operation]?.status
    }

    @Test func aCommitteeJustifiesAndTheWindowEndsIt() throws {
        // So many that those who are asked are not two thirds of all.
        let network = network(60)
        let job = try Job()
        commit(job, on: network)
        #expect(network.run(blocks: 5) { status(job, network) == .justified })
        network.run(200)
        let info = try #require(network.nodes[0].operation(job.request.operation))
        #expect(info.confirmation == .quorumVerified)
        #expect(info.committee?.outputHash == job.outputHash)
        #expect(info.committee?.certifiedBy == .first)
        #expect(info.committee?.ownOutputHash == job.outputHash)
        #expect(
            info.unchallengedAt
                == network.registry.operations[job.request.operation]?.commitment?
                .justifiedAt.map { $0 + 8 })
        #expect(network.run(blocks: 10) { status(job, network) == .certified })
        let members = network.validators.filter { !$0.committeeSignatures.isEmpty }
        #expect(members.count == 32)
        for node in members {
            #expect(node.committeeSignatures.map(\.outputHash) == [job.outputHash])
            #expect(node.accusations.isEmpty)
            // Nobody needs the output: it is what they find.
            #expect(Set(node.bodiesRead) == [job.request.inputRoot, job.modelRoot])
        }
        #expect(network.executor.committeeSignatures.isEmpty)
        for node in network.validators where node.committeeSignatures.isEmpty {
            #expect(node.bodiesRead.isEmpty)
        }
    }

    /// Of few validators all are asked, and their word is everyone's: there is nobody left who could dispute it.
    @Test func whereAllAreAskedItIsFinalAtOnce() throws {
        let network = network()
        let job = try Job()
        commit(job, on: network)
        #expect(network.run(blocks: 6) { status(job, network) == .certified })
    }

    @Test(arguments: 1...4) func aLiarBringsEveryoneAndIsFoundOut(seed: UInt64) throws {
        let network = network(7, faults: [2: .rejecting], seed: seed, loss: 5)
        let job = try Job()
        commit(job, on: network)
        #expect(network.run(blocks: 40) { status(job, network) == .certified })
        let culprit = try #require(network.validators.first { $0.fault != nil })
        for node in network.validators where node !== culprit {
            #expect(node.accusations.allSatisfy { $0.validator == ValidatorIndex(culprit.index) })
        }
        #expect(
            network.validators.contains { node in
                node.accusations.contains { if case .falseOutput = $0 { true } else { false } }
            })
        #expect(network.rejected.isEmpty)
    }

    /// Of so many, those who are asked cannot decide any more when one of them names another output.
    @Test func oneWordBringsEveryone() throws {
        let members = network(60)
        let job = try Job()
        commit(job, on: members)
        members.run(1000)
        let member = try #require(members.validators.first { !$0.committeeSignatures.isEmpty })
        // The same network, in which that one is wrong, and nobody else hears of it but from a block.
        let network = network(60, faults: [member.index: .rejecting])
        for (node, other) in zip(network.validators, members.validators) {
            node.isDeaf = other.committeeSignatures.isEmpty
        }
        commit(job, on: network)
        #expect(network.run(blocks: 20) { status(job, network) == .certified })
        #expect(network.frozen == [job.request.operation])
        let asked = network.validators.count { !$0.committeeSignatures.isEmpty }
        #expect(asked > 41)
        let evidence = network.validators.flatMap(\.accusations)
        #expect(!evidence.isEmpty)
        for piece in evidence {
            #expect(piece.validator == ValidatorIndex(member.index))
            guard case .falseOutput = piece else {
                Issue.record("\(piece)")
                return
            }
        }
    }

    @Test(arguments: 1...4) func anotherOutputIsRejectedByEveryone(seed: UInt64) throws {
        let network = network(7, seed: seed, loss: 5)
        let wrong = try Job { output in
            var output = output
            output[output.count - 1] ^= 1
            return output
        }
        commit(wrong, on: network)
        #expect(network.run(blocks: 30) { network.rejected == [wrong.request.operation] })
        #expect(network.nodes.allSatisfy { $0.accusations.isEmpty })
        // The standby's is right, and its committee is asked anew.
        let right = try Job(executor: 1)
        commit(right, on: network)
        #expect(network.run(blocks: 30) { status(right, network) == .certified })
    }

    @Test func aRightHashWithAnotherSizeIsRejected() throws {
        let network = network()
        let job = try Job()
        commit(job, try job.misdescribed(), on: network)
        #expect(network.run(blocks: 30) { network.rejected == [job.request.operation] })
        // Who has said so of one commitment says otherwise of the next.
        let right = try Job(executor: 1)
        commit(right, on: network)
        #expect(network.run(blocks: 30) { status(right, network) == .certified })
        #expect(network.nodes.allSatisfy { $0.accusations.isEmpty })
    }

    @Test func silenceAsksMore() throws {
        let network = network(4, faults: [1: .silent])
        let job = try Job()
        commit(job, on: network)
        #expect(network.run(blocks: 40) { status(job, network) == .certified })
        #expect(network.nodes[1].committeeSignatures.isEmpty)
    }

    @Test func bodiesThatComeLateAreWaitedFor() throws {
        let network = network()
        let job = try Job()
        network.commit(job.request, job.content, proofs: [], bodies: [:])
        network.run(3000)
        #expect(status(job, network) == .committed)
        for (root, body) in job.bodies { network.bodies[root] = body }
        #expect(network.run(blocks: 8) { status(job, network) == .justified })
    }

    /// Killed on both sides of the signature, a member never names two outputs.
    @Test(arguments: [TestNode.Death.beforeSigning, .afterSigning])
    func aMemberThatIsKilledSaysTheSame(death: TestNode.Death) throws {
        let network = network()
        let job = try Job()
        for node in network.validators { node.dies = death }
        commit(job, on: network)
        network.run(3000)
        for node in network.validators where node.isDown { node.restart() }
        #expect(network.run(blocks: 40) { status(job, network) == .certified })
        for node in network.validators {
            #expect(Set(node.committeeSignatures.map(\.content)).count == 1)
        }
    }

    /// Who has not heard the votes asks what there is: of a certificate, too, and when the operation is over.
    @Test func whoMissedItAsks() throws {
        let network = network(60)
        network.executor.isDeaf = true
        let job = try Job()
        let name = job.request.operation
        commit(job, on: network)
        #expect(network.run(blocks: 5) { status(job, network) == .justified })
        network.run(5000)
        let info = try #require(network.executor.operation(name)?.committee)
        #expect(info.outputHash == job.outputHash && info.certifiedBy == .first)
        #expect(
            network.executor.asked.contains {
                if case .statements(name) = $0.request { true } else { false }
            })
        #expect(network.nodes.allSatisfy { $0.penalties.isEmpty })
    }

    /// What nobody can execute is nobody's fault, and expires.
    @Test func aModelThatIsNoneIsLeftAlone() throws {
        let network = network()
        let job = try Job()
        var bodies = job.bodies
        bodies[job.modelRoot] = [UInt8](repeating: 7, count: bodies[job.modelRoot]?.count ?? 0)
        network.commit(job.request, job.content, proofs: [], bodies: bodies)
        network.run(blocks: 5) { false }
        #expect(status(job, network) == .committed)
        #expect(network.validators.allSatisfy { $0.committeeSignatures.isEmpty })
    }
}
