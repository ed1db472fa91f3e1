extension BN254 {
    /// y² = x³ + 3 over Fp. Its order is the prime r: every point is in the subgroup.
    enum G1Shape: CurveShape {
        typealias Coordinate = Fp

        static let b: Fp = 3

        /// A cube root of one in Fp, with which (x, y) → (βx, y) multiplies by ``lambda``.
        static let beta: Fp = 0x59e26bcea0d48bacd4f263f1acdb5c4f5763473177fffffe

        /// 36x³ + 18x² + 6x + 1, a cube root of one modulo r.
        static let lambda: Limbs<4> = 0xb3c4d79d41a917585bfc41088d8daaa78b17ea66b99c90dd
    }

    /// y² = x³ + 3/(9 + u) over Fp2, the divisive sextic twist.
    enum G2Shape: CurveShape {
        typealias Coordinate = Fp2<BN254>

        static let b = Coordinate(3, 0) * BN254.xi.inverse()
    }

    typealias G1 = AffinePoint<G1Shape>
    typealias G2 = AffinePoint<G2Shape>

    /// The prime order r of both groups.
    static let order: Limbs<4> =
        0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001

    /// The curve's parameter x, called t in EIP-197's references.
    static let parameter: UInt64 = 4_965_661_367_192_848_881

    static let parameterDigits = SignedDigits(UInt128(parameter))
}

extension BN254.G1Shape: SplitShape {
    static var partCount: Int { 2 }

    static func endomorphism(_ point: AffinePoint<Self>) -> AffinePoint<Self> {
        guard !point.isInfinity else { return point }
        return AffinePoint(knownX: point.x * beta, knownY: point.y)
    }

    // The lattice of (a, b) with a + b·λ ≡ 0 modulo r has the short
    // basis (6x² + 4x + 1, 2x + 1) and (−2x − 1, 6x² + 2x), of determinant r. A scalar k less the
    // lattice point c1·(the first) − c2·(the second), where c1 and c2 are the coordinates
    // k·(6x² + 2x)/r and k·(2x + 1)/r rounded down, is (k1, k2) with k1 + k2·λ ≡ k. The rounding
    // leaves 0 ≤ k1 < 2¹²⁷ and |k2| < 2¹²⁷, so that both can be computed modulo 2¹²⁸.

    /// 6x² + 4x + 1.
    private static var firstA: UInt128 { 0x6f4d_8248_eeb8_59fd_0be4_e154_1221_250b }
    /// 6x² + 2x.
    private static var secondB: UInt128 { 0x6f4d_8248_eeb8_59fc_8211_bbeb_7d4f_1128 }
    /// 2x + 1.
    private static var short: UInt128 { 0x89d3_2568_94d2_13e3 }
    /// 2²⁵⁶·(6x² + 2x)/r, rounded down: the error of c1 stays below 0.13.
    private static let firstQuotient: Limbs<3> = 0x2_4ccef014a773d2cf7a7bd9d4391eb18d
    /// 2²⁵⁶·(2x + 1)/r, rounded down: the error of c2 stays below 0.09.
    private static let secondQuotient: Limbs<3> = 0x2_d91d232ec7e0b3d7

    static func split(_ scalar: Limbs<4>) -> (k1: UInt128, k2: Int128) {
        let k = scalar.reduced(modulo: BN254.order)
        let c1 = k.productShifted256(by: firstQuotient)
        let c2 = k.productShifted256(by: secondQuotient)
        let low = UInt128(k[0]) | UInt128(k[1]) << 64
        let k1 = low &- c1 &* firstA &- c2 &* short
        let k2 = c2 &* secondB &- c1 &* short
        return (k1, Int128(truncatingIfNeeded: k2))
    }

    static func parts(of scalar: Limbs<4>) -> [4 of ScalarPart] {
        let (k1, k2) = split(scalar)
        return [
            ScalarPart(magnitude: k1), ScalarPart(magnitude: k2.magnitude, isNegative: k2 < 0),
            ScalarPart(), ScalarPart(),
        ]
    }
}

extension BN254.G2Shape {
    /// The untwisted Frobenius map ψ, which multiplies points of the subgroup by p.
    static func frobenius(_ point: AffinePoint<Self>) -> AffinePoint<Self> {
        let scale = BN254.frobenius.first
        return AffinePoint(
            knownX: point.x.conjugate * scale[2], knownY: point.y.conjugate * scale[3])
    }

    private static func frobenius(_ point: JacobianPoint<Self>) -> JacobianPoint<Self> {
        let scale = BN254.frobenius.first
        return JacobianPoint(
            knownX: point.x.conjugate * scale[2], knownY: point.y.conjugate * scale[3],
            knownZ: point.z.conjugate)
    }

    /// Whether a point of the curve is in the subgroup of order r.
    ///
    /// ψ satisfies ψ² − tψ + p = 0 on the whole curve. The norm of
    /// (x + 1) + xψ + xψ² − 2xψ³ in that ring has no common factor with the curve's order but r, so
    /// a point that this polynomial takes to infinity has an order that divides r (El Housni,
    /// Guillevic and Piellard, "Co-factor clearing and subgroup membership testing", 2022).
    static func isInSubgroup(_ point: AffinePoint<Self>) -> Bool {
        guard !point.isInfinity else { return true }
        let xTimes = JacobianPoint(point).multiplied(by: BN254.parameterDigits)
        let first = frobenius(xTimes)
        let second = frobenius(first)
        let third = frobenius(second)
        return xTimes + point + first + second == third.doubled()
    }
}
