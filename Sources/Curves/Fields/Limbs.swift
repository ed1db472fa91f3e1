// Limb arithmetic. Everything is always inlined: a field multiplication is a straight line of these.

/// `a + b + carry`; `carry` becomes the carry out, 0 or 1.
@inline(__always)
func add(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let (sum, first) = a.addingReportingOverflow(b)
    let (total, second) = sum.addingReportingOverflow(carry)
    carry = (first ? 1 : 0) &+ (second ? 1 : 0)
    return total
}

/// `a − b − borrow`; `borrow` becomes the borrow out, 0 or 1.
@inline(__always)
func subtract(_ a: UInt64, _ b: UInt64, _ borrow: inout UInt64) -> UInt64 {
    let (difference, first) = a.subtractingReportingOverflow(b)
    let (total, second) = difference.subtractingReportingOverflow(borrow)
    borrow = (first ? 1 : 0) &+ (second ? 1 : 0)
    return total
}

/// The low half of `a · b + c + carry`; `carry` becomes the high half. The whole fits in 128 bits.
@inline(__always)
func multiplyAdd(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ carry: inout UInt64) -> UInt64 {
    // UInt128 rather than `multipliedFullWidth` and two carries: the compiler then keeps the sum in
    // one pair of registers (measured: a third faster for six limbs).
    let total = UInt128(a) &* UInt128(b) &+ UInt128(c) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: total &>> 64)
    return UInt64(truncatingIfNeeded: total)
}
