import ChoraleBase
import ChoraleTypes
import OrderedCollections
import PeerIdentity

/// Hearing of bodies that were announced while this node was down or cut off.
///
/// Gossip reaches those who are there. So a node also asks its peers what they hold, one at a time:
/// each new peer once, those again that ask for a body unknown here, and the one asked longest ago
/// every ``Bodies/Limits/catchUpInterval``. What comes is checked as if it had been gossiped, and
/// costs its sender the same when it is false.
///
///     idle ──due──▶ asking ──announcement──▶ checking ──verdict──▶ taken in, refused, or a fault
///      ▲               │                                                 │
///      └──pause────────┴──────────────────── all checked ────────────────┘
struct CatchUp {
    struct Asking {
        let id: Bodies.RequestID
        let peer: PeerID
        let sentAt: MonotonicInstant
        let deadline: MonotonicInstant
        /// The request named everything that we know, so that nothing known may come back.
        let namesAll: Bool
        /// What came.
        var roots: OrderedSet<Bytes32> = []
    }

    struct Check {
        let peer: PeerID
        let announcement: BodyAnnouncement
    }

    /// Hints beyond these are forgotten; whoever gave them hints again with its next request.
    static let hintsMax = 64

    var asking: Asking?
    /// Announcements that workers look at: those of one answer at most.
    var checks: OrderedDictionary<Bodies.JobID, Check> = [:]
    /// When to look for somebody to ask; nil while there is nobody.
    var lookAt: MonotonicInstant?
    /// Nobody is asked before.
    var pausedUntil: MonotonicInstant = .zero
    /// Peers that seem to hold something we have not heard of, in the order of their hints.
    var hints: OrderedSet<PeerID> = []
    /// Peers that told of bodies for which there was no room, as many as hints. Gossip does not bring an
    /// announcement twice, so they are asked once there is room again.
    var owed: OrderedSet<PeerID> = []
    /// Hints do not come twice in a row, or whoever hints without end would be the only one asked.
    var wasHint = false
}

extension Bodies {
    // MARK: Asking

    /// A peer can be asked, and was not yet.
    mutating func lookForMissed(now: MonotonicInstant) {
        let at = max(now, catchUp.pausedUntil)
        catchUp.lookAt = catchUp.lookAt.map { min($0, at) } ?? at
    }

    /// The peer asked us for a body that we have not heard of.
    mutating func hint(_ peer: PeerID, now: MonotonicInstant) {
        guard let state = peers[peer], state.offers, catchUp.hints.count < CatchUp.hintsMax,
            catchUp.hints.append(peer).inserted
        else { return }
        lookForMissed(now: now)
    }

    /// An announcement was refused for what may pass.
    mutating func owe(_ peer: PeerID) {
        if catchUp.owed.count < CatchUp.hintsMax { catchUp.owed.append(peer) }
    }

    /// There may be room for what was refused.
    mutating func payOwed(now: MonotonicInstant) {
        guard !catchUp.owed.isEmpty, !isIntakeStopped else { return }
        for peer in catchUp.owed { hint(peer, now: now) }
        catchUp.owed = []
    }

    mutating func continueCatchUp(now: MonotonicInstant, into outputs: inout [Output]) {
        if let asking = catchUp.asking, asking.deadline <= now {
            catchUp.asking = nil
            counters.requestsTimedOut += 1
            outputs.append(.cancel(asking.id))
            rest(asking.peer, now: now)
        }
        guard catchUp.asking == nil, catchUp.checks.isEmpty, isLoaded, !isIntakeStopped,
            let at = catchUp.lookAt, at <= now
        else { return }
        guard let peer = nextToAsk(now: now) else { return }
        ask(peer, now: now, into: &outputs)
    }

    /// When ``continueCatchUp(now:into:)`` has something to do.
    var catchUpDeadline: MonotonicInstant? {
        if let asking = catchUp.asking { return asking.deadline }
        guard catchUp.checks.isEmpty, isLoaded, !isIntakeStopped else { return nil }
        return catchUp.lookAt
    }

