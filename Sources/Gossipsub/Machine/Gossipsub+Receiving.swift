public import ChoraleBase
import Codec
public import PeerIdentity

extension Gossipsub {
    /// A whole RPC where it lies in the receive buffer: as ``Input/rpcReceived(_:_:)``, but only what is
    /// kept is copied, and most copies of a message are not.
    public mutating func receive(
        _ id: PeerID,
        _ frame: Span<UInt8>,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) { rpcReceived(id, frame, nil, now: now, into: &outputs) }

    /// - Parameter owned: the same bytes as an array, where there is one.
    mutating func rpcReceived(
        _ id: PeerID,
        _ span: Span<UInt8>,
        _ owned: [UInt8]?,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.framesReceived += 1
        counters.bytesReceived += UInt64(span.count)
        guard let slot = slotByPeer[id] else {
            counters[.unknownPeer] += 1
            return
        }
        frameEnded(slot)
        guard span.count <= configuration.limits.rpcSizeMax else {
            dropFrame(slot, .frameTooLarge, .frameTooLarge, now: now, into: &outputs)
            return
        }
        guard score(slot, now: now) >= configuration.score.graylistThreshold else {
            counters[.graylisted] += 1
            return
        }
        let rpc: GossipRPC
        do {
            rpc = try GossipRPC(span, limits: configuration.limits)
        } catch {
            dropFrame(slot, .malformedFrame, .malformedFrame, now: now, into: &outputs)
            return
        }
        countSkipped(rpc)
        let changes = rpc.subscriptions.count + rpc.subscriptionsSkipped
        let isFlood = changes > 0 && !takesChanges(changes, of: slot, now: now)
        if isFlood {
            counters.subscriptionsSkipped += UInt64(rpc.subscriptions.count)
            penalize(slot, .subscriptionFlood, 1, now: now, into: &outputs)
        }
        for entry in rpc.subscriptions where !isFlood {
            subscriptionReceived(
                slot, entry.topic, entry.isSubscribed, span, now: now, into: &outputs)
        }
        for message in rpc.messages {
            messageReceived(message, span, owned, from: slot, now: now, into: &outputs)
        }
        controlReceived(rpc, span, from: slot, now: now, into: &outputs)
        releaseDeferredWants(now: now, into: &outputs)
    }

    /// Whether a peer may still change its subscriptions so often.
    private mutating func takesChanges(
        _ count: Int,
        of slot: Int,
        now: MonotonicInstant
    ) -> Bool {
        let limits = configuration.limits
        var bucket =
            peers[slot]!.subscriptionChanges
            ?? TokenBucket(
                capacity: limits.subscriptionBurst, interval: limits.subscriptionInterval,
                now: now)
        let isAllowed = bucket.take(min(Int64(count), limits.subscriptionBurst), now: now)
        peers[slot]!.subscriptionChanges = bucket
        return isAllowed
    }

    private mutating func dropFrame(
        _ slot: Int,
        _ reason: DropReason,
        _ cause: ScoreCause,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters[reason] += 1
        outputs.append(.event(.dropped(peers[slot]!.id, reason, nil)))
        penalize(slot, cause, 1, now: now, into: &outputs)
    }

    private mutating func countSkipped(_ rpc: GossipRPC) {
        counters.subscriptionsSkipped += UInt64(rpc.subscriptionsSkipped)
        counters.idsSkipped += UInt64(rpc.idsSkipped)
        counters.unknownFields += UInt64(rpc.unknownFields + rpc.entriesSkipped)
        counters.messagesReceived += UInt64(rpc.messagesSkipped)
        counters[.tooManyMessages] += UInt64(rpc.messagesSkipped)
    }

    // MARK: Messages

    private mutating func messageReceived(
        _ view: MessageView,
        _ span: Span<UInt8>,
        _ owned: [UInt8]?,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.messagesReceived += 1
        guard let name = view.topic else {
            drop(.topicMissing, nil, from: slot, into: &outputs)
            return
        }
        guard let topic = findTopic(name, in: span) else {
            drop(.unknownTopic, nil, from: slot, into: &outputs)
            return
        }
        guard topics[topic].isSubscribed else {
            drop(.notSubscribed, topic, from: slot, into: &outputs)
            return
        }
        let dataSize = view.data?.count ?? 0
        guard dataSize <= topics[topic].parameters.sizeMax else {
            refuse(.payloadTooLarge, topic, from: slot, now: now, into: &outputs)
            return
        }
        let id: [UInt8]
        switch messageID(view, span, topic) {
        case .success(let bytes): id = bytes
        case .failure(let refusal):
            refuse(refusal.reason, topic, from: slot, now: now, into: &outputs)
            return
        }
        let key = hash(id)
        // Most copies are of what is still held. The cache forgets by age and for want of room, also messages of which
        // a copy is still queued for somebody, or that wait for a late verdict.
        if let index = store.index(key) {
            duplicateReceived(index, topic, from: slot, now: now, into: &outputs)
            return
        }
        if let status = seen.status(key) {
            counters[.duplicate] += 1
            if status == .invalid { chargeInvalid(slot, topic, now: now, into: &outputs) }
            return
        }
        let author: PeerID?
        switch checkAuthentication(view, span) {
        case .success(let peer): author = peer
        case .failure(let refusal):
            if refusal.reason == .selfOrigin {
                // Our own from before a restart: gossip gave it back to us in good faith.
                drop(.selfOrigin, topic, from: slot, into: &outputs)
            } else {
                refuse(refusal.reason, topic, from: slot, now: now, into: &outputs)
            }
            return
        }
        if let reason = admission(of: span.count, topic, from: slot, into: &outputs) {
            // Not seen: it may come again, from anybody, when there is room.
            throttledAt = now
            drop(reason, topic, from: slot, into: &outputs)
            return
        }
        admit(
            NewMessage(
                key: key, id: MessageID(id), topic: topic, view: view, author: author),
            owned ?? span.copied(), from: slot, now: now, into: &outputs)
    }

