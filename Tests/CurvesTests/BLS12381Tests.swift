import Testing

@testable import Curves

/// What the byte-level operations on BLS12-381 accept and refuse.
@Suite struct BLS12381Tests {
    private static let prime: [UInt8] = bytes(of: BLS12381.Fp.modulus)

    private static func bytes(of limbs: Limbs<6>) -> [UInt8] {
        [UInt8](repeating: 0, count: 16)
            + (0..<6).reversed().flatMap { index in
                (0..<8).map { UInt8(truncatingIfNeeded: limbs[index] >> UInt64(56 - 8 * $0)) }
            }
    }

    private static let g1 = BLS12381.encode(BLS12381.generatorOfG1)
    private static let minusG1 = BLS12381.encode(-BLS12381.generatorOfG1)
    private static let g2 = BLS12381.encode(BLS12381.generatorOfG2)
    private static let minusG2 = BLS12381.encode(-BLS12381.generatorOfG2)
    private static let infinity1 = [UInt8](repeating: 0, count: 128)
    private static let infinity2 = [UInt8](repeating: 0, count: 256)
    private static let zero = [UInt8](repeating: 0, count: 32)
    private static let one = zero.dropLast() + [1]
    private static let two = zero.dropLast() + [2]
    private static let allOnes = [UInt8](repeating: 0xFF, count: 32)

    /// Points of the curves but not of the subgroups.
    private static let outside1 = Samples.pointOutsideG1(seed: 3)
    private static let outside2 = Samples.pointOutsideG2(seed: 4)

    private static let pairs = g1 + g2 + minusG1 + g2

