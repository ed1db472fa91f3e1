import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import MadeEnclaves
import OrderedCollections
import PeerIdentity
import Testing

@testable import Operations
@testable import PartVerification
@testable import Subproof

/// What enclaves vouch for, among machines that hear each other, before, during and after the proof.
@Suite(.serialized) struct EnclaveTests {
    private typealias Verdict = HostileTests.ChainVerdictText

    /// When a statement comes.
    enum Moment: CaseIterable {
        case beforeTheCommitment, beforeTheCertificate, afterTheCertificate
    }

    private static func network() -> Network {
        var settings = Network.Settings()
        settings.hasEnclaves = true
        return Network(settings)
    }

    /// Runs an operation to its certificates, with a statement of part 1 at some moment.
    private static func run(
        _ network: Network, _ work: Work, _ statement: EnclaveStatement, _ moment: Moment
    ) {
        func say() { network.nodes[2].handle(.attest(statement)) }
        network.censors = true
        if moment == .beforeTheCommitment {
            network.request(work)
            network.run(100)
            say()
            network.run(300)
        }
        network.commit(work)
        network.run(100)
        if moment == .beforeTheCertificate { say() }
        // Blocks have what enclaves contradict before they have certificates.
        network.run(blocks: 2) { false }
        network.censors = false
        if moment == .afterTheCertificate {
            network.run(blocks: 10) { network.isCertified(work) }
            say()
        }
    }

    private static func levels(_ node: TestNode, _ operation: Bytes32) -> [ConfirmationLevel] {
        node.events.compactMap { event in
            guard case .pool(.statusChanged(operation, part: 1, let level, _)) = event else {
                return nil
            }
            return level
        }
    }

    @Test(arguments: Moment.allCases) func theLevelAscendsInAnyOrder(moment: Moment) throws {
        let network = Self.network()
        let work = try Work.small.ofEnclaves()
        let name = work.request.operation
        Self.run(network, work, work.statement(part: 1), moment)
        #expect(network.run(blocks: 10) { network.isCertified(work) })
        network.run(500)
        for node in network.nodes {
            let info = try #require(node.operation(name)?.commitment)
            #expect(info.parts.map(\.level) == [.quorumVerified, .quorumVerified])
            let levels = Self.levels(node, name)
            #expect(levels == levels.sorted())
            if moment == .beforeTheCommitment {
                #expect(levels.first == .teeConfirmed)
            }
            #expect(node.counters.attestationsVerified == 1)
            #expect(node.contradictions.isEmpty && node.penalties.isEmpty)
            #expect(node.verdicts.values.allSatisfy { $0.count == 1 })
        }
        #expect(network.registry.enclaves.revoked.isEmpty)
        #expect(!network.changes.contains(.frozen(name)))
    }

