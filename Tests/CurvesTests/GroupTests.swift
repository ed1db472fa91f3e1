import Testing

@testable import Curves

/// The group laws, and every fast multiplication against doubling and adding.
@Suite struct GroupTests {
    private func groupLaws<Shape: CurveShape>(
        _ generator: AffinePoint<Shape>, order: Limbs<4>, seed: UInt64
    ) {
        var samples = Samples(seed: seed)
        let g = JacobianPoint(generator)
        let infinity = JacobianPoint<Shape>.infinity
        let p = g.multiplied(by: samples.scalar())
        let q = g.multiplied(by: samples.scalar())
        let s = g.multiplied(by: samples.scalar())
        #expect(AffinePoint<Shape>(x: p.affine.x, y: p.affine.y) == p.affine, "on the curve")
        #expect(p + q == q + p)
        #expect((p + q) + s == p + (q + s))
        #expect(p + p == p.doubled())
        #expect((p + -p).isInfinity)
        #expect(p + infinity == p)
        #expect(infinity + p == p)
        #expect(p + AffinePoint<Shape>.infinity == p)
        #expect(p + q.affine == p + q)
        #expect(p + p.affine == p.doubled())
        #expect((p + (-p.affine)).isInfinity)
        #expect(infinity + p.affine == p)
        #expect(infinity.doubled().isInfinity)
        #expect(!(p == q) && !(p == q.affine) && !(p == infinity))
        #expect(p == p.affine)
        #expect(p.multiplied(by: order).isInfinity)
    }

    @Test(arguments: UInt64(0)..<16) func laws(seed: UInt64) {
        groupLaws(BN254.g1, order: BN254.order, seed: seed)
        groupLaws(BN254.g2, order: BN254.order, seed: seed)
        groupLaws(BLS12381.generatorOfG1, order: BLS12381.order, seed: seed)
        groupLaws(BLS12381.generatorOfG2, order: BLS12381.order, seed: seed)
    }

    private func scalarEdges(_ order: Limbs<4>) -> [Limbs<4>] {
        var below = order
        below[0] &-= 1
        var above = order
        above[0] &+= 1
        var top = Limbs<4>(repeating: 0)
        top[3] = 1 << 63
        var low = Limbs<4>(repeating: .max)
        low[2] = 0
        low[3] = 0
        return [0, 1, 2, 3, 15, 16, below, order, above, top, low, Limbs(repeating: .max)]
    }

    private func multiplication<Shape: SplitShape>(
        _ generator: AffinePoint<Shape>, order: Limbs<4>
    ) {
        var samples = Samples(seed: 7)
        let point = JacobianPoint(generator).multiplied(by: samples.scalar()).affine
        let scalars = scalarEdges(order) + (0..<40).map { _ in samples.scalar() }
        for scalar in scalars {
            let plain = JacobianPoint(point).multiplied(by: scalar)
            #expect(MultiScalar.multiply(point, by: scalar) == plain, "\(scalar)")
        }
        #expect(MultiScalar.multiply(AffinePoint<Shape>.infinity, by: 5).isInfinity)
    }

    @Test func multiplicationIsRepeatedAddition() {
        multiplication(BN254.g1, order: BN254.order)
        multiplication(BLS12381.generatorOfG1, order: BLS12381.order)
        multiplication(BLS12381.generatorOfG2, order: BLS12381.order)
    }

    private func sums<Shape: SplitShape>(_ generator: AffinePoint<Shape>, count: Int) {
        var samples = Samples(seed: UInt64(count))
        var products: [ScalarProduct<Shape>] = []
        var expected = JacobianPoint<Shape>.infinity
        for index in 0..<count {
            let point =
                index % 11 == 6
                ? .infinity : JacobianPoint(generator).multiplied(by: samples.scalar())
            let scalar: Limbs<4> = index % 7 == 3 ? 0 : samples.scalar()
            expected += point.multiplied(by: scalar)
            products.append(ScalarProduct(point: point.affine, scalar: scalar))
        }
        #expect(MultiScalar.sum(of: products) == expected)
        #expect(MultiScalar.sumByTables(products) == expected)
        #expect(MultiScalar.sumByBuckets(products) == expected)
    }

