import ChoraleBase

extension Multiaddr.Component {
    /// Reads `/name/value/name/value…`.
    static func parse(_ text: [UInt8]) throws(Multiaddr.ParseError) -> [Self] {
        let slash = UInt8(ascii: "/")
        var end = text.count
        while end > 0, text[end - 1] == slash { end -= 1 }
        guard end > 0 else { throw .empty }
        guard text[0] == slash else { throw .noLeadingSlash }

        var components: [Self] = []
        var position = 1
        func next() -> ArraySlice<UInt8> {
            let part = text[position..<end].prefix(while: { $0 != slash })
            position = part.endIndex + 1
            return part
        }
        while position < end {
            let name = string(next())
            guard let proto = MultiaddrProtocol(name: name) else {
                throw .unknownProtocolName(String(name.prefix(32)))
            }
            if let component = bare(proto) {
                components.append(component)
                continue
            }
            guard position < end else { throw .missingValue(proto) }
            if proto == .unix {
                components.append(.unix("/" + string(text[position..<end])))
                break
            }
            let value = next()
            guard !value.isEmpty else { throw .missingValue(proto) }
            components.append(try parse(proto, value))
        }
        return components
    }

    private static func string(_ bytes: ArraySlice<UInt8>) -> String {
        // Cut at slashes from text that was UTF-8, so it still is.
        String(decoding: bytes, as: UTF8.self)
    }

    private static func parse(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>
    ) throws(Multiaddr.ParseError) -> Self {
        switch proto {
        case .ip4:
            guard let address = IPv4Address(ascii: value) else {
                throw .invalidValue(proto, .notAnIPAddress)
            }
            return .ip4(address)
        case .ip6:
            guard let address = IPv6Address(string(value)) else {
                throw .invalidValue(proto, .notAnIPAddress)
            }
            return .ip6(address)
        case .ipcidr: return .ipcidr(UInt8(try number(proto, value, max: 255)))
        case .tcp: return .tcp(try port(proto, value))
        case .udp: return .udp(try port(proto, value))
        case .dccp: return .dccp(try port(proto, value))
        case .sctp: return .sctp(try port(proto, value))
        case .memory: return .memory(try number(proto, value, max: .max))
        case .ip6zone: return .ip6zone(string(value))
        case .dns: return .dns(string(value))
        case .dns4: return .dns4(string(value))
        case .dns6: return .dns6(string(value))
        case .dnsaddr: return .dnsaddr(string(value))
        case .sni: return .sni(string(value))
        case .p2p:
            do throws(Multihash.PeerIDError) {
                return .p2p(try Multihash(peerID: string(value)).bytes)
            } catch {
                throw .invalidValue(proto, .peerID(error))
            }
        case .certhash:
            guard let decoded = try? Multibase.decode(string(value)) else {
                throw .invalidValue(proto, .encoding)
            }
            return .certhash(decoded.bytes)
        case .onion: return try onion(proto, value, hostSize: 10)
        case .onion3: return try onion(proto, value, hostSize: 35)
        case .garlic64:
            // I2P writes `-` and `~` where RFC 4648 has `+` and `/`.
            let standard = value.map { character in
                switch character {
                case UInt8(ascii: "-"): UInt8(ascii: "+")
                case UInt8(ascii: "~"): UInt8(ascii: "/")
                case UInt8(ascii: "+"), UInt8(ascii: "/"): UInt8(ascii: "?")
                default: character
                }
            }
            return .garlic64(try decode(proto, standard[...], as: .base64pad))
        case .garlic32: return .garlic32(try decode(proto, value, as: .base32))
        case .httpPath: return .httpPath(try percentDecoded(proto, value))
        case .unix, .tls, .noise, .quic, .quicV1, .webTransport, .ws, .wss, .http, .https,
            .p2pCircuit, .webRTC, .webRTCDirect, .udt, .utp, .p2pWebSocketStar, .p2pStardust,
            .p2pWebRTCStar, .p2pWebRTCDirect:
            preconditionFailure("/\(proto.name) takes no single value")
        }
    }