    /// Who is to be asked now. When nobody is, sets when to look again.
    ///
    /// - Complexity: O(peers), once for each request and once a rotation.
    private mutating func nextToAsk(now: MonotonicInstant) -> PeerID? {
        var next: MonotonicInstant?
        func later(_ instant: MonotonicInstant) { next = earliest(next, max(instant, now)) }
        var hinted: PeerID?
        for peer in Array(catchUp.hints) {
            guard let state = peers[peer], state.offers else {
                catchUp.hints.remove(peer)
                continue
            }
            var from = mayAsk(peer, state)
            if let asked = state.askedAt {
                from = max(from, asked.advanced(by: limits.catchUpPeerInterval))
            }
            if from > now {
                later(from)
            } else if hinted == nil {
                hinted = peer
            }
        }
        var fresh: [PeerID] = []
        var oldest: (peer: PeerID, at: MonotonicInstant)?
        for (peer, state) in peers where state.offers {
            let from = mayAsk(peer, state)
            guard from <= now else {
                later(from)
                continue
            }
            guard let asked = state.askedAt else {
                fresh.append(peer)
                continue
            }
            if asked < oldest?.at ?? MonotonicInstant(nanoseconds: .max) { oldest = (peer, asked) }
        }
        var rotated = random.element(of: fresh)
        if rotated == nil, let oldest {
            // Whoever was asked last says when the rotation goes on.
            let due = max(
                oldest.at.advanced(by: limits.catchUpInterval),
                catchUp.pausedUntil.advanced(by: limits.catchUpInterval - limits.catchUpPause))
            if due <= now { rotated = oldest.peer } else { later(due) }
        }
        let chosen = (catchUp.wasHint ? rotated ?? hinted : hinted ?? rotated)
        catchUp.wasHint = chosen != nil && chosen == hinted
        catchUp.lookAt = chosen == nil ? next : now
        return chosen
    }

    private func mayAsk(_ peer: PeerID, _ state: PeerState) -> MonotonicInstant {
        max(state.restUntil, distrusted[peer] ?? .zero)
    }

    private mutating func ask(
        _ peer: PeerID, now: MonotonicInstant, into outputs: inout [Output]
    ) {
        let countMax = AnnouncementsRequest.knownMax
        // The newest, since answers begin with the newest.
        var known = Array(bodies.keys.suffix(countMax))
        let namesAll = known.count == bodies.count
        known += forgotten.suffix(countMax - known.count)
        guard let request = AnnouncementsRequest(known: known) else {
            preconditionFailure("\(known.count) roots")
        }
        let id = newRequest()
        let deadline = now.advanced(by: limits.requestTimeout)
        catchUp.asking = .init(
            id: id, peer: peer, sentAt: now, deadline: deadline, namesAll: namesAll)
        catchUp.hints.remove(peer)
        catchUp.pausedUntil = now.advanced(by: limits.catchUpPause)
        catchUp.lookAt = catchUp.pausedUntil
        peers[peer]?.askedAt = now
        counters.catchUpRequests += 1
        outputs.append(.requestAnnouncements(id, peer, request, deadline: deadline))
    }

    // MARK: Answers

    mutating func offered(
        _ id: RequestID, _ announcement: BodyAnnouncement, now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.offersReceived += 1
        guard let asking = catchUp.asking, asking.id == id else {
            counters.offersLate += 1
            return
        }
        let root = announcement.root
        guard asking.roots.count < limits.offersMax, !asking.roots.contains(root),
            !(asking.namesAll && isOlder(root, than: asking.sentAt))
        else {
            counters.offersUnwanted += 1
            penalize(asking.peer, .unwantedAnnouncement(root: root), into: &outputs)
            abandonCatchUp(into: &outputs)
            rest(asking.peer, now: now)
            return
        }
        catchUp.asking?.roots.append(root)
        guard bodies[root] == nil, !forgotten.contains(root) else {
            // Heard of meanwhile.
            counters.offersKnown += 1
            if let body = bodies[root] { link(asking.peer, body, now: now) }
            return
        }
        let job = newJob()
        catchUp.checks[job] = .init(peer: asking.peer, announcement: announcement)
        outputs.append(.checkAnnouncement(job, announcement))
    }

