import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import OrderedCollections
import PeerIdentity
import Testing

import Chain
@testable import Operations
@testable import PartVerification
@testable import Subproof

/// What strangers send.
@Suite(.serialized) struct HostileTests {
    /// An operation that stays open, with certificates, votes and evidence of it.
    private func quarrel() throws -> Network {
        var settings = Network.Settings()
        settings.validators = 7
        settings.faults = [0: .rejecting]
        let network = Network(settings)
        network.censors = true
        network.commit(Work.small)
        network.run(3000)
        return network
    }

    private func statements(_ network: Network) throws -> [PartStatement] {
        let certificate = try #require(network.offered.first)
        let evidence = try #require(network.nodes[3].accusations.first)
        let content = CommitteeVoteContent(
            operation: certificate.id.operation, commitment: .zero,
            validatorsRoot: network.set.root, outputHash: .zero)
        let vote = CommitteeVote(
            signing: content, as: ValidatorIndex(1), with: network.keys[1],
            network: Network.digest)
        var bits = try #require(ValidatorBits(count: 7))
        bits[1] = true
        let fast = try #require(
            FastPathCertificate(
                content: content, tranche: .first, scheme: .ed25519, signers: bits,
                signatures: [vote.signature]))
        return [
            .certificate(certificate), .evidence(evidence), .committeeVote(vote), .fastPath(fast),
        ]
    }

    private func decode(_ bytes: [UInt8]) throws -> PartStatement {
        try PartStatement(ssz: bytes.span)
    }

    @Test func statementsHaveOneForm() throws {
        for statement in try statements(quarrel()) {
            let bytes = statement.sszEncoded()
            let whole = try decode(bytes)
            #expect(whole == statement)
            for count in 0..<bytes.count {
                // A signature may be shorter, and is another one then.
                let part = Array(bytes.prefix(count))
                guard let read = try? decode(part) else { continue }
                #expect(read.sszEncoded() == part)
                #expect(read != statement)
            }
            for position in 0..<min(bytes.count, 200) {
                var changed = bytes
                changed[position] ^= 0x41
                guard let read = try? decode(changed) else { continue }
                #expect(read.sszEncoded() == changed)
                #expect(read != statement)
            }
            #expect(statement.operation == Work.small.request.operation)
        }
        #expect(throws: SSZError.self) { try decode([]) }
        #expect(throws: SSZError.self) { try decode([4, 0, 0]) }
    }

    @Test func whatIsNoMessageIsRejected() throws {
        let network = try quarrel()
        let node = network.nodes[3]
        let peer = Work.key("stranger").peerID
        var random = DeterministicRandom(seed: 5)
        func verdict(_ topic: PartTopic, _ bytes: [UInt8]) -> ChainVerdictText {
            let before = Set(node.verdicts.keys)
            node.hear(topic, bytes, from: peer)
            network.run(100)
            let id = Set(node.verdicts.keys).subtracting(before).first { id in
                node.verdicts[id]!.count == 1
            }
            return id.map { ChainVerdictText(node.verdicts[$0]![0]) } ?? ChainVerdictText.none
        }
        node.isDeaf = false
        for other in network.nodes where other !== node { other.isDown = true }
        network.run(200)
        for size in [0, 1, 100, 163, 170, 40_000] {
            #expect(verdict(.votes(subnet: 0), random.bytes(count: size)) == .reject)
            #expect(verdict(.certificate, random.bytes(count: size)) == .reject)
        }
        // A vote on another subnet's topic.
        let vote = try #require(network.nodes[4].signatures.first)
        let wrong = (vote.id.subnet + 1) % 64
        #expect(verdict(.votes(subnet: wrong), vote.sszEncoded()) == .reject)
        // One that everybody knows.
        #expect(verdict(.votes(subnet: vote.id.subnet), vote.sszEncoded()) == .ignore)
        // Forged, by one who was not heard.
        let forged = SubProofVote(
            content: SubProofVoteContent(
                id: vote.id, validatorsRoot: vote.content.validatorsRoot,
                verdict: .reject(.malformed)),
            validator: ValidatorIndex(5), scheme: .ed25519, signature: vote.signature)
        #expect(verdict(.votes(subnet: vote.id.subnet), forged.sszEncoded()) == .reject)
        let unknown = SubProofVote(
            content: SubProofVoteContent(
                id: try #require(SubProofID(operation: .zero, part: 0, proof: .zero)),
                validatorsRoot: network.set.root, verdict: .valid),
            validator: ValidatorIndex(5), scheme: .ed25519, signature: vote.signature)
        #expect(verdict(.votes(subnet: 0), unknown.sszEncoded()) == .ignore)
        // Nobody of the set.
        let nobody = SubProofVote(
            content: vote.content, validator: ValidatorIndex(900), scheme: .ed25519,
            signature: vote.signature)
        #expect(verdict(.votes(subnet: vote.id.subnet), nobody.sszEncoded()) == .reject)
        // Of another commitment to the operation: a block ahead, perhaps.
        let other = SubProofVote(
            content: SubProofVoteContent(
                id: try #require(
                    SubProofID(operation: vote.id.operation, part: 0, proof: .zero)),
                validatorsRoot: network.set.root, verdict: .valid),
            validator: ValidatorIndex(5), scheme: .ed25519, signature: vote.signature)
        #expect(verdict(.votes(subnet: 0), other.sszEncoded()) == .ignore)
        for statement in try statements(network) {
            var bytes = statement.sszEncoded()
            bytes[bytes.count - 1] ^= 1
            let found = verdict(.certificate, bytes)
            #expect(found == .reject || found == .ignore)
        }
    }

    enum ChainVerdictText {
        case accept, ignore, reject, none
        init(_ verdict: ChainVerdict) {
            switch verdict {
            case .accept: self = .accept
            case .ignore: self = .ignore
            case .reject: self = .reject
            }
        }
    }

    @Test func directVotesThatAreForgedArePenalized() throws {
        let network = try quarrel()
        let node = network.nodes[3]
        let peer = Work.key("stranger").peerID
        let vote = try #require(network.nodes[0].signatures.first)
        let forged = (1..<7).map {
            SubProofVote(
                content: SubProofVoteContent(
                    id: vote.id, validatorsRoot: vote.content.validatorsRoot,
                    verdict: .reject(.malformed)),
                validator: ValidatorIndex($0), scheme: .ed25519, signature: vote.signature)
        }
        let message = try #require(PartVotes(parts: forged, committees: []))
        node.handle(.serve(PartServeID(77_777), peer, .votes(message)))
        network.run(100)
        #expect(node.penalties.contains { $0.peer == peer })
        #expect(PartVotes(parts: .init(repeating: vote, count: 65), committees: []) == nil)
    }

    /// Votes, certificates and evidence, as they are on the disk; of an operation that is over, too.
    @Test func everythingThatIsKeptIsServed() throws {
        let network = try quarrel()
        let node = network.nodes[3]
        let name = Work.small.request.operation
        func ask() throws -> [PartStatement] {
            let asker = network.nodes[4]
            let before = asker.statements.count
            let id = PartRequestID(900_000 + UInt64(before))
            asker.ask(node, .statements(operation: name), id)
            network.run(500)
            return Array(asker.statements.dropFirst(before))
        }
        let open = try ask()
        func count(_ statements: [PartStatement], _ isOne: (PartStatement) -> Bool) -> Int {
            statements.count(where: isOne)
        }
        #expect(count(open) { if case .certificate = $0 { true } else { false } } == 2)
        #expect(count(open) { if case .evidence = $0 { true } else { false } } > 0)
        #expect(count(open) { if case .vote = $0 { true } else { false } } == 2)
        #expect(open.allSatisfy { $0.operation == name })
        network.censors = false
        #expect(network.run(blocks: 20) { network.isCertified(Work.small) })
        network.settle(Work.small)
        network.advance()
        network.run(500)
        let over = try ask()
        #expect(over.count >= open.count)
    }

    @Test func votesOnTheTopicOfStatementsAreRejected() throws {
        let network = try quarrel()
        let node = network.nodes[3]
        let vote = try #require(network.nodes[1].signatures.first)
        node.hear(.certificate, PartStatement.vote(vote).sszEncoded(), from: node.peer)
        network.run(100)
        let last = try #require(node.verdicts.max { $0.key.rawValue < $1.key.rawValue })
        #expect(last.value == [.reject])
    }

    @Test func certificatesThatWereNotAskedForArePenalized() throws {
        var requests: [PartRequestID] = []
        var machine = PartVerification(configuration(), seed: 1)
        let peer = Work.key("stranger").peerID
        var outputs: [PartOutput] = []
        machine.connected.append(peer)
        machine.ask(
            peer, .certificates(operation: .zero, parts: [1]),
            for: .certificates(operation: .zero, parts: [1], peer, left: 1), &outputs)
        for case .ask(let id, _, _) in outputs { requests.append(id) }
        let network = try quarrel()
        let certificate = try #require(network.offered.first)
        outputs = []
        machine.handle(
            .certificateReceived(requests[0], certificate), now: network.now, into: &outputs)
        machine.handle(
            .certificateReceived(PartRequestID(99), certificate), now: network.now, into: &outputs)
        #expect(outputs.count(where: { if case .penalize = $0 { true } else { false } }) == 1)
    }

    private func configuration() -> PartConfiguration {
        PartConfiguration(
            network: Network.digest, parameters: Network.parameters, localKey: nil,
            localPeer: Work.executors[0].peerID, blockInterval: .seconds(1))
    }

    /// Nobody checks signatures: what waits for it is bounded, and all are told something.
    @Test func aFloodIsBounded() throws {
        let network = try quarrel()
        let now = network.now
        var configuration = configuration()
        configuration.limits.votesMax = 10
        configuration.limits.statementsMax = 3
        let machine = PartMachine(configuration, seed: 1)
        var outputs: [PartOutput] = []
        var store = MemoryStore()
        var jobs: [PartJob] = []
        var verdicts = 0
        func settle() {
            while !outputs.isEmpty {
                let said = outputs
                outputs = []
                for output in said {
                    switch output {
                    case .store(let id, let request):
                        machine.value.handle(
                            .stored(id, store.perform(request)), now: now, into: &outputs)
                    case .readCommitments(let height):
                        machine.value.handle(
                            .commitmentsRead(height: height, network.blocks[height]), now: now,
                            into: &outputs)
                    case .run(let job):
                        if case .order = job.work {
                            machine.value.handle(
                                .finished(job.run { .zero }), now: now, into: &outputs)
                        } else {
                            jobs.append(job)
                        }
                    case .verdict: verdicts += 1
                    default: break
                    }
                }
            }
        }
        machine.value.handle(.start(network.head), now: now, into: &outputs)
        settle()
        #expect(machine.value.pool.operationCount == 1)
        let peer = Work.key("stranger").peerID
        let vote = try #require(network.nodes[4].signatures.first)
        for index in 0..<100 {
            var signature = vote.signature.bytes
            signature[0] = UInt8(index)
            let forged = SubProofVote(
                content: vote.content, validator: ValidatorIndex(index % 7), scheme: .ed25519,
                signature: SignatureBytes(signature)!)
            machine.value.handle(
                .gossip(
                    PartMessageID(UInt64(index)), .votes(subnet: vote.id.subnet),
                    forged.sszEncoded(), from: peer), now: now, into: &outputs)
            let statement = PartStatement.certificate(try #require(network.offered.first))
            machine.value.handle(
                .gossip(
                    PartMessageID(UInt64(1000 + index)), .certificate, statement.sszEncoded(),
                    from: peer), now: now, into: &outputs)
        }
        settle()
        #expect(machine.value.checks.count == 13)
        // Four batches of votes, each of one since they came one by one, and four statements.
        #expect(jobs.count == 8)
        #expect(verdicts == 200 - 13 - 8)
        while !jobs.isEmpty {
            machine.value.handle(
                .finished(jobs.removeFirst().run { .zero }), now: now, into: &outputs)
            settle()
        }
        #expect(verdicts == 200)
        #expect(machine.value.checks.count == 0)
    }
}
