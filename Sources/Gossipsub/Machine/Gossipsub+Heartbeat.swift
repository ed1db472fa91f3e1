import ChoraleBase
import DequeModule
import PeerIdentity

extension Gossipsub {
    /// Specification: `gossipsub-v1.0.md` "Heartbeat", with the v1.1 changes to mesh maintenance.
    mutating func heartbeat(now: MonotonicInstant, into outputs: inout [Output]) {
        tick += 1
        counters.heartbeats += 1
        connectBudget = configuration.limits.peerExchangePerHeartbeatMax
        seen.expire(now: now)
        expirePending(now: now, into: &outputs)
        for slot in peers.indices where peers[slot] != nil {
            peers[slot]!.beginHeartbeat(tick: tick, now: now)
            // What the peer did not take in a heartbeat is replaced by what is true now.
            peers[slot]!.control.gossip.removeAll(keepingCapacity: false)
        }
        let gossip = gossipByTopic()
        for topic in topics.indices {
            if topics[topic].isSubscribed {
                maintainMesh(topic, now: now, into: &outputs)
            } else {
                maintainFanout(topic, now: now)
            }
            if !gossip[topic].isEmpty {
                emitGossip(topic, gossip[topic], now: now, into: &outputs)
                repeatOffers(topic, gossip[topic], now: now, into: &outputs)
            }
        }
        let oldestKept = tick - min(tick, UInt64(configuration.historyLength))
        while let first = history.first, first.tick < oldestKept { forgetOldest(into: &outputs) }
        if tick % UInt64(max(1, configuration.directConnectTicks)) == 1 {
            connectDirectPeers(into: &outputs)
        }
    }

    private func connectDirectPeers(into outputs: inout [Output]) {
        for peer in configuration.directPeers where slotByPeer[peer] == nil {
            outputs.append(.connect(peer, signedRecord: nil, .directPeer))
        }
    }

    // MARK: Mesh

    private mutating func maintainMesh(
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let mesh = topics[topic].parameters.mesh
        for slot in topics[topic].mesh where score(slot, now: now) < 0 {
            prune(slot, topic, .negativeScore, exchange: false, now: now, into: &outputs)
        }
        if topics[topic].mesh.count < mesh.degreeLow {
            let missing = mesh.degree - topics[topic].mesh.count
            for slot in graftCandidates(topic, count: missing, now: now) {
                graft(slot, topic, .meshTooSmall, now: now, into: &outputs)
            }
        }
        if topics[topic].mesh.count > mesh.degreeHigh {
            for slot in surplus(topic, mesh, now: now) {
                prune(slot, topic, .meshTooLarge, exchange: true, now: now, into: &outputs)
            }
        }
        if topics[topic].mesh.count >= mesh.degreeLow {
            graftOutbound(topic, mesh, now: now, into: &outputs)
        }
        let ticks = UInt64(max(1, configuration.opportunisticGraftTicks))
        if tick % ticks == 0, topics[topic].mesh.count > 1 {
            graftOpportunistically(topic, now: now, into: &outputs)
        }
    }

    private mutating func prune(
        _ slot: Int,
        _ topic: Int,
        _ reason: MeshReason,
        exchange: Bool,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        removeFromMesh(slot, topic, reason, now: now, into: &outputs)
        sendPrune(
            slot, topic, exchange: exchange, backoff: configuration.pruneBackoff, now: now,
            into: &outputs)
    }

    /// Who leaves a mesh that is too large: all but the best by score, others at random, and enough
    /// that we dialed.
    private mutating func surplus(
        _ topic: Int,
        _ mesh: MeshParameters,
        now: MonotonicInstant
    ) -> [Int] {
        var order = topics[topic].mesh
        // Shuffled first, so that equal scores are in random order.
        random.shuffle(&order)
        var scored: [(slot: Int, score: Double)] = []
        for slot in order { scored.append((slot, score(slot, now: now))) }
        // Ties by position keep the sort stable, whatever algorithm the library uses.
        let ranked = scored.enumerated().sorted {
            ($1.element.score, $0.offset) < ($0.element.score, $1.offset)
        }
        order = ranked.map(\.element.slot)
        let best = min(mesh.degreeScore, order.count)
        var rest = Array(order[best...])
        random.shuffle(&rest)
        order = Array(order[..<best]) + rest

        let kept = min(mesh.degree, order.count)
        var outboundCount = order[..<kept].count { isOutbound($0) }
        // Outbound peers beyond the cut change places with inbound ones before it, from the end.
        var position = kept - 1
        for candidate in kept..<order.count
        where outboundCount < mesh.degreeOutbound && isOutbound(order[candidate]) {
            while position >= 0, isOutbound(order[position]) { position -= 1 }
            guard position >= 0 else { break }
            order.swapAt(position, candidate)
            outboundCount += 1
        }
        return Array(order[kept...])
    }

