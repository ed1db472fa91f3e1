public import ChoraleBase
import DequeModule
public import PeerIdentity

extension Gossipsub {
    // MARK: Choosing

    /// Who gets a message of the topic that others published: the mesh, and those without one.
    mutating func forwardTargets(_ topic: Int) -> [Int] {
        var targets = topics[topic].mesh
        for slot in topics[topic].always where !targets.contains(slot) { targets.append(slot) }
        return targets
    }

    /// Queues the message for `targets`, or offers it to them.
    mutating func disseminate(
        _ index: Int,
        to targets: [Int],
        eager: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) -> (queued: Int, announced: Int) {
        let message = store[index]
        var pushed: [Int] = []
        pushed.reserveCapacity(targets.count)
        var offered: [Int] = []
        let isLarge = message.body.range.count >= configuration.largeMessageSizeMin
        for slot in targets {
            let peer = peers[slot]!
            if !peer.dontWant.isEmpty, peer.dontWant[message.key] != nil {
                // Said before we had it, and kept for longer than that.
                message.holders.insert(slot)
            }
            guard !message.holders.contains(slot), peer.id != message.author else { continue }
            let canOffer =
                isLarge && peer.connection.version >= .v1_2 && !peer.connection.isDirect
                && peer.canOffer(now: now)
            if canOffer { offered.append(slot) } else { pushed.append(slot) }
        }
        if eager > 0, !offered.isEmpty {
            random.shuffle(&offered)
            let count = min(eager, offered.count)
            pushed += offered.prefix(count)
            offered.removeFirst(count)
        }
        var queued = 0
        for slot in pushed {
            if enqueue(index, slot, now: now, into: &outputs) { queued += 1 }
        }
        for slot in offered { offer(index, slot, now: now, into: &outputs) }
        return (queued, offered.count)
    }

    private mutating func offer(
        _ index: Int,
        _ slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let message = store[index]
        guard peers[slot]!.control.idCount < configuration.limits.controlQueueIDsMax else {
            counters.idsSkipped += 1
            return
        }
        // What waits together is sent together, and counts as one IHAVE over there.
        if peers[slot]!.control.offers.isEmpty { peers[slot]!.noteOffer(now: now) }
        peers[slot]!.control.offers.append(
            ControlQueue.Announcement(message: index, key: message.key))
        counters.copiesAnnounced += 1
        signal(slot, into: &outputs)
    }

    mutating func sendDontWant(_ index: Int, into outputs: inout [Output]) {
        let message = store[index]
        guard message.body.dataRange.count >= configuration.dontWantSizeMin else { return }
        for slot in topics[message.topic].mesh {
            guard peers[slot]!.connection.version >= .v1_2, peers[slot]!.token != message.source
            else { continue }
            guard peers[slot]!.control.idCount < configuration.limits.controlQueueIDsMax else {
                counters.idsSkipped += 1
                continue
            }
            peers[slot]!.control.dontWant.append(message.id)
            counters.dontWantIDsSent += 1
            signal(slot, into: &outputs)
        }
    }

    // MARK: Queues

    /// Puts a copy in the peer's queue.
    ///
    /// - Returns: whether it is there afterwards; it may have been shed at once.
    @discardableResult
    mutating func enqueue(
        _ index: Int,
        _ slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) -> Bool {
        let peer = peers[slot]!
        let message = store[index]
        guard !message.copies.contains(slot) else { return true }
        peer.queue.push(
            SendQueue.Copy(
                message: index, key: message.key, size: message.body.fieldSize,
                deadline: message.deadline), message.trafficClass)
        message.copies.insert(slot)
        counters.copiesQueued += 1
        while peer.queue.size > configuration.limits.queueSizePerPeerMax
            || peer.queue.count > configuration.limits.queueCountPerPeerMax
        {
            guard shedOne(slot, .queueFull, keeping: index, into: &outputs) else { break }
        }
        signal(slot, into: &outputs)
        return store.contains(index, key: message.key) && message.copies.contains(slot)
    }

    /// Sheds the copy with the earliest deadline of those that may go.
    ///
    /// `keeping` names a message that must stay in the store although its last copy goes, because the
    /// caller is still at work on it.
    private mutating func shedOne(
        _ slot: Int,
        _ reason: ShedReason,
        keeping: Int?,
        into outputs: inout [Output]
    ) -> Bool {
        dropDeadFronts(slot)
        let limit = configuration.limits.queueSizePerPeerMax
        guard let trafficClass = peers[slot]!.queue.classToShed(limit: limit),
            let copy = peers[slot]!.queue.front(trafficClass)
        else { return false }
        peers[slot]!.queue.popFront(trafficClass, isSent: false)
        outputs.append(.event(.shed(peers[slot]!.id, reason, size: copy.size)))
        settleCopy(copy.message, slot, reason, keeping: keeping, into: &outputs)
        return true
    }

