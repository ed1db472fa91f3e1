import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Becoming connected to a peer on purpose: askers, jobs, names, the race of addresses.
extension Swarm {
    mutating func dial(
        _ id: DialID, _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        if let link = links[peer] {
            outputs.append(.dialFinished(id, .connected(peer, link.connection)))
            return
        }
        if let failure = reasonNotToDial(peer, now: now) {
            outputs.append(.dialFinished(id, .failed(failure)))
            return
        }
        if let index = jobs.values.firstIndex(where: { $0.expected == peer }) {
            jobs.values[index].askers.append(id)
            return
        }
        guard jobs.count < limits.dialCountMax else {
            guard waiting.count < limits.dialQueueMax else {
                let refusal = refuse(.dials, use: waiting.count, limit: limits.dialQueueMax)
                outputs.append(.dialFinished(id, .failed(.refusedByLimit(refusal))))
                return
            }
            waiting.append((id, peer))
            return
        }
        let known = store.rankedAddresses(of: peer)
        let ready = known.filter { ($0.retryAt ?? now.wall) <= now.wall }
        guard !ready.isEmpty else {
            let failure: DialFailure
            if let retryAt = known.compactMap(\.retryAt).min() {
                failure = .backingOff(
                    retryAfter: .milliseconds(retryAt.milliseconds - now.wall.milliseconds))
            } else {
                failure = .noUsableAddress(known: known.count)
            }
            outputs.append(.dialFinished(id, .failed(failure)))
            return
        }
        startJob(
            askers: [id], expected: peer, addresses: ready.map(\.address), now: now, into: &outputs)
    }

    func reasonNotToDial(_ peer: PeerID, now: Now) -> DialFailure? {
        if isShuttingDown { return .shuttingDown }
        if peer == configuration.localPeer { return .selfDial }
        if store.isBanned(peer, now: now.wall) { return .banned }
        return nil
    }

    mutating func dialAddress(
        _ id: DialID, _ address: Multiaddr, now: Now, into outputs: inout [Output]
    ) {
        if let multihash = address.peerIDMultihash, let peer = try? PeerID(multihash: multihash) {
            // An operator's explicit wish overrides the back-off of this one address.
            learn(peer, [address], .configured, now: now)
            if links[peer] != nil || reasonNotToDial(peer, now: now) != nil {
                dial(id, peer, now: now, into: &outputs)
            } else if var job = jobs.values.first(where: { $0.expected == peer }) {
                job.askers.append(id)
                consider(address.removingPeerID ?? address, depth: 0, job: &job, into: &outputs)
                jobs[job.id] = job
            } else {
                startJob(
                    askers: [id], expected: peer, addresses: [(address.removingPeerID ?? address)],
                    now: now,
                    into: &outputs)
            }
        } else if isShuttingDown {
            outputs.append(.dialFinished(id, .failed(.shuttingDown)))
        } else {
            startJob(askers: [id], expected: nil, addresses: [address], now: now, into: &outputs)
        }
    }

    mutating func startJob(
        askers: [DialID], expected: PeerID?, addresses: [Multiaddr], now: Now,
        into outputs: inout [Output]
    ) {
        counters.dialsStarted += 1
        var job = DialJob(
            id: nextJob, expected: expected, askers: askers, nextAttemptAt: now.instant,
            deadline: now.instant.advanced(by: limits.dialTimeout))
        nextJob += 1
        for address in addresses {
            consider(address, depth: 0, job: &job, into: &outputs)
        }
        jobs[job.id] = job
        advance(job.id, now: now, into: &outputs)
    }

    /// Makes an address a candidate, or asks for its name to be resolved first.
    mutating func consider(
        _ address: Multiaddr, depth: Int, job: inout DialJob, into outputs: inout [Output]
    ) {
        guard job.candidates.count + job.resolutions.count < limits.candidateCountMax else {
            return
        }
        let query: ResolutionQuery
        if let name = address.dnsaddrName {
            query = .dnsaddr(name: name)
        } else if let endpoint = address.tcpEndpoint {
            switch endpoint.host {
            case .ip4, .ip6:
                guard configuration.addressPolicy.allows(address) else {
                    counters.addressesForbidden += 1
                    job.lastFailure = "\(address.text) is in a range this profile does not dial"
                    return
                }
                job.add([address], countMax: limits.candidateCountMax)
                return
            case .dns(let name, let family):
                query = .addresses(name: name, ip4: family != .ip6, ip6: family != .ip4)
            }
        } else {
            job.lastFailure = "\(address.text) is not a TCP address"
            return
        }
        guard depth < limits.resolutionDepthMax else {
            job.lastFailure = "\(address.text) leads through too many dnsaddr records"
            return
        }
        guard job.resolutionCount < limits.resolutionCountMax else {
            job.lastFailure = "\(address.text) leads to too many names"
            return
        }
        job.resolutionCount += 1
        let id = ResolutionID(nextResolution)
        nextResolution += 1
        job.resolutions[id] = .init(address: address, depth: depth)
        outputs.append(.resolve(id, query))
    }

    mutating func resolved(
        _ id: ResolutionID, _ answer: ResolutionAnswer, now: Now, into outputs: inout [Output]
    ) {
        // Late answers, after the job ended, are expected.
        guard let index = jobs.values.firstIndex(where: { $0.resolutions[id] != nil }) else {
            return
        }
        var job = jobs.values[index]
        guard let pending = job.resolutions.removeValue(forKey: id) else { return }
        switch answer {
        case .addresses(let addresses):
            for address in addresses.prefix(limits.candidateCountMax) {
                guard let port = pending.address.tcpEndpoint?.port else { continue }
                consider(
                    Multiaddr.tcp(ip: address, port: port), depth: pending.depth + 1, job: &job,
                    into: &outputs)
            }
        case .texts(let texts):
            for text in texts.prefix(limits.candidateCountMax) {
                guard let address = try? Multiaddr(text) else { continue }
                // A record for another peer is not ours to dial.
                if let multihash = address.peerIDMultihash, let expected = job.expected,
                    multihash != expected.multihash
                {
                    continue
                }
                consider(
                    (address.removingPeerID ?? address), depth: pending.depth + 1, job: &job,
                    into: &outputs)
            }
        case .failed(let reason):
            job.lastFailure = "\(pending.address.text): \(reason)"
        }
        jobs[job.id] = job
        advance(job.id, now: now, into: &outputs)
    }

