import ChoraleBase
import ChoraleTypes
import Consensus
import Execution
import OrderedCollections
import PeerIdentity
import TransactionPool

/// Beginning at a checkpoint: the state is downloaded in parts of several peers, and then the chain goes on as if
/// it had come to that height by itself. Until then there is no height, nothing is voted for, and nothing served.
extension Chain {
    mutating func startDownload(
        _ recovery: ConsensusRecovery?, now: Now, into outputs: inout [ChainOutput]
    ) {
        download?.recovery = recovery
        download?.usefulAt = now.instant
        download?.toldAt = now.instant
        outputs.append(.process(.download(.open)))
    }

    /// At the end of a turn.
    mutating func driveDownload(now: Now, into outputs: inout [ChainOutput]) {
        guard let phase = download?.phase else { return }
        if let at = download?.retryAt, at <= now.instant {
            for task in download?.retries ?? [] { outputs.append(.process(.download(task))) }
            download?.retries = []
            download?.retryAt = nil
        }
        switch phase {
        case .opening, .finishing, .failed: break
        case .asking:
            if download?.flights.isEmpty ?? false { askFor(.checkpoint, now: now, into: &outputs) }
            judgeHope(now: now, into: &outputs)
        case .downloading:
            askForParts(now: now, into: &outputs)
            judgeHope(now: now, into: &outputs)
            tellProgress(now: now, into: &outputs)
        }
        download?.wakeAt =
            phase == .failed ? nil : now.instant.advanced(by: .milliseconds(500))
    }

    private mutating func askForParts(now: Now, into outputs: inout [ChainOutput]) {
        if download?.isComplete ?? false {
            download?.phase = .finishing
            outputs.append(.process(.download(.finish)))
            return
        }
        let backlogMax = limits.downloadBacklogMax
        while let count = download?.flights.count, count < limits.downloadFlightsMax,
            freeSource(now: now) != nil, let part = download?.take(backlogMax: backlogMax)
        {
            askFor(.part(part), now: now, into: &outputs)
        }
    }

    private func canServe(_ peer: ChainPeer) -> Bool { peer.height >= download?.id.height ?? 0 }

    /// Whoever has failed least, of those the one with the least to do; last those who had not come to that height
    /// when they were met, and may have since.
    private func freeSource(now: Now) -> PeerID? {
        guard let download else { return nil }
        var best: (peer: PeerID, rank: (Int, Int, Int))?
        for (peer, entry) in peers {
            let source = download.sources[peer] ?? .init()
            guard source.restsUntil <= now.instant, source.flightCount < 2 else { continue }
            let rank = (canServe(entry) ? 0 : 1, source.failureCount, source.flightCount)
            if let best, best.rank <= rank { continue }
            best = (peer, rank)
        }
        return best?.peer
    }

    private mutating func askFor(
        _ item: CheckpointSync.Item, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard let peer = freeSource(now: now), let id = download?.id else { return }
        let request: ChainRequest
        switch item {
        case .checkpoint: request = .checkpoint(CheckpointRequest(id))
        case .part(let part):
            guard let root = download?.stateRoot else { return }
            request = .state(part.request(height: id.height, stateRoot: root))
        }
        let number = newRequest(.download(peer))
        download?.flights[number] = .init(item: item, peer: peer)
        download?.sources[peer, default: .init()].flightCount += 1
        counters.downloadRequests += 1
        outputs.append(
            .ask(number, peer, request, deadline: now.instant.advanced(by: limits.rangeTimeout)))
    }

    // MARK: What peers send

    mutating func received(
        _ id: ChainRequestID, _ answer: CheckpointAnswer, into outputs: inout [ChainOutput]
    ) {
        guard let flight = download?.flights[id], !flight.isTaken,
            case .checkpoint = flight.item
        else { return }
        download?.flights[id]?.isTaken = true
        outputs.append(.process(.download(.begin(id, answer))))
    }

    mutating func received(
        _ id: ChainRequestID, _ answer: StateRangeAnswer, into outputs: inout [ChainOutput]
    ) {
        guard let flight = download?.flights[id], !flight.isTaken,
            case .part(let part) = flight.item
        else { return }
        download?.flights[id]?.isTaken = true
        outputs.append(.process(.download(.take(id, part, answer))))
    }

    mutating func downloadEnded(
        _ id: ChainRequestID, _ peer: PeerID, _ end: ChainRequestEnd, now: Now,
        into outputs: inout [ChainOutput]
    ) {
        guard download != nil else { return }
        if let count = download?.sources[peer]?.flightCount, count > 0 {
            download?.sources[peer]?.flightCount -= 1
        }
        guard let flight = download?.flights[id], !flight.isTaken else { return }
        switch end {
        case .finished, .malformed:
            blameSource(peer, "sent no part of a state", now: now, into: &outputs)
        case .unavailable:
            download?.sources[peer]?.lackCount += 1
            download?.sources[peer]?.restsUntil = now.instant.advanced(by: .seconds(3))
        case .failed:
            restSource(peer, now: now)
        }
        abandon(id)
    }

    private mutating func abandon(_ id: ChainRequestID) {
        guard let flight = download?.flights.removeValue(forKey: id) else { return }
        if case .part(let part) = flight.item { download?.requeue(part) }
    }

