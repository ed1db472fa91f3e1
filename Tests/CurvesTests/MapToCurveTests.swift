import Testing

@testable import Curves

/// The map of RFC 9380 step by step.
@Suite struct MapToCurveTests {
    private func steps<Shape: MappedShape>(
        _: Shape.Type, order: Limbs<4>, _ element: Shape.Coordinate
    ) {
        let (x, y) = Shape.pointOfIsogenousCurve(element)
        #expect(y.squared() == (x.squared() + Shape.mapA) * x + Shape.mapB)
        #expect(y.isOdd == element.isOdd)
        let image = Shape.isogeny(x, y)
        #expect(AffinePoint<Shape>(x: image.affine.x, y: image.affine.y) != nil, "on the curve")
        let cleared = Shape.clearCofactor(image)
        #expect(cleared.multiplied(by: order).isInfinity)
        #expect(Shape.map(element) == cleared)
    }

    @Test(arguments: UInt64(0)..<24) func landsInTheSubgroup(seed: UInt64) {
        var samples = Samples(seed: seed)
        let element: BLS12381.Fp = samples.element()
        steps(BLS12381.G1Shape.self, order: BLS12381.order, element)
        steps(BLS12381.G1Shape.self, order: BLS12381.order, -element)
        let pair: Fp2<BLS12381> = samples.fp2()
        steps(BLS12381.G2Shape.self, order: BLS12381.order, pair)
        steps(BLS12381.G2Shape.self, order: BLS12381.order, Fp2(pair.c0, .zero))
        steps(BLS12381.G2Shape.self, order: BLS12381.order, Fp2(.zero, pair.c1))
    }

    /// Zero, and the roots of −1/Z, for which the formula has no inverse.
    @Test func exceptionalElements() throws {
        steps(BLS12381.G1Shape.self, order: BLS12381.order, .zero)
        steps(BLS12381.G2Shape.self, order: BLS12381.order, .zero)
        let root = try #require((-BLS12381.G1Shape.mapZ.inverse()).squareRoot())
        steps(BLS12381.G1Shape.self, order: BLS12381.order, root)
        #expect((-BLS12381.G2Shape.mapZ.inverse()).squareRoot() == nil)
    }

    /// RFC 9380, appendix J.9.2 (BLS12381G1_XMD:SHA-256_SSWU_NU_, empty message).
    @Test func publishedPoint() {
        // swift-format-ignore
        let u: BLS12381.Fp = 0x156c8a6a2c184569d69a76be144b5cdc5141d2d2ca4fe341f011e25e3969c55ad9e9b9ce2eb833c81a908e5fa4ac5f03
        // swift-format-ignore
        let x: BLS12381.Fp = 0x184bb665c37ff561a89ec2122dd343f20e0f4cbcaec84e3c3052ea81d1834e192c426074b02ed3dca4e7676ce4ce48ba
        // swift-format-ignore
        let y: BLS12381.Fp = 0x04407b8d35af4dacc809927071fc0405218f1401a6d15af775810e4e460064bcc9468beeba82fdc751be70476c888bf3
        #expect(BLS12381.G1Shape.map(u) == BLS12381.G1(knownX: x, knownY: y))
    }

    @Test(arguments: UInt64(0)..<32) func squareRoots(seed: UInt64) {
        var samples = Samples(seed: seed)
        func check<Field: MapField>(_ element: Field) {
            let square = element.squared()
            let root = square.squareRoot()
            #expect(root == element || root == -element)
        }
        check(samples.element(BLS12381.Fp.self))
        let (a, b): (BLS12381.Fp, BLS12381.Fp) = (samples.element(), samples.element())
        for element in [Fp2<BLS12381>(a, b), Fp2(a, .zero), Fp2(.zero, a), Fp2(a, a), Fp2(a, -a)] {
            check(element)
        }
        // Z is no square in either field.
        #expect(
            (samples.element(BLS12381.Fp.self).squared() * BLS12381.G1Shape.mapZ).squareRoot()
                == nil)
        #expect((Fp2<BLS12381>(a, b).squared() * BLS12381.G2Shape.mapZ).squareRoot() == nil)
    }

    @Test func squareRootOfZero() {
        #expect(BLS12381.Fp.zero.squareRoot() == .zero)
        #expect(Fp2<BLS12381>.zero.squareRoot() == .zero)
        #expect(Fp2<BLS12381>(-.one, .zero).squareRoot().map { $0.squared() } == -.one)
    }
}