    /// Starts what may be started and ends the job when nothing is left.
    mutating func advance(_ id: UInt64, now: Now, into outputs: inout [Output]) {
        guard var job = jobs[id] else { return }
        if now.instant >= job.deadline {
            finish(id, .failed(.timedOut), now: now, into: &outputs)
            return
        }
        if let winner = job.winner, job.hasAlternative,
            job.wonAt.duration(to: now.instant) >= limits.handshakePatience
        {
            // Whoever answers a port need not be the peer; its end starts the next address.
            close(winner, .handshakeTimeout, into: &outputs)
            job.wonAt = now.instant
        }
        if job.winner == nil, now.instant >= job.nextAttemptAt || job.attempts.isEmpty,
            !job.candidates.isEmpty
        {
            let address = job.candidates.removeFirst()
            if sockets.count >= limits.socketCountMax {
                let refusal = refuse(.total, use: sockets.count, limit: limits.socketCountMax)
                jobs[id] = job
                finish(id, .failed(.refusedByLimit(refusal)), now: now, into: &outputs)
                return
            }
            let connection = ConnectionID(nextConnection)
            nextConnection += 2
            job.attempts[connection] = address
            job.attemptCount += 1
            job.nextAttemptAt = now.instant.advanced(by: limits.attemptStagger)
            counters.attemptsStarted += 1
            sockets[connection] = Socket(
                phase: .dialing(job: id), direction: .outbound, remote: address,
                group: address.ipAddress?.group.narrow, openedAt: now.instant, closing: nil)
            outputs.append(
                .startDial(
                    connection, address, expected: job.expected, timeout: limits.connectTimeout))
        }
        jobs[id] = job
        if job.isExhausted {
            let failure: DialFailure =
                job.attemptCount == 0
                ? .resolutionFailed(job.lastFailure)
                : .allAddressesFailed(attempts: job.attemptCount, last: job.lastFailure)
            finish(id, .failed(failure), now: now, into: &outputs)
        }
    }

    mutating func connected(
        _ id: ConnectionID, now: Now, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], case .dialing(let jobID) = socket.phase else { return }
        sockets[id]?.phase = .handshaking(job: jobID)
        guard var job = jobs[jobID] else {
            close(id, .dialSuperseded, into: &outputs)
            return
        }
        job.winner = id
        job.wonAt = now.instant
        for (other, address) in job.attempts where other != id {
            job.superseded.append(address)
            sockets[other]?.closing = .dialSuperseded
            outputs.append(.cancelDial(other))
        }
        job.attempts.removeAll { $0.key != id }
        jobs[jobID] = job
    }

    mutating func cancel(_ id: DialID, now: Now, into outputs: inout [Output]) {
        if let index = waiting.firstIndex(where: { $0.0 == id }) {
            waiting.remove(at: index)
            outputs.append(.dialFinished(id, .failed(.cancelled)))
            return
        }
        for job in jobs.values where job.askers.contains(id) {
            jobs[job.id]?.askers.removeAll { $0 == id }
            outputs.append(.dialFinished(id, .failed(.cancelled)))
            if jobs[job.id]?.askers.isEmpty == true {
                finish(job.id, .failed(.cancelled), now: now, into: &outputs)
            }
            return
        }
    }

    mutating func finish(
        _ id: UInt64, _ outcome: DialOutcome, now: Now, into outputs: inout [Output]
    ) {
        guard let job = jobs.removeValue(forKey: id) else { return }
        var kept: ConnectionID?
        switch outcome {
        case .connected(_, let connection):
            counters.dialsSucceeded += 1
            kept = connection
        case .failed:
            counters.dialsFailed += 1
        }
        for attempt in job.attempts.keys where attempt != kept {
            guard let socket = sockets[attempt] else { continue }
            if case .dialing = socket.phase {
                sockets[attempt]?.closing = .dialSuperseded
                outputs.append(.cancelDial(attempt))
            } else {
                close(attempt, .dialSuperseded, into: &outputs)
            }
        }
        for asker in job.askers where asker.rawValue < Self.firstUnaskedDial {
            outputs.append(.dialFinished(asker, outcome))
        }
        while jobs.count < limits.dialCountMax, !waiting.isEmpty {
            let (asker, peer) = waiting.removeFirst()
            dial(asker, peer, now: now, into: &outputs)
        }
    }

    /// Answers the askers of a dial whose peer came to us meanwhile.
    ///
    /// A socket of ours that is shaking hands goes on: the other side may have it already, and both
    /// must choose between the two connections by the same rule (`keepsNew`).
    mutating func satisfy(
        _ id: UInt64, _ outcome: DialOutcome, now: Now, into outputs: inout [Output]
    ) {
        guard var job = jobs[id], job.winner != nil else {
            finish(id, outcome, now: now, into: &outputs)
            return
        }
        for asker in job.askers where asker.rawValue < Self.firstUnaskedDial {
            outputs.append(.dialFinished(asker, outcome))
        }
        job.askers = []
        job.candidates = []
        job.superseded = []
        jobs[id] = job
    }
}