    private static func number(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>,
        max: UInt64
    ) throws(Multiaddr.ParseError) -> UInt64 {
        guard let number = decimal(value, max: max) else {
            throw .invalidValue(proto, .numberOutOfRange)
        }
        return number
    }

    private static func port(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>
    ) throws(Multiaddr.ParseError) -> UInt16 {
        UInt16(try number(proto, value, max: 65535))
    }

    private static func decode(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>,
        as encoding: Multibase.Encoding
    ) throws(Multiaddr.ParseError) -> [UInt8] {
        guard let bytes = try? encoding.decode(string(value)) else {
            throw .invalidValue(proto, .encoding)
        }
        return bytes
    }

    private static func onion(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>,
        hostSize: Int
    ) throws(Multiaddr.ParseError) -> Self {
        let parts = value.split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .invalidValue(proto, .encoding) }
        let host = try decode(proto, parts[0], as: .base32)
        guard host.count == hostSize else { throw .invalidValue(proto, .wrongLength(host.count)) }
        let port = try port(proto, parts[1])
        return hostSize == 10 ? .onion(host, port: port) : .onion3(host, port: port)
    }

    /// `/name` or `/name/value`.
    var text: String {
        let name = "/" + `protocol`.name
        return switch self {
        case .ip4(let address): "\(name)/\(address)"
        case .ip6(let address): "\(name)/\(address)"
        case .ipcidr(let bits): "\(name)/\(bits)"
        case .tcp(let port), .udp(let port), .dccp(let port), .sctp(let port): "\(name)/\(port)"
        case .memory(let number): "\(name)/\(number)"
        case .ip6zone(let value), .dns(let value), .dns4(let value), .dns6(let value),
            .dnsaddr(let value), .sni(let value):
            "\(name)/\(value)"
        // The path's own leading slash separates it.
        case .unix(let path): "\(name)\(path)"
        case .p2p(let multihash): "\(name)/\(Base58.encode(multihash))"
        case .certhash(let multihash): "\(name)/\(Multibase.encode(multihash, as: .base64url))"
        case .onion(let host, let port), .onion3(let host, let port):
            "\(name)/\(Multibase.Encoding.base32.encode(host)):\(port)"
        case .garlic64(let value): "\(name)/\(Self.garlicText(value))"
        case .garlic32(let value): "\(name)/\(Multibase.Encoding.base32.encode(value))"
        case .httpPath(let path): "\(name)/\(Self.percentEncoded(path))"
        case .tls, .noise, .quic, .quicV1, .webTransport, .ws, .wss, .http, .https, .p2pCircuit,
            .webRTC, .webRTCDirect, .udt, .utp, .p2pWebSocketStar, .p2pStardust, .p2pWebRTCStar,
            .p2pWebRTCDirect:
            name
        }
    }

    private static func garlicText(_ value: [UInt8]) -> String {
        String(
            Multibase.Encoding.base64pad.encode(value).map { character in
                switch character {
                case "+": "-"
                case "/": "~"
                default: character
                }
            })
    }

    private static func percentDecoded(
        _ proto: MultiaddrProtocol,
        _ value: ArraySlice<UInt8>
    ) throws(Multiaddr.ParseError) -> String {
        var bytes: [UInt8] = []
        var position = value.startIndex
        while position < value.endIndex {
            guard value[position] == UInt8(ascii: "%") else {
                bytes.append(value[position])
                position += 1
                continue
            }
            let digits = value[position...].dropFirst().prefix(2)
            guard digits.count == 2, let byte = try? Hex.decode(string(digits)).first else {
                throw .invalidValue(proto, .encoding)
            }
            bytes.append(byte)
            position += 3
        }
        guard let path = String(validating: bytes, as: UTF8.self) else {
            throw .invalidValue(proto, .name)
        }
        return path
    }

    private static func percentEncoded(_ path: String) -> String {
        var text: [UInt8] = []
        for byte in path.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                text.append(byte)
            default:
                text.append(UInt8(ascii: "%"))
                text.append(contentsOf: Hex.encode([byte]).uppercased().utf8)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
