import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Whom to ask for what, and when to look again.
extension Bodies {
    /// - Complexity: nothing unless something has changed or is due; then, for each body being fetched
    ///   or told of, O(links × chunks).
    mutating func schedule(now: MonotonicInstant, into outputs: inout [Output]) {
        guard isScheduleStale || (wakeAt.map { $0 <= now } ?? false) else { return }
        isScheduleStale = false
        wakeAt = nil
        guard !active.isEmpty else { return }
        let current = active.compactMap { bodies[$0] }
        takeTurns(current, now: now)
        let slow = slowPeers(now: now)
        for body in current {
            switch body.phase {
            case .waiting:
                break
            case .fetching:
                fillLinks(of: body, upTo: limits.activeLinksMax, now: now)
                requestChunks(of: body, slow: slow, now: now, into: &outputs)
                hedge(body, slow: slow, now: now, into: &outputs)
                exchange(body, now: now, into: &outputs)
                wake(body.progressAt.advanced(by: limits.stallTimeout), now: now)
            case .complete:
                exchange(body, now: now, into: &outputs)
                retire(body, now: now)
            }
        }
        probe(current, now: now, into: &outputs)
    }

    /// Asks what there is of bodies that wait.
    private mutating func probe(
        _ current: [Body], now: MonotonicInstant, into outputs: inout [Output]
    ) {
        let isDue = probesAt <= now
        if isDue { probesAt = now.advanced(by: limits.turnPause) }
        // The newest first: the longer nobody had anything of a body, the less likely it is.
        for body in current.reversed() where body.phase == .waiting {
            // They may be hundreds, so with most inputs only those are looked at that are new.
            guard isDue || body.linksSeen == nil else {
                wake(probesAt, now: now)
                continue
            }
            fillLinks(of: body, upTo: limits.probeLinksMax, now: now)
            exchange(body, now: now, into: &outputs)
        }
    }

    mutating func wake(_ instant: MonotonicInstant, now: MonotonicInstant) {
        if instant > now { wakeAt = earliest(wakeAt, instant) }
    }

    // MARK: Links

    func isUsable(_ peer: PeerID, now: MonotonicInstant) -> Bool {
        guard let state = peers[peer], state.canServe, state.restUntil <= now else { return false }
        if let until = distrusted[peer], until > now { return false }
        return true
    }

    /// Remembers that a peer knows of the body, when we could ask it.
    mutating func link(_ peer: PeerID, _ body: Body, now: MonotonicInstant) {
        guard body.phase != .complete, peers[peer]?.canServe == true else { return }
        if let index = body.links.index(forKey: peer) {
            body.links.values[index].isActive = true
        } else if body.links.count < limits.passiveLinksMax {
            body.links[peer] = body.newLink(
                isActive: true, pollInterval: limits.pollInterval, now: now)
        }
    }

    /// Up to `countMax` peers, drawn at random from those connected.
    private mutating func fillLinks(of body: Body, upTo countMax: Int, now: MonotonicInstant) {
        // Looks at every peer, so not with every input: at once when peers came or went, else sometimes,
        // since some rest and some turn out to have nothing.
        guard body.linksSeen != peerChanges || body.fillLinksAt <= now else {
            wake(body.fillLinksAt, now: now)
            return
        }
        body.linksSeen = peerChanges
        body.fillLinksAt = now.advanced(
            by: body.phase == .waiting ? limits.pollIntervalMax : limits.pollInterval)
        wake(body.fillLinksAt, now: now)
        var count = body.links.values.lazy.filter(\.isActive).count
        guard count < countMax || peers.count > count else { return }
        var candidates = Array(peers.keys).filter { peer in
            body.links[peer]?.isActive != true && isUsable(peer, now: now)
        }
        guard !candidates.isEmpty else { return }
        if count >= countMax {
            // One that never had anything gives its place to another.
            guard
                let idle = body.links.elements.firstIndex(where: { entry in
                    entry.value.isActive && entry.value.held.isEmpty
                        && entry.value.exchange == nil
                        && entry.value.pollInterval >= limits.pollIntervalMax
                })
            else { return }
            body.links.remove(at: idle)
            count -= 1
        }
        guard count < countMax else { return }
        random.shuffle(&candidates)
        for peer in candidates.prefix(countMax - count) {
            link(peer, body, now: now)
        }
    }

