import CLibcrypto

/// RIPEMD-160, which one of Ethereum's precompiled contracts computes.
///
/// Specification: Dobbertin, Bosselaers, Preneel 1996.
public enum RIPEMD160 {
    /// Size of a digest, in bytes.
    public static let digestSize = 20

    /// The digest of `bytes`.
    ///
    /// - Complexity: O(n). No allocation.
    public static func hash(_ bytes: Span<UInt8>) -> [20 of UInt8] {
        var digest: [20 of UInt8] = .init(repeating: 0)
        var context = RIPEMD160_CTX()
        // Neither fails but for a null pointer.
        RIPEMD160_Init(&context)
        let buffer = bytes.borrowed
        if let base = buffer.baseAddress { RIPEMD160_Update(&context, base, buffer.count) }
        withUnsafeMutableBytes(of: &digest) {
            _ = RIPEMD160_Final($0.baseAddress!.assumingMemoryBound(to: UInt8.self), &context)
        }
        return digest
    }
}
