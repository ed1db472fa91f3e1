import Codec
import Crypto
import Testing

@testable import PeerIdentity

@Suite struct BootnodesTests {
    static let first = ed25519(1).peerID
    static let second = secp256k1(3).peerID
    static let firstAddress = "/ip4/192.0.2.7/tcp/4001/p2p/\(first)"
    static let record: String = {
        guard let key = secp256k1(3).secp256k1,
            let record = try? NodeRecord(
                signing: NodeRecordTests.contents(), sequence: 1, with: key)
        else { preconditionFailure("a record of every field fits") }
        return record.text
    }()

    struct Format: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String

        var testDescription: String { name }
    }

    static let formats = [
        Format(
            name: "one a line, with comments",
            text: """
                # our bootnodes

                \(firstAddress)   # frankfurt
                \(record)
                """),
        Format(
            name: "boot_enr.yaml",
            text: """
                # Lighthouse
                ---
                - \(firstAddress)
                - \(record)
                """),
        Format(
            name: "quoted YAML",
            text: "bootnodes:\r\n  - \"\(firstAddress)\"\r\n  - '\(record)' # second\r\n"),
        Format(
            name: "lean nodes.yaml",
            text: """
                nodes:
                  - name: zeam_0
                    multiaddr: \(firstAddress)
                  - name: ream_0
                    enr: "\(record)"
                """),
        Format(name: "comma list of a flag", text: "\(firstAddress),\(record)"),
        Format(name: "flow list", text: "bootnodes: [ \"\(firstAddress)\", \"\(record)\" ]"),
        Format(name: "JSON", text: "[\n  \"\(firstAddress)\",\n  \"\(record)\"\n]\n"),
    ]

    @Test(arguments: formats) func readsTheFormat(_ format: Format) {
        let result = Bootnodes.parse(format.text)
        #expect(result.failures == [])
        #expect(result.nodes.map(\.peerID) == [Self.first, Self.second])
        #expect(result.nodes.first?.addresses.map(\.text) == ["/ip4/192.0.2.7/tcp/4001"])
        #expect(result.nodes.last?.addresses.count == 4)
    }

    @Test func aRecordAlone() {
        let result = Bootnodes.parse(Self.record)
        #expect(result.failures == [])
        #expect(result.nodes.map(\.peerID) == [Self.second])
    }

    @Test func addressesOfOnePeerComeTogether() throws {
        let text = """
            \(Self.firstAddress)
            \(Self.firstAddress)
            /ip4/192.0.2.7/udp/4001/quic-v1/p2p/\(Self.first)
            /dnsaddr/boot.example/p2p/\(Self.first)
            """
        let result = Bootnodes.parse(text)
        #expect(result.failures == [])
        #expect(
            result.nodes == [
                Bootnode(
                    peerID: Self.first,
                    addresses: [
                        try Multiaddr("/ip4/192.0.2.7/tcp/4001"),
                        try Multiaddr("/ip4/192.0.2.7/udp/4001/quic-v1"),
                        try Multiaddr("/dnsaddr/boot.example"),
                    ])
            ])
    }

    static let refusals: [(String, Bootnodes.Reason)] = [
        ("enode://6f8a80d1@192.0.2.7:30303", .enode),
        ("- \"enode://6f8a80d1@192.0.2.7:30303?discport=0\"", .enode),
        ("/ip4/192.0.2.7/tcp/4001", .addressWithoutPeerID),
        ("/ip4/192.0.2.7/tcp/99999/p2p/\(first)", .address(.invalidValue(.tcp, .numberOutOfRange))),
        ("/p2p/\(first)", .peerIDWithoutAddress),
        ("\(first)", .peerIDWithoutAddress),
        ("192.0.2.7:4001", .unknownForm),
        (NodeRecordTests.example, .recordWithoutAddress),
        (NodeRecordTests.example + "=", .record(.base64(.wrongPadding))),
    ]

    @Test(arguments: refusals) func says(_ entry: String, _ reason: Bootnodes.Reason) {
        let result = Bootnodes.parse("# comment\n\(Self.firstAddress)\n\(entry)\n")
        #expect(result.nodes.count == 1)
        #expect(result.failures.map(\.line) == [3])
        #expect(result.failures.map(\.reason) == [reason])
    }

    @Test func privateKeysAreNeitherReadNorRepeated() {
        let text = "validators:\n  - name: a\n    privkey: \"c0ffee\"\n  - privkey: c0ffee\n"
        let failures = Bootnodes.parse(text).failures
        #expect(failures.map(\.reason) == [.privateKey, .privateKey])
        #expect(failures.map(\.line) == [3, 4])
        #expect(failures.allSatisfy { !$0.description.contains("c0ffee") })
    }

    @Test func everyFailureHasItsLine() {
        let result = Bootnodes.parse("a,b\n\nenode://x\n")
        #expect(result.failures.map(\.line) == [1, 1, 3])
        #expect(result.failures.map(\.entry) == ["a", "b", "enode://x"])
        let text = result.failures.last?.description ?? ""
        #expect(text.hasPrefix("line 3: enode:// names a devp2p node; use its enr: record"))
    }

    @Test func limits() {
        var limits = Bootnodes.Limits()
        limits.nodeCountMax = 1
        let result = Bootnodes.parse("\(Self.firstAddress)\n\(Self.record)", limits: limits)
        #expect(result.nodes.count == 1)
        #expect(result.failures.map(\.reason) == [.tooManyNodes(limit: 1)])
        limits.textSizeMax = 10
        let long = Bootnodes.parse(Self.firstAddress, limits: limits)
        #expect(
            long.failures.map(\.reason) == [
                .textTooLarge(size: Self.firstAddress.utf8.count, limit: 10)
            ])
        #expect(Bootnodes.parse("") == Bootnodes.parse("\n# nothing\n---\n-\n"))
    }
}
