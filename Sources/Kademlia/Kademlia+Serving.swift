import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

// Requests from peers.
extension Kademlia {
    mutating func requestReceived(
        _ id: InboundRequestID, from peer: PeerID, _ bytes: [UInt8], now: Now,
        into outputs: inout [Output]
    ) {
        counters.requestsReceived += 1
        guard mode == .server else {
            refuse(id, .clientMode, into: &outputs)
            return
        }
        if let refusal = exceeded(by: peer, isPut: false, now: now, into: &outputs) {
            refuse(id, refusal, into: &outputs)
            return
        }
        let message: KademliaMessage
        do {
            message = try KademliaMessage.decode(bytes, limits: decodeLimits)
        } catch {
            outputs.append(.peerFault(peer, .malformedRequest))
            if case .unknownKind = error {
                refuse(id, .unknownType, into: &outputs)
            } else {
                refuse(id, .malformed, into: &outputs)
            }
            return
        }
        guard message.key.count <= limits.keySizeMax else {
            refuse(id, .keyTooLong, into: &outputs)
            return
        }
        switch message.kind {
        case .ping:
            respond(id, KademliaMessage(kind: .ping), into: &outputs)
        case .findNode:
            findNode(id, message.key, from: peer, into: &outputs)
        case .getValue:
            getValue(id, message.key, from: peer, now: now, into: &outputs)
        case .putValue:
            putValue(id, message, from: peer, now: now, into: &outputs)
        case .getProviders:
            getProviders(id, message.key, from: peer, now: now, into: &outputs)
        case .addProvider:
            addProvider(id, message, from: peer, now: now, into: &outputs)
        }
    }

    mutating func requestCancelled(_ id: InboundRequestID) {
        let cancelled = jobs.first {
            if case .inboundPut(id, _) = $0.value.purpose { true } else { false }
        }
        guard let cancelled else { return }
        jobs.removeValue(forKey: cancelled.key)
        counters.validationsGivenUp += 1
        counters.requestsCancelled += 1
    }

    mutating func refuse(
        _ id: InboundRequestID, _ reason: RefusalReason, into outputs: inout [Output]
    ) {
        counters.refusals.add(reason)
        outputs.append(.refuse(id, reason))
    }

    private mutating func respond(
        _ id: InboundRequestID, _ message: KademliaMessage, into outputs: inout [Output]
    ) {
        counters.requestsAnswered += 1
        outputs.append(.respond(id, message.encoded(sizeMax: limits.messageSizeMax)))
    }

    // MARK: Rates

    /// Takes the token that a request costs.
    ///
    /// - Returns: why to refuse the request, or nil when there was a token. Only a flood is a fault.
    private mutating func exceeded(
        by peer: PeerID, isPut: Bool, now: Now, into outputs: inout [Output]
    ) -> RefusalReason? {
        func bucket(_ capacity: Int64, perSecond: Int) -> TokenBucket {
            TokenBucket(
                capacity: capacity, interval: .nanoseconds(1_000_000_000 / max(1, perSecond)),
                now: now.instant)
        }
        var rate =
            rates[peer]
            ?? PeerRates(
                puts: bucket(limits.putBurst, perSecond: limits.putsPerSecond),
                requests: bucket(limits.requestBurst, perSecond: limits.requestsPerSecond),
                excess: bucket(limits.excessBurst, perSecond: limits.excessPerSecond),
                usedAt: now.instant)
        rate.usedAt = now.instant
        let isAllowed =
            isPut ? rate.puts.take(now: now.instant) : rate.requests.take(now: now.instant)
        let isFlood = !isAllowed && !rate.excess.take(now: now.instant)
        if rates[peer] == nil, rates.count >= limits.ratedPeersMax { forgetIdleRates(now: now) }
        rates[peer] = rate
        guard isFlood else { return isAllowed ? nil : .rateLimited }
        outputs.append(.peerFault(peer, .rateExceeded))
        return .flooding
    }

    /// Forgets peers whose buckets are full again anyway, or if there are none the older half.
    mutating func forgetIdleRates(now: Now) {
        let idle = Duration.seconds(60)
        rates.removeAll { $0.value.usedAt.duration(to: now.instant) >= idle }
        guard rates.count >= limits.ratedPeersMax else { return }
        rates.removeFirst(max(1, rates.count / 2))
    }

    // MARK: Reading requests

    /// The closest peers, as they may be told to `requester`.
    private func closerPeers(
        to key: [UInt8], for requester: PeerID
    ) -> [KademliaMessage.Peer] {
        let remote = connected[requester]?.remote
        return table.closest(
            to: KeyPoint(key: key), limit: configuration.bucketSize, excluding: requester
        ).compactMap { describe($0.peer, $0.addresses, to: remote) }
    }

