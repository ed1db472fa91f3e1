public import ChoraleBase
public import ChoraleTypes
public import Codec
import OrderedCollections
public import PeerIdentity

/// Decides which sockets exist: whom to dial, whom to accept, whom to keep.
///
///     dial ─▶ DialJob ─▶ startDial … connected ─▶ (Node shakes hands) ─▶ established ─▶ peerConnected
///     accepted ─▶ limits ─▶ (Node shakes hands) ─▶ established ─▶ peerConnected
///     … closed ─▶ peerDisconnected
///
/// Invariants:
///   1. Every socket the driver has is in `sockets`, and leaves it exactly at `closed`. (The test
///      driver compares after every input.)
///   2. A peer has one kept connection. When both sides dialed at once, the one dialed by the smaller
///      peer id stays on both sides. (`keepsNew`)
///   3. `peerConnected` and `peerDisconnected` alternate for each peer. (`links`)
///   4. A dial asker gets exactly one `dialFinished`. (`finish`)
///
/// Memory: ``PeerStore``, plus per socket and per dial a few hundred bytes, both counted by
/// ``Limits``.
///
/// Specification: libp2p/specs `connections/README.md`; RFC 8305 for the race of addresses.
public struct Swarm: StateMachine, ~Copyable {
    /// What the swarm allows itself and others. Counts unless a unit is given.
    public struct Limits: Hashable, Sendable {
        /// Above this many peers some are let go.
        public var peerCountHigh = 160
        /// Letting go stops here.
        public var peerCountLow = 120
        /// Below this many peers, known ones are dialed unasked.
        public var peerCountTarget = 24
        /// Sockets of any state. Beyond it new ones are refused at once.
        public var socketCountMax = 512
        /// Accepted sockets without a finished handshake: each costs about 150 µs of key exchange.
        public var handshakeCountMax = 64
        /// Sockets from one address group. One household or rack, not a botnet.
        public var socketsPerGroupMax = 16
        /// Kept and closing connections of one peer; two happen whenever both sides dial.
        public var socketsPerPeerMax = 4
        /// Dials under way, and askers waiting behind them.
        public var dialCountMax = 32
        public var dialQueueMax = 256
        /// Addresses one dial may try.
        public var candidateCountMax = 16
        /// Nested `/dnsaddr` records followed.
        public var resolutionDepthMax = 3
        /// A new peer is not let go before this.
        public var graceInterval: Duration = .seconds(30)
        /// Whole dial, all addresses and the handshake.
        public var dialTimeout: Duration = .seconds(20)
        /// One TCP connect.
        public var connectTimeout: Duration = .seconds(8)
        /// Head start of one address over the next (RFC 8305 "Connection Attempt Delay").
        public var attemptStagger: Duration = .milliseconds(250)
        /// New inbound sockets from one group: burst, and time for one more.
        public var inboundBurst: Int64 = 32
        public var inboundInterval: Duration = .milliseconds(100)
        /// Peers lost to the network that are tried again, and for how long, whether or not others are
        /// missing: about as many as a partition takes at once, and as long as one usually lasts.
        public var lostPeerCountMax = 64
        public var lostPeerLife: Duration = .seconds(600)
        /// How often missing peers are looked for and changes are written.
        public var maintenanceInterval: Duration = .seconds(5)
        public var peerStore = PeerStore.Limits()

        public init() {}
    }

    public struct Configuration: Sendable {
        public var localPeer: PeerID
        public var addressPolicy: AddressPolicy
        /// Asked first when nobody is known.
        public var bootnodes: [Bootnode]
        public var limits: Limits

        public init(
            localPeer: PeerID, addressPolicy: AddressPolicy, bootnodes: [Bootnode] = [],
            limits: Limits = Limits()
        ) {
            self.localPeer = localPeer
            self.addressPolicy = addressPolicy
            self.bootnodes = bootnodes
            self.limits = limits
        }
    }

    public enum Input: Sendable {
        /// Somebody wants to be connected to a peer. Addresses are added to those known.
        case dial(DialID, PeerID, [Multiaddr], AddressSource)
        /// An operator gave an address; the peer id inside it, if any, is required of the other side.
        case dialAddress(DialID, Multiaddr)
        case cancelDial(DialID)
        case resolved(ResolutionID, ResolutionAnswer)
        /// The driver opened a socket that `startDial` asked for.
        case connected(ConnectionID)
        /// The driver accepted a socket.
        case accepted(ConnectionID, remote: Multiaddr)
        /// A handshake finished.
        case established(ConnectionID, PeerID)
        /// The socket is gone: it never opened, was closed by either side, or its handshake failed.
        case closed(ConnectionID, DisconnectReason, detail: String)
        /// Addresses of a peer became known.
        case learned(PeerID, [Multiaddr], AddressSource)
        case learnedRecord(PeerID, sequence: UInt64, [Multiaddr], envelope: [UInt8])
        case identified(PeerID, protocols: [String], agentVersion: String)
        case hold(PeerID, ConnectionHold)
        case release(PeerID, ConnectionHold)
        /// Keeps a connection to a peer, dialing it again whenever it is lost.
        case pin(PeerID, [Multiaddr])
        case unpin(PeerID)
        case disconnect(PeerID, DisconnectReason)
        case ban(PeerID, Duration)
        /// Rows of the peer store; `isLast` ends loading and lets dialing start.
        case loaded([StoreRow], isLast: Bool)
        case shutdown
        case timeout
    }

