extension UInt256 {
    @inlinable
    public static func &+ (lhs: Self, rhs: Self) -> Self { lhs.addingReportingCarry(rhs).sum }

    /// The sum, and whether it passed 2²⁵⁶.
    @inlinable
    public func addingReportingCarry(_ other: Self) -> (sum: Self, carry: Bool) {
        var carry: UInt64 = 0
        let s0 = Self.add(l0, other.l0, &carry)
        let s1 = Self.add(l1, other.l1, &carry)
        let s2 = Self.add(l2, other.l2, &carry)
        let s3 = Self.add(l3, other.l3, &carry)
        return (Self(s3, s2, s1, s0), carry != 0)
    }

    @inlinable
    public static func &- (lhs: Self, rhs: Self) -> Self { lhs.subtractingReportingBorrow(rhs).0 }

    /// The difference, and whether it passed zero.
    @inlinable
    public func subtractingReportingBorrow(_ other: Self) -> (difference: Self, borrow: Bool) {
        // As the sum with the complement and one: nothing was borrowed if that carries.
        var carry: UInt64 = 1
        let d0 = Self.add(l0, ~other.l0, &carry)
        let d1 = Self.add(l1, ~other.l1, &carry)
        let d2 = Self.add(l2, ~other.l2, &carry)
        let d3 = Self.add(l3, ~other.l3, &carry)
        return (Self(d3, d2, d1, d0), carry == 0)
    }

    /// Zero minus the value.
    @inlinable
    public var negated: Self { .zero &- self }

    /// The distance from zero of the two's complement reading. That of −2²⁵⁵ is 2²⁵⁵.
    @inlinable
    public var magnitude: Self { isNegative ? negated : self }

    // Carries travel as the high half of sums in 128 bits, which the compiler turns into `adc` and pairs
    // of registers; flags from `addingReportingOverflow` become compares and jumps.

    /// The low half of `a + b + carry`; `carry`, 0 or 1, becomes the high half.
    @inlinable @inline(__always)
    static func add(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
        let total = UInt128(a) &+ UInt128(b) &+ UInt128(carry)
        carry = UInt64(truncatingIfNeeded: total &>> 64)
        return UInt64(truncatingIfNeeded: total)
    }

    /// `a · b + c + d`, which never passes 128 bits.
    @inlinable @inline(__always)
    static func multiplyAdd(
        _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64 = 0
    ) -> (low: UInt64, high: UInt64) {
        let total = UInt128(a) &* UInt128(b) &+ UInt128(c) &+ UInt128(d)
        return (UInt64(truncatingIfNeeded: total), UInt64(truncatingIfNeeded: total &>> 64))
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
        let (r0, r1, r2, r3, r4) = row(other.l0, 0, 0, 0, 0)
        let (s1, s2, s3, s4, s5) = row(other.l1, r1, r2, r3, r4)
        let (t2, t3, t4, t5, t6) = row(other.l2, s2, s3, s4, s5)
        let (u3, u4, u5, u6, u7) = row(other.l3, t3, t4, t5, t6)
        return (Self(u7, u6, u5, u4), Self(u3, t2, s1, r0))
    }

    /// `self · factor` plus four limbs.
    @inline(__always)
    private func row(
        _ factor: UInt64, _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64
    ) -> (UInt64, UInt64, UInt64, UInt64, UInt64) {
        let (p0, c0) = Self.multiplyAdd(l0, factor, a)
        let (p1, c1) = Self.multiplyAdd(l1, factor, b, c0)
        let (p2, c2) = Self.multiplyAdd(l2, factor, c, c1)
        let (p3, c3) = Self.multiplyAdd(l3, factor, d, c2)
        return (p0, p1, p2, p3, c3)
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
}
