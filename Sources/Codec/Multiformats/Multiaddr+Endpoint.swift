import ChoraleBase

/// Where a connection goes before names are resolved.
public enum Host: Hashable, Sendable, CustomStringConvertible {
    /// Which addresses of a name are wanted.
    public enum Family: Hashable, Sendable { case any, ip4, ip6 }

    case ip4(IPv4Address)
    case ip6(IPv6Address)
    case dns(name: String, family: Family)

    public init(_ address: IPAddress) {
        switch address {
        case .ip4(let address): self = .ip4(address)
        case .ip6(let address): self = .ip6(address)
        }
    }

    /// The address, or nil for a name.
    public var ip: IPAddress? {
        switch self {
        case .ip4(let address): .ip4(address)
        case .ip6(let address): .ip6(address)
        case .dns: nil
        }
    }

    public var description: String {
        switch self {
        case .ip4(let address): address.description
        case .ip6(let address): "[\(address)]"
        case .dns(let name, _): name
        }
    }
}

extension Multiaddr {
    /// `/ip4/…/tcp/…` or `/ip6/…/tcp/…`.
    public static func tcp(ip: IPAddress, port: UInt16) -> Multiaddr {
        joining([component(of: ip), .tcp(port)])
    }

    /// `/ip4/…/udp/…/quic-v1` or `/ip6/…/udp/…/quic-v1`.
    public static func quic(ip: IPAddress, port: UInt16) -> Multiaddr {
        joining([component(of: ip), .udp(port), .quicV1])
    }

    private static func component(of ip: IPAddress) -> Component {
        switch ip {
        case .ip4(let address): .ip4(address)
        case .ip6(let address): .ip6(address)
        }
    }

    /// For components whose every value is allowed.
    private static func joining(_ components: [Component]) -> Multiaddr {
        var bytes: [UInt8] = []
        for component in components { component.encode(into: &bytes) }
        return Multiaddr(trusted: bytes)
    }

    /// Host and port when this is plain TCP: a host, `/tcp/…`, and at most a peer id behind them.
    ///
    /// Nil for everything that needs another transport (`/ws`, `/tls`, `/p2p-circuit`), for a zone
    /// (whose interface another machine cannot name) and for `/dnsaddr`, which must be resolved
    /// into multiaddrs first.
    public var tcpEndpoint: (host: Host, port: UInt16)? {
        var components = components
        if case .p2p = components.last { components.removeLast() }
        guard components.count == 2, let host = Host(components[0]),
            case .tcp(let port) = components[1]
        else { return nil }
        return (host, port)
    }

    /// The name after `/dnsaddr/`, when this is that and at most a peer id.
    public var dnsaddrName: String? {
        var components = components
        if case .p2p = components.last { components.removeLast() }
        guard components.count == 1, case .dnsaddr(let name) = components[0] else { return nil }
        return name
    }

    /// The IP address it starts with, or nil when it starts with anything else.
    ///
    /// A zone before the address is skipped.
    public var ipAddress: IPAddress? {
        for component in components.prefix(2) {
            switch component {
            case .ip4(let address): return .ip4(address)
            case .ip6(let address): return .ip6(address)
            case .ip6zone: continue
            default: return nil
            }
        }
        return nil
    }

    /// Whether packets pass through another peer.
    public var isRelayed: Bool { components.contains(.p2pCircuit) }

    /// The multihash of the peer this leads to: the value of a final `/p2p/…`.
    ///
    /// A `/p2p/…` further left names a relay, not the peer.
    public var peerIDMultihash: [UInt8]? {
        guard case .p2p(let multihash) = components.last else { return nil }
        return multihash
    }

    /// - Throws: ``ParseError`` when the component's value is not allowed, or
    ///   ``ParseError/tooLarge(size:limit:)``.
    public func appending(_ component: Component) throws(ParseError) -> Multiaddr {
        var joined = bytes
        component.encode(into: &joined)
        return try Multiaddr(bytes: joined.span)
    }

    /// This without its final `/p2p/…`, or nil when nothing would be left.
    public var removingPeerID: Multiaddr? {
        let components = components
        guard case .p2p = components.last else { return self }
        guard components.count > 1 else { return nil }
        return Self.joining(Array(components.dropLast()))
    }
}

extension Host {
    fileprivate init?(_ component: Multiaddr.Component) {
        switch component {
        case .ip4(let address): self = .ip4(address)
        case .ip6(let address): self = .ip6(address)
        case .dns(let name): self = .dns(name: name, family: .any)
        case .dns4(let name): self = .dns(name: name, family: .ip4)
        case .dns6(let name): self = .dns(name: name, family: .ip6)
        default: return nil
        }
    }
}
