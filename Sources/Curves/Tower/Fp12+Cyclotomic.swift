// The values of the first part of the final exponentiation lie in the cyclotomic subgroup, whose order
// divides p⁴ − p² + 1. There the inverse is the conjugate and squaring costs half.

extension Fp12 {
    /// The square of an element of the cyclotomic subgroup; of no meaning elsewhere.
    ///
    /// Specification: Granger and Scott, "Faster squaring in the cyclotomic subgroup of sixth degree
    /// extensions", section 3.2.
    func cyclotomicSquared() -> Self {
        let (a0, a1) = Self.squareOfPair(c0.c0, c1.c1)
        let (b0, b1) = Self.squareOfPair(c1.c0, c0.c2)
        let (d0, d1) = Self.squareOfPair(c0.c1, c1.c2)
        let last = Tower.timesXi(d1)
        return Self(
            Fp6(
                Self.tripleLessDouble(a0, c0.c0), Self.tripleLessDouble(b0, c0.c1),
                Self.tripleLessDouble(d0, c0.c2)),
            Fp6(
                Self.triplePlusDouble(last, c1.c0), Self.triplePlusDouble(a1, c1.c1),
                Self.triplePlusDouble(b1, c1.c2)))
    }

    /// The square of x + y·s where s² = ξ.
    @inline(__always)
    private static func squareOfPair(
        _ x: Fp2<Tower>, _ y: Fp2<Tower>
    ) -> (Fp2<Tower>, Fp2<Tower>) {
        let product = x * y
        let square = (x + y) * (x + Tower.timesXi(y)) - product - Tower.timesXi(product)
        return (square, product.doubled())
    }

    @inline(__always)
    private static func tripleLessDouble(_ t: Fp2<Tower>, _ z: Fp2<Tower>) -> Fp2<Tower> {
        (t - z).doubled() + t
    }

    @inline(__always)
    private static func triplePlusDouble(_ t: Fp2<Tower>, _ z: Fp2<Tower>) -> Fp2<Tower> {
        (t + z).doubled() + t
    }

    /// An element of the cyclotomic subgroup to the power of a positive integer with few bits set.
    func cyclotomicPower(_ exponent: UInt64) -> Self {
        var result = self
        for bit in stride(from: 62 - exponent.leadingZeroBitCount, through: 0, by: -1) {
            result = result.cyclotomicSquared()
            if (exponent &>> UInt64(bit)) & 1 == 1 { result *= self }
        }
        return result
    }

    /// An element of the cyclotomic subgroup to the power of an integer without a pattern.
    func cyclotomicPower(_ exponent: SignedDigits) -> Self {
        let square = cyclotomicSquared()
        var powers = [4 of Self](repeating: self)
        for index in 1..<4 { powers[index] = powers[index - 1] * square }
        var result = Self.one
        for position in stride(from: exponent.highest, through: 0, by: -1) {
            result = result.cyclotomicSquared()
            let digit = exponent[position]
            if digit == 0 { continue }
            let power = powers[Int(digit.magnitude) >> 1]
            result *= digit > 0 ? power : power.conjugate
        }
        return result
    }
}
