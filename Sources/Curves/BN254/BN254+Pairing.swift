extension BN254: PairingCurve {
    typealias Base = Fp

    static var xi: Fp2<BN254> { Fp2(9, .one) }

    // (9 + u)(a + b·u) = (9a − b) + (9b + a)u
    @inline(__always)
    static func timesXi(_ element: Fp2<BN254>) -> Fp2<BN254> {
        let eight = element.doubled().doubled().doubled()
        return Fp2(
            eight.c0 + element.c0 - element.c1, eight.c1 + element.c1 + element.c0)
    }

    static let frobenius = FrobeniusCoefficients<BN254>()

    /// The loop of the optimal ate pairing runs over 6x + 2.
    static let loopDigits = [Int8](nonAdjacentFormOf: 6 * UInt128(parameter) + 2)

    private static let tripleTwistConstant = G2Shape.b.doubled() + G2Shape.b

    static func timesTripleTwistConstant(_ element: Fp2<BN254>) -> Fp2<BN254> {
        element * tripleTwistConstant
    }

    static func multiply(_ value: inout Fp12<BN254>, by line: Line<BN254>, at point: G1) {
        value.multiplyByLine(line.atY * point.y, line.atX * point.x, divisive: line.constant)
    }

    // Lines through Q' = ψ(Q) and then −ψ²(Q) (Vercauteren, "Optimal pairings", section IV.A).
    static func finishLoop(_ value: inout Fp12<BN254>, _ terms: inout [PairingTerm<BN254>]) {
        for index in terms.indices {
            let first = G2Shape.frobenius(terms[index].q)
            let second = -G2Shape.frobenius(first)
            multiply(&value, by: terms[index].add(first), at: terms[index].p)
            multiply(&value, by: terms[index].add(second), at: terms[index].p)
        }
    }

    /// The power 2x(6x² + 3x + 1)·(p¹² − 1)/r.
    ///
    /// Specification: Fuentes-Castañeda, Knapp and Rodríguez-Henríquez, "Faster hashing to G2",
    /// section 5: with the exponents 1 + 6x + 12x² + 12x³, 4x + 6x² + 12x³, 6x + 6x² + 12x³ and
    /// −1 + 4x + 6x² + 12x³ of the powers p⁰, p¹, p² and p³.
    static func finalExponentiation(_ value: Fp12<BN254>) -> Fp12<BN254> {
        // The power (p⁶ − 1)(p² + 1) leads into the cyclotomic subgroup.
        let quotient = value.conjugate * value.inverse()
        let f = quotient.frobeniusSquared * quotient

        let x2 = f.cyclotomicPower(parameterDigits).cyclotomicSquared()
        let x4 = x2.cyclotomicSquared()
        let x6 = x4 * x2
        let xx6 = x6.cyclotomicPower(parameterDigits)
        let xx12 = xx6.cyclotomicSquared()
        let xxx12 = xx12.cyclotomicPower(parameterDigits)

        let a = xxx12 * xx6 * x6  // 6x + 6x² + 12x³
        let b = a * x2.conjugate  // 4x + 6x² + 12x³
        let zeroth = a * xx6 * f  // 1 + 6x + 12x² + 12x³
        let third = b * f.conjugate
        return zeroth * b.frobenius * a.frobeniusSquared * third.frobeniusCubed
    }
}