    /// Drops the links of a complete body once nobody has to be told of it.
    private mutating func retire(_ body: Body, now: MonotonicInstant) {
        if let seeding = body.seeding {
            guard seeding.until <= now else {
                wake(seeding.until, now: now)
                return
            }
            body.seeding = nil
        }
        let isTelling = body.links.contains { peer, link in
            link.exchange != nil
                || (link.isActive && body.hasNews(for: link) && peers[peer]?.canServe == true
                    && (peers[peer]?.failures ?? 0) < 3)
        }
        guard !isTelling else { return }
        body.links = [:]
        active.remove(body.root)
    }

    // MARK: Bitmaps

    /// Tells peers what is new here, and asks those again that had nothing.
    private mutating func exchange(
        _ body: Body, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        for index in body.links.elements.indices {
            let (peer, link) = body.links.elements[index]
            guard let state = peers[peer], state.canServe else { continue }
            guard isUsable(peer, now: now) else {
                wake(max(state.restUntil, distrusted[peer] ?? .zero), now: now)
                continue
            }
            guard link.isActive, link.exchange == nil else { continue }
            let isProbe = body.phase == .waiting
            var due = MonotonicInstant(nanoseconds: .max)
            if body.hasNews(for: link) {
                due = link.exchangedAt.advanced(by: limits.exchangeInterval)
            }
            if body.phase != .complete, !link.held.isFull { due = min(due, link.pollAt) }
            guard due <= now else {
                wake(due, now: now)
                continue
            }
            // Whoever has a place comes first. The end of another one's question lets it through.
            if isProbe, probeCount >= limits.probesMax || state.probes >= limits.probesPerPeerMax {
                continue
            }
            guard requests.count - chunkRequestCount < limits.exchangesMax else { return }
            let id = send(
                nil, to: peer, body, isHedge: false, isProbe: isProbe, now: now, into: &outputs)
            counters.exchangeRequests += 1
            body.links.values[index].exchange = id
        }
    }

    // MARK: Chunks

    /// Peers that let a request wait longer than usual.
    private func slowPeers(now: MonotonicInstant) -> Set<PeerID> {
        var slow: Set<PeerID> = []
        for request in requests.values where request.index != nil && !request.isAnswered {
            guard let body = bodies[request.root] else { continue }
            if request.sentAt.advanced(by: hedgeDelay(of: body)) <= now {
                slow.insert(request.peer)
            }
        }
        return slow
    }

    func hedgeDelay(of body: Body) -> Duration {
        let usual = (body.usualTime ?? limits.hedgeDelayMax) * 4
        return max(limits.hedgeDelayMin, min(limits.hedgeDelayMax, usual))
    }

    /// A linked peer that may be asked now.
    private struct Holder {
        let peer: PeerID
        let held: ChunkBitmap
        /// What speaks against asking it, besides what it has to send already.
        let reserve: Int
        var inFlight: Int

        var cost: Int { inFlight + reserve }
    }

    private func holders(
        of body: Body, slow: Set<PeerID>, now: MonotonicInstant
    ) -> [Holder] {
        var holders: [Holder] = []
        for (peer, link) in body.links where !link.held.isEmpty {
            guard isUsable(peer, now: now), let state = peers[peer] else { continue }
            // The producer comes behind others even when they are busy, since waiting for one of
            // them costs less than the producer's upload; but before peers that are slow.
            var reserve = 0
            if peer == body.producer { reserve += 500 }
            if slow.contains(peer) { reserve += 1000 }
            holders.append(
                Holder(peer: peer, held: link.held, reserve: reserve, inFlight: state.inFlight))
        }
        return holders
    }

    /// The chunks to ask for, the rarest among linked peers first.
    private func wanted(_ body: Body) -> [Int] {
        let missing = body.chunks.indices.filter(body.isMissing)
        guard !missing.isEmpty else { return [] }
        var counts = [Int](repeating: 0, count: body.shape.chunkCount)
        for link in body.links.values where !link.held.isEmpty {
            for index in missing where link.held[index] { counts[index] += 1 }
        }
        return missing.filter { counts[$0] > 0 }
            .sorted { (counts[$0], body.rank[$0]) < (counts[$1], body.rank[$1]) }
    }

