import ChoraleBase
import Codec
import PeerIdentity

extension Gossipsub {
    mutating func controlReceived(
        _ rpc: GossipRPC,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        // First what saves bytes, then what costs some.
        if !rpc.dontWant.isEmpty { dontWantReceived(rpc, frame, from: slot, into: &outputs) }
        for topic in rpc.prunes {
            pruneReceived(topic, frame, from: slot, now: now, into: &outputs)
        }
        for name in rpc.grafts {
            graftReceived(name, frame, from: slot, now: now, into: &outputs)
        }
        if !rpc.ihave.isEmpty {
            ihaveReceived(rpc, frame, from: slot, now: now, into: &outputs)
        }
        if !rpc.iwant.isEmpty {
            iwantReceived(rpc, frame, from: slot, now: now, into: &outputs)
        }
    }

    // MARK: IDONTWANT

    private mutating func dontWantReceived(
        _ rpc: GossipRPC,
        _ frame: Span<UInt8>,
        from slot: Int,
        into outputs: inout [Output]
    ) {
        let limits = configuration.limits
        for range in rpc.dontWant {
            counters.dontWantIDsReceived += 1
            peers[slot]!.dontWantIDs += 1
            guard peers[slot]!.dontWantIDs <= limits.dontWantPerHeartbeatMax else {
                counters.idsSkipped += 1
                continue
            }
            let key = hash(frame.extracting(range))
            if let index = store.index(key) {
                // Whoever does not want it has it.
                store[index].holders.insert(slot)
                cancelCopy(index, slot, .peerHasIt, into: &outputs)
                continue
            }
            let until = tick + UInt64(limits.dontWantHeartbeats)
            if !peers[slot]!.addDontWant(key, until: until, countMax: limits.dontWantPerPeerMax) {
                counters.idsSkipped += 1
            }
        }
    }

    // MARK: GRAFT and PRUNE

    private mutating func graftReceived(
        _ name: Range<Int>,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.graftsReceived += 1
        // A topic that we do not have is answered with silence: an answer would be a reflector.
        guard let topic = findTopic(name, in: frame), topics[topic].isSubscribed,
            peers[slot]!.connection.version >= .v1_0
        else {
            counters.graftsRefused += 1
            return
        }
        guard !peers[slot]!.mesh.contains(topic) else { return }
        // GRAFT implies the subscription; some send it first.
        addSubscriber(slot, topic)

        if peers[slot]!.connection.isDirect {
            refuseGraft(slot, topic, exchange: false, now: now, into: &outputs)
            return
        }
        if let until = peers[slot]!.backoff(topic), until > now {
            penalize(slot, .graftDuringBackoff, 1, now: now, into: &outputs)
            let prunedAt = until.advanced(by: .zero - configuration.pruneBackoff)
            if prunedAt.duration(to: now) < configuration.graftFloodThreshold {
                penalize(slot, .graftFlood, 1, now: now, into: &outputs)
            }
            refuseGraft(slot, topic, exchange: false, now: now, into: &outputs)
            return
        }
        guard score(slot, now: now) >= 0 else {
            refuseGraft(slot, topic, exchange: false, now: now, into: &outputs)
            return
        }
        // A full mesh takes only peers that we dialed, or an attacker could fill it from outside.
        guard
            topics[topic].mesh.count < topics[topic].parameters.mesh.degreeHigh
                || peers[slot]!.connection.direction == .outbound
        else {
            refuseGraft(slot, topic, exchange: true, now: now, into: &outputs)
            return
        }
        addToMesh(slot, topic, .byPeer, now: now, into: &outputs)
    }

    private mutating func refuseGraft(
        _ slot: Int,
        _ topic: Int,
        exchange: Bool,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.graftsRefused += 1
        sendPrune(
            slot, topic, exchange: exchange, backoff: configuration.pruneBackoff, now: now,
            into: &outputs)
    }

    private mutating func pruneReceived(
        _ prune: GossipRPC.Prune,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.prunesReceived += 1
        guard let topic = findTopic(prune.topic, in: frame) else { return }
        removeFromMesh(slot, topic, .byPeer, now: now, into: &outputs)
        // A GRAFT that waits for this peer is void, and would cost us.
        peers[slot]!.control.grafts.removeAll { $0 == topic }
        let asked: Duration =
            prune.backoffSeconds == 0
            ? configuration.pruneBackoff
            : .seconds(Int64(min(prune.backoffSeconds, 1 << 31)))
        let backoff = min(asked, configuration.limits.backoffMax)
        peers[slot]!.setBackoff(topic, until: now.advanced(by: backoff))
        followExchange(prune, frame, from: slot, now: now, into: &outputs)
    }

