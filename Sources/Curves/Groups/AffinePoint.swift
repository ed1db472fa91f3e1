/// A short Weierstrass curve y² = x³ + b.
protocol CurveShape: Sendable {
    associatedtype Coordinate: FieldElement

    static var b: Coordinate { get }
}

/// A point as its coordinates, or the point at infinity.
struct AffinePoint<Shape: CurveShape>: Equatable, Sendable {
    let x: Shape.Coordinate
    let y: Shape.Coordinate
    /// Both coordinates are then zero, which is on neither curve.
    let isInfinity: Bool

    static var infinity: Self { Self(x: .zero, y: .zero, isInfinity: true) }

    private init(x: Shape.Coordinate, y: Shape.Coordinate, isInfinity: Bool) {
        self.x = x
        self.y = y
        self.isInfinity = isInfinity
    }

    /// The point of coordinates known to satisfy the curve's equation.
    @inline(__always)
    init(knownX x: Shape.Coordinate, knownY y: Shape.Coordinate) {
        self.init(x: x, y: y, isInfinity: false)
    }

    /// The point with these coordinates, infinity when both are zero, or nil off the curve.
    init?(x: Shape.Coordinate, y: Shape.Coordinate) {
        if x.isZero, y.isZero {
            self = .infinity
            return
        }
        guard y.squared() == x.squared() * x + Shape.b else { return nil }
        self.init(knownX: x, knownY: y)
    }

    static prefix func - (point: Self) -> Self {
        Self(x: point.x, y: -point.y, isInfinity: point.isInfinity)
    }
}
