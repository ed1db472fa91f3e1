import ChoraleBase
import Testing

@testable import Spartan

/// Arithmetic modulo the group's order, beside GMP.
@Suite struct ScalarTests {
    static var order: BigInteger {
        BigInteger(
            "7237005577332262213973186563042994240857116359379907606001950938285454250989")
    }

    /// Bytes whose limbs are often all zeros or all ones.
    static func edges(_ random: inout DeterministicRandom, count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<count / 8 {
            let word: UInt64 =
                switch random.below(4) {
                case 0: 0
                case 1: .max
                default: random.next()
                }
            bytes.appendLittleEndian(word)
        }
        return bytes
    }

    @Test(arguments: UInt64(0)..<8) func agreesWithGMP(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<200 {
            let (aBytes, bBytes) = (Self.edges(&random, count: 64), Self.edges(&random, count: 64))
            let (a, b) = (Scalar(wide: aBytes.span), Scalar(wide: bBytes.span))
            let (x, y) = (BigInteger(aBytes), BigInteger(bBytes))
            #expect(a.bytes.bytes == (x % Self.order).bytes)
            #expect((a + b).bytes.bytes == ((x + y) % Self.order).bytes)
            #expect((a - b).bytes.bytes == ((x - y) % Self.order).bytes)
            #expect((a * b).bytes.bytes == ((x * y) % Self.order).bytes)
            #expect((-a).bytes.bytes == ((BigInteger("0") - x) % Self.order).bytes)
            #expect(a.isZero || a * a.inverse() == .one)
            let again = Scalar(canonical: a.bytes.bytes.span)
            #expect(again == a)
        }
    }

    @Test(arguments: [0, 1, -1, 7, -128, .max, .min, .min + 1] as [Int64])
    func signedIntegersAreResidues(value: Int64) {
        #expect(
            Scalar(value).bytes.bytes == (BigInteger("\(value)") % Self.order).bytes)
        #expect("\(Scalar(value))" == "\(value)" || value == .min)
    }

    @Test func encodingsAreBelowTheOrder() {
        let order = Self.order.bytes
        let below = (Self.order - BigInteger("1")).bytes
        let above = (Self.order + BigInteger("1")).bytes
        let decoded = [below, order, above, [UInt8](repeating: 0xff, count: 32)].map {
            Scalar(canonical: $0.span)
        }
        #expect(decoded == [Scalar(-1), nil, nil, nil])
        let short = Scalar(canonical: [UInt8](repeating: 0, count: 31).span)
        #expect(short == nil)
    }

    @Test func invertsManyAtOnce() {
        var samples = Samples(seed: 1)
        var elements = samples.scalars(20)
        elements[0] = .zero
        elements[7] = .zero
        var inverses = elements
        Scalar.invert(&inverses)
        #expect(inverses == elements.map { $0.inverse() })
        #expect(inverses[0] == .zero && inverses[1] * elements[1] == .one)
        var none: [Scalar] = []
        Scalar.invert(&none)
        #expect(none.isEmpty)
    }
}