    private mutating func requestChunks(
        of body: Body, slow: Set<PeerID>, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard intake == .open || intake == .probing && unstoredSize == 0 else { return }
        let wanted = wanted(body)
        guard !wanted.isEmpty else { return }
        var holders = holders(of: body, slow: slow, now: now)
        for index in wanted {
            let room = limits.unstoredSizeMax - unstoredSize
            guard chunkRequestCount < (intake == .open ? limits.requestsMax : 1),
                requests.count < limits.requestCountMax,
                (chunkRequestCount + 1) * body.shape.chunkSize <= room
            else { return }
            guard let position = choose(from: holders, for: index, except: nil) else { continue }
            holders[position].inFlight += 1
            let id = send(
                index, to: holders[position].peer, body, isHedge: false, now: now, into: &outputs)
            body.chunks[index].requests = [id]
        }
    }

    /// The peer to ask for a chunk: the least busy that is not slow; the producer only when nobody
    /// else has it, because everybody else may have to ask the producer too.
    private mutating func choose(
        from holders: [Holder], for index: Int, except: PeerID?
    ) -> Int? {
        var best: [Int] = []
        var bestCost = Int.max
        for position in holders.indices
        where holders[position].held[index] && holders[position].peer != except {
            let cost = holders[position].cost
            if cost < bestCost {
                bestCost = cost
                best = [position]
            } else if cost == bestCost {
                best.append(position)
            }
        }
        guard let position = random.element(of: best),
            holders[position].inFlight < limits.requestsPerPeerMax
        else { return nil }
        return position
    }

    /// Asks a second holder for chunks that take too long.
    private mutating func hedge(
        _ body: Body, slow: Set<PeerID>, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard intake == .open else { return }
        let delay = hedgeDelay(of: body)
        for index in body.chunks.indices
        where body.chunks[index].requests.count == 1 && body.chunks[index].job == nil {
            guard let request = requests[body.chunks[index].requests[0]], !request.isAnswered
            else { continue }
            let due = request.sentAt.advanced(by: delay)
            guard due <= now else {
                wake(due, now: now)
                continue
            }
            guard body.hedgeCount < limits.hedgesMax, chunkRequestCount < limits.requestsMax,
                requests.count < limits.requestCountMax
            else { continue }
            let holders = holders(of: body, slow: slow, now: now)
            guard let position = choose(from: holders, for: index, except: request.peer)
            else { continue }
            let id = send(
                index, to: holders[position].peer, body, isHedge: true, now: now, into: &outputs)
            body.chunks[index].requests.append(id)
            body.hedgeCount += 1
            counters.hedgeRequests += 1
        }
    }

    private mutating func send(
        _ index: Int?, to peer: PeerID, _ body: Body, isHedge: Bool, isProbe: Bool = false,
        now: MonotonicInstant, into outputs: inout [Output]
    ) -> RequestID {
        let id = newRequest()
        let indices = index.map { [UInt16($0)] } ?? []
        guard let message = ChunksByRootRequest(root: body.root, indices: indices, held: body.held)
        else { preconditionFailure("one index ascends") }
        let deadline = now.advanced(by: limits.requestTimeout)
        requests[id] = Request(
            root: body.root, peer: peer, index: index, sentAt: now, deadline: deadline,
            isHedge: isHedge, isProbe: isProbe)
        if isProbe {
            probeCount += 1
            peers[peer]?.probes += 1
        }
        if index != nil {
            counters.chunkRequests += 1
            chunkRequestCount += 1
            peers[peer]?.inFlight += 1
        }
        if let link = body.links.index(forKey: peer) {
            body.links.values[link].toldCount = body.held.setCount
            body.links.values[link].exchangedAt = now
            if index == nil {
                let interval = body.links.values[link].pollInterval
                // Nodes that heard of a body together need not ask together.
                body.links.values[link].pollAt = now.advanced(
                    by: interval + random.duration(below: interval / 4))
                body.links.values[link].pollInterval = min(
                    interval * 2, limits.pollIntervalMax)
            }
        }
        outputs.append(.request(id, peer, message, deadline: deadline))
        return id
    }
}

extension Bodies.Input {
    /// Whether scheduling has to look at every body again. What a peer holds is looked at by `note`.
    var changesSchedule: Bool {
        switch self {
        case .timeout, .read, .serve, .serveEnded, .peerHas, .announcementReceived,
            .serveAnnouncements:
            false
        case .chunkReceived(_, let response): response.hasChunk
        case .announced, .publish, .peerConnected, .peerDisconnected, .requestEnded,
            .chunkVerified, .announcementVerified, .storeReplied, .loaded, .remove:
            true
        }
    }
}
