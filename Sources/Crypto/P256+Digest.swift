import CLibcrypto

extension P256 {
    /// Whether r and s are a signature of a digest by the key at a point, as EIP-7951 asks.
    ///
    /// Each is 32 bytes, big-endian. Either half of s is accepted. False also for r or s outside of
    /// 1 up to the order, a coordinate that is not below the prime, and a point off the curve.
    ///
    /// - Precondition: each span has 32 bytes.
    public static func verify(
        digest: Span<UInt8>, r: Span<UInt8>, s: Span<UInt8>, x: Span<UInt8>, y: Span<UInt8>
    ) -> Bool {
        precondition(
            digest.count == 32 && r.count == 32 && s.count == 32 && x.count == 32 && y.count == 32,
            "digest, signature and coordinates have 32 bytes each")
        guard let key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1) else { return false }
        defer {
            EC_KEY_free(key)
            ERR_clear_error()
        }
        let (pointX, pointY) = (number(x), number(y))
        defer {
            BN_free(pointX)
            BN_free(pointY)
        }
        guard EC_KEY_set_public_key_affine_coordinates(key, pointX, pointY) == 1,
            let signature = ECDSA_SIG_new()
        else { return false }
        defer { ECDSA_SIG_free(signature) }
        // The signature owns the two numbers from here on.
        guard ECDSA_SIG_set0(signature, number(r), number(s)) == 1 else { return false }
        return ECDSA_do_verify(digest.borrowed.baseAddress, 32, signature, key) == 1
    }

    private static func number(_ bytes: Span<UInt8>) -> OpaquePointer? {
        BN_bin2bn(bytes.borrowed.baseAddress, 32, nil)
    }
}
