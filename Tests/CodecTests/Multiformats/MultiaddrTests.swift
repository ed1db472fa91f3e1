import ChoraleBase
import Codec
import Testing

@Suite struct MultiaddrTests {
    static let peer = "12D3KooWCryG7Mon9orvQxcS1rYZjotPgpwoJNHHKcLLfE4Hf5mV"
    static let relay = "QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC"

    /// Text and what it is printed as.
    static let texts: [(String, String)] = [
        ("/ip4/192.0.2.7/tcp/4001", "/ip4/192.0.2.7/tcp/4001"),
        ("/ip4/192.0.2.7/tcp/4001///", "/ip4/192.0.2.7/tcp/4001"),
        ("/ip6/2001:DB8:0:0:0:0:0:1/udp/1/quic-v1", "/ip6/2001:db8::1/udp/1/quic-v1"),
        ("/ipfs/\(peer)", "/p2p/\(peer)"),
        ("/dnsaddr/bootstrap.libp2p.io/p2p/\(relay)", "/dnsaddr/bootstrap.libp2p.io/p2p/\(relay)"),
        ("/unix/a/b//c/", "/unix/a/b//c"),
        ("/http-path/a%20b%2fc", "/http-path/a%20b%2Fc"),
        (
            "/ip4/1.2.3.4/tcp/443/sni/example.org/tls/ws",
            "/ip4/1.2.3.4/tcp/443/sni/example.org/tls/ws"
        ),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", "/ip6zone/eth0/ip6/fe80::1/tcp/1"),
        ("/memory/18446744073709551615", "/memory/18446744073709551615"),
    ]

    @Test(arguments: texts) func printsTheCanonicalText(_ text: String, _ canonical: String) throws
    {
        let address = try Multiaddr(text)
        #expect(address.text == canonical)
        #expect(try Multiaddr(bytes: address.bytes) == address)
        #expect(try Multiaddr(canonical) == address)
        #expect(try Multiaddr(address.components) == address)
    }

    @Test(arguments: texts) func noTruncationTraps(_ text: String, _ canonical: String) throws {
        let bytes = try Multiaddr(text).bytes
        for count in 0..<bytes.count {
            // A cut at a component boundary is a shorter address; every other cut is an error.
            if let shorter = try? Multiaddr(bytes: Array(bytes.prefix(count))) {
                #expect(canonical.hasPrefix(shorter.text))
            }
        }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let text: String
        let error: Multiaddr.ParseError

        init(_ text: String, _ error: Multiaddr.ParseError) {
            self.text = text
            self.error = error
        }

        var testDescription: String { text.prefix(40).debugDescription }
    }

    static let refusals = [
        Refusal("", .empty),
        Refusal("/", .empty),
        Refusal("ip4/1.2.3.4", .noLeadingSlash),
        Refusal("//ip4/1.2.3.4", .unknownProtocolName("")),
        Refusal("/IP4/1.2.3.4", .unknownProtocolName("IP4")),
        Refusal("/ip4/1.2.3.4/tcp", .missingValue(.tcp)),
        Refusal("/ip4//tcp/1", .missingValue(.ip4)),
        Refusal("/ip4/1.2.3", .invalidValue(.ip4, .notAnIPAddress)),
        Refusal("/ip4/1.2.3.04", .invalidValue(.ip4, .notAnIPAddress)),
        Refusal("/ip6/fe80::1%eth0", .invalidValue(.ip6, .notAnIPAddress)),
        Refusal("/tcp/65536", .invalidValue(.tcp, .numberOutOfRange)),
        Refusal("/tcp/+1", .invalidValue(.tcp, .numberOutOfRange)),
        Refusal("/tcp/00", .invalidValue(.tcp, .numberOutOfRange)),
        Refusal("/memory/18446744073709551616", .invalidValue(.memory, .numberOutOfRange)),
        Refusal("/dns4/a b", .invalidValue(.dns4, .name)),
        Refusal("/dns4/a\u{7}b", .invalidValue(.dns4, .name)),
        Refusal(
            "/dns4/" + String(repeating: "a", count: 254),
            .invalidValue(.dns4, .wrongLength(254))),
        Refusal("/p2p/1", .invalidValue(.p2p, .peerID(.multihash(.truncated)))),
        Refusal("/p2p/tcp", .invalidValue(.p2p, .peerID(.cid(.base(.wrongPadding))))),
        Refusal("/onion/aaimaq4ygg2iegci:0", .invalidValue(.onion, .numberOutOfRange)),
        Refusal("/onion/aaimaq4ygg2iegci", .invalidValue(.onion, .encoding)),
        Refusal("/onion/aaimaq4ygg2iegc:1", .invalidValue(.onion, .encoding)),
        Refusal("/http-path/%2", .invalidValue(.httpPath, .encoding)),
        Refusal("/http-path/%ff", .invalidValue(.httpPath, .name)),
        Refusal("/unix", .missingValue(.unix)),
        Refusal("/" + String(repeating: "a", count: 2048), .tooLarge(size: 2049, limit: 2048)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try Multiaddr(row.text) }
    }

