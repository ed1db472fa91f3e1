import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import PeerIdentity

/// A chain and everybody around it, as a program of bytes: gossip true and false, peers, answers in any order, time.
struct ChainSequence {
    private var program: Program
    let host: ChainHost
    private var now = Now.start
    private var position = 0

    static let seeds: [[UInt8]] = [
        // A validator among three that say what they said in the recording.
        [0, 0] + [UInt8](repeating: 0, count: 4)
            + (0..<60).flatMap { _ in [0, 1, 3, 3, 2, 1, 4, 20] as [UInt8] },
        // An observer who is behind, and whom two peers send blocks.
        [1, 0, 6, 0, 9, 6, 1, 6, 5, 0]
            + (0..<24).flatMap { _ in [7, 0, 0, 3, 3, 5, 0] as [UInt8] },
        [2, 1, 6, 0, 0, 8, 1, 0, 8, 2, 0, 9, 0, 4, 200, 3, 3, 3],
        [3, 0, 6, 2, 255, 1, 1, 0, 1, 1, 1, 7, 2, 0, 10, 1, 40, 1, 2, 3],
    ]

    init(_ input: [UInt8]) {
        program = Program(input)
        let role = program.byte()
        let body = program.byte()
        host = ChainHost(
            validator: role & 1 == 0 ? 0 : nil, keepsState: role & 4 == 0,
            crossValidates: role & 2 != 0, inlineSizeMax: body & 1 == 0 ? nil : 64)
    }

    mutating func run(_ findings: inout Findings) {
        if !program.chance(1, in: 16) { host.give(.start(nil), now: now) }
        var steps = 0
        while !program.isAtEnd, steps < 2048 {
            steps += 1
            step()
            _ = host.takePublications()
        }
        // No more comes, and what is under way ends.
        var rounds = 0
        while host.doWork(now: now) {
            rounds += 1
            require(rounds < 20_000, "work that never ends")
            _ = host.takePublications()
        }
        host.checkAnswers()
        findings.note("height", size: Int(clamping: host.processor.head.height))
        findings.note("events", size: host.events)
        findings.note("chain", counters: host.chain.counters)
        for (fault, _) in host.chain.counters.faults { findings.note("fault", fault) }
        findings.note("phase", host.chain.consensusStatus.phase)
    }

    private var peer: PeerID {
        mutating get { Actors.peers[1 + program.below(4)] }
    }

    private mutating func step() {
        switch program.below(12) {
        case 0: replay()
        case 1: say()
        case 2: for _ in 0...program.below(8) { host.finishVerification(now: now) }
        case 3:
            host.finishTask(now: now)
            host.finishOrder(fails: program.chance(1, in: 8), now: now)
        case 4: wait(program.chance(1, in: 2) ? nil : program.duration())
        case 5: for _ in 0...program.below(4) { _ = doOneOfEach() }
        case 6:
            let peer = peer
            let height = UInt64(program.byte())
            host.setConnected(
                peer, ChainStatus(height: height, blockID: .zero, earliest: min(1, height)),
                now: now)
        case 7: answer()
        case 8:
            let peer = peer
            switch program.below(3) {
            case 0: host.serve(.contents(known()), to: peer, now: now)
            case 1:
                host.serve(
                    .blocks(from: UInt64(program.byte()), count: UInt64(program.byte())), to: peer,
                    now: now)
            default: host.serve(.payload(order()), to: peer, now: now)
            }
        case 9:
            let peer = peer
            if program.chance(1, in: 4) {
                host.setConnected(peer, nil, now: now)
            } else {
                host.give(
                    .message(
                        .status(
                            ChainStatus(
                                height: UInt64(program.word()) << UInt64(program.below(20)),
                                blockID: .zero, earliest: 0)), from: peer), now: now)
            }
        case 10: host.submit(program.chunk(), now: now)
        default:
            host.finishOpinion(program.chance(1, in: 2) ? nil : "the roots differ", now: now)
            bodies()
        }
    }

