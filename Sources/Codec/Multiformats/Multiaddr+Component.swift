extension Multiaddr {
    /// One protocol with its value.
    ///
    /// A component built by hand may hold anything; ``Multiaddr`` checks it when it is joined.
    public enum Component: Hashable, Sendable {
        case ip4(IPv4Address)
        case ip6(IPv6Address)
        /// The interface through which the link-local address behind it is reached.
        case ip6zone(String)
        /// Bits of the network mask of the address before it.
        case ipcidr(UInt8)
        case dns(String)
        case dns4(String)
        case dns6(String)
        /// A name whose TXT records hold multiaddrs.
        case dnsaddr(String)
        case tcp(UInt16)
        case udp(UInt16)
        case dccp(UInt16)
        case sctp(UInt16)
        /// An absolute path.
        case unix(String)
        /// The multihash of a peer id.
        case p2p([UInt8])
        /// Ten bytes of address and a port other than 0.
        case onion([UInt8], port: UInt16)
        /// 35 bytes of address and a port other than 0.
        case onion3([UInt8], port: UInt16)
        /// At least 386 bytes.
        case garlic64([UInt8])
        /// 32 bytes, or at least 35.
        case garlic32([UInt8])
        case sni(String)
        /// The multihash of a certificate.
        case certhash([UInt8])
        /// A path without its percent-encoding.
        case httpPath(String)
        case memory(UInt64)
        case tls, noise, quic, quicV1, webTransport, ws, wss, http, https, p2pCircuit
        case webRTC, webRTCDirect, udt, utp
        case p2pWebSocketStar, p2pStardust, p2pWebRTCStar, p2pWebRTCDirect
    }
}

extension Multiaddr.Component {
    public var `protocol`: MultiaddrProtocol {
        switch self {
        case .ip4: .ip4
        case .ip6: .ip6
        case .ip6zone: .ip6zone
        case .ipcidr: .ipcidr
        case .dns: .dns
        case .dns4: .dns4
        case .dns6: .dns6
        case .dnsaddr: .dnsaddr
        case .tcp: .tcp
        case .udp: .udp
        case .dccp: .dccp
        case .sctp: .sctp
        case .unix: .unix
        case .p2p: .p2p
        case .onion: .onion
        case .onion3: .onion3
        case .garlic64: .garlic64
        case .garlic32: .garlic32
        case .sni: .sni
        case .certhash: .certhash
        case .httpPath: .httpPath
        case .memory: .memory
        case .tls: .tls
        case .noise: .noise
        case .quic: .quic
        case .quicV1: .quicV1
        case .webTransport: .webTransport
        case .ws: .ws
        case .wss: .wss
        case .http: .http
        case .https: .https
        case .p2pCircuit: .p2pCircuit
        case .webRTC: .webRTC
        case .webRTCDirect: .webRTCDirect
        case .udt: .udt
        case .utp: .utp
        case .p2pWebSocketStar: .p2pWebSocketStar
        case .p2pStardust: .p2pStardust
        case .p2pWebRTCStar: .p2pWebRTCStar
        case .p2pWebRTCDirect: .p2pWebRTCDirect
        }
    }

    /// The component of a protocol that has no value, or nil for one that has.
    static func bare(_ proto: MultiaddrProtocol) -> Self? {
        switch proto {
        case .tls: .tls
        case .noise: .noise
        case .quic: .quic
        case .quicV1: .quicV1
        case .webTransport: .webTransport
        case .ws: .ws
        case .wss: .wss
        case .http: .http
        case .https: .https
        case .p2pCircuit: .p2pCircuit
        case .webRTC: .webRTC
        case .webRTCDirect: .webRTCDirect
        case .udt: .udt
        case .utp: .utp
        case .p2pWebSocketStar: .p2pWebSocketStar
        case .p2pStardust: .p2pStardust
        case .p2pWebRTCStar: .p2pWebRTCStar
        case .p2pWebRTCDirect: .p2pWebRTCDirect
        case .ip4, .ip6, .ip6zone, .ipcidr, .dns, .dns4, .dns6, .dnsaddr, .tcp, .udp, .dccp, .sctp,
            .unix, .p2p, .onion, .onion3, .garlic64, .garlic32, .sni, .certhash, .httpPath, .memory:
            nil
        }
    }
}
