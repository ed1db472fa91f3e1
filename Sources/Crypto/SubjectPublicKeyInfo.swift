import CLibcrypto
import ChoraleBase

/// A public key of libcrypto, read from a SubjectPublicKeyInfo. Frees it when done.
///
/// Specification: RFC 5280, section 4.1.2.7.
struct ParsedPublicKey: ~Copyable {
    let key: OpaquePointer

    /// Reads one key and nothing after it.
    ///
    /// libcrypto's decoder also takes some encodings that are not DER. The identity of a peer is a
    /// hash of these bytes, so one key must have one encoding: whatever does not come out again as it
    /// went in is refused.
    init?(subjectPublicKeyInfo: Span<UInt8>) {
        let encoding = subjectPublicKeyInfo.borrowed
        guard !encoding.isEmpty else { return nil }
        var cursor = encoding.baseAddress
        guard let parsed = d2i_PUBKEY(nil, &cursor, encoding.count) else {
            ERR_clear_error()
            return nil
        }
        guard cursor == encoding.baseAddress! + encoding.count,
            let again = derEncoding({ i2d_PUBKEY(parsed, $0) }),
            again.span.isEqual(to: encoding.span)
        else {
            EVP_PKEY_free(parsed)
            return nil
        }
        key = parsed
    }

    deinit { EVP_PKEY_free(key) }

    /// Whether `signature` is one of an already hashed message.
    ///
    /// - Parameter pkcs1: the digest algorithm of an RSA PKCS#1 v1.5 signature; nil for ECDSA.
    borrowing func verify(
        _ signature: Span<UInt8>,
        digest: Span<UInt8>,
        pkcs1: OpaquePointer?
    ) -> Bool {
        let signature = signature.borrowed
        let digest = digest.borrowed
        guard let context = EVP_PKEY_CTX_new(key, nil) else { preconditionFailure("out of memory") }
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        guard EVP_PKEY_verify_init(context) == 1 else { return false }
        if let pkcs1 {
            guard EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1,
                EVP_PKEY_CTX_set_signature_md(context, pkcs1) == 1
            else { return false }
        }
        guard let base = signature.baseAddress else { return false }
        return EVP_PKEY_verify(
            context, base, signature.count, digest.baseAddress, digest.count) == 1
    }
}

/// What one of libcrypto's `i2d` functions writes.
func derEncoding(_ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32)
    -> [UInt8]?
{
    let size = encode(nil)
    guard size > 0 else {
        ERR_clear_error()
        return nil
    }
    return [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
        var cursor = buffer.baseAddress
        count = Int(encode(&cursor))
    }
}

/// Reads a private key only to derive the public one.
func subjectPublicKeyInfo(ofPrivate encoding: SecretBytes, type: Int32) -> [UInt8]? {
    encoding.withPointer { start in
        var cursor: UnsafePointer<UInt8>? = start
        guard let key = d2i_PrivateKey(type, nil, &cursor, encoding.count) else {
            ERR_clear_error()
            return nil
        }
        defer { EVP_PKEY_free(key) }
        guard cursor == start + encoding.count else { return nil }
        return derEncoding { i2d_PUBKEY(key, $0) }
    }
}
