import ChoraleBase
import Crypto
import Testing

@Suite struct Curve25519VectorTests {
    struct SignatureRow: Sendable {
        let seed: [UInt8]
        let publicKey: [UInt8]
        let message: [UInt8]
        let signature: [UInt8]
    }

    /// RFC 8032, section 7.1, tests 1 to 3.
    static let signatures = [
        SignatureRow(
            seed: hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
            publicKey: hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
            message: [],
            signature: hex(
                """
                e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
                5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
                """)),
        SignatureRow(
            seed: hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
            publicKey: hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
            message: [0x72],
            signature: hex(
                """
                92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
                085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
                """)),
        SignatureRow(
            seed: hex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
            publicKey: hex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"),
            message: [0xAF, 0x82],
            signature: hex(
                """
                6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
                18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
                """)),
    ]

    @Test(arguments: signatures) func ed25519(_ row: SignatureRow) {
        let key = Ed25519.PrivateKey(seed: SecretBytes(copying: row.seed))
        #expect(key.publicKey.bytes == row.publicKey)
        #expect(key.sign(row.message) == row.signature)
        #expect(
            Ed25519.verify(
                signature: row.signature, message: row.message, publicKey: key.publicKey))
        #expect(
            !Ed25519.verify(
                signature: row.signature, message: row.message + [0], publicKey: key.publicKey))
        for bit in 0..<512 {
            var changed = row.signature
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(
                !Ed25519.verify(
                    signature: changed, message: row.message, publicKey: key.publicKey))
        }
        for size in 0..<64 {
            #expect(
                !Ed25519.verify(
                    signature: Array(row.signature.prefix(size)), message: row.message,
                    publicKey: key.publicKey))
        }
        #expect(
            !Ed25519.verify(
                signature: row.signature + [0], message: row.message, publicKey: key.publicKey))
    }

    /// A key of small order signs everything for everyone. "Taming the many EdDSAs", case 0.
    @Test func ed25519RefusesKeysOfSmallOrder() throws {
        let key = try #require(
            Bytes32(hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa")))
        let message = hex("8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6")
        let signature =
            hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
            + [UInt8](repeating: 0, count: 32)
        #expect(!Ed25519.verify(signature: signature, message: message, publicKey: key))
    }

    @Test func keysAreRandom() {
        let keys = (0..<8).map { _ in Ed25519.PrivateKey.random().publicKey }
        #expect(Set(keys).count == keys.count)
    }

    /// RFC 7748, section 5.2, first test.
    @Test func x25519() throws {
        let scalar = SecretBytes(
            copying: hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"))
        let point = try #require(
            Bytes32(hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")))
        let secret = try X25519.sharedSecret(scalar, with: point)
        let expected = hex("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")
        #expect(secret.isEqual(to: SecretBytes(copying: expected)))
    }

    /// RFC 7748, section 6.1.
    @Test func diffieHellman() throws {
        let alice = SecretBytes(
            copying: hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
        let bob = SecretBytes(
            copying: hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
        #expect(
            X25519.publicKey(of: alice).description
                == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        #expect(
            X25519.publicKey(of: bob).description
                == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
        let shared = SecretBytes(
            copying: hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"))
        #expect(
            try X25519.sharedSecret(alice, with: X25519.publicKey(of: bob)).isEqual(to: shared))
        #expect(
            try X25519.sharedSecret(bob, with: X25519.publicKey(of: alice)).isEqual(to: shared))
    }

    /// Points of order 1, 2, 4 and 8, two of them also in a form above p (RFC 7748 section 6.1).
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]) func x25519RefusesPointsOfSmallOrder(_ text: String) throws {
        let point = try #require(Bytes32(hex(text)))
        let key = SecretBytes.random(count: 32)
        #expect(throws: X25519.AgreementError.smallOrderPoint) {
            try X25519.sharedSecret(key, with: point)
        }
    }
}