    public enum Output: Sendable {
        /// Open a socket to an address that holds an IP address and a TCP port.
        case startDial(ConnectionID, Multiaddr, expected: PeerID?, timeout: Duration)
        case cancelDial(ConnectionID)
        case resolve(ResolutionID, ResolutionQuery)
        /// Begin the handshake as listener.
        case accept(ConnectionID)
        case close(ConnectionID, DisconnectReason)
        case peerConnected(PeerID, ConnectionID, Direction, remote: Multiaddr)
        case peerDisconnected(PeerID, DisconnectReason)
        case dialFinished(DialID, DialOutcome)
        case refused(LimitRefusal, remote: Multiaddr)
        case store([StoreWrite])
        /// Peers are missing and no known one is left to dial: look for some in the DHT.
        case wantsPeers(missing: Int)
    }

    public enum DialOutcome: Hashable, Sendable {
        case connected(PeerID, ConnectionID)
        case failed(DialFailure)
    }

    public struct Counters: Hashable, Sendable {
        public var dialsStarted: UInt64 = 0
        public var dialsSucceeded: UInt64 = 0
        public var dialsFailed: UInt64 = 0
        public var attemptsStarted: UInt64 = 0
        public var accepted: UInt64 = 0
        /// By ``LimitRefusal/Scope``, in the order of its cases.
        public var refused = [UInt64](repeating: 0, count: LimitRefusal.Scope.allCases.count)
        /// By ``DisconnectReason``, in the order of its cases. Their sum is the sockets closed.
        public var closed = [UInt64](repeating: 0, count: DisconnectReason.allCases.count)
        public var unreadableRows: UInt64 = 0
        /// Addresses refused because the policy forbids their range.
        public var addressesForbidden: UInt64 = 0

        public init() {}
    }

    struct Socket {
        enum Phase {
            case dialing(job: UInt64)
            case handshaking(job: UInt64?)
            case established(PeerID)
        }

        var phase: Phase
        let direction: Direction
        let remote: Multiaddr
        let group: IPPrefix?
        let openedAt: MonotonicInstant
        /// Set once we asked for the close, so that the reason we gave is the one counted.
        var closing: DisconnectReason?
    }

    /// A connected peer.
    public struct Link: Sendable {
        public let peer: PeerID
        public let connection: ConnectionID
        public let direction: Direction
        public let remote: Multiaddr
        public let since: MonotonicInstant
        public var holds: [ConnectionHold] = []
    }

    let configuration: Configuration
    var limits: Limits { configuration.limits }
    public private(set) var store: PeerStore
    public private(set) var counters = Counters()
    var sockets: OrderedDictionary<ConnectionID, Socket> = [:]
    var links: OrderedDictionary<PeerID, Link> = [:]
    var jobs: OrderedDictionary<UInt64, DialJob> = [:]
    /// Asked for while `dialCountMax` dials were under way, oldest first.
    private var waiting: [(DialID, PeerID)] = []
    private var pinned: OrderedDictionary<PeerID, [Multiaddr]> = [:]
    /// Holds for peers, kept across reconnects while someone still wants them.
    private var inboundRates: OrderedDictionary<IPPrefix, TokenBucket> = [:]
    /// Peers that the network took from us, and until when they are tried again. Without them two
    /// halves of a partition, each with peers enough, would never look for each other.
    private var lost: OrderedDictionary<PeerID, MonotonicInstant> = [:]
    /// Dials that the swarm itself wants have numbers from here on, and no answer.
    private static let firstUnaskedDial: UInt64 = 1 << 62
    private var random: DeterministicRandom
    private var nextConnection: UInt64 = 2
    private var nextJob: UInt64 = 1
    private var nextResolution: UInt64 = 1
    private var nextUnaskedDial = Self.firstUnaskedDial
    private var maintenanceAt: MonotonicInstant
    private var isLoaded = false
    private var isShuttingDown = false

