import ChoraleBase
import ChoraleTypes
import OrderedCollections
import PeerIdentity
import Testing

@testable import Operations
@testable import PartVerification
@testable import Subproof

/// Operations of honest and other executors, among machines that hear each other.
@Suite(.serialized) struct CertificationTests {
    private func everyMessageHasOneVerdict(_ network: Network) {
        for node in network.nodes where !node.isDown {
            #expect(node.verdicts.values.allSatisfy { $0.count <= 1 })
            let open = node.verdicts.values.count { $0.isEmpty }
            #expect(open == 0)
        }
    }

    @Test func whatIsProvenIsCertifiedPartByPart() throws {
        let network = Network()
        let work = Work.digits
        network.commit(work)
        #expect(work.content.parts.count == 8)
        #expect(network.run(blocks: 10) { network.isCertified(work) })
        network.run(2000)
        everyMessageHasOneVerdict(network)
        #expect(network.executor.shelved == [work.request.operation])
        #expect(network.verifications == 8)
        for node in network.validators {
            #expect(node.penalties.isEmpty)
            #expect(node.signatures.count == 8)
            #expect(node.signatures.allSatisfy { $0.verdict == .valid })
            #expect(node.counters.proofsFetched == 8)
            #expect(node.counters.proofsShelved == 8)
            #expect(
                node.counters.proofBytesFetched == UInt64(work.proofs.reduce(0) { $0 + $1.count }))
            #expect(node.counters.verificationTime == .milliseconds(8 * 30))
            #expect(node.counters.partsSeen == 8)
            #expect(node.counters.operationsCertified == 1)
            #expect(node.counters.votesPublished == 8)
            #expect(node.counters.votesReceived == 24)
            let info = try #require(node.operation(work.request.operation))
            #expect(info.outcome == .open(.certified))
            #expect(info.confirmation == .quorumVerified)
            let commitment = try #require(info.commitment)
            #expect(commitment.outputRoot == work.content.outputRoot)
            #expect(commitment.parts.count == 8)
            for part in commitment.parts {
                #expect(part.isCertified && part.isOnChain && part.verdict == true)
                #expect(part.ownVerdict == true && part.votes >= 3 && part.asked == 4)
            }
            let assignments = node.assignments(commitment.height)
            #expect(assignments.count == 8)
            #expect(assignments.allSatisfy { $0.isOurs && $0.validators.count == 4 })
        }
        // Each body is read once, whatever the parts.
        for node in network.validators { #expect(node.bodiesRead.count == 3) }
        // An observer has certificates, and has neither read nor asked.
        #expect(network.executor.operation(work.request.operation)?.commitment?.parts.count == 8)
        #expect(network.executor.bodiesRead.isEmpty && network.executor.signatures.isEmpty)
    }

