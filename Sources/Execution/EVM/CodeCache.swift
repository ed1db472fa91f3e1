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
            size = 0
        }
        size += code.size + Code.paddingSize
        codes[hash] = code
        return code
    }
}
