/// c0 + c1·u with u² = −1.
struct Fp2<Tower: PairingTower>: FieldElement {
    typealias Base = Tower.Base

    var c0: Base
    var c1: Base

    @inline(__always)
    init(_ c0: Base, _ c1: Base) {
        self.c0 = c0
        self.c1 = c1
    }

    @inline(__always)
    static var zero: Self { Self(.zero, .zero) }

    @inline(__always)
    static var one: Self { Self(.one, .zero) }

    @inline(__always)
    var isZero: Bool { c0.isZero && c1.isZero }

    @inline(__always)
    static func + (lhs: Self, rhs: Self) -> Self { Self(lhs.c0 + rhs.c0, lhs.c1 + rhs.c1) }

    @inline(__always)
    static func - (lhs: Self, rhs: Self) -> Self { Self(lhs.c0 - rhs.c0, lhs.c1 - rhs.c1) }

    @inline(__always)
    static prefix func - (operand: Self) -> Self { Self(-operand.c0, -operand.c1) }

    // Two sums of products, each reduced once, rather than Karatsuba's three products: as many limb
    // products and far fewer additions.
    static func * (lhs: Self, rhs: Self) -> Self {
        Self(
            Base.sumOfProducts(lhs.c0, rhs.c0, -lhs.c1, rhs.c1),
            Base.sumOfProducts(lhs.c0, rhs.c1, lhs.c1, rhs.c0))
    }

    /// The product with an element of the base field.
    @inline(__always)
    static func * (lhs: Self, rhs: Base) -> Self { Self(lhs.c0 * rhs, lhs.c1 * rhs) }

    func squared() -> Self { Self((c0 + c1) * (c0 - c1), c0.doubled() * c1) }

    @inline(__always)
    func halved() -> Self { Self(c0.halved(), c1.halved()) }

    /// The image under the p-power Frobenius map.
    @inline(__always)
    var conjugate: Self { Self(c0, -c1) }

    /// The product with the conjugate, an element of the base field.
    @inline(__always)
    var norm: Base { Base.sumOfProducts(c0, c0, c1, c1) }

    func inverse() -> Self {
        let scale = norm.inverse()
        return Self(c0 * scale, -(c1 * scale))
    }
}
