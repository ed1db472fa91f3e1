import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Answering peers, and the node's own user.
extension Bodies {
    mutating func serve(
        _ id: ServeID, _ peer: PeerID, _ request: ChunksByRootRequest, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.servesReceived += 1
        guard serves[id] == nil else {
            counters.servesRefused += 1
            return
        }
        guard let body = bodies[request.root] else {
            if !forgotten.contains(request.root) { hint(peer, now: now) }
            refuse(id, 3, "this body is not known here", into: &outputs)
            return
        }
        let count = body.shape.chunkCount
        guard request.held.count == 0 || request.held.count == count,
            request.indices.last.map({ Int($0) < count }) ?? true
        else {
            counters.faults += 1
            outputs.append(.penalize(peer, .impossibleBitmap(root: request.root)))
            refuse(id, 1, "the body has \(count) chunks", into: &outputs)
            return
        }
        note(request.held, of: peer, body, now: now, into: &outputs)
        let wanted = request.indices.map(Int.init).filter { body.held[$0] }
        guard !wanted.isEmpty else {
            outputs.append(
                .respond(id, ChunkResponse(root: body.root, held: shown(body, to: peer, now: now))))
            outputs.append(.respondEnd(id))
            counters.servesAnswered += 1
            return
        }
        guard serves.count < limits.servesMax,
            (peers[peer]?.serves ?? 0) < limits.servesPerPeerMax,
            unread[peer].map({ $0.until <= now }) ?? true
        else {
            refuse(id, 4, "too many requests are being answered", into: &outputs)
            return
        }
        peers[peer]?.serves += 1
        serves[id] = Serve(
            peer: peer, root: body.root,
            remaining: Array(wanted.prefix(limits.chunksPerServeMax)),
            deadline: now.advanced(by: limits.serveTimeout))
        continueServe(id, now: now, into: &outputs)
    }

    private mutating func refuse(
        _ id: ServeID, _ code: UInt8, _ text: String, into outputs: inout [Output]
    ) {
        counters.servesRefused += 1
        outputs.append(.refuse(id, code: code, text: text))
    }

    /// The answer left, or its stream did.
    mutating func endServe(_ id: ServeID, wasRead: Bool, now: MonotonicInstant) {
        guard let serve = serves.removeValue(forKey: id) else { return }
        peers[serve.peer]?.serves -= 1
        if !wasRead {
            // Or it would take the place again at once.
            let count = unread.removeValue(forKey: serve.peer)?.count ?? 0
            let pause = min(limits.unreadPause * (1 << min(count, 10)), limits.unreadPauseMax)
            unread[serve.peer] = (count + 1, now.advanced(by: pause))
            if unread.count > Self.distrustedMax { unread.removeFirst() }
        } else if serve.isAnswered {
            unread.removeValue(forKey: serve.peer)
        }
        if let body = bodies[serve.root], body.seeding != nil {
            for index in serve.sent { body.seeding?.leftAt[index] = now }
        }
        // Given up before it was answered: the peer left, or it never read.
        if !serve.isAnswered { counters.servesRefused += 1 }
    }

    /// Sends the next chunk, or has it read first; one at a time, so that an answer holds one chunk.
    private mutating func continueServe(
        _ id: ServeID, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        while let serve = serves[id], !serve.isAnswered {
            guard let index = serve.remaining.first, bodies[serve.root] != nil else {
                serves[id]?.isAnswered = true
                counters.servesAnswered += 1
                outputs.append(.respondEnd(id))
                return
            }
            let key = ChunkKey(root: serve.root, index: index)
            guard let chunk = cache.use(key) else {
                counters.cacheMisses += 1
                readFromStore(key, for: .serve(id), into: &outputs)
                return
            }
            counters.cacheHits += 1
            respond(chunk, key, id, now: now, into: &outputs)
        }
    }

    /// A chunk that an answer waited for was read.
    mutating func send(
        _ chunk: StoredChunk, _ key: ChunkKey, _ id: ServeID, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let serve = serves[id], serve.remaining.first == key.index else { return }
        respond(chunk, key, id, now: now, into: &outputs)
        continueServe(id, now: now, into: &outputs)
    }

    /// A chunk that an answer waited for cannot be read.
    mutating func skipChunk(
        _ id: ServeID, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard serves[id] != nil else { return }
        serves[id]?.remaining.removeFirst()
        continueServe(id, now: now, into: &outputs)
    }

