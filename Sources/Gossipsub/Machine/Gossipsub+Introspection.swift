public import ChoraleBase
import DequeModule
import OrderedCollections
public import PeerIdentity

extension Gossipsub {
    /// The meshes, in the order in which topics were configured.
    public func meshSnapshot() -> [TopicSnapshot] {
        topics.map { topic in
            TopicSnapshot(
                topic: topic.topic, isSubscribed: topic.isSubscribed,
                mesh: topic.mesh.map { peers[$0]!.id }.sorted(),
                fanout: topic.fanout.map { peers[$0]!.id }.sorted(),
                subscriberCount: topic.subscribers.count, pendingCount: topic.pendingCount)
        }
    }

    /// Whether a peer is in the mesh of any topic.
    public func isInMesh(_ peer: PeerID) -> Bool {
        guard let slot = slotByPeer[peer], let known = peers[slot] else { return false }
        return !known.mesh.elements.isEmpty
    }

    /// All connected peers, in ascending order of id.
    public func peerSnapshot(now: Now) -> [PeerSnapshot] {
        peers.compactMap { $0 }.map { peer in
            PeerSnapshot(
                peer: peer.id, version: peer.connection.version,
                direction: peer.connection.direction, isDirect: peer.connection.isDirect,
                topics: peer.topics.elements.map { topics[$0].topic },
                meshTopics: peer.mesh.elements.map { topics[$0].topic },
                queuedCount: peer.queue.count, queuedSize: peer.queue.size,
                score: breakdown(
                    peer.score, group: peer.connection.addressGroup, now: now.instant
                ).total)
        }.sorted { $0.peer < $1.peer }
    }

    /// Every peer with a score, connected or retained, in ascending order of id.
    public func scoreSnapshot(now: Now) -> [ScoreExplanation] {
        let connected = peers.compactMap { $0?.id }
        return (connected + Array(retained.keys)).sorted().compactMap { explain($0, now: now) }
    }

    /// Which part of a peer's score comes from where, and what moved it. Nil for a peer that is neither
    /// connected nor retained.
    public func explain(_ peer: PeerID, now: Now) -> ScoreExplanation? {
        if let slot = slotByPeer[peer] {
            return explanation(
                peer, peers[slot]!.score, group: peers[slot]!.connection.addressGroup,
                isConnected: true, now: now.instant)
        }
        guard let earlier = retained[peer] else { return nil }
        return explanation(
            peer, earlier.score, group: nil, isConnected: false, now: now.instant)
    }

    private func explanation(
        _ peer: PeerID,
        _ score: PeerScore,
        group: AddressGroup?,
        isConnected: Bool,
        now: MonotonicInstant
    ) -> ScoreExplanation {
        let result = breakdown(score, group: group, now: now)
        return ScoreExplanation(
            peer: peer, isConnected: isConnected, total: result.total,
            topics: result.topics.map { topic, parts in
                ScoreExplanation.TopicScore(
                    topic: topics[topic].topic,
                    weight: topics[topic].parameters.score.topicWeight,
                    timeInMesh: parts.timeInMesh, firstDeliveries: parts.firstDeliveries,
                    meshDeliveries: parts.meshDeliveries, meshFailures: parts.meshFailures,
                    invalidMessages: parts.invalidMessages)
            },
            capped: result.capped, application: result.application,
            colocation: result.colocation, behaviour: result.behaviour,
            movements: score.movements.map {
                ScoreMovement(
                    cause: $0.cause, topic: $0.topic.map { topics[$0].topic }, count: $0.count,
                    points: $0.points, firstAt: $0.firstAt, lastAt: $0.lastAt)
            })
    }

    /// What the machine holds now. O(peers).
    public var holdings: Holdings {
        var holdings = Holdings()
        holdings.peers = slotByPeer.count
        holdings.retainedPeers = retained.count
        holdings.messages = store.count
        holdings.messageSize = store.size
        holdings.pending = pendingCount
        holdings.pendingSize = pendingSize
        holdings.history = history.count
        holdings.historySize = historySize
        holdings.seen = seen.count
        holdings.wanted = wants.count
        for case let peer? in peers {
            holdings.queuedCopies += peer.queue.count
            holdings.queuedSize += peer.queue.size
            holdings.dontWant += peer.dontWant.count
            holdings.controlIDs += peer.control.idCount
        }
        return holdings
    }

    /// What is wrong with the machine's tables, or nil. O(everything): for tests.
    public func checkInvariants() -> String? {
        var queued = 0
        for (slot, peer) in peers.enumerated() {
            guard let peer else { continue }
            if slotByPeer[peer.id] != slot { return "1: \(slot) is not found by its id" }
            for (topic, state) in topics.enumerated() {
                if state.mesh.contains(slot) != peer.mesh.contains(topic) {
                    return "2: mesh of \(state.topic)"
                }
                if state.subscribers.contains(slot) != peer.topics.contains(topic) {
                    return "2: subscribers of \(state.topic)"
                }
            }
            queued += peer.queue.count
        }
        var copies = 0
        var stored = 0
        for message in store.all {
            stored += 1
            copies += message.copies.count
            if message.isAccepted, !message.isInHistory, message.copies.isEmpty {
                return "4: \(message.id) is held for nothing"
            }
            let slots = message.copies.elements + message.holders.elements
            if !slots.allSatisfy({ peers[$0] != nil }) { return "3: a copy for nobody" }
            if !message.deliverers.elements.allSatisfy({ message.holders.contains($0) }) {
                return "\(message.id) came from who does not have it"
            }
        }
        if copies != queued { return "3: \(copies) copies, \(queued) queued" }
        if stored != store.count { return "4: \(stored) stored, \(store.count) indexed" }
        let used = counters.messagesAccepted + counters.messagesDropped + UInt64(pendingCount)
        if counters.messagesReceived != used {
            return "5: \(counters.messagesReceived) received, \(used) accounted for"
        }
        let settled = counters.copiesSent + counters.copiesShed + UInt64(queued)
        if counters.copiesQueued != settled {
            return "6: \(counters.copiesQueued) queued, \(settled) accounted for"
        }
        if topics.reduce(0, { $0 + $1.pendingCount }) != pendingCount { return "pending by topic" }
        if wants.values.count(where: \.isDeferred) != deferredCount { return "deferred wants" }
        for case let peer? in peers {
            let count = wants.values.count { $0.owner == peer.token }
            if count != peer.wantCount { return "\(peer.wantCount) wants of a peer, \(count) held" }
        }
        return nil
    }
}