    /// Nil when there is no address that means anything to a requester connected from `remote`.
    private func describe(
        _ peer: PeerID, _ addresses: [Multiaddr], to remote: IPAddress?
    ) -> KademliaMessage.Peer? {
        // Under the public policy nothing private is kept in the first place.
        let shown =
            configuration.addressPolicy == .public
            ? addresses : addressRules.filter(addresses, source: remote)
        guard !shown.isEmpty else { return nil }
        return KademliaMessage.Peer(
            id: peer, addresses: shown,
            connection: connected[peer] == nil ? .notConnected : .connected)
    }

    private mutating func findNode(
        _ id: InboundRequestID, _ key: [UInt8], from requester: PeerID,
        into outputs: inout [Output]
    ) {
        var answer = KademliaMessage(kind: .findNode)
        answer.closerPeers = closerPeers(to: key, for: requester)
        if key == localPeer.multihash {
            // go takes us into its table only when this question has at least one peer as answer.
            let shown = addressRules.filter(
                listenAddresses, source: connected[requester]?.remote)
            answer.closerPeers.insert(
                .init(id: localPeer, addresses: shown, connection: .connected), at: 0)
        } else if let target = try? PeerID(multihash: key), target != requester,
            !answer.closerPeers.contains(where: { $0.id == target }),
            let live = connected[target],
            let peer = describe(
                target, live.addresses, to: connected[requester]?.remote)
        {
            // A client is in no table, but whoever asks for it by name wants to know.
            answer.closerPeers.insert(peer, at: 0)
        }
        respond(id, answer, into: &outputs)
    }

    private mutating func getValue(
        _ id: InboundRequestID, _ key: [UInt8], from requester: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        guard !key.isEmpty else {
            outputs.append(.peerFault(requester, .malformedRequest))
            refuse(id, .malformed, into: &outputs)
            return
        }
        var answer = KademliaMessage(kind: .getValue, key: key)
        if let record = records.live(key, wall: now.wall) {
            answer.record = .init(
                key: key, value: record.value, timeReceived: RFC3339.text(record.received))
        }
        answer.closerPeers = closerPeers(to: key, for: requester)
        respond(id, answer, into: &outputs)
    }

    private mutating func getProviders(
        _ id: InboundRequestID, _ key: [UInt8], from requester: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        guard !key.isEmpty, key.count <= limits.providerKeySizeMax else {
            refuse(id, .keyTooLong, into: &outputs)
            return
        }
        let remote = connected[requester]?.remote
        var answer = KademliaMessage(kind: .getProviders, key: key)
        if ownProvides[key] != nil,
            let own = describe(localPeer, listenAddresses, to: remote)
        {
            answer.providerPeers.append(own)
        }
        var known: [KademliaMessage.Peer] = []
        for provider in providers.providers(of: key, wall: now.wall) {
            let addresses =
                provider.addresses.isEmpty
                ? connected[provider.peer]?.addresses ?? [] : provider.addresses
            if let peer = describe(provider.peer, addresses, to: remote) { known.append(peer) }
        }
        let room = limits.closerPeersAcceptedMax - answer.providerPeers.count
        // Not the latest: whoever announces itself most often would be all that anybody sees.
        answer.providerPeers += known.count > room ? random.sample(known, count: room) : known
        answer.closerPeers = closerPeers(to: key, for: requester)
        respond(id, answer, into: &outputs)
    }

    // MARK: Writing requests

    private mutating func putValue(
        _ id: InboundRequestID, _ message: KademliaMessage, from peer: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        if let refusal = exceeded(by: peer, isPut: true, now: now, into: &outputs) {
            refuse(id, refusal, into: &outputs)
            return
        }
        guard let record = message.record, !record.key.isEmpty else {
            outputs.append(.peerFault(peer, .malformedRequest))
            refuse(id, .malformed, into: &outputs)
            return
        }
        guard record.key == message.key else {
            outputs.append(.peerFault(peer, .malformedRequest))
            refuse(id, .keyMismatch, into: &outputs)
            return
        }
        guard let namespace = namespace(of: record.key) else {
            refuse(id, .noNamespace, into: &outputs)
            return
        }
        guard record.value.count <= namespace.valueSizeMax else {
            refuse(id, .valueTooLarge, into: &outputs)
            return
        }
        var running = 0
        for job in jobs.values {
            if case .inboundPut(_, from: peer) = job.purpose { running += 1 }
        }
        let job = ValidationJob(
            key: record.key, candidate: record.value,
            incumbent: records.held(record.key, wall: now.wall)?.value, namespace: namespace)
        guard running < limits.validationsPerPeerMax,
            startJob(.inboundPut(id, from: peer), job, now: now, into: &outputs)
        else {
            refuse(id, .tooManyValidations, into: &outputs)
            return
        }
    }

