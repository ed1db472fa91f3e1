/// An integer modulo p = 2²⁵⁵ − 19, the field that edwards25519 is over.
///
/// Five limbs of 51 bits. A product leaves every limb *tight*, below 2⁵¹ + 2¹⁵; a sum or difference of
/// tight elements is not carried and stays below 2⁵⁴, which is as much as a factor may be. So point
/// formulas carry nothing but products. The functions say what they take and leave.
///
/// Specification: D. Bernstein, "Curve25519", PKC 2006; radix 2⁵¹ as in `amd64-51` of Bernstein, Duif,
/// Lange, Schwabe and Yang, "High-speed high-security signatures", 2011.
struct BaseField: Sendable {
    private var l0: UInt64
    private var l1: UInt64
    private var l2: UInt64
    private var l3: UInt64
    private var l4: UInt64

    @inline(__always)
    private static var mask: UInt64 { 1 &<< 51 &- 1 }

    @inline(__always)
    init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64, _ l4: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
        self.l4 = l4
    }

    static var zero: Self { Self(0, 0, 0, 0, 0) }
    static var one: Self { Self(1, 0, 0, 0, 0) }

    // MARK: Sums

    /// Tight elements, or a sum of limbs below 2⁵⁴. Not carried.
    @inline(__always)
    static func + (lhs: Self, rhs: Self) -> Self {
        Self(
            lhs.l0 &+ rhs.l0, lhs.l1 &+ rhs.l1, lhs.l2 &+ rhs.l2, lhs.l3 &+ rhs.l3,
            lhs.l4 &+ rhs.l4)
    }

    /// Takes away a *tight* element: 2p is added first, whose limbs are above a tight element's. Not
    /// carried.
    @inline(__always)
    static func - (lhs: Self, rhs: Self) -> Self {
        Self(
            lhs.l0 &+ 0x000f_ffff_ffff_ffda &- rhs.l0,
            lhs.l1 &+ 0x000f_ffff_ffff_fffe &- rhs.l1,
            lhs.l2 &+ 0x000f_ffff_ffff_fffe &- rhs.l2,
            lhs.l3 &+ 0x000f_ffff_ffff_fffe &- rhs.l3,
            lhs.l4 &+ 0x000f_ffff_ffff_fffe &- rhs.l4)
    }

    /// The negative of a tight element. Not carried.
    @inline(__always)
    static prefix func - (operand: Self) -> Self { zero - operand }

    // MARK: Products

    /// Carries columns below 2¹¹⁴ into tight limbs.
    @inline(__always)
    private static func carried(
        _ c0: UInt128, _ c1: UInt128, _ c2: UInt128, _ c3: UInt128, _ c4: UInt128
    ) -> Self {
        let r1 = c1 &+ c0 &>> 51
        let r2 = c2 &+ r1 &>> 51
        let r3 = c3 &+ r2 &>> 51
        let r4 = c4 &+ r3 &>> 51
        // 2²⁵⁵ is 19.
        let top = UInt64(truncatingIfNeeded: r4 &>> 51)
        let low = UInt64(truncatingIfNeeded: c0) & mask &+ top &* 19
        return Self(
            low & mask,
            UInt64(truncatingIfNeeded: r1) & mask &+ low &>> 51,
            UInt64(truncatingIfNeeded: r2) & mask,
            UInt64(truncatingIfNeeded: r3) & mask,
            UInt64(truncatingIfNeeded: r4) & mask)
    }

    @inline(__always)
    private static func wide(_ a: UInt64, _ b: UInt64) -> UInt128 { UInt128(a) &* UInt128(b) }

    /// Of limbs below 2⁵⁴. Tight.
    static func * (a: Self, b: Self) -> Self {
        let (b1, b2, b3, b4) = (b.l1 &* 19, b.l2 &* 19, b.l3 &* 19, b.l4 &* 19)
        let c0 =
            wide(a.l0, b.l0) &+ wide(a.l1, b4) &+ wide(a.l2, b3) &+ wide(a.l3, b2)
            &+ wide(a.l4, b1)
        let c1 =
            wide(a.l0, b.l1) &+ wide(a.l1, b.l0) &+ wide(a.l2, b4) &+ wide(a.l3, b3)
            &+ wide(a.l4, b2)
        let c2 =
            wide(a.l0, b.l2) &+ wide(a.l1, b.l1) &+ wide(a.l2, b.l0) &+ wide(a.l3, b4)
            &+ wide(a.l4, b3)
        let c3 =
            wide(a.l0, b.l3) &+ wide(a.l1, b.l2) &+ wide(a.l2, b.l1) &+ wide(a.l3, b.l0)
            &+ wide(a.l4, b4)
        let c4 =
            wide(a.l0, b.l4) &+ wide(a.l1, b.l3) &+ wide(a.l2, b.l2) &+ wide(a.l3, b.l1)
            &+ wide(a.l4, b.l0)
        return carried(c0, c1, c2, c3, c4)
    }

    /// Of limbs below 2⁵⁴. Tight.
    func squared() -> Self {
        let (a0, a1) = (l0 &* 2, l1 &* 2)
        let (a3, a4) = (l3 &* 19, l4 &* 19)
        let c0 = Self.wide(l0, l0) &+ Self.wide(a1, a4) &+ Self.wide(l2 &* 2, a3)
        let c1 = Self.wide(a0, l1) &+ Self.wide(l2 &* 2, a4) &+ Self.wide(l3, a3)
        let c2 = Self.wide(a0, l2) &+ Self.wide(l1, l1) &+ Self.wide(l3 &* 2, a4)
        let c3 = Self.wide(a0, l3) &+ Self.wide(a1, l2) &+ Self.wide(l4, a4)
        let c4 = Self.wide(a0, l4) &+ Self.wide(a1, l3) &+ Self.wide(l2, l2)
        return Self.carried(c0, c1, c2, c3, c4)
    }

    private func squared(times count: Int) -> Self {
        var result = self
        for _ in 0..<count { result = result.squared() }
        return result
    }

    /// To the power (p − 5)/8 = 2²⁵² − 3.
    private func powerForRoots() -> Self {
        // Runs of ones: e(n) is the power 2ⁿ − 1.
        let e2 = squared() * self
        let e4 = e2.squared(times: 2) * e2
        let e5 = e4.squared() * self
        let e10 = e5.squared(times: 5) * e5
        let e20 = e10.squared(times: 10) * e10
        let e40 = e20.squared(times: 20) * e20
        let e50 = e40.squared(times: 10) * e10
        let e100 = e50.squared(times: 50) * e50
        let e200 = e100.squared(times: 100) * e100
        let e250 = e200.squared(times: 50) * e50
        return e250.squared(times: 2) * self
    }

    /// The non-negative root of u/v and true, or, when that is no square, of √−1 · u/v and false. Zero
    /// for u or v zero, of which only u makes it true.
    ///
    /// Takes tight elements or their sums. Tight. Specification: RFC 9496, section 4.2.
    static func squareRootOfRatio(_ u: Self, _ v: Self) -> (isSquare: Bool, root: Self) {
        let v3 = v.squared() * v
        let v7 = v3.squared() * v
        var root = u * v3 * (u * v7).powerForRoots()
        let check = v * root.squared()
        let isFlipped = (check + u).isZero
        // u · √−1 with the sign that makes the sum zero.
        let isFlippedByI = (check + u * squareRootOfMinusOne).isZero
        if isFlipped || isFlippedByI { root = root * squareRootOfMinusOne }
        return (isFlipped || (check + (-(u * one))).isZero, root.magnitude)
    }

    // MARK: Canonical form

    /// The integer in 0 ..< p, least significant limb of 64 bits first. Takes limbs below 2⁵⁴.
    var canonical: (UInt64, UInt64, UInt64, UInt64) {
        // A product with one leaves tight limbs: below 2p. Then 19 more pass 2²⁵⁵ from p on.
        let tight = self * .one
        var carry = (tight.l0 &+ 19) &>> 51
        carry = (tight.l1 &+ carry) &>> 51
        carry = (tight.l2 &+ carry) &>> 51
        carry = (tight.l3 &+ carry) &>> 51
        carry = (tight.l4 &+ carry) &>> 51
        let r0 = tight.l0 &+ 19 &* carry
        let r1 = tight.l1 &+ r0 &>> 51
        let r2 = tight.l2 &+ r1 &>> 51
        let r3 = tight.l3 &+ r2 &>> 51
        let r4 = tight.l4 &+ r3 &>> 51
        let m = Self.mask
        return (
            r0 & m | r1 &<< 51,
            (r1 & m) &>> 13 | r2 &<< 38,
            (r2 & m) &>> 26 | r3 &<< 25,
            (r3 & m) &>> 39 | (r4 & m) &<< 12
        )
    }

    /// The element of an integer below p, or nil. Tight.
    init?(canonical limbs: (UInt64, UInt64, UInt64, UInt64)) {
        var carry: UInt64 = 1
        _ = subtract(limbs.0, 0xffff_ffff_ffff_ffed, &carry)
        _ = subtract(limbs.1, .max, &carry)
        _ = subtract(limbs.2, .max, &carry)
        _ = subtract(limbs.3, .max &>> 1, &carry)
        guard carry == 0 else { return nil }
        self.init(
            limbs.0 & Self.mask,
            (limbs.0 &>> 51 | limbs.1 &<< 13) & Self.mask,
            (limbs.1 &>> 38 | limbs.2 &<< 26) & Self.mask,
            (limbs.2 &>> 25 | limbs.3 &<< 39) & Self.mask,
            limbs.3 &>> 12)
    }

    var isZero: Bool {
        let limbs = canonical
        return limbs.0 | limbs.1 | limbs.2 | limbs.3 == 0
    }

    /// Whether the canonical integer is odd. RFC 9496, section 4.1.
    var isNegative: Bool { canonical.0 & 1 == 1 }

    /// The element or its negative, whichever is even. Tight.
    var magnitude: Self { isNegative ? (-(self * .one)) * .one : self * .one }

    // MARK: Constants

    /// d of edwards25519.
    static var d: Self {
        Self(
            0x0003_4dca_1359_78a3, 0x0001_a828_3b15_6ebd, 0x0005_e7a2_6001_c029,
            0x0007_39c6_63a0_3cbb, 0x0005_2036_cee2_b6ff)
    }

    static var dDoubled: Self {
        Self(
            0x0006_9b94_26b2_f159, 0x0003_5050_762a_dd7a, 0x0003_cf44_c003_8052,
            0x0006_738c_c740_7977, 0x0002_406d_9dc5_6dff)
    }

    static var squareRootOfMinusOne: Self {
        Self(
            0x0006_1b27_4a0e_a0b0, 0x0000_d5a5_fc8f_189d, 0x0007_ef5e_9cbd_0c60,
            0x0007_8595_a680_4c9e, 0x0002_b832_4804_fc1d)
    }

    /// 1/√(−1 − d).
    static var inverseRootOfAMinusD: Self {
        Self(
            0x0000_fdaa_805d_40ea, 0x0002_eb48_2e57_d339, 0x0000_0761_0274_bc58,
            0x0006_510b_613d_c8ff, 0x0007_86c8_905c_faff)
    }
}
