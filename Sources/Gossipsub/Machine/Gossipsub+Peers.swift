import ChoraleBase
import OrderedCollections
import PeerIdentity

extension Gossipsub {
    mutating func peerConnected(
        _ id: PeerID,
        _ connection: Connection,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        if let slot = slotByPeer[id] {
            reconnect(slot, connection, into: &outputs)
            return
        }
        guard slotByPeer.count < configuration.limits.peerCountMax else { return }
        let slot = freeSlots.popLast() ?? peers.count
        nextSerial += 1
        let peer = Peer(
            id: id, token: PeerToken(slot: slot, serial: nextSerial), connection: connection)
        if let earlier = retained.removeValue(forKey: id) {
            peer.score = earlier.score
            peer.backoffs = earlier.backoffs
            if now < earlier.meshExpires { peer.lostMesh = earlier.mesh }
        }
        if slot == peers.count {
            peers.append(peer)
            serialBySlot.append(nextSerial)
        } else {
            peers[slot] = peer
            serialBySlot[slot] = nextSerial
        }
        slotByPeer[id] = slot
        if let group = connection.addressGroup { changeGroup(group, by: 1) }
        outputs.append(.event(.peerAdded(id, connection.version)))
        greet(slot, into: &outputs)
    }

    /// Our stream to a connected peer was replaced by another.
    private mutating func reconnect(
        _ slot: Int,
        _ connection: Connection,
        into outputs: inout [Output]
    ) {
        let previous = peers[slot]!.connection
        if previous.addressGroup != connection.addressGroup {
            if let group = previous.addressGroup { changeGroup(group, by: -1) }
            if let group = connection.addressGroup { changeGroup(group, by: 1) }
        }
        peers[slot]!.connection = connection
        if previous.isForwardedAlways != connection.isForwardedAlways {
            for topic in peers[slot]!.topics.elements {
                topics[topic].always.removeAll { $0 == slot }
                if connection.isForwardedAlways { topics[topic].always.append(slot) }
            }
        }
        // Whoever reads the new stream may have forgotten the old one, or be a new process.
        peers[slot]!.isSignalled = false
        for topic in peers[slot]!.mesh.elements { peers[slot]!.control.graft(topic) }
        greet(slot, into: &outputs)
    }

    /// The first RPC of a stream is the list of our subscriptions.
    private mutating func greet(_ slot: Int, into outputs: inout [Output]) {
        for topic in topics.indices where topics[topic].isSubscribed {
            peers[slot]!.control.setSubscription(topic, true)
        }
        signal(slot, into: &outputs)
    }

    mutating func peerDisconnected(
        _ id: PeerID,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let slot = slotByPeer[id] else { return }
        var mesh = peers[slot]!.lostMesh
        for topic in peers[slot]!.mesh.elements {
            mesh.insert(topic)
            removeFromMesh(slot, topic, .disconnected, now: now, into: &outputs)
        }
        for topic in peers[slot]!.topics.elements { removeSubscriber(slot, topic) }
        dropQueue(of: slot, into: &outputs)
        store.forget(slot)
        if let group = peers[slot]!.connection.addressGroup { changeGroup(group, by: -1) }
        incomingFrames.removeAll { $0 == slot }
        retain(slot, mesh: mesh, now: now)
        slotByPeer[id] = nil
        peers[slot] = nil
        serialBySlot[slot] = 0
        freeSlots.append(slot)
        outputs.append(.event(.peerRemoved(id)))
        resumeIntakeIfPossible(into: &outputs)
    }

    private mutating func retain(_ slot: Int, mesh: NumberSet, now: MonotonicInstant) {
        let total = score(slot, now: now)
        guard let peer = peers[slot] else { return }
        let backoffs = peer.backoffs.filter { $0.expires > now }
        // A good score is not kept: it would be a reserve to misbehave on. A zero one need not be.
        let isWorthKeeping = !peer.score.isZero && total <= 0
        guard isWorthKeeping || !backoffs.isEmpty || mesh.count > 0 else { return }
        var expires = backoffs.map(\.expires).max() ?? now
        let meshExpires = now.advanced(by: configuration.lostMeshLifetime)
        if mesh.count > 0 { expires = max(expires, meshExpires) }
        if isWorthKeeping {
            expires = max(expires, now.advanced(by: configuration.score.retention))
        }
        var score = isWorthKeeping ? peer.score : PeerScore()
        score.cached = nil
        if retained.count >= configuration.limits.retainedPeerCountMax { retained.removeFirst() }
        retained[peer.id] = RetainedPeer(
            score: score, backoffs: backoffs, mesh: mesh, meshExpires: meshExpires,
            expires: expires)
    }

