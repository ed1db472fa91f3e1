import ChoraleBase
import Testing

@testable import Execution

/// The same operations in the slowest way that is certainly right: bit by bit.
private enum Schoolbook {
    static func divide(_ dividend: [Bool], by divisor: UInt256) -> (UInt256, UInt256) {
        var quotient = UInt256.zero
        var remainder = UInt256.zero
        for bit in dividend {
            let overflow = remainder.bit(255)
            remainder = remainder &+ remainder
            if bit { remainder = remainder | .one }
            quotient = quotient &+ quotient
            if overflow || remainder >= divisor {
                remainder = remainder &- divisor
                quotient = quotient | .one
            }
        }
        return (quotient, remainder)
    }

    static func bits(_ value: UInt256) -> [Bool] { (0..<256).reversed().map { value.bit($0) } }

    /// Sum of shifted copies, as 512 bits in two halves.
    static func multiply(_ a: UInt256, _ b: UInt256) -> (high: UInt256, low: UInt256) {
        var (high, low) = (UInt256.zero, UInt256.zero)
        for bit in bits(a) {
            let carryOut = low.bit(255)
            low = low &+ low
            high = high &+ high
            if carryOut { high = high | .one }
            guard bit else { continue }
            let sum = low.addingReportingCarry(b)
            low = sum.sum
            if sum.carry { high = high &+ .one }
        }
        return (high, low)
    }
}

@Suite struct UInt256Tests {
    /// Values at which carries, digit guesses and signs go wrong, and random ones of every size.
    static func values(seed: UInt64) -> [UInt256] {
        var random = DeterministicRandom(seed: seed)
        var values: [UInt256] = [
            .zero, .one, .max, UInt256(2), UInt256(.max), UInt256(0, 0, 1, 0), UInt256(0, 1, 0, 0),
            UInt256(1, 0, 0, 0), UInt256(1 << 63, 0, 0, 0),
            UInt256((1 << 63) - 1, .max, .max, .max),
            UInt256(.max, 0, 0, 0), UInt256(0, .max, .max, 0), UInt256(0, 1 << 63, 0, 0),
            // Makes algorithm D's first guess two too large, and its last step give back.
            UInt256(0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0, 0),
            UInt256(0, 0x8000_0000_0000_0000, 0, 1),
            UInt256(0, 0x8000_0000_0000_0000, .max, .max),
        ]
        for _ in 0..<12 {
            let value = UInt256(random.next(), random.next(), random.next(), random.next())
            values.append(value >> random.below(256))
        }
        return values
    }

    @Test(arguments: UInt64(1)...6) func agreesWithSchoolbook(seed: UInt64) {
        let values = Self.values(seed: seed)
        for a in values {
            for b in values {
                let product = a.multipliedFullWidth(by: b)
                let slow = Schoolbook.multiply(a, b)
                #expect(product.high == slow.high && product.low == slow.low, "\(a) · \(b)")
                #expect(a &* b == slow.low, "\(a) · \(b)")
                #expect((a &+ b) &- b == a)
                #expect((a < b) == a.subtractingReportingBorrow(b).borrow)
                guard !b.isZero else { continue }
                let result = a.quotientAndRemainder(dividingBy: b)
                let slowQuotient = Schoolbook.divide(Schoolbook.bits(a), by: b)
                #expect(result == slowQuotient, "\(a) / \(b)")
            }
        }
    }

