import ChoraleBase
import OrderedCollections
import PeerIdentity

// Validations: sent out as jobs, and what their verdicts lead to.
extension Kademlia {
    /// - Returns: false, and does nothing, when too many are in flight.
    mutating func startJob(
        _ purpose: PendingJob.Purpose, _ job: ValidationJob, restartCount: Int = 0, now: Now,
        into outputs: inout [Output]
    ) -> Bool {
        guard jobs.count < limits.validationsMax else { return false }
        let id = JobID(nextJob)
        nextJob += 1
        jobs[id] = PendingJob(
            purpose: purpose, job: job,
            deadline: now.instant.advanced(by: configuration.validationDeadline),
            restartCount: restartCount)
        counters.validationsStarted += 1
        outputs.append(.validate(id, job))
        return true
    }

    mutating func validated(
        _ id: JobID, _ verdict: ValidationVerdict, now: Now, into outputs: inout [Output]
    ) {
        guard let pending = jobs.removeValue(forKey: id) else {
            counters.lateValidations += 1
            return
        }
        counters.validationsAnswered += 1
        switch pending.purpose {
        case .inboundPut(let request, let peer):
            putJudged(request, from: peer, pending, verdict, now: now, into: &outputs)
        case .write(let handle):
            ownValueJudged(handle, pending.job, verdict, now: now, into: &outputs)
        case .read(let handle):
            readJudged(handle, verdict, now: now, into: &outputs)
        }
        resumeJudging(now: now, into: &outputs)
    }

    mutating func expireJobs(now: Now, into outputs: inout [Output]) {
        for (id, pending) in jobs.filter({ $0.value.deadline <= now.instant }) {
            guard jobs.removeValue(forKey: id) != nil else { continue }
            counters.validationsGivenUp += 1
            switch pending.purpose {
            case .inboundPut(let request, _):
                refuse(request, .validationTimedOut, into: &outputs)
            case .write(let handle):
                finish(handle, .failed(.timedOut), now: now, into: &outputs)
            case .read(let handle):
                guard let index = index(of: handle), case .read(var task) = queries[index].task
                else { continue }
                task.abandonJudgement()
                queries[index].task = .read(task)
                judgeNext(index, now: now, into: &outputs)
                advance(handle, now: now, into: &outputs)
            }
        }
    }

    mutating func abandonJobs(of handle: UInt64) {
        let abandoned = jobs.filter {
            switch $0.value.purpose {
            case .read(handle), .write(handle): true
            case .read, .write, .inboundPut: false
            }
        }
        for id in abandoned.keys {
            jobs.removeValue(forKey: id)
            counters.validationsGivenUp += 1
        }
    }

    // MARK: Reads

    /// Sends the next value of a read to be judged, if none is and there is room.
    mutating func judgeNext(_ index: Int, now: Now, into outputs: inout [Output]) {
        guard case .read(var task) = queries[index].task, jobs.count < limits.validationsMax,
            let namespace = namespace(of: queries[index].key),
            let (candidate, incumbent) = task.nextToJudge()
        else { return }
        let job = ValidationJob(
            key: queries[index].key, candidate: candidate, incumbent: incumbent,
            namespace: namespace)
        queries[index].task = .read(task)
        _ = startJob(.read(handle: queries[index].handle), job, now: now, into: &outputs)
    }

    /// Reads whose next value found no room among the jobs.
    private mutating func resumeJudging(now: Now, into outputs: inout [Output]) {
        for index in queries.indices {
            guard case .read(let task) = queries[index].task, task.isJudging, task.judging == nil
            else { continue }
            judgeNext(index, now: now, into: &outputs)
        }
    }

    private mutating func readJudged(
        _ handle: UInt64, _ verdict: ValidationVerdict, now: Now, into outputs: inout [Output]
    ) {
        guard let index = index(of: handle), case .read(var task) = queries[index].task else {
            return
        }
        let finding = task.judged(verdict)
        queries[index].task = .read(task)
        switch finding {
        case .nothing:
            break
        case .better(let value):
            if case .command(let id) = queries[index].origin {
                outputs.append(.queryProgress(id, .value(value)))
            }
        case .rejected(let peers):
            for peer in peers { outputs.append(.peerFault(peer, .invalidRecordServed)) }
        case .equivocation(let first, let second):
            reportEquivocation(
                key: queries[index].key, first, second, now: now, into: &outputs)
        }
        judgeNext(index, now: now, into: &outputs)
        advance(handle, now: now, into: &outputs)
    }

    /// Ends a read whose search is over once its last value has been judged.
    mutating func settle(_ handle: UInt64, now: Now, into outputs: inout [Output]) {
        guard let index = index(of: handle), queries[index].phase == .judging,
            case .read(let task) = queries[index].task, !task.isJudging
        else { return }
        finishRead(handle, now: now, into: &outputs)
    }

    mutating func finishRead(_ handle: UInt64, now: Now, into outputs: inout [Output]) {
        guard let index = index(of: handle), case .read(let task) = queries[index].task else {
            return
        }
        let query = queries[index]
        guard let chosen = task.chosen else {
            let failure: QueryFailure =
                if task.isEquivocal {
                    .equivocation
                } else if query.lookup.isEmpty {
                    .noPeers
                } else if query.searchTimedOut || task.isJudging {
                    .timedOut
                } else {
                    .notFound
                }
            finish(handle, .failed(failure), now: now, into: &outputs)
            return
        }
        let repaired = repair(query, task, chosen, now: now, into: &outputs)
        finish(
            handle,
            .value(
                FoundValue(
                    key: query.key, value: chosen.bytes, agreeing: chosen.holderCount,
                    answered: task.answeredCount, repaired: repaired)),
            now: now, into: &outputs)
    }

