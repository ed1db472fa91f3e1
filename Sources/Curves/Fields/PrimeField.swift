/// What point and tower arithmetic ask of a field.
///
/// Nothing here runs in constant time. The module verifies public data and never holds a secret.
protocol FieldElement: Equatable, Sendable {
    static var zero: Self { get }
    static var one: Self { get }

    var isZero: Bool { get }

    static func + (lhs: Self, rhs: Self) -> Self
    static func - (lhs: Self, rhs: Self) -> Self
    static func * (lhs: Self, rhs: Self) -> Self
    static prefix func - (operand: Self) -> Self

    func doubled() -> Self
    func squared() -> Self

    /// The multiplicative inverse, or zero for zero.
    func inverse() -> Self
}

/// A field of prime order whose elements are residues in Montgomery form.
///
/// Residues are always reduced, so that equality of limbs is equality of elements.
protocol PrimeField: FieldElement, ExpressibleByIntegerLiteral
where IntegerLiteralType == StaticBigInt {
    /// Size of an element's canonical big-endian encoding, in bytes.
    static var size: Int { get }

    /// The order of the field, least significant limb first.
    static var modulus: Words { get }

    associatedtype Words: LimbArray

    /// The element of a canonical residue, or nil for the modulus and above.
    init?(canonical words: Words)

    /// The residue between zero and the modulus.
    var canonical: Words { get }

    /// `a · b + c · d` with one reduction.
    static func sumOfProducts(_ a: Self, _ b: Self, _ c: Self, _ d: Self) -> Self

    /// Half of the element.
    func halved() -> Self
}

/// A fixed number of limbs, least significant first.
protocol LimbArray: Equatable, Sendable {
    static var count: Int { get }
    init(repeating value: UInt64)
    subscript(index: Int) -> UInt64 { get set }
}

extension FieldElement {
    @inline(__always)
    func doubled() -> Self { self + self }

    @inline(__always)
    static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }

    @inline(__always)
    static func -= (lhs: inout Self, rhs: Self) { lhs = lhs - rhs }

    @inline(__always)
    static func *= (lhs: inout Self, rhs: Self) { lhs = lhs * rhs }

    /// The element to the power of an unsigned integer, four bits at a time.
    func power(_ exponent: some LimbArray) -> Self {
        var powers = [16 of Self](repeating: .one)
        for index in 1..<16 { powers[index] = powers[index - 1] * self }
        var result = Self.one
        for index in stride(from: type(of: exponent).count - 1, through: 0, by: -1) {
            for shift in stride(from: UInt64(60), through: 0, by: -4) {
                for _ in 0..<4 { result = result.squared() }
                let digit = Int(truncatingIfNeeded: exponent[index] &>> shift) & 15
                if digit != 0 { result *= powers[digit] }
            }
        }
        return result
    }
}
