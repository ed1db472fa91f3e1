import ChoraleBase
import ChoraleTypes
import PeerIdentity
import Testing

@testable import Operations
@testable import PartVerification
@testable import Subproof

/// Proofs and bodies that come late, wrong, or from others.
@Suite(.serialized) struct FetchTests {
    /// The executor answers with something else: who has verified is asked instead.
    @Test(arguments: [4000, 1, 0]) func wrongAnswersArePenalizedAndAnotherHolderIsAsked(
        size: Int
    ) throws {
        let network = Network()
        let work = Work.small
        // One validator has the proofs before anybody asks.
        network.nodes[0].handle(.shelve(operation: work.request.operation, work.proofs))
        network.run(100)
        let right = work.proofs[0].count
        network.executor.lies = { _ in
            [UInt8](repeating: 7, count: size == 4000 ? right : size)
        }
        network.commit(work)
        #expect(network.run(blocks: 10) { network.isCertified(work) })
        for node in network.nodes[1..<4] {
            #expect(node.penalties.contains { $0.peer == network.executor.peer })
            #expect(node.penalties.allSatisfy { $0.peer == network.executor.peer })
            #expect(node.signatures.allSatisfy { $0.verdict == .valid })
        }
        // What is on the shelf is not asked for.
        #expect(
            !network.nodes[0].asked.contains {
                if case .proof = $0.request { true } else { false }
            })
        #expect(network.nodes[0].counters.proofsFetched == 0)
        #expect(network.nodes[0].counters.proofsServed > 0)
    }

    @Test func anExecutorThatIsNotConnectedIsCalled() throws {
        let network = Network()
        let work = Work.small
        for node in network.validators { node.handle(.peerDisconnected(network.executor.peer)) }
        network.commit(work)
        network.run(1000)
        for node in network.validators {
            #expect(node.connects.contains(network.executor.peer))
            #expect(node.asked.isEmpty)
            node.handle(.peerConnected(network.executor.peer))
        }
        #expect(network.run(blocks: 5) { network.isCertified(work) })
    }

    @Test func aProofThatNobodyHasIsWaitedFor() throws {
        let network = Network()
        let work = Work.small
        network.executor.isDown = true
        network.commit(work)
        network.run(blocks: 6) { false }
        #expect(!network.isCertified(work))
        // Nobody says that it is bad.
        #expect(network.validators.allSatisfy { $0.signatures.isEmpty && $0.penalties.isEmpty })
        network.executor.restart()
        network.executor.handle(.shelve(operation: work.request.operation, work.proofs))
        #expect(network.run(blocks: 10) { network.isCertified(work) })
    }

    @Test func bodiesThatComeLateAreWaitedFor() throws {
        let network = Network()
        let work = Work.small
        network.commit(work, hasBodies: false)
        network.run(5000)
        for node in network.validators {
            #expect(node.signatures.isEmpty)
            // No proof is fetched that could not be verified.
            #expect(node.counters.proofsFetched == 0)
        }
        for root in [work.request.inputRoot, work.content.outputRoot, work.modelRoot] {
            network.bodies[root] = work.bodies[root]
            for node in network.nodes { node.bodyCame(root) }
            network.run(3000)
        }
        #expect(network.run(blocks: 10) { network.isCertified(work) })
    }

    /// Works of one operation whose bodies are withheld do not stand in the way of another's.
    @Test func anOperationWithoutBodiesStopsNoOther() throws {
        var settings = Network.Settings()
        settings.works = 2
        let network = Network(settings)
        network.commit(Work.digits, hasBodies: false)
        network.commit(Work.small)
        #expect(network.run(blocks: 4) { network.isCertified(Work.small) })
        #expect(!network.isCertified(Work.digits))
    }

    @Test func aRequestThatMakesNoSenseIsAbstainedFrom() throws {
        let network = Network()
        let work = Work.small
        var bodies = work.bodies
        bodies[work.request.inputRoot] = [UInt8](
            repeating: 9, count: Int(work.request.inputSize))
        network.bodies = bodies
        network.commit(work, hasBodies: false)
        network.run(blocks: 4) { false }
        for node in network.validators {
            #expect(node.signatures.isEmpty)
            #expect(
                node.events.contains {
                    if case .unverifiable = $0 { true } else { false }
                })
            #expect(
                node.events.contains {
                    if case .pool(.abstained(_, .unsupported)) = $0 { true } else { false }
                })
        }
    }

    /// A body whose bytes are not those of its root says nothing about the executor.
    @Test func anotherOutputBodyIsNoReasonToReject() throws {
        let network = Network()
        let work = Work.small
        var bodies = work.bodies
        bodies[work.content.outputRoot] = [1, 2, 3]
        network.bodies = bodies
        network.commit(work, hasBodies: false)
        network.run(blocks: 4) { false }
        #expect(network.validators.allSatisfy { $0.signatures.isEmpty })
    }

    @Test func whoHeardNothingAsksForCertificates() throws {
        let network = Network()
        let work = Work.digits
        network.nodes[3].isDeaf = true
        network.executor.isDeaf = true
        network.commit(work)
        #expect(network.run(blocks: 10) { network.isCertified(work) })
        network.run(5000)
        for node in [network.nodes[3], network.executor] {
            #expect(
                node.asked.contains {
                    if case .certificates = $0.request { true } else { false }
                })
            #expect(node.counters.certificatesReceived > 0)
            #expect(node.counters.operationsCertified == 1)
        }
    }

    @Test func whatNoBlockHasIsOfferedAgain() throws {
        let network = Network()
        network.censors = true
        network.commit(Work.small)
        network.run(blocks: 2) { false }
        let before = network.nodes[0].included.count
        #expect(before == 2)
        network.run(blocks: 8) { false }
        #expect(network.nodes[0].included.count >= before + 4)
        network.censors = false
        #expect(network.run(blocks: 6) { network.isCertified(Work.small) })
        let after = network.nodes[0].included.count
        network.run(blocks: 8) { false }
        #expect(network.nodes[0].included.count == after)
    }
}