    private func isOlder(_ root: Bytes32, than instant: MonotonicInstant) -> Bool {
        guard let body = bodies[root] else { return false }
        return body.startedAt < instant
    }

    private mutating func abandonCatchUp(into outputs: inout [Output]) {
        guard let asking = catchUp.asking else { return }
        catchUp.asking = nil
        counters.requestsCancelled += 1
        outputs.append(.cancel(asking.id))
    }

    /// - Returns: false when the request was none for announcements.
    mutating func catchUpEnded(
        _ id: RequestID, _ end: RequestEnd, now: MonotonicInstant, into outputs: inout [Output]
    ) -> Bool {
        guard let asking = catchUp.asking, asking.id == id else { return false }
        let peer = asking.peer
        catchUp.asking = nil
        switch end {
        case .finished:
            counters.requestsAnswered += 1
            // There is more where so many came from.
            if asking.roots.count >= limits.offersMax { hint(peer, now: now) }
        case .refused:
            counters.requestsRefused += 1
            rest(peer, now: now)
        case .failed:
            counters.requestsFailed += 1
            rest(peer, now: now)
        case .malformed:
            counters.requestsFailed += 1
            penalize(peer, .malformedAnswer, into: &outputs)
            rest(peer, now: now)
        case .unsupported:
            counters.requestsFailed += 1
            peers[peer]?.offers = false
        }
        return true
    }

    mutating func announcementVerified(
        _ id: JobID, _ verdict: AnnouncementVerdict, now: Now, into outputs: inout [Output]
    ) {
        guard let check = catchUp.checks.removeValue(forKey: id) else { return }
        switch verdict {
        case .accept(let announcement):
            counters.offersAccepted += 1
            counters.announcementsReceived += 1
            take(announcement, from: check.peer, isMissed: true, now: now, into: &outputs)
        case .ignore:
            counters.offersIgnored += 1
        case .reject:
            counters.offersRejected += 1
            penalize(
                check.peer, .falseAnnouncement(root: check.announcement.root), into: &outputs)
            if catchUp.asking?.peer == check.peer { abandonCatchUp(into: &outputs) }
            distrust(check.peer, now: now.instant, into: &outputs)
        }
    }

    mutating func catchUpPeerLeft(_ peer: PeerID) {
        catchUp.hints.remove(peer)
        catchUp.owed.remove(peer)
        guard catchUp.asking?.peer == peer else { return }
        counters.requestsFailed += 1
        catchUp.asking = nil
    }

    // MARK: Answering

    /// Answers at once, from memory: what we can serve something of and what will not be deleted
    /// soon, the newest first.
    ///
    /// A body of which nothing is here is not offered, so that one that nobody can serve is not passed
    /// on for ever.
    mutating func offer(
        _ id: ServeID, _ request: AnnouncementsRequest, now: Now, into outputs: inout [Output]
    ) {
        counters.offerRequestsReceived += 1
        let known = Set(request.known)
        // Fetching takes time too: what has an eighth of its life left is not worth it.
        let horizon = now.wall.advanced(by: .zero - limits.ageMax * 7 / 8)
        var offered: [BodyAnnouncement] = []
        for body in bodies.values.reversed() where offered.count < limits.offersMax {
            guard !body.held.isEmpty, !known.contains(body.root),
                body.announcement.description.issued > horizon
            else { continue }
            offered.append(body.announcement)
        }
        counters.offersSent += UInt64(offered.count)
        outputs.append(.offer(id, offered))
    }
}