    /// Whoever drives the chain does what is asked, or some of it.
    private mutating func doOneOfEach() -> Bool {
        host.finishVerification(now: now)
        host.finishTask(now: now)
        host.finishOrder(now: now)
        return true
    }

    /// What others said in the recording, mostly in its order.
    private mutating func replay() {
        let all = ChainActors.recording.gossip
        for _ in 0...program.below(16) {
            if program.chance(1, in: 16) { position += program.word() }
            let (topic, bytes) = all[position % all.count]
            position += 1
            host.gossip(topic, bytes, from: peer, now: now)
        }
    }

    private mutating func known() -> Bytes32 {
        let recording = ChainActors.recording
        let index = program.below(recording.blocks.count + 1)
        return index < recording.blocks.count
            ? recording.blocks[index].block.id : SHA256.hash([program.byte()])
    }

    /// Something that was not said in the recording, on gossip or to this node alone.
    private mutating func say() {
        let recording = ChainActors.recording
        let peer = peer
        let height = host.processor.head.height + UInt64(program.below(4))
        guard height >= 1 else { return }
        let round = UInt32(program.chance(1, in: 8) ? program.word() << 12 : program.below(3))
        switch program.below(8) {
        case 0...2:
            let content = VoteContent(
                kind: program.chance(1, in: 2) ? .prevote : .precommit, height: height,
                round: round, blockID: program.chance(1, in: 3) ? nil : known())
            deliver(.vote(vote(content)), from: peer)
        case 3:
            let validRound = program.chance(1, in: 2) && round > 0 ? round - 1 : nil
            let content = ProposalContent(
                height: height, round: round, validRound: validRound, blockID: known())
            let signer = program.below(4)
            let signature = must(
                SignatureBytes(
                    ChainActors.keys[signer].sign(
                        content.signedMessage(network: ChainActors.digest))))
            deliver(
                .proposal(
                    Proposal(
                        content: content, proposer: index(of: signer), scheme: .ed25519,
                        signature: signature)), from: peer)
        case 4:
            let block = recording.blocks[program.below(recording.blocks.count)]
            deliver(.commit(block.commit), from: peer)
        case 5:
            guard
                let summary = VoteSummary(
                    height: height, round: round, hasProposal: program.chance(1, in: 2), sets: [])
            else { return }
            host.give(.message(.summary(summary), from: peer), now: now)
        case 6:
            // A block with parts missing, or with those of another.
            let proposed = recording.foreign[program.below(recording.foreign.count)]
            let other = recording.proposed[program.below(recording.proposed.count)].contents
            let contents = proposed.contents
            let changed =
                program.chance(1, in: 2)
                ? contents.bare
                : BlockContents(
                    block: contents.block, payload: other.payload, witness: contents.witness)
            guard let changed,
                let message = ProposedBlock(proposal: proposed.proposal, contents: changed)
            else { return }
            host.gossip(.block, message.sszEncoded(), from: peer, now: now)
        default:
            let topic = ChainTopic.allCases[program.below(4)]
            if topic == .evidence, program.chance(3, in: 4) {
                let pair = (0..<2).map { number in
                    vote(
                        VoteContent(
                            kind: .prevote, height: height, round: 0,
                            blockID: SHA256.hash([UInt8(number)])), by: 1)
                }
                guard let evidence = Evidence.DuplicateVote(pair[0], pair[1]) else { return }
                host.gossip(
                    .evidence, Evidence.duplicateVote(evidence).sszEncoded(), from: peer, now: now)
            } else {
                host.gossip(topic, program.chunk(), from: peer, now: now)
            }
        }
    }

    /// What a proposer without state asks for, or somebody who is none.
    private mutating func order() -> PayloadOrder {
        let head = host.processor.head
        let times = [0, 1, 1000, Int64.max, Int64.min]
        let time = times[program.below(5)]
        let content = PayloadOrderContent(
            height: head.height + 1, round: UInt32(program.below(3)), parentID: head.blockID,
            time: time > 1000 || time < 0
                ? WallTime(milliseconds: time) : head.time.advanced(by: .milliseconds(time)),
            feeRecipient: must(SSZByteVector<20>([UInt8](repeating: 7, count: 20))))
        let signer = program.below(4)
        return PayloadOrder(
            signing: content, as: index(of: program.chance(7, in: 8) ? signer : 0),
            with: IdentityKey(ChainActors.keys[signer]), network: ChainActors.digest)
    }

