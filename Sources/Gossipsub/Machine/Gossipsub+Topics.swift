import ChoraleBase
import PeerIdentity

extension Gossipsub {
    /// Adds a topic, or replaces the parameters of one.
    ///
    /// - Returns: its index, or why there can be no such topic.
    mutating func configure(_ parameters: TopicParameters) -> Result<Int, PublishError> {
        let topic = parameters.topic
        if let index = topicByName[topic] {
            topics[index].parameters = parameters
            return .success(index)
        }
        let limits = configuration.limits
        guard topic.utf8.count <= limits.topicSizeMax else {
            return .failure(.topicTooLong(size: topic.utf8.count, limit: limits.topicSizeMax))
        }
        guard topics.count < limits.topicCountMax else {
            return .failure(.tooManyTopics(limit: limits.topicCountMax))
        }
        let index = topics.count
        topics.append(TopicState(parameters))
        topicIndex.insert(topic, at: index)
        topicByName[topic] = index
        adoptSubscribers(of: index)
        return .success(index)
    }

    /// Finds the peers that announced the topic before we had it.
    private mutating func adoptSubscribers(of topic: Int) {
        let name = topics[topic].topic.utf8
        let hash = TopicIndex.hash(name.span)
        for slot in peers.indices {
            guard let known = peers[slot]?.unlistedTopics.firstIndex(of: hash) else { continue }
            peers[slot]!.unlistedTopics.remove(at: known)
            addSubscriber(slot, topic)
        }
    }

    /// The topic for a local command, made if the configuration allows it.
    mutating func resolve(_ topic: Topic) -> Result<Int, PublishError> {
        if let index = topicByName[topic] { return .success(index) }
        guard let make = configuration.unlistedTopic else { return .failure(.unknownTopic) }
        return configure(make(topic))
    }

    func findTopic(_ name: Range<Int>, in frame: Span<UInt8>) -> Int? {
        let bytes = frame.extracting(name)
        for candidate in topicIndex.candidates(bytes) {
            let known = topics[candidate].topic.utf8
            if known.span.isEqual(to: bytes) { return candidate }
        }
        return nil
    }

    mutating func addSubscriber(_ slot: Int, _ topic: Int) {
        guard peers[slot]!.topics.insert(topic) else { return }
        topics[topic].subscribers.append(slot)
        if peers[slot]!.connection.isForwardedAlways { topics[topic].always.append(slot) }
    }

    mutating func removeSubscriber(_ slot: Int, _ topic: Int) {
        guard peers[slot]!.topics.remove(topic) else { return }
        topics[topic].subscribers.removeAll { $0 == slot }
        topics[topic].always.removeAll { $0 == slot }
        topics[topic].fanout.removeAll { $0 == slot }
    }

    // MARK: Joining and leaving

    mutating func join(_ topic: Topic, now: MonotonicInstant, into outputs: inout [Output]) {
        let index: Int
        switch resolve(topic) {
        case .success(let found): index = found
        case .failure(let error):
            outputs.append(.event(.joinRefused(topic, error)))
            return
        }
        guard !topics[index].isSubscribed else { return }
        topics[index].isSubscribed = true
        outputs.append(.event(.joined(topic)))
        announceSubscription(index, true, into: &outputs)
        // Peers that we published to know the topic well; they come first.
        let fanout = topics[index].fanout
        topics[index].fanout = []
        topics[index].fanoutExpires = nil
        let degree = topics[index].parameters.mesh.degree
        for slot in fanout.prefix(degree) where isGraftable(slot, index, now: now) {
            graft(slot, index, .joined, now: now, into: &outputs)
        }
        let missing = degree - topics[index].mesh.count
        for slot in graftCandidates(index, count: missing, now: now) {
            graft(slot, index, .joined, now: now, into: &outputs)
        }
    }

    mutating func leave(_ topic: Topic, now: MonotonicInstant, into outputs: inout [Output]) {
        guard let index = topicByName[topic], topics[index].isSubscribed else { return }
        topics[index].isSubscribed = false
        for slot in topics[index].mesh {
            removeFromMesh(slot, index, .left, now: now, into: &outputs)
            sendPrune(
                slot, index, exchange: true, backoff: configuration.unsubscribeBackoff, now: now,
                into: &outputs)
        }
        announceSubscription(index, false, into: &outputs)
        outputs.append(.event(.left(topic)))
    }

