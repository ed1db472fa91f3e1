/// c0 + c1·v + c2·v² with v³ = ξ.
struct Fp6<Tower: PairingTower>: FieldElement {
    var c0: Fp2<Tower>
    var c1: Fp2<Tower>
    var c2: Fp2<Tower>

    @inline(__always)
    init(_ c0: Fp2<Tower>, _ c1: Fp2<Tower>, _ c2: Fp2<Tower>) {
        self.c0 = c0
        self.c1 = c1
        self.c2 = c2
    }

    static var zero: Self { Self(.zero, .zero, .zero) }
    static var one: Self { Self(.one, .zero, .zero) }

    var isZero: Bool { c0.isZero && c1.isZero && c2.isZero }

    static func + (lhs: Self, rhs: Self) -> Self {
        Self(lhs.c0 + rhs.c0, lhs.c1 + rhs.c1, lhs.c2 + rhs.c2)
    }

    static func - (lhs: Self, rhs: Self) -> Self {
        Self(lhs.c0 - rhs.c0, lhs.c1 - rhs.c1, lhs.c2 - rhs.c2)
    }

    static prefix func - (operand: Self) -> Self { Self(-operand.c0, -operand.c1, -operand.c2) }

    // Karatsuba in three parts (Devegili et al., "Multiplication and squaring on pairing-friendly
    // fields", section 4).
    static func * (lhs: Self, rhs: Self) -> Self {
        let p0 = lhs.c0 * rhs.c0
        let p1 = lhs.c1 * rhs.c1
        let p2 = lhs.c2 * rhs.c2
        let p12 = (lhs.c1 + lhs.c2) * (rhs.c1 + rhs.c2) - p1 - p2
        let p01 = (lhs.c0 + lhs.c1) * (rhs.c0 + rhs.c1) - p0 - p1
        let p02 = (lhs.c0 + lhs.c2) * (rhs.c0 + rhs.c2) - p0 - p2
        return Self(p0 + Tower.timesXi(p12), p01 + Tower.timesXi(p2), p02 + p1)
    }

    // Chung and Hasan's SQR2, the same paper.
    func squared() -> Self {
        let s0 = c0.squared()
        let s1 = (c0 * c1).doubled()
        let s2 = (c0 - c1 + c2).squared()
        let s3 = (c1 * c2).doubled()
        let s4 = c2.squared()
        return Self(s0 + Tower.timesXi(s3), s1 + Tower.timesXi(s4), s1 + s2 + s3 - s0 - s4)
    }

    /// The product with v.
    @inline(__always)
    var timesV: Self { Self(Tower.timesXi(c2), c0, c1) }

    /// The product with b0 + b1·v.
    func times(_ b0: Fp2<Tower>, _ b1: Fp2<Tower>) -> Self {
        let p0 = c0 * b0
        let p1 = c1 * b1
        let p12 = (c1 + c2) * b1 - p1
        let p01 = (c0 + c1) * (b0 + b1) - p0 - p1
        let p02 = (c0 + c2) * b0 - p0
        return Self(p0 + Tower.timesXi(p12), p01, p02 + p1)
    }

    /// The product with b·v.
    func timesV(_ b: Fp2<Tower>) -> Self { Self(Tower.timesXi(c2 * b), c0 * b, c1 * b) }

    /// The product with an element of Fp2.
    func times(_ b: Fp2<Tower>) -> Self { Self(c0 * b, c1 * b, c2 * b) }

    func inverse() -> Self {
        let t0 = c0.squared() - Tower.timesXi(c1 * c2)
        let t1 = Tower.timesXi(c2.squared()) - c0 * c1
        let t2 = c1.squared() - c0 * c2
        let scale = (c0 * t0 + Tower.timesXi(c2 * t1 + c1 * t2)).inverse()
        return Self(t0 * scale, t1 * scale, t2 * scale)
    }
}