    /// Leaves every class of the queue with a live entry in front, or with none.
    private mutating func dropDeadFronts(_ slot: Int) {
        for trafficClass in TrafficClass.allCases.indices {
            while let copy = peers[slot]!.queue.front(trafficClass), !isAlive(copy, slot) {
                peers[slot]!.queue.dropDeadFront(trafficClass)
            }
        }
    }

    private func isAlive(_ copy: SendQueue.Copy, _ slot: Int) -> Bool {
        store.contains(copy.message, key: copy.key)
            && store[copy.message].copies.contains(slot)
    }

    /// The peer turned out not to need the copy that waits for it.
    mutating func cancelCopy(
        _ index: Int,
        _ slot: Int,
        _ reason: ShedReason,
        into outputs: inout [Output]
    ) {
        let message = store[index]
        guard message.copies.contains(slot) else { return }
        peers[slot]!.queue.cancel(size: message.body.fieldSize, message.trafficClass)
        settleCopy(index, slot, reason, keeping: nil, into: &outputs)
        if peers[slot]!.queue.needsSweep { sweep(slot) }
    }

    private mutating func sweep(_ slot: Int) {
        var queue = SendQueue()
        swap(&queue, &peers[slot]!.queue)
        queue.sweep { isAlive($0, slot) }
        swap(&queue, &peers[slot]!.queue)
    }

    /// A copy left its queue: sent when `reason` is nil, shed otherwise.
    private mutating func settleCopy(
        _ index: Int,
        _ slot: Int,
        _ reason: ShedReason?,
        keeping: Int?,
        into outputs: inout [Output]
    ) {
        let message = store[index]
        message.copies.remove(slot)
        if let reason { counters[reason] += 1 } else { counters.copiesSent += 1 }
        if message.publication != nil {
            if let reason {
                message.publication!.outcome.shed[reason, default: 0] += 1
            } else {
                message.publication!.outcome.sent += 1
            }
        }
        if index != keeping { releaseIfUnused(index, into: &outputs) }
    }

    mutating func dropQueue(of slot: Int, into outputs: inout [Output]) {
        for trafficClass in TrafficClass.allCases.indices {
            while let copy = peers[slot]!.queue.front(trafficClass) {
                guard isAlive(copy, slot) else {
                    peers[slot]!.queue.dropDeadFront(trafficClass)
                    continue
                }
                peers[slot]!.queue.popFront(trafficClass, isSent: false)
                settleCopy(copy.message, slot, .disconnected, keeping: nil, into: &outputs)
            }
        }
    }

    /// Ends a publication whose copies are all accounted for, and removes a message that nothing
    /// refers to any more.
    mutating func releaseIfUnused(_ index: Int, into outputs: inout [Output]) {
        guard store[index].isAccepted, store[index].copies.isEmpty else { return }
        let isInHistory = store[index].isInHistory
        if let publication = store[index].publication, !(publication.isAnnounced && isInHistory) {
            outputs.append(.published(publication.id, publication.outcome))
            store[index].publication = nil
        }
        if !isInHistory { store.remove(index) }
    }

    // MARK: History

    mutating func addToHistory(_ index: Int, into outputs: inout [Output]) {
        let size = MessageStore.charge(store[index].body)
        store[index].isInHistory = true
        history.append(
            HistoryEntry(message: index, key: store[index].key, tick: tick, size: size))
        historySize += size
        while historySize > configuration.limits.historySizeMax, history.count > 1 {
            forgetOldest(into: &outputs)
        }
    }

    mutating func forgetOldest(into outputs: inout [Output]) {
        guard let oldest = history.popFirst() else { return }
        historySize -= oldest.size
        store[oldest.message].isInHistory = false
        releaseIfUnused(oldest.message, into: &outputs)
    }

    /// Makes room for `size` more bytes of messages: first from what is kept in case somebody asks,
    /// then from the longest queues.
    mutating func makeRoom(for size: Int, into outputs: inout [Output]) -> Bool {
        let limit = configuration.limits.messageSizeTotalMax
        guard size <= limit else { return false }
        while store.size + size > limit, !history.isEmpty { forgetOldest(into: &outputs) }
        while store.size + size > limit {
            var longest: Int?
            for slot in peers.indices {
                guard let queued = peers[slot]?.queue.size, queued > 0 else { continue }
                if let chosen = longest, peers[chosen]!.queue.size >= queued { continue }
                longest = slot
            }
            guard let longest, shedOne(longest, .memoryFull, keeping: nil, into: &outputs) else {
                return false
            }
        }
        return true
    }

    // MARK: Pulling

    /// Whether ``dequeue(_:now:into:)`` may give something.
    public func hasFrames(for peer: PeerID) -> Bool {
        guard let slot = slotByPeer[peer] else { return false }
        return peers[slot]!.hasFrames
    }

