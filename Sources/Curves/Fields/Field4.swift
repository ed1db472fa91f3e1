/// The constants of a prime below 2²⁵⁴, for ``Field4``.
protocol Modulus4: Sendable {
    /// The prime, least significant limb first.
    static var limbs: (UInt64, UInt64, UInt64, UInt64) { get }
    /// −prime⁻¹ modulo 2⁶⁴.
    static var negatedInverse: UInt64 { get }
    /// 2²⁵⁶ modulo the prime: one in Montgomery form.
    static var one: (UInt64, UInt64, UInt64, UInt64) { get }
    /// 2⁵¹² modulo the prime, which takes residues into Montgomery form.
    static var radixSquared: (UInt64, UInt64, UInt64, UInt64) { get }
}

/// A prime field of four limbs in Montgomery form with radix 2²⁵⁶.
///
/// The two spare bits above the prime are what the carries below rely on: a sum of two elements, and
/// the running total of two interleaved products, stay within four limbs and one carry.
///
/// Specification: P. Montgomery, "Modular multiplication without trial division", 1985; the
/// interleaved form is CIOS of Koç, Acar and Kaliski, 1996.
struct Field4<Modulus: Modulus4>: PrimeField {
    private var l0: UInt64
    private var l1: UInt64
    private var l2: UInt64
    private var l3: UInt64

    typealias Words = Limbs<4>

    @inline(__always)
    private init(_ l0: UInt64, _ l1: UInt64, _ l2: UInt64, _ l3: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
    }

    static var size: Int { 32 }

    static var modulus: Words {
        var words = Words(repeating: 0)
        (words[0], words[1], words[2], words[3]) = Modulus.limbs
        return words
    }

    @inline(__always)
    static var zero: Self { Self(0, 0, 0, 0) }

    @inline(__always)
    static var one: Self {
        Self(Modulus.one.0, Modulus.one.1, Modulus.one.2, Modulus.one.3)
    }

    private static var radixSquared: Self {
        Self(
            Modulus.radixSquared.0, Modulus.radixSquared.1, Modulus.radixSquared.2,
            Modulus.radixSquared.3)
    }

    @inline(__always)
    var isZero: Bool { l0 | l1 | l2 | l3 == 0 }

    init?(canonical words: Words) {
        guard words.subtractingReportingBorrow(Self.modulus).borrow else { return nil }
        self = Self(words: words) * Self.radixSquared
    }

    var canonical: Words { (self * Self(1, 0, 0, 0)).words }

    /// The limbs as they are, in Montgomery form.
    private var words: Words {
        var words = Words(repeating: 0)
        words[0] = l0
        words[1] = l1
        words[2] = l2
        words[3] = l3
        return words
    }

    private init(words: Words) {
        self.init(words[0], words[1], words[2], words[3])
    }

    /// The residue of a literal, which may be negative.
    ///
    /// - Precondition: the literal's magnitude is below the modulus.
    init(integerLiteral value: StaticBigInt) {
        let words = Words(integerLiteral: value)
        guard let element = Self(canonical: value.signum() < 0 ? words.negated : words) else {
            preconditionFailure("a constant is below the modulus")
        }
        self = value.signum() < 0 ? -element : element
    }

    /// Less the modulus, once, if that is not below zero. The element is below twice the modulus, whose
    /// spare bits leave the difference's highest bit to its sign.
    @inline(__always)
    private var reduced: Self {
        var carry: UInt64 = 1
        let d0 = subtract(l0, Modulus.limbs.0, &carry)
        let d1 = subtract(l1, Modulus.limbs.1, &carry)
        let d2 = subtract(l2, Modulus.limbs.2, &carry)
        let d3 = subtract(l3, Modulus.limbs.3, &carry)
        let isSmaller = Int64(bitPattern: d3) < 0
        return Self(
            isSmaller ? l0 : d0, isSmaller ? l1 : d1,
            isSmaller ? l2 : d2, isSmaller ? l3 : d3)
    }