    public init(configuration: Configuration, seed: UInt64, now: Now) {
        precondition(
            configuration.limits.peerCountLow <= configuration.limits.peerCountHigh,
            "the low water mark is not above the high one")
        self.configuration = configuration
        self.store = PeerStore(limits: configuration.limits.peerStore)
        self.random = DeterministicRandom(seed: seed)
        self.maintenanceAt = now.instant
    }

    public var nextDeadline: MonotonicInstant? {
        var deadline: MonotonicInstant = maintenanceAt
        for job in jobs.values {
            deadline = min(deadline, job.deadline)
            if job.winner == nil, !job.candidates.isEmpty {
                deadline = min(deadline, job.nextAttemptAt)
            }
        }
        return deadline
    }

    /// Connected peers, in the order they connected.
    public var peers: [Link] { Array(links.values) }

    public func link(to peer: PeerID) -> Link? { links[peer] }

    public var socketCount: Int { sockets.count }

    public var handshakeCount: Int {
        sockets.values.count {
            if case .handshaking = $0.phase, $0.direction == .inbound { true } else { false }
        }
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
        switch input {
        case .dial(let id, let peer, let addresses, let source):
            learn(peer, addresses, source, now: now)
            dial(id, peer, now: now, into: &outputs)
        case .dialAddress(let id, let address):
            dialAddress(id, address, now: now, into: &outputs)
        case .cancelDial(let id):
            cancel(id, now: now, into: &outputs)
        case .resolved(let id, let answer):
            resolved(id, answer, now: now, into: &outputs)
        case .connected(let id):
            connected(id, now: now, into: &outputs)
        case .accepted(let id, let remote):
            accepted(id, remote: remote, now: now, into: &outputs)
        case .established(let id, let peer):
            established(id, peer, now: now, into: &outputs)
        case .closed(let id, let reason, let detail):
            closed(id, reason, detail: detail, now: now, into: &outputs)
        case .learned(let peer, let addresses, let source):
            learn(peer, addresses, source, now: now)
        case .learnedRecord(let peer, let sequence, let addresses, let envelope):
            let allowed = filtered(addresses)
            _ = store.learnRecord(
                peer, sequence: sequence, addresses: allowed, envelope: envelope, now: now.wall)
        case .identified(let peer, let protocols, let agent):
            store.identified(peer, protocols: protocols, agentVersion: agent, now: now.wall)
        case .hold(let peer, let hold):
            if links[peer]?.holds.contains(hold) == false { links[peer]?.holds.append(hold) }
        case .release(let peer, let hold):
            links[peer]?.holds.removeAll { $0 == hold }
        case .pin(let peer, let addresses):
            learn(peer, addresses, .configured, now: now)
            pinned[peer] = addresses
            if links[peer]?.holds.contains(.pinned) == false { links[peer]?.holds.append(.pinned) }
            maintenanceAt = now.instant
        case .unpin(let peer):
            pinned.removeValue(forKey: peer)
            links[peer]?.holds.removeAll { $0 == .pinned }
        case .disconnect(let peer, let reason):
            disconnect(peer, reason, into: &outputs)
        case .ban(let peer, let duration):
            store.ban(peer, until: now.wall.advanced(by: duration), now: now.wall)
            disconnect(peer, .banned, into: &outputs)
        case .loaded(let rows, let isLast):
            counters.unreadableRows += UInt64(store.load(rows))
            if isLast {
                isLoaded = true
                maintenanceAt = now.instant
            }
        case .shutdown:
            shutdown(now: now, into: &outputs)
        case .timeout:
            timeout(now: now, into: &outputs)
        }
    }

    // MARK: Learning

    private mutating func learn(
        _ peer: PeerID, _ addresses: [Multiaddr], _ source: AddressSource, now: Now
    ) {
        guard peer != configuration.localPeer else { return }
        let allowed = filtered(addresses)
        guard !allowed.isEmpty else { return }
        store.learn(peer, addresses: allowed, source: source, now: now.wall)
    }

    private mutating func filtered(_ addresses: [Multiaddr]) -> [Multiaddr] {
        let policy = configuration.addressPolicy
        let allowed = addresses.filter { Self.isName($0) || policy.allows($0) }
        counters.addressesForbidden += UInt64(addresses.count - allowed.count)
        return allowed
    }

    /// Whether an address is a name that has to be resolved before it can be judged.
    private static func isName(_ address: Multiaddr) -> Bool {
        if address.dnsaddrName != nil { return true }
        if case .dns = address.tcpEndpoint?.host { return true }
        return false
    }

    // MARK: Dialing

