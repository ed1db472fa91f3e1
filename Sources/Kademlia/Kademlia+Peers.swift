import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

extension Kademlia {
    mutating func peerIdentified(
        _ peer: PeerID, addresses: [Multiaddr], supportsServer: Bool, remote: IPAddress?,
        now: Now, into outputs: inout [Output]
    ) {
        guard peer != localPeer else { return }
        let usable = addressRules.filter(addresses, source: remote)
        guard connected[peer] != nil || connected.count < limits.connectedPeersMax else { return }
        connected[peer] = ConnectedPeer(
            addresses: usable, supportsServer: supportsServer, remote: remote)

        if !supportsServer {
            removeFromTable(peer, .protocolUnsupported, into: &outputs)
            table.forgetReplacement(peer, point: KeyPoint(key: peer.multihash))
            probeQueue.removeValue(forKey: peer)
        } else if table.contains(peer) {
            if !usable.isEmpty, table.setAddresses(usable, of: peer) {
                writes.append(StoredRows.put(.tablePeer(peer, usable)))
            }
        } else if usable.isEmpty {
            outputs.append(.event(.peerLeftOut(peer, .noUsableAddress)))
        } else {
            enqueueProbe(peer, addresses: usable)
        }

        // Whoever looked for this peer has found it.
        let searching = queries.filter {
            if case .findPeer(peer) = $0.task { true } else { false }
        }
        for query in searching {
            finish(
                query.handle,
                .peer(PeerAddresses(peer: peer, addresses: usable), confirmed: true),
                now: now, into: &outputs)
        }
    }

    func contact(
        _ peer: PeerID, addresses: [Multiaddr], target: KeyPoint
    ) -> Lookup.Contact {
        let live = connected[peer]
        var known = addresses
        if let live, !live.addresses.isEmpty { known = live.addresses }
        return Lookup.Contact(
            peer: peer, distance: KeyPoint(key: peer.multihash).distance(to: target),
            addresses: known, groups: addressRules.groups(of: known, remote: live?.remote))
    }

    /// Peers to begin a lookup with: the closest of the table and, while it has fewer than `k`, those
    /// that are connected or were known before.
    func seeds(for target: KeyPoint) -> [Lookup.Contact] {
        let size = configuration.bucketSize
        var seeds = table.closest(to: target, limit: size).map { entry in
            Lookup.Contact(
                peer: entry.peer, distance: entry.point.distance(to: target),
                addresses: entry.addresses, groups: entry.groups)
        }
        guard seeds.count < size else { return seeds }
        var others: [Lookup.Contact] = []
        for (peer, live) in connected where live.supportsServer && !table.contains(peer) {
            others.append(contact(peer, addresses: live.addresses, target: target))
        }
        if seeds.isEmpty, others.isEmpty {
            for (peer, addresses) in probeQueue {
                others.append(contact(peer, addresses: addresses, target: target))
            }
            for (peer, addresses) in lost where probeQueue[peer] == nil {
                others.append(contact(peer, addresses: addresses, target: target))
            }
        }
        others.sort { $0.distance < $1.distance }
        seeds.append(contentsOf: others.prefix(size - seeds.count))
        return seeds
    }

    // MARK: Who answers

    /// A peer answered a request: invariant 1's only door into the table.
    mutating func noteAnswer(
        from peer: PeerID, addresses: [Multiaddr], now: Now, into outputs: inout [Output]
    ) {
        lost.removeValue(forKey: peer)
        probeQueue.removeValue(forKey: peer)
        let live = connected[peer]
        var known = addresses
        if let live, !live.addresses.isEmpty { known = live.addresses }
        guard !known.isEmpty else {
            outputs.append(.event(.peerLeftOut(peer, .noUsableAddress)))
            return
        }
        let old = table.entry(peer)
        let wasEmpty = table.count == 0
        let insertion = table.answered(
            RoutingTable.Entry(
                peer: peer, point: old?.point ?? KeyPoint(key: peer.multihash), addresses: known,
                groups: addressRules.groups(of: known, remote: live?.remote),
                remote: live?.remote, answeredAt: now.instant))
        switch insertion {
        case .added(let bucket):
            outputs.append(.event(.peerAdded(peer, bucket: bucket)))
            writes.append(StoredRows.put(.tablePeer(peer, known)))
            // The first peer is the way to the others.
            if wasEmpty { scheduleRefresh(after: .milliseconds(200), now: now) }
        case .updated:
            if old?.addresses != known { writes.append(StoredRows.put(.tablePeer(peer, known))) }
        case .leftOut(let reason):
            outputs.append(.event(.peerLeftOut(peer, reason)))
        case .isLocal:
            break
        }
    }

