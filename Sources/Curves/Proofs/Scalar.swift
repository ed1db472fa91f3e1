public import ChoraleBase

/// The prime order of a curve's groups, for ``Scalar``.
public protocol ScalarOrder: Sendable {
    static var constants: ScalarConstants { get }
}

/// What Montgomery arithmetic needs of an odd modulus below 2²⁵⁶, computed from it once.
public struct ScalarConstants: Sendable {
    let modulus: Limbs<4>
    /// −modulus⁻¹ modulo 2⁶⁴.
    let negatedInverse: UInt64
    /// 2²⁵⁶ and 2⁵¹² modulo the modulus.
    let one: Limbs<4>
    let radixSquared: Limbs<4>

    init(_ modulus: Limbs<4>) {
        self.modulus = modulus
        // Newton's iteration doubles the number of right bits: 1, 2, 4, … 64.
        var inverse: UInt64 = 1
        for _ in 0..<6 { inverse = inverse &* (2 &- modulus[0] &* inverse) }
        negatedInverse = 0 &- inverse
        var power = Limbs<4>(repeating: 0)
        power[0] = 1
        var one = power
        for bit in 1...512 {
            power = Self.sum(power, power, modulus)
            if bit == 256 { one = power }
        }
        self.one = one
        radixSquared = power
    }

    /// The sum of two residues.
    static func sum(_ a: Limbs<4>, _ b: Limbs<4>, _ modulus: Limbs<4>) -> Limbs<4> {
        var total = a
        var carry: UInt64 = 0
        for index in 0..<4 { total[index] = add(a[index], b[index], &carry) }
        let (difference, borrow) = total.subtractingReportingBorrow(modulus)
        return carry == 1 || !borrow ? difference : total
    }
}

/// An integer modulo the order of a curve's groups: a scalar, or a value in a proof's field.
///
/// Slower than the module's other fields, which need two spare bits above the prime: BLS12-381's order
/// has one.
public struct Scalar<Order: ScalarOrder>: Equatable, Sendable {
    /// In Montgomery form with radix 2²⁵⁶, reduced.
    private var limbs: Limbs<4>

    /// Size of the canonical encoding, in bytes.
    public static var size: Int { 32 }

    private init(limbs: Limbs<4>) { self.limbs = limbs }

    public static var zero: Self { Self(limbs: Limbs(repeating: 0)) }
    public static var one: Self { Self(limbs: Order.constants.one) }

    /// A small integer.
    public init(_ value: UInt64) {
        var limbs = Limbs<4>(repeating: 0)
        limbs[0] = value
        self = Self(limbs: limbs) * Self(limbs: Order.constants.radixSquared)
    }

    /// The scalar of a big-endian integer of 32 bytes, or nil when it is not below the order.
    ///
    /// An integer plus the order is the same residue, and refused: a statement has one encoding.
    public init?(_ bytes: Span<UInt8>, at offset: Int = 0) {
        guard offset >= 0, bytes.count >= offset, bytes.count - offset >= Self.size else {
            return nil
        }
        let limbs = Limbs<4>(bytes, at: offset)
        guard limbs < Order.constants.modulus else { return nil }
        self = Self(limbs: limbs) * Self(limbs: Order.constants.radixSquared)
    }

    /// The residue of a big-endian integer of any size, such as a digest.
    public init(reducing bytes: Span<UInt8>) {
        var total = Self.zero
        let radix = Self(256)
        for index in bytes.indices { total = total * radix + Self(UInt64(bytes[index])) }
        self = total
    }

    /// The residue of a digest, as a big-endian integer.
    public init(reducing digest: Bytes32) {
        // Any 256 bits are below 2²⁵⁶, which is all that the product asks of one factor.
        let limbs = Limbs<4>(digest.storage.span, at: 0)
        self = Self(limbs: limbs) * Self(limbs: Order.constants.radixSquared)
    }

    /// The integer below the order.
    var canonical: Limbs<4> {
        var unit = Limbs<4>(repeating: 0)
        unit[0] = 1
        return (self * Self(limbs: unit)).limbs
    }

    /// The integer below the order, big-endian.
    public var bytes: [UInt8] {
        let words = canonical
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for index in stride(from: 3, through: 0, by: -1) { bytes.appendBigEndian(words[index]) }
        return bytes
    }

    public var isZero: Bool { limbs == Limbs(repeating: 0) }

    public static func + (lhs: Self, rhs: Self) -> Self {
        Self(limbs: ScalarConstants.sum(lhs.limbs, rhs.limbs, Order.constants.modulus))
    }

    public static prefix func - (operand: Self) -> Self {
        guard !operand.isZero else { return operand }
        return Self(
            limbs: Order.constants.modulus.subtractingReportingBorrow(operand.limbs).difference)
    }

    public static func - (lhs: Self, rhs: Self) -> Self { lhs + -rhs }

    /// Montgomery's product, word by word (CIOS), with a fifth limb for what passes the fourth.
    public static func * (lhs: Self, rhs: Self) -> Self {
        let constants = Order.constants
        let modulus = constants.modulus
        var total = Limbs<4>(repeating: 0)
        var top: UInt64 = 0
        for row in 0..<4 {
            var carry: UInt64 = 0
            for column in 0..<4 {
                total[column] = multiplyAdd(
                    lhs.limbs[column], rhs.limbs[row], total[column], &carry)
            }
            var over: UInt64 = 0
            top = add(top, carry, &over)
            let factor = total[0] &* constants.negatedInverse
            carry = 0
            _ = multiplyAdd(factor, modulus[0], total[0], &carry)
            for column in 1..<4 {
                total[column - 1] = multiplyAdd(factor, modulus[column], total[column], &carry)
            }
            var next: UInt64 = 0
            total[3] = add(top, carry, &next)
            top = over &+ next
        }
        let (difference, borrow) = total.subtractingReportingBorrow(modulus)
        return Self(limbs: top == 1 || !borrow ? difference : total)
    }

    public static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }
    public static func *= (lhs: inout Self, rhs: Self) { lhs = lhs * rhs }

    public func power(_ exponent: UInt64) -> Self {
        var result = Self.one
        for bit in stride(from: 63 - exponent.leadingZeroBitCount, through: 0, by: -1) {
            result *= result
            if exponent >> UInt64(bit) & 1 == 1 { result *= self }
        }
        return result
    }

    /// The multiplicative inverse, or zero for zero: the power order − 2 (Fermat).
    public func inverse() -> Self {
        var exponent = Order.constants.modulus
        exponent[0] &-= 2
        var result = Self.one
        for index in stride(from: 3, through: 0, by: -1) {
            for bit in stride(from: 63, through: 0, by: -1) {
                result *= result
                if exponent[index] >> UInt64(bit) & 1 == 1 { result *= self }
            }
        }
        return result
    }
}
