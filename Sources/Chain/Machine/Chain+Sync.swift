import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// A peer of this network, as far as its chain is concerned.
struct ChainPeer {
    /// The highest that it is known to have committed.
    private(set) var height: UInt64
    private(set) var earliest: UInt64
    /// Whether it has state, and builds for those who have none.
    let buildsPayloads: Bool
    /// A range that it is asked for.
    var request: ChainRequestID?
    /// It failed to send what it said it has: not asked again before.
    var restsUntil: MonotonicInstant?
    var failureCount = 0
    /// Messages of its whose signatures are being checked.
    var verificationCount = 0

    init(_ status: ChainStatus, buildsPayloads: Bool) {
        self.buildsPayloads = buildsPayloads
        height = status.height
        earliest = status.earliest
    }

    mutating func reached(_ height: UInt64) { self.height = max(self.height, height) }

    /// It did not send what it was said to have. What is heard of a peer is not signed; until more is heard
    /// it has no more than this.
    mutating func lacks(_ height: UInt64) { self.height = min(self.height, height - 1) }

    mutating func status(_ status: ChainStatus) {
        height = max(height, status.height)
        earliest = status.earliest
    }
}

/// What a request of ours is for.
enum RequestPurpose {
    case contents(Bytes32, PeerID)
    case range(BlockRange, PeerID)
    /// For the proposal of a round.
    case payload(UInt32, PeerID)
    /// A checkpoint, or a part of its state.
    case download(PeerID)

    var peer: PeerID {
        switch self {
        case .contents(_, let peer), .range(_, let peer), .payload(_, let peer),
            .download(let peer):
            peer
        }
    }
}

struct BlockRange: Hashable {
    let first: UInt64
    let count: UInt64

    var last: UInt64 { first + count - 1 }
}

/// Catching up: heights are asked for in ranges of several peers at once, each height of one, and applied in
/// order.
struct SyncState {
    struct Arrived {
        let block: CommittedBlock
        let size: Int
        let peer: PeerID
    }

    var arrived: [UInt64: Arrived] = [:]
    var size = 0
    /// Ranges that nobody is asked for, lowest first.
    var open: [BlockRange] = []
    /// Ranges under way.
    var asked: [ChainRequestID: BlockRange] = [:]
    /// Behind which nothing was planned yet.
    var plannedTo: UInt64 = 0
    var isImporting = false
    /// The store took no block: not tried again before.
    var restsUntil: MonotonicInstant?
    /// Whether more than a height is missing; what users are told.
    var target: UInt64?
    var startedAt: (height: UInt64, MonotonicInstant)?
    var wakeAt: MonotonicInstant?

    mutating func reset() {
        arrived = [:]
        size = 0
        open = []
        plannedTo = 0
        target = nil
        startedAt = nil
        wakeAt = nil
    }
}

extension Chain {
    mutating func newRequest(_ purpose: RequestPurpose) -> ChainRequestID {
        nextRequest += 1
        let id = ChainRequestID(nextRequest)
        requests[id] = purpose
        return id
    }

    /// The highest height that a connected peer is known to have.
    var highest: UInt64 { peers.values.lazy.map(\.height).max() ?? 0 }

    /// Looks whether blocks must be asked for, at the end of this turn or when consensus has had its time.
    mutating func consider(now: Now) {
        let highest = highest
        // With that an end is found as well.
        guard highest > head.height || sync.target != nil else { return }
        let at =
            highest != head.height + 1
            ? now.instant : max(now.instant, heightStartedAt.advanced(by: limits.behindPatience))
        sync.wakeAt = earliest(sync.wakeAt, at)
    }

    mutating func synchronize(now: Now, into outputs: inout [ChainOutput]) {
        guard let at = sync.wakeAt, at <= now.instant else { return }
        sync.wakeAt = nil
        let highest = highest
        guard highest > head.height else { return finishSync(into: &outputs) }
        let isBehind =
            highest > head.height + 1
            || heightStartedAt.advanced(by: limits.behindPatience) <= now.instant
        guard isBehind || sync.target != nil else { return consider(now: now) }
        if sync.target == nil {
            sync.startedAt = (head.height, now.instant)
            sync.plannedTo = head.height
            outputs.append(.event(.syncing(from: head.height, to: highest)))
        }
        sync.target = highest
        plan(to: highest)
        askRanges(now: now, into: &outputs)
        importArrived(now: now, into: &outputs)
        // A peer that rests, or one that was asked and says nothing, brings no input.
        sync.wakeAt = earliest(sync.wakeAt, now.instant.advanced(by: .milliseconds(500)))
    }

