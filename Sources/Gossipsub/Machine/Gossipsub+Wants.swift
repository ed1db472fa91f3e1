import ChoraleBase
import HeapModule
import PeerIdentity

extension Gossipsub {
    /// A peer announced a message that we have not seen.
    mutating func want(
        _ key: MessageKey,
        _ id: MessageID,
        from slot: Int,
        isPromise: Bool,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let token = peers[slot]!.token
        let ask = Want.Ask(token: token, at: now, isPromise: isPromise)
        if let known = wants[key] {
            guard known.alternates.count < Want.alternatesMax,
                !known.asks.contains(where: { $0.token == token }),
                !known.alternates.contains(where: { $0.token == token })
            else { return }
            wants[key]!.alternates.append(ask)
            return
        }
        guard hasRoomForWant(of: slot) else {
            counters.idsSkipped += 1
            return
        }
        peers[slot]!.wantCount += 1
        var want = Want(id: id, owner: token, createdAt: now, deadline: now)
        want.alternates = [ask]
        wants[key] = want
        if isLargeFrameArriving(now: now) {
            // It may be this very message. To ask now would make it come twice.
            counters.iwantDeferred += 1
            wants[key]!.isDeferred = true
            deferredCount += 1
            setTimer(key, at: now.advanced(by: configuration.iwantDeferral))
        } else {
            askNext(key, now: now, into: &outputs)
        }
    }

    /// Whether a peer may make us want one more.
    ///
    /// Half of the table is divided equally among the peers, so that however many announce more than
    /// there is, and in whatever order, each has its part. Of the other half each may have a fraction
    /// of what is free.
    private func hasRoomForWant(of slot: Int) -> Bool {
        let limits = configuration.limits
        guard wants.count < limits.wantedCountMax else { return false }
        let half = limits.wantedCountMax / 2
        let own = peers[slot]!.wantCount
        return own < max(1, half / max(1, slotByPeer.count))
            || own * limits.wantedShareDivisor < half - wants.count
    }

    /// Peers that said they have a message which has not arrived.
    func announcers(of key: MessageKey) -> [PeerToken] {
        guard let want = wants[key] else { return [] }
        return want.asks.map(\.token) + want.alternates.map(\.token)
    }

    /// The message arrived, so every promise of it is kept.
    mutating func forgetWant(_ key: MessageKey) {
        guard let want = wants.removeValue(forKey: key) else { return }
        if want.isDeferred { deferredCount -= 1 }
        if isConnected(want.owner) { peers[want.owner.slot]!.wantCount -= 1 }
        if wants.isEmpty { wantTimers = Heap() }
    }

    private mutating func setTimer(_ key: MessageKey, at deadline: MonotonicInstant) {
        wants[key]!.deadline = deadline
        nextWantTimer += 1
        // Messages that arrived leave their timers behind. Swept when they are the most part.
        if wantTimers.count > 2 * wants.count + 1024 {
            wantTimers = Heap(
                wantTimers.unordered.filter { wants[$0.key]?.deadline == $0.deadline })
        }
        wantTimers.insert(WantTimer(deadline: deadline, number: nextWantTimer, key: key))
    }

    /// Asks the next alternate that is still there.
    private mutating func askNext(
        _ key: MessageKey,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        if wants[key]!.isDeferred {
            wants[key]!.isDeferred = false
            deferredCount -= 1
        }
        while let next = takeAlternate(key) {
            guard isConnected(next.token) else { continue }
            let slot = next.token.slot
            guard peers[slot]!.control.idCount < configuration.limits.controlQueueIDsMax else {
                counters.idsSkipped += 1
                continue
            }
            if !wants[key]!.asks.isEmpty {
                counters.iwantHedges += 1
                outputs.append(.event(.hedged(wants[key]!.id, peers[slot]!.id)))
            }
            // At most one promise a heartbeat from each: a burst that is lost is lost once.
            let isPromise = next.isPromise && peers[slot]!.promisedTick != tick
            if isPromise { peers[slot]!.promisedTick = tick }
            wants[key]!.asks.append(Want.Ask(token: next.token, at: now, isPromise: isPromise))
            peers[slot]!.control.iwant.append(wants[key]!.id)
            counters.iwantIDsSent += 1
            signal(slot, into: &outputs)
            setTimer(key, at: now.advanced(by: configuration.iwantHedgeDelay))
            return
        }
        // Nobody is left to ask. Those asked still have until the end of the follow-up time.
        guard let last = wants[key]!.asks.last else {
            forgetWant(key)
            return
        }
        setTimer(key, at: last.at.advanced(by: configuration.iwantFollowup))
    }

