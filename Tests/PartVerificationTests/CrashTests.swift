import ChoraleBase
import ChoraleTypes
import Testing

@testable import Operations
@testable import PartVerification
@testable import Subproof

/// Nodes that are killed, and disks that refuse.
@Suite(.serialized) struct CrashTests {
    /// The first run finds the proof good and is killed when it is to sign; the second run would reject it.
    @Test(arguments: [TestNode.Death.beforeSigning, .afterSigning])
    func aKilledNodeNeverSignsTwoVerdicts(death: TestNode.Death) throws {
        let network = Network()
        let work = Work.small
        let node = network.nodes[1]
        node.dies = death
        // Blocks come later, so that there is somebody to tell.
        network.censors = true
        network.commit(work)
        network.run(3000)
        #expect(node.isDown)
        #expect(node.signatures.isEmpty == (death == .beforeSigning))
        node.fault = .rejecting
        node.restart()
        network.run(blocks: 6) { false }
        #expect(!node.signatures.isEmpty)
        // What was intended before is signed as it was. What was not on disk may be found otherwise.
        var said: [SubProofID: Set<SubProofVerdict>] = [:]
        for vote in node.signatures { said[vote.id, default: []].insert(vote.verdict) }
        #expect(said.values.allSatisfy { $0.count == 1 })
        #expect(said.values.contains([.valid]))
    }

    /// At every moment of the beginning.
    @Test func killedAtAnyMomentAndContradictingItself() throws {
        for moment in stride(from: 5, through: 400, by: 35) {
            let network = Network()
            network.censors = true
            let node = network.nodes[2]
            network.commit(Work.small)
            network.run(moment)
            node.crash()
            node.fault = .rejecting
            network.run(50)
            node.restart()
            network.run(blocks: 5) { false }
            var said: [SubProofID: Set<SubProofVerdict>] = [:]
            for vote in node.signatures { said[vote.id, default: []].insert(vote.verdict) }
            #expect(said.values.allSatisfy { $0.count == 1 })
            #expect(
                network.validators.allSatisfy { other in
                    !other.accusations.contains {
                        if case .equivocation = $0 { true } else { false }
                    }
                })
        }
    }

    /// Commitments are read from their blocks, votes and certificates from the disk, proofs from the shelf.
    @Test func everybodyIsKilledAndGoesOn() throws {
        let network = Network()
        let work = Work.digits
        network.commit(work)
        network.run(150)
        for node in network.nodes { node.crash() }
        network.run(1000)
        for node in network.nodes { node.restart() }
        #expect(network.run(blocks: 20) { network.isCertified(work) })
        for node in network.validators {
            #expect(node.accusations.isEmpty && node.penalties.isEmpty)
        }
        // The executor's proofs were synced before it said so.
        #expect(network.executor.counters.proofsShelved == 8)
    }

    @Test func withoutEarlierRowsNothingIsSignedUpToTheHead() throws {
        let network = Network()
        network.censors = true
        let work = Work.small
        network.commit(work)
        network.run(blocks: 2) { false }
        let node = network.nodes[0]
        let before = node.signatures.count
        #expect(before == 2)
        node.crash()
        node.store = MemoryStore()
        node.restart()
        network.run(blocks: 5) { false }
        #expect(node.signatures.count == before)
        #expect(
            node.events.contains {
                if case .pool(.abstained(_, .signingFloor)) = $0 { true } else { false }
            })
        // What is committed to later is judged.
        network.commit(Work.digits)
        network.run(blocks: 3) { false }
        #expect(node.signatures.count == before + 8)
    }

    @Test func aFullDiskIsWaitedForAndNothingIsSignedMeanwhile() throws {
        let network = Network()
        let node = network.nodes[0]
        node.store.isFull = true
        network.commit(Work.small)
        network.run(blocks: 3) { false }
        #expect(node.signatures.isEmpty)
        #expect(node.events.contains(.signingFailed))
        #expect(network.isCertified(Work.small))
        node.store.isFull = false
        network.censors = true
        network.commit(Work.digits)
        network.run(blocks: 3) { false }
        #expect(node.signatures.count >= 8)
    }

    @Test func aSignerThatTakesNothingIsAskedAgain() throws {
        let network = Network()
        let node = network.nodes[0]
        node.signsNothing = true
        network.censors = true
        network.commit(Work.small)
        network.run(blocks: 3) { false }
        #expect(node.signatures.isEmpty && node.events.contains(.signingFailed))
        node.signsNothing = false
        network.run(blocks: 3) { false }
        #expect(node.signatures.count == 2)
    }

    @Test func whatIsOldIsDeleted() throws {
        let network = Network()
        for node in network.nodes {
            node.crash()
            node.limits.heightsKept = 8
            node.restart()
        }
        let work = Work.small
        network.commit(work)
        #expect(network.run(blocks: 5) { network.isCertified(work) })
        let node = network.nodes[0]
        #expect(node.store.count(.proof) == 4)
        #expect(node.store.count(.subproof) > 4)
        network.settle(work)
        network.run(blocks: 30) { false }
        guard case .settled? = node.operation(work.request.operation)?.outcome else {
            Issue.record("not settled")
            return
        }
        #expect(node.store.count(.proof) == 0)
        // The floor.
        #expect(node.store.count(.subproof) == 1)
        #expect(node.counters.shelfSize == 0)
    }
}
