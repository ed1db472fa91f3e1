public import ChoraleBase
import ChoraleTypes
import Codec
public import Consensus
import DequeModule
import Execution
import OrderedCollections
import PeerIdentity
public import TransactionPool

/// The chain of one node: agreement, the blocks that it is about, the transactions that wait for one, and
/// what is asked of others by who is behind.
///
///     gossip, peers ──▶ verify ──▶ consensus ──▶ build, judge, commit ──▶ thread with the state
///                                     │  ▲                                        │
///                                     ▼  └────────────────────────────────────────┘
///                                  journal ──▶ votes and proposals, once they are on the disk
///
/// A machine: what takes time is asked for by `verify` (signatures), `process` (execution and the disk of
/// the chain) and `journal` (the validator's own files), and comes back as input.
///
/// Invariants:
///   1. Nothing that rests on a record is published before the record is synced. (`broadcast`, `held`)
///   2. The head only ascends, by one height at a time, and consensus is at the height after it or, while
///      a commit is being applied, at it. (`adopt`)
///   3. A block is judged by its own bytes: what does not have the roots that the block refers to is
///      never its content. (`ChainVerification`)
///   4. What peers can make the chain hold is bounded by ``ChainLimits``, in bytes where bytes can be many.
public struct Chain: StateMachine, ~Copyable {
    public let configuration: ChainConfiguration
    /// What the chain has come to, as far as it is on the disk.
    public internal(set) var head: ChainHead
    public internal(set) var counters = ChainCounters()

    var consensus: Tendermint
    var consensusInputs: Deque<ConsensusInput> = []
    public internal(set) var pool: TransactionPool
    var random: DeterministicRandom

    /// Blocks of the height after the head, by name.
    var blocks: OrderedDictionary<Bytes32, HeldBlock> = [:]
    var heldSize = 0
    /// The head's own, for who is a step behind.
    var lastContents: BlockContents?
    var peers: OrderedDictionary<PeerID, ChainPeer> = [:]
    var sync = SyncState()
    /// There until the chain has begun at a checkpoint; then never again.
    var download: CheckpointSync?
    /// The lowest height whose block is here.
    var oldest: UInt64
    /// The last checkpoint that is here, for whoever asks.
    public internal(set) var checkpoint: CheckpointID?
    var journal = JournalState()
    var evidence = EvidencePool()
    var operationPool = OperationPool()
    /// The payload that others are asked for.
    var wish: PayloadWish?
    /// Rounds of this height whose proposers were built a payload.
    var payloadRounds: Set<UInt32> = []
    var candidates: [CandidateID: CandidateOrigin] = [:]
    var candidatesSize = 0
    var nextCandidate: UInt64 = 0
    var verificationCount = 0
    var serveCount = 0
    var stateServeCount = 0
    var nextRequest: UInt64 = 0
    var requests: [ChainRequestID: RequestPurpose] = [:]

    var isStarted = false
    /// A final block could not be applied: this node must be looked at.
    var isStopped = false
    /// Why the store takes no blocks, as it was told.
    var storeRefusal: String?
    /// The commit that is being applied.
    var applying: Commit?
    var committedAt: MonotonicInstant?
    var heightStartedAt: MonotonicInstant = .zero
    /// When the next height starts, between a commit and it.
    var nextHeightAt: MonotonicInstant?
    /// What was committed last, for whoever asks.
    public internal(set) var lastReport: CommitReport?
    private let layout = PassedByReference()

    /// - Parameters:
    ///   - head: of the store that `process` works on; that of the genesis where it is to be downloaded first.
    ///   - earliest: the lowest height whose block is there.
    ///   - checkpoint: the last that is there.
    ///   - seed: of choices among peers and moments, nothing else.
    public init(
        _ configuration: ChainConfiguration, head: ChainHead, earliest: UInt64 = 0,
        checkpoint: CheckpointID? = nil, seed: UInt64
    ) {
        self.configuration = configuration
        self.head = head
        oldest = earliest
        self.checkpoint = checkpoint
        download = configuration.checkpoint.map(CheckpointSync.init)
        var random = DeterministicRandom(seed: seed)
        consensus = Tendermint(
            localKey: configuration.localKey, timing: configuration.timing, seed: random.next())
        pool = TransactionPool(
            chainID: configuration.parameters.rules.chainID,
            head: PoolHead(after: head.header, configuration.parameters.rules),
            limits: configuration.pool)
        self.random = random
    }

