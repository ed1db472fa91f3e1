import CSodium
public import ChoraleBase

/// The group of prime order made of edwards25519, as far as others need libsodium for it.
///
/// Specification: RFC 9496.
public enum Ristretto255 {
    /// The element that 64 uniform bytes are mapped to, encoded.
    ///
    /// Nobody knows its discrete logarithm to any base. RFC 9496, section 4.3.4.
    ///
    /// - Precondition: there are 64 bytes.
    public static func hashToGroup(_ uniform: Span<UInt8>) -> Bytes32 {
        precondition(uniform.count == 64, "a hash to the group takes 64 bytes")
        _ = Sodium.ready
        let buffer = uniform.borrowed
        var element = Bytes32.zero
        // Fails never.
        element.withMutablePointer {
            _ = crypto_core_ristretto255_from_hash($0, buffer.baseAddress!)
        }
        return element
    }
}
