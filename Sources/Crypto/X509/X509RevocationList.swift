import CLibcrypto
import ChoraleBase

/// What a certificate revocation list says, read once.
///
/// As for ``X509Certificate``, reading proves nothing; ``isSigned(by:)`` does.
///
/// Specification: RFC 5280, section 5.
public struct X509RevocationList: Hashable, Sendable {
    /// Largest encoding that is read, in bytes. An entry has some 50; Intel's largest list has 3,400
    /// bytes.
    public static let encodingSizeMax = 256 << 10

    /// Why bytes are not a revocation list that we use.
    public enum DecodeError: Error, Hashable, Sendable {
        case encodingTooLong(size: Int, limit: Int)
        /// Not a revocation list, or not only one.
        case malformed
        /// Not DER, as for certificates.
        case notDistinguished
        case unsupportedSignatureAlgorithm
        /// Without a time of the next list nobody knows whether this one is the last.
        case malformedTimes
        /// Of the list or of one of its entries. A list with one may be for other certificates than
        /// its issuer's own, or not whole.
        case unknownCriticalExtension(String)
    }

    /// As it was given.
    public let encoding: [UInt8]
    /// Distinguished name, in DER.
    public let issuer: [UInt8]
    /// First and last second at which the list is current, since 1970.
    public let validity: ClosedRange<Int64>
    public let signatureAlgorithm: X509SignatureAlgorithm
    /// Serial numbers of what is revoked, in DER.
    public let serialNumbers: Set<[UInt8]>

    let signed: [UInt8]
    let signature: [UInt8]

    /// Whether the list was signed by the key. The caller has compared the names.
    public func isSigned(by subjectPublicKeyInfo: [UInt8]) -> Bool {
        signatureAlgorithm.verify(signature, of: signed, by: subjectPublicKeyInfo)
    }

    /// Whether the list names a certificate of its issuer.
    public func revokes(_ certificate: X509Certificate) -> Bool {
        serialNumbers.contains(certificate.serialNumber)
    }

    /// Reads one list and nothing after it.
    public init(_ encoding: [UInt8]) throws(DecodeError) {
        guard encoding.count <= Self.encodingSizeMax else {
            throw .encodingTooLong(size: encoding.count, limit: Self.encodingSizeMax)
        }
        guard let parsed = ParsedRevocationList(encoding) else { throw .malformed }
        let list = parsed.pointer
        defer { ERR_clear_error() }

        var algorithm: UnsafePointer<X509_ALGOR>?
        var bits: UnsafePointer<ASN1_BIT_STRING>?
        X509_CRL_get0_signature(list, &bits, &algorithm)
        // That the signed algorithm is this one libcrypto has no question for; a list that names
        // another is as if it named this one, because only this one is checked.
        guard
            let known = X509SignatureAlgorithm(
                encoding: derEncoding { i2d_X509_ALGOR(algorithm, $0) })
        else { throw .unsupportedSignatureAlgorithm }
        guard let from = X509Time.seconds(X509_CRL_get0_lastUpdate(list)),
            let until = X509Time.seconds(X509_CRL_get0_nextUpdate(list)), from <= until
        else { throw .malformedTimes }
        for index in 0..<max(0, X509_CRL_get_ext_count(list)) {
            try Self.refuseCritical(X509_CRL_get_ext(list, index))
        }
        guard let issuer = derEncoding({ i2d_X509_NAME(X509_CRL_get_issuer(list), $0) }),
            let signed = derEncoding({ i2d_re_X509_CRL_tbs(list, $0) }),
            let signature = stringContent(bits)
        else { throw .malformed }
        guard derEncoding({ i2d_X509_CRL(list, $0) }) == encoding else { throw .notDistinguished }

        self.encoding = encoding
        self.issuer = issuer
        validity = from...until
        signatureAlgorithm = known
        serialNumbers = try Self.serialNumbers(of: list)
        self.signed = signed
        self.signature = signature
    }

    private static func serialNumbers(
        of list: OpaquePointer
    ) throws(DecodeError) -> Set<[UInt8]> {
        let entries = X509_CRL_get_REVOKED(list)
        var serials: Set<[UInt8]> = []
        for index in 0..<max(0, OPENSSL_sk_num(entries)) {
            let entry = OpaquePointer(OPENSSL_sk_value(entries, index))
            for position in 0..<max(0, X509_REVOKED_get_ext_count(entry)) {
                try refuseCritical(X509_REVOKED_get_ext(entry, position))
            }
            guard
                let serial = derEncoding({
                    i2d_ASN1_INTEGER(X509_REVOKED_get0_serialNumber(entry), $0)
                })
            else { throw .malformed }
            serials.insert(serial)
        }
        return serials
    }

    private static func refuseCritical(_ one: OpaquePointer?) throws(DecodeError) {
        guard X509_EXTENSION_get_critical(one) != 0 else { return }
        throw .unknownCriticalExtension(dottedIdentifier(X509_EXTENSION_get_object(one)) ?? "")
    }
}

/// A revocation list of libcrypto. Frees it when done.
private struct ParsedRevocationList: ~Copyable {
    let pointer: OpaquePointer

    init?(_ encoding: [UInt8]) {
        let parsed: OpaquePointer? = encoding.withUnsafeBufferPointer { bytes in
            guard !bytes.isEmpty else { return nil }
            var cursor = bytes.baseAddress
            guard let parsed = d2i_X509_CRL(nil, &cursor, bytes.count) else { return nil }
            guard cursor == bytes.baseAddress! + bytes.count else {
                X509_CRL_free(parsed)
                return nil
            }
            return parsed
        }
        guard let parsed else {
            ERR_clear_error()
            return nil
        }
        pointer = parsed
    }

    deinit { X509_CRL_free(pointer) }
}
