import ChoraleBase

extension PrimeField {
    /// The element of a big-endian integer of ``size`` bytes, or nil when it is not below the prime.
    ///
    /// - Precondition: the bytes lie within the span.
    init?(_ bytes: Span<UInt8>, at offset: Int) {
        var words = Words(repeating: 0)
        for index in 0..<Words.count {
            words[Words.count - 1 - index] = bytes.loadBigEndian(
                UInt64.self, at: offset + 8 * index)
        }
        self.init(canonical: words)
    }

    /// Appends the canonical residue as a big-endian integer of ``size`` bytes.
    func append(to bytes: inout [UInt8]) {
        let words = canonical
        for index in stride(from: Words.count - 1, through: 0, by: -1) {
            bytes.appendBigEndian(words[index])
        }
    }
}

extension Limbs<4> {
    /// A big-endian integer of 32 bytes.
    ///
    /// - Precondition: the bytes lie within the span.
    init(_ bytes: Span<UInt8>, at offset: Int) {
        self.init(repeating: 0)
        for index in 0..<4 {
            self[3 - index] = bytes.loadBigEndian(UInt64.self, at: offset + 8 * index)
        }
    }
}
