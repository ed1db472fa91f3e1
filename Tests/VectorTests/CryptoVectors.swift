import ChoraleBase
import Crypto
import TestSupport
import Testing

/// Readers of `crypto/`.
enum CryptoVectors {
    static let checkers: [String: VectorChecker] = [
        "crypto/keccak256.json": keccak,
        "crypto/ed25519-rfc8032.json": ed25519RFC,
        "crypto/ed25519-edge-cases.json": ed25519EdgeCases,
    ]

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
}