    /// Writes the best value back to those of the closest peers that had a worse one or none, and to
    /// our own store if it had a worse one.
    ///
    /// Nobody waits for it. Without it a record thins out as its holders leave, until its owner
    /// publishes it again.
    private mutating func repair(
        _ query: Query, _ task: ReadTask, _ chosen: ReadTask.Value, now: Now,
        into outputs: inout [Output]
    ) -> Int {
        // Without an order among values, writing back could undo a newer put.
        guard chosen.verdict == .best, let namespace = namespace(of: query.key),
            isOrdered(namespace)
        else { return 0 }
        if let held = records.held(query.key, wall: now.wall), held.value != chosen.bytes,
            let acceptance = chosen.acceptance
        {
            _ = keep(
                key: query.key, value: chosen.bytes, acceptance, source: held.source,
                namespace: namespace, now: now, into: &outputs)
        }
        let message = KademliaMessage(
            kind: .putValue, key: query.key,
            record: .init(key: query.key, value: chosen.bytes, timeReceived: nil))
        var count = 0
        for contact in query.lookup.closestResponded(limit: configuration.bucketSize) {
            guard requests.count < limits.requestsInFlightMax,
                task.value(of: contact.peer) != chosen.bytes
            else { continue }
            send(
                message, to: contact.peer, addresses: contact.addresses, for: .repair, now: now,
                into: &outputs)
            counters.repairsSent += 1
            count += 1
        }
        return count
    }

    private func isOrdered(_ namespace: RecordNamespace) -> Bool {
        switch namespace.rule {
        case .any: false
        case .publicKey, .proverIdentity: true
        }
    }

    // MARK: Our own values

    private mutating func ownValueJudged(
        _ handle: UInt64, _ job: ValidationJob, _ verdict: ValidationVerdict, now: Now,
        into outputs: inout [Output]
    ) {
        guard let index = index(of: handle), let namespace = namespace(of: job.key) else { return }
        switch verdict {
        case .rejected(let reason):
            finish(handle, .failed(.invalidRecord(reason)), now: now, into: &outputs)
        case .accepted(let acceptance):
            switch acceptance.preference {
            case .incumbent:
                finish(handle, .failed(.superseded), now: now, into: &outputs)
                return
            case .equivocation:
                // Ours or not, it goes no further from here.
                reportEquivocation(
                    key: job.key, job.incumbent ?? [], job.candidate, now: now, into: &outputs)
                finish(handle, .failed(.equivocation), now: now, into: &outputs)
                return
            case .candidate, .same, .unordered:
                break
            }
            modifyWrite(index) { task, _ in task.acceptance = acceptance }
            _ = keep(
                key: job.key, value: job.candidate, acceptance, source: localPeer,
                namespace: namespace, now: now, into: &outputs)
            if ownValues[job.key] != nil {
                ownValues[job.key]?.value = job.candidate
                writes.append(StoredRows.put(.ownValue(key: job.key, value: job.candidate)))
            }
            queries[index].phase = .searching
            advance(handle, now: now, into: &outputs)
        }
    }

    // MARK: Keeping

    /// Stores an accepted value.
    ///
    /// - Returns: why not, or nil when it was stored.
    mutating func keep(
        key: [UInt8], value: [UInt8], _ acceptance: ValidationVerdict.Acceptance, source: PeerID,
        namespace: RecordNamespace, now: Now, into outputs: inout [Output]
    ) -> RefusalReason? {
        let latest = now.wall.advanced(by: timeToLive(namespace))
        let record = StoredRecord(
            key: key, value: value, received: now.wall,
            expiry: min(acceptance.expiry ?? latest, latest), source: source,
            owner: acceptance.owner)
        guard record.expiry > now.wall else { return .staleRecord }
        let insertion = records.insert(record, wall: now.wall)
        for eviction in insertion.evicted {
            if eviction.reason == .expired {
                counters.recordsExpired += 1
            } else {
                counters.recordsEvicted += 1
            }
            writes.append(StoredRows.delete(StoredRows.key(record: eviction.key)))
            outputs.append(.event(.recordEvicted(key: eviction.key, eviction.reason)))
        }
        if let refusal = insertion.refusal { return refusal }
        counters.recordsStored += 1
        writes.append(StoredRows.put(.record(record)))
        outputs.append(.event(.recordStored(key: key, from: source == localPeer ? nil : source)))
        warnIfNearlyFull(into: &outputs)
        return nil
    }

    private mutating func warnIfNearlyFull(into outputs: inout [Output]) {
        let byCount = records.count > limits.recordsMax / 5 * 4
        let isFull = byCount || records.size > limits.recordBytesMax / 5 * 4
        defer { isNearlyFull = isFull }
        guard isFull, !isNearlyFull else { return }
        outputs.append(
            .event(
                byCount
                    ? .storeNearlyFull(used: records.count, limit: limits.recordsMax)
                    : .storeNearlyFull(used: records.size, limit: limits.recordBytesMax)))
    }

    /// Two contents with one number: neither is given to anybody from now on (invariant 6).
    mutating func reportEquivocation(
        key: [UInt8], _ first: [UInt8], _ second: [UInt8], now: Now, into outputs: inout [Output]
    ) {
        counters.equivocations += 1
        outputs.append(.equivocation(key: key, first: first, second: second))
        guard let held = records.held(key, wall: now.wall),
            held.value == first || held.value == second, !held.isEquivocal
        else { return }
        records.markEquivocal(key)
        if let marked = records.held(key, wall: now.wall) {
            writes.append(StoredRows.put(.record(marked)))
        }
        outputs.append(.event(.recordEvicted(key: key, .equivocation)))
    }
}