    private mutating func announceSubscription(
        _ topic: Int,
        _ isSubscribed: Bool,
        into outputs: inout [Output]
    ) {
        for slot in peers.indices where peers[slot] != nil {
            peers[slot]!.control.setSubscription(topic, isSubscribed)
            signal(slot, into: &outputs)
        }
    }

    // MARK: Mesh

    /// Whether we may ask the peer into the topic's mesh.
    mutating func isGraftable(_ slot: Int, _ topic: Int, now: MonotonicInstant) -> Bool {
        let connection = peers[slot]!.connection
        guard connection.version >= .v1_0, !connection.isDirect,
            !peers[slot]!.mesh.contains(topic)
        else { return false }
        if let until = peers[slot]!.backoff(topic),
            until.advanced(by: configuration.backoffSlack) > now
        {
            return false
        }
        return score(slot, now: now) >= 0
    }

    /// Up to `count` subscribers at random that may be grafted.
    mutating func graftCandidates(_ topic: Int, count: Int, now: MonotonicInstant) -> [Int] {
        guard count > 0 else { return [] }
        var candidates: [Int] = []
        for slot in topics[topic].subscribers where isGraftable(slot, topic, now: now) {
            candidates.append(slot)
        }
        return random.sample(candidates, count: count)
    }

    /// Takes the peer into our mesh and asks it to do the same.
    mutating func graft(
        _ slot: Int,
        _ topic: Int,
        _ reason: MeshReason,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        addToMesh(slot, topic, reason, now: now, into: &outputs)
        peers[slot]!.control.graft(topic)
        counters.graftsSent += 1
        signal(slot, into: &outputs)
    }

    mutating func addToMesh(
        _ slot: Int,
        _ topic: Int,
        _ reason: MeshReason,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard peers[slot]!.mesh.insert(topic) else { return }
        topics[topic].mesh.append(slot)
        peers[slot]!.score.withCounters(topic) {
            $0.graftedAt = now
            $0.meshDeliveries = 0
        }
        outputs.append(.event(.grafted(peers[slot]!.id, topics[topic].topic, reason)))
    }

    mutating func removeFromMesh(
        _ slot: Int,
        _ topic: Int,
        _ reason: MeshReason,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard peers[slot]!.mesh.remove(topic) else { return }
        topics[topic].mesh.removeAll { $0 == slot }
        let parameters = topics[topic].parameters.score
        let failure = peers[slot]!.score.withCounters(topic) { counters in
            let deficit = PeerScore.deficit(counters, parameters, now: now)
            // Without P3 there is no rate that the peer was told of, and so no failure.
            let failure = parameters.meshDeliveriesWeight < 0 ? deficit * deficit : 0
            counters.meshFailures += failure
            counters.graftedAt = nil
            return failure
        }
        if failure > 0 {
            record(
                slot, .meshFailure, topic, failure * parameters.meshFailureWeight, now: now,
                into: &outputs)
        }
        outputs.append(.event(.pruned(peers[slot]!.id, topics[topic].topic, reason)))
    }

    mutating func sendPrune(
        _ slot: Int,
        _ topic: Int,
        exchange: Bool,
        backoff: Duration,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let until = now.advanced(by: backoff)
        peers[slot]!.setBackoff(topic, until: until)
        var others: [GossipWire.PeerInfo] = []
        if exchange, configuration.peerExchange, peers[slot]!.connection.version >= .v1_1 {
            others = exchangePeers(topic, besides: slot, now: now)
        }
        peers[slot]!.control.prune(
            ControlQueue.Prune(
                topic: topic, backoffSeconds: UInt64(max(1, backoff.components.seconds)),
                peers: others))
        counters.prunesSent += 1
        signal(slot, into: &outputs)
    }

    /// Subscribers with good scores, for a peer that has to look for another mesh.
    private mutating func exchangePeers(
        _ topic: Int,
        besides slot: Int,
        now: MonotonicInstant
    ) -> [GossipWire.PeerInfo] {
        var candidates: [Int] = []
        for other in topics[topic].subscribers where other != slot {
            if score(other, now: now) >= 0 { candidates.append(other) }
        }
        return random.sample(candidates, count: configuration.peerExchangeCount).map {
            GossipWire.PeerInfo(peer: peers[$0]!.id.multihash, record: peers[$0]!.record)
        }
    }
}

extension Gossipsub.Connection {
    /// Direct peers and those without a mesh of their own get every message of their topics.
    var isForwardedAlways: Bool { isDirect || version == .floodsub }
}
