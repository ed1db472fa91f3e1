import CLibcrypto

/// How a certificate or a revocation list is signed: the three that attestation services use.
///
/// Specification: RFC 5758 section 3.2, RFC 4055 section 3.1, FIPS 186-5.
public enum X509SignatureAlgorithm: Hashable, Sendable {
    case ecdsaP256SHA256
    case ecdsaP384SHA384
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and 48 bytes of salt.
    case rsaPSSSHA384

    /// - Parameter encoding: an AlgorithmIdentifier, in DER. Each algorithm has exactly these.
    init?(encoding: [UInt8]?) {
        switch encoding {
        case Self.ecdsaSHA256: self = .ecdsaP256SHA256
        case Self.ecdsaSHA384: self = .ecdsaP384SHA384
        // AMD's older certificates write the trailer field, which DER leaves out.
        case [0x30, 0x41] + Self.pss + [0x30, 0x34] + Self.pssParameters: self = .rsaPSSSHA384
        case [0x30, 0x46] + Self.pss + [0x30, 0x39] + Self.pssParameters + Self.trailerField:
            self = .rsaPSSSHA384
        default: return nil
        }
    }

    func verify(
        _ signature: [UInt8], of message: [UInt8], by subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        switch self {
        case .ecdsaP256SHA256:
            P256.verify(
                signatureDER: signature, message: message,
                subjectPublicKeyInfo: subjectPublicKeyInfo)
        case .ecdsaP384SHA384:
            P384.verify(
                signatureDER: signature, message: message,
                subjectPublicKeyInfo: subjectPublicKeyInfo)
        case .rsaPSSSHA384:
            RSA.verifyPSS(
                signature: signature, message: message, subjectPublicKeyInfo: subjectPublicKeyInfo)
        }
    }

    private static let ecdsaSHA256: [UInt8] =
        [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02]
    private static let ecdsaSHA384: [UInt8] =
        [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03]
    /// id-RSASSA-PSS.
    private static let pss: [UInt8] =
        [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A]
    /// [0] SHA-384, [1] MGF1 with SHA-384, [2] 48.
    private static let pssParameters: [UInt8] = [
        0xA0, 0x0F, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
        0x05, 0x00,
        0xA1, 0x1C, 0x30, 0x1A, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08,
        0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00,
        0xA2, 0x03, 0x02, 0x01, 0x30,
    ]
    /// [3] 1, the default.
    private static let trailerField: [UInt8] = [0xA3, 0x03, 0x02, 0x01, 0x01]
}

extension RSA {
    /// Whether `signature` is one of `message` with PSS padding, SHA-384 throughout and 48 bytes of
    /// salt.
    ///
    /// False also when the key is not one within the default limits.
    ///
    /// Specification: RFC 8017, section 8.1.2.
    public static func verifyPSS(
        signature: [UInt8], message: [UInt8], subjectPublicKeyInfo: [UInt8]
    ) -> Bool {
        guard (try? check(subjectPublicKeyInfo: subjectPublicKeyInfo)) != nil,
            let key = ParsedPublicKey(subjectPublicKeyInfo: subjectPublicKeyInfo.span)
        else { return false }
        let digest = SHA384.hash(message.span)
        guard let context = EVP_PKEY_CTX_new(key.key, nil) else {
            preconditionFailure("out of memory")
        }
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        guard !signature.isEmpty, EVP_PKEY_verify_init(context) == 1,
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1,
            EVP_PKEY_CTX_set_signature_md(context, EVP_sha384()) == 1,
            EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha384()) == 1,
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, 48) == 1
        else { return false }
        return EVP_PKEY_verify(context, signature, signature.count, digest, digest.count) == 1
    }
}
