import CLibcrypto
import ChoraleBase

/// What a certificate says, read once; a value that holds no memory of libcrypto.
///
/// Reading proves nothing: whoever uses a certificate checks its issuer, its time and its signature
/// (``isSigned(by:)``). libcrypto's decoder also takes encodings that are not DER; here the signature is
/// checked over what was read, encoded again, and what does not come out as it went in is refused.
///
/// Specification: RFC 5280.
public struct X509Certificate: Hashable, Sendable {
    /// Largest encoding that is read, in bytes. The certificates of attestation services have 500 to
    /// 1,700.
    public static let encodingSizeMax = 4096
    /// Most extensions that are read. Those of AMD's leaves have 12.
    public static let extensionCountMax = 32

    /// Why bytes are not a certificate that we use.
    public enum DecodeError: Error, Hashable, Sendable {
        case encodingTooLong(size: Int, limit: Int)
        /// Not a certificate, or not only one.
        case malformed
        /// Not DER: there is another encoding of the same, and only that one is signed.
        case notDistinguished
        /// Only version 3 has extensions.
        case unsupportedVersion(Int)
        case unsupportedSignatureAlgorithm
        /// The algorithm that is signed is not the one beside the signature.
        case ambiguousSignatureAlgorithm
        case malformedValidity
        case malformedExtensions
        case tooManyExtensions(count: Int, limit: Int)
        case repeatedExtension(String)
        /// Whoever does not know a critical extension must not use the certificate (section 4.2).
        case unknownCriticalExtension(String)
    }

    public struct Extension: Hashable, Sendable {
        /// In dotted decimal.
        public let identifier: String
        public let isCritical: Bool
        /// Content of the OCTET STRING.
        public let value: [UInt8]
    }

