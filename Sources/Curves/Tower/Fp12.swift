/// c0 + c1·w with w² = v: where pairings take their values.
struct Fp12<Tower: PairingTower>: FieldElement {
    var c0: Fp6<Tower>
    var c1: Fp6<Tower>

    @inline(__always)
    init(_ c0: Fp6<Tower>, _ c1: Fp6<Tower>) {
        self.c0 = c0
        self.c1 = c1
    }

    static var zero: Self { Self(.zero, .zero) }
    static var one: Self { Self(.one, .zero) }

    var isZero: Bool { c0.isZero && c1.isZero }

    static func + (lhs: Self, rhs: Self) -> Self { Self(lhs.c0 + rhs.c0, lhs.c1 + rhs.c1) }

    static func - (lhs: Self, rhs: Self) -> Self { Self(lhs.c0 - rhs.c0, lhs.c1 - rhs.c1) }

    static prefix func - (operand: Self) -> Self { Self(-operand.c0, -operand.c1) }

    static func * (lhs: Self, rhs: Self) -> Self {
        let p0 = lhs.c0 * rhs.c0
        let p1 = lhs.c1 * rhs.c1
        let cross = (lhs.c0 + lhs.c1) * (rhs.c0 + rhs.c1)
        return Self(p0 + p1.timesV, cross - p0 - p1)
    }

    func squared() -> Self {
        let product = c0 * c1
        let square = (c0 + c1) * (c0 + c1.timesV) - product - product.timesV
        return Self(square, product.doubled())
    }

    /// c0 − c1·w, the image under the p⁶-power Frobenius map; for elements of norm one, such as
    /// values of pairings, the inverse.
    @inline(__always)
    var conjugate: Self { Self(c0, -c1) }

    func inverse() -> Self {
        let scale = (c0.squared() - c1.squared().timesV).inverse()
        return Self(c0 * scale, -(c1 * scale))
    }

    /// The product with (b0 + b1·v) + (b4·v)·w: a line on a multiplicative twist.
    mutating func multiplyByLine(_ b0: Fp2<Tower>, _ b1: Fp2<Tower>, multiplicative b4: Fp2<Tower>)
    {
        let p0 = c0.times(b0, b1)
        let p1 = c1.timesV(b4)
        let cross = (c0 + c1).times(b0, b1 + b4)
        self = Self(p0 + p1.timesV, cross - p0 - p1)
    }

    /// The product with b0 + (b3 + b4·v)·w: a line on a divisive twist.
    mutating func multiplyByLine(_ b0: Fp2<Tower>, _ b3: Fp2<Tower>, divisive b4: Fp2<Tower>) {
        let p0 = c0.times(b0)
        let p1 = c1.times(b3, b4)
        let cross = (c0 + c1).times(b0 + b3, b4)
        self = Self(p0 + p1.timesV, cross - p0 - p1)
    }
}
