import ChoraleBase
import Codec
import PeerIdentity

extension Gossipsub {
    mutating func publish(
        _ id: PublishID,
        _ topic: Topic,
        _ data: [UInt8],
        _ options: PublishOptions,
        now: Now,
        into outputs: inout [Output]
    ) {
        do throws(PublishError) {
            let receipt = try publishOrThrow(id, topic, data, options, now: now, into: &outputs)
            outputs.append(.receipt(id, receipt.receipt))
            releaseIfUnused(receipt.index, into: &outputs)
        } catch {
            counters.publishFailures += 1
            outputs.append(.receipt(id, .failed(error)))
        }
    }

    private mutating func publishOrThrow(
        _ id: PublishID,
        _ name: Topic,
        _ data: [UInt8],
        _ options: PublishOptions,
        now: Now,
        into outputs: inout [Output]
    ) throws(PublishError) -> (index: Int, receipt: PublishReceipt) {
        let topic = try resolve(name).get()
        let parameters = topics[topic].parameters
        guard data.count <= parameters.sizeMax else {
            throw .tooLarge(size: data.count, limit: parameters.sizeMax)
        }
        let sequence = nextSequenceNumber(now.wall)
        let encoded = OwnMessage(
            data: data, topic: name.utf8, sequenceNumber: sequence, author: configuration.localPeer,
            policy: configuration.signaturePolicy)
        // go, nim and py count the length prefix too.
        let frameSize = GossipWire.publishFieldSize(encoded.size) + 5
        guard frameSize <= configuration.limits.rpcSizeMax else {
            throw .tooLarge(
                size: data.count,
                limit: max(0, configuration.limits.rpcSizeMax - (frameSize - data.count)))
        }
        let messageID = ownMessageID(data, sequence, parameters)
        guard !messageID.isEmpty, messageID.count <= MessageID.sizeMax else {
            throw .invalidMessageID(size: messageID.count)
        }
        let key = hash(messageID)
        guard seen.status(key) == nil, store.index(key) == nil else {
            throw .duplicate(MessageID(messageID))
        }
        let targets = publishTargets(topic, size: data.count, now: now.instant)
        guard !targets.isEmpty || options.allowsNoPeers else { throw .noPeers }
        guard makeRoom(for: encoded.size + MessageStore.overhead, into: &outputs) else {
            throw .overloaded(
                size: encoded.size, limit: configuration.limits.messageSizeTotalMax)
        }
        // Signed last, since it is the only step that costs something.
        let body = encoded.body()
        let message = StoredMessage(
            key: key, id: MessageID(messageID), topic: topic, body: body,
            author: configuration.localPeer, sequenceNumber: sequence, source: nil,
            sourcePeer: nil, arrivedAt: now.instant,
            trafficClass: options.trafficClass ?? parameters.trafficClass,
            deadline: now.instant.advanced(by: options.lifetime ?? parameters.lifetime),
            phase: .accepted(at: now.instant))
        // Taken for announced while it is being sent, so that its outcome comes after this receipt.
        message.publication = StoredMessage.Publication(id: id, isAnnounced: true)
        let index = store.insert(message)
        seen.insert(key, .valid, now: now.instant)
        forgetWant(key)
        counters.messagesPublished += 1
        addToHistory(index, into: &outputs)
        let (queued, announced) = disseminate(
            index, to: targets, eager: configuration.largeMessageEagerPeersOwn, now: now.instant,
            into: &outputs)
        store[index].publication?.isAnnounced = announced > 0
        return (
            index, .queued(id: MessageID(messageID), queuedTo: queued, announcedTo: announced)
        )
    }

    /// Counts from the time of the first message, in nanoseconds, so that it grows over restarts.
    private mutating func nextSequenceNumber(_ wall: WallTime) -> UInt64 {
        let (nanoseconds, overflow) = UInt64(max(0, wall.milliseconds))
            .multipliedReportingOverflow(by: 1_000_000)
        sequenceNumber = max(sequenceNumber &+ 1, overflow ? 0 : nanoseconds)
        return sequenceNumber
    }

    private func ownMessageID(
        _ data: [UInt8],
        _ sequence: UInt64,
        _ parameters: TopicParameters
    ) -> [UInt8] {
        switch parameters.messageID {
        case .fromAndSequence:
            var id = configuration.localPeer.multihash
            id.appendBigEndian(sequence)
            return id
        case .snappyDomain(let includesTopic):
            return MessageIDs.snappyDomain(
                data.span, topic: includesTopic ? parameters.topic.utf8 : nil,
                uncompressedSizeMax: parameters.uncompressedSizeMax)
        case .custom(let function):
            var bytes: [UInt8] = []
            bytes.appendBigEndian(sequence)
            let isSigned = configuration.signaturePolicy.isStrictSign
            return function(
                parameters.topic,
                MessageFields(
                    from: isSigned ? configuration.localPeer.multihash : nil,
                    sequenceNumber: isSigned ? bytes : nil, data: data))
        }
    }

    /// Who gets a message of our own.
    private mutating func publishTargets(
        _ topic: Int,
        size: Int,
        now: MonotonicInstant
    ) -> [Int] {
        var publishable: [Int] = []
        for slot in topics[topic].subscribers
        where score(slot, now: now) >= configuration.score.publishThreshold {
            publishable.append(slot)
        }
        if configuration.floodPublish, size <= configuration.floodPublishSizeMax {
            return publishable
        }
        var targets: [Int] = []
        if topics[topic].isSubscribed {
            targets = forwardTargets(topic)
        } else {
            refreshFanout(topic, now: now)
            topics[topic].fanoutExpires = now.advanced(by: configuration.fanoutLifetime)
            targets = topics[topic].fanout
            for slot in topics[topic].always where !targets.contains(slot) { targets.append(slot) }
        }
        // A mesh that is not there yet must not leave a message with too few.
        let missing = topics[topic].parameters.mesh.degreeLow - targets.count
        if missing > 0 {
            let others = publishable.filter { !targets.contains($0) }
            targets += random.sample(others, count: missing)
        }
        return targets
    }

    /// Fills the fanout of a topic that we publish to and do not subscribe to.
    mutating func refreshFanout(_ topic: Int, now: MonotonicInstant) {
        let threshold = configuration.score.publishThreshold
        let kept = topics[topic].fanout
        topics[topic].fanout = []
        for slot in kept where score(slot, now: now) >= threshold {
            topics[topic].fanout.append(slot)
        }
        let missing = topics[topic].parameters.mesh.degree - topics[topic].fanout.count
        guard missing > 0 else { return }
        var candidates: [Int] = []
        for slot in topics[topic].subscribers
        where !topics[topic].fanout.contains(slot) && !peers[slot]!.connection.isForwardedAlways {
            if score(slot, now: now) >= threshold { candidates.append(slot) }
        }
        topics[topic].fanout += random.sample(candidates, count: missing)
    }
}