    @Test(arguments: Moment.allCases) func theProofHasTheLastWordInAnyOrder(
        moment: Moment
    ) throws {
        let network = Self.network()
        let work = try Work.small.ofEnclaves()
        let name = work.request.operation
        let enclave = MadeEnclave(1).platform
        let executor = Work.publicKey(Work.executors[1])
        // One hears nothing of it but from blocks.
        network.nodes[3].ignoresEnclaves = true
        Self.run(network, work, work.statement(part: 1, isRight: false), moment)
        #expect(
            network.run(blocks: 20) {
                network.isCertified(work) && !network.registry.enclaves.revoked.isEmpty
            })
        // What everyone has judged before is not frozen.
        let isFrozen = moment != .afterTheCertificate
        #expect(network.changes.contains(.frozen(name)) == isFrozen)
        #expect(network.changes.contains(.upheld(name)) == isFrozen)
        #expect(network.changes.contains(.enclaveRevoked(name, enclave: enclave)))
        #expect(network.registry.enclaves.revoked.elements == [enclave])
        #expect(network.registry.executors[executor] == nil)
        #expect(network.registry.slashed.contains(executor))
        #expect(network.onChain.contains { $0.tranche == .everyone && $0.id.part == 1 })
        network.run(500)
        for node in network.nodes {
            #expect(node.events.contains(.enclaveRevoked(enclave)))
            // It says nothing of what was committed to.
            #expect(!Self.levels(node, name).contains(.teeConfirmed))
            let info = try #require(node.operation(name)?.commitment)
            #expect(info.parts.map(\.level) == [.quorumVerified, .quorumVerified])
            #expect(node.penalties.isEmpty && node.accusations.isEmpty)
            #expect(node.contradictions.count == (node.ignoresEnclaves ? 0 : 1))
        }
        // It is not heard any more, whoever it vouches for.
        let before = network.nodes[0].counters.attestationsVerified
        network.nodes[0].handle(.attest(work.statement(part: 0, executor: 2)))
        network.run(300)
        #expect(network.nodes[0].counters.attestationsVerified == before)
    }

    @Test func aBadProofLeavesTheEnclaveAlone() throws {
        let network = Self.network()
        let junk = (0..<2).map { [UInt8](repeating: UInt8($0 + 1), count: 4000) }
        let work = try Work.small.ofEnclaves().with(proofs: junk)
        Self.run(
            network, work, work.statement(part: 1, isRight: false), .beforeTheCertificate)
        #expect(network.run(blocks: 20) { !network.rejected.isEmpty })
        #expect(network.registry.enclaves.revoked.isEmpty)
        #expect(network.registry.executors[Work.publicKey(Work.executors[1])] != nil)
        #expect(network.registry.executors[Work.publicKey(Work.executors[0])] == nil)
    }

    /// Gossip brought nothing: who is asked about a part fetches what its commitment names.
    @Test func whatACommitmentNamesIsFetched() throws {
        let network = Self.network()
        let small = try Work.small.ofEnclaves()
        let work = small.naming((0..<2).map { small.statement(part: $0, executor: 0) })
        network.censors = true
        network.commit(work)
        network.run(6000)
        for node in network.validators {
            #expect(node.counters.attestationsVerified == 2)
            #expect(node.counters.attestationsReceived == 0)
            #expect(node.counters.proofsShelved == 4)
        }
        network.censors = false
        #expect(network.run(blocks: 10) { network.isCertified(work) })
    }

    @Test func whatIsNoStatementCountsForNothing() throws {
        let network = Self.network()
        let work = try Work.small.ofEnclaves()
        network.request(work)
        network.run(100)
        let node = network.nodes[0]
        for other in network.nodes where other !== node { other.isDown = true }
        func verdict(_ bytes: [UInt8]) -> Verdict {
            let before = Set(node.verdicts.keys)
            node.hear(.attestation, bytes, from: Work.key("stranger").peerID)
            network.run(200)
            let id = Set(node.verdicts.keys).subtracting(before).first
            return id.flatMap { node.verdicts[$0]?.first }.map(Verdict.init) ?? .none
        }
        func verdict(_ statement: EnclaveStatement) -> Verdict {
            verdict(statement.sszEncoded())
        }
        #expect(verdict([]) == .reject)
        #expect(verdict([UInt8](repeating: 1, count: 5000)) == .reject)
        #expect(
            verdict([UInt8](repeating: 0, count: EnclaveStatement.encodedSizeMax + 1)) == .reject)
        #expect(verdict(work.statement(part: 0, artefact: .zero)) == .reject)
        // Somebody else's key below it keeps nobody from speaking.
        #expect(verdict(work.statement(part: 0, signedBy: 2)) == .reject)
        #expect(verdict(work.statement(part: 0)) == .accept)
        #expect(verdict(work.statement(part: 0)) == .ignore)
        // Signed, and of another part: nothing more is heard of that one.
        #expect(verdict(work.statement(part: 1, says: 0)) == .reject)
        #expect(verdict(work.statement(part: 1)) == .ignore)
        #expect(verdict(work.statement(part: 1, executor: 2)) == .accept)
        // Of an operation that nobody has asked for, or whose kind has no enclaves.
        #expect(verdict(Work.digits.statement(part: 0)) == .ignore)
        #expect(node.counters.attestationsVerified == 2)
    }
}
