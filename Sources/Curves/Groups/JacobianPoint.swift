/// A point (X/Z², Y/Z³); Z is zero at infinity.
///
/// Formulas: Bernstein and Lange, Explicit-Formulas Database, "Jacobian coordinates with a4=0".
struct JacobianPoint<Shape: CurveShape>: Sendable {
    private(set) var x: Shape.Coordinate
    private(set) var y: Shape.Coordinate
    private(set) var z: Shape.Coordinate

    private init(_ x: Shape.Coordinate, _ y: Shape.Coordinate, _ z: Shape.Coordinate) {
        self.x = x
        self.y = y
        self.z = z
    }

    /// The point of coordinates known to satisfy the curve's equation, such as a map's image.
    init(knownX x: Shape.Coordinate, knownY y: Shape.Coordinate, knownZ z: Shape.Coordinate) {
        self.init(x, y, z)
    }

    static var infinity: Self { Self(.one, .one, .zero) }

    init(_ point: AffinePoint<Shape>) {
        self = point.isInfinity ? .infinity : Self(point.x, point.y, .one)
    }

    @inline(__always)
    var isInfinity: Bool { z.isZero }

    /// One inversion.
    var affine: AffinePoint<Shape> {
        isInfinity ? .infinity : scaled(by: z.inverse())
    }

    /// All points as affine ones, with one inversion.
    ///
    /// Specification: Montgomery's trick (Handbook of Elliptic and Hyperelliptic Curve Cryptography,
    /// algorithm 11.15).
    static func affine(_ points: [Self]) -> [AffinePoint<Shape>] {
        // Of all points before each one, the product of Z.
        var products: [Shape.Coordinate] = []
        products.reserveCapacity(points.count)
        var product = Shape.Coordinate.one
        for point in points {
            products.append(product)
            if !point.isInfinity { product *= point.z }
        }
        var inverse = product.inverse()
        var affine = [AffinePoint<Shape>](repeating: .infinity, count: points.count)
        for index in points.indices.reversed() where !points[index].isInfinity {
            let point = points[index]
            affine[index] = point.scaled(by: inverse * products[index])
            inverse *= point.z
        }
        return affine
    }

    /// The affine point, given 1/Z.
    @inline(__always)
    private func scaled(by inverse: Shape.Coordinate) -> AffinePoint<Shape> {
        let square = inverse.squared()
        return AffinePoint(knownX: x * square, knownY: y * (square * inverse))
    }

    /// Equality of the points, whatever their Z.
    static func == (lhs: Self, rhs: Self) -> Bool {
        if lhs.isInfinity || rhs.isInfinity { return lhs.isInfinity && rhs.isInfinity }
        let left = lhs.z.squared()
        let right = rhs.z.squared()
        return lhs.x * right == rhs.x * left
            && lhs.y * (right * rhs.z) == rhs.y * (left * lhs.z)
    }

    /// Equality with a point that needs no scaling.
    static func == (lhs: Self, rhs: AffinePoint<Shape>) -> Bool {
        if lhs.isInfinity || rhs.isInfinity { return lhs.isInfinity && rhs.isInfinity }
        let square = lhs.z.squared()
        return lhs.x == rhs.x * square && lhs.y == rhs.y * (square * lhs.z)
    }

    static prefix func - (point: Self) -> Self { Self(point.x, -point.y, point.z) }

    func doubled() -> Self {
        // A point of order two has y = 0 and doubles to Z = 0, as it should.
        let twiceYSquared = y.squared().doubled()
        let d = (x * twiceYSquared).doubled()
        let xSquared = x.squared()
        let e = xSquared.doubled() + xSquared
        let x3 = e.squared() - d.doubled()
        let y3 = e * (d - x3) - twiceYSquared.squared().doubled()
        return Self(x3, y3, (y * z).doubled())
    }

    static func + (lhs: Self, rhs: Self) -> Self {
        if lhs.isInfinity { return rhs }
        if rhs.isInfinity { return lhs }
        let leftSquared = lhs.z.squared()
        let rightSquared = rhs.z.squared()
        let u1 = lhs.x * rightSquared
        let s1 = lhs.y * (rightSquared * rhs.z)
        let h = rhs.x * leftSquared - u1
        let r = rhs.y * (leftSquared * lhs.z) - s1
        if h.isZero { return r.isZero ? lhs.doubled() : .infinity }
        return chord(u1: u1, s1: s1, h: h, r: r, z: lhs.z * rhs.z)
    }

    /// Cheaper than the general addition by the second point's Z.
    static func + (lhs: Self, rhs: AffinePoint<Shape>) -> Self {
        if rhs.isInfinity { return lhs }
        if lhs.isInfinity { return Self(rhs) }
        let leftSquared = lhs.z.squared()
        let h = rhs.x * leftSquared - lhs.x
        let r = rhs.y * (leftSquared * lhs.z) - lhs.y
        if h.isZero { return r.isZero ? lhs.doubled() : .infinity }
        return chord(u1: lhs.x, s1: lhs.y, h: h, r: r, z: lhs.z)
    }

    static func += (lhs: inout Self, rhs: Self) { lhs = lhs + rhs }

    static func += (lhs: inout Self, rhs: AffinePoint<Shape>) { lhs = lhs + rhs }

    @inline(__always)
    private static func chord(
        u1: Shape.Coordinate, s1: Shape.Coordinate, h: Shape.Coordinate, r: Shape.Coordinate,
        z: Shape.Coordinate
    ) -> Self {
        let hSquared = h.squared()
        let hCubed = hSquared * h
        let v = u1 * hSquared
        let x3 = r.squared() - hCubed - v.doubled()
        let y3 = r * (v - x3) - s1 * hCubed
        return Self(x3, y3, z * h)
    }

    /// scalar · point by doubling and adding: for short scalars with few bits set, and as the plain
    /// definition that the faster ways are tested against.
    func multiplied(by scalar: some LimbArray) -> Self {
        var result = Self.infinity
        for index in stride(from: type(of: scalar).count - 1, through: 0, by: -1) {
            let limb = scalar[index]
            for bit in stride(from: 63, through: 0, by: -1) {
                // Nothing to double above the highest bit.
                if !result.isInfinity { result = result.doubled() }
                if (limb &>> UInt64(bit)) & 1 == 1 { result += self }
            }
        }
        return result
    }

    func multiplied(by scalar: UInt64) -> Self { multiplied(by: Limbs<1>(repeating: scalar)) }

    /// scalar · point for a scalar with few bits set and a point whose additions are cheap.
    static func multiply(_ point: AffinePoint<Shape>, by scalar: UInt64) -> Self {
        var result = Self.infinity
        for bit in stride(from: 63 - scalar.leadingZeroBitCount, through: 0, by: -1) {
            result = result.doubled()
            if (scalar &>> UInt64(bit)) & 1 == 1 { result += point }
        }
        return result
    }

    /// scalar · point by signed digits: for scalars without a pattern.
    func multiplied(by digits: SignedDigits) -> Self {
        let double = doubled()
        var multiples = [4 of Self](repeating: self)
        for index in 1..<4 { multiples[index] = multiples[index - 1] + double }
        var result = Self.infinity
        for position in stride(from: digits.highest, through: 0, by: -1) {
            result = result.doubled()
            let digit = digits[position]
            if digit == 0 { continue }
            let multiple = multiples[Int(digit.magnitude) >> 1]
            result += digit > 0 ? multiple : -multiple
        }
        return result
    }
}
