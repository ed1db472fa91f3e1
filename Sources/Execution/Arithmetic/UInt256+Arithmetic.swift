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
}
