import CGMP

/// Integers of any size, by GMP: what field arithmetic is compared with.
final class BigInteger {
    private var value = __mpz_struct()

    init(_ decimal: String) {
        let ok = __gmpz_init_set_str(&value, decimal, 10)
        precondition(ok == 0, "not a decimal number")
    }

    /// Little-endian.
    init(_ bytes: [UInt8]) {
        __gmpz_init(&value)
        __gmpz_import(&value, bytes.count, -1, 1, 0, 0, bytes)
    }

    deinit { __gmpz_clear(&value) }

    private static func compute(
        _ a: BigInteger, _ b: BigInteger,
        _ body: (
            UnsafeMutablePointer<__mpz_struct>, UnsafePointer<__mpz_struct>,
            UnsafePointer<__mpz_struct>
        ) -> Void
    ) -> BigInteger {
        let result = BigInteger("0")
        body(&result.value, &a.value, &b.value)
        return result
    }

    static func + (a: BigInteger, b: BigInteger) -> BigInteger { compute(a, b, __gmpz_add) }
    static func - (a: BigInteger, b: BigInteger) -> BigInteger { compute(a, b, __gmpz_sub) }
    static func * (a: BigInteger, b: BigInteger) -> BigInteger { compute(a, b, __gmpz_mul) }

    /// The remainder between zero and the modulus.
    static func % (a: BigInteger, modulus: BigInteger) -> BigInteger {
        compute(a, modulus, __gmpz_mod)
    }

    /// 32 little-endian bytes.
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        var count = 0
        __gmpz_export(&bytes, &count, -1, 1, 0, 0, &value)
        precondition(count <= 32, "too large for 32 bytes")
        return Array(bytes[..<32])
    }
}
