extension UInt256 {
    @inlinable
    public static func &+ (lhs: Self, rhs: Self) -> Self { lhs.addingReportingCarry(rhs).sum }

    /// The sum, and whether it passed 2²⁵⁶.
    @inlinable
    public func addingReportingCarry(_ other: Self) -> (sum: Self, carry: Bool) {
        let (s0, c0) = l0.addingReportingOverflow(other.l0)
        let (s1, c1) = Self.add(l1, other.l1, c0)
        let (s2, c2) = Self.add(l2, other.l2, c1)
        let (s3, c3) = Self.add(l3, other.l3, c2)
        return (Self(s3, s2, s1, s0), c3)
    }

    @inlinable
    public static func &- (lhs: Self, rhs: Self) -> Self { lhs.subtractingReportingBorrow(rhs).0 }

    /// The difference, and whether it passed zero.
    @inlinable
    public func subtractingReportingBorrow(_ other: Self) -> (difference: Self, borrow: Bool) {
        let (d0, b0) = l0.subtractingReportingOverflow(other.l0)
        let (d1, b1) = Self.subtract(l1, other.l1, b0)
        let (d2, b2) = Self.subtract(l2, other.l2, b1)
        let (d3, b3) = Self.subtract(l3, other.l3, b2)
        return (Self(d3, d2, d1, d0), b3)
    }

    /// Zero minus the value.
    @inlinable
    public var negated: Self { .zero &- self }

    /// The distance from zero of the two's complement reading. That of −2²⁵⁵ is 2²⁵⁵.
    @inlinable
    public var magnitude: Self { isNegative ? negated : self }

    @inlinable
    static func add(_ a: UInt64, _ b: UInt64, _ carry: Bool) -> (UInt64, Bool) {
        let (sum, first) = a.addingReportingOverflow(b)
        let (total, second) = sum.addingReportingOverflow(carry ? 1 : 0)
        return (total, first || second)
    }

    @inlinable
    static func subtract(_ a: UInt64, _ b: UInt64, _ borrow: Bool) -> (UInt64, Bool) {
        let (difference, first) = a.subtractingReportingOverflow(b)
        let (total, second) = difference.subtractingReportingOverflow(borrow ? 1 : 0)
        return (total, first || second)
    }

    /// `a · b + c + d`, which never passes 128 bits.
    @inlinable
    static func multiplyAdd(
        _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64 = 0
    ) -> (low: UInt64, high: UInt64) {
        let product = a.multipliedFullWidth(by: b)
        let (first, carry) = product.low.addingReportingOverflow(c)
        let (low, more) = first.addingReportingOverflow(d)
        return (low, product.high &+ (carry ? 1 : 0) &+ (more ? 1 : 0))
    }

    // MARK: Products

    @inlinable
    public static func &* (lhs: Self, rhs: Self) -> Self {
        if lhs.l1 | lhs.l2 | lhs.l3 | rhs.l1 | rhs.l2 | rhs.l3 == 0 {
            let product = lhs.l0.multipliedFullWidth(by: rhs.l0)
            return Self(0, 0, product.high, product.low)
        }
        // Row by row; what lies above 256 bits is never computed.
        let (r0, a1) = multiplyAdd(lhs.l0, rhs.l0, 0)
        let (a, a2) = multiplyAdd(lhs.l0, rhs.l1, a1)
        let (b, a3) = multiplyAdd(lhs.l0, rhs.l2, a2)
        let c = lhs.l0 &* rhs.l3 &+ a3

        let (r1, b1) = multiplyAdd(lhs.l1, rhs.l0, a)
        let (d, b2) = multiplyAdd(lhs.l1, rhs.l1, b, b1)
        let e = lhs.l1 &* rhs.l2 &+ c &+ b2

        let (r2, c1) = multiplyAdd(lhs.l2, rhs.l0, d)
        let f = lhs.l2 &* rhs.l1 &+ e &+ c1

        return Self(lhs.l3 &* rhs.l0 &+ f, r2, r1, r0)
    }

    /// All 512 bits of the product.
    public func multipliedFullWidth(by other: Self) -> (high: Self, low: Self) {
        var product: [8 of UInt64] = .init(repeating: 0)
        for row in 0..<4 {
            var carry: UInt64 = 0
            let factor = limb(row)
            for column in 0..<4 {
                (product[row + column], carry) = Self.multiplyAdd(
                    factor, other.limb(column), product[row + column], carry)
            }
            product[row + 4] = carry
        }
        return (
            Self(product[7], product[6], product[5], product[4]),
            Self(product[3], product[2], product[1], product[0])
        )
    }

    /// `self` to the power `exponent`, modulo 2²⁵⁶. Zero to the power zero is one.
    public func power(_ exponent: Self) -> Self {
        var result = Self.one
        var square = self
        let width = exponent.bitWidth
        for index in 0..<width {
            if exponent.bit(index) { result = result &* square }
            if index + 1 < width { square = square &* square }
        }
        return result
    }

    // MARK: Division

