import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import PeerIdentity

/// A chain with what stands around it: a processor, a validator's files, and lists of what was asked for and not
/// answered yet. Traps where the chain breaks the rules of its interface.
final class ChainHost {
    private(set) var chain: Chain
    let processor: BlockProcessor<MemoryChainStore>
    private let key: Ed25519.PrivateKey?
    private let publicKey: SigningKeyBytes?
    private var guardian = SigningGuard(freshFrom: 0)
    /// Everything signed by the files.
    private var signatures: Set<SignatureBytes> = []

    private(set) var verifications: [ChainVerification] = []
    private(set) var tasks: [ChainTask] = []
    private(set) var orders: [JournalOrder] = []
    private(set) var asks:
        [(id: ChainRequestID, peer: PeerID, request: ChainRequest, until: MonotonicInstant)] = []
    private(set) var opinions: [Bytes32] = []
    private(set) var reads: [Bytes32] = []
    private var publications: [(topic: ChainTopic, bytes: [UInt8])] = []
    private var undecided: Set<ChainGossipID> = []
    private var unserved: Set<BlockServeID> = []
    private var unsubmitted: Set<SubmissionID> = []
    private(set) var peers: Set<PeerID> = []
    private var nextID: UInt64 = 0
    private var lastOrder: UInt64 = 0
    private var height: UInt64 = 0
    private(set) var events = 0

    /// - Parameter validator: of ``ChainActors/keys``; nil for an observer.
    init(
        validator: Int?, keepsState: Bool = true, crossValidates: Bool = false,
        inlineSizeMax: Int? = nil
    ) {
        key = validator.map { ChainActors.keys[$0] }
        publicKey = validator.map { ChainActors.keyBytes[$0] }
        do {
            processor = try BlockProcessor(
                ChainActors.parameters, store: ChainActors.store(), keepsState: keepsState,
                key: key)
        } catch { fatalError("a store of this program: \(error)") }
        var configuration = ChainConfiguration(
            parameters: ChainActors.parameters, localKey: publicKey, keepsState: keepsState)
        configuration.crossValidates = crossValidates
        if let inlineSizeMax { configuration.limits.inlineSizeMax = inlineSizeMax }
        chain = Chain(configuration, head: processor.head, seed: UInt64(validator ?? 9))
    }

    // MARK: In and out

    func give(_ input: ChainInput, now: Now) {
        if case .peerConnected(let peer, _, _) = input { peers.insert(peer) }
        if case .peerDisconnected(let peer) = input { peers.remove(peer) }
        var outputs: [ChainOutput] = []
        chain.handle(input, now: now, into: &outputs)
        for output in outputs { take(output) }
        check()
    }

    /// A connection comes once, and with its end every question on it ends.
    func setConnected(_ peer: PeerID, _ status: ChainStatus?, now: Now) {
        if let status {
            if !peers.contains(peer) { give(.peerConnected(peer, status), now: now) }
        } else if peers.contains(peer) {
            give(.peerDisconnected(peer), now: now)
            while let index = asks.firstIndex(where: { $0.peer == peer }) {
                endAsk(index, .failed, now: now)
            }
        }
    }

    func gossip(_ topic: ChainTopic, _ bytes: [UInt8], from peer: PeerID, now: Now) {
        nextID += 1
        let id = ChainGossipID(nextID)
        undecided.insert(id)
        give(.gossip(id, topic, bytes, from: peer), now: now)
    }

    func serve(_ request: ChainRequest, to peer: PeerID, now: Now) {
        nextID += 1
        let id = BlockServeID(nextID)
        unserved.insert(id)
        give(.serve(id, peer, request), now: now)
    }

    func submit(_ bytes: [UInt8], now: Now) {
        nextID += 1
        let id = SubmissionID(nextID)
        unsubmitted.insert(id)
        give(.submit(id, bytes), now: now)
    }

    func takePublications() -> [(topic: ChainTopic, bytes: [UInt8])] {
        defer { publications = [] }
        return publications
    }

