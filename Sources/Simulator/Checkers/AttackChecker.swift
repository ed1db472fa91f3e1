import ChoraleBase
import Node
import PeerIdentity
import Swarm

/// How each attacker fares with each of its victims.
final class AttackChecker {
    private struct Pair: Hashable {
        let attacker: PeerID
        let victim: HostIndex
    }

    private struct Standing {
        var connections = 0
        var isConnected = false
        var connectedAt: MonotonicInstant = .zero
        /// All time that it was connected.
        var duration: Duration = .zero
        var isGraylisted = false
        /// Ends of its connections that the victim decided on, for what the attacker did.
        var faults: [String: Int] = [:]
    }

    private let run: ScenarioRun
    private var kinds: [PeerID: Attacker.Kind] = [:]
    private var standings: [Pair: Standing] = [:]

    init(_ run: ScenarioRun) { self.run = run }

    func add(_ attacker: Attacker) { kinds[attacker.peer] = attacker.kind }

    /// Must see every event of the simulation.
    func observe(_ host: HostIndex, _ event: NodeEvent) {
        switch event {
        case .peerConnected(let peer, _, _):
            change(peer, host) { standing, now in
                standing.connections += 1
                standing.isConnected = true
                standing.connectedAt = now
            }
        case .graylisted(let peer):
            change(peer, host) { standing, _ in
                standing.isGraylisted = true
                standing.faults["graylisted", default: 0] += 1
            }
        case .peerDisconnected(let peer, let reason):
            change(peer, host) { standing, now in
                if standing.isConnected {
                    standing.duration += standing.connectedAt.duration(to: now)
                }
                standing.isConnected = false
                if Self.isFault(reason) { standing.faults[reason.rawValue, default: 0] += 1 }
            }
        default:
            break
        }
    }

    private func change(
        _ peer: PeerID, _ host: HostIndex, _ act: (inout Standing, MonotonicInstant) -> Void
    ) {
        guard kinds[peer] != nil else { return }
        act(&standings[Pair(attacker: peer, victim: host), default: .init()], run.simulation.now)
    }

    /// Whether a victim ends a connection so because of what the other side does.
    static func isFault(_ reason: DisconnectReason) -> Bool {
        switch reason {
        case .handshakeTimeout, .handshakeFailed, .wrongPeerID, .protocolViolation,
            .keepaliveTimeout, .writeStalled, .banned, .scoredOut, .refusedByLimit:
            true
        case .remoteClosed, .remoteReset, .networkTimeout, .networkError, .goAway, .duplicate,
            .trimmed, .operatorRequest, .dialSuperseded, .selfDial, .wrongNetwork, .shutdown:
            false
        }
    }

    /// For each kind: whether every victim that an attacker got in with has thrown it out for what it
    /// did, and whether none of them listens to it now.
    ///
    /// An attacker that was thrown out dials again; one that is in again for a moment is not listened
    /// to, as long as it was thrown out before.
    func report(since start: MonotonicInstant) {
        let now = run.simulation.now
        let whole = start.duration(to: now)
        for kind in Attacker.Kind.allCases {
            var free: [String] = []
            var faults: [String: Int] = [:]
            var pairs = 0
            var connections = 0
            var connected: Duration = .zero
            let sorted = standings.sorted {
                ($0.key.attacker, $0.key.victim) < ($1.key.attacker, $1.key.victim)
            }
            for (pair, standing) in sorted where kinds[pair.attacker] == kind {
                pairs += 1
                connections += standing.connections
                connected += standing.duration
                if standing.isConnected { connected += standing.connectedAt.duration(to: now) }
                for (name, count) in standing.faults { faults[name, default: 0] += count }
                if standing.faults.isEmpty { free.append("n\(pair.victim.rawValue)") }
            }
            let reasons = faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
            run.check(
                "attackers by \(kind.rawValue) are thrown out by all their victims",
                pairs > 0 && free.isEmpty,
                "\(pairs) pairs, \(connections) connections: \(reasons.joined(separator: ", "))"
                    + (free.isEmpty ? "" : "; not by \(free.count): \(free.prefix(4))"))
            let share =
                pairs == 0
                ? 0
                : Double(connected.wholeNanoseconds) / Double(whole.wholeNanoseconds)
                    / Double(pairs)
            run.measure("of the time \(kind.rawValue) are connected", share * 100, "%")
        }
    }
}