    @Test func onlyThoseAskedFetch() throws {
        var settings = Network.Settings()
        settings.validators = 40
        let network = Network(settings)
        let work = Work.small
        network.commit(work)
        #expect(network.run(blocks: 3) { network.isCertified(work) })
        everyMessageHasOneVerdict(network)
        let commitment = try #require(
            network.registry.operations[work.request.operation]?.commitment)
        let assignments = network.nodes[0].assignments(commitment.height)
        #expect(assignments.count == 2)
        var idle = 0
        for node in network.validators {
            let roots = node.asked.compactMap { ask -> Bytes32? in
                if case .proof(let root) = ask.request { root } else { nil }
            }
            let own = assignments.filter {
                $0.validators.contains(ValidatorIndex(node.index))
            }
            #expect(own.count == node.assignments(commitment.height).count(where: \.isOurs))
            #expect(
                Set(roots) == Set(own.map { work.content.parts[Int($0.part)].proofs[0].root }))
            #expect(node.bodiesRead.isEmpty == own.isEmpty)
            #expect(node.signatures.count == own.count)
            if own.isEmpty { idle += 1 }
            #expect(node.counters.operationsCertified == 1)
        }
        print("PartVerification: \(idle) of 40 validators had nothing to do")
        #expect(assignments.allSatisfy { $0.validators.count == 32 })
    }

    @Test func garbageIsRejectedByEveryoneAndTheNextExecutorIsHeard() throws {
        let network = Network()
        let junk = (0..<2).map { [UInt8](repeating: UInt8($0 + 1), count: 4000) }
        let bad = Work.small.with(proofs: junk)
        network.commit(bad)
        #expect(network.run(blocks: 10) { !network.rejected.isEmpty })
        everyMessageHasOneVerdict(network)
        let certificate = try #require(network.onChain.first { !$0.verdict.isValid })
        #expect(certificate.tranche == .everyone)
        let prover = Work.publicKey(Work.executors[0])
        for node in network.validators {
            #expect(node.events.contains(.muted(.prover(prover))))
            #expect(node.signatures.allSatisfy { !$0.verdict.isValid })
            #expect(node.accusations.isEmpty)
        }
        // Another executor, another commitment to the same operation.
        network.commit(Work.second)
        #expect(network.run(blocks: 10) { network.isCertified(Work.second) })
        for node in network.validators {
            #expect(node.counters.operationsRejected == 1)
            #expect(node.counters.operationsCertified == 1)
        }
    }

    /// The executor's peer is somebody else than who has the proofs in this test: it is not connected.
    @Test func aPlanThatDoesNotFollowIsRejectedWithoutProofs() throws {
        let network = Network()
        network.commit(Work.small.with(plan: Work.small.request.operation))
        #expect(network.run(blocks: 10) { !network.rejected.isEmpty })
        for node in network.validators {
            #expect(
                !node.asked.contains {
                    if case .proof = $0.request { true } else { false }
                })
            #expect(node.signatures.contains { $0.verdict == .reject(.brokenChain) })
            #expect(node.accusations.isEmpty)
        }
    }

    /// Two thirds of the first tranche are not heard, but more than half of the second are.
    @Test func aSilentThirdStopsNothing() throws {
        var settings = Network.Settings()
        settings.validators = 9
        settings.faults = [0: .silent, 1: .silent, 2: .silent]
        let network = Network(settings)
        network.commit(Work.small)
        #expect(network.run(blocks: 12) { network.isCertified(Work.small) })
        #expect(network.nodes[0].signatures.isEmpty)
        #expect(network.onChain.count == 2)
        #expect(network.onChain.allSatisfy { $0.tranche == .second })
    }

    @Test func silenceOfMostCertifiesNothing() throws {
        var settings = Network.Settings()
        settings.validators = 9
        for index in 0..<5 { settings.faults[index] = .silent }
        let network = Network(settings)
        network.commit(Work.small)
        network.run(blocks: 15) { false }
        #expect(network.onChain.isEmpty && network.rejected.isEmpty)
        for node in network.nodes[5..<9] {
            #expect(
                node.events.contains {
                    if case .pool(.expanded(_, to: .everyone, _)) = $0 { true } else { false }
                })
            #expect(node.signatures.count == 2)
        }
    }

    @Test func whoRejectsWhatIsGoodIsAccused() throws {
        var settings = Network.Settings()
        settings.validators = 7
        settings.faults = [0: .rejecting, 1: .rejecting]
        let network = Network(settings)
        network.commit(Work.small)
        #expect(network.run(blocks: 12) { network.isCertified(Work.small) })
        network.run(1000)
        #expect(network.onChain.allSatisfy { $0.verdict == .valid })
        for node in network.nodes[2..<7] {
            let accused = Set(node.accusations.map(\.validator.position))
            #expect(accused == [0, 1])
            #expect(
                node.events.contains(
                    .fault(operation: Work.small.request.operation, ValidatorIndex(0))))
        }
        everyMessageHasOneVerdict(network)
    }

    @Test func lossDelaysAndDoesNotStop() throws {
        for seed in 1...3 {
            var settings = Network.Settings()
            settings.validators = 6
            settings.seed = UInt64(seed)
            settings.loss = 20
            let network = Network(settings)
            network.commit(Work.digits)
            #expect(network.run(blocks: 60) { network.isCertified(Work.digits) })
        }
    }

    @Test func whatIsNotKnownHereIsNotJudged() throws {
        let network = Network()
        // Of a kind that no node of this version verifies.
        let request = Work.small.request
        let other = try #require(
            OperationRequest(
                operation: request.operation, requester: request.requester, kind: 2,
                inputHash: request.inputHash, inputRoot: request.inputRoot,
                inputSize: request.inputSize, expiry: 30, fee: request.fee))
        network.commit(Work.small.with(request: other))
        network.run(blocks: 40) { false }
        for node in network.validators {
            #expect(node.signatures.isEmpty && node.bodiesRead.isEmpty)
            #expect(node.counters.pool.abstentions > 0)
            // And told about when it is over.
            guard case .expired? = node.operation(request.operation)?.outcome else {
                Issue.record("not over")
                continue
            }
        }
    }
}
