import ChoraleBase
import DequeModule
import PeerIdentity

extension Gossipsub {
    /// What is known of a message when it is found to be new.
    struct NewMessage {
        let key: MessageKey
        let id: MessageID
        let topic: Int
        let view: MessageView
        let author: PeerID?
    }

    /// Why there is no room for another message under validation, or nil when there is.
    mutating func admission(
        of size: Int,
        _ topic: Int,
        from slot: Int,
        into outputs: inout [Output]
    ) -> DropReason? {
        let limits = configuration.limits
        if pendingCount >= limits.pendingCountMax || pendingSize + size > limits.pendingSizeMax {
            return .validationQueueFull
        }
        if peers[slot]!.pendingSize + size > limits.pendingSizePerPeerMax {
            return .peerValidationQueueFull
        }
        if topics[topic].pendingCount >= topics[topic].parameters.validationCountMax {
            return .topicValidationQueueFull
        }
        let hasRoom = makeRoom(for: size + MessageStore.overhead, into: &outputs)
        return hasRoom ? nil : .validationQueueFull
    }

    mutating func admit(
        _ new: NewMessage,
        _ frame: [UInt8],
        from slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let view: MessageView
        let body: MessageBody
        (view, body) = Self.body(of: new.view, in: frame)
        let parameters = topics[new.topic].parameters
        let token = peers[slot]!.token
        let source = peers[slot]!.id
        let message = StoredMessage(
            key: new.key, id: new.id, topic: new.topic, body: body, author: new.author,
            sequenceNumber: view.sequenceNumber.flatMap { range in
                range.count == 8
                    ? body.storage.span.loadBigEndian(UInt64.self, at: range.lowerBound) : nil
            },
            source: token, sourcePeer: source, arrivedAt: now,
            trafficClass: parameters.trafficClass,
            deadline: now.advanced(by: parameters.lifetime), phase: .validating)
        message.holders.insert(slot)
        message.deliverers.insert(slot)
        let index = store.insert(message)
        seen.insert(new.key, .pending, now: now)
        // Whoever announced it to us has it.
        for announcer in announcers(of: new.key) where isConnected(announcer) {
            message.holders.insert(announcer.slot)
        }
        forgetWant(new.key)
        beginPending(index, slot, into: &outputs)
        outputs.append(
            .event(
                .firstSeen(
                    new.id, topics[new.topic].topic, from: source, size: body.dataRange.count)))
        // Before validation: what the mesh is about to send is on its way already.
        sendDontWant(index, into: &outputs)

        guard configuration.signaturePolicy.isStrictSign, let author = new.author else {
            signatureAccepted(index, now: now, into: &outputs)
            return
        }
        nextJob += 1
        let job = JobID(nextJob)
        store[index].phase = .checking(job)
        messageByJob[job] = new.key
        outputs.append(
            .checkSignature(job, SignatureCheck(view: view, storage: body.storage, author: author))
        )
    }

    /// The bytes to keep and pass on.
    ///
    /// A frame that is mostly this message is kept as it is: a megabyte is not copied to save a few
    /// bytes of control beside it.
    private static func body(
        of view: MessageView,
        in frame: [UInt8]
    ) -> (MessageView, MessageBody) {
        var view = view
        var storage = frame
        if !view.isCanonical {
            storage = view.encode(from: frame.span)
        } else if view.range.count < frame.count / 2 {
            storage = Array(frame[view.range])
        } else {
            return (view, MessageBody(storage: frame, range: view.range, dataRange: view.dataRange))
        }
        // It was read once and is at least as regular now.
        if let moved = try? MessageView(0..<storage.count, in: storage.span) { view = moved }
        return (
            view, MessageBody(storage: storage, range: view.range, dataRange: view.dataRange)
        )
    }

    private mutating func beginPending(_ index: Int, _ slot: Int, into outputs: inout [Output]) {
        let message = store[index]
        let size = message.body.storage.count
        pending.append(
            PendingEntry(message: index, key: message.key, deadline: message.deadline))
        pendingCount += 1
        pendingSize += size
        peers[slot]!.pendingSize += size
        topics[message.topic].pendingCount += 1
        let limits = configuration.limits
        if !isIntakePaused,
            pendingCount > limits.pendingCountMax / 4 * 3
                || pendingSize > limits.pendingSizeMax / 4 * 3
        {
            isIntakePaused = true
            outputs.append(.pauseIntake)
        }
    }

    private mutating func endPending(_ index: Int, into outputs: inout [Output]) {
        let message = store[index]
        let size = message.body.storage.count
        pendingCount -= 1
        pendingSize -= size
        topics[message.topic].pendingCount -= 1
        if let token = message.source, isConnected(token) {
            peers[token.slot]!.pendingSize -= size
        }
        resumeIntakeIfPossible(into: &outputs)
    }

