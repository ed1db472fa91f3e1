import ChoraleBase
import ChoraleTypes
import OrderedCollections
import PeerIdentity

// What happens by the clock: deadlines, refresh, republication, expiry, and loading.
extension Kademlia {
    /// The first input starts the clocks.
    mutating func startTimers(now: Now) {
        if sweepAt == nil { sweepAt = now.instant.advanced(by: Self.sweepInterval) }
        if refreshAt == nil { scheduleRefresh(after: configuration.refreshInterval, now: now) }
    }

    /// Time between sweeps. Nothing depends on expired rows going at once: reading checks the time.
    static var sweepInterval: Duration { .seconds(60) }

    /// Rows one sweep removes at most: 1,024 × 2 µs.
    static var sweepCountMax: Int { 1024 }

    mutating func timeout(now: Now, into outputs: inout [Output]) {
        expireRequests(now: now, into: &outputs)
        expireJobs(now: now, into: &outputs)
        expireQueries(now: now, into: &outputs)
        if let due = ownKeysDueAt, due <= now.instant { republish(now: now, into: &outputs) }
        if let round = refreshRound, round.endsAt <= now.instant {
            endRefreshRound(into: &outputs)
        }
        if let due = refreshAt, due <= now.instant {
            scheduleRefresh(after: configuration.refreshInterval, now: now)
            if refreshRound == nil { startRefreshRound(for: [], now: now, into: &outputs) }
        }
        if let due = sweepAt, due <= now.instant {
            sweepAt = now.instant.advanced(by: Self.sweepInterval)
            sweep(now: now, into: &outputs)
        }
    }

    private mutating func sweep(now: Now, into outputs: inout [Output]) {
        for key in records.removeExpired(wall: now.wall, limit: Self.sweepCountMax) {
            counters.recordsExpired += 1
            writes.append(StoredRows.delete(StoredRows.key(record: key)))
            outputs.append(.event(.recordEvicted(key: key, .expired)))
        }
        for name in providers.removeExpired(wall: now.wall, limit: Self.sweepCountMax) {
            counters.providersExpired += 1
            writes.append(StoredRows.delete(StoredRows.key(provider: name)))
        }
        forgetIdleRates(now: now)
        pacer.forgetIdle(now: now.instant)

        // Entries that nobody needed for a while: do they still live?
        let silentSince = now.instant.advanced(by: .zero - configuration.entryStaleAfter)
        let inFlight = requests.values.reduce(0) { $0 + ($1.purpose == .probe ? 1 : 0) }
        let room = min(
            limits.probesInFlightMax - inFlight, limits.requestsInFlightMax - requests.count)
        for entry in table.stale(since: silentSince, limit: max(0, room))
        where !isProbing(entry.peer) {
            probe(entry.peer, addresses: entry.addresses, now: now, into: &outputs)
        }

        if table.count >= configuration.bucketSize {
            // There are others now; those that were lost are not needed for a way back.
            for peer in lost.keys {
                writes.append(StoredRows.delete(StoredRows.key(tablePeer: peer)))
            }
            lost.removeAll()
        } else if table.count < 3 {
            for (peer, addresses) in lost { enqueueProbe(peer, addresses: addresses) }
        }
    }

    // MARK: Refresh

    mutating func scheduleRefresh(after interval: Duration, now: Now) {
        // Jitter of a tenth, so that nodes started together do not go on together.
        let jitter = random.duration(below: interval / 10)
        let due = now.instant.advanced(by: interval - jitter)
        refreshAt = earliest(refreshAt.flatMap { $0 > now.instant ? $0 : nil }, due)
    }

    mutating func bootstrap(_ id: QueryID, now: Now, into outputs: inout [Output]) {
        counters.queriesStarted += 1
        if refreshRound != nil {
            refreshRound?.commands.append(id)
            return
        }
        startRefreshRound(for: [id], now: now, into: &outputs)
    }

    private mutating func startRefreshRound(
        for commands: [QueryID], now: Now, into outputs: inout [Output]
    ) {
        guard !seeds(for: localPoint).isEmpty else {
            for id in commands { finishCommand(id, .failed(.noPeers), into: &outputs) }
            return
        }
        // Whatever was planned for soon is what begins now.
        refreshAt = nil
        scheduleRefresh(after: configuration.refreshInterval, now: now)
        refreshRound = RefreshRound(
            targets: [nil], commands: commands,
            endsAt: now.instant.advanced(by: configuration.queryDeadline))
        continueRefresh(now: now, into: &outputs)
    }

