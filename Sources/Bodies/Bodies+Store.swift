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
                        value: chunk.sszEncoded()),
                    .put(
                        .witness, key: BodyManifest.key(root: body.root),
                        value: body.manifest.sszEncoded()),
                ], sync: isLast),
            .chunkWrite(key, serial: body.serial, size: chunk.data.bytes.count), into: &outputs)
    }

    mutating func storeReplied(
        _ id: StoreRequestID, _ reply: StoreReply, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let work = storeRequests.removeValue(forKey: id) else { return }
        if case .failed = reply { counters.storeFailures += 1 }
        switch work {
        case .upkeep:
            break
        case .chunkRead(let key):
            chunkRead(key, reply, now: now, into: &outputs)
        case .chunkWrite(let key, let serial, let size):
            unstoredSize -= size
            let body = bodies[key.root].flatMap { $0.serial == serial ? $0 : nil }
            if case .failed(let failure) = reply {
                stopIntake(failure, now: now, into: &outputs)
                if let body { writeFailed(key, failure, body, into: &outputs) }
                return
            }
            resumeIntake(into: &outputs)
            guard let body else { return }
            body.storedCount += 1
            // It may have given up its place with the last chunks on their way.
            if body.phase != .complete, body.storedCount == body.shape.chunkCount {
                complete(body, now: now, into: &outputs)
            }
        }
    }

    private mutating func stopIntake(
        _ failure: StoreFailure, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        isIntakeStopped = true
        storeRetryAt = now.advanced(by: limits.storeRetryInterval)
        guard !isStopAnnounced else { return }
        isStopAnnounced = true
        outputs.append(.event(.intakeStopped(failure)))
    }

    private mutating func resumeIntake(into outputs: inout [Output]) {
        guard isStopAnnounced else { return }
        isStopAnnounced = false
        isIntakeStopped = false
        storeRetryAt = nil
        outputs.append(.event(.intakeResumed))
    }

    private mutating func writeFailed(
        _ key: ChunkKey, _ failure: StoreFailure, _ body: Body, into outputs: inout [Output]
    ) {
        guard !body.isOwn else {
            // Whoever published it has the bytes, and must hear of it.
            fail(body, .store(failure), into: &outputs)
            return
        }
        cache.remove(key)
        totalSize += body.setHeld(key.index, false)
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
            body.chunks = [Body.Chunk](repeating: .init(), count: body.shape.chunkCount)
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
