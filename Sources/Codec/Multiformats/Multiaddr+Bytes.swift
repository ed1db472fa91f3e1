import ChoraleBase

extension Multiaddr.Component {
    /// Reads the component at `position` and moves behind it.
    static func decode(
        _ bytes: Span<UInt8>,
        at position: inout Int
    ) throws(Multiaddr.ParseError) -> Self {
        let code = try varint(bytes, at: &position)
        guard let proto = MultiaddrProtocol(rawValue: code) else {
            throw .unknownProtocolCode(code)
        }
        let size: UInt64 =
            switch proto.valueSize {
            case .fixed(let size): UInt64(size)
            case .prefixed: try varint(bytes, at: &position)
            }
        // Compared before it is used: a claimed length sizes nothing.
        guard size <= bytes.count - position else { throw .missingValue(proto) }
        let value = bytes.extracting(position..<position + Int(size))
        position += Int(size)
        return try decode(proto, value)
    }

    private static func varint(
        _ bytes: Span<UInt8>,
        at position: inout Int
    ) throws(Multiaddr.ParseError) -> UInt64 {
        guard let decoded = try? Varint.decode(bytes, at: position) else {
            throw .malformedVarint(position: position)
        }
        position += decoded.size
        return decoded.value
    }

    private static func decode(
        _ proto: MultiaddrProtocol,
        _ value: Span<UInt8>
    ) throws(Multiaddr.ParseError) -> Self {
        switch proto {
        case .ip4:
            return .ip4(IPv4Address(rawValue: value.loadBigEndian(UInt32.self, at: 0)))
        case .ip6:
            return .ip6(
                IPv6Address(
                    high: value.loadBigEndian(UInt64.self, at: 0),
                    low: value.loadBigEndian(UInt64.self, at: 8)))
        case .ipcidr: return .ipcidr(value[0])
        case .tcp: return .tcp(value.loadBigEndian(UInt16.self, at: 0))
        case .udp: return .udp(value.loadBigEndian(UInt16.self, at: 0))
        case .dccp: return .dccp(value.loadBigEndian(UInt16.self, at: 0))
        case .sctp: return .sctp(value.loadBigEndian(UInt16.self, at: 0))
        case .memory: return .memory(value.loadBigEndian(UInt64.self, at: 0))
        case .ip6zone: return .ip6zone(try name(proto, value))
        case .dns: return .dns(try name(proto, value))
        case .dns4: return .dns4(try name(proto, value))
        case .dns6: return .dns6(try name(proto, value))
        case .dnsaddr: return .dnsaddr(try name(proto, value))
        case .sni: return .sni(try name(proto, value))
        case .unix: return .unix(try path(proto, value))
        case .httpPath:
            guard value.count > 0 else { throw .missingValue(proto) }
            guard let path = String(validating: value.copied(), as: UTF8.self) else {
                throw .invalidValue(proto, .name)
            }
            return .httpPath(path)
        case .p2p:
            let multihash = try multihash(proto, value)
            guard multihash.isPeerID else { throw .invalidValue(proto, .peerID(.notPeerID)) }
            return .p2p(value.copied())
        case .certhash:
            _ = try multihash(proto, value)
            return .certhash(value.copied())
        case .onion, .onion3:
            let port = value.loadBigEndian(UInt16.self, at: value.count - 2)
            guard port != 0 else { throw .invalidValue(proto, .numberOutOfRange) }
            let host = value.extracting(0..<value.count - 2).copied()
            return proto == .onion ? .onion(host, port: port) : .onion3(host, port: port)
        case .garlic64:
            // An I2P destination: at least 386 bytes.
            guard value.count >= 386 else { throw .invalidValue(proto, .wrongLength(value.count)) }
            return .garlic64(value.copied())
        case .garlic32:
            guard value.count == 32 || value.count >= 35 else {
                throw .invalidValue(proto, .wrongLength(value.count))
            }
            return .garlic32(value.copied())
        case .tls, .noise, .quic, .quicV1, .webTransport, .ws, .wss, .http, .https, .p2pCircuit,
            .webRTC, .webRTCDirect, .udt, .utp, .p2pWebSocketStar, .p2pStardust, .p2pWebRTCStar,
            .p2pWebRTCDirect:
            guard let component = bare(proto) else {
                preconditionFailure("/\(proto.name) has no value")
            }
            return component
        }
    }