    private mutating func takeAlternate(_ key: MessageKey) -> Want.Ask? {
        guard !wants[key]!.alternates.isEmpty else { return nil }
        return wants[key]!.alternates.removeFirst()
    }

    mutating func fireWantTimers(now: MonotonicInstant, into outputs: inout [Output]) {
        while let first = wantTimers.min, first.deadline <= now {
            wantTimers.removeMin()
            guard let want = wants[first.key], want.deadline == first.deadline else { continue }
            timerFired(first.key, want, now: now, into: &outputs)
        }
    }

    private mutating func timerFired(
        _ key: MessageKey,
        _ want: Want,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        chargeBroken(key, now: now, into: &outputs)
        let isArriving = want.asks.contains {
            isConnected($0.token) && isFrameArriving($0.token.slot, now: now)
        }
        let age = want.createdAt.duration(to: now)
        if isArriving, age < configuration.iwantFollowup {
            // The answer, or something before it in the same stream, is on its way.
            setTimer(key, at: now.advanced(by: configuration.iwantHedgeDelay))
            return
        }
        guard let last = want.asks.last, want.alternates.isEmpty else {
            askNext(key, now: now, into: &outputs)
            return
        }
        let end = last.at.advanced(by: configuration.iwantFollowup)
        if now >= end { forgetWant(key) } else { setTimer(key, at: end) }
    }

    /// P7 for those whose time to answer is over.
    private mutating func chargeBroken(
        _ key: MessageKey,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        for position in wants[key]!.asks.indices {
            let ask = wants[key]!.asks[position]
            guard ask.isPromise, ask.at.duration(to: now) >= configuration.iwantFollowup else {
                continue
            }
            wants[key]!.asks[position].isPromise = false
            // Not when we ourselves threw messages away meanwhile: this one may have been among them.
            guard isConnected(ask.token), throttledAt.map({ $0 < ask.at }) ?? true else { continue }
            counters.iwantBroken += 1
            penalize(ask.token.slot, .brokenPromise, 1, now: now, into: &outputs)
        }
    }

    // MARK: Large frames on their way

    mutating func frameProgress(
        _ id: PeerID,
        received: Int,
        expected: Int,
        now: MonotonicInstant
    ) {
        guard let slot = slotByPeer[id], expected >= configuration.largeMessageSizeMin,
            received < expected
        else { return }
        if peers[slot]!.incomingFrame == nil { incomingFrames.append(slot) }
        peers[slot]!.incomingFrame = Peer.IncomingFrame(progressAt: now)
    }

    mutating func frameEnded(_ slot: Int) {
        guard peers[slot]!.incomingFrame != nil else { return }
        peers[slot]!.incomingFrame = nil
        incomingFrames.removeAll { $0 == slot }
    }

    /// A frame that has not grown for a while does not hold anything up.
    private func isFrameArriving(_ slot: Int, now: MonotonicInstant) -> Bool {
        guard let frame = peers[slot]!.incomingFrame else { return false }
        return frame.progressAt.duration(to: now) < configuration.iwantDeferral
    }

    private func isLargeFrameArriving(now: MonotonicInstant) -> Bool {
        incomingFrames.contains { isFrameArriving($0, now: now) }
    }

    /// Asks for what was held back while a large frame arrived and did not turn out to be it.
    mutating func releaseDeferredWants(now: MonotonicInstant, into outputs: inout [Output]) {
        guard deferredCount > 0, !isLargeFrameArriving(now: now) else { return }
        // In order of their timers, which is the order in which they were announced.
        var due: [WantTimer] = []
        for timer in wantTimers.unordered {
            guard let want = wants[timer.key], want.isDeferred, want.deadline == timer.deadline
            else { continue }
            due.append(timer)
        }
        due.sort()
        for timer in due where wants[timer.key]?.isDeferred == true {
            askNext(timer.key, now: now, into: &outputs)
        }
    }
}
