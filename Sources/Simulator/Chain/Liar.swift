import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import DequeModule
import Execution
import Node

/// What makes a validator lie: it stands between a real node and its signatures, its blocks and its jobs.
///
/// The node on the host is the honest one. It asks for signatures, and gets them or does not; beside each the
/// liar may sign something else and publish it through the same node, so that to others all of it comes from
/// one host.
final class Liar {
    enum Lie: CaseIterable, Hashable, Sendable {
        /// Signs each vote, and a second one that contradicts it.
        case doubleVote
        /// Votes for blocks that do not exist, instead of what it should.
        case unknownBlock
        /// Says nothing.
        case silence
        /// Proposes two blocks of a round.
        case doubleProposal
        /// Publishes bytes that are no proposal, and proposals with others' bodies.
        case garbage
        /// Proposes blocks that do not lead to the state that they claim, and finds those of others good.
        case wrongState
        /// Announces blocks and never gives their bodies.
        case withholding
    }

    struct Publication {
        let topic: String
        let bytes: [UInt8]
    }

    private let key: Ed25519.PrivateKey
    private let parameters: ChainParameters
    private let lies: [Lie]
    private var random: DeterministicRandom
    private var orders: Deque<JournalOrder> = []
    /// Another block of a height, to propose as well.
    private var second: BlockContents?
    private var built: BlockContents?
    private var lastBlock: Bytes32?
    /// The lie of the round in which it proposes.
    private var proposalLie: Lie?
    /// How often it told which.
    private(set) var told: [Lie: Int] = [:]
    /// Whether it signed two contradicting messages.
    var hasContradicted: Bool { told[.doubleVote] != nil || told[.doubleProposal] != nil }

    init(_ key: Ed25519.PrivateKey, _ parameters: ChainParameters, _ lies: [Lie], seed: UInt64) {
        self.key = key
        self.parameters = parameters
        self.lies = lies
        random = DeterministicRandom(seed: seed)
    }

    private func tell(_ lie: Lie) { told[lie, default: 0] += 1 }

    private func choose(_ among: Set<Lie>) -> Lie? {
        let possible = lies.filter(among.contains)
        // Now and then even a liar says the truth.
        guard !random.chance(1, in: 4) else { return nil }
        return random.element(of: possible)
    }

    // MARK: Building and judging

    func answer(_ task: ChainTask, _ processor: BlockProcessor<MemoryChainStore>) -> ChainAnswer {
        switch task {
        case .build:
            proposalLie = choose([.doubleProposal, .garbage, .wrongState, .withholding, .silence])
            second = nil
            guard
                case .built(let height, let round, var contents, let facts) =
                    processor.perform(task)
            else { return processor.perform(task) }
            if proposalLie == .wrongState, let wrong = Self.withWrongState(contents) {
                tell(.wrongState)
                contents = wrong
            }
            if proposalLie == .doubleProposal { second = Self.rebuilt(contents, later: true) }
            built = contents
            return .built(height: height, round: round, contents, facts)
        case .buildPayload(let id, _, _):
            let answer = processor.perform(task)
            guard lies.contains(.wrongState), case .payloadBuilt(_, let built?) = answer,
                var execution = try? Block(built.payload.span)
            else { return answer }
            tell(.wrongState)
            execution.header.stateRoot = SHA256.hash(execution.header.stateRoot.bytes)
            return .payloadBuilt(
                id, BuiltPayload(payload: execution.encoded, witness: built.witness))
        case .judge(let order):
            lastBlock = order.contents.block.id
            let answer = processor.perform(task)
            if lies.contains(.wrongState), case .judged(let id, let height, .invalid) = answer {
                return .judged(blockID: id, height: height, .valid(BlockFacts()))
            }
            return answer
        default:
            return processor.perform(task)
        }
    }

    /// The same block with a payload that claims another state.
    private static func withWrongState(_ contents: BlockContents) -> BlockContents? {
        guard var execution = try? Block(contents.payload.span) else { return nil }
        execution.header.stateRoot = SHA256.hash(execution.header.stateRoot.bytes)
        return rebuilt(contents, payload: execution.encoded)
    }

    /// The same block with another payload, or a millisecond later in the same second, so that its payload is
    /// right for it.
    private static func rebuilt(
        _ contents: BlockContents, payload: [UInt8]? = nil, later: Bool = false
    ) -> BlockContents? {
        let payload = payload ?? contents.payload
        guard let reference = ContentReference(kind: .block, bytes: payload) else { return nil }
        let known = contents.block.header
        var time = known.time
        if later, time.milliseconds % 1000 < 999 { time = time.advanced(by: .milliseconds(1)) }
        let header = BlockHeader(
            network: known.network, height: known.height, round: known.round,
            parentID: known.parentID, time: time, proposer: known.proposer,
            validatorsRoot: known.validatorsRoot, nextValidatorsRoot: known.nextValidatorsRoot,
            prioritiesRoot: known.prioritiesRoot, beaconProof: known.beaconProof,
            beaconValue: known.beaconValue, payload: reference, body: contents.block.body)
        guard let block = ConsensusBlock(header: header, body: contents.block.body) else {
            return nil
        }
        return BlockContents(block: block, payload: payload, witness: contents.witness)
    }

