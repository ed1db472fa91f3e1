import ChoraleBase
import Crypto
import TestSupport
import Testing

/// Readers of `crypto/wycheproof/`.
extension CryptoVectors {
    static let wycheproof: [String: VectorChecker] = [
        "chacha20_poly1305_test.json": aead,
        "ecdsa_secp256k1_sha256_test.json": secp256k1DER,
        "ecdsa_secp256k1_sha256_bitcoin_test.json": secp256k1Bitcoin,
        "ecdsa_secp256k1_sha256_p1363_test.json": secp256k1P1363,
        "ecdsa_secp256r1_sha256_test.json": p256DER,
        "ecdsa_secp256r1_sha256_p1363_test.json": p256P1363,
        "ecdsa_secp384r1_sha384_p1363_test.json": p384P1363,
        "ed25519_test.json": ed25519,
        "hkdf_sha256_test.json": hkdf,
        "hmac_sha256_test.json": hmac,
        "rsa_signature_2048_sha256_test.json": rsa,
        "x25519_test.json": x25519,
    ].reduce(into: [:]) { $0["crypto/wycheproof/\($1.key)"] = $1.value }

    /// Runs `check` for each test of a file; it says whether we accept.
    ///
    /// Files with `acceptable` results are not read through this.
    private static func verdicts(
        _ path: String, _ check: (_ group: JSON, _ test: JSON) throws -> Bool
    ) throws -> Int {
        let file = try Vectors.json(path)
        var cases = 0
        for group in try file["testGroups"].array {
            for test in try group["tests"].array {
                let result = try test["result"].string
                try #require(result == "valid" || result == "invalid")
                let name = try comment(test)
                let accepted = try check(group, test)
                #expect(accepted == (result == "valid"), name)
                cases += 1
            }
        }
        #expect(cases == (try file["numberOfTests"].int))
        return cases
    }

    private static func comment(_ test: JSON) throws -> Comment {
        Comment(rawValue: "tcId \(try test["tcId"].int): \(try test["comment"].string)")
    }

    @Sendable static func aead(_ path: String) throws -> Int {
        try verdicts(path) { _, test in
            let nonceBytes = try test["iv"].hex
            // A nonce of any other size cannot be written down in our interface.
            guard nonceBytes.count == ChaCha20Poly1305.nonceSize else { return false }
            var nonce = ChaCha20Poly1305.Nonce(repeating: 0)
            for index in nonce.indices { nonce[index] = nonceBytes[index] }
            let cipher = ChaCha20Poly1305(key: SecretBytes(copying: try test["key"].hex))
            let plaintext = try test["msg"].hex
            let associatedData = try test["aad"].hex
            let expected = try test["ct"].hex + (try test["tag"].hex)

            var sealed = plaintext + [UInt8](repeating: 0, count: ChaCha20Poly1305.tagSize)
            var buffer = sealed.mutableSpan
            cipher.seal(
                &buffer, plaintext: 0..<plaintext.count, nonce: nonce,
                authenticating: associatedData.span)
            let name = try comment(test)
            let isValid = try test["result"].string == "valid"
            #expect((sealed == expected) == isValid, name)

            var received = expected
            do {
                let count = received.count
                var buffer = received.mutableSpan
                let range = try cipher.open(
                    &buffer, sealed: 0..<count, nonce: nonce, authenticating: associatedData.span)
                #expect(Array(received[range]) == plaintext, name)
                return true
            } catch is ChaCha20Poly1305.OpenError {
                return false
            }
        }
    }

    private static func secp256k1Key(_ group: JSON) throws -> Secp256k1.PublicKey {
        try Secp256k1.PublicKey(uncompressed: try group["publicKey"]["uncompressed"].hex)
    }

    @Sendable static func secp256k1DER(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            try secp256k1Key(group).verifyDER(
                try test["sig"].hex, digest: SHA256.hash(try test["msg"].hex))
        }
    }

    /// The same, with the rule that s is in the lower half.
    @Sendable static func secp256k1Bitcoin(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            let signature = try test["sig"].hex
            let verified = try secp256k1Key(group).verifyDER(
                signature, digest: SHA256.hash(try test["msg"].hex))
            return verified && Secp256k1.isLowS(signatureDER: signature)
        }
    }

    @Sendable static func secp256k1P1363(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            try secp256k1Key(group).verifyCompact(
                try test["sig"].hex, digest: SHA256.hash(try test["msg"].hex))
        }
    }

    @Sendable static func p256DER(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            P256.verify(
                signatureDER: try test["sig"].hex, message: try test["msg"].hex,
                subjectPublicKeyInfo: try group["publicKeyDer"].hex)
        }
    }

    @Sendable static func p256P1363(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            P256.verify(
                signatureP1363: try test["sig"].hex, message: try test["msg"].hex,
                subjectPublicKeyInfo: try group["publicKeyDer"].hex)
        }
    }

    @Sendable static func p384P1363(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            P384.verify(
                signatureP1363: try test["sig"].hex, message: try test["msg"].hex,
                subjectPublicKeyInfo: try group["publicKeyDer"].hex)
        }
    }

    @Sendable static func ed25519(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            Ed25519.verify(
                signature: try test["sig"].hex, message: try test["msg"].hex,
                publicKey: try #require(Bytes32(try group["publicKey"]["pk"].hex)))
        }
    }

    @Sendable static func hkdf(_ path: String) throws -> Int {
        try verdicts(path) { _, test in
            let size = try test["size"].int
            guard (0...HKDFSHA256.outputSizeMax).contains(size) else { return false }
            let salt = try test["salt"].hex
            let material = try test["ikm"].hex
            let info = try test["info"].hex
            let key = HKDFSHA256.extract(salt: salt.span, inputKeyMaterial: material.span)
            return HKDFSHA256.expand(key, info: info.span, count: size)
                .isEqual(to: SecretBytes(copying: try test["okm"].hex))
        }
    }

    @Sendable static func hmac(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            let tag = try test["tag"].hex
            try #require(8 * tag.count == (try group["tagSize"].int))
            let code = HMACSHA256.authenticate(try test["msg"].hex, key: try test["key"].hex)
            return constantTimeEqual(Array(code.bytes.prefix(tag.count)).span, tag.span)
        }
    }

    @Sendable static func rsa(_ path: String) throws -> Int {
        try verdicts(path) { group, test in
            try RSA.verify(
                signature: try test["sig"].hex, message: try test["msg"].hex,
                subjectPublicKeyInfo: try group["publicKeyDer"].hex)
        }
    }

    /// Our rule for `acceptable`: as the RFC, except that an all-zero secret is refused.
    @Sendable static func x25519(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        var cases = 0
        for group in try file["testGroups"].array {
            for test in try group["tests"].array {
                let name = try comment(test)
                let publicKey = try #require(Bytes32(try test["public"].hex))
                let expected = try test["shared"].hex
                do {
                    let secret = try X25519.sharedSecret(
                        SecretBytes(copying: try test["private"].hex), with: publicKey)
                    #expect(secret.isEqual(to: SecretBytes(copying: expected)), name)
                } catch X25519.AgreementError.smallOrderPoint {
                    #expect(expected.allSatisfy { $0 == 0 }, name)
                    #expect(try test["result"].string == "acceptable", name)
                }
                cases += 1
            }
        }
        #expect(cases == (try file["numberOfTests"].int))
        return cases
    }
}
