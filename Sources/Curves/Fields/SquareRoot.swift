extension PrimeField {
    /// A square root, or nil for a non-square. The primes of this module are 3 modulo 4.
    func squareRoot() -> Self? {
        let root = power(Self.squareRootExponent)
        return root.squared() == self ? root : nil
    }

    /// (p + 1)/4, which is (p − 3)/4 + 1.
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
    /// By the norm: for a root x + y·u of a + b·u, x² = (a ± √(a² + b²))/2 and y = b/2x.
    func squareRoot() -> Self? {
        if c1.isZero {
            if let root = c0.squareRoot() { return Self(root, .zero) }
            // −1 is no square in Fp, so −a is one.
            return (-c0).squareRoot().map { Self(.zero, $0) }
        }
        guard let root = norm.squareRoot() else { return nil }
        for candidate in [(c0 + root).halved(), (c0 - root).halved()] {
            guard let x = candidate.squareRoot() else { continue }
            return Self(x, c1.halved() * x.inverse())
        }
        return nil
    }
}
