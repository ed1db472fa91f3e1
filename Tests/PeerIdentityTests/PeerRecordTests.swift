import ChoraleBase
import Codec
import Crypto
import Testing

@testable import PeerIdentity

@Suite struct PeerRecordTests {
    static func addresses(_ count: Int) -> [Multiaddr] {
        (0..<count).map { .tcp(ip: .ip4(IPv4Address(rawValue: 0xC000_0200)), port: UInt16($0)) }
    }

    @Test func recordsReadBack() throws {
        for key in [ed25519(1), secp256k1(1)] {
            let record = PeerRecord(
                peerID: key.peerID, sequence: .max, addresses: Self.addresses(3))
            let envelope = record.seal(with: key)
            #expect(try PeerRecord.open(envelope.encoded) == record)
            let opened = try SignedEnvelope.open(
                envelope.encoded.span, kinds: [PeerRecord.kind])
            #expect(opened == envelope)
        }
    }

    @Test func everyTruncationAndEveryChangedByteIsRefused() throws {
        let key = ed25519(1)
        let record = PeerRecord(peerID: key.peerID, sequence: 5, addresses: Self.addresses(2))
        let bytes = record.seal(with: key).encoded
        for count in 0..<bytes.count {
            let cut = Array(bytes.prefix(count))
            #expect(throws: PeerRecord.OpenError.self) { try PeerRecord.open(cut) }
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 0x10
            // Only bytes outside the four fields could be changed unseen, and there are none.
            #expect(throws: PeerRecord.OpenError.self, "\(index)") {
                try PeerRecord.open(changed)
            }
        }
    }

    @Test func theFormOfTheSpecificationIsRead() throws {
        let key = ed25519(1)
        let record = PeerRecord(peerID: key.peerID, sequence: 5, addresses: Self.addresses(1))
        let payload = record.seal(with: key).payload
        let text = SignedEnvelope.seal(payload, kind: PeerRecord.textKind, with: key)
        #expect(try PeerRecord.open(text.encoded) == record)

        // The type of one form under the domain of the other.
        let mixed = SignedEnvelope.Kind(
            domain: PeerRecord.kind.domain, payloadType: PeerRecord.textKind.payloadType)
        let wrong = SignedEnvelope.seal(payload, kind: mixed, with: key).encoded
        #expect(throws: PeerRecord.OpenError.envelope(.badSignature)) {
            try PeerRecord.open(wrong)
        }
        let foreign = SignedEnvelope.Kind(domain: "x", payloadType: [9])
        let other = SignedEnvelope.seal(payload, kind: foreign, with: key).encoded
        #expect(throws: PeerRecord.OpenError.envelope(.unexpectedPayloadType([9]))) {
            try PeerRecord.open(other)
        }
    }

    @Test func aRecordAboutAnotherPeerIsRefused() throws {
        let key = ed25519(1)
        let other = PeerRecord(peerID: ed25519(2).peerID, sequence: 5, addresses: [])
        let payload = other.seal(with: ed25519(2)).payload
        let bytes = SignedEnvelope.seal(payload, kind: PeerRecord.kind, with: key).encoded
        #expect(throws: PeerRecord.OpenError.otherSigner(key.peerID)) {
            try PeerRecord.open(bytes)
        }
    }

    @Test func addressesAreBounded() throws {
        let key = ed25519(1)
        let many = PeerRecord(
            peerID: key.peerID, sequence: 1, addresses: Self.addresses(70))
        #expect(many.addresses.count == 64)
        #expect(many.droppedAddressCount == 6)

        // Long addresses: the envelope stays within what peers read.
        let name = String(repeating: "a", count: 250)
        let long = (1...40).map { try? Multiaddr("/dns/\(name)/tcp/\($0)") }.compactMap { $0 }
        let record = PeerRecord(peerID: key.peerID, sequence: 1, addresses: long)
        #expect(record.addresses.count + record.droppedAddressCount == 40)
        #expect(record.addresses.count == 6144 / (257 + 6))
        #expect(record.seal(with: key).encoded.count <= 8192)

        // More than we keep, from a peer: the first ones count.
        var writer = ProtobufWriter()
        writer.bytes(1, key.peerID.multihash)
        writer.varint(2, 9)
        for address in Self.addresses(100) {
            let message = writer.beginMessage(3)
            writer.bytes(1, address.bytes)
            writer.endMessage(message)
        }
        let bytes = SignedEnvelope.seal(writer.bytes, kind: PeerRecord.kind, with: key).encoded
        let opened = try PeerRecord.open(bytes)
        #expect(opened.addresses == Self.addresses(64))
        #expect(opened.droppedAddressCount == 36)
    }

    @Test func limitsOfEnvelopes() throws {
        let key = ed25519(1)
        let big = [UInt8](repeating: 0, count: 8193)
        #expect(throws: PeerRecord.OpenError.envelope(.tooLarge(size: 8193, limit: 8192))) {
            try PeerRecord.open(big)
        }
        func envelope(type: Int, signature: Int, twice: Bool = false) -> [UInt8] {
            var writer = ProtobufWriter()
            writer.bytes(1, key.publicKey.encoded)
            writer.bytes(2, [UInt8](repeating: 1, count: type))
            writer.bytes(3, [])
            if twice { writer.bytes(3, []) }
            writer.bytes(5, [UInt8](repeating: 1, count: signature))
            return writer.bytes
        }
        let rows: [([UInt8], SignedEnvelope.OpenError)] = [
            (envelope(type: 65, signature: 64), .payloadTypeTooLong(size: 65, limit: 64)),
            (envelope(type: 2, signature: 1025), .signatureTooLong(size: 1025, limit: 1024)),
            (envelope(type: 2, signature: 64, twice: true), .protobuf(.repeatedField(3))),
            ([], .protobuf(.missingField(1))),
        ]
        for (bytes, error) in rows {
            #expect(throws: PeerRecord.OpenError.envelope(error)) { try PeerRecord.open(bytes) }
        }
    }

    @Test func onlyALargerSequenceNumberSupersedes() {
        let id = ed25519(1).peerID
        func record(_ id: PeerID, _ sequence: UInt64) -> PeerRecord {
            PeerRecord(peerID: id, sequence: sequence, addresses: [])
        }
        #expect(record(id, 2).supersedes(record(id, 1)))
        #expect(!record(id, 2).supersedes(record(id, 2)))
        #expect(!record(id, 1).supersedes(record(id, 2)))
        #expect(!record(ed25519(2).peerID, 2).supersedes(record(id, 1)))
    }
}
