import ChoraleBase
import Codec
import Crypto
import Testing

@testable import PeerIdentity

/// Keys made from a number, for tests.
func ed25519(_ number: UInt8) -> IdentityKey {
    IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](repeating: number, count: 32)))
}

func secp256k1(_ number: UInt8) -> IdentityKey {
    let secret = SecretBytes(copying: [UInt8](repeating: number, count: 32))
    guard let key = try? Secp256k1.PrivateKey(secret) else {
        preconditionFailure("\(number) repeated is a scalar")
    }
    return IdentityKey(key)
}

@Suite struct PeerIDTests {
    /// libp2p/specs `peer-ids/peer-ids.md`, "Test vectors".
    static let key: [UInt8] =
        [0x08, 0x01, 0x12, 0x20] + [
            0x1e, 0xd1, 0xe8, 0xfa, 0xe2, 0xc4, 0xa1, 0x44, 0xb8, 0xbe, 0x8f, 0xd4, 0xb4, 0x7b,
            0xf3,
            0xd3, 0xb3, 0x4b, 0x87, 0x1c, 0x3c, 0xac, 0xf6, 0x01, 0x0f, 0x0e, 0x42, 0xd4, 0x74,
            0xfc,
            0xe2, 0x7e,
        ]
    static let text = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq"

    @Test func theSpecificationsKey() throws {
        let id = try PublicKey(protobuf: Self.key).peerID
        #expect(id.description == Self.text)
        #expect(try PeerID(text: Self.text) == id)
        #expect(PeerID(id.cid) == id)
        #expect(PeerID("12D3") == nil)
        #expect(try id.inlinedKey()?.encoded == Self.key)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let name: String
        let multihash: [UInt8]
        let error: PeerID.DecodeError

        init(_ name: String, _ multihash: [UInt8], _ error: PeerID.DecodeError) {
            self.name = name
            self.multihash = multihash
            self.error = error
        }

        var testDescription: String { name }
    }

    static let refusals = [
        Refusal("nothing", [], .empty),
        Refusal("a code alone", [0x00], .empty),
        Refusal("an identity of nothing", [0x00, 0x00], .empty),
        Refusal("another hash", [0x13, 0x01, 0x01], .unknownHash(code: 0x13)),
        Refusal(
            "a key that is not inlined", [0x00, 43] + [UInt8](repeating: 1, count: 43),
            .inlinedKeyTooLarge(size: 43, limit: 42)),
        Refusal(
            "a short key", [0x00, 36] + [UInt8](repeating: 1, count: 35),
            .wrongLength(declared: 36, actual: 35)),
        Refusal(
            "a digest and more", [0x12, 32] + [UInt8](repeating: 1, count: 33),
            .wrongLength(declared: 32, actual: 33)),
        Refusal(
            "a digest of 31 bytes", [0x12, 31] + [UInt8](repeating: 1, count: 31),
            .wrongLength(declared: 31, actual: 31)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try PeerID(multihash: row.multihash) }
    }

    @Test func orderAndEqualityAreThoseOfTheBytes() throws {
        let ids = (1...20).map { ed25519($0).peerID } + (1...20).map { secp256k1($0).peerID }
        for first in ids {
            for second in ids {
                let precedes = first.multihash.lexicographicallyPrecedes(second.multihash)
                #expect((first < second) == precedes)
                #expect((first == second) == (first.multihash == second.multihash))
            }
        }
        #expect(Set(ids + ids).count == 40)
    }

    @Test func anIDMayHoldNoKey() throws {
        let id = try PeerID(multihash: [0x00, 3, 1, 2, 3])
        #expect(throws: KeyError.self) { try id.inlinedKey() }
        let hashed = try PeerID(multihash: [0x12, 32] + [UInt8](repeating: 7, count: 32))
        #expect(try hashed.inlinedKey() == nil)
    }

    @Test func addressesOfPeers() throws {
        let id = ed25519(1).peerID
        let other = ed25519(2).peerID
        let address = try Multiaddr("/ip4/192.0.2.7/tcp/4001")
        let full = try address.withPeerID(id)
        #expect(full.text == "/ip4/192.0.2.7/tcp/4001/p2p/\(id)")
        #expect(full.peerID == id)
        #expect(try full.withPeerID(other) == address.withPeerID(other))
        #expect(try Multiaddr("/p2p/\(id)").withPeerID(other).text == "/p2p/\(other)")
        #expect(address.peerID == nil)
    }
}
