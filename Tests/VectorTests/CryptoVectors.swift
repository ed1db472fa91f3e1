import ChoraleBase
import TestSupport
import Testing

@testable import Crypto

/// Readers of `crypto/`.
enum CryptoVectors {
    static let checkers: [String: VectorChecker] = [
        "crypto/keccak256.json": keccak,
        "crypto/ed25519-rfc8032.json": ed25519RFC,
        "crypto/ed25519-edge-cases.json": ed25519EdgeCases,
        "crypto/vrf-rfc9381.json": vrf,
    ].merging(wycheproof) { _, _ in preconditionFailure("two checkers for one vector file") }

    @Sendable static func keccak(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let input = try vector["input"].hex
            #expect(Keccak256.hash(input).bytes == (try vector["keccak256"].hex))
            #expect(SHA256.hash(input).bytes == (try vector["sha2_256"].hex))
            // The padding byte is all that separates them.
            #expect(Keccak256.hash(input).bytes != (try vector["sha3_256"].hex))
        }
        return vectors.count
    }

    @Sendable static func ed25519RFC(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let name = Comment(rawValue: try vector["name"].string)
            let key = Ed25519.PrivateKey(seed: SecretBytes(copying: try vector["secret"].hex))
            let message = try vector["message"].hex
            let signature = try vector["signature"].hex
            #expect(key.publicKey.bytes == (try vector["public"].hex), name)
            #expect(key.sign(message) == signature, name)
            #expect(
                Ed25519.verify(signature: signature, message: message, publicKey: key.publicKey),
                name)
        }
        return vectors.count
    }

    /// Our rule is the column `strict`.
    @Sendable static func ed25519EdgeCases(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let name = Comment(rawValue: try vector["name"].string)
            let publicKey = try #require(Bytes32(try vector["public"].hex))
            let accepted = Ed25519.verify(
                signature: try vector["signature"].hex, message: try vector["message"].hex,
                publicKey: publicKey)
            #expect(accepted == (try vector["accept"]["strict"].bool), name)
        }
        return vectors.count
    }

    /// Only suite 0x03. The entries of suite 0x04 (Elligator) are left out, because Chorale does not
    /// use it; those of any other name fail.
    @Sendable static func vrf(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        var cases = 0
        for vector in try file["valid"].array where try usesOurSuite(vector) {
            let name = Comment(rawValue: try vector["name"].string)
            let key = Ed25519.PrivateKey(seed: SecretBytes(copying: try vector["sk"].hex))
            #expect(key.publicKey.bytes == (try vector["pk"].hex), name)
            let alpha = try vector["alpha"].hex
            let proof = try vector["pi"].hex
            let output = try vector["beta"].hex
            let (point, counter) = VRF.hashToCurve(alpha.span, salt: key.publicKey)
            #expect(point.bytes == (try vector["h"].hex), name)
            #expect(counter == (try vector["ctr"].int), name)
            #expect(VRF.prove(alpha: alpha, privateKey: key) == proof, name)
            #expect(
                try VRF.verify(proof: proof, alpha: alpha, publicKey: key.publicKey) == output,
                name)
            cases += 1
        }
        for vector in try file["invalid"].array where try usesOurSuite(vector) {
            let publicKey = try #require(Bytes32(try vector["pk"].hex))
            let (proof, alpha) = (try vector["pi"].hex, try vector["alpha"].hex)
            let name = Comment(rawValue: try vector["name"].string)
            #expect(throws: VRF.VerifyError.self, name) {
                try VRF.verify(proof: proof, alpha: alpha, publicKey: publicKey)
            }
            cases += 1
        }
        return cases
    }

    private static func usesOurSuite(_ vector: JSON) throws -> Bool {
        let suite = try vector["suite"].string
        try #require(
            ["ECVRF-EDWARDS25519-SHA512-TAI", "ECVRF-EDWARDS25519-SHA512-ELL2"].contains(suite))
        return suite == "ECVRF-EDWARDS25519-SHA512-TAI"
    }
}