    private mutating func continueRefresh(now: Now, into outputs: inout [Output]) {
        while let round = refreshRound, round.runningCount < 2, !round.targets.isEmpty,
            queries.count < limits.queriesMax
        {
            let target = round.targets[0]
            refreshRound?.targets.removeFirst()
            refreshRound?.runningCount += 1
            if let bucket = target { table.noteRefresh(of: bucket, at: now.instant) }
            start(
                .refresh, key: target.map { key(inBucket: $0) } ?? localPeer.multihash,
                task: .closest, now: now, into: &outputs)
        }
        if let round = refreshRound, round.runningCount == 0 { endRefreshRound(into: &outputs) }
    }

    mutating func refreshQueryEnded(now: Now, into outputs: inout [Output]) {
        guard refreshRound != nil else { return }
        refreshRound?.runningCount -= 1
        // The first lookup is for our own place; only then is it known how deep the table goes.
        if let round = refreshRound, round.targets.isEmpty, round.runningCount == 0,
            let deepest = table.deepestBucket
        {
            let since = now.instant.advanced(by: .zero - configuration.refreshInterval / 2)
            let due = (0...min(deepest, max(0, configuration.refreshBucketMax))).filter { bucket in
                guard let refreshedAt = table.buckets[bucket].refreshedAt else { return true }
                return refreshedAt < since
            }
            refreshRound?.targets = due
        }
        continueRefresh(now: now, into: &outputs)
    }

    private mutating func endRefreshRound(into outputs: inout [Output]) {
        guard let round = refreshRound else { return }
        refreshRound = nil
        for id in round.commands {
            let result: QueryResult =
                table.count > 0 ? .bootstrapped(tableSize: table.count) : .failed(.noPeers)
            finishCommand(id, result, into: &outputs)
        }
    }

    /// A random key that lies in a bucket, or near it.
    private mutating func key(inBucket bucket: Int) -> [UInt8] {
        var best = random.bytes(count: 32)
        var bestMiss = Int.max
        for _ in 0..<4096 {
            let candidate = random.bytes(count: 32)
            let shared =
                localPoint.distance(to: KeyPoint(key: candidate)).leadingZeroBitCount
            if shared == bucket { return candidate }
            if abs(shared - bucket) < bestMiss {
                bestMiss = abs(shared - bucket)
                best = candidate
            }
        }
        return best
    }

    // MARK: Republication

    /// After a success a third of a life, less up to a quarter of that; after a failure soon enough
    /// for several tries within a life.
    private mutating func nextTry(
        after isSuccess: Bool, life: Duration, now: Now
    ) -> MonotonicInstant {
        guard isSuccess else {
            let wait = min(max(life / 24, .seconds(1)), .seconds(300))
            return now.instant.advanced(by: wait + random.duration(below: wait / 4))
        }
        let third = life / 3
        return now.instant.advanced(by: third - random.duration(below: third / 4))
    }

    /// How long an owner may take to renew a value before it is asked again.
    private static var renewalDeadline: Duration { .seconds(60) }

    private mutating func updateOwnKeysDue() {
        var due: MonotonicInstant?
        for own in ownValues.values { due = earliest(due, own.dueAt) }
        for own in ownProvides.values { due = earliest(due, own.dueAt) }
        // "Never" is the instant at the end of time while a query is on its way.
        ownKeysDueAt = due?.nanoseconds == .max ? nil : due
    }

    private mutating func republish(now: Now, into outputs: inout [Output]) {
        for (key, own) in ownValues where own.dueAt <= now.instant {
            if own.isAwaitingRenewal { outputs.append(.event(.renewalOverdue(key: key))) }
            ownValues[key]?.isAwaitingRenewal = true
            ownValues[key]?.dueAt = now.instant.advanced(by: Self.renewalDeadline)
            outputs.append(.renew(key: key, previous: own.value))
        }
        for (key, own) in ownProvides where own.dueAt <= now.instant {
            guard hasRoomForMaintenance, !listenAddresses.isEmpty else {
                ownProvides[key]?.dueAt = now.instant.advanced(by: .seconds(5))
                continue
            }
            ownProvides[key]?.dueAt = .init(nanoseconds: .max)
            start(
                .republication, key: key, task: .write(WriteTask(value: nil)), now: now,
                into: &outputs)
        }
        updateOwnKeysDue()
    }

    private var hasRoomForMaintenance: Bool {
        guard queries.count < limits.queriesMax else { return false }
        let running = queries.reduce(0) { $0 + ($1.origin == .republication ? 1 : 0) }
        return running < limits.maintenanceQueriesMax
    }

