import CSodium
public import ChoraleBase

/// Ed25519 signatures.
///
/// Verification follows one rule everywhere, libsodium's: S must be below the group order; the
/// public key must be a canonical encoding and neither it nor R may be of small order; and the
/// equation is the one without the cofactor, with R compared as bytes. Implementations that follow
/// other rules disagree on signatures made to be disagreed on, never on honest ones.
///
/// Specification: RFC 8032, section 5.1.
public enum Ed25519 {
    /// Size of a signature, in bytes.
    public static let signatureSize = 64
    /// Size of a private key's seed, in bytes.
    public static let seedSize = 32

    /// A signing key. Wiped with its last reference.
    public final class PrivateKey: Sendable {
        /// The 32 bytes that RFC 8032 calls the private key.
        public let seed: SecretBytes
        public let publicKey: Bytes32
        /// libsodium's form: seed, then public key.
        private let expanded: SecretBytes

        /// Derives the key pair.
        ///
        /// - Precondition: `seed` has ``Ed25519/seedSize`` bytes.
        public init(seed: SecretBytes) {
            precondition(seed.count == seedSize, "an Ed25519 seed of \(seed.count) bytes")
            _ = Sodium.ready
            var publicKey = Bytes32.zero
            expanded = SecretBytes(count: 64) { secretKey in
                publicKey.withMutablePointer { publicKey in
                    seed.withPointer { seed in
                        _ = crypto_sign_seed_keypair(publicKey, secretKey, seed)
                    }
                }
            }
            self.publicKey = publicKey
            self.seed = seed
        }

        /// A new key from the operating system's randomness.
        public static func random() -> PrivateKey {
            PrivateKey(seed: .random(count: seedSize))
        }

        /// The deterministic 64-byte signature of `message`.
        public func sign(_ message: Span<UInt8>) -> [UInt8] {
            let message = message.borrowed
            return [UInt8](unsafeUninitializedCapacity: signatureSize) { signature, count in
                expanded.withPointer { key in
                    // Fails only for a null pointer.
                    _ = crypto_sign_detached(
                        signature.baseAddress!, nil, message.baseAddress,
                        UInt64(message.count), key)
                }
                count = signatureSize
            }
        }

        /// The deterministic 64-byte signature of `message`.
        public func sign(_ message: [UInt8]) -> [UInt8] { sign(message.span) }
    }

    /// Whether `signature` is one of `message` under the rule given at ``Ed25519``.
    ///
    /// False for a signature of any size but 64 bytes.
    public static func verify(
        signature: Span<UInt8>,
        message: Span<UInt8>,
        publicKey: Bytes32
    ) -> Bool {
        guard signature.count == signatureSize else { return false }
        guard let memo = SignatureMemo.current else {
            return isGood(signature: signature, message: message, publicKey: publicKey)
        }
        let digest = SignatureMemo.digest(
            .ed25519, signature: signature, message: message, publicKey: publicKey)
        if memo.contains(digest) { return true }
        guard isGood(signature: signature, message: message, publicKey: publicKey) else {
            return false
        }
        memo.insert(digest)
        return true
    }

    private static func isGood(
        signature: Span<UInt8>, message: Span<UInt8>, publicKey: Bytes32
    ) -> Bool {
        let signature = signature.borrowed
        let message = message.borrowed
        _ = Sodium.ready
        return publicKey.withPointer {
            crypto_sign_verify_detached(
                signature.baseAddress!, message.baseAddress, UInt64(message.count), $0) == 0
        }
    }

    /// As the form with spans.
    public static func verify(
        signature: [UInt8],
        message: [UInt8],
        publicKey: Bytes32
    ) -> Bool {
        verify(signature: signature.span, message: message.span, publicKey: publicKey)
    }

    /// As the form with spans.
    public static func verify(
        signature: [UInt8],
        message: Span<UInt8>,
        publicKey: Bytes32
    ) -> Bool {
        verify(signature: signature.span, message: message, publicKey: publicKey)
    }
}

extension Ed25519.PrivateKey: CustomStringConvertible, CustomReflectable {
    /// The public key. The seed is never shown.
    public var description: String { "Ed25519 private key of \(publicKey)" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
