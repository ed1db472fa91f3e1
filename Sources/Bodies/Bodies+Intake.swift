import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Which bodies are taken in, and which leave.
extension Bodies {
    mutating func announced(
        _ announcement: BodyAnnouncement, from: PeerID?, now: Now, into outputs: inout [Output]
    ) {
        counters.announcementsReceived += 1
        guard isLoaded else {
            // What the rows say decides whether there is anything to fetch.
            guard waiting.count < limits.waitingMax else {
                refuse(announcement, .loading, into: &outputs)
                return
            }
            waiting.append((announcement, from))
            return
        }
        take(announcement, from: from, now: now, into: &outputs)
    }

    /// - Parameter isMissed: it comes late. Then it must not drive out what is held, and counts as
    ///   received when it was issued, so that it goes when it goes elsewhere.
    mutating func take(
        _ announcement: BodyAnnouncement, from: PeerID?, isMissed: Bool = false, now: Now,
        into outputs: inout [Output]
    ) {
        if let body = bodies[announcement.root] {
            counters.announcementsKnown += 1
            if let from { link(from, body, now: now.instant) }
            return
        }
        switch judge(announcement, from: from, now: now) {
        case .failure(let refusal):
            refuse(announcement, refusal, into: &outputs)
            return
        case .success(let unseen):
            for body in unseen { fail(body, .displaced, into: &outputs) }
        }
        if isMissed {
            // With what those under way will still take.
            let size = bodies.values.reduce(announcement.shape.size) { size, body in
                size + (body.phase == .complete ? body.heldSize : body.shape.size)
            }
            guard size <= limits.totalSizeMax, bodies.count < limits.bodiesMax else {
                refuse(
                    announcement, .noRoom(size: size, limit: limits.totalSizeMax), into: &outputs)
                return
            }
        }
        countAnnouncement(of: announcement.description.producer, now: now.instant)
        let body = Body(
            announcement,
            received: isMissed ? min(now.wall, announcement.description.issued) : now.wall,
            held: ChunkBitmap(repeating: false, count: announcement.shape.chunkCount),
            isOwn: false, source: from, serial: newSerial(), random: &random, now: now.instant)
        insert(body)
        counters.downloadsStarted += 1
        outputs.append(
            .event(
                .downloadStarted(
                    root: body.root, kind: announcement.description.kind, size: body.shape.size)))
        if let producer = body.producer { link(producer, body, now: now.instant) }
        if let from { link(from, body, now: now.instant) }
    }

    private mutating func refuse(
        _ announcement: BodyAnnouncement, _ refusal: Refusal, into outputs: inout [Output]
    ) {
        counters.announcementsRefused += 1
        outputs.append(.event(.refused(root: announcement.root, refusal)))
    }

    private mutating func countAnnouncement(of producer: SigningKeyBytes, now: MonotonicInstant) {
        var bucket =
            producers.removeValue(forKey: producer)
            ?? TokenBucket(
                capacity: limits.producerBurst, interval: limits.producerInterval, now: now)
        _ = bucket.take(now: now)
        if producers.count >= limits.producersMax { producers.removeFirst() }
        producers[producer] = bucket
    }

    mutating func publish(
        _ id: PublishID, _ built: BodyBuilder.Built, now: Now, into outputs: inout [Output]
    ) {
        let announcement = built.announcement
        precondition(
            built.chunks.count == announcement.shape.chunkCount, "a built body has all its chunks")
        // What an operator asks for again is not forgotten.
        forgotten.remove(announcement.root)
        var refusal = admissionByItself(of: announcement)
        let size = announcement.shape.size
        if refusal == nil, !makeRoomForOwn(size, into: &outputs) {
            refusal = .noRoom(size: totalSize + size, limit: limits.totalSizeMax)
        }
        if let refusal {
            counters.publicationsRefused += 1
            outputs.append(.publishRefused(id, refusal))
            return
        }
        let body = Body(
            announcement, received: now.wall,
            held: ChunkBitmap(repeating: false, count: announcement.shape.chunkCount),
            isOwn: true, serial: newSerial(), random: &random, now: now.instant)
        insert(body)
        body.seeding = .init(
            until: now.instant.advanced(by: limits.seedingDuration),
            chunkCount: announcement.shape.chunkCount)
        for (index, chunk) in built.chunks.enumerated() {
            totalSize += body.setHeld(index, true)
            unstoredSize += chunk.data.bytes.count
            write(chunk, index, body, isLast: index == built.chunks.count - 1, into: &outputs)
        }
        body.phase = .complete
        body.chunks = []
        body.finishedAt = now.instant
        body.wasCompleted = true
        counters.bodiesPublished += 1
        outputs.append(.announce(announcement))
        outputs.append(.published(id, announcement.root))
    }

    private mutating func insert(_ body: Body) {
        bodies[body.root] = body
        totalSize += body.heldSize
        active.append(body.root)
    }

    // MARK: Rows of the last run