    private mutating func followExchange(
        _ prune: GossipRPC.Prune,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard !prune.peers.isEmpty else { return }
        guard configuration.peerExchange,
            rawScore(slot, now: now) >= configuration.score.acceptPeerExchangeThreshold
        else {
            counters.peerExchangeIgnored += UInt64(prune.peers.count)
            return
        }
        for info in random.sample(prune.peers, count: configuration.peerExchangeCount) {
            guard connectBudget > 0,
                let id = try? PeerID(multihash: frame.extracting(info.peer)),
                id != configuration.localPeer, slotByPeer[id] == nil,
                info.record.map(\.count) ?? 0 <= configuration.limits.peerRecordSizeMax
            else {
                counters.peerExchangeIgnored += 1
                continue
            }
            connectBudget -= 1
            counters.peerExchangeFollowed += 1
            let record = info.record.map { frame.extracting($0).copied() }
            outputs.append(.connect(id, signedRecord: record, .peerExchange))
        }
    }

    // MARK: IHAVE and IWANT

    private mutating func ihaveReceived(
        _ rpc: GossipRPC,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.ihaveReceived += 1
        let limits = configuration.limits
        peers[slot]!.ihaveMessages += 1
        guard score(slot, now: now) >= configuration.score.gossipThreshold,
            peers[slot]!.ihaveMessages <= limits.ihaveMessagesPerHeartbeatMax
        else {
            counters.idsSkipped += UInt64(rpc.ids.count)
            return
        }
        var fresh: [(key: MessageKey, range: Range<Int>, topic: Int)] = []
        for announcement in rpc.ihave {
            counters.ihaveIDsReceived += UInt64(announcement.ids.count)
            guard let topic = findTopic(announcement.topic, in: frame),
                topics[topic].isSubscribed
            else { continue }
            for range in rpc.ids[announcement.ids] {
                let key = hash(frame.extracting(range))
                // First where most are found: each message is announced by a quarter of all peers.
                if let index = store.index(key) {
                    store[index].holders.insert(slot)
                    cancelCopy(index, slot, .peerHasIt, into: &outputs)
                    continue
                }
                if seen.status(key) != nil { continue }
                guard peers[slot]!.ihaveIDs < limits.ihaveIDsPerHeartbeatMax else {
                    counters.idsSkipped += 1
                    continue
                }
                peers[slot]!.ihaveIDs += 1
                fresh.append((key, range, topic))
            }
        }
        guard !fresh.isEmpty else { return }
        // One of the batch, at random, is what the peer is held to: remembering all would let it make
        // us remember thousands, and it cannot know which one it must not fail.
        let promised = random.below(fresh.count)
        for (position, entry) in fresh.enumerated() {
            want(
                entry.key, MessageID(frame.extracting(entry.range).copied()), from: slot,
                isPromise: position == promised, now: now, into: &outputs)
        }
    }

    private mutating func iwantReceived(
        _ rpc: GossipRPC,
        _ frame: Span<UInt8>,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.iwantIDsReceived += UInt64(rpc.iwant.count)
        var unknown = 0
        if score(slot, now: now) >= configuration.score.gossipThreshold {
            for range in rpc.iwant {
                let key = hash(frame.extracting(range))
                if seen.status(key) == nil, store.index(key) == nil { unknown += 1 }
                answer(key, slot, now: now, into: &outputs)
            }
        } else {
            // Nothing is announced to it, so it has nothing to ask for. A flood that goes on is not
            // merely unanswered: it would keep its sender just below this threshold for good.
            counters.iwantRefused += UInt64(rpc.iwant.count)
            unknown = rpc.iwant.count
        }
        peers[slot]!.unknownIwants += unknown
        if unknown > 0,
            peers[slot]!.unknownIwants > configuration.limits.unknownIwantPerHeartbeatMax
        {
            penalize(slot, .iwantFlood, 1, now: now, into: &outputs)
        }
    }

    private mutating func answer(
        _ key: MessageKey,
        _ slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let token = peers[slot]!.token
        peers[slot]!.hasAsked = true
        guard let index = store.index(key), store[index].isAccepted, store[index].isInHistory,
            peers[slot]!.iwantAnswers < configuration.limits.iwantAnswersPerHeartbeatMax,
            !store[index].copies.contains(slot),
            noteRequest(index, token)
        else {
            counters.iwantRefused += 1
            return
        }
        peers[slot]!.iwantAnswers += 1
        counters.iwantAnswered += 1
        enqueue(index, slot, now: now, into: &outputs)
        releaseIfUnused(index, into: &outputs)
    }

    /// - Returns: false when the peer was sent this message often enough.
    private mutating func noteRequest(_ index: Int, _ token: PeerToken) -> Bool {
        if let known = store[index].requests.firstIndex(where: { $0.token == token }) {
            guard store[index].requests[known].count < configuration.retransmissionsMax else {
                return false
            }
            store[index].requests[known].count += 1
            return true
        }
        guard store[index].requests.count < 256 else { return false }
        store[index].requests.append(StoredMessage.Request(token: token, count: 1))
        return true
    }
}