    @inline(__always)
    static func + (lhs: Self, rhs: Self) -> Self {
        var carry: UInt64 = 0
        return Self(
            add(lhs.l0, rhs.l0, &carry), add(lhs.l1, rhs.l1, &carry),
            add(lhs.l2, rhs.l2, &carry), add(lhs.l3, rhs.l3, &carry)
        ).reduced
    }

    @inline(__always)
    static func - (lhs: Self, rhs: Self) -> Self {
        var carry: UInt64 = 1
        let d0 = subtract(lhs.l0, rhs.l0, &carry)
        let d1 = subtract(lhs.l1, rhs.l1, &carry)
        let d2 = subtract(lhs.l2, rhs.l2, &carry)
        let d3 = subtract(lhs.l3, rhs.l3, &carry)
        // All ones where the difference is negative.
        let mask = UInt64(bitPattern: Int64(bitPattern: d3) &>> 63)
        carry = 0
        return Self(
            add(d0, Modulus.limbs.0 & mask, &carry), add(d1, Modulus.limbs.1 & mask, &carry),
            add(d2, Modulus.limbs.2 & mask, &carry), add(d3, Modulus.limbs.3 & mask, &carry))
    }

    @inline(__always)
    static prefix func - (operand: Self) -> Self { zero - operand }

    func halved() -> Self {
        // An odd residue becomes even by adding the odd modulus.
        let mask = 0 &- (l0 & 1)
        var carry: UInt64 = 0
        let s0 = add(l0, Modulus.limbs.0 & mask, &carry)
        let s1 = add(l1, Modulus.limbs.1 & mask, &carry)
        let s2 = add(l2, Modulus.limbs.2 & mask, &carry)
        let s3 = add(l3, Modulus.limbs.3 & mask, &carry)
        return Self(
            s0 &>> 1 | s1 &<< 63, s1 &>> 1 | s2 &<< 63, s2 &>> 1 | s3 &<< 63, s3 &>> 1)
    }

    /// Adds a multiple of the modulus that clears the lowest limb, and drops that limb.
    @inline(__always)
    private mutating func reduceStep(_ top: UInt64) {
        let m = l0 &* Modulus.negatedInverse
        var carry: UInt64 = 0
        _ = multiplyAdd(m, Modulus.limbs.0, l0, &carry)
        l0 = multiplyAdd(m, Modulus.limbs.1, l1, &carry)
        l1 = multiplyAdd(m, Modulus.limbs.2, l2, &carry)
        l2 = multiplyAdd(m, Modulus.limbs.3, l3, &carry)
        l3 = top &+ carry
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
        var total = zero
        total.reduceStep(total.accumulate(a, b.l0))
        total.reduceStep(total.accumulate(a, b.l1))
        total.reduceStep(total.accumulate(a, b.l2))
        total.reduceStep(total.accumulate(a, b.l3))
        return total.reduced
    }

    static func * (lhs: Self, rhs: Self) -> Self { product(lhs, rhs) }

    // Saving the products that occur twice gains nothing (measured): what it saves in multiplications it
    // costs in carries of a product that is reduced only afterwards.
    func squared() -> Self { Self.product(self, self) }

    static func sumOfProducts(_ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self {
        var total = zero
        total.reduceStep(total.accumulate(a, b.l0) &+ total.accumulate(c, d.l0))
        total.reduceStep(total.accumulate(a, b.l1) &+ total.accumulate(c, d.l1))
        total.reduceStep(total.accumulate(a, b.l2) &+ total.accumulate(c, d.l2))
        total.reduceStep(total.accumulate(a, b.l3) &+ total.accumulate(c, d.l3))
        return total.reduced
    }

    func inverse() -> Self {
        // The inverse of a·R is a⁻¹·R⁻¹, which two products with R² bring to a⁻¹·R.
        let inverse = Signed62<5>.inverse(
            of: Signed62(words), modulo: Signed62(Self.modulus),
            negatedInverse: Modulus.negatedInverse)
        return Self(words: inverse.words(Words.self)) * Self.radixSquared * Self.radixSquared
    }
}
