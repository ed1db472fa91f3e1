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
                refuse(announcement, from: from, .loading, into: &outputs)
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
        guard publications[announcement.root] == nil else {
            counters.announcementsKnown += 1
            return
        }
        switch judge(announcement, from: from, now: now) {
        case .failure(let refusal):
            refuse(announcement, from: isMissed ? nil : from, refusal, into: &outputs)
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
                    announcement, from: nil, .noRoom(size: size, limit: limits.totalSizeMax),
                    into: &outputs)
                return
            }
        }
        countAnnouncement(of: announcement.description.producer, now: now.instant)
        let body = Body(
            announcement,
            received: isMissed ? min(now.wall, announcement.description.issued) : now.wall,
            held: ChunkBitmap(repeating: false, count: announcement.shape.chunkCount),
            isOwn: false, source: from, serial: newSerial(), random: &random, now: now.instant)
        insert(body, now: now)
        counters.downloadsStarted += 1
        outputs.append(
            .event(
                .downloadStarted(
                    root: body.root, kind: announcement.description.kind, size: body.shape.size)))
        if let producer = body.producer { link(producer, body, now: now.instant) }
        if let from { link(from, body, now: now.instant) }
    }

    /// - Parameter source: who is asked again once there may be room.
    private mutating func refuse(
        _ announcement: BodyAnnouncement, from source: PeerID?, _ refusal: Refusal,
        into outputs: inout [Output]
    ) {
        if let source, refusal.mayPass { owe(source) }
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

    mutating func insert(_ body: Body, now: Now) {
        bodies[body.root] = body
        totalSize += body.heldSize
        active.append(body.root)
        // Its rows are wanted again.
        undeleted.remove(body.root)
        body.expiresAt = expiry(of: body, now: now)
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
            // Limits may be lower than in the last run.
            guard bodies.count < limits.bodiesMax else {
                dropRow(row.key, into: &outputs)
                continue
            }
            let body = Body(
                manifest.announcement, received: manifest.received, held: manifest.held,
                isOwn: manifest.isOwn, serial: newSerial(), random: &random, now: now.instant)
            insert(body, now: now)
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

    /// Deletes a manifest that cannot be read or is one too many, and the chunks that nobody would find without it.
    private mutating func dropRow(_ key: [UInt8], into outputs: inout [Output]) {
        var writes = [StoreWrite.delete(.witness, key: key)]
        if let root = Bytes32(key.span) {
            let range = StoredChunk.keys(of: root)
            writes.append(.deleteRange(.chunk, from: range.from, to: range.to))
        }
        store(.write(writes, sync: false), .upkeep, into: &outputs)
    }
}

extension Bodies.Refusal {
    /// Whether the same announcement may be taken in later.
    fileprivate var mayPass: Bool {
        switch self {
        case .producerBudget, .sourceBudget, .producerRate, .noRoom, .storeFull, .loading: true
        case .known, .forgotten, .tooLarge, .publishing, .store: false
        }
    }
}