    @Test(arguments: UInt64(1)...4) func modularAgreesWithSchoolbook(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let values = Self.values(seed: seed)
        for _ in 0..<1500 {
            let (a, b) = (values[random.below(values.count)], values[random.below(values.count)])
            let modulus = values[random.below(values.count)]
            guard !modulus.isZero else { continue }
            let product = Schoolbook.multiply(a, b)
            let expected = Schoolbook.divide(
                Schoolbook.bits(product.high) + Schoolbook.bits(product.low), by: modulus)
            #expect(
                a.multiplied(by: b, modulo: modulus) == expected.1, "\(a) · \(b) mod \(modulus)")
            let sum = a.addingReportingCarry(b)
            let sumExpected = Schoolbook.divide([sum.carry] + Schoolbook.bits(sum.sum), by: modulus)
            #expect(a.adding(b, modulo: modulus) == sumExpected.1, "\(a) + \(b) mod \(modulus)")
        }
    }

    @Test func whatTheMachineSaysOfZero() {
        let five = UInt256(5)
        #expect(five.quotientAndRemainder(dividingBy: .zero) == (.zero, .zero))
        #expect(five.quotientSigned(dividingBy: .zero) == .zero)
        #expect(five.remainderSigned(dividingBy: .zero) == .zero)
        #expect(five.adding(five, modulo: .zero) == .zero)
        #expect(five.multiplied(by: five, modulo: .zero) == .zero)
        #expect(UInt256.zero.power(.zero) == .one)
    }

    @Test func signs() {
        let minusSeven = UInt256(7).negated
        let two = UInt256(2)
        let lowest = UInt256(1 << 63, 0, 0, 0)
        #expect(minusSeven.quotientSigned(dividingBy: two) == UInt256(3).negated)
        #expect(minusSeven.remainderSigned(dividingBy: two) == UInt256.one.negated)
        #expect(UInt256(7).remainderSigned(dividingBy: two.negated) == .one)
        #expect(lowest.quotientSigned(dividingBy: .max) == lowest, "−2²⁵⁵ / −1 wraps")
        #expect(minusSeven.isLessSigned(two) && !two.isLessSigned(minusSeven))
        #expect(minusSeven.shiftedRightSigned(1) == UInt256(4).negated)
        #expect(minusSeven.shiftedRightSigned(256) == .max)
        #expect(UInt256(7).shiftedRightSigned(300) == .zero)
        #expect(UInt256(0xFF).signExtended(fromByte: 0) == .max)
        #expect(UInt256(0x1_7F).signExtended(fromByte: 0) == UInt256(0x7F))
        #expect(UInt256(0x80FF).signExtended(fromByte: 1) == (UInt256(0x80FF) | UInt256.max << 16))
        #expect(UInt256(0x80FF).signExtended(fromByte: 31) == UInt256(0x80FF))
    }

    @Test(arguments: UInt64(1)...3) func shifts(seed: UInt64) {
        for value in Self.values(seed: seed) {
            for count in [0, 1, 7, 63, 64, 65, 127, 128, 129, 191, 192, 255, 256, 1000] {
                var (left, right) = (value, value)
                for _ in 0..<min(count, 256) {
                    left = left &+ left
                    right = right.quotientAndRemainder(dividingBy: UInt256(2)).quotient
                }
                #expect(value << count == left)
                #expect(value >> count == right)
            }
        }
    }

    @Test(arguments: UInt64(1)...3) func powersAreRepeatedProducts(seed: UInt64) {
        for value in Self.values(seed: seed) {
            var expected = UInt256.one
            for exponent in UInt64(0)...20 {
                #expect(value.power(UInt256(exponent)) == expected)
                expected = expected &* value
            }
        }
        #expect(UInt256(2).power(UInt256(255)) == UInt256(1 << 63, 0, 0, 0))
        #expect(UInt256(2).power(UInt256(256)) == .zero)
    }

    @Test(arguments: UInt64(1)...3) func bytesRoundTrip(seed: UInt64) {
        for value in Self.values(seed: seed) {
            #expect(UInt256(value.bytes32) == value)
            let bytes = value.minimalBytes
            #expect(UInt256(bigEndian: bytes.span) == value)
            #expect(bytes.first != 0)
            #expect(bytes.count == (value.bitWidth + 7) / 8)
        }
        let tooMany = [UInt8](repeating: 0, count: 33)
        #expect(UInt256(bigEndian: tooMany.span) == nil)
        #expect(UInt256(0x0123).description == "0x123")
        #expect(UInt256.zero.description == "0x0")
    }
}