    mutating func loaded(
        _ rows: [StoreRow], isLast: Bool, now: Now, into outputs: inout [Output]
    ) {
        for row in rows {
            guard let manifest = try? BodyManifest(ssz: row.value.span),
                row.key == BodyManifest.key(root: manifest.announcement.root)
            else {
                counters.rowsMalformed += 1
                dropRow(row.key, into: &outputs)
                continue
            }
            guard bodies[manifest.announcement.root] == nil else { continue }
            let body = Body(
                manifest.announcement, received: manifest.received, held: manifest.held,
                isOwn: manifest.isOwn, serial: newSerial(), random: &random, now: now.instant)
            insert(body)
            body.hasRows = true
            if body.phase == .complete {
                active.remove(body.root)
            } else {
                counters.downloadsResumed += 1
            }
        }
        guard isLast, !isLoaded else { return }
        isLoaded = true
        applyRetention(now: now, into: &outputs)
        for (announcement, from) in waiting {
            take(announcement, from: from, now: now, into: &outputs)
        }
        waiting = []
        if peers.values.contains(where: \.offers) { lookForMissed(now: now.instant) }
    }

    /// Deletes a manifest that cannot be read, and the chunks that nobody would find without it.
    private mutating func dropRow(_ key: [UInt8], into outputs: inout [Output]) {
        var writes = [StoreWrite.delete(.witness, key: key)]
        if let root = Bytes32(key.span) {
            let range = StoredChunk.keys(of: root)
            writes.append(.deleteRange(.chunk, from: range.from, to: range.to))
        }
        store(.write(writes, sync: false), .upkeep, into: &outputs)
    }

    // MARK: Leaving

    mutating func applyRetention(now: Now, into outputs: inout [Output]) {
        let horizon = now.wall.advanced(by: .zero - limits.ageMax)
        for body in bodies.values where body.received < horizon {
            counters.bodiesExpired += 1
            outputs.append(.event(.expired(root: body.root)))
            forget(body.root)
            remove(body, into: &outputs)
        }
        // Limits may be lower than in the last run.
        if !makeRoom(for: 0, isNew: false, into: &outputs) {
            _ = makeRoomForOwn(0, into: &outputs)
        }
        for body in bodies.values
        where body.phase != .complete
            && body.progressAt.advanced(by: limits.stallTimeout) <= now.instant
        {
            // Waiting is not the body's fault, and intake that stopped is ours.
            guard !isIntakeStopped, !isReady(body, now: now.instant) else { continue }
            fail(body, .stalled, into: &outputs)
        }
    }

    /// Deletes the oldest whole bodies of others until `size` more bytes fit, and one more body when
    /// this is the first chunk of one. They may be announced and fetched again.
    ///
    /// - Returns: whether they fit.
    mutating func makeRoom(for size: Int, isNew: Bool, into outputs: inout [Output]) -> Bool {
        let countMax = max(1, limits.bodiesMax - limits.incompleteMax)
        var count =
            isNew && bodies.count >= countMax
            ? bodies.values.lazy.filter { !$0.held.isEmpty }.count : 0
        while totalSize + size > limits.totalSizeMax || count >= countMax {
            guard let oldest = oldestComplete(isOwn: false) else { return false }
            evict(oldest, into: &outputs)
            count -= 1
        }
        return true
    }

    /// The same for a body of our own: the oldest of them go first when they take more than one
    /// producer may, and only for another of our own.
    ///
    /// - Returns: whether it fits.
    private mutating func makeRoomForOwn(_ size: Int, into outputs: inout [Output]) -> Bool {
        let own = bodies.values.filter(\.isOwn)
        var ownSize = own.reduce(size) { $0 + $1.shape.size }
        var ownCount = own.count
        while ownSize > limits.producerSizeMax || ownCount >= limits.incompleteMax {
            guard let oldest = oldestComplete(isOwn: true) else { return false }
            ownSize -= oldest.shape.size
            ownCount -= 1
            evict(oldest, into: &outputs)
        }
        return makeRoom(for: size, isNew: size > 0, into: &outputs)
    }

    private func oldestComplete(isOwn: Bool) -> Body? {
        bodies.values.filter { $0.phase == .complete && $0.isOwn == isOwn }
            .min { ($0.received, $0.root) < ($1.received, $1.root) }
    }

    private mutating func evict(_ body: Body, into outputs: inout [Output]) {
        counters.bodiesEvicted += 1
        outputs.append(.event(.evicted(root: body.root)))
        remove(body, into: &outputs)
    }

    /// Keeps a deleted body from being fetched again on an old announcement's account.
    mutating func forget(_ root: Bytes32) {
        forgotten.append(root)
        if forgotten.count > limits.forgottenMax { forgotten.removeFirst() }
    }

    mutating func fail(_ body: Body, _ reason: FailureReason, into outputs: inout [Output]) {
        if !body.wasCompleted { counters.downloadsFailed += 1 }
        outputs.append(.failed(root: body.root, reason))
        remove(body, into: &outputs)
    }

    /// Forgets the body and deletes its rows.
    mutating func remove(_ body: Body, into outputs: inout [Output]) {
        let root = body.root
        for (id, request) in requests.elements where request.root == root {
            cancel(id, into: &outputs)
        }
        bodies.removeValue(forKey: root)
        active.remove(root)
        totalSize -= body.heldSize
        cache.removeAll(of: root)
        // Announcing and giving up costs the disk nothing.
        guard body.hasRows else { return }
        let range = StoredChunk.keys(of: root)
        store(
            .write(
                [
                    .delete(.witness, key: BodyManifest.key(root: root)),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ], sync: false), .upkeep, into: &outputs)
    }
}
