import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import MadeEnclaves
import Operations
import ProofSystems
import Synchronization
import Testing

@testable import ExecutorAgent

/// Vouches with an enclave whose maker is the test, and counts how often.
final class MadeAttester: EnclaveAttester {
    let kind = AttestationKind.nitro
    let program = MadeEnclave.measurement.digest
    /// Whether it says no.
    let refuses: Bool
    private let count = Mutex(0)

    init(refuses: Bool = false) { self.refuses = refuses }

    var calls: Int { count.withLock { $0 } }

    func attest(reportData: [UInt8]) throws(AttesterFault) -> AttestationProof {
        count.withLock { $0 += 1 }
        if refuses { throw AttesterFault("no enclave is here") }
        return MadeEnclave(1).attest(reportData)
    }
}

/// An enclave that vouches for what an executor has executed.
@Suite struct AttestationTests {
    static let name = OperationChain.name("op")

    private static func primary(
        kind: UInt16 = 5, _ attester: MadeAttester
    ) throws -> (World, ExecutorNode) {
        var world = try World()
        try world.chain.request([Sample.small.request(kind: kind)])
        let index = world.chain.elected(name, rank: 0)
        let node = ExecutorNode(index)
        node.configuration.attester = attester
        node.agent = ExecutorAgent(node.configuration)
        node.bodies = Sample.small.bodies
        node.start(world.chain)
        world.nodes[index] = node
        return (world, node)
    }

    @Test func eachPartIsVouchedForBeforeItIsProven() throws {
        let attester = MadeAttester()
        var (world, node) = try Self.primary(attester)
        node.run()
        #expect(attester.calls == 3)
        #expect(node.attested.count == 3)
        let content = try #require(node.commitments.first).content
        let enclaves = try #require(OperationChain.parameters.enclaves)
        for (part, statement) in node.attested.enumerated() {
            let platform = try enclaves.platform(of: statement, network: OperationChain.network)
            #expect(platform == MadeEnclave(1).platform)
            let claim = statement.content.statement
            #expect(claim.operation == Self.name && claim.part == UInt32(part))
            #expect(claim.partCount == 3 && claim.plan == content.planRoot)
            #expect(claim.input == content.parts[part].input)
            #expect(claim.output == content.parts[part].output)
            #expect(claim.prover == content.executor)
            // Named beside the proof, and served.
            let body = statement.sszEncoded()
            #expect(content.parts[part].proofs.map(\.type) == [64, 83])
            let named = content.parts[part].proofs[1]
            #expect(named.size == UInt32(body.count))
            #expect(named.root == ContentReference(kind: .proof, bytes: body)?.root)
            #expect(node.shelf[Self.name]?.contains(body) == true)
        }
        #expect(node.shelf[Self.name]?.count == 6)
        // All are said before anything is proven.
        let firstProof = try #require(
            node.events.firstIndex { if case .proven = $0 { true } else { false } })
        let lastStatement = try #require(
            node.events.lastIndex { if case .attested = $0 { true } else { false } })
        #expect(lastStatement < firstProof)
        try world.block()
        #expect(world.chain.operation(Self.name)?.status == .committed)
        #expect(world.chain.refused.isEmpty)
        try world.settle(Self.name, by: node)
        #expect(node.disk.rows.isEmpty)
    }

    @Test func whatAnEarlierRunHasIsNotAskedForAgain() throws {
        let attester = MadeAttester()
        let (world, node) = try Self.primary(attester)
        while attester.calls < 2 { node.run(steps: 1) }
        node.restart(world.chain)
        node.run()
        // At most the one whose row was not written yet.
        #expect((3...4).contains(attester.calls))
        let content = try #require(node.commitments.first).content
        #expect(content.parts.allSatisfy { $0.proofs.count == 2 })
        #expect(node.shelf[Self.name]?.count == 6)
        // What was signed is served again as it is.
        let calls = attester.calls
        node.shelf = [:]
        node.restart(world.chain)
        node.run()
        #expect(attester.calls == calls)
        #expect(node.shelf[Self.name]?.count == 6)
        #expect(node.commitments.last?.content == content)
    }

    /// Rows that are no statement of that part, of that plan, are not taken for one.
    @Test func otherStatementsAreNotTaken() throws {
        let attester = MadeAttester()
        let (world, node) = try Self.primary(attester)
        while node.attested.count < 2 { node.run(steps: 1) }
        let first = ExecutionRow.attestation(part: 0).key(of: Self.name)
        let second = ExecutionRow.attestation(part: 1).key(of: Self.name)
        node.disk.rows[first] = node.disk.rows[second]
        node.disk.rows[second] = [1, 2, 3]
        let calls = attester.calls
        node.restart(world.chain)
        node.run()
        #expect(attester.calls >= calls + 2)
        let content = try #require(node.commitments.first).content
        let named = Set(content.parts.map { $0.proofs[1].root })
        #expect(named.count == 3)
    }

    @Test func withoutAWordTheProofIsMadeAllTheSame() throws {
        let (world, node) = try Self.primary(MadeAttester(refuses: true))
        node.run()
        #expect(node.attested.isEmpty)
        #expect(
            node.events.contains(
                .notAttested(operation: Self.name, part: 2, "no enclave is here")))
        let content = try #require(node.commitments.first).content
        #expect(content.parts.allSatisfy { $0.proofs.map(\.type) == [64] })
        #expect(world.chain.refused.isEmpty)
    }

    @Test func kindsThatDoNotWantItAreProvenOnly() throws {
        let attester = MadeAttester()
        let (_, node) = try Self.primary(kind: 1, attester)
        node.run()
        #expect(attester.calls == 0 && node.attested.isEmpty)
        #expect(node.commitments.count == 1)
    }

    @Test func rowsHavePlaces() {
        for part in [0, 63] {
            let key = ExecutionRow.attestation(part: part).key(of: Self.name)
            guard case .attestation(part)? = ExecutionRow(key: key) else {
                Issue.record("part \(part) has no place")
                continue
            }
        }
        #expect(ExecutionRow(key: Self.name.bytes + [128]) == nil)
    }
}
