import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import OrderedCollections
import PeerIdentity
import Subproof
import Testing

@testable import Chain
@testable import Operations

/// Operations on a chain of real blocks: requested and settled by transactions, executed and certified by
/// what blocks say besides.
@Suite struct OperationChainTests {
    private typealias Stage = OperationStage

    @Test(arguments: [Set<Int>(), [2], [0, 2]])
    func anOperationIsRequestedCommittedCertifiedAndSettled(stateless: Set<Int>) throws {
        // Transactions go in at a node that has state.
        let stage = try Stage { $0.stateless = stateless.subtracting([0]) }
        for number in 0..<3 as Range<UInt8> { stage.register(number) }
        #expect(stage.run { $0.operations.executors.count == 3 })
        let name = stage.request()
        #expect(stage.run { $0.operations.operations[name]?.election != nil })
        let output = Array("what came out".utf8)
        let commitment = try #require(stage.commitment(name, output: output))
        stage.say(commitment)
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        // One part is not all.
        stage.include(try stage.certificate(name, part: 0))
        #expect(stage.run { $0.operations.operations[name]?.commitment?.certifiedParts == 1 })
        #expect(stage.status(name) == .committed)
        stage.include(try stage.certificate(name, part: 1))
        #expect(stage.run { $0.operations.operations[name]?.status == .certified })
        let settlement = try #require(stage.head.operations.settlement(of: name))
        stage.send(.settle(settlement, output: output), from: 3)
        #expect(stage.run { _ in Stage.settled(stage, name) })
        #expect(stage.status(name) == nil)
        // Paid to the wei: what the price is divided into.
        var paid: UInt128 = settlement.reward
        for payment in settlement.payments {
            paid += payment.amount
            if payment.payee == settlement.payments[0].payee {
                #expect(try stage.balance(payment.payee) == UInt256(UInt64(payment.amount)))
            }
        }
        #expect(paid == 900_000)
        #expect(stage.network.forks.isEmpty)
        for host in stage.network.hosts { #expect(host.penalties.isEmpty) }
        // All came to the same registry, those without state too.
        #expect(stage.run(seconds: 3) { _ in false } == false)
        let registries = Set(stage.network.hosts.compactMap { $0.head?.operations })
        #expect(registries.count == 1)
    }

    /// Whoever builds leaves out what is not certified, and nobody accepts a block that has it.
    @Test func whatIsNotCertifiedIsNotSettled() throws {
        let (stage, name) = try Stage.elected()
        let output: [UInt8] = [1, 2, 3]
        stage.say(try #require(stage.commitment(name, output: output)))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        // What would be right if it were certified.
        let operation = try #require(stage.head.operations.operations[name])
        #expect(operation.settlement == nil)
        stage.include(try stage.certificate(name, part: 0))
        stage.include(try stage.certificate(name, part: 1))
        #expect(stage.run { $0.operations.operations[name]?.status == .certified })
        let right = try #require(stage.head.operations.settlement(of: name))
        // A wrong output, by the executor of which another is believed.
        let wrong: [UInt8] = [3, 2, 1]
        let forged = Settlement(
            operation: name, outputHash: Keccak256.hash(wrong), outputSize: 3, price: 900_000,
            executor: right.payments[0].payee,
            committers: right.payments.dropFirst().map(\.payee))
        stage.send(.settle(forged, output: wrong), from: 3)
        #expect(!stage.run(seconds: 6) { _ in Stage.settled(stage, name) })
        #expect(stage.status(name) == .certified)
        // The transaction waits in the pool and stops nobody else's.
        let heights = stage.network.heights.min() ?? 0
        #expect(stage.run(seconds: 5) { $0.height > heights + 2 })
        #expect(stage.network.forks.isEmpty)
    }

    @Test func aRejectedCommitmentSlashesAndTheNextExecutorMayCommit() throws {
        let (stage, name) = try Stage.elected()
        let election = try #require(stage.head.operations.operations[name]?.election)
        stage.say(try #require(stage.commitment(name, output: [1])))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        stage.include(try stage.certificate(name, part: 0, rejects: true))
        #expect(stage.run { $0.operations.slashed.contains(election.candidates[0].key) })
        #expect(stage.status(name) == .requested)
        let second = election.candidates[1].key
        #expect(
            stage.run(seconds: 60) {
                $0.operations.operations[name]?.election?.mayCommit(second, at: $0.height + 1)
                    == true
            })
        stage.say(try #require(stage.commitment(name, output: [2], by: second)))
        #expect(stage.run { $0.operations.operations[name]?.commitment?.executor == second })
        #expect(stage.network.forks.isEmpty)
    }

    /// A certificate is checked by everybody, whoever hands it in.
    @Test func certificatesThatCertifyNothingGetIntoNoBlock() throws {
        let (stage, name) = try Stage.elected()
        stage.say(try #require(stage.commitment(name, output: [1])))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        // Too few, a part that is not there, a proof of another type.
        for certificate in [
            try stage.certificate(name, part: 0, signers: 2),
            try stage.certificate(name, part: 2), try stage.certificate(name, part: 0, type: 65),
        ] {
            stage.include(certificate)
        }
        let height = stage.head.height
        #expect(stage.run { $0.height > height + 4 })
        #expect(stage.head.operations.operations[name]?.commitment?.certifiedParts == 0)
        for host in stage.network.hosts {
            #expect(!host.events.contains { $0.contains("invalidBlock") })
        }
    }

    /// Blocks of a proposer that lies about operations are invalid.
    @Test func whatABlockSaysMustHold() throws {
        let (stage, name) = try Stage.elected()
        let commitment = try #require(stage.commitment(name, output: [1]))
        let head = stage.head
        func fault(_ items: [ChainItem]) -> OperationRuleFault? {
            do throws(OperationRuleFault) {
                _ = try head.operationStep(
                    items, beacon: .zero, stage.network.parameters, signatures: .check)
                return nil
            } catch {
                return error
            }
        }
        #expect(fault([.commitment(commitment)]) == nil)
        // Somebody else's signature.
        let stolen = ExecutionCommitment(
            signing: commitment.content, with: IdentityKey(Stage.executorKey(9)),
            network: stage.network.parameters.network)
        #expect(
            fault([.commitment(stolen)])
                == .registry(.badSignature(name, executor: commitment.content.executor)))
        #expect(
            fault([.commitment(commitment), .commitment(commitment)])
                == .registry(.wrongStatus(name, .committed)))
        // Items are in order of their kinds, whole, and of kinds that there are.
        let log = try #require(
            ChainItem.log(ContractLog(topics: [.zero], data: [])).blockItem)
        let said = try #require(ChainItem.commitment(commitment).blockItem)
        let body = try #require(
            BlockBody(lastCommit: nil, evidence: [], references: [], items: [log, said]))
        #expect(throws: ItemFault.order(kind: 2, after: 255)) { try ChainItem.items(of: body) }
        for item in [
            BlockItem(kind: 9, content: [1])!, BlockItem(kind: 2, content: [1])!,
        ] {
            let body = BlockBody(lastCommit: nil, evidence: [], references: [], items: [item])!
            #expect(throws: ItemFault.self) { try ChainItem.items(of: body) }
        }
    }

