public import ChoraleBase

/// An unsigned integer of 256 bits, the word of the Ethereum virtual machine.
///
/// Arithmetic wraps at 2²⁵⁶ as the machine's does; nothing here traps. The signed operations read the
/// same bits as two's complement.
///
/// Four limbs of 64 bits rather than two of 128: products and carries of 64 bits are one instruction.
///
/// Specification: Ethereum yellow paper, appendix H.
@frozen
public struct UInt256: Hashable, Sendable {
    /// Bits 0 to 63, and so on upwards.
    public var l0: UInt64
    public var l1: UInt64
    public var l2: UInt64
    public var l3: UInt64

    @inlinable
    public init(_ l3: UInt64, _ l2: UInt64, _ l1: UInt64, _ l0: UInt64) {
        self.l0 = l0
        self.l1 = l1
        self.l2 = l2
        self.l3 = l3
    }

    @inlinable
    public init(_ value: UInt64) { self.init(0, 0, 0, value) }

    public static let zero = UInt256(0)
    public static let one = UInt256(1)
    /// 2²⁵⁶ − 1.
    public static let max = UInt256(.max, .max, .max, .max)

    @inlinable
    public var isZero: Bool { l0 | l1 | l2 | l3 == 0 }

    /// The value, where it fits.
    @inlinable
    public var uint64: UInt64? { l1 | l2 | l3 == 0 ? l0 : nil }

    /// The value as a size or offset in memory, or nil when no memory is that large.
    @inlinable
    public var int: Int? { l1 | l2 | l3 == 0 ? Int(exactly: l0) : nil }

    /// Whether the two's complement reading is below zero.
    @inlinable
    public var isNegative: Bool { l3 >> 63 == 1 }

    /// Zero bits above the highest bit that is set; 256 for zero.
    @inlinable
    public var leadingZeroBitCount: Int {
        if l3 != 0 { return l3.leadingZeroBitCount }
        if l2 != 0 { return 64 + l2.leadingZeroBitCount }
        if l1 != 0 { return 128 + l1.leadingZeroBitCount }
        return 192 + l0.leadingZeroBitCount
    }

    /// Bits up to the highest that is set; zero for zero.
    @inlinable
    public var bitWidth: Int { 256 - leadingZeroBitCount }

    /// Bit `index` counted from the lowest, `0..<256`.
    @inlinable
    public func bit(_ index: Int) -> Bool {
        limb(index >> 6) >> UInt64(index & 63) & 1 == 1
    }

    @inlinable
    func limb(_ index: Int) -> UInt64 {
        switch index {
        case 0: l0
        case 1: l1
        case 2: l2
        default: l3
        }
    }
}

// MARK: Bytes

extension UInt256 {
    /// Reads up to 32 bytes, big-endian; nil when there are more.
    public init?(bigEndian bytes: Span<UInt8>) {
        guard bytes.count <= 32 else { return nil }
        var limbs: [4 of UInt64] = .init(repeating: 0)
        for index in bytes.indices {
            let place = bytes.count - 1 - index
            limbs[place >> 3] |= UInt64(bytes[index]) &<< UInt64(8 * (place & 7))
        }
        self.init(limbs[3], limbs[2], limbs[1], limbs[0])
    }

    /// Reads 32 bytes, big-endian.
    public init(_ bytes: Bytes32) {
        let span = bytes.storage.span
        self.init(
            span.loadBigEndian(UInt64.self, at: 0), span.loadBigEndian(UInt64.self, at: 8),
            span.loadBigEndian(UInt64.self, at: 16), span.loadBigEndian(UInt64.self, at: 24))
    }

    /// All 32 bytes, big-endian.
    public var bytes32: Bytes32 {
        var result = Bytes32.zero
        for (index, limb) in [l3, l2, l1, l0].enumerated() {
            for byte in 0..<8 {
                result.storage[8 * index + byte] =
                    UInt8(truncatingIfNeeded: limb &>> UInt64(56 - 8 * byte))
            }
        }
        return result
    }

