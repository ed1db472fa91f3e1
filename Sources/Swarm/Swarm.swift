public import ChoraleBase
import ChoraleTypes
import Codec
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
    /// What the driver has open or is opening for us.
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

    let configuration: Configuration
    var limits: Limits { configuration.limits }
    public internal(set) var store: PeerStore
    public internal(set) var counters = Counters()
    var sockets: OrderedDictionary<ConnectionID, Socket> = [:]
    var links: OrderedDictionary<PeerID, Link> = [:]
    var jobs: OrderedDictionary<UInt64, DialJob> = [:]
    /// Asked for while `dialCountMax` dials were under way, oldest first.
    var waiting: [(DialID, PeerID)] = []
    var pinned: OrderedDictionary<PeerID, [Multiaddr]> = [:]
    /// What each address group may still open; the group seen first makes room.
    var inboundRates: OrderedDictionary<IPPrefix, TokenBucket> = [:]
    /// Peers that the network took from us, and until when they are tried again. Without them two
    /// halves of a partition, each with peers enough, would never look for each other.
    var lost: OrderedDictionary<PeerID, MonotonicInstant> = [:]
    /// Dials that the swarm itself wants have numbers from here on, and no answer.
    static let firstUnaskedDial: UInt64 = 1 << 62
    var random: DeterministicRandom
    var nextConnection: UInt64 = 2
    var nextJob: UInt64 = 1
    var nextResolution: UInt64 = 1
    var nextUnaskedDial = Self.firstUnaskedDial
    var maintenanceAt: MonotonicInstant
    var isLoaded = false
    var isShuttingDown = false
    private let layout = PassedByReference()

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
            if job.winner != nil, job.hasAlternative {
                deadline = min(deadline, job.wonAt.advanced(by: limits.handshakePatience))
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

    /// Dials that wait behind others.
    public var waitingDialCount: Int { waiting.count }

    /// Sockets of the address group that has most.
    public var largestAddressGroup: Int {
        var counts: [IPPrefix: Int] = [:]
        for socket in sockets.values {
            if let group = socket.group { counts[group, default: 0] += 1 }
        }
        return counts.values.max() ?? 0
    }

    /// Of the sockets that an address group may open in a burst, how many were used by the one that
    /// used most. Zero under the local policy, which has no such limit.
    public func largestInboundBurst(now: MonotonicInstant) -> Int {
        Int(inboundRates.values.map { $0.used(now: now) }.max() ?? 0)
    }

    public func closedCount(for reason: DisconnectReason) -> UInt64 {
        DisconnectReason.allCases.firstIndex(of: reason).map { counters.closed[$0] } ?? 0
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
            let allowed = filtered(addresses, from: .signedRecord)
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
}