    @Test(arguments: [0, 1, 2, 5, 64]) func sumsOfMultiples(count: Int) {
        sums(BN254.g1, count: count)
        sums(BLS12381.generatorOfG1, count: count)
        sums(BLS12381.generatorOfG2, count: count)
    }

    @Test(arguments: [0, 1, 7, 8, 9, 15, 16, .max, .max - 1, UInt128.max - 7, 0xF << 124, 1 << 127])
    func signedDigitsAddUp(scalar: UInt128) {
        let digits = SignedDigits(scalar)
        // Modulo 2¹²⁸ from position 127 down, and the digit above it counts 2¹²⁸ times.
        var total: UInt128 = 0
        var last: Int?
        for position in stride(from: SignedDigits.count - 1, through: 0, by: -1) {
            let digit = digits[position]
            total = total &* 2 &+ UInt128(truncatingIfNeeded: digit)
            guard digit != 0 else { continue }
            #expect(digit.magnitude <= 7 && digit & 1 == 1)
            if let last { #expect(last - position >= 4) }
            last = position
        }
        #expect(total == scalar)
    }

    @Test func latticeSplitsScalars() {
        var samples = Samples(seed: 3)
        for scalar in scalarEdges(BN254.order) + (0..<200).map({ _ in samples.scalar() }) {
            let (k1, k2) = BN254.G1Shape.split(scalar)
            #expect(k1 < 1 << 127 && k2.magnitude < 1 << 127)
        }
        let image = BN254.G1(
            knownX: BN254.g1.x * BN254.G1Shape.beta, knownY: BN254.g1.y)
        #expect(JacobianPoint(BN254.g1).multiplied(by: BN254.G1Shape.lambda) == image)
    }

    private func batches<Shape: CurveShape>(_ generator: AffinePoint<Shape>) {
        var samples = Samples(seed: 21)
        let g = JacobianPoint(generator)
        var points = (0..<6).map { _ in g.multiplied(by: samples.scalar()) }
        points.insert(.infinity, at: 3)
        #expect(JacobianPoint.affine(points) == points.map(\.affine))
        #expect(JacobianPoint<Shape>.affine([.infinity, .infinity]) == [.infinity, .infinity])
        #expect(JacobianPoint<Shape>.affine([]) == [])
    }

    @Test func batchesOfAffinePoints() {
        batches(BN254.g1)
        batches(BN254.g2)
        batches(BLS12381.generatorOfG1)
        batches(BLS12381.generatorOfG2)
    }

    @Test func multiplicationBySignedDigits() {
        let g = JacobianPoint(BN254.g2)
        for scalar: UInt128 in [0, 1, 2, 7, 8, UInt128(BN254.parameter), .max] {
            var limbs = Limbs<4>(repeating: 0)
            limbs[0] = UInt64(truncatingIfNeeded: scalar)
            limbs[1] = UInt64(truncatingIfNeeded: scalar >> 64)
            #expect(g.multiplied(by: SignedDigits(scalar)) == g.multiplied(by: limbs))
        }
    }

    @Test func subgroupOfBN254() throws {
        // Points of the twist outside the subgroup: x of small norm until the equation has a root.
        var outside = 0
        var samples = Samples(seed: 11)
        for _ in 0..<40 {
            let x: Fp2<BN254> = samples.fp2()
            guard let y = (x.squared() * x + BN254.G2Shape.b).squareRoot() else { continue }
            let point = try #require(BN254.G2(x: x, y: y))
            #expect(!JacobianPoint(point).multiplied(by: BN254.order).isInfinity)
            #expect(!BN254.G2Shape.isInSubgroup(point))
            outside += 1
        }
        #expect(outside > 5)
        for _ in 0..<10 {
            let point = JacobianPoint(BN254.g2).multiplied(by: samples.scalar()).affine
            #expect(BN254.G2Shape.isInSubgroup(point))
        }
        #expect(BN254.G2Shape.isInSubgroup(.infinity))
    }

    @Test(arguments: UInt64(0)..<10) func subgroupsOfBLS12381(seed: UInt64) {
        let outside1 = Samples.pointOutsideG1(seed: seed)
        #expect(!JacobianPoint(outside1).multiplied(by: BLS12381.order).isInfinity)
        #expect(!BLS12381.G1Shape.isInSubgroup(outside1))
        let inside1 = BLS12381.G1Shape.clearCofactor(JacobianPoint(outside1))
        #expect(inside1.multiplied(by: BLS12381.order).isInfinity)
        #expect(BLS12381.G1Shape.isInSubgroup(inside1.affine))

        let outside2 = Samples.pointOutsideG2(seed: seed)
        #expect(!JacobianPoint(outside2).multiplied(by: BLS12381.order).isInfinity)
        #expect(!BLS12381.G2Shape.isInSubgroup(outside2))
        let inside2 = BLS12381.G2Shape.clearCofactor(JacobianPoint(outside2))
        #expect(inside2.multiplied(by: BLS12381.order).isInfinity)
        #expect(BLS12381.G2Shape.isInSubgroup(inside2.affine))
    }

    @Test func subgroupsHoldInfinityAndNotSmallOrders() {
        #expect(BLS12381.G1Shape.isInSubgroup(.infinity))
        #expect(BLS12381.G2Shape.isInSubgroup(.infinity))
        // (0, 2) has order three, which divides G1's cofactor.
        let small = BLS12381.G1(knownX: 0, knownY: 2)
        #expect(JacobianPoint(small).multiplied(by: 3).isInfinity)
        #expect(!BLS12381.G1Shape.isInSubgroup(small))
        // A point of the subgroup and one of small order: outside by the least.
        let mixed = JacobianPoint(BLS12381.generatorOfG1) + small
        #expect(!BLS12381.G1Shape.isInSubgroup(mixed.affine))
    }

    private func splitting<Shape: SplitShape>(
        _ generator: AffinePoint<Shape>, order: Limbs<4>, mu: Limbs<4>
    ) {
        var samples = Samples(seed: 17)
        let point = JacobianPoint(generator).multiplied(by: samples.scalar()).affine
        #expect(JacobianPoint(point).multiplied(by: mu) == Shape.endomorphism(point))
        #expect(Shape.endomorphism(.infinity) == .infinity)
        // Parts beyond the count are zero.
        for scalar in scalarEdges(order) + (0..<50).map({ _ in samples.scalar() }) {
            let parts = Shape.parts(of: scalar)
            for index in Shape.partCount..<4 { #expect(parts[index].magnitude == 0) }
        }
    }

    @Test func endomorphismsMultiply() {
        splitting(BN254.g1, order: BN254.order, mu: BN254.G1Shape.lambda)
        var x = Limbs<4>(repeating: 0)
        x[0] = BLS12381.parameter
        splitting(BLS12381.generatorOfG2, order: BLS12381.order, mu: x)
        let square = BLS12381.parameter.multipliedFullWidth(by: BLS12381.parameter)
        x[0] = square.low
        x[1] = square.high
        splitting(BLS12381.generatorOfG1, order: BLS12381.order, mu: x)
    }

    @Test func generatorsAndEndomorphismsOfBLS12381() {
        let g1 = BLS12381.generatorOfG1
        #expect(BLS12381.G1(x: g1.x, y: g1.y) == g1)
        let g2 = BLS12381.generatorOfG2
        #expect(BLS12381.G2(x: g2.x, y: g2.y) == g2)
        // ψ is multiplication by x, which is negative.
        let image = BLS12381.G2Shape.frobenius(g2)
        #expect(-JacobianPoint(g2).multiplied(by: BLS12381.parameter) == image)
    }
}
