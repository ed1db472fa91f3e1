public import ChoraleBase
import OrderedCollections

/// A request, named by the caller and never twice at a time.
public struct ScheduledRequestID: Hashable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// Decides when each request of a node may begin: ours to others, and others' to us.
///
///     ours:    requested ──▶ waiting ──▶ open ──▶ ended      (or refused, or abandoned)
///     theirs:  arrived ──▶ waiting ──▶ served ──▶ ended      (or rate limited, or abandoned)
///
/// A request waits while its peer has `concurrentMax` of the same protocol and direction under way;
/// theirs also wait for tokens. Too many waiting are refused: ours to the caller, theirs with code 4.
///
/// Invariants:
///   1. Each direction, peer and protocol has at most `concurrentMax` requests under way.
///   2. A peer's waiting requests begin in their order, save that one whose protocol is busy lets
///      those of other protocols pass. Want of tokens lets nobody pass.
///   3. Who has begun a request says ``ended(_:now:into:)`` or ``leave(_:of:now:into:)`` once it is
///      over: an entry with requests under way is never forgotten, and `peerCountMax` of them
///      shut everybody else out.
///   4. `requested == opened + refused + abandoned + waiting`, and the same of arrivals. (Checked by
///      the tests after every step.)
///
/// Memory: `peerCountMax` entries of a bucket and bounded queues. Calls append at most one output
/// for each waiting request of one peer; a timeout, of all peers.
///
/// Specification: consensus-specs `p2p-interface.md`, `MAX_CONCURRENT_REQUESTS`: over it the
/// responder "delays" rather than errors.
public struct RequestScheduler<Peer: Hashable & Sendable>: ~Copyable {
    public struct Limits: Hashable, Sendable {
        /// Requests of one protocol under way with one peer, each direction
        /// (`MAX_CONCURRENT_REQUESTS`).
        public var concurrentMax = 2
        /// Requests of ours waiting for one peer. A caller with more should use another peer.
        public var outboundWaitingMax = 64
        /// A peer's requests waiting for us. Each holds a stream open and its request in memory, and
        /// an honest peer sends two at a time per protocol.
        public var inboundWaitingMax = 16
        /// Largest burst of one peer's requests, in tokens.
        ///
        /// A request costs what its answer has in chunks; the default is one largest request of
        /// `chunks_by_root`.
        public var burst: Int64 = 1_024
        /// Time for one token to come back: 4 ms, so 250 chunks a second and peer, which at 256 KiB
        /// is more than a node's uplink.
        public var tokenInterval: Duration = .milliseconds(4)
        /// Peers remembered. Above the number of connections, so that one who reconnects finds the
        /// bucket as it was left.
        public var peerCountMax = 1_024

        public init() {}
    }

    public enum Output: Equatable, Sendable {
        /// Open a stream for our request.
        case open(ScheduledRequestID)
        /// Our request finds too many waiting.
        case refuse(ScheduledRequestID)
        /// Answer the peer's request.
        case serve(ScheduledRequestID)
        /// Answer the peer's request with ``ResponseCode/rateLimited``.
        case rateLimit(ScheduledRequestID)
        /// The peer is gone, and the request waited for it.
        case abandon(ScheduledRequestID)
    }

    public struct Counters: Hashable, Sendable {
        public var requested: UInt64 = 0
        public var opened: UInt64 = 0
        public var refused: UInt64 = 0
        public var outboundAbandoned: UInt64 = 0
        public var arrived: UInt64 = 0
        public var served: UInt64 = 0
        public var rateLimited: UInt64 = 0
        public var inboundAbandoned: UInt64 = 0

        public init() {}
    }

    private enum Direction: Hashable, Sendable { case outbound, inbound }

    private struct Waiting: Sendable {
        let id: ScheduledRequestID
        let name: String
        let cost: Int64
    }

    private struct Lane: Sendable {
        let name: String
        var underWay: Int
    }

    private struct Line: Sendable {
        var waiting: [Waiting] = []
        /// One for each protocol with requests under way.
        var lanes: [Lane] = []

        var isIdle: Bool { waiting.isEmpty && lanes.isEmpty }

