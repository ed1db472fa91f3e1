import CLibcrypto
import ChoraleBase

/// RSA signatures with PKCS#1 v1.5 padding and SHA-256: the identities of some other peers.
///
/// Specification: RFC 8017, section 8.2.2; libp2p/specs `peer-ids/peer-ids.md`.
public enum RSA {
    /// What a peer's key may look like.
    public struct Limits: Equatable, Sendable {
        /// Smallest modulus, in bits. Smaller ones can be factored; go-libp2p refuses them too.
        public var modulusBitsMin = 2048
        /// Largest modulus, in bits. go-libp2p's limit: verifying with one takes under a
        /// millisecond.
        public var modulusBitsMax = 8192
        /// Largest public exponent, in bits. Verification takes as many squarings; Go's limit.
        public var exponentBitsMax = 31
        /// Largest SubjectPublicKeyInfo looked at, in bytes: an 8192-bit modulus is 1024 bytes, and
        /// exponent and headers stay below 76.
        public var subjectPublicKeyInfoSizeMax = 1100

        public init() {}
    }

    /// Why bytes are not a key we use.
    public enum KeyError: Error, Equatable, Sendable {
        case encodingTooLong(size: Int, limit: Int)
        /// Not the DER of an RSA SubjectPublicKeyInfo, or not only that.
        case malformed
        case modulusTooSmall(bits: Int, limit: Int)
        case modulusTooLarge(bits: Int, limit: Int)
        /// The exponent is even, below 3, or longer than `exponentBitsMax`.
        case exponentOutOfRange
    }

    /// Checks that the bytes are a key within the limits.
    public static func check(
        subjectPublicKeyInfo: Span<UInt8>, limits: Limits = Limits()
    ) throws(KeyError) {
        _ = try key(subjectPublicKeyInfo, limits: limits)
    }

    /// As the form with spans.
    public static func check(
        subjectPublicKeyInfo: [UInt8], limits: Limits = Limits()
    ) throws(KeyError) {
        try check(subjectPublicKeyInfo: subjectPublicKeyInfo.span, limits: limits)
    }

    /// Whether `signature` is one of `message`.
    ///
    /// - Throws: ``KeyError`` when the key is not one we use, before any arithmetic with it.
    public static func verify(
        signature: Span<UInt8>,
        message: Span<UInt8>,
        subjectPublicKeyInfo: Span<UInt8>,
        limits: Limits = Limits()
    ) throws(KeyError) -> Bool {
        let key = try key(subjectPublicKeyInfo, limits: limits)
        let digest = SHA256.hash(message)
        return key.verify(signature, digest: digest.storage.span, pkcs1: EVP_sha256())
    }

    /// As the form with spans.
    public static func verify(
        signature: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) throws(KeyError) -> Bool {
        try verify(
            signature: signature.span, message: message.span,
            subjectPublicKeyInfo: subjectPublicKeyInfo.span)
    }

    /// The SubjectPublicKeyInfo that belongs to a PKCS#1 `RSAPrivateKey`.
    ///
    /// - Returns: nil when the bytes are not such a key within the default limits.
    public static func publicKey(ofPKCS1Private encoding: SecretBytes) -> [UInt8]? {
        guard let publicKey = Crypto.subjectPublicKeyInfo(ofPrivate: encoding, type: EVP_PKEY_RSA),
            (try? check(subjectPublicKeyInfo: publicKey.span)) != nil
        else { return nil }
        return publicKey
    }

    private static func key(
        _ encoding: Span<UInt8>, limits: Limits
    ) throws(KeyError) -> ParsedPublicKey {
        guard encoding.count <= limits.subjectPublicKeyInfoSizeMax else {
            throw .encodingTooLong(size: encoding.count, limit: limits.subjectPublicKeyInfoSizeMax)
        }
        guard let parsed = ParsedPublicKey(subjectPublicKeyInfo: encoding) else {
            throw .malformed
        }
        guard EVP_PKEY_get_base_id(parsed.key) == EVP_PKEY_RSA else { throw .malformed }
        let bits = Int(EVP_PKEY_get_bits(parsed.key))
        guard bits >= limits.modulusBitsMin else {
            throw .modulusTooSmall(bits: bits, limit: limits.modulusBitsMin)
        }
        guard bits <= limits.modulusBitsMax else {
            throw .modulusTooLarge(bits: bits, limit: limits.modulusBitsMax)
        }
        guard isExponentUsable(parsed, limits: limits) else { throw .exponentOutOfRange }
        return parsed
    }

    private static func isExponentUsable(
        _ parsed: borrowing ParsedPublicKey, limits: Limits
    ) -> Bool {
        var exponent: OpaquePointer?
        guard EVP_PKEY_get_bn_param(parsed.key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 else {
            return false
        }
        defer { BN_free(exponent) }
        let bits = Int(BN_num_bits(exponent))
        // Two bits and odd is 3 at least.
        return (2...limits.exponentBitsMax).contains(bits) && BN_is_odd(exponent) == 1
    }
}
