extension UInt256 {
    /// Quotient and remainder; both zero when the divisor is, as the machine has it.
    public func quotientAndRemainder(dividingBy divisor: Self) -> (quotient: Self, remainder: Self)
    {
        if l1 | l2 | l3 | divisor.l1 | divisor.l2 | divisor.l3 == 0 {
            guard divisor.l0 != 0 else { return (.zero, .zero) }
            let (quotient, remainder) = l0.quotientAndRemainder(dividingBy: divisor.l0)
            return (Self(quotient), Self(remainder))
        }
        if divisor.isZero { return (.zero, .zero) }
        if self < divisor { return (.zero, self) }
        var division = Division(divisor)
        let remainder = division.divide(self)
        return (division.quotient, remainder)
    }

    /// The quotient of the two's complement readings, rounded towards zero; zero for a zero divisor.
    public func quotientSigned(dividingBy divisor: Self) -> Self {
        let quotient = magnitude.quotientAndRemainder(dividingBy: divisor.magnitude).quotient
        return isNegative != divisor.isNegative ? quotient.negated : quotient
    }

    /// The remainder that goes with it: its sign is the dividend's.
    public func remainderSigned(dividingBy divisor: Self) -> Self {
        let remainder = magnitude.quotientAndRemainder(dividingBy: divisor.magnitude).remainder
        return isNegative ? remainder.negated : remainder
    }

    /// `(self + other) mod modulus` without wrapping in between; zero for a zero modulus.
    public func adding(_ other: Self, modulo modulus: Self) -> Self {
        if modulus.isZero { return .zero }
        let (sum, carry) = addingReportingCarry(other)
        if self < modulus, other < modulus {
            // Below twice the modulus: what contracts that count in a field ask for.
            let (difference, borrow) = sum.subtractingReportingBorrow(modulus)
            return carry || !borrow ? difference : sum
        }
        guard carry else { return sum.quotientAndRemainder(dividingBy: modulus).remainder }
        var division = Division(modulus)
        return division.remainder(high: .one, low: sum)
    }

    /// `(self · other) mod modulus` without wrapping in between; zero for a zero modulus.
    public func multiplied(by other: Self, modulo modulus: Self) -> Self {
        if modulus.isZero { return .zero }
        let product = multipliedFullWidth(by: other)
        if product.high.isZero {
            return product.low.quotientAndRemainder(dividingBy: modulus).remainder
        }
        var division = Division(modulus)
        return division.remainder(high: product.high, low: product.low)
    }
}

/// Long division in base 2⁶⁴, with multiplications by a reciprocal in place of the processor's divisions.
///
/// Knuth, The Art of Computer Programming, 4.3.1, algorithm D; the digits are guessed from three limbs
/// by two (Möller and Granlund, Improved division by invariant integers, 2011), which makes a guess
/// too large by one at most, and that rarely.
///
/// The limbs are read and written without bounds checks: every index is a constant or below the
/// constant bound of the loop that it counts.
private struct Division {
    /// Limbs of the divisor.
    private let size: Int
    /// How far it was shifted, so that its highest bit is set.
    private let shift: UInt64
    /// The divisor, shifted.
    private let divisor: [4 of UInt64]
    private let reciprocal: UInt64
    /// The dividend, shifted, and what is left of it.
    private var digits: [9 of UInt64] = .init(repeating: 0)
    private var quotients: [8 of UInt64] = .init(repeating: 0)

    /// - Precondition: the divisor is not zero.
    init(_ divisor: UInt256) {
        size = (divisor.bitWidth + 63) / 64
        let shift = divisor.leadingZeroBitCount & 63
        self.shift = UInt64(truncatingIfNeeded: shift)
        let shifted = divisor << shift
        self.divisor = [shifted.l0, shifted.l1, shifted.l2, shifted.l3]
        let high = shifted.limb(size - 1)
        reciprocal =
            size == 1
            ? Self.reciprocal(of: high) : Self.reciprocal(of: high, shifted.limb(size - 2))
    }

    var quotient: UInt256 { UInt256(quotients[3], quotients[2], quotients[1], quotients[0]) }

    mutating func divide(_ dividend: UInt256) -> UInt256 {
        load(dividend, at: 0)
        return run(count: (dividend.bitWidth + 63) / 64)
    }

    mutating func remainder(high: UInt256, low: UInt256) -> UInt256 {
        load(low, at: 0)
        load(high, at: 4)
        return run(count: 4 + (high.bitWidth + 63) / 64)
    }

    private mutating func load(_ value: UInt256, at start: Int) {
        digits[start] = value.l0
        digits[start + 1] = value.l1
        digits[start + 2] = value.l2
        digits[start + 3] = value.l3
    }

    /// - Parameter count: limbs of the dividend, not below those of the divisor.
    private mutating func run(count: Int) -> UInt256 {
        if shift > 0 {
            var carry: UInt64 = 0
            for index in 0..<count {
                let digit = digits[index]
                digits[index] = digit &<< shift | carry
                carry = digit &>> (64 &- shift)
            }
            digits[count] = carry
        }
        if size == 1 { return runShort(count) }
        let d1 = divisor[size - 1]
        let d0 = divisor[size - 2]
        for position in stride(from: count - size, through: 0, by: -1) {
            step(position, d1, d0)
        }
        return rest
    }

    @inline(__always)
    private var rest: UInt256 {
        let value = UInt256(
            size > 3 ? digits[3] : 0, size > 2 ? digits[2] : 0, size > 1 ? digits[1] : 0, digits[0])
        return value >> Int(truncatingIfNeeded: shift)
    }