    static let byteRefusals: [([UInt8], Multiaddr.ParseError)] = [
        ([], .empty),
        ([0x04, 1, 2, 3], .missingValue(.ip4)),
        ([0x84, 0x00], .malformedVarint(position: 0)),
        ([0x06, 0, 1, 0x91], .malformedVarint(position: 3)),
        ([0x0A], .unknownProtocolCode(10)),
        ([0x36], .malformedVarint(position: 1)),
        ([0x36, 0], .missingValue(.dns4)),
        ([0x36, 1, 0x2F], .invalidValue(.dns4, .name)),
        ([0x36, 1, 0xFF], .invalidValue(.dns4, .name)),
        (
            [0x36, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            .missingValue(.dns4)
        ),
        ([0xA5, 0x03, 2, 0, 0], .invalidValue(.p2p, .peerID(.notPeerID))),
        (
            [0xA5, 0x03, 2, 0x12, 0],
            .invalidValue(.p2p, .multihash(.wrongDigestSize(code: 0x12, size: 0)))
        ),
        ([0x90, 0x03, 1, 0x61], .missingValue(.unix)),
        ([0x90, 0x03, 2, 0x61, 0x62], .invalidValue(.unix, .notAbsolutePath)),
        ([0x90, 0x03, 2, 0x2F, 0x2F], .invalidValue(.unix, .name)),
        // Found by fuzzing: `/unix/a/tls` is the text of another address.
        ([0x90, 0x03, 2, 0x2F, 0x61, 0xC0, 0x03], .componentBehindPath(.tls)),
        (
            [UInt8](repeating: 0, count: 513),
            .tooLarge(size: 513, limit: 512)
        ),
    ]

    @Test(arguments: byteRefusals) func refuses(_ bytes: [UInt8], _ error: Multiaddr.ParseError) {
        #expect(throws: error) { try Multiaddr(bytes: bytes) }
    }

    @Test func componentsBuiltByHandAreChecked() throws {
        #expect(throws: Multiaddr.ParseError.invalidValue(.dns, .name)) {
            try Multiaddr([.dns("a/b")])
        }
        #expect(throws: Multiaddr.ParseError.empty) { try Multiaddr([]) }
        #expect(throws: Multiaddr.ParseError.componentBehindPath(.unix)) {
            try Multiaddr([.unix("/a"), .unix("/b")])
        }
        let long = [Multiaddr.Component](repeating: .tcp(1), count: 171)
        #expect(throws: Multiaddr.ParseError.tooLarge(size: 513, limit: 512)) {
            try Multiaddr(long)
        }
    }

    @Test(arguments: UInt64(0)..<200) func randomBytesNeverTrap(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let codes = MultiaddrProtocol.allCases
        var bytes: [UInt8] = []
        for _ in 0..<random.integer(in: 1...4) {
            Varint.append(codes[random.below(codes.count)].code, to: &bytes)
            bytes += random.bytes(count: random.below(20))
        }
        if let address = try? Multiaddr(bytes: bytes) {
            #expect(address.bytes == bytes)
            #expect(try Multiaddr(address.text) == address)
        }
    }

    @Test func endpoints() throws {
        let plain = try Multiaddr("/ip4/192.0.2.7/tcp/4001")
        #expect(plain == .tcp(ip: try #require(IPAddress("192.0.2.7")), port: 4001))
        let endpoint = try #require(plain.tcpEndpoint)
        #expect(endpoint.host == .ip4(IPv4Address(192, 0, 2, 7)))
        #expect(endpoint.port == 4001)
        let named = try #require(
            try Multiaddr("/dns6/a.example/tcp/1/p2p/\(Self.peer)").tcpEndpoint)
        #expect(named.host == .dns(name: "a.example", family: .ip6))
        for text in [
            "/ip4/192.0.2.7/udp/4001/quic-v1", "/ip4/192.0.2.7/tcp/1/ws", "/tcp/1",
            "/ip4/192.0.2.7/tcp/1/p2p/\(Self.relay)/p2p-circuit", "/dnsaddr/a.example",
            "/ip6zone/eth0/ip6/fe80::1/tcp/1", "/p2p/\(Self.peer)",
        ] {
            #expect(try Multiaddr(text).tcpEndpoint == nil, "\(text)")
        }
        #expect(try Multiaddr("/dnsaddr/a.example/p2p/\(Self.peer)").dnsaddrName == "a.example")
        #expect(try Multiaddr("/ip6zone/x/ip6/fe80::1").ipAddress == IPAddress("fe80::1"))
        #expect(try Multiaddr("/dns/a/tcp/1").ipAddress == nil)
        let quic = Multiaddr.quic(ip: .ip6(.loopback), port: 9)
        #expect(quic.text == "/ip6/::1/udp/9/quic-v1")
    }

    @Test func peerIDs() throws {
        let plain = try Multiaddr("/ip4/192.0.2.7/tcp/4001")
        let multihash = try Multihash(peerID: Self.peer).bytes
        let full = try plain.appending(.p2p(multihash))
        #expect(full.text == "/ip4/192.0.2.7/tcp/4001/p2p/\(Self.peer)")
        #expect(full.peerIDMultihash == multihash)
        #expect(full.removingPeerID == plain)
        #expect(plain.peerIDMultihash == nil)
        #expect(plain.removingPeerID == plain)
        #expect(try Multiaddr("/p2p/\(Self.peer)").removingPeerID == nil)

        // The peer id of a relay is not that of the peer behind it.
        let relayed = try Multiaddr("/ip4/192.0.2.7/tcp/1/p2p/\(Self.relay)/p2p-circuit")
        #expect(relayed.isRelayed)
        #expect(relayed.peerIDMultihash == nil)
        #expect(try relayed.appending(.p2p(multihash)).peerIDMultihash == multihash)
        #expect(throws: Multiaddr.ParseError.self) { try plain.appending(.p2p([1, 2, 3])) }
    }
}
