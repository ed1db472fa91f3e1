import ChoraleBase
import Testing

@testable import Curves

/// Points, scalars and pairings as verifiers of proofs use them.
@Suite struct ProofCurveTests {
    private func scalar<Order: ScalarOrder>(_ seed: UInt64, _: Order.Type) -> Scalar<Order> {
        var random = DeterministicRandom(seed: seed)
        let bytes = (0..<40).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return Scalar(reducing: bytes.span)
    }

    private func scalarLaws<Order: ScalarOrder>(_ order: Order.Type, seed: UInt64) {
        let a = scalar(3 * seed, order)
        let b = scalar(3 * seed + 1, order)
        let c = scalar(3 * seed + 2, order)
        #expect(a + b - b == a)
        #expect(a * (b + c) == a * b + a * c)
        #expect((a * b) * c == a * (b * c))
        #expect(a * .one == a)
        #expect(a * a.inverse() == .one)
        #expect(-a + a == .zero)
        #expect(a.power(5) == a * a * a * a * a)
        #expect(a.power(0) == .one)
        let bytes = a.bytes
        let again = Scalar<Order>(bytes.span)
        #expect(again == a)
        #expect(Scalar<Order>(reducing: bytes.span) == a)
        #expect(Scalar<Order>(reducing: Bytes32(bytes)!) == a)
    }

    @Test(arguments: UInt64(0)..<32) func scalars(seed: UInt64) {
        scalarLaws(BN254.Order.self, seed: seed)
        scalarLaws(BLS12381.Order.self, seed: seed)
    }

    private func scalarEdges<Order: ScalarOrder>(_: Order.Type) {
        var order: [UInt8] = []
        for index in stride(from: 3, through: 0, by: -1) {
            order.appendBigEndian(Order.constants.modulus[index])
        }
        let refused = Scalar<Order>(order.span)
        #expect(refused == nil)
        #expect(Scalar<Order>(reducing: order.span) == .zero)
        #expect(Scalar<Order>(reducing: Bytes32(order)!) == .zero)
        order[31] -= 1
        let largest = Scalar<Order>(order.span)
        #expect(largest == -Scalar.one)
        let all = [UInt8](repeating: 0xFF, count: 32)
        #expect(Scalar<Order>(all.span) == nil)
        #expect(Scalar<Order>(reducing: all.span) == Scalar(reducing: Bytes32(all)!))
        #expect(Scalar<Order>(all.span, at: 1) == nil)
        #expect(Scalar<Order>.zero.inverse() == .zero)
        #expect(Scalar<Order>(7).bytes == [UInt8](repeating: 0, count: 31) + [7])
    }

    @Test func edgesOfScalars() {
        scalarEdges(BN254.Order.self)
        scalarEdges(BLS12381.Order.self)
    }

    private func curveLaws<Curve: ProofCurve>(_: Curve.Type) throws {
        let (p, q) = (Curve.Point1.generator, Curve.Point2.generator)
        let a = scalar(1, Curve.Order.self)
        let b = scalar(2, Curve.Order.self)
        #expect(Curve.sum([(p, a), (p, b)]) == Curve.sum([(p, a + b)]))
        #expect(Curve.sum([(p, a), (p, -a)]).isInfinity)
        #expect(p + p == Curve.sum([(p, Scalar(2))]))
        let (pa, pb) = (Curve.sum([(p, a)]), Curve.sum([(p, b)]))
        #expect(Curve.pairingProduct([(pa, q), (pb, q)]) == Curve.pairingProduct([(pa + pb, q)]))
        #expect(Curve.pairingProduct([(pa, q), (-pa, q)]) == Curve.targetOne)
        #expect(Curve.pairingProduct([(pa, q + q)]) == Curve.pairingProduct([(pa + pa, q)]))
        #expect(Curve.pairingProduct([(pa, q)]) != Curve.targetOne)
        #expect(Curve.pairingProduct([(.infinity, q)]) == Curve.targetOne)
        for point in [pa, pb, .infinity] {
            let bytes = [9] + point.uncompressed
            #expect(bytes.count == Curve.Point1.uncompressedSize + 1)
            #expect(try Curve.Point1(uncompressed: bytes.span, at: 1) == point)
            #expect(throws: CurveError.self) { try Curve.Point1(uncompressed: bytes.span, at: 2) }
        }
        for point in [q, q + q, -q, .infinity] {
            let bytes = point.uncompressed
            #expect(try Curve.Point2(uncompressed: bytes.span, at: 0) == point)
        }
    }

    @Test func curves() throws {
        try curveLaws(BN254.self)
        try curveLaws(BLS12381.self)
    }

    /// gnark's encoding, made here by hand from the coordinates.
    @Test func compressedPointsOfBN254() throws {
        var multiple = BN254.Point1.generator
        var second = BN254.Point2.generator
        for _ in 0..<8 {
            for point in [multiple, -multiple] {
                var bytes = Array(point.uncompressed.prefix(32))
                bytes[0] |= point.affine.y.isLarger ? 0xC0 : 0x80
                #expect(try BN254.Point1(compressed: bytes.span, at: 0) == point)
                bytes[0] &= 0x3F
                #expect(throws: CurveError.compressedFlags(offset: 0)) {
                    try BN254.Point1(compressed: bytes.span, at: 0)
                }
            }
            for point in [second, -second] {
                var bytes = Array(point.uncompressed.prefix(64))
                bytes[0] |= point.affine.y.isLarger ? 0xC0 : 0x80
                #expect(try BN254.Point2(compressed: bytes.span, at: 0) == point)
            }
            multiple = multiple + .generator
            second = second + .generator
        }
        var infinity: [UInt8] = [0x40] + .init(repeating: 0, count: 31)
        #expect(try BN254.Point1(compressed: infinity.span, at: 0).isInfinity)
        infinity[31] = 1
        #expect(throws: CurveError.compressedFlags(offset: 0)) {
            try BN254.Point1(compressed: infinity.span, at: 0)
        }
        let full = [UInt8](repeating: 0xFF, count: 32)
        #expect(throws: CurveError.coordinateNotBelowPrime(offset: 0)) {
            try BN254.Point1(compressed: full.span, at: 0)
        }
    }

    @Test func flagsOfBLS12381() throws {
        var generator = BLS12381.Point2.generator.uncompressed
        var compressed = Array(generator.prefix(96))
        compressed[0] |= BLS12381.Point2.generator.affine.y.isLarger ? 0xA0 : 0x80
        #expect(try BLS12381.Point2(compressed: compressed.span, at: 0) == .generator)
        compressed[0] ^= 0x20
        #expect(try BLS12381.Point2(compressed: compressed.span, at: 0) == -.generator)
        for flags: UInt8 in [0x20, 0x40, 0x60, 0x80, 0xC0, 0xE0] {
            generator[0] |= flags
            #expect(throws: CurveError.compressedFlags(offset: 0)) {
                try BLS12381.Point2(uncompressed: generator.span, at: 0)
            }
            generator[0] &= 0x1F
        }
        let zero = [UInt8](repeating: 0, count: 192)
        #expect(throws: CurveError.notOnCurve(offset: 0)) {
            try BLS12381.Point2(uncompressed: zero.span, at: 0)
        }
        #expect(throws: CurveError.notOnCurve(offset: 0)) {
            try BLS12381.Point1(uncompressed: zero.span, at: 0)
        }
    }
}
