import ChoraleBase
import Codec
import Testing

@Suite struct IPAddressTests {
    /// Text and its RFC 5952 form.
    static let texts: [(String, String)] = [
        ("0.0.0.0", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("::", "::"),
        ("::1", "::1"),
        ("1::", "1::"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:0db8::0001", "2001:db8::1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:DB8::A", "2001:db8::a"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"),
        ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("::ffff:7f00:1", "::ffff:127.0.0.1"),
        ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ]

    @Test(arguments: texts) func printsTheCanonicalText(_ text: String, _ canonical: String) throws
    {
        let address = try #require(IPAddress(text))
        #expect(address.description == canonical)
        #expect(IPAddress(canonical) == address)
        #expect(IPAddress(bytes: address.bytes.span) == address)
    }

    @Test(arguments: [
        "", ".", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "1..2.3",
        ":", ":::", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "12345::", "g::", "fe80::1%eth0",
        "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "1.2.3.4::", "::1.2.3", "[::1]", "１::",
    ]) func refuses(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    static let scopes: [(String, IPAddress.Scope)] = [
        ("0.0.0.0", .unspecified), ("0.0.0.1", .reserved), ("1.1.1.1", .global),
        ("9.255.255.255", .global), ("10.0.0.0", .private), ("10.255.255.255", .private),
        ("11.0.0.0", .global), ("100.63.255.255", .global), ("100.64.0.0", .shared),
        ("100.127.255.255", .shared), ("100.128.0.0", .global), ("127.0.0.1", .loopback),
        ("127.255.255.255", .loopback), ("169.254.0.1", .linkLocal), ("172.15.255.255", .global),
        ("172.16.0.0", .private), ("172.31.255.255", .private), ("172.32.0.0", .global),
        ("192.0.0.9", .reserved), ("192.0.1.0", .global), ("192.0.2.255", .documentation),
        ("192.88.99.1", .reserved), ("192.167.255.255", .global), ("192.168.0.0", .private),
        ("192.169.0.0", .global), ("198.17.255.255", .global), ("198.18.0.0", .benchmarking),
        ("198.19.255.255", .benchmarking), ("198.20.0.0", .global),
        ("198.51.100.1", .documentation), ("203.0.113.1", .documentation),
        ("223.255.255.255", .global), ("224.0.0.1", .multicast), ("239.255.255.255", .multicast),
        ("240.0.0.0", .reserved), ("255.255.255.254", .reserved),
        ("255.255.255.255", .broadcast),
        ("::", .unspecified), ("::1", .loopback), ("::2", .reserved), ("::1.2.3.4", .reserved),
        ("::ffff:10.0.0.1", .private), ("::ffff:8.8.8.8", .global),
        ("64:ff9b::8.8.8.8", .global), ("64:ff9b::10.0.0.1", .private),
        ("64:ff9b::127.0.0.1", .loopback), ("64:ff9b:1::1", .private), ("100::1", .reserved),
        ("100:0:0:1::1", .reserved), ("2001::1", .reserved), ("2001:1ff:ffff::", .reserved),
        ("2001:200::1", .global), ("2001:2::1", .benchmarking), ("2001:3::1", .global),
        ("2001:4:112::1", .global), ("2001:20::1", .reserved), ("2001:db8::1", .documentation),
        ("2001:4860:4860::8888", .global), ("2002:a00:1::", .reserved),
        ("2620:4f:8000::1", .global), ("3fff:fff::", .documentation), ("3fff:1000::", .global),
        ("4000::", .reserved), ("5f00::1", .reserved), ("fc00::1", .private),
        ("fdff::1", .private), ("fe00::1", .reserved), ("fe80::1", .linkLocal),
        ("febf::1", .linkLocal), ("fec0::1", .private), ("ff02::1", .multicast),
    ]

    @Test(arguments: scopes) func scope(_ text: String, _ scope: IPAddress.Scope) throws {
        let address = try #require(IPAddress(text))
        #expect(address.scope == scope)
        #expect(address.isGlobal == (scope == .global))
    }

    @Test func groups() throws {
        func group(_ text: String) throws -> IPGroup { try #require(IPAddress(text)).group }
        #expect(try group("192.0.2.7").narrow.description == "192.0.2.0/24")
        #expect(try group("192.0.2.7").wide.description == "192.0.0.0/16")
        #expect(try group("::ffff:192.0.2.7") == group("192.0.2.250"))
        #expect(try group("192.0.3.1").narrow != group("192.0.2.1").narrow)
        #expect(try group("2001:db8:1:2::3").narrow.description == "2001:db8:1::/48")
        #expect(try group("2001:db8:1:2::3").wide.description == "2001:db8::/32")
    }

    @Test func prefixesOfEveryLength() throws {
        let address4 = try #require(IPAddress("255.255.255.255"))
        #expect(IPPrefix(address4, length: 0).address == .ip4(.any))
        #expect(IPPrefix(address4, length: 32).address == address4)
        let address6 = try #require(IPAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
        #expect(IPPrefix(address6, length: 0).address == .ip6(.any))
        #expect(IPPrefix(address6, length: 64).description == "ffff:ffff:ffff:ffff::/64")
        #expect(IPPrefix(address6, length: 65).description == "ffff:ffff:ffff:ffff:8000::/65")
        #expect(IPPrefix(address6, length: 128).address == address6)
        #expect(!IPPrefix(.ip4(.any), length: 0).contains(.ip6(.any)))
    }
}
