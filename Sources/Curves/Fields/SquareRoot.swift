extension PrimeField {
    /// A square root, or nil for a non-square.
    func squareRoot() -> Self? {
        let root = squareRootOfThisOrNegated()
        return root.squared() == self ? root : nil
    }

    /// A square root of the element or of its negative, whichever is a square: −1 is none, since the
    /// primes of this module are 3 modulo 4.
    func squareRootOfThisOrNegated() -> Self { power(Self.squareRootExponent) }

    /// (p + 1)/4.
    private static var squareRootExponent: Words {
        var exponent = modulus
        // No carry: the last two bits of p are set, so p + 1 could only carry from all ones.
        exponent[0] = exponent[0] &+ 1
        precondition(exponent[0] & 3 == 0 && exponent[0] != 0, "the prime is 3 modulo 4")
        for _ in 0..<2 {
            for index in 0..<Words.count {
                let above = index + 1 < Words.count ? exponent[index + 1] : 0
                exponent[index] = exponent[index] &>> 1 | above &<< 63
            }
        }
        return exponent
    }
}

extension Fp2 {
    /// A square root, or nil for a non-square.
    ///
    /// By the norm: a root x + y·u of a + b·u has x² = (a ± √(a² + b²))/2 and y = b/2x. The product
    /// of the two candidates for x² is −(b/2)², so one of them is a square, and with c a root of one
    /// candidate or of its negative, c and b/2c are x and y or y and x.
    func squareRoot() -> Self? {
        if c1.isZero {
            let root = c0.squareRootOfThisOrNegated()
            return root.squared() == c0 ? Self(root, .zero) : Self(.zero, root)
        }
        guard let root = norm.squareRoot() else { return nil }
        // Not zero: a² + b² = a² only for b = 0.
        let candidate = (c0 + root).halved()
        let first = candidate.squareRootOfThisOrNegated()
        let second = c1.halved() * first.inverse()
        return first.squared() == candidate ? Self(first, second) : Self(second, first)
    }
}
