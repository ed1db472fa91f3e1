import ChoraleBase
import Codec
import OrderedCollections
import PeerIdentity

/// One attempt to become connected to one peer, over as many addresses as it has.
///
///     resolving ──▶ racing ──(first socket opens)──▶ handshaking ──▶ done
///                     ▲                                   │
///                     └────────(handshake failed)─────────┘
///
/// Addresses race with a head start each (RFC 8305): the next one begins when the previous failed or
/// after ``Swarm/Limits/attemptStagger``, IPv6 and IPv4 in turn. The first socket that opens stops
/// the others; should its handshake fail, those not yet tried go on.
///
/// Memory: at most `candidateCountMax` addresses of at most 512 bytes.
struct DialJob {
    let id: UInt64
    /// nil when an operator dials an address without a peer id.
    let expected: PeerID?
    /// Who asked, in order.
    var askers: [DialID]
    /// Not yet tried, best first.
    var candidates: [Multiaddr] = []
    /// Sockets being opened, or open and shaking hands, in the order they were started.
    var attempts: OrderedDictionary<ConnectionID, Multiaddr> = [:]
    /// The socket that won the race and is shaking hands.
    var winner: ConnectionID?
    /// When the winner opened.
    var wonAt = MonotonicInstant.zero
    /// Addresses whose sockets were given up because another had opened. They are tried again should
    /// that one's handshake fail: an open port proves nothing.
    var superseded: [Multiaddr] = []
    var resolutions: OrderedDictionary<ResolutionID, PendingResolution> = [:]
    var nextAttemptAt: MonotonicInstant
    let deadline: MonotonicInstant
    var attemptCount = 0
    /// Names that were asked for. One record may name sixteen others, and each of those again.
    var resolutionCount = 0
    var lastFailure = "no address answered"

    struct PendingResolution {
        /// The address whose name is being resolved.
        let address: Multiaddr
        /// How many `/dnsaddr` records led here.
        let depth: Int
    }

    /// Puts addresses of the two families in turn, keeping the order within each, IPv6 first.
    static func interleaved(_ addresses: [Multiaddr]) -> [Multiaddr] {
        let sixes = addresses.filter(isIPv6)
        let others = addresses.filter { !isIPv6($0) }
        var result: [Multiaddr] = []
        result.reserveCapacity(addresses.count)
        for index in 0..<max(sixes.count, others.count) {
            if index < sixes.count { result.append(sixes[index]) }
            if index < others.count { result.append(others[index]) }
        }
        return result
    }

    private static func isIPv6(_ address: Multiaddr) -> Bool {
        if case .ip6 = address.tcpEndpoint?.host { return true }
        return false
    }

    /// Adds addresses not yet known to this job.
    mutating func add(_ addresses: [Multiaddr], countMax: Int) {
        for address in addresses where candidates.count < countMax {
            guard !candidates.contains(address), !attempts.values.contains(address) else {
                continue
            }
            candidates.append(address)
        }
        candidates = Self.interleaved(candidates)
    }

    /// Whether somebody else could be tried if the winner does not shake hands.
    var hasAlternative: Bool { !candidates.isEmpty || !superseded.isEmpty }

    var isExhausted: Bool { candidates.isEmpty && attempts.isEmpty && resolutions.isEmpty }
}
