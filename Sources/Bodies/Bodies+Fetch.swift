import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// What comes of our requests.
extension Bodies {
    // MARK: Peers

    mutating func connected(
        _ peer: PeerID, canServe: Bool, offers: Bool, now: MonotonicInstant
    ) {
        if let index = peers.index(forKey: peer) {
            peers.values[index].canServe = canServe
            peers.values[index].offers = offers
        } else {
            peers[peer] = PeerState(canServe: canServe, offers: offers)
        }
        peerChanges += 1
        if offers { lookForMissed(now: now) }
    }

    mutating func disconnected(
        _ peer: PeerID, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        // Its streams are gone with it, so there is nothing to cancel.
        for (id, request) in requests.elements where request.peer == peer {
            counters.requestsFailed += 1
            _ = take(id)
        }
        for root in active { bodies[root]?.links.removeValue(forKey: peer) }
        for (id, serve) in serves.elements where serve.peer == peer {
            endServe(id, wasRead: true, now: now)
        }
        peers.removeValue(forKey: peer)
        peerChanges += 1
        catchUpPeerLeft(peer)
    }

    mutating func penalize(
        _ peer: PeerID, _ fault: Fault, into outputs: inout [Output]
    ) {
        counters.faults += 1
        outputs.append(.penalize(peer, fault))
    }

    mutating func rest(_ peer: PeerID, now: MonotonicInstant) {
        guard let index = peers.index(forKey: peer) else { return }
        let failures = peers.values[index].failures
        peers.values[index].failures = min(failures + 1, 16)
        let pause = min(limits.backoff * (1 << min(failures, 10)), limits.backoffMax)
        peers.values[index].restUntil = now.advanced(by: pause)
    }

    /// Peers remembered as liars; the one longest remembered is forgotten first.
    static var distrustedMax: Int { 1024 }

    /// Asks the peer nothing more for a long time.
    mutating func distrust(
        _ peer: PeerID, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        distrusted.removeValue(forKey: peer)
        distrusted[peer] = now.advanced(by: limits.distrust)
        if distrusted.count > Self.distrustedMax { distrusted.removeFirst() }
        for (id, request) in requests.elements where request.peer == peer {
            cancel(id, into: &outputs)
        }
        for root in active { bodies[root]?.links.removeValue(forKey: peer) }
        peerChanges += 1
    }

    /// A peer told us what it holds.
    mutating func note(
        _ held: ChunkBitmap, of peer: PeerID, _ body: Body, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard held.count > 0 else { return }
        guard held.count == body.shape.chunkCount else {
            penalize(peer, .impossibleBitmap(root: body.root), into: &outputs)
            return
        }
        // A complete body that is not spread any more has no use for the knowledge.
        guard active.contains(body.root), peers[peer] != nil else { return }
        if body.links[peer] == nil {
            guard body.links.count < limits.passiveLinksMax else { return }
            body.links[peer] = body.newLink(
                isActive: false, pollInterval: limits.pollInterval, now: now)
            isScheduleStale = true
        }
        guard let index = body.links.index(forKey: peer) else { return }
        if body.links.values[index].held != held {
            body.links.values[index].held = held
            body.links.values[index].pollInterval = limits.pollInterval
            isScheduleStale = true
        }
    }

    // MARK: Requests

    /// Takes a request off the books; its chunk, unless it came, is missing again.
    mutating func take(_ id: RequestID) -> Request? {
        guard let request = requests.removeValue(forKey: id) else { return nil }
        let body = bodies[request.root]
        if request.isProbe {
            probeCount -= 1
            peers[request.peer]?.probes -= 1
        }
        guard let index = request.index else {
            if let body, body.links[request.peer]?.exchange == id {
                body.links[request.peer]?.exchange = nil
            }
            return request
        }
        if !request.isAnswered { release(request) }
        if let body, !body.chunks.isEmpty { body.chunks[index].requests.removeAll { $0 == id } }
        return request
    }

    /// Frees the place of a chunk on its way.
    private mutating func release(_ request: Request) {
        chunkRequestCount -= 1
        peers[request.peer]?.inFlight -= 1
        if request.isHedge { bodies[request.root]?.hedgeCount -= 1 }
    }

    mutating func cancel(_ id: RequestID, into outputs: inout [Output]) {
        guard take(id) != nil else { return }
        counters.requestsCancelled += 1
        outputs.append(.cancel(id))
    }

    mutating func timeOut(
        _ id: RequestID, _ request: Request, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard take(id) != nil else { return }
        outputs.append(.cancel(id))
        guard !request.isAnswered else {
            // Only the end is missing.
            counters.requestsAnswered += 1
            return
        }
        counters.requestsTimedOut += 1
        rest(request.peer, now: now)
    }