    private static func multihash(
        _ proto: MultiaddrProtocol,
        _ value: Span<UInt8>
    ) throws(Multiaddr.ParseError) -> Multihash {
        do throws(Multihash.DecodeError) {
            return try Multihash(bytes: value)
        } catch {
            throw .invalidValue(proto, .multihash(error))
        }
    }

    /// Names come from strangers and end in logs and resolvers: no slashes, spaces or controls.
    private static func name(
        _ proto: MultiaddrProtocol,
        _ value: Span<UInt8>
    ) throws(Multiaddr.ParseError) -> String {
        guard value.count > 0 else { throw .missingValue(proto) }
        // RFC 1035 section 2.3.4, without the length byte and the root.
        guard value.count <= 253 else { throw .invalidValue(proto, .wrongLength(value.count)) }
        for index in value.indices {
            let byte = value[index]
            guard byte > 0x20, byte != 0x7F, byte != UInt8(ascii: "/") else {
                throw .invalidValue(proto, .name)
            }
        }
        guard let name = String(validating: value.copied(), as: UTF8.self) else {
            throw .invalidValue(proto, .name)
        }
        return name
    }

    private static func path(
        _ proto: MultiaddrProtocol,
        _ value: Span<UInt8>
    ) throws(Multiaddr.ParseError) -> String {
        guard value.count > 1 else { throw .missingValue(proto) }
        guard value[0] == UInt8(ascii: "/") else { throw .invalidValue(proto, .notAbsolutePath) }
        // Text cannot keep a trailing slash, so bytes that have one would have no text.
        guard value[value.count - 1] != UInt8(ascii: "/") else {
            throw .invalidValue(proto, .name)
        }
        for index in value.indices where value[index] < 0x20 || value[index] == 0x7F {
            throw .invalidValue(proto, .name)
        }
        guard let path = String(validating: value.copied(), as: UTF8.self) else {
            throw .invalidValue(proto, .name)
        }
        return path
    }

    /// Appends code, length where the protocol has one, and value.
    func encode(into bytes: inout [UInt8]) {
        Varint.append(`protocol`.code, to: &bytes)
        let value = valueBytes
        if `protocol`.valueSize == .prefixed { Varint.append(UInt64(value.count), to: &bytes) }
        bytes.append(contentsOf: value)
    }

    private var valueBytes: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .ip4(let address): bytes = address.bytes
        case .ip6(let address): bytes = address.bytes
        case .ipcidr(let bits): bytes = [bits]
        case .tcp(let port), .udp(let port), .dccp(let port), .sctp(let port):
            bytes.appendBigEndian(port)
        case .memory(let number): bytes.appendBigEndian(number)
        case .ip6zone(let name), .dns(let name), .dns4(let name), .dns6(let name),
            .dnsaddr(let name), .sni(let name), .unix(let name), .httpPath(let name):
            bytes = Array(name.utf8)
        case .p2p(let value), .certhash(let value), .garlic64(let value), .garlic32(let value):
            bytes = value
        case .onion(let host, let port), .onion3(let host, let port):
            bytes = host
            bytes.appendBigEndian(port)
        case .tls, .noise, .quic, .quicV1, .webTransport, .ws, .wss, .http, .https, .p2pCircuit,
            .webRTC, .webRTCDirect, .udt, .utp, .p2pWebSocketStar, .p2pStardust, .p2pWebRTCStar,
            .p2pWebRTCDirect:
            break
        }
        return bytes
    }
}
