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
    /// The code with a fingerprint that came last: a collision costs the other its recognition, no more.
    private var recent: [UInt64: Code] = [:]
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
            recent.removeAll()
            size = 0
        }
        size += code.size + Code.paddingSize
        codes[hash] = code
        recent[Self.fingerprint(bytes)] = code
        return code
    }

    /// The code with these bytes, if it is kept; found without hashing them.
    func recognized(_ bytes: Span<UInt8>) -> Code? {
        guard let code = recent[Self.fingerprint(bytes)],
            code.withSpan({ $0.isEqual(to: bytes) })
        else { return nil }
        return code
    }

    /// Of the size and the last 64 bytes, where compilers put a hash of the source.
    ///
    /// It need not tell codes apart that were made to look alike: what is found is compared.
    private static func fingerprint(_ bytes: Span<UInt8>) -> UInt64 {
        var value = UInt64(truncatingIfNeeded: bytes.count)
        var position = max(0, bytes.count - 64)
        while position + 8 <= bytes.count {
            let word = bytes.loadBigEndian(UInt64.self, at: position)
            value = (value ^ word) &* 0x9E37_79B9_7F4A_7C15
            value ^= value >> 29
            position += 8
        }
        return value
    }
}