    private mutating func finishSync(into outputs: inout [ChainOutput]) {
        // Whoever was known to have more may only have gone: where nobody is left, nothing is known.
        guard sync.target != nil, !sync.isImporting, !peers.isEmpty else { return }
        outputs.append(.event(.synced(height: head.height)))
        sync.reset()
    }

    private mutating func plan(to highest: UInt64) {
        sync.plannedTo = max(sync.plannedTo, head.height)
        let end = min(highest, head.height + limits.syncAheadMax)
        while sync.plannedTo < end {
            let first = sync.plannedTo + 1
            let count = min(limits.rangeCount, end - sync.plannedTo)
            sync.open.append(BlockRange(first: first, count: count))
            sync.plannedTo += count
        }
    }

    private mutating func askRanges(now: Now, into outputs: inout [ChainOutput]) {
        while let range = sync.open.first, sync.size < limits.syncSizeMax {
            guard range.last > head.height else {
                sync.open.removeFirst()
                continue
            }
            // The one that failed least, so that who is slow or lies comes last.
            let able = peers.filter { entry in
                entry.value.request == nil && entry.value.height >= range.first
                    && entry.value.earliest <= range.first
                    && entry.value.restsUntil.map { $0 <= now.instant } ?? true
            }
            guard let peer = able.min(by: { $0.value.failureCount < $1.value.failureCount })?.key
            else { return }
            sync.open.removeFirst()
            let id = newRequest(.range(range, peer))
            sync.asked[id] = range
            peers[peer]?.request = id
            counters.rangesAsked += 1
            outputs.append(
                .ask(
                    id, peer, .blocks(from: range.first, count: range.count),
                    deadline: now.instant.advanced(by: limits.rangeTimeout)))
        }
    }

    mutating func receivedBlock(
        _ id: ChainRequestID, _ block: CommittedBlock, size: Int, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard case .range(let range, let peer) = requests[id] else { return }
        let height = block.block.header.height
        guard (range.first...range.last).contains(height) else {
            outputs.append(.penalize(peer, "sent a block that it was not asked for"))
            return
        }
        guard height > head.height, sync.arrived[height] == nil else { return }
        // Blocks may be larger than anybody expected. What there is no room for is asked for again.
        guard height == head.height + 1 || sync.size + size <= limits.syncSizeMax else {
            counters.blocksShed += 1
            return
        }
        sync.arrived[height] = .init(block: block, size: size, peer: peer)
        sync.size += size
        importArrived(now: now, into: &outputs)
    }

    mutating func requestEnded(
        _ id: ChainRequestID, _ end: ChainRequestEnd, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard let purpose = requests.removeValue(forKey: id) else { return }
        switch purpose {
        case .contents(let block, let peer):
            if blocks[block]?.request == id { blocks[block]?.request = nil }
            if end == .malformed { outputs.append(.penalize(peer, "sent no block")) }
            // The next one, at once.
            if end != .finished, blocks[block]?.isWanted ?? false,
                !(blocks[block]?.contents?.isComplete ?? false)
            {
                blocks[block]?.wakeAt = now.instant.advanced(by: .milliseconds(50))
            }
        case .payload(let round, let peer):
            if end == .malformed { outputs.append(.penalize(peer, "sent no payload")) }
            payloadRequestEnded(round, end, now: now)
        case .download(let peer):
            downloadEnded(id, peer, end, now: now, into: &outputs)
        case .range(let range, let peer):
            sync.asked.removeValue(forKey: id)
            if peers[peer]?.request == id { peers[peer]?.request = nil }
            if end == .malformed { outputs.append(.penalize(peer, "sent no blocks")) }
            rangeEnded(range, peer, end, now: now)
        }
    }

    /// Whatever has not come of a range is asked of somebody else.
    private mutating func rangeEnded(
        _ range: BlockRange, _ peer: PeerID, _ end: ChainRequestEnd, now: Now
    ) {
        guard sync.target != nil else { return }
        let missing = (range.first...range.last).filter {
            $0 > head.height && sync.arrived[$0] == nil
        }
        if missing.count == Int(range.count) || end != .finished {
            rest(peer, now: now)
            if let first = missing.first { peers[peer]?.lacks(first) }
        }
        if let first = missing.first {
            sync.open.append(BlockRange(first: first, count: range.last - first + 1))
            sync.open.sort { $0.first < $1.first }
        }
        sync.wakeAt = now.instant
    }

    private mutating func rest(_ peer: PeerID, now: Now) {
        guard var entry = peers[peer] else { return }
        entry.failureCount += 1
        let doublings = min(entry.failureCount - 1, 6)
        entry.restsUntil = now.instant.advanced(by: .milliseconds(500) * (1 << doublings))
        peers[peer] = entry
    }