    private mutating func dial(
        _ id: DialID, _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        if let link = links[peer] {
            outputs.append(.dialFinished(id, .connected(peer, link.connection)))
            return
        }
        if let failure = reasonNotToDial(peer, now: now) {
            outputs.append(.dialFinished(id, .failed(failure)))
            return
        }
        if let index = jobs.values.firstIndex(where: { $0.expected == peer }) {
            jobs.values[index].askers.append(id)
            return
        }
        guard jobs.count < limits.dialCountMax else {
            guard waiting.count < limits.dialQueueMax else {
                let refusal = refuse(.dials, use: waiting.count, limit: limits.dialQueueMax)
                outputs.append(.dialFinished(id, .failed(.refusedByLimit(refusal))))
                return
            }
            waiting.append((id, peer))
            return
        }
        let known = store.rankedAddresses(of: peer)
        let ready = known.filter { ($0.retryAt ?? now.wall) <= now.wall }
        guard !ready.isEmpty else {
            let failure: DialFailure
            if let retryAt = known.compactMap(\.retryAt).min() {
                failure = .backingOff(
                    retryAfter: .milliseconds(retryAt.milliseconds - now.wall.milliseconds))
            } else {
                failure = .noUsableAddress(known: known.count)
            }
            outputs.append(.dialFinished(id, .failed(failure)))
            return
        }
        startJob(
            askers: [id], expected: peer, addresses: ready.map(\.address), now: now, into: &outputs)
    }

    private func reasonNotToDial(_ peer: PeerID, now: Now) -> DialFailure? {
        if isShuttingDown { return .shuttingDown }
        if peer == configuration.localPeer { return .selfDial }
        if store.isBanned(peer, now: now.wall) { return .banned }
        return nil
    }

    private mutating func dialAddress(
        _ id: DialID, _ address: Multiaddr, now: Now, into outputs: inout [Output]
    ) {
        if let multihash = address.peerIDMultihash, let peer = try? PeerID(multihash: multihash) {
            // An operator's explicit wish overrides the back-off of this one address.
            learn(peer, [address], .configured, now: now)
            if links[peer] != nil || reasonNotToDial(peer, now: now) != nil {
                dial(id, peer, now: now, into: &outputs)
            } else if var job = jobs.values.first(where: { $0.expected == peer }) {
                job.askers.append(id)
                consider(address.removingPeerID ?? address, depth: 0, job: &job, into: &outputs)
                jobs[job.id] = job
            } else {
                startJob(
                    askers: [id], expected: peer, addresses: [(address.removingPeerID ?? address)],
                    now: now,
                    into: &outputs)
            }
        } else if isShuttingDown {
            outputs.append(.dialFinished(id, .failed(.shuttingDown)))
        } else {
            startJob(askers: [id], expected: nil, addresses: [address], now: now, into: &outputs)
        }
    }

    private mutating func startJob(
        askers: [DialID], expected: PeerID?, addresses: [Multiaddr], now: Now,
        into outputs: inout [Output]
    ) {
        counters.dialsStarted += 1
        var job = DialJob(
            id: nextJob, expected: expected, askers: askers, nextAttemptAt: now.instant,
            deadline: now.instant.advanced(by: limits.dialTimeout))
        nextJob += 1
        for address in addresses {
            consider(address, depth: 0, job: &job, into: &outputs)
        }
        jobs[job.id] = job
        advance(job.id, now: now, into: &outputs)
    }

    /// Makes an address a candidate, or asks for its name to be resolved first.
    private mutating func consider(
        _ address: Multiaddr, depth: Int, job: inout DialJob, into outputs: inout [Output]
    ) {
        guard job.candidates.count + job.resolutions.count < limits.candidateCountMax else {
            return
        }
        let query: ResolutionQuery
        if let name = address.dnsaddrName {
            query = .dnsaddr(name: name)
        } else if let endpoint = address.tcpEndpoint {
            switch endpoint.host {
            case .ip4, .ip6:
                guard configuration.addressPolicy.allows(address) else {
                    counters.addressesForbidden += 1
                    job.lastFailure = "\(address.text) is in a range this profile does not dial"
                    return
                }
                job.add([address], countMax: limits.candidateCountMax)
                return
            case .dns(let name, let family):
                query = .addresses(name: name, ip4: family != .ip6, ip6: family != .ip4)
            }
        } else {
            job.lastFailure = "\(address.text) is not a TCP address"
            return
        }
        guard depth < limits.resolutionDepthMax else {
            job.lastFailure = "\(address.text) leads through too many dnsaddr records"
            return
        }
        let id = ResolutionID(nextResolution)
        nextResolution += 1
        job.resolutions[id] = .init(address: address, depth: depth)
        outputs.append(.resolve(id, query))
    }