        func underWay(_ name: String) -> Int {
            lanes.first { $0.name == name }?.underWay ?? 0
        }

        mutating func begin(_ name: String) {
            if let index = lanes.firstIndex(where: { $0.name == name }) {
                lanes[index].underWay += 1
            } else {
                lanes.append(Lane(name: name, underWay: 1))
            }
        }

        mutating func end(_ name: String) {
            guard let index = lanes.firstIndex(where: { $0.name == name }) else {
                preconditionFailure("a request ended that had not begun")
            }
            lanes[index].underWay -= 1
            if lanes[index].underWay == 0 { lanes.remove(at: index) }
        }
    }

    private struct Entry: Sendable {
        var outbound = Line()
        var inbound = Line()
        var bucket: TokenBucket

        var isIdle: Bool { outbound.isIdle && inbound.isIdle }
    }

    private struct UnderWay: Sendable {
        let peer: Peer
        let direction: Direction
        let name: String
    }

    private let limits: Limits
    private var entries: OrderedDictionary<Peer, Entry> = [:]
    /// Looked up only; never walked, so its order influences nothing.
    private var underWay: [ScheduledRequestID: UnderWay] = [:]
    /// Peers whose next request waits for tokens, and when it may begin.
    private var tokenDeadlines: OrderedDictionary<Peer, MonotonicInstant> = [:]

    public private(set) var counters = Counters()

    public init(limits: Limits = Limits()) {
        precondition(limits.concurrentMax >= 1 && limits.peerCountMax >= 1, "limits of zero")
        self.limits = limits
    }

    /// When ``timeout(now:into:)`` should be called, or nil when nobody waits for tokens.
    ///
    /// - Complexity: O(peers that wait for tokens).
    public var nextDeadline: MonotonicInstant? { tokenDeadlines.values.min() }

    /// Requests that wait, of both directions and all peers.
    public var waitingCount: Int {
        entries.values.reduce(0) { $0 + $1.outbound.waiting.count + $1.inbound.waiting.count }
    }

    /// We want to ask `peer` something.
    public mutating func request(
        _ id: ScheduledRequestID,
        to peer: Peer,
        _ requestProtocol: RequestProtocol,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.requested += 1
        guard var entry = entry(peer, now: now),
            entry.outbound.waiting.count < limits.outboundWaitingMax
        else {
            counters.refused += 1
            outputs.append(.refuse(id))
            return
        }
        entry.outbound.waiting.append(Waiting(id: id, name: requestProtocol.name, cost: 0))
        entries[peer] = entry
        advance(peer, now: now, into: &outputs)
    }

    /// `peer` has asked something, and its request has been read.
    ///
    /// - Parameter cost: chunks that the answer may have, in tokens. More than a full bucket is
    ///   taken as a full bucket, or it could never begin; less than one as one.
    public mutating func arrived(
        _ id: ScheduledRequestID,
        from peer: Peer,
        _ requestProtocol: RequestProtocol,
        cost: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        counters.arrived += 1
        guard var entry = entry(peer, now: now),
            entry.inbound.waiting.count < limits.inboundWaitingMax
        else {
            counters.rateLimited += 1
            outputs.append(.rateLimit(id))
            return
        }
        let cost = min(max(Int64(cost), 1), limits.burst)
        entry.inbound.waiting.append(Waiting(id: id, name: requestProtocol.name, cost: cost))
        entries[peer] = entry
        advance(peer, now: now, into: &outputs)
    }

    /// A request that was opened or served is over, in whatever way. Unknown ones are ignored, and so
    /// are those that wait: see ``leave(_:of:now:into:)``.
    public mutating func ended(
        _ id: ScheduledRequestID,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let request = underWay.removeValue(forKey: id) else { return }
        switch request.direction {
        case .outbound: entries[request.peer]?.outbound.end(request.name)
        case .inbound: entries[request.peer]?.inbound.end(request.name)
        }
        advance(request.peer, now: now, into: &outputs)
    }