    /// Takes the next RPC for `peer`. Call it when the peer's stream has room, and again when it has
    /// room again, until it gives nil; `wantsToSend` says when there is more after that.
    ///
    /// What it returns is committed: it counts as sent, and can no longer be overtaken or dropped. So
    /// call late, and have no more than one frame of a peer waiting for its socket.
    public mutating func dequeue(
        _ peer: PeerID,
        now: Now,
        into outputs: inout [Output]
    ) -> OutgoingFrame? {
        guard let slot = slotByPeer[peer] else { return nil }
        let peer = peers[slot]!
        var writer = GossipRPCWriter()
        if !peer.control.isEmpty { takeControl(slot, &writer) }
        var trafficClass: TrafficClass? = writer.isEmpty ? nil : .control
        var messageCount = 0
        while let (kind, copy) = nextCopy(peer, now: now.instant, into: &outputs) {
            let fits = writer.size + copy.size <= configuration.limits.batchSizeMax
            // A large message goes alone: what is urgent must not wait until it has arrived, because
            // an RPC is read as a whole.
            guard
                fits ? messageCount < configuration.limits.messagesPerRPCMax : writer.isEmpty
            else { break }
            let body = store[copy.message].body
            peer.queue.popFront(Int(kind.rawValue), isSent: true)
            counters.copyBytesSent += UInt64(copy.size)
            // From here on the peer has it, as far as we know.
            store[copy.message].holders.insert(slot)
            settleCopy(copy.message, slot, nil, keeping: nil, into: &outputs)
            messageCount += 1
            trafficClass = min(trafficClass ?? kind, kind)
            guard fits else {
                return committed(
                    OutgoingFrame(
                        head: GossipRPCWriter.headOfSingleMessage(size: body.range.count),
                        body: body.storage, bodyRange: body.range, trafficClass: kind,
                        isLast: isLast(for: peer)))
            }
            writer.publish(body.storage.span.extracting(body.range))
        }
        guard let trafficClass else {
            peer.isSignalled = false
            return nil
        }
        return committed(
            OutgoingFrame(
                head: writer.frame(), body: [], bodyRange: 0..<0, trafficClass: trafficClass,
                isLast: isLast(for: peer)))
    }

    /// Whether nothing is left for the peer, in which case `wantsToSend` will say when there is again.
    private func isLast(for peer: Peer) -> Bool {
        if peer.hasFrames { return false }
        peer.isSignalled = false
        return true
    }

    private mutating func committed(_ frame: OutgoingFrame) -> OutgoingFrame {
        counters.framesSent += 1
        counters.bytesSent += UInt64(frame.size)
        return frame
    }

    /// The next copy worth sending. Those whose time has passed are shed on the way.
    private mutating func nextCopy(
        _ peer: Peer,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) -> (TrafficClass, SendQueue.Copy)? {
        while let kind = peer.queue.nextClass,
            let copy = peer.queue.front(kind),
            let trafficClass = TrafficClass(rawValue: UInt8(truncatingIfNeeded: kind))
        {
            guard isAlive(copy, peer.token.slot) else {
                peer.queue.dropDeadFront(kind)
                continue
            }
            if copy.deadline < now {
                peer.queue.popFront(kind, isSent: false)
                outputs.append(.event(.shed(peer.id, .expired, size: copy.size)))
                settleCopy(
                    copy.message, peer.token.slot, .expired, keeping: nil, into: &outputs)
                continue
            }
            return (trafficClass, copy)
        }
        return nil
    }

    /// Moves control into the RPC, most urgent first, as far as it fits.
    private mutating func takeControl(_ slot: Int, _ writer: inout GossipRPCWriter) {
        let sizeMax = configuration.limits.controlSizeMax
        while writer.size < sizeMax, !peers[slot]!.control.subscriptions.isEmpty {
            let entry = peers[slot]!.control.subscriptions.removeFirst()
            writer.subscription(topics[entry.topic].topic.utf8, entry.isSubscribed)
        }
        guard peers[slot]!.connection.version >= .v1_0 else {
            peers[slot]!.control = ControlQueue()
            return
        }
        let unwanted = Self.take(&peers[slot]!.control.dontWant, room: sizeMax - writer.size)
        if !unwanted.isEmpty { writer.dontWant(unwanted) }
        while writer.size < sizeMax, !peers[slot]!.control.grafts.isEmpty {
            writer.graft(topics[peers[slot]!.control.grafts.removeFirst()].topic.utf8)
        }
        while writer.size < sizeMax, !peers[slot]!.control.prunes.isEmpty {
            let prune = peers[slot]!.control.prunes.removeFirst()
            writer.prune(
                topics[prune.topic].topic.utf8, peers: prune.peers,
                backoffSeconds: prune.backoffSeconds)
        }
        let wanted = Self.take(&peers[slot]!.control.iwant, room: sizeMax - writer.size)
        if !wanted.isEmpty { writer.iwant(wanted) }
        let peer = peers[slot]!
        announce(&peer.control.offers, to: peer, room: sizeMax - writer.size, &writer)
        announce(&peer.control.gossip, to: peer, room: sizeMax - writer.size, &writer)
    }
}
