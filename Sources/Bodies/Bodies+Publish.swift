import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections

/// A body of our own on its way to the store.
///
/// Until it is there nobody hears of it: whoever publishes may forget its bytes once we say that we
/// have them, and a body that is announced has to be served.
struct Publication {
    let id: Bodies.PublishID
    let announcement: BodyAnnouncement
    let received: WallTime

    var size: Int { announcement.shape.size }
}

extension Bodies {
    mutating func publish(
        _ id: PublishID, _ built: BodyBuilder.Built, now: Now, into outputs: inout [Output]
    ) {
        let announcement = built.announcement
        precondition(
            built.chunks.count == announcement.shape.chunkCount
                && built.rows.count == built.chunks.count, "a built body has all its chunks")
        // What an operator asks for again is not forgotten.
        forgotten.remove(announcement.root)
        if let refusal = publicationRefusal(of: announcement, into: &outputs) {
            counters.publicationsRefused += 1
            outputs.append(.publishRefused(id, refusal))
            return
        }
        let root = announcement.root
        publications[root] = Publication(
            id: id, announcement: announcement, received: now.wall)
        publishingSize += announcement.shape.size
        undeleted.remove(root)
        let manifest = BodyManifest(
            announcement: announcement, received: now.wall,
            held: ChunkBitmap(repeating: true, count: built.chunks.count), isOwn: true)
        // In one batch, so that of a body that does not fit nothing is left.
        var writes: [StoreWrite] = []
        for (index, chunk) in built.chunks.enumerated() {
            cache.insert(ChunkKey(root: root, index: index), chunk)
            writes.append(
                .put(
                    .chunk, key: StoredChunk.key(root: root, index: index),
                    value: built.rows[index]))
        }
        writes.append(
            .put(.witness, key: BodyManifest.key(root: root), value: manifest.sszEncoded()))
        store(.write(writes, sync: true), .publication(root), into: &outputs)
    }

    private mutating func publicationRefusal(
        of announcement: BodyAnnouncement, into outputs: inout [Output]
    ) -> Refusal? {
        // What the rows say decides whether there is room.
        guard isLoaded else { return .loading }
        if let refusal = admissionByItself(of: announcement) { return refusal }
        guard publications.count < limits.publicationsMax else {
            return .publishing(count: publications.count, limit: limits.publicationsMax)
        }
        let size = announcement.shape.size
        guard makeRoomForOwn(size, into: &outputs) else {
            return .noRoom(
                size: totalSize + publishingSize + size, limit: limits.totalSizeMax)
        }
        return nil
    }

    /// The store has the body, or has it not.
    mutating func publicationStored(
        _ root: Bytes32, _ failure: StoreFailure?, now: Now, into outputs: inout [Output]
    ) {
        guard let publication = publications.removeValue(forKey: root) else { return }
        publishingSize -= publication.size
        if let failure {
            cache.removeAll(of: root)
            // A failed write may have been half a success.
            deleteRows(of: root, into: &outputs)
            counters.publicationsRefused += 1
            outputs.append(.publishRefused(publication.id, .store(failure)))
            return
        }
        let count = publication.announcement.shape.chunkCount
        let body = Body(
            publication.announcement, received: publication.received,
            held: ChunkBitmap(repeating: true, count: count), isOwn: true, serial: newSerial(),
            random: &random, now: now.instant)
        insert(body, now: now)
        body.hasRows = true
        body.seeding = .init(
            until: now.instant.advanced(by: limits.seedingDuration), chunkCount: count)
        counters.bodiesPublished += 1
        outputs.append(.announce(publication.announcement))
        outputs.append(.published(publication.id, root))
    }
}