    /// A request's stream is gone, or nobody wants it any more: whether it waited or was begun, it
    /// leaves nothing behind. Unknown ones are ignored.
    public mutating func leave(
        _ id: ScheduledRequestID,
        of peer: Peer,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        if !cancel(id, of: peer, now: now, into: &outputs) {
            ended(id, now: now, into: &outputs)
        }
    }

    /// A request that still waits is no longer wanted, or its stream is gone.
    ///
    /// - Returns: whether it waited. If not, it was begun, ended or never known.
    @discardableResult
    public mutating func cancel(
        _ id: ScheduledRequestID,
        of peer: Peer,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) -> Bool {
        guard var entry = entries[peer] else { return false }
        if let index = entry.outbound.waiting.firstIndex(where: { $0.id == id }) {
            entry.outbound.waiting.remove(at: index)
            counters.outboundAbandoned += 1
        } else if let index = entry.inbound.waiting.firstIndex(where: { $0.id == id }) {
            entry.inbound.waiting.remove(at: index)
            counters.inboundAbandoned += 1
        } else {
            return false
        }
        entries[peer] = entry
        // It may have been the one whose tokens the others waited for.
        advance(peer, now: now, into: &outputs)
        return true
    }

    /// The last connection to `peer` is gone. Its waiting requests are abandoned; for those under
    /// way the caller says ``ended(_:now:into:)``. The bucket is kept.
    public mutating func peerGone(_ peer: Peer, into outputs: inout [Output]) {
        guard var entry = entries[peer] else { return }
        for request in entry.outbound.waiting {
            counters.outboundAbandoned += 1
            outputs.append(.abandon(request.id))
        }
        for request in entry.inbound.waiting {
            counters.inboundAbandoned += 1
            outputs.append(.abandon(request.id))
        }
        entry.outbound.waiting = []
        entry.inbound.waiting = []
        entries[peer] = entry
        tokenDeadlines.removeValue(forKey: peer)
    }

    /// The driver's timer fired. Early and repeated firings are harmless.
    public mutating func timeout(now: MonotonicInstant, into outputs: inout [Output]) {
        let ready = tokenDeadlines.filter { $0.value <= now }.keys
        for peer in ready { advance(peer, now: now, into: &outputs) }
    }

    /// The peer's entry, made if there is room. Nil when every remembered peer is busy.
    private mutating func entry(_ peer: Peer, now: MonotonicInstant) -> Entry? {
        if let entry = entries[peer] { return entry }
        if entries.count >= limits.peerCountMax {
            // The one remembered longest is the likeliest to have a full bucket again.
            guard let index = entries.values.firstIndex(where: { $0.isIdle }) else { return nil }
            entries.remove(at: index)
        }
        return Entry(
            bucket: TokenBucket(capacity: limits.burst, interval: limits.tokenInterval, now: now))
    }

    /// Begins what may begin.
    private mutating func advance(
        _ peer: Peer,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard var entry = entries[peer] else { return }
        while let index = firstReady(entry.outbound) {
            let request = entry.outbound.waiting.remove(at: index)
            entry.outbound.begin(request.name)
            note(request, of: peer, .outbound)
            counters.opened += 1
            outputs.append(.open(request.id))
        }

        var deadline: MonotonicInstant?
        while let index = firstReady(entry.inbound) {
            let cost = entry.inbound.waiting[index].cost
            guard entry.bucket.take(cost, now: now) else {
                deadline = entry.bucket.readyAt(cost, now: now)
                break
            }
            let request = entry.inbound.waiting.remove(at: index)
            entry.inbound.begin(request.name)
            note(request, of: peer, .inbound)
            counters.served += 1
            outputs.append(.serve(request.id))
        }
        entries[peer] = entry
        tokenDeadlines[peer] = deadline
    }

    private func firstReady(_ line: Line) -> Int? {
        line.waiting.firstIndex { line.underWay($0.name) < limits.concurrentMax }
    }

    private mutating func note(_ request: Waiting, of peer: Peer, _ direction: Direction) {
        let known = underWay.updateValue(
            UnderWay(peer: peer, direction: direction, name: request.name), forKey: request.id)
        precondition(known == nil, "two requests with one id")
    }
}