    /// What the key may be used for (section 4.2.1.3).
    public struct KeyUsage: OptionSet, Hashable, Sendable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let digitalSignature = KeyUsage(rawValue: 0x80)
        public static let certificateSign = KeyUsage(rawValue: 0x04)
        public static let revocationListSign = KeyUsage(rawValue: 0x02)
    }

    /// As it was given.
    public let encoding: [UInt8]
    /// Distinguished names, in DER.
    public let subject: [UInt8]
    public let issuer: [UInt8]
    /// Of the subject; nil when it has none or several.
    public let commonName: String?
    /// In DER, unique for an issuer.
    public let serialNumber: [UInt8]
    /// First and last second at which the certificate may be used, since 1970.
    public let validity: ClosedRange<Int64>
    /// The subject's key, as other parts of this module take it.
    public let subjectPublicKeyInfo: [UInt8]
    public let signatureAlgorithm: X509SignatureAlgorithm
    /// Whether the subject may issue certificates (section 4.2.1.9).
    public let isAuthority: Bool
    /// How many authorities may stand between the subject and a leaf; nil for any number.
    public let pathLengthMax: Int?
    /// nil when the certificate does not say.
    public let keyUsage: KeyUsage?
    public let extensions: [Extension]

    let signed: [UInt8]
    let signature: [UInt8]

    /// Whether the certificate was signed by the key. The caller has compared the names.
    ///
    /// False also when the key is not one for the certificate's algorithm.
    public func isSigned(by subjectPublicKeyInfo: [UInt8]) -> Bool {
        signatureAlgorithm.verify(signature, of: signed, by: subjectPublicKeyInfo)
    }

    /// The value of an extension, or nil when there is none.
    public func value(ofExtension identifier: String) -> [UInt8]? {
        extensions.first { $0.identifier == identifier }?.value
    }

    /// Reads one certificate and nothing after it.
    public init(_ encoding: [UInt8]) throws(DecodeError) {
        guard encoding.count <= Self.encodingSizeMax else {
            throw .encodingTooLong(size: encoding.count, limit: Self.encodingSizeMax)
        }
        guard let parsed = ParsedCertificate(encoding) else { throw .malformed }
        let certificate = parsed.pointer
        defer { ERR_clear_error() }

        let version = X509_get_version(certificate)
        guard version == 2 else { throw .unsupportedVersion(Int(version) + 1) }
        var algorithm: UnsafePointer<X509_ALGOR>?
        var bits: UnsafePointer<ASN1_BIT_STRING>?
        X509_get0_signature(&bits, &algorithm, certificate)
        let algorithmEncoding = derEncoding { i2d_X509_ALGOR(algorithm, $0) }
        guard let known = X509SignatureAlgorithm(encoding: algorithmEncoding) else {
            throw .unsupportedSignatureAlgorithm
        }
        guard
            algorithmEncoding
                == derEncoding({
                    i2d_X509_ALGOR(X509_get0_tbs_sigalg(certificate), $0)
                })
        else { throw .ambiguousSignatureAlgorithm }
        guard let from = X509Time.seconds(X509_get0_notBefore(certificate)),
            let until = X509Time.seconds(X509_get0_notAfter(certificate)), from <= until
        else { throw .malformedValidity }
        let extensions = try Self.extensions(of: certificate)
        // Reads and caches the extensions that libcrypto knows.
        let flags = X509_get_extension_flags(certificate)
        guard flags & UInt32(EXFLAG_INVALID) == 0 else { throw .malformedExtensions }
        guard let subject = derEncoding({ i2d_X509_NAME(X509_get_subject_name(certificate), $0) }),
            let issuer = derEncoding({ i2d_X509_NAME(X509_get_issuer_name(certificate), $0) }),
            let serialNumber = derEncoding({
                i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), $0)
            }),
            let key = derEncoding({ i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), $0) }),
            let signed = derEncoding({ i2d_re_X509_tbs(certificate, $0) }),
            let signature = stringContent(bits)
        else { throw .malformed }
        // Asked to write the signed part again, libcrypto writes the whole again.
        guard derEncoding({ i2d_X509(certificate, $0) }) == encoding else {
            throw .notDistinguished
        }

        self.encoding = encoding
        self.subject = subject
        self.issuer = issuer
        commonName = Self.commonName(of: X509_get_subject_name(certificate))
        self.serialNumber = serialNumber
        validity = from...until
        subjectPublicKeyInfo = key
        signatureAlgorithm = known
        isAuthority = flags & UInt32(EXFLAG_CA) != 0
        let pathLength = X509_get_pathlen(certificate)
        pathLengthMax = pathLength < 0 ? nil : Int(pathLength)
        let usage = X509_get_key_usage(certificate)
        keyUsage = usage == .max ? nil : KeyUsage(rawValue: usage)
        self.extensions = extensions
        self.signed = signed
        self.signature = signature
    }

    /// Key usage and basic constraints: those whose meaning is looked at, here or by libcrypto.
    private static let knownCritical: Set<String> = ["2.5.29.15", "2.5.29.19"]

    private static func extensions(
        of certificate: OpaquePointer
    ) throws(DecodeError) -> [Extension] {
        let count = Int(X509_get_ext_count(certificate))
        guard count <= extensionCountMax else {
            throw .tooManyExtensions(count: count, limit: extensionCountMax)
        }
        var extensions: [Extension] = []
        for index in 0..<max(0, count) {
            guard let one = X509_get_ext(certificate, Int32(index)),
                let identifier = dottedIdentifier(X509_EXTENSION_get_object(one)),
                let value = stringContent(X509_EXTENSION_get_data(one))
            else { throw .malformedExtensions }
            guard !extensions.contains(where: { $0.identifier == identifier }) else {
                throw .repeatedExtension(identifier)
            }
            let isCritical = X509_EXTENSION_get_critical(one) != 0
            guard !isCritical || knownCritical.contains(identifier) else {
                throw .unknownCriticalExtension(identifier)
            }
            extensions.append(
                Extension(identifier: identifier, isCritical: isCritical, value: value))
        }
        return extensions
    }

    private static func commonName(of name: OpaquePointer?) -> String? {
        let index = X509_NAME_get_index_by_NID(name, NID_commonName, -1)
        guard index >= 0, X509_NAME_get_index_by_NID(name, NID_commonName, index) < 0,
            let text = stringContent(
                X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)))
        else { return nil }
        return String(validating: text, as: UTF8.self)
    }
}

/// A certificate of libcrypto. Frees it when done.
private struct ParsedCertificate: ~Copyable {
    let pointer: OpaquePointer

    init?(_ encoding: [UInt8]) {
        let parsed: OpaquePointer? = encoding.withUnsafeBufferPointer { bytes in
            guard !bytes.isEmpty else { return nil }
            var cursor = bytes.baseAddress
            guard let parsed = d2i_X509(nil, &cursor, bytes.count) else { return nil }
            guard cursor == bytes.baseAddress! + bytes.count else {
                X509_free(parsed)
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

    deinit { X509_free(pointer) }
}

/// The bytes of any of libcrypto's strings: they are one type.
func stringContent(_ string: UnsafePointer<ASN1_STRING>?) -> [UInt8]? {
    guard let string, let start = ASN1_STRING_get0_data(string) else { return nil }
    return Array(UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(string))))
}

/// An object identifier in dotted decimal, of at most 127 characters.
func dottedIdentifier(_ object: OpaquePointer?) -> String? {
    var text = [CChar](repeating: 0, count: 128)
    let size = OBJ_obj2txt(&text, Int32(text.count), object, 1)
    guard size > 0, size < text.count else { return nil }
    return String(decoding: text[..<Int(size)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
