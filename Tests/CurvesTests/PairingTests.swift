import Testing

@testable import Curves

/// Bilinearity, order and non-degeneracy of the pairings.
@Suite struct PairingTests {
    private func laws<Curve: PairingCurve>(
        _: Curve.Type, _ g1: AffinePoint<Curve.G1Shape>, _ g2: AffinePoint<Curve.G2Shape>,
        order: Limbs<4>, seed: UInt64
    ) {
        var samples = Samples(seed: seed)
        let a = samples.scalar()
        let b = samples.scalar()
        let aP = JacobianPoint(g1).multiplied(by: a).affine
        let bQ = JacobianPoint(g2).multiplied(by: b).affine
        let abP = JacobianPoint(aP).multiplied(by: b).affine

        func pair(_ p: AffinePoint<Curve.G1Shape>, _ q: AffinePoint<Curve.G2Shape>) -> Fp12<Curve> {
            Curve.pairingProduct([PairingTerm(p, q)])
        }
        let base = pair(g1, g2)
        #expect(base != .one)
        #expect(base.power(order) == .one)
        #expect(pair(aP, g2) == base.power(a))
        #expect(pair(g1, bQ) == base.power(b))
        #expect(pair(aP, bQ) == pair(abP, g2))
        #expect(pair(-aP, g2) == pair(aP, g2).conjugate)
        #expect(
            Curve.pairingProduct([
                PairingTerm(aP, bQ), PairingTerm(-abP, g2), PairingTerm(g1, g2),
            ]) == base)
        #expect(
            Curve.pairingProduct([PairingTerm(aP, bQ), PairingTerm(-abP, g2)]) == .one)
        #expect(Curve.pairingProduct([]) == .one)
    }

    @Test(arguments: UInt64(0)..<8) func bilinear(seed: UInt64) {
        laws(BN254.self, BN254.g1, BN254.g2, order: BN254.order, seed: seed)
        laws(
            BLS12381.self, BLS12381.generatorOfG1, BLS12381.generatorOfG2,
            order: BLS12381.order, seed: seed)
    }

    @Test func nonAdjacentForm() {
        for value: UInt128 in [1, 2, 3, 7, 11, 0xFFFF_FFFF, 6 * UInt128(BN254.parameter) + 2] {
            let digits = [1] + [Int8](nonAdjacentFormOf: value)
            #expect(digits.reduce(Int128(0)) { $0 * 2 + Int128($1) } == Int128(value))
            for (first, second) in zip(digits, digits.dropFirst()) {
                #expect(first == 0 || second == 0)
            }
        }
    }
}
