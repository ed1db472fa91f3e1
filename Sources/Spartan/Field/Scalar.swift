/// An integer modulo ℓ = 2²⁵² + 27742317777372353535851937790883648493, the order of ristretto255.
///
/// In Montgomery form with radix 2²⁵⁶, always reduced, so that equality of limbs is equality of
/// elements. Not constant time: what is proven here is public.
///
/// Specification: RFC 9496, section 4.4; P. Montgomery, "Modular multiplication without trial
/// division", 1985, interleaved as in CIOS of Koç, Acar and Kaliski, 1996.
public struct Scalar: Hashable, Sendable {
    private var l0: UInt64
    private var l1: UInt64
    private var l2: UInt64
    private var l3: UInt64

    @inline(__always)
    private init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
    }

    public static var zero: Self { Self(0, 0, 0, 0) }

    /// 2²⁵⁶ mod ℓ, which is one in Montgomery form.
    public static var one: Self {
        Self(
            0xd6ec_3174_8d98_951d, 0xc6ef_5bf4_737d_cf70, 0xffff_ffff_ffff_fffe,
            0x0fff_ffff_ffff_ffff)
    }

    /// 2⁵¹² mod ℓ.
    private static var radixSquared: Self {
        Self(
            0xa406_11e3_449c_0f01, 0xd00e_1ba7_6885_9347, 0xceec_73d2_17f5_be65,
            0x0399_411b_7c30_9a3d)
    }

    /// 2⁷⁶⁸ mod ℓ.
    private static var radixCubed: Self {
        Self(
            0x2a9e_4968_7b83_a2db, 0x2783_24e6_aef7_f3ec, 0x8065_dc6c_04ec_5b65,
            0x0e53_0b77_3599_cec7)
    }

    public var isZero: Bool { l0 | l1 | l2 | l3 == 0 }

    // MARK: Integers

    /// The residue of an integer, negative ones included: −1 is ℓ − 1.
    public init(_ value: Int64) {
        let magnitude = Self(value.magnitude)
        self = value < 0 ? -magnitude : magnitude
    }

    public init(_ value: UInt64) {
        self = Self.product(Self.radixSquared, Self(value, 0, 0, 0))
    }

    /// The residue of an integer of 256 bits, least significant limb first.
    init(limbs: (UInt64, UInt64, UInt64, UInt64)) {
        // Only the second factor may be ℓ and above: the running total stays below the first plus ℓ.
        self = Self.product(
            Self.radixSquared, Self(limbs.0, limbs.1, limbs.2, limbs.3))
    }

    /// The residue of an integer of 512 bits, least significant limb first.
    init(low: (UInt64, UInt64, UInt64, UInt64), high: (UInt64, UInt64, UInt64, UInt64)) {
        self =
            Self(limbs: low)
            + Self.product(Self.radixCubed, Self(high.0, high.1, high.2, high.3))
    }

    /// The integer in 0 ..< ℓ, least significant limb first.
    var canonical: (UInt64, UInt64, UInt64, UInt64) {
        let value = Self.product(self, Self(1, 0, 0, 0))
        return (value.l0, value.l1, value.l2, value.l3)
    }

    // MARK: Arithmetic

    /// Less ℓ, once, if that is not below zero. The element is below 2ℓ.
    @inline(__always)
    private var reduced: Self {
        var carry: UInt64 = 1
        let d0 = subtract(l0, Order.limb0, &carry)
        let d1 = subtract(l1, Order.limb1, &carry)
        let d2 = subtract(l2, 0, &carry)
        let d3 = subtract(l3, Order.limb3, &carry)
        let isSmaller = Int64(bitPattern: d3) < 0
        return Self(
            isSmaller ? l0 : d0, isSmaller ? l1 : d1,
            isSmaller ? l2 : d2, isSmaller ? l3 : d3)
    }

    public static func + (lhs: Self, rhs: Self) -> Self {
        var carry: UInt64 = 0
        return Self(
            add(lhs.l0, rhs.l0, &carry), add(lhs.l1, rhs.l1, &carry),
            add(lhs.l2, rhs.l2, &carry), add(lhs.l3, rhs.l3, &carry)
        ).reduced
    }

    public static func - (lhs: Self, rhs: Self) -> Self {
        var carry: UInt64 = 1
        let d0 = subtract(lhs.l0, rhs.l0, &carry)
        let d1 = subtract(lhs.l1, rhs.l1, &carry)
        let d2 = subtract(lhs.l2, rhs.l2, &carry)
        let d3 = subtract(lhs.l3, rhs.l3, &carry)
        // All ones where the difference is negative.
        let mask = UInt64(bitPattern: Int64(bitPattern: d3) &>> 63)
        carry = 0
        return Self(
            add(d0, Order.limb0 & mask, &carry), add(d1, Order.limb1 & mask, &carry),
            add(d2, 0, &carry), add(d3, Order.limb3 & mask, &carry))
    }

    public static prefix func - (operand: Self) -> Self { zero - operand }

    /// Adds the multiple of ℓ that clears the lowest limb, and drops that limb.
    @inline(__always)
    private mutating func reduceStep(_ top: UInt64) {
        let m = l0 &* Order.negatedInverse
        var carry: UInt64 = 0
        _ = multiplyAdd(m, Order.limb0, l0, &carry)
        l0 = multiplyAdd(m, Order.limb1, l1, &carry)
        // The third limb of ℓ is zero and the fourth 2⁶⁰.
        l1 = add(l2, 0, &carry)
        l2 = add(l3, m &<< 60, &carry)
        l3 = top &+ (m &>> 4) &+ carry
    }

    /// Adds `a · b` and gives what passes the fourth limb.
    @inline(__always)
    private mutating func accumulate(_ a: Self, _ b: UInt64) -> UInt64 {
        var carry: UInt64 = 0
        l0 = multiplyAdd(a.l0, b, l0, &carry)
        l1 = multiplyAdd(a.l1, b, l1, &carry)
        l2 = multiplyAdd(a.l2, b, l2, &carry)
        l3 = multiplyAdd(a.l3, b, l3, &carry)
        return carry
    }

    @inline(__always)
    private static func product(_ a: Self, _ b: Self) -> Self {
        var total = Self(0, 0, 0, 0)
        total.reduceStep(total.accumulate(a, b.l0))
        total.reduceStep(total.accumulate(a, b.l1))
        total.reduceStep(total.accumulate(a, b.l2))
        total.reduceStep(total.accumulate(a, b.l3))
        return total.reduced
    }

    public static func * (lhs: Self, rhs: Self) -> Self { product(lhs, rhs) }

    public static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }
    public static func -= (lhs: inout Self, rhs: Self) { lhs = lhs - rhs }
    public static func *= (lhs: inout Self, rhs: Self) { lhs = lhs * rhs }

    func squared() -> Self { Self.product(self, self) }

    func doubled() -> Self { self + self }

    /// The multiplicative inverse, or zero for zero.
    public func inverse() -> Self {
        // Fermat: to the power ℓ − 2, four bits at a time.
        var powers = [16 of Self](repeating: .one)
        for index in 1..<16 { powers[index] = powers[index - 1] * self }
        let exponent: [4 of UInt64] = [Order.limb0 - 2, Order.limb1, 0, Order.limb3]
        var result = Self.one
        for limb in stride(from: 3, through: 0, by: -1) {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                for _ in 0..<4 { result = result.squared() }
                let digit = Int(truncatingIfNeeded: exponent[limb] &>> shift) & 15
                if digit != 0 { result *= powers[digit] }
            }
        }
        return result
    }

    /// Replaces every element by its inverse, zero by zero, with one inversion in all.
    ///
    /// Specification: P. Montgomery, "Speeding the Pollard and elliptic curve methods of
    /// factorization", 1987, section 10.3.1.
    public static func invert(_ elements: inout [Self]) {
        var products: [Self] = []
        products.reserveCapacity(elements.count)
        var product = one
        for element in elements {
            products.append(product)
            if !element.isZero { product *= element }
        }
        var inverse = product.inverse()
        for index in elements.indices.reversed() where !elements[index].isZero {
            let element = elements[index]
            elements[index] = inverse * products[index]
            inverse *= element
        }
    }

    /// ℓ, of which the third limb is zero, and −ℓ⁻¹ modulo 2⁶⁴.
    enum Order {
        @inline(__always) static var limb0: UInt64 { 0x5812_631a_5cf5_d3ed }
        @inline(__always) static var limb1: UInt64 { 0x14de_f9de_a2f7_9cd6 }
        @inline(__always) static var limb3: UInt64 { 0x1000_0000_0000_0000 }
        @inline(__always) static var negatedInverse: UInt64 { 0xd2b5_1da3_1254_7e1b }
    }
}

extension Scalar: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int64) { self.init(value) }
}