    /// Byte `index` counted from the highest, `0..<32`.
    @inlinable
    public func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: limb(3 - index >> 3) >> UInt64(8 * (7 - index & 7)))
    }

    /// Big-endian without leading zeros; empty for zero. As RLP writes integers.
    public var minimalBytes: [UInt8] {
        let count = (bitWidth + 7) / 8
        return (32 - count..<32).map { byte($0) }
    }
}

extension UInt256: CustomStringConvertible {
    /// Hexadecimal behind `0x`, without leading zeros.
    public var description: String {
        let digits = Hex.encode(minimalBytes)
        guard !digits.isEmpty else { return "0x0" }
        return "0x" + (digits.hasPrefix("0") ? String(digits.dropFirst()) : digits)
    }
}

// MARK: Order and bits

extension UInt256: Comparable {
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.subtractingReportingBorrow(rhs).borrow
    }

    /// Whether the two's complement readings are in order.
    @inlinable
    public func isLessSigned(_ other: Self) -> Bool {
        isNegative != other.isNegative ? isNegative : self < other
    }
}

extension UInt256 {
    @inlinable
    public static func & (lhs: Self, rhs: Self) -> Self {
        Self(lhs.l3 & rhs.l3, lhs.l2 & rhs.l2, lhs.l1 & rhs.l1, lhs.l0 & rhs.l0)
    }

    @inlinable
    public static func | (lhs: Self, rhs: Self) -> Self {
        Self(lhs.l3 | rhs.l3, lhs.l2 | rhs.l2, lhs.l1 | rhs.l1, lhs.l0 | rhs.l0)
    }

    @inlinable
    public static func ^ (lhs: Self, rhs: Self) -> Self {
        Self(lhs.l3 ^ rhs.l3, lhs.l2 ^ rhs.l2, lhs.l1 ^ rhs.l1, lhs.l0 ^ rhs.l0)
    }

    @inlinable
    public static prefix func ~ (value: Self) -> Self {
        Self(~value.l3, ~value.l2, ~value.l1, ~value.l0)
    }

    /// Towards the high end; zero from 256 on.
    @inlinable
    public static func << (value: Self, count: Int) -> Self {
        guard count >= 0, count < 256 else { return .zero }
        let bits = UInt64(count & 63)
        let moved: Self
        switch count >> 6 {
        case 0: moved = value
        case 1: moved = Self(value.l2, value.l1, value.l0, 0)
        case 2: moved = Self(value.l1, value.l0, 0, 0)
        default: moved = Self(value.l0, 0, 0, 0)
        }
        guard bits > 0 else { return moved }
        let rest = 64 - bits
        return Self(
            moved.l3 << bits | moved.l2 >> rest, moved.l2 << bits | moved.l1 >> rest,
            moved.l1 << bits | moved.l0 >> rest, moved.l0 << bits)
    }

    /// Towards the low end, zeros coming in; zero from 256 on.
    @inlinable
    public static func >> (value: Self, count: Int) -> Self {
        guard count >= 0, count < 256 else { return .zero }
        let bits = UInt64(count & 63)
        let moved: Self
        switch count >> 6 {
        case 0: moved = value
        case 1: moved = Self(0, value.l3, value.l2, value.l1)
        case 2: moved = Self(0, 0, value.l3, value.l2)
        default: moved = Self(0, 0, 0, value.l3)
        }
        guard bits > 0 else { return moved }
        let rest = 64 - bits
        return Self(
            moved.l3 >> bits, moved.l2 >> bits | moved.l3 << rest,
            moved.l1 >> bits | moved.l2 << rest, moved.l0 >> bits | moved.l1 << rest)
    }

    /// Towards the low end, copies of the sign coming in.
    @inlinable
    public func shiftedRightSigned(_ count: Int) -> Self {
        guard isNegative else { return self >> count }
        guard count >= 0, count < 256 else { return .max }
        return count == 0 ? self : self >> count | Self.max << (256 - count)
    }

    /// The number whose two's complement has `size + 1` bytes, with its sign carried upwards.
    ///
    /// The value itself when `size` is 31 or more.
    @inlinable
    public func signExtended(fromByte size: Int) -> Self {
        guard size >= 0, size < 31 else { return self }
        let width = 8 * size + 8
        return bit(width - 1) ? self | Self.max << width : self & ~(Self.max << width)
    }
}
