import ChoraleBase
import OrderedCollections
import PeerIdentity

/// Gives the requests to each peer their turns: a burst, then a steady rate.
///
/// Servers refuse what exceeds their rates, and in a small network every query asks the same few
/// peers. A turn is reserved when it is given, so there is no queue to keep: all that is remembered
/// of a peer is when its next burst would be whole again (the "theoretical arrival time" of the
/// generic cell rate algorithm, ITU-T I.371).
///
/// Memory: `peersMax` peers of about 100 B.
struct RequestPacer: Sendable {
    private struct Rate: Sendable {
        let interval: Duration
        /// How far ahead of its place in the steady rate a turn may be.
        let lead: Duration
        let waitMax: Duration

        init(perSecond: Int, burst: Int64, waitingMax: Int) {
            interval = .nanoseconds(1_000_000_000 / max(1, perSecond))
            lead = interval * Int(max(0, burst - 1))
            waitMax = interval * waitingMax
        }
    }

    private struct Places: Sendable {
        /// The next place in the steady rate of puts, and of other requests.
        var puts: MonotonicInstant
        var reads: MonotonicInstant
    }

    private let puts: Rate
    private let reads: Rate
    private let peersMax: Int
    private var places: OrderedDictionary<PeerID, Places> = [:]

    init(limits: Kademlia.Limits) {
        puts = Rate(
            perSecond: limits.putsSentPerSecond, burst: limits.putsSentBurst,
            waitingMax: limits.pacedRequestsPerPeerMax)
        reads = Rate(
            perSecond: limits.requestsSentPerSecond, burst: limits.requestsSentBurst,
            waitingMax: limits.pacedRequestsPerPeerMax)
        peersMax = limits.ratedPeersMax
    }

    var count: Int { places.count }

    /// When the peer may be sent one more request, which counts as sent then.
    ///
    /// - Returns: nil, and reserves nothing, when too many are waiting already.
    mutating func turn(of peer: PeerID, isPut: Bool, now: MonotonicInstant) -> MonotonicInstant? {
        let rate = isPut ? puts : reads
        var entry = places[peer] ?? Places(puts: now, reads: now)
        let place = max(now, isPut ? entry.puts : entry.reads)
        let turn = max(now, place.advanced(by: .zero - rate.lead))
        guard now.duration(to: turn) <= rate.waitMax else { return nil }
        let next = place.advanced(by: rate.interval)
        if isPut { entry.puts = next } else { entry.reads = next }
        if places[peer] == nil, places.count >= peersMax {
            forgetIdle(now: now)
            if places.count >= peersMax { places.removeFirst(max(1, places.count / 2)) }
        }
        places[peer] = entry
        return turn
    }

    /// Forgets peers that may be sent a whole burst again.
    mutating func forgetIdle(now: MonotonicInstant) {
        places.removeAll { $0.value.puts <= now && $0.value.reads <= now }
    }
}