    /// A peer's value was judged; what is held may have changed meanwhile.
    mutating func putJudged(
        _ id: InboundRequestID, from peer: PeerID, _ pending: PendingJob,
        _ verdict: ValidationVerdict, now: Now, into outputs: inout [Output]
    ) {
        let job = pending.job
        guard case .accepted(let acceptance) = verdict else {
            if case .rejected(let reason) = verdict, reason.isPermanent {
                outputs.append(.peerFault(peer, .invalidRecordStored))
            }
            refuse(id, .invalidRecord, into: &outputs)
            return
        }
        guard let namespace = namespace(of: job.key) else {
            refuse(id, .noNamespace, into: &outputs)
            return
        }
        let held = records.held(job.key, wall: now.wall)
        if held?.value != job.incumbent {
            // Another put for the key was faster. The comparison must be made anew, a few times.
            let again = ValidationJob(
                key: job.key, candidate: job.candidate, incumbent: held?.value,
                namespace: namespace)
            guard pending.restartCount < 3,
                startJob(
                    .inboundPut(id, from: peer), again, restartCount: pending.restartCount + 1,
                    now: now, into: &outputs)
            else {
                refuse(id, .tooManyValidations, into: &outputs)
                return
            }
            return
        }
        let value: [UInt8]
        switch acceptance.preference {
        case .candidate, .unordered:
            value = job.candidate
        case .same:
            guard held?.isEquivocal != true else {
                refuse(id, .equivocation, into: &outputs)
                return
            }
            // What is held stays and its life begins anew.
            value = held?.value ?? job.candidate
        case .incumbent:
            refuse(id, .staleRecord, into: &outputs)
            return
        case .equivocation:
            reportEquivocation(
                key: job.key, held?.value ?? [], job.candidate, now: now, into: &outputs)
            refuse(id, .equivocation, into: &outputs)
            return
        }
        if let refusal = keep(
            key: job.key, value: value, acceptance, source: peer, namespace: namespace, now: now,
            into: &outputs)
        {
            refuse(id, refusal, into: &outputs)
            return
        }
        // go 0.25 stops the whole process when the echo has no record.
        var answer = KademliaMessage(kind: .putValue, key: job.key)
        answer.record = .init(
            key: job.key, value: job.candidate, timeReceived: RFC3339.text(now.wall))
        respond(id, answer, into: &outputs)
    }

    /// The network that a provider is counted in: where it is connected from, or after a restart the
    /// first that it named.
    func providerGroup(_ addresses: [Multiaddr], remote: IPAddress?) -> IPPrefix? {
        guard configuration.addressPolicy == .public else { return nil }
        return addressRules.groups(of: addresses, remote: remote).first
    }

    private mutating func addProvider(
        _ id: InboundRequestID, _ message: KademliaMessage, from peer: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        // Announcements are writes, and rated as such.
        if let refusal = exceeded(by: peer, isPut: true, now: now, into: &outputs) {
            refuse(id, refusal, into: &outputs)
            return
        }
        guard !message.key.isEmpty, message.key.count <= limits.providerKeySizeMax else {
            refuse(id, .keyTooLong, into: &outputs)
            return
        }
        // Only for itself: a peer cannot send others' visitors to a victim.
        guard let entry = message.providerPeers.first(where: { $0.id == peer }) else {
            refuse(id, .notTheProvider, into: &outputs)
            return
        }
        let live = connected[peer]
        let addresses = addressRules.merge(
            addressRules.filter(entry.addresses, source: live?.remote), live?.addresses ?? [],
            source: live?.remote)
        let provider = StoredProvider(
            key: message.key, peer: peer, addresses: addresses,
            expiry: now.wall.advanced(by: configuration.providerTimeToLive),
            group: providerGroup(addresses, remote: live?.remote))
        let insertion = providers.insert(provider, wall: now.wall)
        for eviction in insertion.evicted {
            if eviction.reason == .expired {
                counters.providersExpired += 1
            } else {
                counters.providersEvicted += 1
            }
            writes.append(StoredRows.delete(StoredRows.key(provider: eviction.name)))
        }
        if let refusal = insertion.refusal {
            refuse(id, refusal, into: &outputs)
            return
        }
        counters.providersStored += 1
        counters.requestsAcknowledged += 1
        writes.append(StoredRows.put(.provider(provider)))
        outputs.append(.acknowledge(id))
    }
}
