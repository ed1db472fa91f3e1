import ChoraleBase
import ChoraleTypes
import OrderedCollections
import PeerIdentity

/// Which bodies leave, and their rows.
extension Bodies {
    // MARK: Leaving

    mutating func applyRetention(now: Now, into outputs: inout [Output]) {
        let expired = bodies.values.filter { $0.expiresAt <= now.instant }
        for body in expired.prefix(limits.expirationsMax) {
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

    /// When a body goes for its age.
    ///
    /// Only its age when this run heard of it is by the wall clock, which may be wrong or be set. From
    /// then on time passes at its own pace.
    func expiry(of body: Body, now: Now) -> MonotonicInstant {
        let (age, overflow) = now.wall.milliseconds.subtractingReportingOverflow(
            body.received.milliseconds)
        guard !overflow else { return now.instant }
        let left = limits.ageMax - .milliseconds(max(0, age))
        return now.instant.advanced(by: max(.zero, min(left, limits.ageMax)))
    }

    /// Deletes the oldest whole bodies of others until `size` more bytes fit, and one more body when
    /// this is the first chunk of one. They may be announced and fetched again.
    ///
    /// - Returns: whether they fit.
    mutating func makeRoom(for size: Int, isNew: Bool, into outputs: inout [Output]) -> Bool {
        // As many as there are places for incomplete ones are kept for them.
        let places = max(1, limits.bodiesMax - limits.incompleteMax)
        let countMax = isNew ? places - 1 : places
        var count =
            bodies.count + publications.count > countMax
            ? bodies.values.lazy.filter { !$0.held.isEmpty }.count + publications.count : 0
        while totalSize + publishingSize + size > limits.totalSizeMax || count > countMax {
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
    mutating func makeRoomForOwn(_ size: Int, into outputs: inout [Output]) -> Bool {
        let own = bodies.values.filter(\.isOwn)
        var ownSize = own.reduce(size + publishingSize) { $0 + $1.shape.size }
        var ownCount = own.count + publications.count
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
        outputs.append(.failed(root: body.root, reason))
        remove(body, into: &outputs)
    }

    /// Forgets the body and deletes its rows.
    mutating func remove(_ body: Body, into outputs: inout [Output]) {
        let root = body.root
        for (id, request) in requests.elements where request.root == root {
            cancel(id, into: &outputs)
        }
        if !body.wasCompleted { counters.downloadsFailed += 1 }
        hasNewRoom = true
        bodies.removeValue(forKey: root)
        active.remove(root)
        totalSize -= body.heldSize
        cache.removeAll(of: root)
        // Announcing and giving up costs the disk nothing.
        if body.hasRows { deleteRows(of: root, into: &outputs) }
    }

    // MARK: Rows

    mutating func deleteRows(of root: Bytes32, into outputs: inout [Output]) {
        let range = StoredChunk.keys(of: root)
        store(
            .write(
                [
                    .delete(.witness, key: BodyManifest.key(root: root)),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ], sync: false), .deletion(root), into: &outputs)
    }

    /// The store did not delete a body's rows.
    ///
    /// Beyond the limit the one longest undeleted is left to the next start, which finds its manifest
    /// and deletes it by age like any other.
    mutating func deletionFailed(_ root: Bytes32, now: MonotonicInstant) {
        counters.deletionsFailed += 1
        guard bodies[root] == nil, publications[root] == nil else { return }
        undeleted.append(root)
        if undeleted.count > limits.undeletedMax { undeleted.removeFirst() }
        if deletionAt == nil { deletionAt = now.advanced(by: limits.storeRetryInterval) }
    }

    /// Tries deletions again, some at a time.
    mutating func retryDeletions(now: MonotonicInstant, into outputs: inout [Output]) {
        guard let at = deletionAt, at <= now else { return }
        for root in Array(undeleted.prefix(limits.deletionsMax)) {
            undeleted.remove(root)
            deleteRows(of: root, into: &outputs)
        }
        deletionAt = undeleted.isEmpty ? nil : now.advanced(by: limits.storeRetryInterval)
    }
}
