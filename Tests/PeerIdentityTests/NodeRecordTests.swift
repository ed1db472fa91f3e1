import ChoraleBase
import Codec
import Crypto
import Testing

@testable import PeerIdentity

@Suite struct NodeRecordTests {
    /// EIP-778, "Test Vectors".
    static let example =
        "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8"
        + "RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1"
        + "ZHCCdl8"

    static func key(_ number: UInt8) throws -> Secp256k1.PrivateKey {
        try #require(secp256k1(number).secp256k1)
    }

    @Test func theSpecificationsRecord() throws {
        let record = try NodeRecord(text: Self.example)
        #expect(record.sequence == 1)
        #expect(record.ip == .loopback)
        #expect(record.udp == 30303)
        #expect(record.tcp == nil)
        #expect(
            record.nodeID.description
                == "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7")
        #expect(record.multiaddrs.isEmpty)
        #expect(record.text == Self.example)
    }

    static func contents() -> NodeRecord.Contents {
        var contents = NodeRecord.Contents()
        contents.ip = IPv4Address(192, 0, 2, 7)
        contents.tcp = 4001
        contents.udp = 127
        contents.quic = 0x0100
        contents.ip6 = IPv6Address("2001:db8::1")
        contents.tcp6 = 1
        contents.udp6 = 2
        contents.quic6 = 3
        contents.forkDigest = [1, 2, 3, 4]
        contents.roles = 0x8000_0005
        contents.isProver = true
        return contents
    }

    @Test func everyFieldReadsBack() throws {
        let key = try Self.key(3)
        let signed = try NodeRecord(signing: Self.contents(), sequence: 1 << 40, with: key)
        let record = try NodeRecord(text: signed.text)
        #expect(record == signed)
        #expect(record.sequence == 1 << 40)
        #expect(record.ip == IPv4Address(192, 0, 2, 7))
        #expect(record.tcp == 4001)
        #expect(record.udp == 127)
        #expect(record.quic == 0x0100)
        #expect(record.ip6 == IPv6Address("2001:db8::1"))
        #expect(record.tcp6 == 1)
        #expect(record.udp6 == 2)
        #expect(record.quic6 == 3)
        #expect(record.forkDigest == [1, 2, 3, 4])
        #expect(record.roles == 0x8000_0005)
        #expect(record.isProver)
        #expect(record.peerID == secp256k1(3).peerID)
        #expect(
            record.multiaddrs.map(\.text) == [
                "/ip4/192.0.2.7/tcp/4001", "/ip6/2001:db8::1/tcp/1",
                "/ip4/192.0.2.7/udp/256/quic-v1", "/ip6/2001:db8::1/udp/3/quic-v1",
            ])
        #expect(record.bytes.count <= NodeRecord.sizeMax)
    }

    @Test func onePortServesBothFamilies() throws {
        var contents = NodeRecord.Contents()
        contents.tcp = 9000
        contents.ip6 = .loopback
        let record = try NodeRecord(signing: contents, sequence: 0, with: try Self.key(3))
        #expect(record.multiaddrs.map(\.text) == ["/ip6/::1/tcp/9000"])
        #expect(record.forkDigest == nil)
        #expect(record.roles == nil)
        #expect(!record.isProver)
        contents.tcp = 0
        let closed = try NodeRecord(signing: contents, sequence: 0, with: try Self.key(3))
        #expect(closed.tcp == 0)
        #expect(closed.multiaddrs.isEmpty)
    }

    @Test func everyTruncationAndEveryChangedByteIsRefused() throws {
        let bytes = try NodeRecord(
            signing: Self.contents(), sequence: 7, with: try Self.key(3)
        ).bytes
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            #expect(throws: NodeRecord.RecordError.self) { try NodeRecord(bytes: cut.span) }
        }
        for index in bytes.indices {
            for bit in [UInt8(1), 0x20, 0x80] {
                var changed = bytes
                changed[index] ^= bit
                #expect(throws: NodeRecord.RecordError.self, "\(index)") {
                    try NodeRecord(bytes: changed.span)
                }
            }
        }
        let longer = bytes + [0]
        #expect(throws: NodeRecord.RecordError.rlp(.trailingBytes(1))) {
            try NodeRecord(bytes: longer.span)
        }
    }

    @Test(arguments: UInt64(0)..<100) func randomListsNeverTrap(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let payload = random.bytes(count: random.below(290))
        let bytes = [0xF9, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)] + payload
        #expect(throws: NodeRecord.RecordError.self) { try NodeRecord(bytes: bytes.span) }
    }

    @Test func onlyCanonicalEncodingsAreRead() throws {
        let rows: [([UInt8], RLPError)] = [
            ([0xC2, 0x81, 0x01], .byteNotMinimal(1)),
            ([0xF8, 0x01, 0x01], .lengthNotMinimal),
            ([0xF9, 0x00, 0x38] + [UInt8](repeating: 1, count: 56), .lengthNotMinimal),
            (
                [0xFF] + [UInt8](repeating: 0xFF, count: 8),
                .lengthBeyondEnd(length: .max, remaining: 0)
            ),
            ([0x80], .unexpectedKind(.bytes)),
            ([0xC0], .missingItem),
            ([0xC1, 0x80], .missingItem),
            ([0xC3, 0x80, 0x80, 0x80], .missingItem),
            ([0xC2, 0xC0, 0x80], .unexpectedKind(.list)),
            ([0xC2, 0x80, 0x00], .integerNotMinimal),
            ([0xC5, 0x80, 0x01, 0x01, 0xC1, 0xC1], .lengthBeyondEnd(length: 1, remaining: 0)),
            ([], .truncated),
        ]
        for (bytes, error) in rows {
            #expect(throws: NodeRecord.RecordError.rlp(error)) {
                try NodeRecord(bytes: bytes.span)
            }
        }
    }

    @Test func pairsAreChecked() throws {
        let key = try Self.key(3)
        func pair(_ key: String, _ value: [UInt8]) -> NodeRecord.Pair {
            NodeRecord.Pair(key: Array(key.utf8), encodedValue: NodeRecord.encoded(value))
        }
        let id = pair("id", Array("v4".utf8))
        let own = pair("secp256k1", key.publicKey.compressed)
        let large = pair("z", [UInt8](repeating: 1, count: 250))
        let rows: [([NodeRecord.Pair], NodeRecord.RecordError)] = [
            ([own, id], .keysOutOfOrder),
            ([id, id, own], .keysOutOfOrder),
            ([own], .unknownIdentityScheme),
            ([pair("id", Array("v5".utf8)), own], .unknownIdentityScheme),
            ([id], .noPublicKey),
            ([id, pair("secp256k1", [1])], .publicKey(.wrongSize(1))),
            (
                [id, pair("secp256k1", try Self.key(4).publicKey.compressed)],
                .otherKey
            ),
        ]
        for (pairs, error) in rows {
            #expect(throws: error) { try NodeRecord(signing: pairs, sequence: 1, with: key) }
        }
        #expect(throws: NodeRecord.RecordError.self) {
            try NodeRecord(signing: [id, own, large], sequence: 1, with: key)
        }
        #expect(try NodeRecord(signing: [id, own], sequence: 1, with: key).pairs.count == 2)
    }

    @Test func textIsBounded() {
        let long = "enr:" + String(repeating: "A", count: 401)
        #expect(throws: NodeRecord.RecordError.tooLarge(size: 405, limit: 404)) {
            try NodeRecord(text: long)
        }
        #expect(throws: NodeRecord.RecordError.noPrefix) {
            try NodeRecord(text: String(Self.example.dropFirst(4)))
        }
        #expect(throws: NodeRecord.RecordError.base64(.wrongPadding)) {
            try NodeRecord(text: Self.example + "=")
        }
    }
}
