public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Which bodies are taken in, and which leave.
extension Bodies {
    /// Why the body would not be taken in, or nil when it would be: what decides, besides
    /// ``AnnouncementCheck``, whether gossip spreads the announcement.
    ///
    /// ``Refusal/known`` is no reason against spreading: another copy says the same.
    public func admission(of announcement: BodyAnnouncement, now: Now) -> Refusal? {
        if let refusal = admissionByRoom(of: announcement) { return refusal }
        let description = announcement.description
        let size = description.shape.size
        var share = size
        for body in bodies.values
        where body.announcement.description.producer == description.producer {
            share += body.shape.size
        }
        guard share <= limits.producerSizeMax else {
            return .producerBudget(size: share, limit: limits.producerSizeMax)
        }
        if var bucket = producers[description.producer], !bucket.take(now: now.instant) {
            return .producerRate
        }
        return nil
    }

    private func admissionByRoom(of announcement: BodyAnnouncement) -> Refusal? {
        guard bodies[announcement.root] == nil else { return .known }
        guard !forgotten.contains(announcement.root) else { return .forgotten }
        let size = announcement.shape.size
        guard size <= limits.bodySizeMax else {
            return .tooLarge(size: size, limit: limits.bodySizeMax)
        }
        guard !isIntakeStopped else { return .storeFull }
        var rest = 0
        var restCount = 0
        for body in bodies.values where body.phase != .complete {
            rest += body.shape.size
            restCount += 1
        }
        guard rest + size <= limits.totalSizeMax, restCount < limits.bodiesMax else {
            return .noRoom(size: rest + size, limit: limits.totalSizeMax)
        }
        return nil
    }

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
        if let refusal = admission(of: announcement, now: now) {
            refuse(announcement, refusal, into: &outputs)
            return
        }
        let size = announcement.shape.size
        if isMissed, totalSize + size > limits.totalSizeMax || bodies.count >= limits.bodiesMax {
            refuse(
                announcement, .noRoom(size: totalSize + size, limit: limits.totalSizeMax),
                into: &outputs)
            return
        }
        countAnnouncement(of: announcement.description.producer, now: now.instant)
        makeRoom(for: size, into: &outputs)
        let body = Body(
            announcement,
            received: isMissed ? min(now.wall, announcement.description.issued) : now.wall,
            held: ChunkBitmap(repeating: false, count: announcement.shape.chunkCount),
            isOwn: false, serial: newSerial(), random: &random, now: now.instant)
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
        if let refusal = admissionByRoom(of: announcement) {
            counters.publicationsRefused += 1
            outputs.append(.publishRefused(id, refusal))
            return
        }
        makeRoom(for: announcement.shape.size, into: &outputs)
        let body = Body(
            announcement, received: now.wall,
            held: ChunkBitmap(repeating: false, count: announcement.shape.chunkCount),
            isOwn: true, serial: newSerial(), random: &random, now: now.instant)
        insert(body)
        body.seeding = .init(
            until: now.instant.advanced(by: limits.seedingDuration),
            chunkCount: announcement.shape.chunkCount)
        for (index, chunk) in built.chunks.enumerated() {
            body.held[index] = true
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
        totalSize += body.shape.size
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
                store(
                    .write([.delete(.witness, key: row.key)], sync: false), .upkeep, into: &outputs)
                continue
            }
            guard bodies[manifest.announcement.root] == nil else { continue }
            let body = Body(
                manifest.announcement, received: manifest.received, held: manifest.held,
                isOwn: manifest.isOwn, serial: newSerial(), random: &random, now: now.instant)
            insert(body)
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
        makeRoom(for: 0, into: &outputs)
        for body in bodies.values
        where body.phase != .complete
            && body.progressAt.advanced(by: limits.stallTimeout) <= now.instant
        {
            // Waiting is not the body's fault, and intake that stopped is ours.
            guard body.phase == .fetching, !isIntakeStopped else { continue }
            fail(body, .stalled, into: &outputs)
        }
    }

    /// Deletes the oldest complete bodies until `size` more bytes and one more body fit.
    private mutating func makeRoom(for size: Int, into outputs: inout [Output]) {
        let countMax = limits.bodiesMax - (size > 0 ? 1 : 0)
        while totalSize + size > limits.totalSizeMax || bodies.count > countMax {
            guard
                let oldest = bodies.values.filter({ $0.phase == .complete })
                    .min(by: { ($0.received, $0.root) < ($1.received, $1.root) })
            else { return }
            counters.bodiesEvicted += 1
            outputs.append(.event(.evicted(root: oldest.root)))
            forget(oldest.root)
            remove(oldest, into: &outputs)
        }
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
        totalSize -= body.shape.size
        cache.removeAll(of: root)
        let range = StoredChunk.keys(of: root)
        store(
            .write(
                [
                    .delete(.witness, key: BodyManifest.key(root: root)),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ], sync: false), .upkeep, into: &outputs)
    }
}