    /// Each operation with a valid input, and the offsets of field elements and points in it.
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let operation: Operation
        let input: [UInt8]
        let elements: [Int]
        let points: [Int]
        let pointSize: Int
    }

    static let rows = [
        Row(
            testDescription: "g1Add", operation: Operations.g1Add, input: g1 + g1,
            elements: [0, 64, 128, 192], points: [0, 128], pointSize: 128),
        Row(
            testDescription: "g1MultiScalar", operation: Operations.g1MultiScalar,
            input: g1 + one + g1 + one, elements: [0, 64, 160, 224], points: [0, 160],
            pointSize: 128),
        Row(
            testDescription: "g2Add", operation: Operations.g2Add, input: g2 + g2,
            elements: Array(stride(from: 0, to: 512, by: 64)), points: [0, 256], pointSize: 256),
        Row(
            testDescription: "g2MultiScalar", operation: Operations.g2MultiScalar,
            input: g2 + one, elements: [0, 64, 128, 192], points: [0], pointSize: 256),
        Row(
            testDescription: "pairingCheck", operation: Operations.bls12381Pairing, input: pairs,
            elements: Array(stride(from: 0, to: 768, by: 64)), points: [0, 384], pointSize: 128),
        Row(
            testDescription: "mapFpToG1", operation: Operations.mapFpToG1,
            input: Array(g1.prefix(64)), elements: [0], points: [], pointSize: 0),
        Row(
            testDescription: "mapFp2ToG2", operation: Operations.mapFp2ToG2,
            input: Array(g2.prefix(128)), elements: [0, 64], points: [], pointSize: 0),
    ]

    @Test(arguments: rows) func elementsAreBelowThePrime(_ row: Row) throws {
        _ = try row.operation(row.input)
        for offset in row.elements {
            var input = row.input
            input.replaceSubrange(offset..<offset + 64, with: Self.prime)
            #expect(throws: CurveError.coordinateNotBelowPrime(offset: offset)) {
                try row.operation(input)
            }
            input.replaceSubrange(
                offset + 16..<offset + 64, with: repeatElement(0xFF, count: 48))
            #expect(throws: CurveError.coordinateNotBelowPrime(offset: offset)) {
                try row.operation(input)
            }
        }
    }

    @Test(arguments: rows) func paddingIsZero(_ row: Row) {
        for offset in row.elements {
            for position in 0..<16 {
                var input = row.input
                input[offset + position] = 1 << UInt8(position % 8)
                #expect(throws: CurveError.paddingNotZero(offset: offset)) {
                    try row.operation(input)
                }
            }
        }
    }

    @Test(arguments: rows) func sizesAreExact(_ row: Row) {
        for size in [0, 1, row.input.count - 1, row.input.count + 1, 2 * row.input.count + 7] {
            let input = Array((row.input + row.input + row.input).prefix(size))
            #expect(throws: CurveError.inputSize(size)) { try row.operation(input) }
        }
    }

    @Test(arguments: rows) func pointsAreOnTheCurve(_ row: Row) {
        for offset in row.points {
            // The last bit of y: no coordinate here is p − 1.
            var input = row.input
            input[offset + row.pointSize - 1] ^= 1
            #expect(throws: CurveError.notOnCurve(offset: offset)) { try row.operation(input) }
            // Zero is infinity only in both coordinates.
            input = row.input
            let half = row.pointSize / 2
            input.replaceSubrange(offset..<offset + half, with: repeatElement(0, count: half))
            #expect(throws: CurveError.notOnCurve(offset: offset)) { try row.operation(input) }
        }
    }

    @Test func subgroups() throws {
        let outside1 = BLS12381.encode(Self.outside1)
        let outside2 = BLS12381.encode(Self.outside2)
        // Addition takes any point of the curve.
        let double1 = BLS12381.encode(JacobianPoint(Self.outside1).doubled().affine)
        #expect(try Operations.g1Add(outside1 + outside1) == double1)
        let double2 = BLS12381.encode(JacobianPoint(Self.outside2).doubled().affine)
        #expect(try Operations.g2Add(outside2 + outside2) == double2)

        #expect(throws: CurveError.notInSubgroup(offset: 160)) {
            try Operations.g1MultiScalar(Self.g1 + Self.one + outside1 + Self.zero)
        }
        #expect(throws: CurveError.notInSubgroup(offset: 288)) {
            try Operations.g2MultiScalar(Self.g2 + Self.one + outside2 + Self.zero)
        }
        // Even opposite a point at infinity.
        #expect(throws: CurveError.notInSubgroup(offset: 768)) {
            try Operations.bls12381Pairing(Self.pairs + outside1 + Self.infinity2)
        }
        #expect(throws: CurveError.notInSubgroup(offset: 896)) {
            try Operations.bls12381Pairing(Self.pairs + Self.infinity1 + outside2)
        }
    }

    @Test func additionKnowsEveryCase() throws {
        let double = try Operations.g1MultiScalar(Self.g1 + Self.two)
        #expect(try Operations.g1Add(Self.g1 + Self.g1) == double)
        #expect(try Operations.g1Add(Self.g1 + Self.minusG1) == Self.infinity1)
        #expect(try Operations.g1Add(Self.g1 + Self.infinity1) == Self.g1)
        #expect(try Operations.g1Add(Self.infinity1 + Self.g1) == Self.g1)
        #expect(try Operations.g1Add(Self.infinity1 + Self.infinity1) == Self.infinity1)
        let double2 = try Operations.g2MultiScalar(Self.g2 + Self.two)
        #expect(try Operations.g2Add(Self.g2 + Self.g2) == double2)
        #expect(try Operations.g2Add(Self.g2 + Self.minusG2) == Self.infinity2)
        #expect(try Operations.g2Add(Self.g2 + Self.infinity2) == Self.g2)
        #expect(try Operations.g2Add(Self.infinity2 + Self.g2) == Self.g2)
        #expect(try Operations.g2Add(Self.infinity2 + Self.infinity2) == Self.infinity2)
    }

    @Test func scalarsAreAnyIntegers() throws {
        let order: [UInt8] = (0..<4).reversed().flatMap { index in
            (0..<8).map { UInt8(truncatingIfNeeded: BLS12381.order[index] >> UInt64(56 - 8 * $0)) }
        }
        #expect(try Operations.g1MultiScalar(Self.g1 + order) == Self.infinity1)
        #expect(try Operations.g2MultiScalar(Self.g2 + order) == Self.infinity2)
        #expect(try Operations.g1MultiScalar(Self.infinity1 + Self.allOnes) == Self.infinity1)
        let plain = JacobianPoint(BLS12381.generatorOfG1).multiplied(by: Limbs<4>(repeating: .max))
        #expect(
            try Operations.g1MultiScalar(Self.g1 + Self.allOnes) == BLS12381.encode(plain.affine))
        #expect(
            try Operations.g1MultiScalar(
                Self.g1 + Self.one + Self.minusG1 + Self.one + Self.g1 + order)
                == Self.infinity1)
    }

    @Test func pairings() throws {
        #expect(try BLS12381.pairingCheck(Self.pairs.span))
        let one = Self.g1 + Self.g2
        #expect(try BLS12381.pairingCheck(one.span) == false)
        let infinities = Self.g1 + Self.infinity2 + Self.infinity1 + Self.g2
        #expect(try BLS12381.pairingCheck(infinities.span))
        let mixed = infinities + one
        #expect(try BLS12381.pairingCheck(mixed.span) == false)
        let twice = Self.pairs + infinities + Self.g1 + Self.minusG2 + one
        #expect(try BLS12381.pairingCheck(twice.span))
    }
}
