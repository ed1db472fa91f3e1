import CSodium
public import ChoraleBase

/// X25519 key agreement.
///
/// libsodium rather than libcrypto: both multiply in the same 25 to 30 µs, but libcrypto derives the
/// public key again whenever it is handed a private one, which doubles the cost of an agreement.
///
/// Specification: RFC 7748, sections 5 and 6.1.
public enum X25519 {
    /// Size of private keys, public keys and shared secrets, in bytes.
    public static let keySize = 32

    /// Why two keys have no shared secret.
    public enum AgreementError: Error, Equatable, Sendable {
        /// The peer's point is of small order, so that the secret would be all zero and known to
        /// everyone (RFC 7748 section 6.1).
        case smallOrderPoint
    }

    /// The public key of a private key, which is clamped as the RFC says.
    ///
    /// - Precondition: `privateKey` has ``keySize`` bytes.
    public static func publicKey(of privateKey: SecretBytes) -> Bytes32 {
        precondition(privateKey.count == keySize, "an X25519 key of \(privateKey.count) bytes")
        _ = Sodium.ready
        var publicKey = Bytes32.zero
        publicKey.withMutablePointer { publicKey in
            privateKey.withPointer { privateKey in
                _ = crypto_scalarmult_base(publicKey, privateKey)
            }
        }
        return publicKey
    }

    /// The 32-byte secret shared with the owner of `publicKey`.
    ///
    /// Non-canonical public keys are reduced, and the highest bit is ignored, as the RFC says.
    ///
    /// - Precondition: `privateKey` has ``keySize`` bytes.
    /// - Throws: `.smallOrderPoint`, in a time independent of the private key.
    public static func sharedSecret(
        _ privateKey: SecretBytes,
        with publicKey: Bytes32
    ) throws(AgreementError) -> SecretBytes {
        precondition(privateKey.count == keySize, "an X25519 key of \(privateKey.count) bytes")
        _ = Sodium.ready
        return try SecretBytes(count: keySize) { secret throws(AgreementError) in
            let agreed = privateKey.withPointer { privateKey in
                publicKey.withPointer { crypto_scalarmult(secret, privateKey, $0) }
            }
            guard agreed == 0 else { throw .smallOrderPoint }
        }
    }
}