    mutating func renewed(
        _ key: [UInt8], _ value: [UInt8]?, now: Now, into outputs: inout [Output]
    ) {
        guard let own = ownValues[key], own.isAwaitingRenewal else { return }
        guard let value else {
            stopPublishing(key)
            return
        }
        guard hasRoomForMaintenance else {
            // Kept as awaiting: asked for again shortly, when there may be room.
            ownValues[key]?.dueAt = now.instant.advanced(by: .seconds(5))
            ownValues[key]?.isAwaitingRenewal = false
            updateOwnKeysDue()
            return
        }
        ownValues[key] = OwnValue(value: value, dueAt: .init(nanoseconds: .max))
        startWrite(.republication, key: key, value: value, now: now, into: &outputs)
        updateOwnKeysDue()
    }

    /// A put or provide has ended: when is the next?
    mutating func writeEnded(
        _ query: Query, _ task: WriteTask, _ result: QueryResult, now: Now,
        into outputs: inout [Output]
    ) {
        let isSuccess = task.isSuccess
        if query.origin == .republication {
            counters.republications += 1
            outputs.append(
                .event(
                    .republished(
                        key: query.key, acknowledged: min(task.acknowledged, task.wanted),
                        of: task.wanted)))
        }
        if task.value == nil {
            if ownProvides[query.key] != nil {
                let life = configuration.providerTimeToLive
                let due = nextTry(after: isSuccess, life: life, now: now)
                ownProvides[query.key]?.dueAt = due
            }
        } else if ownValues[query.key] != nil {
            var life = namespace(of: query.key).map { timeToLive($0) } ?? .zero
            if let expiry = task.acceptance?.expiry {
                let left = expiry.milliseconds.subtractingReportingOverflow(
                    now.wall.milliseconds)
                if !left.overflow {
                    life = min(life, .milliseconds(max(0, left.partialValue)))
                }
            }
            if task.acceptance == nil, query.origin != .republication {
                // Refused by our own rules the first time: there is nothing to renew.
                stopPublishing(query.key)
            } else {
                let due = nextTry(after: isSuccess, life: life, now: now)
                ownValues[query.key]?.dueAt = due
            }
        }
        updateOwnKeysDue()
    }

    mutating func stopPublishing(_ key: [UInt8]) {
        guard ownValues.removeValue(forKey: key) != nil else { return }
        writes.append(StoredRows.delete(StoredRows.key(ownValue: key)))
        updateOwnKeysDue()
    }

    mutating func stopProviding(_ key: [UInt8]) {
        guard ownProvides.removeValue(forKey: key) != nil else { return }
        writes.append(StoredRows.delete(StoredRows.key(ownProvide: key)))
        updateOwnKeysDue()
    }

    // MARK: Loading

    /// What was stored was judged when it came. Only what has expired, or no longer fits the
    /// configuration, is dropped.
    mutating func loaded(_ rows: [StoreRow], now: Now, into outputs: inout [Output]) {
        for row in rows {
            guard let parsed = StoredRows.read(row) else {
                outputs.append(.event(.rowDamaged(key: row.key)))
                writes.append(StoredRows.delete(row.key))
                continue
            }
            if !restore(parsed, now: now) { writes.append(StoredRows.delete(row.key)) }
        }
        updateOwnKeysDue()
        // The peers of the last run are the way back, whether or not a bootnode lives.
        if !probeQueue.isEmpty { scheduleRefresh(after: .seconds(1), now: now) }
    }

    private mutating func restore(_ row: StoredRows.Row, now: Now) -> Bool {
        switch row {
        case .record(let record):
            guard record.expiry > now.wall, let namespace = namespace(of: record.key),
                record.value.count <= namespace.valueSizeMax
            else { return false }
            return records.insert(record, wall: now.wall).refusal == nil
        case .provider(var provider):
            guard provider.expiry > now.wall else { return false }
            provider.group = providerGroup(provider.addresses, remote: nil)
            return providers.insert(provider, wall: now.wall).refusal == nil
        case .tablePeer(let peer, let addresses):
            let usable = addressRules.filter(addresses, source: nil)
            guard peer != localPeer, !usable.isEmpty else { return false }
            enqueueProbe(peer, addresses: usable)
            // Until it answers it is one of those that were known before.
            remember(lost: peer, usable)
            return true
        case .ownValue(let key, let value):
            guard namespace(of: key) != nil, ownValues.count < limits.ownKeysMax else {
                return false
            }
            // Signed anew soon: the last life may be nearly over.
            let wait = Duration.seconds(5) + random.duration(below: .seconds(25))
            ownValues[key] = OwnValue(value: value, dueAt: now.instant.advanced(by: wait))
            return true
        case .ownProvide(let key):
            guard key.count <= limits.providerKeySizeMax, ownProvides.count < limits.ownKeysMax
            else { return false }
            let wait = Duration.seconds(5) + random.duration(below: .seconds(25))
            ownProvides[key] = OwnProvide(dueAt: now.instant.advanced(by: wait))
            return true
        }
    }
}
