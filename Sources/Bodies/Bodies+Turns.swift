import ChoraleBase
import OrderedCollections
import PeerIdentity

/// Which bodies have a place among those being fetched.
///
///     waiting ──(a place is free, or another gives its own up)──▶ fetching
///        ▲                                                          │
///        └──(nothing to ask for, or too little came: others wait)───┘
///
/// A place is good for new requests only. Whoever gives it up keeps what it asked for, so that a
/// slow path costs turns and not progress.
///
/// While bodies wait that could be fetched, a place is kept only by a body of which something can be
/// asked for or was, and of which a quarter of an equal share came in the last turn. An announcement is
/// free, and so is saying that one holds a body: neither must stand in the way of a body that comes.
extension Bodies {
    mutating func takeTurns(_ current: [Body], now: MonotonicInstant) {
        let waiting = current.filter { $0.phase == .waiting }
        guard !waiting.isEmpty, !isIntakeStopped else {
            turnEndsAt = nil
            return
        }
        var fetching = current.filter { $0.phase == .fetching }
        if fetching.count >= limits.downloadsMax {
            // Looks at every link of every body, so not with every input.
            guard turnsAt <= now else {
                wake(turnsAt, now: now)
                return
            }
            turnsAt = now.advanced(by: limits.turnPause)
        }
        let asked = rootsAsked()
        let ready = waiting.filter { isServed($0, asked, now: now) }
            .sorted {
                ($0.fruitlessTurns, $0.phaseAt, $0.serial)
                    < ($1.fruitlessTurns, $1.phaseAt, $1.serial)
            }
        let missing = fetching.count + ready.count - limits.downloadsMax
        if missing > 0 {
            endTurns(&fetching, upTo: missing, asked, now: now)
        } else {
            turnEndsAt = nil
        }
        var count = fetching.count
        for body in ready where count < limits.downloadsMax {
            begin(body, now: now)
            // Waiting was not its fault.
            if body.fruitlessTurns == 0 { body.progressAt = now }
            count += 1
        }
        // Places that nobody needs: whoever has one asks more peers.
        for body in waiting where count < limits.downloadsMax && body.phase == .waiting {
            begin(body, now: now)
            count += 1
        }
    }

    private func begin(_ body: Body, now: MonotonicInstant) {
        body.phase = .fetching
        body.phaseAt = now
        body.turnSize = 0
        // More peers may be asked now.
        body.linksSeen = nil
    }

    /// Takes up to `countMax` places from those that do not use them.
    private mutating func endTurns(
        _ fetching: inout [Body], upTo countMax: Int, _ asked: Set<Bytes32>, now: MonotonicInstant
    ) {
        var ending = fetching.filter { !isServed($0, asked, now: now) }
        let isOver = turnEndsAt.map { $0 <= now } ?? false
        if isOver {
            let total = fetching.reduce(0) { $0 + $1.turnSize }
            // Who began in the middle of the turn has until the end of the next.
            let begun = now.advanced(by: .zero - limits.turn)
            let poor = fetching.filter { body in
                body.phaseAt <= begun && body.turnSize * limits.downloadsMax * 4 <= total
                    && !ending.contains { $0 === body }
            }
            ending += poor.sorted { ($0.turnSize, $0.serial) < ($1.turnSize, $1.serial) }
        }
        for body in ending.prefix(countMax) {
            if isOver, body.turnSize == 0 { body.fruitlessTurns += 1 }
            body.phase = .waiting
            body.phaseAt = now
            counters.turnsEnded += 1
            fetching.removeAll { $0 === body }
        }
        let end: MonotonicInstant
        if let turnEndsAt, !isOver {
            end = turnEndsAt
        } else {
            for body in fetching { body.turnSize = 0 }
            end = now.advanced(by: limits.turn)
            turnEndsAt = end
        }
        wake(end, now: now)
    }

    /// Whether the body waits for its place only because others are being fetched.
    func isReady(_ body: Body, now: MonotonicInstant) -> Bool {
        body.phase == .waiting && body.fruitlessTurns == 0
            && isServed(body, rootsAsked(), now: now)
    }

    /// Bodies of which a chunk is on its way.
    private func rootsAsked() -> Set<Bytes32> {
        var roots: Set<Bytes32> = []
        for request in requests.values where request.index != nil && !request.isAnswered {
            roots.insert(request.root)
        }
        return roots
    }

    /// Whether something of the body is on its way or could be asked for.
    private func isServed(
        _ body: Body, _ asked: Set<Bytes32>, now: MonotonicInstant
    ) -> Bool {
        if asked.contains(body.root) { return true }
        return body.links.contains { peer, link in
            // Who was asked for as much as it may be is as good as silent until it answers.
            guard let state = peers[peer], state.inFlight < limits.requestsPerPeerMax else {
                return false
            }
            return body.isNeeded(link.held) && isUsable(peer, now: now)
        }
    }
}
