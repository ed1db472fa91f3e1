extension BLS12381: PairingCurve {
    typealias Base = Fp

    static var xi: Fp2<BLS12381> { Fp2(.one, .one) }

    // (1 + u)(a + b·u) = (a − b) + (a + b)u
    @inline(__always)
    static func timesXi(_ element: Fp2<BLS12381>) -> Fp2<BLS12381> {
        Fp2(element.c0 - element.c1, element.c0 + element.c1)
    }

    static let frobenius = FrobeniusCoefficients<BLS12381>()

    /// The loop runs over |x|, whose binary form has six ones.
    static let loopDigits: [Int8] = (0..<63).reversed().map { bit in
        Int8((parameter >> UInt64(bit)) & 1)
    }

    // 12(1 + u)
    static func timesTripleTwistConstant(_ element: Fp2<BLS12381>) -> Fp2<BLS12381> {
        let triple = element.doubled() + element
        return timesXi(triple.doubled().doubled())
    }

    static func multiply(_ value: inout Fp12<BLS12381>, by line: Line<BLS12381>, at point: G1) {
        value.multiplyByLine(
            line.constant, line.atX * point.x, multiplicative: line.atY * point.y)
    }

    // x is negative, and conjugates are inverses once the final exponentiation is done.
    static func finishLoop(
        _ value: inout Fp12<BLS12381>, _ terms: inout [PairingTerm<BLS12381>]
    ) {
        value = value.conjugate
    }

    /// The power 3·(p¹² − 1)/r.
    ///
    /// Specification: Hayashida, Hayasaka and Teruya, "Efficient final exponentiation via cyclotomic
    /// structure for pairings over families of elliptic curves", section 4:
    /// 3(p⁴ − p² + 1)/r = (x − 1)²(x + p)(x² + p² − 1) + 3.
    static func finalExponentiation(_ value: Fp12<BLS12381>) -> Fp12<BLS12381> {
        // The power (p⁶ − 1)(p² + 1) leads into the cyclotomic subgroup.
        let quotient = value.conjugate * value.inverse()
        let f = quotient.frobeniusSquared * quotient

        let first = powerOfX(f) * f.conjugate
        let second = powerOfX(first) * first.conjugate
        let third = powerOfX(second) * second.frobenius
        let fourth = powerOfX(powerOfX(third)) * third.frobeniusSquared * third.conjugate
        return fourth * f.cyclotomicSquared() * f
    }

    private static func powerOfX(_ value: Fp12<BLS12381>) -> Fp12<BLS12381> {
        value.cyclotomicPower(parameter).conjugate
    }
}