    mutating func resumeIntakeIfPossible(into outputs: inout [Output]) {
        guard isIntakePaused, pendingCount <= configuration.limits.pendingCountMax / 2,
            pendingSize <= configuration.limits.pendingSizeMax / 2
        else { return }
        isIntakePaused = false
        outputs.append(.resumeIntake)
    }

    // MARK: Verdicts

    mutating func signatureChecked(
        _ job: JobID,
        _ isValid: Bool,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let key = messageByJob.removeValue(forKey: job), let index = store.index(key),
            store[index].phase == .checking(job)
        else { return }
        if isValid {
            signatureAccepted(index, now: now, into: &outputs)
        } else {
            discard(index, .badSignature, now: now, into: &outputs)
        }
    }

    private mutating func signatureAccepted(
        _ index: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        store[index].phase = .validating
        let message = store[index]
        let needsVerdict = topics[message.topic].parameters.validation == .application
        if let source = message.sourcePeer {
            outputs.append(
                .deliver(
                    ReceivedMessage(
                        handle: MessageHandle(key: message.key), id: message.id,
                        topic: topics[message.topic].topic, storage: message.body.storage,
                        dataRange: message.body.dataRange, author: message.author,
                        sequenceNumber: message.sequenceNumber, propagationSource: source,
                        needsVerdict: needsVerdict)))
        }
        if !needsVerdict { accept(index, now: now, into: &outputs) }
    }

    mutating func validated(
        _ handle: MessageHandle,
        _ verdict: Verdict,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        // Late and repeated verdicts find nothing, or something that is past this.
        guard let index = store.index(handle.key), store[index].phase == .validating else { return }
        switch verdict {
        case .accept: accept(index, now: now, into: &outputs)
        case .ignore: discard(index, .ignored, now: now, into: &outputs)
        case .reject: discard(index, .rejected, now: now, into: &outputs)
        }
    }

    private mutating func accept(
        _ index: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        endPending(index, into: &outputs)
        store[index].phase = .accepted(at: now)
        counters.messagesAccepted += 1
        let key = store[index].key
        let topic = store[index].topic
        seen.update(key, .valid)
        if let source = store[index].source, isConnected(source) {
            creditFirstDelivery(source.slot, topic, now: now, into: &outputs)
        }
        if topics[topic].parameters.score.meshDeliveriesWeight < 0 {
            for slot in store[index].deliverers.elements {
                creditMeshDelivery(slot, topic, now: now, into: &outputs)
            }
        }
        addToHistory(index, into: &outputs)
        let targets = forwardTargets(topic)
        let (queued, announced) = disseminate(
            index, to: targets, eager: configuration.largeMessageEagerPeers, now: now,
            into: &outputs)
        outputs.append(
            .event(
                .forwarded(
                    store[index].id, topics[topic].topic, queuedTo: queued, announcedTo: announced)
            ))
        releaseIfUnused(index, into: &outputs)
    }

    private mutating func discard(
        _ index: Int,
        _ reason: DropReason,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        endPending(index, into: &outputs)
        counters[reason] += 1
        let message = store[index]
        if let source = message.sourcePeer {
            outputs.append(.event(.dropped(source, reason, topics[message.topic].topic)))
        }
        switch reason {
        case .badSignature:
            // The identifier does not cover the signature: what else came under this name may be the
            // genuine message, so only these bytes' sender is charged, and the name is free again.
            seen.forget(message.key)
            if let source = message.source, isConnected(source) {
                chargeInvalid(source.slot, message.topic, now: now, into: &outputs)
            }
        case .rejected:
            seen.update(message.key, .invalid)
            for slot in message.deliverers.elements {
                chargeInvalid(slot, message.topic, now: now, into: &outputs)
            }
        default:
            seen.update(message.key, .ignored)
        }
        if case .checking(let job) = message.phase { messageByJob[job] = nil }
        store.remove(index)
    }

    /// Gives up waiting for verdicts that are later than the message is worth anything, and forgets
    /// the entries of messages that have their verdict.
    mutating func expirePending(now: MonotonicInstant, into outputs: inout [Output]) {
        let entries = pending
        pending.removeAll(keepingCapacity: true)
        for entry in entries {
            guard store.contains(entry.message, key: entry.key), !store[entry.message].isAccepted
            else { continue }
            if entry.deadline <= now {
                discard(entry.message, .verdictOverdue, now: now, into: &outputs)
            } else {
                pending.append(entry)
            }
        }
    }
}

extension MessageView {
    /// Where the payload lies; an absent one is empty.
    var dataRange: Range<Int> { data ?? range.lowerBound..<range.lowerBound }
}
