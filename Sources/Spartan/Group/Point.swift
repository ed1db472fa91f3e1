/// A point of edwards25519 in extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. All four tight.
///
/// Stands for an element of ristretto255, for which four points each do equally well: compare with
/// ``==`` or by encoding. Not constant time: for public data.
///
/// Specification: H. Hisil, K. Wong, G. Carter and E. Dawson, "Twisted Edwards Curves Revisited",
/// ASIACRYPT 2008, for a = −1.
struct Point: Equatable, Sendable {
    private(set) var x: BaseField
    private(set) var y: BaseField
    private(set) var z: BaseField
    private(set) var t: BaseField

    init(x: BaseField, y: BaseField, z: BaseField, t: BaseField) {
        self.x = x
        self.y = y
        self.z = z
        self.t = t
    }

    static var identity: Self { Self(x: .zero, y: .one, z: .one, t: .zero) }

    func doubled() -> Self {
        let xx = x.squared()
        let yy = y.squared()
        let zz = z.squared()
        let sumSquared = (x + y).squared()
        // E = 2xy, and H, G, F as in the paper with all signs turned. Only tight elements are taken
        // away, so E takes two differences.
        let e = sumSquared - xx - yy
        let h = yy + xx
        let g = yy - xx
        let f = zz + zz + xx - yy
        return Self(x: e * f, y: h * g, z: g * f, t: e * h)
    }

    /// Adds a point prepared for it: eight products.
    static func += (lhs: inout Self, rhs: PreparedPoint) {
        let a = (lhs.y - lhs.x) * rhs.yMinusX
        let b = (lhs.y + lhs.x) * rhs.yPlusX
        let c = lhs.t * rhs.t2d
        let d = lhs.z * rhs.z2
        lhs = completed(a, b, c, d)
    }

    /// Adds an affine point: seven products.
    static func += (lhs: inout Self, rhs: AffinePoint) {
        let a = (lhs.y - lhs.x) * rhs.yMinusX
        let b = (lhs.y + lhs.x) * rhs.yPlusX
        let c = lhs.t * rhs.t2d
        lhs = completed(a, b, c, lhs.z + lhs.z)
    }

    /// Takes an affine point away: seven products.
    static func -= (lhs: inout Self, rhs: AffinePoint) {
        let a = (lhs.y - lhs.x) * rhs.yPlusX
        let b = (lhs.y + lhs.x) * rhs.yMinusX
        // −c, which is tight, takes part once added and once taken away.
        let c = lhs.t * rhs.t2d
        let d = lhs.z + lhs.z
        let (e, f, g, h) = (b - a, d + c, d - c, b + a)
        lhs = Self(x: e * f, y: g * h, z: f * g, t: e * h)
    }

    @inline(__always)
    private static func completed(
        _ a: BaseField, _ b: BaseField, _ c: BaseField, _ d: BaseField
    ) -> Self {
        let (e, f, g, h) = (b - a, d - c, d + c, b + a)
        return Self(x: e * f, y: g * h, z: f * g, t: e * h)
    }

    static func += (lhs: inout Self, rhs: Self) { lhs += PreparedPoint(rhs) }

    static prefix func - (operand: Self) -> Self {
        Self(x: (-operand.x) * .one, y: operand.y, z: operand.z, t: (-operand.t) * .one)
    }

    /// Whether both stand for the same element of ristretto255. RFC 9496, section 4.3.3.
    static func == (lhs: Self, rhs: Self) -> Bool {
        (lhs.x * rhs.y - lhs.y * rhs.x).isZero || (lhs.y * rhs.y - lhs.x * rhs.x).isZero
    }

    /// Whether the point stands for the neutral element: x or y is zero.
    var isIdentity: Bool { x.isZero || y.isZero }
}

/// A point with what an addition needs of it.
struct PreparedPoint: Sendable {
    let yPlusX: BaseField
    let yMinusX: BaseField
    let z2: BaseField
    let t2d: BaseField

    init(_ point: Point) {
        yPlusX = point.y + point.x
        yMinusX = point.y - point.x
        z2 = point.z + point.z
        t2d = point.t * .dDoubled
    }
}

/// A point with Z = 1, as decoding leaves it, with what an addition needs of it.
struct AffinePoint: Sendable {
    let yPlusX: BaseField
    let yMinusX: BaseField
    let t2d: BaseField

    /// Of affine coordinates, tight, that satisfy the curve's equation.
    init(x: BaseField, y: BaseField, t: BaseField) {
        yPlusX = y + x
        yMinusX = y - x
        t2d = t * .dDoubled
    }
}
