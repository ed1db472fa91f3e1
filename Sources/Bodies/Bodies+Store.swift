import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections

/// Chunks on their way to the store and back.
extension Bodies {
    /// Writes a chunk that is held, together with the manifest that says so.
    mutating func write(
        _ chunk: StoredChunk, _ index: Int, _ body: Body, isLast: Bool,
        into outputs: inout [Output]
    ) {
        let key = ChunkKey(root: body.root, index: index)
        cache.insert(key, chunk)
        body.hasRows = true
        // Losing an unsynced chunk in a crash costs fetching it again; losing a whole body that we
        // said we hold would cost others.
        store(
            .write(
                [
                    .put(
                        .chunk, key: StoredChunk.key(root: body.root, index: index),
                        value: chunk.row()),
                    .put(
                        .witness, key: BodyManifest.key(root: body.root),
                        value: body.manifest.sszEncoded()),
                ], sync: isLast),
            .chunkWrite(key, serial: body.serial, size: chunk.data.bytes.count), into: &outputs)
    }

    mutating func storeReplied(
        _ id: StoreRequestID, _ reply: StoreReply, now: Now, into outputs: inout [Output]
    ) {
        guard let work = storeRequests.removeValue(forKey: id) else { return }
        var failure: StoreFailure?
        if case .failed(let reason) = reply {
            failure = reason
            counters.storeFailures += 1
        }
        switch work {
        case .upkeep:
            break
        case .deletion(let root):
            if failure != nil { deletionFailed(root, now: now.instant) }
        case .chunkRead(let key):
            chunkRead(key, reply, now: now.instant, into: &outputs)
        case .publication(let root):
            noteWrite(failure, now: now.instant, into: &outputs)
            publicationStored(root, failure, now: now, into: &outputs)
        case .chunkWrite(let key, let serial, let size):
            unstoredSize -= size
            noteWrite(failure, now: now.instant, into: &outputs)
            guard let body = bodies[key.root], body.serial == serial else { return }
            guard failure == nil else {
                cache.remove(key)
                totalSize += body.setHeld(key.index, false)
                return
            }
            body.storedCount += 1
            // It may have given up its place with the last chunks on their way.
            if body.phase != .complete, body.storedCount == body.shape.chunkCount {
                complete(body, now: now.instant, into: &outputs)
            }
        }
    }

    // MARK: A store that fails

    /// Whether chunks are asked for.
    ///
    ///     open ──failed──▶ stopped ──pause──▶ probing ──written──▶ open
    ///                         ▲                  │
    ///                         └──────failed──────┘   (twice the pause)
    enum Intake: Equatable {
        case open
        case stopped(until: MonotonicInstant)
        /// One chunk at a time, until one is written: what a full disk does not take would be asked
        /// for again and again.
        case probing
    }

    var isIntakeStopped: Bool {
        if case .stopped = intake { true } else { false }
    }

    /// A chunk or a body was written, or not.
    private mutating func noteWrite(
        _ failure: StoreFailure?, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        guard let failure else {
            guard intake != .open else { return }
            intake = .open
            hasNewRoom = true
            outputs.append(.event(.intakeResumed))
            return
        }
        switch intake {
        case .open:
            intakePause = limits.storeRetryInterval
            outputs.append(.event(.intakeStopped(failure)))
        case .probing:
            intakePause = min(intakePause * 2, limits.storeRetryIntervalMax)
        case .stopped:
            // Written at the same time as the first that failed.
            return
        }
        intake = .stopped(until: now.advanced(by: intakePause))
        for (id, request) in requests.elements where request.index != nil && !request.isAnswered {
            cancel(id, into: &outputs)
        }
    }

    private mutating func chunkRead(
        _ key: ChunkKey, _ reply: StoreReply, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let readers = readers.removeValue(forKey: key) ?? []
        var chunk: StoredChunk?
        switch reply {
        case .failed(let failure):
            for reader in readers {
                switch reader {
                case .serve(let id): skipChunk(id, now: now, into: &outputs)
                case .user(let id):
                    userReadCount -= 1
                    outputs.append(.chunkRead(id, .failed(failure)))
                }
            }
            return
        case .value(let value):
            chunk = value.flatMap { try? StoredChunk(ssz: $0.span) }
        case .written, .rows, .checkpointed:
            break
        }
        let body = bodies[key.root]
        if let body, let found = chunk, found.data.bytes.count != body.shape.size(of: key.index) {
            chunk = nil
        }
        if let chunk, body != nil {
            cache.insert(key, chunk)
        } else if let body {
            lose(key, body, into: &outputs)
        }
        for reader in readers {
            switch reader {
            case .serve(let id):
                if let chunk, body != nil {
                    send(chunk, key, id, now: now, into: &outputs)
                } else {
                    skipChunk(id, now: now, into: &outputs)
                }
            case .user(let id):
                userReadCount -= 1
                outputs.append(.chunkRead(id, chunk.map { .chunk($0.data.bytes) } ?? .absent))
            }
        }
    }

    /// A chunk that we held is not in the store: it is fetched again.
    private mutating func lose(_ key: ChunkKey, _ body: Body, into outputs: inout [Output]) {
        guard body.held[key.index] else { return }
        counters.chunksLost += 1
        totalSize += body.setHeld(key.index, false)
        body.storedCount -= 1
        if body.phase == .complete {
            body.phase = .waiting
            body.beginChunks(random: &random)
            active.append(body.root)
        }
        store(
            .write(
                [
                    .delete(.chunk, key: StoredChunk.key(root: key.root, index: key.index)),
                    .put(
                        .witness, key: BodyManifest.key(root: key.root),
                        value: body.manifest.sszEncoded()),
                ], sync: false), .upkeep, into: &outputs)
        outputs.append(.event(.chunkLost(root: key.root, index: key.index)))
    }
}
