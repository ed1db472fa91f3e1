import ChoraleBase
import Codec
import Crypto
import Testing

@testable import PeerIdentity

@Suite struct KeyTests {
    static let keys = [ed25519(1), ed25519(2), secp256k1(1), secp256k1(2)]

    @Test func signaturesVerifyUnderTheirKeyOnly() {
        let message = Array("a message".utf8)
        for key in Self.keys {
            let signature = key.sign(message)
            for other in Self.keys {
                let verified = other.publicKey.verify(signature: signature, message: message)
                #expect(verified == (other.peerID == key.peerID))
            }
            for count in 0..<signature.count {
                let cut = Array(signature.prefix(count))
                #expect(!key.publicKey.verify(signature: cut, message: message))
            }
            #expect(!key.publicKey.verify(signature: signature + [0], message: message))
        }
    }

    @Test func privateKeysReadBack() throws {
        for key in Self.keys {
            let protobuf = key.protobuf
            #expect(protobuf.count == (key.ed25519 == nil ? 36 : 68))
            let again = try IdentityKey(protobuf: protobuf)
            #expect(again.publicKey == key.publicKey)
            #expect(again.sign([1, 2, 3]) == key.sign([1, 2, 3]))
            #expect(try IdentityKey.publicKey(ofProtobuf: protobuf) == key.publicKey)
        }
    }

    @Test func printingShowsNoSecret() {
        for key in Self.keys {
            #expect("\(key)" == "key of \(key.peerID)")
            var dumped = ""
            dump(key, to: &dumped)
            #expect(!dumped.contains("1, 1, 1") && !dumped.contains("0101"))
        }
    }

    @Test func everyTruncationOfAKeyIsRefused() {
        for key in Self.keys {
            let encoded = key.publicKey.encoded
            for count in 0..<encoded.count {
                let cut = Array(encoded.prefix(count))
                #expect(throws: KeyError.self) { try PublicKey(protobuf: cut) }
            }
            let bytes = key.protobuf.withSpan { $0.copied() }
            for count in 0..<bytes.count {
                let cut = SecretBytes(copying: Array(bytes.prefix(count)))
                #expect(throws: KeyError.self) { try IdentityKey(protobuf: cut) }
            }
        }
    }

    @Test(arguments: UInt64(0)..<200) func mutatedKeysNeverTrap(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let key = Self.keys[random.below(Self.keys.count)]
        var bytes = key.publicKey.encoded
        for _ in 0..<random.integer(in: 1...3) {
            bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
        }
        // What is accepted has one encoding, and that is the one it was read from.
        if let read = try? PublicKey(protobuf: bytes) { #expect(read.encoded == bytes) }
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let error: KeyError

        init(_ name: String, _ bytes: [UInt8], _ error: KeyError) {
            self.name = name
            self.bytes = bytes
            self.error = error
        }

        var testDescription: String { name }
    }

    static let body = [UInt8](repeating: 9, count: 32)
    static let refusals = [
        Refusal("nothing", [], .protobuf(.missingField(1))),
        Refusal("no data", [8, 1], .protobuf(.missingField(2))),
        Refusal("no type", [0x12, 32] + body, .protobuf(.missingField(1))),
        Refusal("type 4", [8, 4, 0x12, 32] + body, .unknownType(4)),
        Refusal("type twice", [8, 1, 8, 1, 0x12, 32] + body, .protobuf(.repeatedField(1))),
        Refusal(
            "data twice", [8, 1, 0x12, 0, 0x12, 32] + body, .protobuf(.repeatedField(2))),
        Refusal(
            "data before type", [0x12, 32] + body + [8, 1],
            .protobuf(.fieldsOutOfOrder(field: 1, after: 2))),
        Refusal("another field", [8, 1, 0x12, 32] + body + [0x18, 0], .unexpectedField(3)),
        Refusal("long type", [8, 0x81, 0, 0x12, 32] + body, .protobuf(.varintNotMinimal)),
        Refusal("31 bytes", [8, 1, 0x12, 31] + body.dropLast(), .wrongSize(.ed25519, size: 31)),
        Refusal("no point", [8, 2, 0x12, 33, 5] + body, .secp256k1(.notAPoint)),
        Refusal("no P-256 key", [8, 3, 0x12, 32] + body, .notP256),
        Refusal(
            "larger than any", [UInt8](repeating: 0, count: 1201),
            .tooLarge(size: 1201, limit: 1200)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try PublicKey(protobuf: row.bytes) }
    }

    @Test func theHalvesOfAnEd25519KeyBelongTogether() throws {
        let key = ed25519(1)
        let seed = [UInt8](repeating: 1, count: 32)
        let own = try #require(key.ed25519).publicKey.bytes
        let foreign = try #require(ed25519(2).ed25519).publicKey.bytes
        func read(_ data: [UInt8]) throws -> IdentityKey {
            let bytes = [8, 1, 0x12, UInt8(data.count)] + data
            return try IdentityKey(protobuf: SecretBytes(copying: bytes))
        }
        #expect(try read(seed + own).peerID == key.peerID)
        #expect(try read(seed + own + own).peerID == key.peerID)
        #expect(throws: KeyError.halvesDiffer) { try read(seed + foreign) }
        #expect(throws: KeyError.halvesDiffer) { try read(seed + own + foreign) }
        #expect(throws: KeyError.wrongSize(.ed25519, size: 32)) { try read(seed) }
    }
}
