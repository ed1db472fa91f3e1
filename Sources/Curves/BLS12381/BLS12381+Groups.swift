extension BLS12381 {
    /// y² = x³ + 4 over Fp, of order h₁·r.
    enum G1Shape: CurveShape {
        typealias Coordinate = Fp

        static let b: Fp = 4

        /// The cube root of one in Fp with which φ(x, y) = (βx, y) multiplies points of the subgroup
        /// by −x², x being the curve's parameter.
        static let beta: Fp =
            0x5f19672fdf76ce51ba69c6076a0f77eaddb3a93be6f89688de17d813620a00022e01fffffffefffe
    }

    /// y² = x³ + 4(1 + u) over Fp2, the multiplicative sextic twist, of order h₂·r.
    enum G2Shape: CurveShape {
        typealias Coordinate = Fp2<BLS12381>

        static let b = Coordinate(4, 4)

        /// ξ^(−(p−1)/3) and ξ^(−(p−1)/2), the factors of ψ.
        static let frobeniusScale: (x: Coordinate, y: Coordinate) = (
            BLS12381.frobenius.first[2].inverse(), BLS12381.frobenius.first[3].inverse()
        )
    }

    typealias G1 = AffinePoint<G1Shape>
    typealias G2 = AffinePoint<G2Shape>

    // Literals of 381 bits do not fit the line.
    // swift-format-ignore
    /// G1's generator of EIP-2537.
    static let generatorOfG1 = G1(
        knownX: 0x17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb,
        knownY: 0x08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1)
    // swift-format-ignore
    /// G2's generator of EIP-2537.
    static let generatorOfG2 = G2(
        knownX: Fp2(
            0x024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8,
            0x13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e),
        knownY: Fp2(
            0x0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801,
            0x0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be))

    /// The prime order r of both subgroups, x⁴ − x² + 1.
    static let order: Limbs<4> =
        0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001

    /// The absolute value of the curve's parameter x, which is negative.
    static let parameter: UInt64 = 0xd201_0000_0001_0000

    /// The four digits of a scalar, modulo r, in base |x|, least significant first.
    ///
    /// r is below x⁴.
    static func digits(_ scalar: Limbs<4>) -> [4 of UInt64] {
        var rest = scalar.reduced(modulo: order)
        var digits = [4 of UInt64](repeating: 0)
        for position in 0..<3 {
            for index in stride(from: 3, through: 0, by: -1) {
                let step = parameter.dividingFullWidth((digits[position], rest[index]))
                rest[index] = step.quotient
                digits[position] = step.remainder
            }
        }
        digits[3] = rest[0]
        return digits
    }
}

extension BLS12381.G1Shape: SplitShape {
    static var partCount: Int { 2 }

    /// −φ, which multiplies points of the subgroup by x².
    static func endomorphism(_ point: AffinePoint<Self>) -> AffinePoint<Self> {
        guard !point.isInfinity else { return point }
        return AffinePoint(knownX: point.x * beta, knownY: -point.y)
    }

    // k = (d₀ + d₁·|x|) + (d₂ + d₃·|x|)·x²
    static func parts(of scalar: Limbs<4>) -> [4 of ScalarPart] {
        let digits = BLS12381.digits(scalar)
        let base = UInt128(BLS12381.parameter)
        return [
            ScalarPart(magnitude: UInt128(digits[1]) * base + UInt128(digits[0])),
            ScalarPart(magnitude: UInt128(digits[3]) * base + UInt128(digits[2])),
            ScalarPart(), ScalarPart(),
        ]
    }

    /// Whether a point of the curve is in the subgroup of order r: whether φ multiplies it by −x².
    ///
    /// φ satisfies φ² + φ + 1 = 0 on the whole curve, so such a point has an order that divides
    /// x⁴ − x² + 1 = r (Scott, "A note on group membership tests for G1, G2 and GT on BLS
    /// pairing-friendly curves", 2021).
    static func isInSubgroup(_ point: AffinePoint<Self>) -> Bool {
        guard !point.isInfinity else { return true }
        let xSquaredTimes = JacobianPoint.multiply(point, by: BLS12381.parameter)
            .multiplied(by: BLS12381.parameter)
        return xSquaredTimes == endomorphism(point)
    }

    /// Takes a point of the curve into the subgroup: multiplies it by 1 − x.
    ///
    /// Specification: RFC 9380, section 8.8.1 (h_eff).
    static func clearCofactor(_ point: JacobianPoint<Self>) -> JacobianPoint<Self> {
        point.multiplied(by: BLS12381.parameter) + point
    }
}

extension BLS12381.G2Shape: SplitShape {
    static var partCount: Int { 4 }

    /// −ψ, which multiplies points of the subgroup by |x|, because ψ multiplies them by p ≡ x.
    static func endomorphism(_ point: AffinePoint<Self>) -> AffinePoint<Self> {
        point.isInfinity ? point : -frobenius(point)
    }

    static func parts(of scalar: Limbs<4>) -> [4 of ScalarPart] {
        let digits = BLS12381.digits(scalar)
        return [
            ScalarPart(magnitude: UInt128(digits[0])), ScalarPart(magnitude: UInt128(digits[1])),
            ScalarPart(magnitude: UInt128(digits[2])), ScalarPart(magnitude: UInt128(digits[3])),
        ]
    }

    /// The untwisted Frobenius map ψ, which multiplies points of the subgroup by p.
    static func frobenius(_ point: AffinePoint<Self>) -> AffinePoint<Self> {
        AffinePoint(
            knownX: point.x.conjugate * frobeniusScale.x,
            knownY: point.y.conjugate * frobeniusScale.y)
    }

    private static func frobenius(_ point: JacobianPoint<Self>) -> JacobianPoint<Self> {
        JacobianPoint(
            knownX: point.x.conjugate * frobeniusScale.x,
            knownY: point.y.conjugate * frobeniusScale.y, knownZ: point.z.conjugate)
    }

    /// Whether a point of the curve is in the subgroup of order r: whether ψ multiplies it by x.
    ///
    /// ψ² − tψ + p = 0 on the whole curve and t = x + 1, so the order of such a point divides p − x,
    /// which has no common factor with the curve's order but r (Scott, as for G1).
    static func isInSubgroup(_ point: AffinePoint<Self>) -> Bool {
        guard !point.isInfinity else { return true }
        return -JacobianPoint.multiply(point, by: BLS12381.parameter) == frobenius(point)
    }

    /// Takes a point of the curve into the subgroup: multiplies it by
    /// (x² − x − 1) + (x − 1)ψ + 2ψ².
    ///
    /// Specification: RFC 9380, section 8.8.2 and appendix G.3 (Budroni and Pintore).
    static func clearCofactor(_ point: JacobianPoint<Self>) -> JacobianPoint<Self> {
        let xTimes = -point.multiplied(by: BLS12381.parameter)
        let xSquaredTimes = -xTimes.multiplied(by: BLS12381.parameter)
        let image = frobenius(point)
        let mixed = frobenius(xTimes) + -image
        return xSquaredTimes + -xTimes + -point + mixed + frobenius(frobenius(point.doubled()))
    }
}