    /// Why a message is not taken. A type of its own, because `Result` wants an error.
    struct Refusal: Error { let reason: DropReason }

    private mutating func messageID(
        _ view: MessageView,
        _ frame: Span<UInt8>,
        _ topic: Int
    ) -> Result<[UInt8], Refusal> {
        switch topics[topic].parameters.messageID {
        case .fromAndSequence:
            guard let from = view.from else { return .failure(Refusal(reason: .missingAuthor)) }
            guard let sequence = view.sequenceNumber else {
                return .failure(Refusal(reason: .missingSequenceNumber))
            }
            guard from.count <= PeerID.encodedSizeMax else {
                return .failure(Refusal(reason: .invalidAuthor))
            }
            guard sequence.count <= 8 else {
                return .failure(Refusal(reason: .invalidSequenceNumber))
            }
            var id: [UInt8] = []
            id.reserveCapacity(from.count + sequence.count)
            id.append(contentsOf: frame.extracting(from))
            id.append(contentsOf: frame.extracting(sequence))
            return .success(id)
        case .snappyDomain(let includesTopic):
            let data = frame.extracting(view.data ?? 0..<0)
            let content =
                data.count >= RecentIDs.sizeMin
                ? RecentIDs.Content(topic: topic, hash: hash(data)) : nil
            if let content, let known = recentIDs[content] { return .success(known) }
            let id = MessageIDs.snappyDomain(
                data, topic: includesTopic ? topics[topic].topic.utf8 : nil,
                uncompressedSizeMax: topics[topic].parameters.uncompressedSizeMax)
            if let content { recentIDs.insert(content, id) }
            return .success(id)
        case .custom(let function):
            let fields = MessageFields(
                from: view.from.map { frame.extracting($0).copied() },
                sequenceNumber: view.sequenceNumber.map { frame.extracting($0).copied() },
                data: view.data.map { frame.extracting($0).copied() } ?? [])
            let id = function(topics[topic].topic, fields)
            guard !id.isEmpty, id.count <= MessageID.sizeMax else {
                return .failure(Refusal(reason: .invalidMessageID))
            }
            return .success(id)
        }
    }

    /// The fields that the network's policy demands or forbids. Costs nothing in cryptography.
    private func checkAuthentication(
        _ view: MessageView,
        _ frame: Span<UInt8>
    ) -> Result<PeerID?, Refusal> {
        guard configuration.signaturePolicy.isStrictSign else {
            // Absent, not empty: an empty field is a field.
            guard view.from == nil, view.sequenceNumber == nil, view.signature == nil,
                view.key == nil
            else { return .failure(Refusal(reason: .unexpectedAuthentication)) }
            return .success(nil)
        }
        guard let from = view.from else { return .failure(Refusal(reason: .missingAuthor)) }
        guard let author = try? PeerID(multihash: frame.extracting(from)) else {
            return .failure(Refusal(reason: .invalidAuthor))
        }
        guard let sequence = view.sequenceNumber else {
            return .failure(Refusal(reason: .missingSequenceNumber))
        }
        guard sequence.count == 8 else {
            return .failure(Refusal(reason: .invalidSequenceNumber))
        }
        guard let signature = view.signature, !signature.isEmpty else {
            return .failure(Refusal(reason: .missingSignature))
        }
        guard author != configuration.localPeer else {
            return .failure(Refusal(reason: .selfOrigin))
        }
        return .success(author)
    }

    /// A copy of a message that is held.
    private mutating func duplicateReceived(
        _ index: Int,
        _ topic: Int,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters[.duplicate] += 1
        let message = store[index]
        message.holders.insert(slot)
        let isFirstFromPeer = message.deliverers.insert(slot)
        // Afterwards it may be gone.
        cancelCopy(index, slot, .peerHasIt, into: &outputs)
        guard case .accepted(let acceptedAt) = message.phase, isFirstFromPeer,
            acceptedAt.duration(to: now) <= topics[topic].parameters.score.meshDeliveriesWindow
        else { return }
        creditMeshDelivery(slot, topic, now: now, into: &outputs)
    }

    /// Not used, and nobody is blamed.
    private mutating func drop(
        _ reason: DropReason,
        _ topic: Int?,
        from slot: Int,
        into outputs: inout [Output]
    ) {
        counters[reason] += 1
        outputs.append(
            .event(.dropped(peers[slot]!.id, reason, topic.map { topics[$0].topic })))
    }

    /// Not used, and the sender is charged (P4): nobody may forward what has this fault.
    private mutating func refuse(
        _ reason: DropReason,
        _ topic: Int,
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        drop(reason, topic, from: slot, into: &outputs)
        chargeInvalid(slot, topic, now: now, into: &outputs)
    }
}