    private mutating func importArrived(now: Now, into outputs: inout [ChainOutput]) {
        guard !sync.isImporting, sync.restsUntil.map({ $0 <= now.instant }) ?? true else { return }
        var batch: [CommittedBlock] = []
        var height = head.height + 1
        while batch.count < limits.importCount, let next = sync.arrived[height] {
            batch.append(next.block)
            height += 1
        }
        guard !batch.isEmpty else { return }
        sync.isImporting = true
        outputs.append(.process(.importBlocks(batch)))
    }

    mutating func imported(
        _ summaries: [CommittedSummary], _ failure: ImportFailure?, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        sync.isImporting = false
        for summary in summaries where summary.head.height == head.height + 1 {
            counters.blocksImported += 1
            lastContents = nil
            adopt(
                summary, CommitReport(summary, round: summary.head.commit?.round ?? 0, nil),
                now: now, into: &outputs)
        }
        for height in Array(sync.arrived.keys) where height <= head.height {
            if let gone = sync.arrived.removeValue(forKey: height) { sync.size -= gone.size }
        }
        if let failure { importFailed(failure, now: now, into: &outputs) }
        sync.wakeAt = now.instant
        // Agreement goes on from here while nothing more is at hand: how far others are is what they say.
        if !summaries.isEmpty, sync.arrived[head.height + 1] == nil {
            startHeight(nil, now: now)
        }
        importArrived(now: now, into: &outputs)
    }

    private mutating func importFailed(
        _ failure: ImportFailure, now: Now, into outputs: inout [ChainOutput]
    ) {
        if case .unavailable(let text) = failure.reason {
            // The block is as good as before; this node is not.
            refused(text, into: &outputs)
            sync.restsUntil = now.instant.advanced(by: limits.storeRetry)
            return
        }
        let source = sync.arrived.removeValue(forKey: failure.height)
        if let source { sync.size -= source.size }
        switch failure.reason {
        case .fault(let fault):
            guard let source else { return }
            if case .rejected = fault { counters.blocksInvalid[fault.label, default: 0] += 1 }
            blame(source.peer, "\(fault)", now: now, into: &outputs)
        case .commit(let error):
            guard let source else { return }
            blame(source.peer, "a commit that is none: \(error)", now: now, into: &outputs)
        case .notNext, .unavailable:
            break
        }
        if failure.height > head.height {
            sync.open.insert(BlockRange(first: failure.height, count: 1), at: 0)
        }
    }

    private mutating func blame(
        _ peer: PeerID, _ text: String, now: Now, into outputs: inout [ChainOutput]
    ) {
        counters.faults[.blocks, default: 0] += 1
        outputs.append(.penalize(peer, text))
        rest(peer, now: now)
        // What else it sent is asked of others.
        for (height, block) in sync.arrived.sorted(by: { $0.key < $1.key })
        where block.peer == peer {
            sync.arrived.removeValue(forKey: height)
            sync.size -= block.size
            sync.open.append(BlockRange(first: height, count: 1))
        }
        sync.open.sort { $0.first < $1.first }
    }

    // MARK: Serving

    mutating func serve(
        _ id: BlockServeID, _ peer: PeerID, _ request: ChainRequest,
        into outputs: inout [ChainOutput]
    ) {
        switch request {
        case .payload(let order):
            servePayload(id, order, from: peer, into: &outputs)
        case .contents(let block):
            let known = blocks[block]?.contents
            let last = lastContents.flatMap { $0.block.id == block ? $0 : nil }
            let contents = [known, last].compactMap { $0 }.first { $0.isComplete }
            outputs.append(.serveContents(id, contents))
        case .blocks(let first, let count):
            guard serveCount < limits.servesMax, isStarted else {
                outputs.append(.serveBlocks(id, []))
                return
            }
            serveCount += 1
            outputs.append(
                .process(
                    .readBlocks(
                        id, from: first, count: Int(min(count, 1024)),
                        sizeMax: limits.servedSizeMax)))
        case .checkpoint(let request):
            serve(id, .readCheckpoint(id, request), into: &outputs)
        case .state(let request):
            serve(id, .readState(id, request), into: &outputs)
        }
    }

    private mutating func serve(
        _ id: BlockServeID, _ task: ChainTask, into outputs: inout [ChainOutput]
    ) {
        guard isStarted else {
            outputs.append(.served(id, .absent))
            return
        }
        guard stateServeCount < limits.stateServesMax else {
            outputs.append(.served(id, .busy))
            return
        }
        stateServeCount += 1
        outputs.append(.process(task))
    }
}
