// Limb arithmetic. Everything is always inlined: a field multiplication is a straight line of these.
//
// `Curves` has the same three functions, and a generic field above them. Both are internal there, as
// generic code is fast only inside the module that compiles it for its types.

/// The low half of `a + b + carry`; `carry` becomes the high half, 0 or 1.
@inline(__always)
func add(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 {
    let total = UInt128(a) &+ UInt128(b) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: total &>> 64)
    return UInt64(truncatingIfNeeded: total)
}

/// `a − b − 1 + carry`; `carry` is 1 unless something was borrowed, so that a row begins with 1.
@inline(__always)
func subtract(_ a: UInt64, _ b: UInt64, _ carry: inout UInt64) -> UInt64 { add(a, ~b, &carry) }

/// The low half of `a · b + c + carry`; `carry` becomes the high half. The whole fits in 128 bits.
@inline(__always)
func multiplyAdd(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ carry: inout UInt64) -> UInt64 {
    let total = UInt128(a) &* UInt128(b) &+ UInt128(c) &+ UInt128(carry)
    carry = UInt64(truncatingIfNeeded: total &>> 64)
    return UInt64(truncatingIfNeeded: total)
}