    private func take(_ output: ChainOutput) {
        switch output {
        case .publish(let topic, let bytes):
            publications.append((topic, bytes))
            require(publications.count < 4096, "a turn that never ends talking")
            checkSigned(topic, bytes)
        case .verdict(let id, _):
            require(undecided.remove(id) != nil, "a second verdict, or one on nothing")
        case .verify(let verification): verifications.append(verification)
        case .process(let task):
            switch task {
            case .commit, .importBlocks: checkWriter(task)
            default: break
            }
            tasks.append(task)
        case .journal(let order):
            require(key != nil, "records of one who signs nothing")
            require(order.id == lastOrder + 1, "order \(order.id) after \(lastOrder)")
            require(!order.records.isEmpty || !order.requests.isEmpty, "an empty order")
            lastOrder = order.id
            orders.append(order)
        case .crossValidate(let contents, _): opinions.append(contents.block.id)
        case .ask(let id, let peer, let request, let until):
            require(peers.contains(peer), "a question to who is not there")
            if case .blocks(let first, let count) = request {
                require(first >= 1 && count >= 1, "a range of nothing")
                require(
                    !asks.contains {
                        if case .blocks = $0.request { $0.peer == peer } else { false }
                    }, "two ranges asked of one peer")
            }
            asks.append((id, peer, request, until))
        case .serveContents(let id, let contents):
            require(unserved.remove(id) != nil, "a second answer, or one to nobody")
            require(contents?.isComplete ?? true, "a part of a block is served")
        case .serveBlocks(let id, _), .servePayload(let id, _), .served(let id, _):
            require(unserved.remove(id) != nil, "a second answer, or one to nobody")
        case .readBody(let root): reads.append(root)
        case .submitted(let id, _):
            require(unsubmitted.remove(id) != nil, "a second answer to a user")
        case .event(let event):
            events += 1
            if case .committed(let report) = event {
                require(report.height == height + 1, "\(report.height) after \(height)")
                height = report.height
            }
        case .statusChanged(let status):
            require(status.height <= processor.head.height, "ahead of the disk")
        case .send, .publishBody, .penalize: break
        }
    }

    /// Nothing of ours leaves that the files have not signed.
    private func checkSigned(_ topic: ChainTopic, _ bytes: [UInt8]) {
        let signature: SignatureBytes?
        switch topic {
        case .vote:
            switch try? ChainMessage(ssz: bytes.span) {
            case .vote(let vote): signature = vote.signature
            case .proposal(let proposal): signature = proposal.signature
            default: fatalError("property broken: something else on the topic of votes")
            }
        case .block: signature = (try? ProposedBlock(ssz: bytes.span))?.proposal.signature
        // Of others, or signed by an executor, which this is not.
        case .evidence, .transaction, .executor: return
        }
        require(
            signature.map(signatures.contains) ?? false, "what is not signed by its files leaves")
    }

    /// Blocks are written by one task at a time of each kind, in order.
    private func checkWriter(_ task: ChainTask) {
        if case .importBlocks(let blocks) = task {
            let first = blocks.first?.block.header.height ?? 0
            require((1...16).contains(blocks.count), "\(blocks.count) blocks in a task")
            for (index, block) in blocks.enumerated() {
                require(block.block.header.height == first + UInt64(index), "blocks out of order")
            }
        }
        for other in tasks {
            switch (task, other) {
            case (.commit, .commit): fatalError("property broken: two commits under way")
            case (.importBlocks, .importBlocks):
                fatalError("property broken: two imports under way")
            default: break
            }
        }
    }

