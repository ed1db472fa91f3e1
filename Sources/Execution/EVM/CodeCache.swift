public import ChoraleBase

/// Codes with their jump targets, kept from block to block.
///
/// Only speeds things up: whoever asks has the bytes. When it is full it starts anew, since what is
/// run often is soon there again.
///
/// Not for use by two threads at once.
public final class CodeCache {
    /// Bytes of code kept.
    public let sizeMax: Int
    private var codes: [Bytes32: Code] = [:]
    /// Codes by their fingerprint, the last few of those that share one.
    private var lookalikes: [UInt64: [Code]] = [:]
    /// Codes with one fingerprint that are compared.
    private static let lookalikesMax = 8
    private var size = 0

    public init(sizeMax: Int = 64 << 20) { self.sizeMax = sizeMax }

    /// The code with this hash, if it is kept.
    public func code(_ hash: Bytes32) -> Code? { codes[hash] }

    /// The code with these bytes.
    ///
    /// - Precondition: the bytes have the hash.
    public func code(_ hash: Bytes32, _ bytes: Span<UInt8>) -> Code {
        if let code = codes[hash] { return code }
        let code = Code(bytes, hash: UInt256(hash))
        if size + code.size > sizeMax {
            codes.removeAll()
            lookalikes.removeAll()
            size = 0
        }
        size += code.size + Code.paddingSize
        codes[hash] = code
        let fingerprint = Self.fingerprint(bytes)
        var others = lookalikes[fingerprint] ?? []
        if others.count == Self.lookalikesMax { others.removeFirst() }
        lookalikes[fingerprint] = others + [code]
        return code
    }

    /// The code with these bytes, if it is kept; found without hashing them.
    func recognized(_ bytes: Span<UInt8>) -> Code? {
        for code in lookalikes[Self.fingerprint(bytes)] ?? []
        where code.withSpan({ $0.isEqual(to: bytes) }) {
            return code
        }
        return nil
    }

    /// Of the size and of words here and there: contracts from one factory differ in a few addresses.
    ///
    /// It need not tell codes apart that were made to look alike: what is found is compared.
    private static func fingerprint(_ bytes: Span<UInt8>) -> UInt64 {
        var value = UInt64(truncatingIfNeeded: bytes.count)
        guard bytes.count >= 8 else { return value }
        for sample in 0...64 {
            let word = bytes.loadBigEndian(UInt64.self, at: (bytes.count - 8) * sample / 64)
            value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
            value ^= value >> 29
        }
        return value
    }
}