    mutating func requestEnded(
        _ id: RequestID, _ end: RequestEnd, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        if catchUpEnded(id, end, now: now, into: &outputs) { return }
        guard let request = take(id) else { return }
        let peer = request.peer
        switch end {
        case .finished:
            if request.isAnswered || request.index == nil {
                counters.requestsAnswered += 1
                peers[peer]?.failures = 0
            } else {
                // It said that it holds the chunk, and did not send it.
                counters.requestsRefused += 1
                rest(peer, now: now)
            }
        case .refused(let code):
            counters.requestsRefused += 1
            if code == 4 {
                // Others ask it too: no fault, so it is asked again soon, and somebody else at once.
                peers[peer]?.restUntil = now.advanced(by: limits.busyPause)
            } else if request.index != nil || code != 3 {
                // A peer that has not heard of the body is asked again by its link's own timer.
                rest(peer, now: now)
            }
        case .failed:
            counters.requestsFailed += 1
            rest(peer, now: now)
        case .malformed:
            counters.requestsFailed += 1
            penalize(peer, .malformedAnswer, into: &outputs)
            rest(peer, now: now)
        case .unsupported:
            counters.requestsFailed += 1
            peers[peer]?.canServe = false
            peerChanges += 1
            for root in active { bodies[root]?.links.removeValue(forKey: peer) }
        }
    }

    mutating func chunkReceived(
        _ id: RequestID, _ response: ChunkResponse, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        if response.hasChunk {
            counters.chunksReceived += 1
            counters.chunkBytesReceived += UInt64(response.data.bytes.count)
        }
        guard let request = requests[id], let body = bodies[request.root] else {
            // Cancelled while it was on its way.
            if response.hasChunk { counters.chunksLate += 1 }
            return
        }
        if response.root == request.root {
            note(response.held, of: request.peer, body, now: now, into: &outputs)
        }
        guard response.hasChunk else { return }

        let index = Int(response.index)
        guard response.root == request.root, request.index == index, !request.isAnswered else {
            counters.chunksUnrequested += 1
            penalize(
                request.peer, .unrequestedChunk(root: response.root, index: index), into: &outputs)
            cancel(id, into: &outputs)
            rest(request.peer, now: now)
            return
        }
        requests[id]?.isAnswered = true
        release(request)
        body.chunks[index].requests.removeAll { $0 == id }
        guard !body.held[index], body.chunks[index].job == nil else {
            counters.chunksDuplicate += 1
            return
        }
        let chunk = response.chunk
        let job = newJob()
        body.chunks[index].job = job
        unstoredSize += chunk.data.bytes.count
        jobs[job] = Verification(
            key: ChunkKey(root: body.root, index: index), serial: body.serial, peer: request.peer,
            chunk: chunk, time: request.sentAt.duration(to: now),
            contradicts: chunk.data.bytes.count != body.shape.size(of: index)
                || Array(chunk.proof.elements.suffix(3)) != BodyTree.tail(of: body.shape))
        outputs.append(.verifyChunk(job, ChunkCheck(root: body.root, index: index, chunk: chunk)))
    }

    mutating func chunkVerified(
        _ id: JobID, _ isValid: Bool, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard let work = jobs.removeValue(forKey: id) else { return }
        let size = work.chunk.data.bytes.count
        let index = work.key.index
        let current = bodies[work.key.root]
        let body = current?.serial == work.serial ? current : nil
        if let body, !body.chunks.isEmpty { body.chunks[index].job = nil }
        guard isValid else {
            unstoredSize -= size
            counters.chunksWrong += 1
            penalize(
                work.peer, .wrongChunk(root: work.key.root, index: index), into: &outputs)
            distrust(work.peer, now: now, into: &outputs)
            return
        }
        guard let body, !work.contradicts else {
            unstoredSize -= size
            counters.chunksLate += 1
            if let body { fail(body, .announcementFalse, into: &outputs) }
            return
        }
        // Only now, when somebody has sent a part of it: an announcement alone costs nobody a byte.
        guard makeRoom(for: size, isNew: body.held.isEmpty, into: &outputs) else {
            unstoredSize -= size
            counters.chunksLate += 1
            fail(body, .noRoom, into: &outputs)
            return
        }
        counters.chunksVerified += 1
        peers[work.peer]?.failures = 0
        for other in body.chunks[index].requests {
            // Whoever lost the race by far is asked less, or the next chunk would wait for it too.
            if let late = requests[other],
                late.sentAt.advanced(by: hedgeDelay(of: body)) <= now
            {
                rest(late.peer, now: now)
            }
            cancel(other, into: &outputs)
        }
        body.noteTime(work.time)
        if body.sources[work.peer] != nil || body.sources.count < limits.passiveLinksMax {
            body.sources[work.peer, default: 0] += size
        }
        body.progressAt = now
        body.fruitlessTurns = 0
        body.turnSize += size
        totalSize += body.setHeld(index, true)
        outputs.append(
            .progress(root: body.root, have: body.held.setCount, of: body.shape.chunkCount))
        write(work.chunk, index, body, isLast: body.held.isFull, into: &outputs)
    }

    /// The last chunk is stored.
    mutating func complete(_ body: Body, now: MonotonicInstant, into outputs: inout [Output]) {
        body.phase = .complete
        hasNewRoom = true
        body.chunks = []
        body.rank = []
        body.finishedAt = now
        guard !body.wasCompleted else { return }
        body.wasCompleted = true
        counters.downloadsCompleted += 1
        let peers = body.sources.elements.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        outputs.append(
            .completed(
                body.announcement, fromPeers: peers.map(\.key),
                elapsed: body.startedAt.duration(to: now)))
    }
}