    mutating func expireRetained(now: MonotonicInstant) {
        guard retained.values.contains(where: { $0.expires <= now }) else { return }
        retained.removeAll { $0.value.expires <= now }
    }

    mutating func peerRecord(_ id: PeerID, _ envelope: [UInt8]) {
        guard let slot = slotByPeer[id], !envelope.isEmpty,
            envelope.count <= configuration.limits.peerRecordSizeMax
        else { return }
        peers[slot]!.record = envelope
    }

    private mutating func changeGroup(_ group: AddressGroup, by change: Int) {
        let count = (countByGroup[group] ?? 0) + change
        countByGroup[group] = count > 0 ? count : nil
        // The others' P6 moved too.
        for slot in peers.indices where peers[slot]?.connection.addressGroup == group {
            peers[slot]!.score.cached = nil
        }
    }

    func isConnected(_ token: PeerToken) -> Bool { serialBySlot[token.slot] == token.serial }

    /// Says once that the peer's queue is no longer empty.
    mutating func signal(_ slot: Int, into outputs: inout [Output]) {
        guard !peers[slot]!.isSignalled, peers[slot]!.hasFrames else { return }
        peers[slot]!.isSignalled = true
        outputs.append(.wantsToSend(peers[slot]!.id))
    }

    // MARK: Subscriptions

    mutating func subscriptionReceived(
        _ slot: Int,
        _ name: Range<Int>,
        _ isSubscribed: Bool,
        _ frame: Span<UInt8>,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.subscriptionsReceived += 1
        guard let topic = findTopic(name, in: frame) else {
            noteUnlisted(slot, TopicIndex.hash(frame.extracting(name)), isSubscribed)
            return
        }
        guard peers[slot]!.topics.contains(topic) != isSubscribed else { return }
        let id = peers[slot]!.id
        if isSubscribed {
            addSubscriber(slot, topic)
            outputs.append(.event(.peerSubscribed(id, topics[topic].topic)))
            graftEarly(slot, topic, now: now, into: &outputs)
        } else {
            removeFromMesh(slot, topic, .unsubscribed, now: now, into: &outputs)
            removeSubscriber(slot, topic)
            outputs.append(.event(.peerUnsubscribed(id, topics[topic].topic)))
        }
    }

    /// A topic outside our list: a hash is kept, or nothing when the peer has its share.
    private mutating func noteUnlisted(_ slot: Int, _ hash: UInt64, _ isSubscribed: Bool) {
        let known = peers[slot]!.unlistedTopics.firstIndex(of: hash)
        if isSubscribed, known == nil {
            guard
                peers[slot]!.unlistedTopics.count < configuration.limits.unlistedTopicsPerPeerMax
            else {
                counters.subscriptionsSkipped += 1
                return
            }
            peers[slot]!.unlistedTopics.append(hash)
        } else if !isSubscribed, let known {
            peers[slot]!.unlistedTopics.remove(at: known)
        }
    }

    /// A mesh that is too small does not wait for the heartbeat: a node that just came up is in its
    /// meshes after one round trip instead of a second. Nor does a peer who comes back to it.
    private mutating func graftEarly(
        _ slot: Int,
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let mesh = topics[topic].parameters.mesh
        let isReturning = peers[slot]!.lostMesh.remove(topic)
        guard topics[topic].isSubscribed,
            topics[topic].mesh.count < (isReturning ? mesh.degreeHigh : mesh.degreeLow),
            isGraftable(slot, topic, now: now)
        else { return }
        graft(slot, topic, isReturning ? .returned : .meshTooSmall, now: now, into: &outputs)
    }
}