    private mutating func respond(
        _ chunk: StoredChunk, _ key: ChunkKey, _ id: ServeID, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let serve = serves[id], let body = bodies[key.root] else { return }
        serves[id]?.remaining.removeFirst()
        serves[id]?.sent.append(key.index)
        body.links[serve.peer]?.sent[key.index] = true
        let size = UInt64(chunk.data.bytes.count)
        counters.chunksServed += 1
        counters.chunkBytesServed += size
        body.bytesServed += size
        let held = shown(body, to: serve.peer, now: now)
        outputs.append(
            .respond(
                id,
                ChunkResponse(root: key.root, index: UInt16(key.index), chunk: chunk, held: held)
            ))
    }

    /// What a peer gets to see of what we hold.
    ///
    /// All of it, but from a producer whose body is new: each peer sees a few chunks at a time that
    /// nobody else has been shown, so that the first copies go to different peers and they have
    /// something to trade. A chunk is shown again when its receivers had time to pass it on and seem not
    /// to have done it: each time the wait doubles, and it is longer still once two others hold the
    /// chunk, because then it spreads without us. Not for ever: those two may be liars.
    private mutating func shown(
        _ body: Body, to peer: PeerID, now: MonotonicInstant
    ) -> ChunkBitmap {
        guard let seeding = body.seeding, now < seeding.until else { return body.held }
        // Peers beyond the links that are remembered get it from those within: shown everything, they
        // would all ask for the same.
        guard let link = body.links.index(forKey: peer) else {
            return ChunkBitmap(repeating: false, count: body.shape.chunkCount)
        }
        var shown = body.links.values[link].shown
        let theirs = body.links.values[link].held
        let sent = body.links.values[link].sent
        let count = body.shape.chunkCount
        let open = (0..<count).lazy.filter { shown[$0] && !theirs[$0] && !sent[$0] }.count
        let neighbours = max(1, peers.values.lazy.filter(\.canServe).count)
        let ahead = max(1, min(limits.requestsPerPeerMax, count / neighbours))
        guard open < ahead else { return shown }

        var spread = [Int](repeating: 0, count: count)
        var holders = spread
        for other in body.links.values {
            for index in 0..<count where other.held[index] || other.shown[index] {
                spread[index] += 1
                if other.held[index] { holders[index] += 1 }
            }
        }
        var hidden = (0..<count).filter { index in
            guard !shown[index], !theirs[index] else { return false }
            if spread[index] == 0 { return true }
            let isOnItsWay = body.links.values.contains {
                $0.sent[index] && !$0.held[index] && seeding.leftAt[index] < seeding.shownAt[index]
            }
            let rounds = min(seeding.shownCounts[index] - 1, 8) + (holders[index] >= 2 ? 2 : 0)
            let wait = limits.reshowDelay * (1 << max(0, rounds))
            let last = max(seeding.leftAt[index], seeding.shownAt[index])
            return !isOnItsWay && last.advanced(by: wait) < now
        }
        random.shuffle(&hidden)
        hidden.sort { spread[$0] < spread[$1] }
        for index in hidden.prefix(ahead - open) {
            shown[index] = true
            body.seeding?.shownAt[index] = now
            body.seeding?.shownCounts[index] += 1
        }
        body.links.values[link].shown = shown
        return shown
    }

    // MARK: Reading

    mutating func read(_ id: ReadID, _ key: ChunkKey, into outputs: inout [Output]) {
        guard let body = bodies[key.root], key.index >= 0, key.index < body.shape.chunkCount,
            body.held[key.index]
        else {
            outputs.append(.chunkRead(id, .absent))
            return
        }
        if let chunk = cache.use(key) {
            outputs.append(.chunkRead(id, .chunk(chunk.data.bytes)))
            return
        }
        guard userReadCount < limits.readsMax else {
            outputs.append(.chunkRead(id, .overloaded))
            return
        }
        userReadCount += 1
        readFromStore(key, for: .user(id), into: &outputs)
    }

    /// One request to the store, however many wait for the chunk.
    private mutating func readFromStore(
        _ key: ChunkKey, for reader: Reader, into outputs: inout [Output]
    ) {
        readers[key, default: []].append(reader)
        guard readers[key]?.count == 1 else { return }
        store(
            .get(.chunk, key: StoredChunk.key(root: key.root, index: key.index)),
            .chunkRead(key), into: &outputs)
    }
}