    var parameters: ChainParameters { configuration.parameters }
    var limits: ChainLimits { configuration.limits }

    public var status: ChainStatus {
        ChainStatus(
            height: head.height, blockID: head.blockID,
            earliest: min(max(1, oldest), head.height))
    }

    public var consensusStatus: ConsensusStatus { consensus.status }

    public var nextDeadline: MonotonicInstant? {
        guard isStarted, !isStopped else {
            return earliest(pool.nextDeadline, download?.wakeAt)
        }
        var deadline = earliest(consensus.nextDeadline, pool.nextDeadline)
        deadline = earliest(deadline, nextHeightAt)
        deadline = earliest(deadline, sync.wakeAt)
        if let wish, !wish.isAssembling { deadline = earliest(deadline, wish.wakeAt) }
        for block in blocks.values { deadline = earliest(deadline, block.wakeAt) }
        return deadline
    }

    public mutating func handle(
        _ input: ChainInput, now: Now, into outputs: inout [ChainOutput]
    ) {
        switch input {
        case .start(let recovery) where download != nil:
            startDownload(recovery, now: now, into: &outputs)
        case .start(let recovery):
            isStarted = true
            if configuration.localKey != nil { outputs.append(.process(.readCandidates)) }
            startHeight(recovery, now: now)
        case .gossip(let id, let topic, let bytes, let peer):
            received(bytes, on: topic, id, from: peer, now: now, into: &outputs)
        case .message(let message, let peer):
            received(message, .peer(peer), now: now, into: &outputs)
        case .verified(let outcome):
            verified(outcome, now: now, into: &outputs)
        case .answered(let answer):
            answered(answer, now: now, into: &outputs)
        case .crossValidated(let id, let refusal):
            crossValidated(id, refusal: refusal, now: now, into: &outputs)
        case .journaled(let answer):
            journaled(answer, now: now, into: &outputs)
        case .peerConnected(let peer, let status, let buildsPayloads):
            peers[peer] = ChainPeer(status, buildsPayloads: buildsPayloads)
            consider(now: now)
        case .peerDisconnected(let peer):
            peers.removeValue(forKey: peer)
            download?.sources.removeValue(forKey: peer)
        case .contentsReceived(let id, let contents):
            receivedContents(id, contents, now: now, into: &outputs)
        case .blockReceived(let id, let block, let size):
            receivedBlock(id, block, size: size, now: now, into: &outputs)
        case .payloadReceived(let id, let built):
            receivedPayload(id, built, into: &outputs)
        case .checkpointReceived(let id, let answer):
            received(id, answer, into: &outputs)
        case .stateReceived(let id, let answer):
            received(id, answer, into: &outputs)
        case .requestEnded(let id, let end):
            requestEnded(id, end, now: now, into: &outputs)
        case .serve(let id, let peer, let request):
            serve(id, peer, request, into: &outputs)
        case .submit(let id, let encoding):
            submit(encoding, .local(id, encoding), into: &outputs)
        case .say(let statement):
            say(statement, into: &outputs)
        case .include(let certificate):
            include(certificate)
        case .includeFastPath(let certificate):
            include(certificate)
        case .dispute(let vote):
            dispute(vote)
        case .accuse(let evidence):
            accuse(evidence, into: &outputs)
        case .contradict(let found):
            contradict(found)
        case .bodyArrived(let root):
            bodyArrived(root, into: &outputs)
        case .bodyRead(let root, let bytes):
            bodyRead(root, bytes, now: now, into: &outputs)
        case .timeout:
            consensusInputs.append(.timeout)
        }
        if isStarted, !isStopped {
            expire(now: now, into: &outputs)
            drain(now: now, into: &outputs)
        }
        if download != nil { driveDownload(now: now, into: &outputs) }
        flushJournal(into: &outputs)
    }

    // MARK: Time

    private mutating func expire(now: Now, into outputs: inout [ChainOutput]) {
        if let at = nextHeightAt, at <= now.instant || consensus.isNextProposed {
            startHeight(nil, now: now)
        }
        if let deadline = consensus.nextDeadline, deadline <= now.instant {
            consensusInputs.append(.timeout)
        }
        if let deadline = pool.nextDeadline, deadline <= now.instant {
            var results: [TransactionPool.Output] = []
            pool.handle(.timeout, now: now, into: &results)
        }
        expireBlocks(now: now, into: &outputs)
        expireWish(now: now, into: &outputs)
        synchronize(now: now, into: &outputs)
    }

