import CLibcrypto
import ChoraleBase

// Verification only: these keys are identities of other peers and of attestation services.
// A key is accepted in one encoding: SubjectPublicKeyInfo with the curve by name and the point
// uncompressed, which is what every libp2p implementation and every certificate writes.

/// ECDSA over P-256 with SHA-256.
///
/// Specification: FIPS 186-5, section 6; RFC 5480 for keys.
public enum P256 {
    /// Size of an accepted SubjectPublicKeyInfo, in bytes.
    public static let subjectPublicKeyInfoSize = 91

    /// Whether the bytes are a key in the accepted encoding, with its point on the curve.
    public static func isPublicKey(_ subjectPublicKeyInfo: Span<UInt8>) -> Bool {
        NISTCurve.p256.isPublicKey(subjectPublicKeyInfo)
    }

    /// As the form with spans.
    public static func isPublicKey(_ subjectPublicKeyInfo: [UInt8]) -> Bool {
        isPublicKey(subjectPublicKeyInfo.span)
    }

    /// Whether `signatureDER` is a strict DER signature of `message`.
    ///
    /// False also when the key is not in the accepted encoding. Either half of s is accepted.
    public static func verify(
        signatureDER: Span<UInt8>, message: Span<UInt8>, subjectPublicKeyInfo: Span<UInt8>
    ) -> Bool {
        guard let key = NISTCurve.p256.key(subjectPublicKeyInfo) else { return false }
        let digest = SHA256.hash(message)
        return key.verify(signatureDER, digest: digest.storage.span, pkcs1: nil)
    }

    /// As the form with spans.
    public static func verify(
        signatureDER: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        verify(
            signatureDER: signatureDER.span, message: message.span,
            subjectPublicKeyInfo: subjectPublicKeyInfo.span)
    }

    /// As `verify`, for a signature r‖s of 64 bytes (IEEE P1363).
    public static func verify(
        signatureP1363: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        guard let signature = NISTCurve.p256.der(p1363: signatureP1363) else { return false }
        return verify(
            signatureDER: signature, message: message, subjectPublicKeyInfo: subjectPublicKeyInfo)
    }

    /// The SubjectPublicKeyInfo that belongs to a SEC 1 `ECPrivateKey`.
    ///
    /// - Returns: nil when the bytes are not a P-256 key.
    public static func publicKey(ofSEC1Private encoding: SecretBytes) -> [UInt8]? {
        guard let publicKey = subjectPublicKeyInfo(ofPrivate: encoding, type: EVP_PKEY_EC),
            isPublicKey(publicKey.span)
        else { return nil }
        return publicKey
    }
}

/// ECDSA over P-384 with SHA-384.
///
/// Specification: FIPS 186-5, section 6; RFC 5480 for keys.
public enum P384 {
    /// Size of an accepted SubjectPublicKeyInfo, in bytes.
    public static let subjectPublicKeyInfoSize = 120

    /// Whether the bytes are a key in the accepted encoding, with its point on the curve.
    public static func isPublicKey(_ subjectPublicKeyInfo: Span<UInt8>) -> Bool {
        NISTCurve.p384.isPublicKey(subjectPublicKeyInfo)
    }

    /// As the form with spans.
    public static func isPublicKey(_ subjectPublicKeyInfo: [UInt8]) -> Bool {
        isPublicKey(subjectPublicKeyInfo.span)
    }

    /// Whether `signatureDER` is a strict DER signature of `message`.
    ///
    /// False also when the key is not in the accepted encoding. Either half of s is accepted.
    public static func verify(
        signatureDER: Span<UInt8>, message: Span<UInt8>, subjectPublicKeyInfo: Span<UInt8>
    ) -> Bool {
        guard let key = NISTCurve.p384.key(subjectPublicKeyInfo) else { return false }
        let digest = SHA384.hash(message)
        return key.verify(signatureDER, digest: digest.span, pkcs1: nil)
    }

    /// As the form with spans.
    public static func verify(
        signatureDER: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        verify(
            signatureDER: signatureDER.span, message: message.span,
            subjectPublicKeyInfo: subjectPublicKeyInfo.span)
    }

    /// As `verify`, for a signature r‖s of 96 bytes (IEEE P1363).
    public static func verify(
        signatureP1363: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        guard let signature = NISTCurve.p384.der(p1363: signatureP1363) else { return false }
        return verify(
            signatureDER: signature, message: message, subjectPublicKeyInfo: subjectPublicKeyInfo)
    }
}

/// What differs between the curves.
struct NISTCurve: Sendable {
    /// Everything of a SubjectPublicKeyInfo before the coordinates: the algorithm, the named curve,
    /// the headers, and the 04 of an uncompressed point (RFC 5480 section 2).
    let prefix: [UInt8]
    /// Size of a coordinate, of r and of s, in bytes.
    let fieldSize: Int

    static let p256 = NISTCurve(
        prefix: [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
            0x08,
            0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
        ],
        fieldSize: 32)

    static let p384 = NISTCurve(
        prefix: [
            0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
            0x05,
            0x2B, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
        ],
        fieldSize: 48)

    func key(_ subjectPublicKeyInfo: Span<UInt8>) -> ParsedPublicKey? {
        guard subjectPublicKeyInfo.count == prefix.count + 2 * fieldSize,
            subjectPublicKeyInfo.extracting(first: prefix.count).isEqual(to: prefix.span)
        else { return nil }
        return ParsedPublicKey(subjectPublicKeyInfo: subjectPublicKeyInfo)
    }

    func isPublicKey(_ subjectPublicKeyInfo: Span<UInt8>) -> Bool {
        switch key(subjectPublicKeyInfo) {
        case .some: true
        case .none: false
        }
    }

    /// The DER form of r‖s, or nil when it has another size.
    func der(p1363 signature: [UInt8]) -> [UInt8]? {
        guard signature.count == 2 * fieldSize else { return nil }
        let content = integer(signature[..<fieldSize]) + integer(signature[fieldSize...])
        // Two integers of at most 49 bytes: the short form of a length holds them.
        return [0x30, UInt8(content.count)] + content
    }

    private func integer(_ bigEndian: ArraySlice<UInt8>) -> [UInt8] {
        var magnitude = Array(bigEndian.drop { $0 == 0 })
        if magnitude.first.map({ $0 >= 0x80 }) ?? true { magnitude.insert(0, at: 0) }
        return [0x02, UInt8(magnitude.count)] + magnitude
    }
}
