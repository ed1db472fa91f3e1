import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// What happens unasked: learning addresses, letting peers go, looking for more, the end.
extension Swarm {
    mutating func learn(
        _ peer: PeerID, _ addresses: [Multiaddr], _ source: AddressSource, now: Now
    ) {
        guard peer != configuration.localPeer else { return }
        let allowed = filtered(addresses, from: source)
        guard !allowed.isEmpty else { return }
        store.learn(peer, addresses: allowed, source: source, now: now.wall)
    }

    /// Addresses that may be dialed or have to be resolved first.
    ///
    /// Strangers get one name each: a lookup waits for a server of their choice, and there are only so
    /// many at a time.
    mutating func filtered(_ addresses: [Multiaddr], from source: AddressSource) -> [Multiaddr] {
        let policy = configuration.addressPolicy
        var namesLeft = source >= .bootnode ? Int.max : 1
        var allowed: [Multiaddr] = []
        for address in addresses {
            if Self.isName(address) {
                guard namesLeft > 0 else { continue }
                namesLeft -= 1
                allowed.append(address)
            } else if policy.allows(address) {
                allowed.append(address)
            }
        }
        counters.addressesForbidden += UInt64(addresses.count - allowed.count)
        return allowed
    }

    /// Whether an address is a name that has to be resolved before it can be judged.
    static func isName(_ address: Multiaddr) -> Bool {
        if address.dnsaddrName != nil { return true }
        if case .dns = address.tcpEndpoint?.host { return true }
        return false
    }

    /// Lets peers go when there are too many: those nobody holds, newest first, so that long-lived
    /// connections, which an attacker cannot make quickly, survive a flood of new ones.
    mutating func trim(now: Now, into outputs: inout [Output]) {
        guard links.count > limits.peerCountHigh else { return }
        var excess = links.count - limits.peerCountLow
        let graceEnd = limits.graceInterval
        let candidates = links.values
            .filter { link in
                !link.holds.contains(.pinned) && link.since.duration(to: now.instant) >= graceEnd
                    && sockets[link.connection]?.closing == nil
            }
            .sorted { lhs, rhs in
                (lhs.holds.count, rhs.since, lhs.peer) < (rhs.holds.count, lhs.since, rhs.peer)
            }
        for link in candidates where excess > 0 {
            close(link.connection, .trimmed, into: &outputs)
            excess -= 1
        }
    }

    mutating func timeout(now: Now, into outputs: inout [Output]) {
        for id in Array(jobs.keys) { advance(id, now: now, into: &outputs) }
        guard now.instant >= maintenanceAt else { return }
        let interval = links.isEmpty ? limits.lonelyInterval : limits.maintenanceInterval
        maintenanceAt = now.instant.advanced(by: interval)
        trim(now: now, into: &outputs)
        if store.hasChanges, isLoaded { outputs.append(.store(store.takeChanges())) }
        if isLoaded, !isShuttingDown { seekPeers(now: now, into: &outputs) }
    }

    /// Dials pinned peers that are missing, then known ones up to the target, then bootnodes.
    mutating func seekPeers(now: Now, into outputs: inout [Output]) {
        for peer in pinned.keys where links[peer] == nil {
            dialUnasked(peer, now: now, into: &outputs)
        }
        seekLost(now: now, into: &outputs)
        let missing = limits.peerCountTarget - links.count - jobs.count
        guard missing > 0 else { return }
        var known: [PeerID] = []
        for peer in store.all {
            guard links[peer.id] == nil, peer.id != configuration.localPeer,
                !store.isBanned(peer.id, now: now.wall),
                peer.addresses.contains(where: { ($0.retryAt ?? now.wall) <= now.wall }),
                !jobs.values.contains(where: { $0.expected == peer.id })
            else { continue }
            known.append(peer.id)
        }
        let chosen = random.sample(known, count: min(missing, 8))
        for peer in chosen { dialUnasked(peer, now: now, into: &outputs) }
        if chosen.count < missing {
            for node in configuration.bootnodes where links[node.peerID] == nil {
                learn(node.peerID, node.addresses, .bootnode, now: now)
                dialUnasked(node.peerID, now: now, into: &outputs)
            }
            outputs.append(.wantsPeers(missing: missing - chosen.count))
        }
    }

    mutating func noteLoss(of peer: PeerID, now: Now) {
        if lost.count >= limits.lostPeerCountMax { lost.removeFirst() }
        lost[peer] = now.instant.advanced(by: limits.lostPeerLife)
    }

    /// Dials a few of those that were lost, also when there are peers enough.
    mutating func seekLost(now: Now, into outputs: inout [Output]) {
        lost = lost.filter { $0.value > now.instant && links[$0.key] == nil }
        guard links.count < limits.peerCountLow else { return }
        let ready = Array(lost.keys).filter { peer in
            store[peer]?.addresses.contains { ($0.retryAt ?? now.wall) <= now.wall } == true
                && !store.isBanned(peer, now: now.wall)
        }
        for peer in random.sample(ready, count: 2) {
            dialUnasked(peer, now: now, into: &outputs)
        }
    }

    mutating func dialUnasked(
        _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        guard !jobs.values.contains(where: { $0.expected == peer }), links[peer] == nil else {
            return
        }
        var results: [Output] = []
        dial(DialID(nextUnaskedDial), peer, now: now, into: &results)
        nextUnaskedDial += 1
        for result in results {
            // Nobody asked, so nobody is told; the counters know.
            if case .dialFinished = result { continue }
            outputs.append(result)
        }
    }

    mutating func shutdown(now: Now, into outputs: inout [Output]) {
        isShuttingDown = true
        for id in Array(jobs.keys) {
            finish(id, .failed(.shuttingDown), now: now, into: &outputs)
        }
        for (id, socket) in sockets {
            if case .dialing = socket.phase { continue }
            close(id, .shutdown, into: &outputs)
        }
        while store.hasChanges { outputs.append(.store(store.takeChanges())) }
    }
}