    /// Whether a job of the node's is never done.
    func drops(_ job: Job) -> Bool {
        guard case .buildBody = job else { return false }
        return proposalLie == .withholding
    }

    // MARK: Signing

    func take(_ order: JournalOrder) { orders.append(order) }

    /// The answer to the oldest order, and what else is said.
    func finish(_ head: ChainHead) -> (JournalAnswer, [Publication]) {
        let order = orders.removeFirst()
        var publications: [Publication] = []
        let signed = order.requests.map { request in
            let isTold: Bool
            switch request {
            case .vote(let content): isTold = vote(content, head, &publications)
            case .proposal(let content): isTold = propose(content, head, &publications)
            }
            let message = request.message(network: parameters.network)
            return JournalAnswer.Signed(
                request: request, signature: isTold ? SignatureBytes(key.sign(message)) : nil)
        }
        return (JournalAnswer(id: order.id, signed: signed, failure: nil), publications)
    }

    /// A node that starts again has no orders under way.
    func forgetOrders() { orders = [] }

    private func index(at height: UInt64, _ head: ChainHead) -> ValidatorIndex? {
        head.validators(at: height)?.index(of: ChainGenesis.bytes(key))
    }

    /// Returns whether the node gets the signature that it asked for.
    private func vote(
        _ content: VoteContent, _ head: ChainHead, _ publications: inout [Publication]
    ) -> Bool {
        guard let index = index(at: content.height, head),
            let lie = choose([.doubleVote, .unknownBlock, .silence])
        else { return true }
        tell(lie)
        if lie == .silence { return false }
        var block: Bytes32? = Bytes32(random.bytes(count: 32)[...])
        if lie == .doubleVote, random.chance(1, in: 2) {
            block = content.blockID == nil ? lastBlock ?? block : nil
        }
        let other = VoteContent(
            kind: content.kind, height: content.height, round: content.round, blockID: block)
        if other != content, let signature = sign(other.signedMessage) {
            let vote = Vote(
                content: other, validator: index, scheme: .ed25519, signature: signature)
            publish(.vote, ChainMessage.vote(vote).sszEncoded(), &publications)
        }
        return lie == .doubleVote
    }

    private func propose(
        _ content: ProposalContent, _ head: ChainHead, _ publications: inout [Publication]
    ) -> Bool {
        guard let index = index(at: content.height, head), let lie = proposalLie,
            let built, built.block.id == content.blockID
        else { return true }
        func proposed(_ contents: BlockContents) -> [UInt8]? {
            let content = ProposalContent(
                height: content.height, round: content.round, validRound: nil,
                blockID: contents.block.id)
            guard let signature = sign(content.signedMessage) else { return nil }
            let proposal = Proposal(
                content: content, proposer: index, scheme: .ed25519, signature: signature)
            return ProposedBlock(proposal: proposal, contents: contents)?.sszEncoded()
        }
        switch lie {
        case .doubleProposal:
            guard let second, second.block.id != built.block.id, let bytes = proposed(second)
            else { return true }
            tell(lie)
            publish(.block, bytes, &publications)
            return true
        case .garbage:
            tell(lie)
            publish(.block, random.bytes(count: 500), &publications)
            publish(.vote, random.bytes(count: 100), &publications)
            publish(.evidence, random.bytes(count: 200), &publications)
            if let foreign = BlockContents(
                block: built.block, payload: built.witness, witness: built.payload),
                let bytes = proposed(foreign)
            {
                publish(.block, bytes, &publications)
            }
            return false
        case .withholding:
            tell(lie)
            if let bytes = proposed(built.bare) { publish(.block, bytes, &publications) }
            return false
        case .silence:
            tell(lie)
            return false
        case .wrongState, .doubleVote, .unknownBlock:
            return true
        }
    }

    private func sign(_ message: (NetworkDigest) -> [UInt8]) -> SignatureBytes? {
        SignatureBytes(key.sign(message(parameters.network)))
    }

    private func publish(
        _ topic: ChainTopic, _ bytes: [UInt8], _ publications: inout [Publication]
    ) {
        let name = "/chorale/\(Hex.encode(ChainGenesis.digest))/\(topic.rawValue)/ssz_snappy"
        publications.append(Publication(topic: name, bytes: Snappy.encode(bytes.span)))
    }
}
