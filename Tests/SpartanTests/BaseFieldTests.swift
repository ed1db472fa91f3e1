import ChoraleBase
import Testing

@testable import Spartan

/// Arithmetic modulo 2²⁵⁵ − 19, beside GMP.
@Suite struct BaseFieldTests {
    static var prime: BigInteger {
        BigInteger(
            "57896044618658097711785492504343953926634992332820282019728792003956564819949")
    }

    static func element(_ bytes: [UInt8]) -> BaseField? {
        BaseField(canonical: limbs(bytes))
    }

    static func limbs(_ bytes: [UInt8]) -> (UInt64, UInt64, UInt64, UInt64) {
        let span = bytes.span
        return (
            span.loadLittleEndian(UInt64.self, at: 0), span.loadLittleEndian(UInt64.self, at: 8),
            span.loadLittleEndian(UInt64.self, at: 16), span.loadLittleEndian(UInt64.self, at: 24)
        )
    }

    static func bytes(_ element: BaseField) -> [UInt8] {
        let limbs = element.canonical
        var bytes: [UInt8] = []
        for limb in [limbs.0, limbs.1, limbs.2, limbs.3] { bytes.appendLittleEndian(limb) }
        return bytes
    }

    @Test(arguments: UInt64(0)..<8) func agreesWithGMP(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<200 {
            let x = BigInteger(ScalarTests.edges(&random, count: 32)) % Self.prime
            let y = BigInteger(ScalarTests.edges(&random, count: 32)) % Self.prime
            let a = try #require(Self.element(x.bytes))
            let b = try #require(Self.element(y.bytes))
            func expect(_ element: BaseField, _ integer: BigInteger) {
                #expect(Self.bytes(element) == (integer % Self.prime).bytes)
            }
            expect(a + b, x + y)
            expect(a - b, x - y)
            expect(a * b, x * y)
            expect(a.squared(), x * x)
            // As large as factors get in the formulas: differences of sums of products.
            let (ab, xy) = (a * b, x * y)
            let (wide, integer) = (ab + ab + ab - b, xy + xy + xy - y)
            expect(wide * wide, integer * integer)
            expect(wide.squared(), integer * integer)
            expect((wide + wide) * (a - b), (integer + integer) * (x - y))
            let (isSquare, root) = BaseField.squareRootOfRatio(a, b)
            let square = root.squared() * b
            #expect(!root.isNegative)
            if isSquare || a.isZero || b.isZero {
                #expect(b.isZero || Self.bytes(square) == x.bytes)
                #expect(isSquare == (!b.isZero || a.isZero))
            } else {
                #expect(Self.bytes(square) == Self.bytes(a * .squareRootOfMinusOne))
            }
        }
    }

    @Test func integersAreBelowThePrime() {
        let largest = (Self.prime - BigInteger("1")).bytes
        #expect(Self.element(largest).map(Self.bytes) == largest)
        #expect(Self.element(Self.prime.bytes).map(Self.bytes) == nil)
        #expect(Self.element([UInt8](repeating: 0xff, count: 32)).map(Self.bytes) == nil)
        // The prime itself is a form of zero that only arithmetic makes.
        let zero = BaseField.zero - .zero
        #expect(zero.isZero && !zero.isNegative)
    }

    @Test func constants() {
        let d = BaseField.d
        let one = BaseField.one
        // d = −121665/121666.
        let ratio = d * BaseField(121666, 0, 0, 0, 0) + BaseField(121665, 0, 0, 0, 0)
        #expect(ratio.isZero)
        #expect((d + d - .dDoubled).isZero)
        #expect((BaseField.squareRootOfMinusOne.squared() + one).isZero)
        let product = BaseField.inverseRootOfAMinusD.squared() * (BaseField.zero - one - d)
        #expect((product - one).isZero)
    }
}
