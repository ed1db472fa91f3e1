import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Sockets from their first moment to their last: who is let in, who stays, what a loss means.
extension Swarm {
    mutating func refuse(
        _ scope: LimitRefusal.Scope, use: Int, limit: Int
    ) -> LimitRefusal {
        let index = LimitRefusal.Scope.allCases.firstIndex(of: scope) ?? 0
        counters.refused[index] += 1
        return LimitRefusal(scope: scope, use: use, limit: limit)
    }

    mutating func accepted(
        _ id: ConnectionID, remote: Multiaddr, now: Now, into outputs: inout [Output]
    ) {
        let group = remote.ipAddress?.group.narrow
        let refusal = reasonToRefuse(remote: remote, group: group, now: now)
        counters.accepted += 1
        sockets[id] = Socket(
            phase: .handshaking(job: nil), direction: .inbound, remote: remote, group: group,
            openedAt: now.instant, closing: nil)
        if let refusal {
            outputs.append(.refused(refusal, remote: remote))
            close(id, .refusedByLimit, into: &outputs)
        } else if isShuttingDown {
            close(id, .shutdown, into: &outputs)
        } else {
            outputs.append(.accept(id))
        }
    }

    mutating func reasonToRefuse(
        remote: Multiaddr, group: IPPrefix?, now: Now
    ) -> LimitRefusal? {
        guard sockets.count < limits.socketCountMax else {
            return refuse(.total, use: sockets.count, limit: limits.socketCountMax)
        }
        let handshakes = handshakeCount
        guard handshakes < limits.handshakeCountMax else {
            return refuse(.handshakes, use: handshakes, limit: limits.handshakeCountMax)
        }
        // A local network lives in one group, so the two rules below would only get in its way.
        guard configuration.addressPolicy == .publicNetwork, let group else { return nil }
        let inGroup = sockets.values.count { $0.group == group }
        guard inGroup < limits.socketsPerGroupMax else {
            return refuse(.addressGroup, use: inGroup, limit: limits.socketsPerGroupMax)
        }
        if inboundRates[group] == nil {
            // Bounded by forgetting the oldest: it has refilled by the time 1,024 others came.
            if inboundRates.count >= 1024 { inboundRates.removeFirst() }
            inboundRates[group] = TokenBucket(
                capacity: limits.inboundBurst, interval: limits.inboundInterval, now: now.instant)
        }
        if inboundRates[group]?.take(now: now.instant) == false {
            return refuse(
                .inboundRate, use: Int(limits.inboundBurst), limit: Int(limits.inboundBurst))
        }
        return nil
    }

    mutating func established(
        _ id: ConnectionID, _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], socket.closing == nil else { return }
        guard case .handshaking(let jobID) = socket.phase else { return }
        guard peer != configuration.localPeer else {
            if let jobID { finish(jobID, .failed(.selfDial), now: now, into: &outputs) }
            close(id, .selfDial, into: &outputs)
            return
        }
        guard !store.isBanned(peer, now: now.wall) else {
            if let jobID { finish(jobID, .failed(.banned), now: now, into: &outputs) }
            close(id, .banned, into: &outputs)
            return
        }
        let ofPeer = sockets.values.count { other in
            if case .established(peer) = other.phase { true } else { false }
        }
        guard ofPeer < limits.socketsPerPeerMax else {
            let refusal = refuse(.peer, use: ofPeer, limit: limits.socketsPerPeerMax)
            outputs.append(.refused(refusal, remote: socket.remote))
            close(id, .refusedByLimit, into: &outputs)
            if let jobID {
                finish(jobID, .failed(.refusedByLimit(refusal)), now: now, into: &outputs)
            }
            return
        }
        sockets[id]?.phase = .established(peer)
        if socket.direction == .outbound {
            store.dialSucceeded(peer, address: socket.remote, now: now.wall)
        } else {
            store.touch(peer, now: now.wall)
        }