    private mutating func runShort(_ count: Int) -> UInt256 {
        let d = divisor[0]
        var remainder = digits[count]
        for index in stride(from: count - 1, through: 0, by: -1) {
            (quotients[index], remainder) = Self.divide(remainder, digits[index], by: d, reciprocal)
        }
        return UInt256(remainder &>> shift)
    }

    /// Finds one digit of the quotient and takes it off the dividend.
    @inline(__always)
    private mutating func step(_ position: Int, _ d1: UInt64, _ d0: UInt64) {
        let top = position + size
        let u2 = unsafe digits[unchecked: top]
        let u1 = unsafe digits[unchecked: top - 1]
        let u0 = unsafe digits[unchecked: top - 2]
        guard u2 != d1 || u1 != d0 else {
            // The digit does not fit the guess; it is the largest there is.
            let borrow = subtract(UInt64.max, at: position, count: size)
            unsafe digits[unchecked: top] = u2 &- borrow
            unsafe quotients[unchecked: position] = .max
            return
        }
        var (digit, high, low) = Self.divide(u2, u1, u0, by: d1, d0, reciprocal)
        let borrow = subtract(digit, at: position, count: size - 2)
        let first: Bool
        let second: Bool
        (low, first) = low.subtractingReportingOverflow(borrow)
        (high, second) = high.subtractingReportingOverflow(first ? 1 : 0)
        unsafe digits[unchecked: top - 2] = low
        if second {
            digit &-= 1
            var carry: UInt64 = 0
            for index in 0..<size - 1 {
                unsafe digits[unchecked: position + index] = UInt256.add(
                    digits[unchecked: position + index], divisor[unchecked: index], &carry)
            }
            high = high &+ d1 &+ carry
        }
        unsafe digits[unchecked: top - 1] = high
        unsafe digits[unchecked: top] = 0
        unsafe quotients[unchecked: position] = digit
    }

    /// Subtracts `digit` times the lowest limbs of the divisor. Returns what is to be borrowed.
    @inline(__always)
    private mutating func subtract(_ digit: UInt64, at position: Int, count: Int) -> UInt64 {
        var borrow: UInt64 = 0
        for index in 0..<count {
            let (low, high) = UInt256.multiplyAdd(
                digit, unsafe divisor[unchecked: index], borrow)
            let (difference, less) = unsafe digits[unchecked: position + index]
                .subtractingReportingOverflow(low)
            unsafe digits[unchecked: position + index] = difference
            borrow = high &+ (less ? 1 : 0)
        }
        return borrow
    }

    // MARK: Reciprocals. The divisor's highest bit is set.

    /// ⌊(2¹²⁸ − 1) / d⌋ − 2⁶⁴.
    @inline(__always)
    private static func reciprocal(of d: UInt64) -> UInt64 {
        d.dividingFullWidth((~d, .max)).quotient
    }

    /// ⌊(2¹⁹² − 1) / (d1 · 2⁶⁴ + d0)⌋ − 2⁶⁴ (algorithm 6 of the paper).
    @inline(__always)
    private static func reciprocal(of d1: UInt64, _ d0: UInt64) -> UInt64 {
        var v = reciprocal(of: d1)
        var p = d1 &* v &+ d0
        if p < d0 {
            v &-= 1
            if p >= d1 {
                v &-= 1
                p &-= d1
            }
            p &-= d1
        }
        let t = v.multipliedFullWidth(by: d0)
        p &+= t.high
        if p < t.high {
            v &-= 1
            if p > d1 || (p == d1 && t.low >= d0) { v &-= 1 }
        }
        return v
    }

    /// Two limbs by one (algorithm 4). The higher limb is below the divisor.
    @inline(__always)
    private static func divide(
        _ u1: UInt64, _ u0: UInt64, by d: UInt64, _ v: UInt64
    ) -> (quotient: UInt64, remainder: UInt64) {
        let product = v.multipliedFullWidth(by: u1)
        let (q0, carry) = product.low.addingReportingOverflow(u0)
        var q1 = product.high &+ u1 &+ (carry ? 1 : 0) &+ 1
        var r = u0 &- q1 &* d
        if r > q0 {
            q1 &-= 1
            r &+= d
        }
        if r >= d {
            q1 &+= 1
            r &-= d
        }
        return (q1, r)
    }

    /// Three limbs by two (algorithm 5). The two higher limbs are below the divisor.
    @inline(__always)
    private static func divide(
        _ u2: UInt64, _ u1: UInt64, _ u0: UInt64, by d1: UInt64, _ d0: UInt64, _ v: UInt64
    ) -> (quotient: UInt64, high: UInt64, low: UInt64) {
        let product = v.multipliedFullWidth(by: u2)
        let (q0, carry) = product.low.addingReportingOverflow(u1)
        var q1 = product.high &+ u2 &+ (carry ? 1 : 0)
        var r1 = u1 &- q1 &* d1
        let t = d0.multipliedFullWidth(by: q1)
        var r0: UInt64
        var less: Bool
        (r0, less) = u0.subtractingReportingOverflow(t.low)
        r1 = r1 &- t.high &- (less ? 1 : 0)
        (r0, less) = r0.subtractingReportingOverflow(d0)
        r1 = r1 &- d1 &- (less ? 1 : 0)
        q1 &+= 1
        if r1 >= q0 {
            q1 &-= 1
            let (sum, over) = r0.addingReportingOverflow(d0)
            r0 = sum
            r1 = r1 &+ d1 &+ (over ? 1 : 0)
        }
        if r1 > d1 || (r1 == d1 && r0 >= d0) {
            q1 &+= 1
            (r0, less) = r0.subtractingReportingOverflow(d0)
            r1 = r1 &- d1 &- (less ? 1 : 0)
        }
        return (q1, r1, r0)
    }
}