    private func index(of signer: Int) -> ValidatorIndex {
        must(host.processor.head.rotation.validators.index(of: ChainActors.keyBytes[signer]))
    }

    private mutating func vote(_ content: VoteContent, by signer: Int? = nil) -> Vote {
        // Validator 0 speaks for itself.
        let signer = signer ?? 1 + program.below(3)
        var signature = ChainActors.keys[signer].sign(
            content.signedMessage(network: ChainActors.digest))
        if program.chance(1, in: 8) { signature[5] ^= 1 }
        return Vote(
            content: content, validator: index(of: signer), scheme: .ed25519,
            signature: must(SignatureBytes(signature)))
    }

    private mutating func deliver(_ message: ChainMessage, from peer: PeerID) {
        if program.chance(1, in: 3) {
            host.give(.message(message, from: peer), now: now)
        } else {
            host.gossip(.vote, message.sszEncoded(), from: peer, now: now)
        }
    }

    /// Time goes on, to the next deadline or by so much.
    private mutating func wait(_ duration: Duration?) {
        if let duration {
            now.advance(min(duration, .seconds(100)))
        } else if let deadline = host.chain.nextDeadline, deadline > now.instant {
            now.advance(now.instant.duration(to: deadline))
        }
        host.expireAsks(now: now)
        host.give(.timeout, now: now)
    }

    /// A peer answers the oldest question, rightly or not.
    private mutating func answer() {
        let recording = ChainActors.recording
        guard !host.asks.isEmpty else { return }
        let index = program.below(host.asks.count)
        let ask = host.asks[index]
        let isWrong = program.chance(1, in: 4)
        switch ask.request {
        case .contents(let id):
            let found = recording.proposed.first { $0.contents.block.id == id }
            if let found = isWrong ? recording.proposed.last : found {
                host.give(.contentsReceived(ask.id, found.contents), now: now)
            }
        case .blocks(let first, let count):
            for block in recording.blocks {
                let height = block.block.header.height
                guard isWrong || height >= first && height - first < count else { continue }
                host.give(
                    .blockReceived(ask.id, block, size: block.payload.count + 500), now: now)
                if program.chance(1, in: 8) { break }
            }
        case .payload:
            let contents = recording.proposed[program.below(recording.proposed.count)].contents
            if let built = BuiltPayload(payload: contents.payload, witness: contents.witness) {
                host.give(.payloadReceived(ask.id, built), now: now)
            }
        // Only who begins at a checkpoint asks for these.
        case .checkpoint, .state: require(false, "a question for a state that is there")
        }
        let ends: [ChainRequestEnd] = [.finished, .unavailable, .failed, .malformed]
        if let place = host.asks.firstIndex(where: { $0.id == ask.id }) {
            host.endAsk(place, ends[program.below(4)], now: now)
        }
    }

    private mutating func bodies() {
        let proposed = ChainActors.recording.proposed
        let contents = proposed[program.below(proposed.count)].contents
        let isPayload = program.chance(1, in: 2)
        if let root = host.reads.first {
            let all = proposed.flatMap { [$0.contents.payload, $0.contents.witness] }
            let kinds: [BodyKind] = [.block, .witness]
            let right = all.first { bytes in
                kinds.contains { ContentReference(kind: $0, bytes: bytes)?.root == root }
            }
            host.finishRead(program.chance(1, in: 4) ? nil : right, now: now)
        } else {
            let root =
                isPayload
                ? contents.block.header.payload.root
                : contents.block.body.references.first?.root ?? .zero
            host.give(.bodyArrived(root: root), now: now)
        }
    }
}