    private mutating func restSource(_ peer: PeerID, now: Now) {
        guard var source = download?.sources[peer] else { return }
        source.failureCount += 1
        let doublings = min(source.failureCount - 1, 6)
        source.restsUntil = now.instant.advanced(by: .milliseconds(500) * (1 << doublings))
        download?.sources[peer] = source
    }

    private mutating func blameSource(
        _ peer: PeerID, _ text: String, now: Now, into outputs: inout [ChainOutput]
    ) {
        counters.faults[.state, default: 0] += 1
        outputs.append(.penalize(peer, text))
        restSource(peer, now: now)
    }

    // MARK: What the processor says

    mutating func downloaded(
        _ answer: DownloadAnswer, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard let id = download?.id else { return }
        if case .unavailable(let task, let text) = answer {
            refused(text, into: &outputs)
            let retryAt = now.instant.advanced(by: limits.storeRetry)
            download?.retries.append(task)
            download?.retryAt = retryAt
            return
        }
        storeRefusal = nil
        switch answer {
        case .unavailable: break
        case .opened(let state):
            if let state {
                download?.begin(state, now: now)
                outputs.append(.event(.downloading(id, .resumed)))
            } else {
                download?.phase = .asking
                outputs.append(.event(.downloading(id, .asking)))
            }
        case .began(let request, .success(let state)):
            download?.flights.removeValue(forKey: request)
            download?.begin(state, now: now)
            outputs.append(.event(.downloading(id, .began)))
        case .began(let request, .failure(let fault)):
            if let peer = download?.flights[request]?.peer {
                blameSource(peer, "\(fault)", now: now, into: &outputs)
            }
            abandon(request)
        case .taken(let request, .success(let step)):
            guard let flight = download?.flights.removeValue(forKey: request),
                case .part(let part) = flight.item
            else { return }
            download?.sources[flight.peer]?.lackCount = 0
            peers[flight.peer]?.reached(id.height)
            download?.arrived(part, step, now: now)
        case .taken(let request, .failure(let fault)):
            if let peer = download?.flights[request]?.peer {
                blameSource(peer, "\(fault)", now: now, into: &outputs)
            }
            abandon(request)
        case .finished(let head):
            begin(at: head, now: now, into: &outputs)
        case .damaged(let text):
            fail(text, into: &outputs)
        }
    }

    /// The chain goes on from a checkpoint.
    private mutating func begin(
        at head: ChainHead, now: Now, into outputs: inout [ChainOutput]
    ) {
        guard let download else { return }
        let recovery = download.recovery
        outputs.append(.event(.downloading(download.id, .finished)))
        self.download = nil
        self.head = head
        oldest = head.height
        checkpoint = CheckpointID(head)
        pool = TransactionPool(
            chainID: parameters.rules.chainID,
            head: PoolHead(after: head.header, parameters.rules), limits: configuration.pool)
        isStarted = true
        outputs.append(.statusChanged(status))
        startHeight(recovery, now: now)
    }

    // MARK: How it goes

    private mutating func fail(_ text: String, into outputs: inout [ChainOutput]) {
        guard let id = download?.id else { return }
        download?.phase = .failed
        download?.wakeAt = nil
        outputs.append(.event(.downloading(id, .failed(text))))
    }

    /// Ends when everybody who could have it has said often enough, and for long enough, not to.
    private mutating func judgeHope(now: Now, into outputs: inout [ChainOutput]) {
        guard let download,
            download.usefulAt.advanced(by: limits.checkpointPatience) <= now.instant,
            !download.flights.values.contains(where: \.isTaken)
        else { return }
        let able = peers.filter { canServe($0.value) }.keys
        if !able.isEmpty, able.allSatisfy({ (download.sources[$0]?.lackCount ?? 0) >= 2 }) {
            fail(
                "none of \(able.count) peers has the state of height \(download.id.height) any more:"
                    + " take a newer checkpoint", into: &outputs)
            return
        }
        guard download.toldAt.advanced(by: limits.checkpointPatience) <= now.instant else { return }
        self.download?.toldAt = now.instant
        let text =
            able.isEmpty
            ? "no peer has come to height \(download.id.height) yet; the highest is at \(highest)"
            : "none of \(able.count) peers answers"
        outputs.append(.event(.downloading(download.id, .waiting(text))))
    }

    private mutating func tellProgress(now: Now, into outputs: inout [ChainOutput]) {
        guard let download, download.toldAt.advanced(by: .seconds(10)) <= now.instant else {
            return
        }
        // Silence is told of less often.
        guard download.usefulAt > download.toldAt else { return }
        self.download?.toldAt = now.instant
        if let info = downloadInfo(now: now.instant) {
            outputs.append(.event(.downloading(download.id, .progress(info))))
        }
    }

    func downloadInfo(now: MonotonicInstant) -> ChainInfo.DownloadInfo? {
        guard let download else { return nil }
        let share = download.share
        var left: Double?
        if let (before, at) = download.began, share > before, download.phase == .downloading {
            let elapsed = Double(at.duration(to: now).wholeMilliseconds) / 1000
            left = elapsed * (1 - share) / (share - before)
        }
        return ChainInfo.DownloadInfo(
            checkpoint: download.id, phase: .init(download.phase), share: share, secondsLeft: left,
            accountCount: download.accountCount, slotCount: download.slotCount,
            codeCount: download.codeCount, size: download.size,
            sourceCount: peers.values.count { canServe($0) })
    }
}