    private mutating func resolved(
        _ id: ResolutionID, _ answer: ResolutionAnswer, now: Now, into outputs: inout [Output]
    ) {
        // Late answers, after the job ended, are expected.
        guard let index = jobs.values.firstIndex(where: { $0.resolutions[id] != nil }) else {
            return
        }
        var job = jobs.values[index]
        guard let pending = job.resolutions.removeValue(forKey: id) else { return }
        switch answer {
        case .addresses(let addresses):
            for address in addresses.prefix(limits.candidateCountMax) {
                guard let port = pending.address.tcpEndpoint?.port else { continue }
                consider(
                    Multiaddr.tcp(ip: address, port: port), depth: pending.depth + 1, job: &job,
                    into: &outputs)
            }
        case .texts(let texts):
            for text in texts.prefix(limits.candidateCountMax) {
                guard let address = try? Multiaddr(text) else { continue }
                // A record for another peer is not ours to dial.
                if let multihash = address.peerIDMultihash, let expected = job.expected,
                    multihash != expected.multihash
                {
                    continue
                }
                consider(
                    (address.removingPeerID ?? address), depth: pending.depth + 1, job: &job,
                    into: &outputs)
            }
        case .failed(let reason):
            job.lastFailure = "\(pending.address.text): \(reason)"
        }
        jobs[job.id] = job
        advance(job.id, now: now, into: &outputs)
    }

    /// Starts what may be started and ends the job when nothing is left.
    private mutating func advance(_ id: UInt64, now: Now, into outputs: inout [Output]) {
        guard var job = jobs[id] else { return }
        if now.instant >= job.deadline {
            finish(id, .failed(.timedOut), now: now, into: &outputs)
            return
        }
        if job.winner == nil, now.instant >= job.nextAttemptAt || job.attempts.isEmpty,
            !job.candidates.isEmpty
        {
            let address = job.candidates.removeFirst()
            if sockets.count >= limits.socketCountMax {
                let refusal = refuse(.total, use: sockets.count, limit: limits.socketCountMax)
                jobs[id] = job
                finish(id, .failed(.refusedByLimit(refusal)), now: now, into: &outputs)
                return
            }
            let connection = ConnectionID(nextConnection)
            nextConnection += 2
            job.attempts[connection] = address
            job.attemptCount += 1
            job.nextAttemptAt = now.instant.advanced(by: limits.attemptStagger)
            counters.attemptsStarted += 1
            sockets[connection] = Socket(
                phase: .dialing(job: id), direction: .outbound, remote: address,
                group: address.ipAddress?.group.narrow, openedAt: now.instant, closing: nil)
            outputs.append(
                .startDial(
                    connection, address, expected: job.expected, timeout: limits.connectTimeout))
        }
        jobs[id] = job
        if job.isExhausted {
            let failure: DialFailure =
                job.attemptCount == 0
                ? .resolutionFailed(job.lastFailure)
                : .allAddressesFailed(attempts: job.attemptCount, last: job.lastFailure)
            finish(id, .failed(failure), now: now, into: &outputs)
        }
    }

