import ChoraleBase
import Crypto
import Testing

@testable import Curves

/// What the check of an opening accepts and refuses.
@Suite struct KZGTests {
    /// An opening, and its encoding with the versioned hash that belongs to it.
    private struct Opening {
        var z: Limbs<4>
        var y: Limbs<4>
        var commitment: [UInt8]
        var proof: [UInt8]

        var input: [UInt8] {
            var hash = SHA256.hash(commitment).bytes
            hash[0] = 1
            return hash + Self.bytes(z) + Self.bytes(y) + commitment + proof
        }

        static func bytes(_ scalar: Limbs<4>) -> [UInt8] {
            var bytes: [UInt8] = []
            for index in (0..<4).reversed() { bytes.appendBigEndian(scalar[index]) }
            return bytes
        }
    }

    private static func compressed(_ point: BLS12381.G1) -> [UInt8] {
        if point.isInfinity { return [0xC0] + [UInt8](repeating: 0, count: 47) }
        var bytes: [UInt8] = []
        point.x.append(to: &bytes)
        bytes[0] |= (-point.y).canonical < point.y.canonical ? 0xA0 : 0x80
        return bytes
    }

    /// The polynomial that is `value` everywhere.
    private static func constant(_ value: Limbs<4>, at z: Limbs<4>) -> Opening {
        let commitment = MultiScalar.multiply(BLS12381.generatorOfG1, by: value).affine
        return Opening(
            z: z, y: value, commitment: compressed(commitment), proof: compressed(.infinity))
    }

    private static func verify(_ input: [UInt8]) throws(KZG.OpeningError) {
        let answer = try KZG.verifyPointEvaluation(input.span)
        #expect(
            Hex.encode(answer)
                == "0000000000000000000000000000000000000000000000000000000000001000"
                + "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
    }

    private static let published: [UInt8] = {
        guard
            let vector = PublishedVectors.vectors.first(where: { $0.name == "an opening" }),
            let bytes = try? PublishedVectors.bytes(vector.input)
        else { preconditionFailure("an opening is among the published vectors") }
        return bytes
    }()

    @Test func compressionRoundTrips() throws {
        var samples = Samples(seed: 8)
        for _ in 0..<20 {
            let point = JacobianPoint(BLS12381.generatorOfG1).multiplied(by: samples.scalar())
            let bytes = Self.compressed(point.affine)
            #expect(try BLS12381.decodeCompressedG1(bytes.span, at: 0) == point.affine)
            let other = Self.compressed(-point.affine)
            #expect(try BLS12381.decodeCompressedG1(other.span, at: 0) == -point.affine)
        }
    }

    @Test func constantPolynomials() throws {
        var largest = BLS12381.order
        largest[0] -= 1
        for value: Limbs<4> in [0, 1, 2, largest] {
            for z: Limbs<4> in [0, 1, largest] {
                try Self.verify(Self.constant(value, at: z).input)
            }
        }
        // A claim that does not hold.
        var opening = Self.constant(5, at: 3)
        opening.y = 6
        #expect(throws: KZG.OpeningError.proofRefused) { try Self.verify(opening.input) }
    }

    @Test func proofsArePoints() throws {
        try Self.verify(Self.published)
        // With another proof, or another point of evaluation.
        var opening = Self.constant(7, at: 0)
        opening.proof = Self.compressed(BLS12381.generatorOfG1)
        #expect(throws: KZG.OpeningError.proofRefused) { try Self.verify(opening.input) }
        var input = Self.published
        input[63] ^= 1
        #expect(throws: KZG.OpeningError.proofRefused) { try Self.verify(input) }
    }

    @Test func sizesAreExact() {
        for size in [0, 1, 191, 193, 384] {
            let input = Array((Self.published + Self.published).prefix(size))
            #expect(throws: KZG.OpeningError.inputSize(size)) { try Self.verify(input) }
        }
    }

    @Test func hashesBelongToTheCommitment() {
        for offset in 0..<32 {
            var input = Self.published
            input[offset] ^= 2
            #expect(throws: KZG.OpeningError.versionedHashMismatch) { try Self.verify(input) }
        }
        // The hash before its first byte became the version.
        var input = Self.published
        input.replaceSubrange(0..<32, with: SHA256.hash(Array(input[96..<144])).bytes)
        #expect(throws: KZG.OpeningError.versionedHashMismatch) { try Self.verify(input) }
    }

    @Test func scalarsAreBelowTheOrder() {
        let order = Opening.bytes(BLS12381.order)
        for offset in [32, 64] {
            for scalar in [order, [UInt8](repeating: 0xFF, count: 32)] {
                var input = Self.published
                input.replaceSubrange(offset..<offset + 32, with: scalar)
                #expect(throws: KZG.OpeningError.scalarNotBelowOrder(offset: offset)) {
                    try Self.verify(input)
                }
            }
        }
    }

    @Test func compressedPointsAreRefused() {
        let generator = Self.compressed(BLS12381.generatorOfG1)
        let infinity = Self.compressed(.infinity)
        var prime: [UInt8] = []
        (-BLS12381.Fp.one).append(to: &prime)
        prime[47] += 1

        var rows: [(String, [UInt8], CurveError)] = []
        func row(_ name: String, _ bytes: [UInt8], _ error: (Int) -> CurveError) {
            for offset in [96, 144] { rows.append((name, bytes, error(offset))) }
        }
        func changed(_ bytes: [UInt8], at index: Int, to value: UInt8) -> [UInt8] {
            var bytes = bytes
            bytes[index] = value
            return bytes
        }
        row("not compressed", changed(generator, at: 0, to: generator[0] & 0x7F)) {
            .compressedFlags(offset: $0)
        }
        row("infinity with a sign", changed(infinity, at: 0, to: 0xE0)) {
            .compressedFlags(offset: $0)
        }
        row("infinity with a coordinate", changed(infinity, at: 47, to: 1)) {
            .compressedFlags(offset: $0)
        }
        row("infinity without its flag", changed(infinity, at: 0, to: 0x80)) {
            // x = 0: the points of order three (0, ±2).
            .notInSubgroup(offset: $0)
        }
        row("x is the prime", changed(prime, at: 0, to: prime[0] | 0x80)) {
            .coordinateNotBelowPrime(offset: $0)
        }
        row("x without a point", changed(infinity, at: 0, to: 0x80).dropLast() + [1]) {
            .notOnCurve(offset: $0)
        }
        row("a point outside", Self.compressed(Samples.pointOutsideG1(seed: 5))) {
            .notInSubgroup(offset: $0)
        }
        for (name, bytes, error) in rows {
            var opening = Self.constant(1, at: 1)
            switch error {
            case .compressedFlags(96), .coordinateNotBelowPrime(96), .notOnCurve(96),
                .notInSubgroup(96):
                opening.commitment = bytes
            default: opening.proof = bytes
            }
            #expect(throws: KZG.OpeningError.point(error), "\(name)") {
                try Self.verify(opening.input)
            }
        }
    }
}