    private func isOutbound(_ slot: Int) -> Bool {
        peers[slot]!.connection.direction == .outbound
    }

    private mutating func graftOutbound(
        _ topic: Int,
        _ mesh: MeshParameters,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let missing = mesh.degreeOutbound - topics[topic].mesh.count { isOutbound($0) }
        guard missing > 0 else { return }
        var candidates: [Int] = []
        for slot in topics[topic].subscribers
        where isOutbound(slot) && isGraftable(slot, topic, now: now) {
            candidates.append(slot)
        }
        for slot in random.sample(candidates, count: missing) {
            graft(slot, topic, .outboundQuota, now: now, into: &outputs)
        }
    }

    /// A mesh of mediocre peers gets two better than its median: the way out of an eclipse by peers
    /// that behave just well enough.
    private mutating func graftOpportunistically(
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        var scores: [Double] = []
        for slot in topics[topic].mesh { scores.append(score(slot, now: now)) }
        scores.sort()
        let median = scores[scores.count / 2]
        guard median < configuration.score.opportunisticGraftThreshold else { return }
        var candidates: [Int] = []
        for slot in topics[topic].subscribers where isGraftable(slot, topic, now: now) {
            if score(slot, now: now) > median { candidates.append(slot) }
        }
        let chosen = random.sample(candidates, count: configuration.opportunisticGraftPeers)
        for slot in chosen {
            graft(slot, topic, .opportunistic, now: now, into: &outputs)
        }
    }

    private mutating func maintainFanout(_ topic: Int, now: MonotonicInstant) {
        guard let expires = topics[topic].fanoutExpires else { return }
        guard expires > now else {
            topics[topic].fanoutExpires = nil
            topics[topic].fanout = []
            return
        }
        refreshFanout(topic, now: now)
    }

    // MARK: Gossip

    /// What is announced at this heartbeat, by topic: one pass over the recent history for all.
    private func gossipByTopic() -> [[Int]] {
        var messages = [[Int]](repeating: [], count: topics.count)
        let first = tick - min(tick, UInt64(configuration.historyGossip))
        for entry in history where entry.tick >= first {
            messages[store[entry.message].topic].append(entry.message)
        }
        return messages
    }

    private mutating func emitGossip(
        _ topic: Int,
        _ messages: [Int],
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        var candidates: [Int] = []
        for slot in topics[topic].subscribers {
            guard peers[slot]!.connection.version >= .v1_0,
                !peers[slot]!.connection.isDirect, !peers[slot]!.mesh.contains(topic),
                !topics[topic].fanout.contains(slot),
                score(slot, now: now) >= configuration.score.gossipThreshold
            else { continue }
            candidates.append(slot)
        }
        let mesh = topics[topic].parameters.mesh
        let count = max(mesh.degreeLazy, candidates.count * mesh.gossipPercent / 100)
        let limit = configuration.limits.ihaveIDsPerHeartbeatMax
        for slot in random.sample(candidates, count: count) {
            // Each peer another selection, so that together they learn of everything.
            let chosen =
                messages.count > limit ? random.sample(messages, count: limit) : messages
            let room = configuration.limits.controlQueueIDsMax - peers[slot]!.control.idCount
            for index in chosen.prefix(max(0, room)) {
                peers[slot]!.control.gossip.append(
                    ControlQueue.Announcement(message: index, key: store[index].key))
            }
            signal(slot, into: &outputs)
        }
    }

    /// Offers large messages again to mesh peers that have not shown to have them: pushes need no such
    /// net, because a stream loses nothing, but whoever we offered to may have asked another in vain.
    private mutating func repeatOffers(
        _ topic: Int,
        _ messages: [Int],
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let sizeMin = configuration.largeMessageSizeMin
        let large = messages.filter { store[$0].body.range.count >= sizeMin }
        guard !large.isEmpty else { return }
        for slot in topics[topic].mesh where peers[slot]!.connection.version >= .v1_2 {
            for index in large
            where !store[index].holders.contains(slot) && !store[index].copies.contains(slot) {
                guard case .accepted(let offeredAt) = store[index].phase else { continue }
                let isOverdue = offeredAt.duration(to: now) >= configuration.heartbeatInterval
                if isOverdue, !peers[slot]!.hasAsked, peers[slot]!.dontWant[store[index].key] == nil
                {
                    // It neither has the message nor asks: maybe it does not know how.
                    peers[slot]!.offersIgnored += 1
                    enqueue(index, slot, now: now, into: &outputs)
                    continue
                }
                peers[slot]!.control.gossip.append(
                    ControlQueue.Announcement(message: index, key: store[index].key))
            }
            signal(slot, into: &outputs)
        }
    }
}
