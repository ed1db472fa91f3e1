import CGMP

/// Powers of large integers modulo another.
///
/// GMP's `mpz_powm`: it takes moduli of either parity. Not in constant time: for public data.
public enum ModularPower {
    /// `base` to the power `exponent`, modulo `modulus`; all big-endian, leading zeros allowed.
    ///
    /// - Returns: as many bytes as `modulus` has; zeros when it is zero or one.
    /// - Complexity: O(e · m²) for e bits of exponent and m limbs of modulus, which the caller bounds.
    public static func compute(
        base: Span<UInt8>, exponent: Span<UInt8>, modulus: Span<UInt8>
    ) -> [UInt8] {
        var (b, e, m, result) = (mpz_t(), mpz_t(), mpz_t(), mpz_t())
        __gmpz_init(&b)
        __gmpz_init(&e)
        __gmpz_init(&m)
        __gmpz_init(&result)
        defer {
            __gmpz_clear(&b)
            __gmpz_clear(&e)
            __gmpz_clear(&m)
            __gmpz_clear(&result)
        }
        load(modulus, into: &m)
        guard m._mp_size != 0 else { return [UInt8](repeating: 0, count: modulus.count) }
        load(base, into: &b)
        load(exponent, into: &e)
        __gmpz_powm(&result, &b, &e, &m)
        return [UInt8](unsafeUninitializedCapacity: modulus.count) { output, count in
            let size = (__gmpz_sizeinbase(&result, 2) + 7) / 8
            let start = modulus.count - (result._mp_size == 0 ? 0 : size)
            output.initialize(repeating: 0)
            var written = 0
            // Below the modulus, so it fits behind `start`.
            __gmpz_export(output.baseAddress! + start, &written, 1, 1, 1, 0, &result)
            count = modulus.count
        }
    }

    private static func load(_ bytes: Span<UInt8>, into integer: inout mpz_t) {
        let buffer = bytes.borrowed
        guard let base = buffer.baseAddress else { return }
        __gmpz_import(&integer, buffer.count, 1, 1, 1, 0, base)
    }
}