        if let old = links[peer] {
            if keepsNew(socket, over: old, peer: peer, now: now) {
                replace(old, by: id, socket, peer: peer, now: now, into: &outputs)
            } else {
                close(id, .duplicate, into: &outputs)
                if let jobID {
                    finish(jobID, .connected(peer, old.connection), now: now, into: &outputs)
                }
                return
            }
        } else {
            link(peer, id, socket, now: now, into: &outputs)
        }
        if let jobID { finish(jobID, .connected(peer, id), now: now, into: &outputs) }
        // Whoever else wanted this peer has it now.
        for job in jobs.values where job.expected == peer {
            satisfy(job.id, .connected(peer, id), now: now, into: &outputs)
        }
        trim(now: now, into: &outputs)
    }

    /// Which of two connections to one peer stays.
    ///
    /// Dialed by both sides at about the same time: both sides must choose the same one, so the one
    /// dialed by the smaller peer id stays. Otherwise the new one: the other side would not have
    /// dialed again had it not lost the old one, to a crash perhaps, which we cannot see yet.
    func keepsNew(
        _ new: Socket, over old: Link, peer: PeerID, now: Now
    ) -> Bool {
        let isRace = old.since.duration(to: now.instant) < .seconds(10)
        guard isRace, new.direction != old.direction else { return true }
        let weAreSmaller = configuration.localPeer < peer
        return (new.direction == .outbound) == weAreSmaller
    }

    mutating func link(
        _ peer: PeerID, _ id: ConnectionID, _ socket: Socket, now: Now, into outputs: inout [Output]
    ) {
        var link = Link(
            peer: peer, connection: id, direction: socket.direction, remote: socket.remote,
            since: now.instant)
        if pinned[peer] != nil { link.holds.append(.pinned) }
        if configuration.bootnodes.contains(where: { $0.peerID == peer }) {
            link.holds.append(.bootnode)
        }
        links[peer] = link
        outputs.append(.peerConnected(peer, id, socket.direction, remote: socket.remote))
    }

    mutating func replace(
        _ old: Link, by id: ConnectionID, _ socket: Socket, peer: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        links.removeValue(forKey: peer)
        outputs.append(.peerDisconnected(peer, .duplicate))
        link(peer, id, socket, now: now, into: &outputs)
        close(old.connection, .duplicate, into: &outputs)
    }

    mutating func close(
        _ id: ConnectionID, _ reason: DisconnectReason, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], socket.closing == nil else { return }
        sockets[id]?.closing = reason
        outputs.append(.close(id, reason))
    }

    mutating func closed(
        _ id: ConnectionID, _ reason: DisconnectReason, detail: String, now: Now,
        into outputs: inout [Output]
    ) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        let final = socket.closing ?? reason
        if let index = DisconnectReason.allCases.firstIndex(of: final) {
            counters.closed[index] += 1
        }
        switch socket.phase {
        case .dialing(let jobID), .handshaking(job: .some(let jobID)):
            attemptFailed(id, socket, jobID, final, detail: detail, now: now, into: &outputs)
        case .handshaking(job: nil):
            break
        case .established(let peer):
            guard links[peer]?.connection == id else { return }
            links.removeValue(forKey: peer)
            store.touch(peer, now: now.wall)
            if final.isLoss { noteLoss(of: peer, now: now) }
            outputs.append(.peerDisconnected(peer, final))
        }
    }

    mutating func attemptFailed(
        _ id: ConnectionID, _ socket: Socket, _ jobID: UInt64, _ reason: DisconnectReason,
        detail: String, now: Now, into outputs: inout [Output]
    ) {
        guard var job = jobs[jobID] else { return }
        job.attempts.removeValue(forKey: id)
        if job.winner == id {
            job.winner = nil
            job.add(job.superseded, countMax: limits.candidateCountMax)
            job.superseded = []
        }
        if reason != .dialSuperseded, reason != .shutdown {
            job.lastFailure = "\(socket.remote.text): \(detail.isEmpty ? reason.rawValue : detail)"
            if let peer = job.expected {
                store.dialFailed(peer, address: socket.remote, now: now.wall, random: &random)
            }
        }
        job.nextAttemptAt = now.instant
        jobs[jobID] = job
        advance(jobID, now: now, into: &outputs)
    }

    mutating func disconnect(
        _ peer: PeerID, _ reason: DisconnectReason, into outputs: inout [Output]
    ) {
        guard let link = links[peer] else { return }
        close(link.connection, reason, into: &outputs)
    }
}
