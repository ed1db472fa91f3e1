import ChoraleBase
public import Codec

/// Names one socket for the life of the process.
///
/// Outbound connections have even numbers, given by the swarm when it asks for a dial; inbound ones
/// have odd numbers, given by the driver when it accepts.
public struct ConnectionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The `count`-th connection the driver accepted.
    public static func inbound(_ count: UInt64) -> ConnectionID { ConnectionID(2 * count + 1) }

    public var isOutbound: Bool { rawValue.isMultiple(of: 2) }

    public var description: String { "#\(rawValue)" }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Names one name-resolution request.
public struct ResolutionID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// Names one request to be connected to somebody, so that the asker recognises the answer.
public struct DialID: Hashable, Comparable, Sendable {
    public let rawValue: UInt64

    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

public enum Direction: String, Hashable, Sendable {
    case inbound, outbound
}

/// What a driver is asked to look up.
public enum ResolutionQuery: Hashable, Sendable {
    /// A and AAAA records. The families asked for.
    case addresses(name: String, ip4: Bool, ip6: Bool)
    /// TXT records of `_dnsaddr.<name>`.
    case dnsaddr(name: String)
}

/// What came back.
public enum ResolutionAnswer: Hashable, Sendable {
    case addresses([IPAddress])
    /// The texts behind `dnsaddr=`.
    case texts([String])
    case failed(String)
}

/// Whether addresses of private networks may be dialed and announced.
public enum AddressPolicy: String, Hashable, Sendable {
    /// Only globally reachable addresses: dialing private ranges learned from strangers gets hosts
    /// abuse letters, and announcing ours helps nobody.
    case publicNetwork = "public"
    /// Private and loopback addresses too, for local networks and tests.
    case local

    public func allows(_ address: IPAddress) -> Bool {
        switch self {
        case .publicNetwork: address.scope == .global
        case .local:
            switch address.scope {
            case .multicast, .unspecified: false
            default: true
            }
        }
    }

    /// Whether every IP address inside a multiaddr is allowed. Names are decided after resolution.
    public func allows(_ multiaddr: Multiaddr) -> Bool {
        guard let endpoint = multiaddr.tcpEndpoint else { return false }
        guard let address = endpoint.host.ip else { return true }
        return allows(address)
    }
}

/// Why a socket was not opened or did not become a connection.
public enum DialFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// No address is known, or the policy forbids all of them.
    case noUsableAddress(known: Int)
    /// Every address failed recently; the earliest retry is `retryAfter` away.
    case backingOff(retryAfter: Duration)
    case refusedByLimit(LimitRefusal)
    case resolutionFailed(String)
    case timedOut
    /// Every attempt failed; the last failure in words.
    case allAddressesFailed(attempts: Int, last: String)
    case selfDial
    case banned
    case cancelled
    case shuttingDown

    /// What happened and what to do, for a person.
    public var description: String {
        switch self {
        case .noUsableAddress(let known):
            known == 0
                ? "no address of the peer is known: give one with /ip4/…/tcp/…/p2p/…"
                : "none of the \(known) known addresses may be dialed in this profile"
        case .backingOff(let wait):
            "its addresses failed lately; the next try is in \(wait.wholeMilliseconds) ms"
        case .refusedByLimit(let refusal): refusal.description
        case .resolutionFailed(let reason): reason
        case .timedOut: "no connection within the time limit"
        case .allAddressesFailed(let attempts, let last):
            "\(attempts) \(attempts == 1 ? "address" : "addresses") tried; the last: \(last)"
        case .selfDial: "that is this node itself"
        case .banned: "the peer is banned for now"
        case .cancelled: "cancelled"
        case .shuttingDown: "the node is stopping"
        }
    }

    /// The stable metric label.
    public var label: String {
        switch self {
        case .noUsableAddress: "no_usable_address"
        case .backingOff: "backing_off"
        case .refusedByLimit: "limit"
        case .resolutionFailed: "resolution_failed"
        case .timedOut: "timed_out"
        case .allAddressesFailed: "all_addresses_failed"
        case .selfDial: "self_dial"
        case .banned: "banned"
        case .cancelled: "cancelled"
        case .shuttingDown: "shutting_down"
        }
    }
}

/// Which limit said no, with both numbers, so that an operator knows which one to raise.
public struct LimitRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Scope: String, Hashable, Sendable, CaseIterable {
        /// Connections of the whole node.
        case total
        /// Accepted connections that have not finished their handshake.
        case handshakes
        /// Connections from one address group (an IPv4 /24 or an IPv6 /48).
        case addressGroup = "address_group"
        /// Connections of one peer.
        case peer
        /// Dials under way.
        case dials
        /// New inbound connections a second from one address group.
        case inboundRate = "inbound_rate"
    }

    public let scope: Scope
    public let use: Int
    public let limit: Int

    public init(scope: Scope, use: Int, limit: Int) {
        self.scope = scope
        self.use = use
        self.limit = limit
    }

    public var description: String { "\(scope.rawValue) limit: \(use) in use of \(limit)" }
}

/// Why a connection ended. Exactly one per connection; also a metric label.
public enum DisconnectReason: String, Hashable, Sendable, CaseIterable {
    // The other side or the network
    case remoteClosed = "remote_closed"
    case remoteReset = "remote_reset"
    case networkTimeout = "network_timeout"
    case networkError = "network_error"
    case goAway = "go_away"
    // What the other side did
    case handshakeTimeout = "handshake_timeout"
    case handshakeFailed = "handshake_failed"
    case wrongPeerID = "wrong_peer_id"
    case protocolViolation = "protocol_violation"
    case keepaliveTimeout = "keepalive_timeout"
    case writeStalled = "write_stalled"
    // What we decided
    case refusedByLimit = "limit"
    case duplicate
    case trimmed
    case banned
    case scoredOut = "scored_out"
    case operatorRequest = "operator"
    case dialSuperseded = "dial_superseded"
    case selfDial = "self_dial"
    case wrongNetwork = "wrong_network"
    case shutdown
}

extension DisconnectReason {
    /// Whether the network, rather than a decision of either side, ended the connection.
    var isLoss: Bool {
        switch self {
        case .remoteReset, .networkTimeout, .networkError, .keepaliveTimeout, .writeStalled: true
        default: false
        }
    }
}

/// Who wants a connection kept. A connection nobody holds may be trimmed or closed as idle.
public enum ConnectionHold: String, Hashable, Comparable, Sendable, CaseIterable {
    /// A static peer from the configuration or the admin socket: never trimmed.
    case pinned
    case bootnode
    case gossipMesh = "gossip_mesh"
    case routingTable = "routing_table"
    /// We asked it for something, a body's chunks for instance.
    case request

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}