    /// A log that was not made, or one that was and is kept back.
    @Test func logsAreThoseOfTheExecution() throws {
        let stage = try Stage()
        #expect(stage.run { $0.height >= 1 })
        stage.network.tamper = { from, message in
            guard case .gossip(.block, let bytes) = message, from == 0,
                let proposed = try? ProposedBlock(ssz: bytes.span)
            else { return message }
            // The proposer is this host's validator itself: it says what it likes of its own block.
            let block = proposed.contents.block
            let log = ChainItem.log(ContractLog(topics: [SHA256.hash([1])], data: []))
            let body = BlockBody(
                lastCommit: block.body.lastCommit, evidence: block.body.evidence,
                references: block.body.references, items: [log.blockItem!])!
            let header = block.header
            let changed = BlockHeader(
                network: header.network, height: header.height, round: header.round,
                parentID: header.parentID, time: header.time, proposer: header.proposer,
                validatorsRoot: header.validatorsRoot,
                nextValidatorsRoot: header.nextValidatorsRoot,
                prioritiesRoot: header.prioritiesRoot, beaconProof: header.beaconProof,
                beaconValue: header.beaconValue, payload: header.payload, body: body)
            let contents = BlockContents(
                block: ConsensusBlock(header: changed, body: body)!,
                payload: proposed.contents.payload, witness: proposed.contents.witness)!
            let content = ProposalContent(
                height: header.height, round: proposed.proposal.round, validRound: nil,
                blockID: contents.block.id)
            let proposal = Proposal(
                signing: content, as: header.proposer,
                with: IdentityKey(ChainNetwork.validatorKey(0)),
                network: stage.network.parameters.network)
            return ProposedBlock(proposal: proposal, contents: contents)
                .map { .gossip(.block, $0.sszEncoded()) } ?? message
        }
        let height = stage.head.height
        #expect(stage.run(seconds: 60) { $0.height > height + 6 })
        var invalid = 0
        for host in stage.network.hosts.dropFirst() {
            invalid += host.events.count {
                $0.contains("invalidBlock") && $0.contains("operations")
            }
        }
        #expect(invalid > 0)
        #expect(stage.network.forks.isEmpty)
    }
}
