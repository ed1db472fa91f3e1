import Testing

@testable import Curves

/// What the byte-level operations on BN254 accept and refuse.
@Suite struct BN254Tests {
    private static let prime: [UInt8] = bytes(of: BN254.Fp.modulus)

    private static func bytes(of limbs: Limbs<4>) -> [UInt8] {
        (0..<4).reversed().flatMap { index in
            (0..<8).map { UInt8(truncatingIfNeeded: limbs[index] >> UInt64(56 - 8 * $0)) }
        }
    }

    private static func encode(_ point: BN254.G2) -> [UInt8] {
        [point.x.c1, point.x.c0, point.y.c1, point.y.c0].flatMap { bytes(of: $0.canonical) }
    }

    private static let g1 = BN254.encode(BN254.g1)
    private static let minusG1 = BN254.encode(-BN254.g1)
    private static let g2 = encode(BN254.g2)
    private static let zero = [UInt8](repeating: 0, count: 32)
    private static let one = zero.dropLast() + [1]

    private func add(_ input: [UInt8]) throws(CurveError) -> [UInt8] {
        try BN254.add(input.span)
    }

    private func multiply(_ input: [UInt8]) throws(CurveError) -> [UInt8] {
        try BN254.multiply(input.span)
    }

    private func check(_ input: [UInt8]) throws(CurveError) -> Bool {
        try BN254.pairingCheck(input.span)
    }

    @Test func additionPadsAndCuts() throws {
        let infinity = Self.zero + Self.zero
        #expect(try add([]) == infinity)
        #expect(try add(Self.g1) == Self.g1)
        #expect(try add(infinity + Self.g1 + [1, 2, 3]) == Self.g1)
        #expect(try add(Self.g1 + Self.minusG1) == infinity)
        let double = try add(Self.g1 + Self.g1)
        #expect(try multiply(Self.g1 + Self.zero.dropLast() + [2]) == double)
        // A scalar cut short is padded on the right: 0x02 alone is 2·2²⁴⁸.
        #expect(try multiply(Self.g1 + [2]) == multiply(Self.g1 + [2] + Self.zero.dropLast()))
        #expect(try multiply(Self.g1) == infinity)
        #expect(try multiply(Self.g1 + Self.bytes(of: BN254.order)) == infinity)
        #expect(try multiply(infinity + Self.one) == infinity)
    }

    @Test func coordinatesAreBelowThePrime() {
        for offset in stride(from: 0, to: 128, by: 32) {
            var input = Self.g1 + Self.g1
            input.replaceSubrange(offset..<offset + 32, with: Self.prime)
            #expect(throws: CurveError.coordinateNotBelowPrime(offset: offset)) { try add(input) }
            input[offset] = 0xFF
            #expect(throws: CurveError.coordinateNotBelowPrime(offset: offset)) { try add(input) }
        }
        for offset in stride(from: 0, to: 192, by: 32) {
            var input = Self.g1 + Self.g2
            input.replaceSubrange(offset..<offset + 32, with: Self.prime)
            #expect(throws: CurveError.coordinateNotBelowPrime(offset: offset)) {
                try check(input)
            }
        }
    }

    @Test func pointsAreOnTheCurve() {
        for offset in [0, 64] {
            for bit in [0, 7, 100, 255, 300, 511] where bit % 256 > 2 {
                var input = Self.g1 + Self.g1
                input[offset + bit / 8] ^= 0x80 >> UInt8(bit % 8)
                #expect(throws: CurveError.notOnCurve(offset: offset)) { try add(input) }
            }
        }
        #expect(throws: CurveError.notOnCurve(offset: 0)) { try add(Self.zero + Self.one) }
        #expect(throws: CurveError.notOnCurve(offset: 0)) { try multiply(Self.one + Self.zero) }
        var input = Self.g1 + Self.g2
        input[191] ^= 1
        #expect(throws: CurveError.notOnCurve(offset: 64)) { try check(input) }
        // Truncation cuts the second coordinate, which is then another number.
        #expect(throws: CurveError.notOnCurve(offset: 0)) { try add(Array(Self.g1.dropLast())) }
    }

    @Test func pairingChecksTakeWholePairs() throws {
        #expect(try check([]))
        #expect(try check(Self.g1 + Self.g2) == false)
        let pairs = Self.g1 + Self.g2 + Self.minusG1 + Self.g2
        #expect(try check(pairs))
        for size in [1, 64, 191, 193, 383, 385] {
            let input = Array((pairs + pairs).prefix(size))
            #expect(throws: CurveError.inputSize(size)) { try check(input) }
        }
        let infinity1 = Self.zero + Self.zero
        let infinity2 = infinity1 + infinity1
        #expect(try check(infinity1 + Self.g2))
        #expect(try check(Self.g1 + infinity2))
        #expect(try check(infinity1 + infinity2 + pairs))
        #expect(try check(infinity1 + infinity2 + Self.g1 + Self.g2) == false)
    }

    @Test func pointsOfG2AreInTheSubgroup() throws {
        var samples = Samples(seed: 5)
        while true {
            let x: Fp2<BN254> = samples.fp2()
            guard let y = (x.squared() * x + BN254.G2Shape.b).squareRoot() else { continue }
            let outside = Self.encode(BN254.G2(knownX: x, knownY: y))
            #expect(throws: CurveError.notInSubgroup(offset: 64)) {
                try check(Self.g1 + outside)
            }
            // Even opposite a point at infinity.
            #expect(throws: CurveError.notInSubgroup(offset: 256)) {
                try check(Self.g1 + Self.g2 + Self.zero + Self.zero + outside)
            }
            return
        }
    }
}