    /// Quotient and remainder; both zero when the divisor is, as the machine has it.
    public func quotientAndRemainder(dividingBy divisor: Self) -> (quotient: Self, remainder: Self)
    {
        if divisor.isZero { return (.zero, .zero) }
        if self < divisor { return (.zero, self) }
        if l1 | l2 | l3 == 0 {
            // The divisor is not larger, so it has one limb too.
            return (Self(l0 / divisor.l0), Self(l0 % divisor.l0))
        }
        var digits: [8 of UInt64] = .init(repeating: 0)
        digits[0] = l0
        digits[1] = l1
        digits[2] = l2
        digits[3] = l3
        var quotient: [8 of UInt64] = .init(repeating: 0)
        let remainder = Self.divide(&digits, count: 4, by: divisor, &quotient)
        return (Self(quotient[3], quotient[2], quotient[1], quotient[0]), remainder)
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
        guard carry else { return sum.quotientAndRemainder(dividingBy: modulus).remainder }
        return Self.remainder(of: (.one, sum), dividingBy: modulus)
    }

    /// `(self · other) mod modulus` without wrapping in between; zero for a zero modulus.
    public func multiplied(by other: Self, modulo modulus: Self) -> Self {
        if modulus.isZero { return .zero }
        let product = multipliedFullWidth(by: other)
        if product.high.isZero {
            return product.low.quotientAndRemainder(dividingBy: modulus).remainder
        }
        return Self.remainder(of: product, dividingBy: modulus)
    }

    private static func remainder(
        of dividend: (high: Self, low: Self), dividingBy divisor: Self
    ) -> Self {
        var digits: [8 of UInt64] = .init(repeating: 0)
        for index in 0..<4 {
            digits[index] = dividend.low.limb(index)
            digits[index + 4] = dividend.high.limb(index)
        }
        var quotient: [8 of UInt64] = .init(repeating: 0)
        return divide(&digits, count: 8, by: divisor, &quotient)
    }

    /// Long division in base 2⁶⁴ (Knuth, The Art of Computer Programming, 4.3.1, algorithm D).
    ///
    /// `digits` holds the dividend in `count` limbs, lowest first, and is used up.
    ///
    /// - Precondition: the divisor is not zero.
    private static func divide(
        _ digits: inout [8 of UInt64], count: Int, by divisor: Self, _ quotient: inout [8 of UInt64]
    ) -> Self {
        let size = (divisor.bitWidth + 63) / 64
        var count = count
        while count > 0, digits[count - 1] == 0 { count -= 1 }
        if size == 1 {
            var remainder: UInt64 = 0
            for index in stride(from: count - 1, through: 0, by: -1) {
                (quotient[index], remainder) = divisor.l0.dividingFullWidth(
                    (remainder, digits[index]))
            }
            return Self(remainder)
        }
        guard count >= size else { return Self(digits[3], digits[2], digits[1], digits[0]) }

        // Shifted so that the divisor's highest bit is set: then a guessed digit is at most two too
        // large.
        let shift = divisor.limb(size - 1).leadingZeroBitCount
        let divisor = divisor << shift
        var top: UInt64 = 0
        if shift > 0 {
            top = digits[count - 1] >> UInt64(64 - shift)
            for index in stride(from: count - 1, through: 1, by: -1) {
                digits[index] =
                    digits[index] << UInt64(shift) | digits[index - 1] >> UInt64(64 - shift)
            }
            digits[0] <<= UInt64(shift)
        }
        let first = divisor.limb(size - 1)
        let second = divisor.limb(size - 2)
        for position in stride(from: count - size, through: 0, by: -1) {
            // The limb above those that are being reduced.
            let above = position + size < count ? digits[position + size] : top
            var digit: UInt64
            var rest: UInt64
            var restOverflows = false
            if above >= first {
                digit = .max
                (rest, restOverflows) = digits[position + size - 1].addingReportingOverflow(first)
            } else {
                (digit, rest) = first.dividingFullWidth((above, digits[position + size - 1]))
            }
            while !restOverflows {
                let product = digit.multipliedFullWidth(by: second)
                let next = digits[position + size - 2]
                guard product.high > rest || (product.high == rest && product.low > next) else {
                    break
                }
                digit -= 1
                (rest, restOverflows) = rest.addingReportingOverflow(first)
            }

            var borrow: UInt64 = 0
            for index in 0..<size {
                let (low, high) = multiplyAdd(digit, divisor.limb(index), borrow)
                let (difference, less) = digits[position + index].subtractingReportingOverflow(low)
                digits[position + index] = difference
                borrow = high &+ (less ? 1 : 0)
            }
            if above < borrow {
                // Too large by one after all, which is rare: one divisor is given back.
                digit -= 1
                var carry = false
                for index in 0..<size {
                    (digits[position + index], carry) = add(
                        digits[position + index], divisor.limb(index), carry)
                }
            }
            if position + size < count { digits[position + size] = 0 } else { top = 0 }
            quotient[position] = digit
        }
        var remainder = Self.zero
        remainder.l0 = digits[0]
        remainder.l1 = digits[1]
        if size > 2 { remainder.l2 = digits[2] }
        if size > 3 { remainder.l3 = digits[3] }
        return remainder >> shift
    }
}