    mutating func startHeight(_ recovery: ConsensusRecovery?, now: Now) {
        nextHeightAt = nil
        heightStartedAt = now.instant
        consensusInputs.append(.heightStarted(head.context(parameters), recovery))
        consider(now: now)
    }

    // MARK: Consensus

    private mutating func drain(now: Now, into outputs: inout [ChainOutput]) {
        var results: [ConsensusOutput] = []
        while let input = consensusInputs.popFirst() {
            consensus.handle(input, now: now, into: &results)
            for result in results { perform(result, now: now, into: &outputs) }
            results.removeAll(keepingCapacity: true)
        }
    }

    private mutating func perform(
        _ output: ConsensusOutput, now: Now, into outputs: inout [ChainOutput]
    ) {
        switch output {
        case .persist(let record):
            if configuration.localKey != nil { journal.records.append(record) }
        case .sign(let request):
            journal.requests.append(request)
        case .build(let height, let round, let lastCommit):
            build(height: height, round: round, lastCommit, now: now, into: &outputs)
        case .validate(let height, let round, let blockID):
            validate(height: height, round: round, blockID, now: now, into: &outputs)
        case .broadcast(let message):
            broadcast(message, into: &outputs)
        case .send(let message, let peer):
            emit(.send(ChainMessage(message), to: peer), into: &outputs)
        case .commit(let commit):
            apply(commit, now: now, into: &outputs)
        case .evidence(let piece):
            found(piece, into: &outputs)
        case .peerBehind(let peer, _):
            outputs.append(.send(.status(status), to: peer))
        case .peerAhead(let peer, let height):
            peers[peer]?.reached(height - 1)
            consider(now: now)
        case .event(let event):
            if case .committedBlockIsInvalid = event { counters.committedInvalid += 1 }
            outputs.append(.event(.consensus(event)))
        }
    }

    private mutating func broadcast(_ message: ConsensusMessage, into outputs: inout [ChainOutput])
    {
        switch message {
        case .vote(let vote):
            emit(.publish(.vote, ChainMessage.vote(vote).sszEncoded()), into: &outputs)
        case .proposal(let proposal):
            publish(proposal, into: &outputs)
        case .commit(let commit):
            for peer in chosenPeers() { emit(.send(.commit(commit), to: peer), into: &outputs) }
        case .summary(let summary):
            for peer in chosenPeers() { emit(.send(.summary(summary), to: peer), into: &outputs) }
        }
    }

    private mutating func publish(_ proposal: Proposal, into outputs: inout [ChainOutput]) {
        guard proposal.validRound == nil, let held = blocks[proposal.blockID],
            let contents = held.contents, contents.isComplete
        else {
            emit(.publish(.vote, ChainMessage.proposal(proposal).sszEncoded()), into: &outputs)
            return
        }
        let isInline = contents.size <= limits.inlineSizeMax
        guard
            let proposed = ProposedBlock(
                proposal: proposal, contents: isInline ? contents : contents.bare)
        else { return }
        emit(.publish(.block, proposed.sszEncoded()), into: &outputs)
        if !isInline, !held.isBodyPublished {
            blocks[proposal.blockID]?.isBodyPublished = true
            emit(
                .publishBody(.block, height: proposal.height, contents.payload), into: &outputs)
            emit(
                .publishBody(.witness, height: proposal.height, contents.witness), into: &outputs)
        }
    }

    /// Some peers, not always the same.
    private mutating func chosenPeers() -> [PeerID] {
        var chosen = Array(peers.keys)
        guard chosen.count > limits.summaryPeersMax else { return chosen }
        for index in 0..<limits.summaryPeersMax {
            chosen.swapAt(
                index, index + Int(random.next() % UInt64(chosen.count - index)))
        }
        return Array(chosen.prefix(limits.summaryPeersMax))
    }
}

extension PoolHead {
    /// What transactions of the block after one with this header are measured by.
    init(after header: Header, _ rules: ChainRules) {
        self.init(
            number: header.number, baseFee: header.baseFeeOfNext, gasLimit: header.gasLimit,
            fork: rules.epoch(at: header.timestamp + 1).fork)
    }
}