    private mutating func connected(
        _ id: ConnectionID, now: Now, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], case .dialing(let jobID) = socket.phase else { return }
        sockets[id]?.phase = .handshaking(job: jobID)
        guard var job = jobs[jobID] else {
            close(id, .dialSuperseded, into: &outputs)
            return
        }
        job.winner = id
        for other in job.attempts.keys where other != id {
            sockets[other]?.closing = .dialSuperseded
            outputs.append(.cancelDial(other))
        }
        jobs[jobID] = job
    }

    private mutating func cancel(_ id: DialID, now: Now, into outputs: inout [Output]) {
        if let index = waiting.firstIndex(where: { $0.0 == id }) {
            waiting.remove(at: index)
            outputs.append(.dialFinished(id, .failed(.cancelled)))
            return
        }
        for job in jobs.values where job.askers.contains(id) {
            jobs[job.id]?.askers.removeAll { $0 == id }
            outputs.append(.dialFinished(id, .failed(.cancelled)))
            if jobs[job.id]?.askers.isEmpty == true {
                finish(job.id, .failed(.cancelled), now: now, into: &outputs)
            }
            return
        }
    }

    private mutating func finish(
        _ id: UInt64, _ outcome: DialOutcome, now: Now, into outputs: inout [Output]
    ) {
        guard let job = jobs.removeValue(forKey: id) else { return }
        var kept: ConnectionID?
        switch outcome {
        case .connected(_, let connection):
            counters.dialsSucceeded += 1
            kept = connection
        case .failed:
            counters.dialsFailed += 1
        }
        for attempt in job.attempts.keys where attempt != kept {
            guard let socket = sockets[attempt] else { continue }
            if case .dialing = socket.phase {
                sockets[attempt]?.closing = .dialSuperseded
                outputs.append(.cancelDial(attempt))
            } else {
                close(attempt, .dialSuperseded, into: &outputs)
            }
        }
        for asker in job.askers where asker.rawValue < Self.firstUnaskedDial {
            outputs.append(.dialFinished(asker, outcome))
        }
        while jobs.count < limits.dialCountMax, !waiting.isEmpty {
            let (asker, peer) = waiting.removeFirst()
            dial(asker, peer, now: now, into: &outputs)
        }
    }

    /// Answers the askers of a dial whose peer came to us meanwhile.
    ///
    /// A socket of ours that is shaking hands goes on: the other side may have it already, and both
    /// must choose between the two connections by the same rule (`keepsNew`).
    private mutating func satisfy(
        _ id: UInt64, _ outcome: DialOutcome, now: Now, into outputs: inout [Output]
    ) {
        guard var job = jobs[id], job.winner != nil else {
            finish(id, outcome, now: now, into: &outputs)
            return
        }
        for asker in job.askers where asker.rawValue < Self.firstUnaskedDial {
            outputs.append(.dialFinished(asker, outcome))
        }
        job.askers = []
        job.candidates = []
        jobs[id] = job
    }

    // MARK: Sockets

    private mutating func refuse(
        _ scope: LimitRefusal.Scope, use: Int, limit: Int
    ) -> LimitRefusal {
        let index = LimitRefusal.Scope.allCases.firstIndex(of: scope) ?? 0
        counters.refused[index] += 1
        return LimitRefusal(scope: scope, use: use, limit: limit)
    }

    private mutating func accepted(
        _ id: ConnectionID, remote: Multiaddr, now: Now, into outputs: inout [Output]
    ) {
        let group = remote.ipAddress?.group.narrow
        let refusal = reasonToRefuse(remote: remote, group: group, now: now)
        counters.accepted += 1
        sockets[id] = Socket(
            phase: .handshaking(job: nil), direction: .inbound, remote: remote, group: group,
            openedAt: now.instant, closing: nil)
        if let refusal {
            outputs.append(.refused(refusal, remote: remote))
            close(id, .refusedByLimit, into: &outputs)
        } else if isShuttingDown {
            close(id, .shutdown, into: &outputs)
        } else {
            outputs.append(.accept(id))
        }
    }

    private mutating func reasonToRefuse(
        remote: Multiaddr, group: IPPrefix?, now: Now
    ) -> LimitRefusal? {
        guard sockets.count < limits.socketCountMax else {
            return refuse(.total, use: sockets.count, limit: limits.socketCountMax)
        }
        let handshakes = handshakeCount
        guard handshakes < limits.handshakeCountMax else {
            return refuse(.handshakes, use: handshakes, limit: limits.handshakeCountMax)
        }
        // A local network lives in one group, so the two rules below would only get in its way.
        guard configuration.addressPolicy == .publicNetwork, let group else { return nil }
        let inGroup = sockets.values.count { $0.group == group }
        guard inGroup < limits.socketsPerGroupMax else {
            return refuse(.addressGroup, use: inGroup, limit: limits.socketsPerGroupMax)
        }
        if inboundRates[group] == nil {
            // Bounded by forgetting the oldest: it has refilled by the time 1,024 others came.
            if inboundRates.count >= 1024 { inboundRates.removeFirst() }
            inboundRates[group] = TokenBucket(
                capacity: limits.inboundBurst, interval: limits.inboundInterval, now: now.instant)
        }
        if inboundRates[group]?.take(now: now.instant) == false {
            return refuse(
                .inboundRate, use: Int(limits.inboundBurst), limit: Int(limits.inboundBurst))
        }
        return nil
    }

    private mutating func established(
        _ id: ConnectionID, _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], socket.closing == nil else { return }
        guard case .handshaking(let jobID) = socket.phase else { return }
        guard peer != configuration.localPeer else {
            if let jobID { finish(jobID, .failed(.selfDial), now: now, into: &outputs) }
            close(id, .selfDial, into: &outputs)
            return
        }
        guard !store.isBanned(peer, now: now.wall) else {
            if let jobID { finish(jobID, .failed(.banned), now: now, into: &outputs) }
            close(id, .banned, into: &outputs)
            return
        }
        let ofPeer = sockets.values.count { other in
            if case .established(peer) = other.phase { true } else { false }
        }
        guard ofPeer < limits.socketsPerPeerMax else {
            let refusal = refuse(.peer, use: ofPeer, limit: limits.socketsPerPeerMax)
            outputs.append(.refused(refusal, remote: socket.remote))
            close(id, .refusedByLimit, into: &outputs)
            if let jobID {
                finish(jobID, .failed(.refusedByLimit(refusal)), now: now, into: &outputs)
            }
            return
        }
        sockets[id]?.phase = .established(peer)
        if socket.direction == .outbound {
            store.dialSucceeded(peer, address: socket.remote, now: now.wall)
        } else {
            store.touch(peer, now: now.wall)
        }

        if let old = links[peer] {
            if keepsNew(socket, over: old, peer: peer, now: now) {
                replace(old, by: id, socket, peer: peer, now: now, into: &outputs)
            } else {
                close(id, .duplicate, into: &outputs)
                if let jobID {
                    finish(jobID, .connected(peer, old.connection), now: now, into: &outputs)
                }
                return
            }
        } else {
            link(peer, id, socket, now: now, into: &outputs)
        }
        if let jobID { finish(jobID, .connected(peer, id), now: now, into: &outputs) }
        // Whoever else wanted this peer has it now.
        for job in jobs.values where job.expected == peer {
            satisfy(job.id, .connected(peer, id), now: now, into: &outputs)
        }
        trim(now: now, into: &outputs)
    }

    /// Which of two connections to one peer stays.
    ///
    /// Dialed by both sides at about the same time: both sides must choose the same one, so the one
    /// dialed by the smaller peer id stays. Otherwise the new one: the other side would not have
    /// dialed again had it not lost the old one, to a crash perhaps, which we cannot see yet.
    private func keepsNew(
        _ new: Socket, over old: Link, peer: PeerID, now: Now
    ) -> Bool {
        let isRace = old.since.duration(to: now.instant) < .seconds(10)
        guard isRace, new.direction != old.direction else { return true }
        let weAreSmaller = configuration.localPeer < peer
        return (new.direction == .outbound) == weAreSmaller
    }

    private mutating func link(
        _ peer: PeerID, _ id: ConnectionID, _ socket: Socket, now: Now, into outputs: inout [Output]
    ) {
        var link = Link(
            peer: peer, connection: id, direction: socket.direction, remote: socket.remote,
            since: now.instant)
        if pinned[peer] != nil { link.holds.append(.pinned) }
        if configuration.bootnodes.contains(where: { $0.peerID == peer }) {
            link.holds.append(.bootnode)
        }
        links[peer] = link
        outputs.append(.peerConnected(peer, id, socket.direction, remote: socket.remote))
    }

    private mutating func replace(
        _ old: Link, by id: ConnectionID, _ socket: Socket, peer: PeerID, now: Now,
        into outputs: inout [Output]
    ) {
        links.removeValue(forKey: peer)
        outputs.append(.peerDisconnected(peer, .duplicate))
        link(peer, id, socket, now: now, into: &outputs)
        close(old.connection, .duplicate, into: &outputs)
    }

    private mutating func close(
        _ id: ConnectionID, _ reason: DisconnectReason, into outputs: inout [Output]
    ) {
        guard let socket = sockets[id], socket.closing == nil else { return }
        sockets[id]?.closing = reason
        outputs.append(.close(id, reason))
    }

    private mutating func closed(
        _ id: ConnectionID, _ reason: DisconnectReason, detail: String, now: Now,
        into outputs: inout [Output]
    ) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        let final = socket.closing ?? reason
        if let index = DisconnectReason.allCases.firstIndex(of: final) {
            counters.closed[index] += 1
        }
        switch socket.phase {
        case .dialing(let jobID), .handshaking(job: .some(let jobID)):
            attemptFailed(id, socket, jobID, final, detail: detail, now: now, into: &outputs)
        case .handshaking(job: nil):
            break
        case .established(let peer):
            guard links[peer]?.connection == id else { return }
            links.removeValue(forKey: peer)
            store.touch(peer, now: now.wall)
            if final.isLoss { noteLoss(of: peer, now: now) }
            outputs.append(.peerDisconnected(peer, final))
        }
    }

    private mutating func attemptFailed(
        _ id: ConnectionID, _ socket: Socket, _ jobID: UInt64, _ reason: DisconnectReason,
        detail: String, now: Now, into outputs: inout [Output]
    ) {
        guard var job = jobs[jobID] else { return }
        job.attempts.removeValue(forKey: id)
        if job.winner == id { job.winner = nil }
        if reason != .dialSuperseded, reason != .shutdown {
            job.lastFailure = "\(socket.remote.text): \(detail.isEmpty ? reason.rawValue : detail)"
            if let peer = job.expected {
                store.dialFailed(peer, address: socket.remote, now: now.wall, random: &random)
            }
        }
        job.nextAttemptAt = now.instant
        jobs[jobID] = job
        advance(jobID, now: now, into: &outputs)
    }

    private mutating func disconnect(
        _ peer: PeerID, _ reason: DisconnectReason, into outputs: inout [Output]
    ) {
        guard let link = links[peer] else { return }
        close(link.connection, reason, into: &outputs)
    }

    // MARK: Upkeep

    /// Lets peers go when there are too many: those nobody holds, newest first, so that long-lived
    /// connections, which an attacker cannot make quickly, survive a flood of new ones.
    private mutating func trim(now: Now, into outputs: inout [Output]) {
        guard links.count > limits.peerCountHigh else { return }
        var excess = links.count - limits.peerCountLow
        let graceEnd = limits.graceInterval
        let candidates = links.values
            .filter { link in
                !link.holds.contains(.pinned) && link.since.duration(to: now.instant) >= graceEnd
                    && sockets[link.connection]?.closing == nil
            }
            .sorted { lhs, rhs in
                (lhs.holds.count, rhs.since, lhs.peer) < (rhs.holds.count, lhs.since, rhs.peer)
            }
        for link in candidates where excess > 0 {
            close(link.connection, .trimmed, into: &outputs)
            excess -= 1
        }
    }

    private mutating func timeout(now: Now, into outputs: inout [Output]) {
        for id in Array(jobs.keys) { advance(id, now: now, into: &outputs) }
        guard now.instant >= maintenanceAt else { return }
        maintenanceAt = now.instant.advanced(by: limits.maintenanceInterval)
        trim(now: now, into: &outputs)
        if store.hasChanges, isLoaded { outputs.append(.store(store.takeChanges())) }
        if isLoaded, !isShuttingDown { seekPeers(now: now, into: &outputs) }
    }

    /// Dials pinned peers that are missing, then known ones up to the target, then bootnodes.
    private mutating func seekPeers(now: Now, into outputs: inout [Output]) {
        for peer in pinned.keys where links[peer] == nil {
            dialUnasked(peer, now: now, into: &outputs)
        }
        seekLost(now: now, into: &outputs)
        let missing = limits.peerCountTarget - links.count - jobs.count
        guard missing > 0 else { return }
        var known: [PeerID] = []
        for peer in store.all {
            guard links[peer.id] == nil, peer.id != configuration.localPeer,
                !store.isBanned(peer.id, now: now.wall),
                peer.addresses.contains(where: { ($0.retryAt ?? now.wall) <= now.wall }),
                !jobs.values.contains(where: { $0.expected == peer.id })
            else { continue }
            known.append(peer.id)
        }
        let chosen = random.sample(known, count: min(missing, 8))
        for peer in chosen { dialUnasked(peer, now: now, into: &outputs) }
        if chosen.count < missing {
            for node in configuration.bootnodes where links[node.peerID] == nil {
                learn(node.peerID, node.addresses, .bootnode, now: now)
                dialUnasked(node.peerID, now: now, into: &outputs)
            }
            outputs.append(.wantsPeers(missing: missing - chosen.count))
        }
    }

    private mutating func noteLoss(of peer: PeerID, now: Now) {
        if lost.count >= limits.lostPeerCountMax { lost.removeFirst() }
        lost[peer] = now.instant.advanced(by: limits.lostPeerLife)
    }

    /// Dials a few of those that were lost, also when there are peers enough.
    private mutating func seekLost(now: Now, into outputs: inout [Output]) {
        lost = lost.filter { $0.value > now.instant && links[$0.key] == nil }
        guard links.count < limits.peerCountLow else { return }
        let ready = Array(lost.keys).filter { peer in
            store[peer]?.addresses.contains { ($0.retryAt ?? now.wall) <= now.wall } == true
                && !store.isBanned(peer, now: now.wall)
        }
        for peer in random.sample(ready, count: 2) {
            dialUnasked(peer, now: now, into: &outputs)
        }
    }

    private mutating func dialUnasked(
        _ peer: PeerID, now: Now, into outputs: inout [Output]
    ) {
        guard !jobs.values.contains(where: { $0.expected == peer }), links[peer] == nil else {
            return
        }
        var results: [Output] = []
        dial(DialID(nextUnaskedDial), peer, now: now, into: &results)
        nextUnaskedDial += 1
        for result in results {
            // Nobody asked, so nobody is told; the counters know.
            if case .dialFinished = result { continue }
            outputs.append(result)
        }
    }

    private mutating func shutdown(now: Now, into outputs: inout [Output]) {
        isShuttingDown = true
        for id in Array(jobs.keys) {
            finish(id, .failed(.shuttingDown), now: now, into: &outputs)
        }
        for (id, socket) in sockets {
            if case .dialing = socket.phase { continue }
            close(id, .shutdown, into: &outputs)
        }
        while store.hasChanges { outputs.append(.store(store.takeChanges())) }
    }
}