    mutating func noteFailure(
        of peer: PeerID, _ failure: RPCFailure, now: Now, into outputs: inout [Output]
    ) {
        switch failure {
        case .localLimit:
            return
        case .protocolUnsupported, .malformedAnswer:
            let reason: RemovalReason =
                failure == .protocolUnsupported ? .protocolUnsupported : .malformedAnswer
            removeFromTable(peer, reason, into: &outputs)
        case .timedOut, .dialFailed, .streamReset:
            guard let entry = table.entry(peer), let removal = table.failed(peer) else { return }
            report(removal, of: peer, .unreachable, into: &outputs)
            remember(lost: peer, entry.addresses)
        }
    }

    private mutating func removeFromTable(
        _ peer: PeerID, _ reason: RemovalReason, into outputs: inout [Output]
    ) {
        guard let removal = table.remove(peer) else { return }
        report(removal, of: peer, reason, into: &outputs)
        writes.append(StoredRows.delete(StoredRows.key(tablePeer: peer)))
    }

    private mutating func report(
        _ removal: RoutingTable.Removal, of peer: PeerID, _ reason: RemovalReason,
        into outputs: inout [Output]
    ) {
        outputs.append(.event(.peerRemoved(peer, bucket: removal.bucket, reason)))
        if let promoted = removal.promoted {
            outputs.append(.event(.peerAdded(promoted.peer, bucket: removal.bucket)))
            writes.append(StoredRows.put(.tablePeer(promoted.peer, promoted.addresses)))
        }
    }

    mutating func remember(lost peer: PeerID, _ addresses: [Multiaddr]) {
        lost[peer] = addresses
        // As many as a bucket holds, several times over; the oldest are the least likely to return.
        while lost.count > 8 * configuration.bucketSize {
            let oldest = lost.removeFirst().key
            writes.append(StoredRows.delete(StoredRows.key(tablePeer: oldest)))
        }
    }

    // MARK: Probes

    mutating func enqueueProbe(_ peer: PeerID, addresses: [Multiaddr]) {
        guard probeQueue[peer] != nil || probeQueue.count < limits.probeQueueMax else { return }
        probeQueue[peer] = addresses
    }

    mutating func startProbes(now: Now, into outputs: inout [Output]) {
        guard !probeQueue.isEmpty else { return }
        var inFlight = 0
        for request in requests.values where request.purpose == .probe && !request.isOverdue {
            inFlight += 1
        }
        while inFlight < limits.probesInFlightMax, requests.count < limits.requestsInFlightMax,
            !probeQueue.isEmpty
        {
            let (peer, addresses) = probeQueue.removeFirst()
            guard !table.contains(peer), !isProbing(peer) else { continue }
            probe(peer, addresses: addresses, now: now, into: &outputs)
            inFlight += 1
        }
    }

    func isProbing(_ peer: PeerID) -> Bool {
        requests.values.contains { $0.purpose == .probe && $0.peer == peer }
    }

    /// Asks for our own neighbourhood: the answer shows that the peer serves, as any would.
    mutating func probe(
        _ peer: PeerID, addresses: [Multiaddr], now: Now, into outputs: inout [Output]
    ) {
        send(
            KademliaMessage(kind: .findNode, key: localPeer.multihash), to: peer,
            addresses: addresses, for: .probe, now: now, into: &outputs)
    }
}