    private func check() {
        let limits = chain.configuration.limits
        let holdings = chain.holdings
        require(holdings.blockCount <= limits.heldBlocksMax, "\(holdings.blockCount) blocks")
        require(holdings.blockSize >= 0, "less than nothing is held")
        require(holdings.blockSize <= limits.heldSizeMax, "blocks of \(holdings.blockSize) bytes")
        require(holdings.syncSize >= 0, "less than nothing came")
        require(
            holdings.syncSize <= limits.syncSizeMax + 16 << 20, "\(holdings.syncSize) bytes came")
        require(
            holdings.rangeCount <= Int(limits.syncAheadMax) + 64, "\(holdings.rangeCount) ranges")
        require(holdings.requestCount == asks.count, "questions that nobody knows of")
        require(asks.count <= 256, "\(asks.count) questions")
        require(
            holdings.verificationCount == verifications.count
                && verifications.count <= limits.verificationsMax, "checks that nobody knows of")
        require(holdings.candidateSize <= limits.candidatesSizeMax, "transactions without bound")
        require(holdings.evidenceCount <= limits.evidenceMax, "evidence without bound")
        require(
            holdings.heldOutputCount <= limits.heldOutputsMax + 1024,
            "\(holdings.heldOutputCount) messages wait")
        require(
            holdings.voteCount <= Tendermint.Limits().votesMax(validators: 4),
            "\(holdings.voteCount) votes")
    }

    // MARK: Answering

    func finishVerification(now: Now) {
        guard !verifications.isEmpty else { return }
        give(.verified(verifications.removeFirst().run()), now: now)
    }

    func finishTask(now: Now) {
        guard !tasks.isEmpty else { return }
        give(.answered(processor.perform(tasks.removeFirst())), now: now)
    }

    func finishOrder(fails: Bool = false, now: Now) {
        guard !orders.isEmpty else { return }
        let order = orders.removeFirst()
        guard !fails else {
            give(.journaled(JournalAnswer(id: order.id, signed: [], failure: "full")), now: now)
            return
        }
        let signed = order.requests.map {
            JournalAnswer.Signed(request: $0, signature: sign($0))
        }
        give(.journaled(JournalAnswer(id: order.id, signed: signed, failure: nil)), now: now)
    }

    private func sign(_ request: SignRequest) -> SignatureBytes? {
        guard let key else { return nil }
        let message = request.message(network: ChainActors.digest)
        let hash = SHA256.hash(message)
        switch guardian.decide(request.position, messageHash: hash) {
        case .sign:
            let signature = must(SignatureBytes(key.sign(message)))
            guardian.signed(request.position, messageHash: hash, signature: signature)
            signatures.insert(signature)
            return signature
        case .reuse(let signature): return signature
        case .refuse: return nil
        }
    }

    func finishOpinion(_ refusal: String?, now: Now) {
        guard !opinions.isEmpty else { return }
        give(.crossValidated(opinions.removeFirst(), refusal: refusal), now: now)
    }

    func finishRead(_ bytes: [UInt8]?, now: Now) {
        guard !reads.isEmpty else { return }
        give(.bodyRead(root: reads.removeFirst(), bytes), now: now)
    }

    func endAsk(_ index: Int, _ end: ChainRequestEnd, now: Now) {
        give(.requestEnded(asks.remove(at: index).id, end), now: now)
    }

    /// As a driver does when time is up.
    func expireAsks(now: Now) {
        while let index = asks.firstIndex(where: { $0.until <= now.instant }) {
            endAsk(index, .failed, now: now)
        }
    }

    /// Does one thing of each kind. Returns whether there was any.
    func doWork(now: Now) -> Bool {
        let isBusy =
            !verifications.isEmpty || !tasks.isEmpty || !orders.isEmpty || !opinions.isEmpty
            || !reads.isEmpty || !asks.isEmpty
        finishVerification(now: now)
        finishTask(now: now)
        finishOrder(now: now)
        finishOpinion(nil, now: now)
        finishRead(nil, now: now)
        if !asks.isEmpty { endAsk(0, .failed, now: now) }
        return isBusy
    }

    /// Whatever was asked was answered, once all work is done.
    func checkAnswers() {
        require(undecided.isEmpty, "\(undecided.count) messages without a verdict")
        require(unserved.isEmpty, "\(unserved.count) peers without an answer")
        require(unsubmitted.isEmpty, "\(unsubmitted.count) users without an answer")
    }
}
