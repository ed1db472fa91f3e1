/// What the simplified Shallue–van de Woestijne–Ulas map asks of a field.
protocol MapField: FieldElement {
    /// A square root, or nil for a non-square.
    func squareRoot() -> Self?

    /// sgn0 of RFC 9380, section 4.1.
    var isOdd: Bool { get }
}

extension Field6: MapField {
    var isOdd: Bool { canonical[0] & 1 == 1 }
}

extension Fp2: MapField where Tower.Base: MapField {
    var isOdd: Bool { c0.isOdd || c0.isZero && c1.isOdd }
}

/// A curve with an isogeny from y² = x³ + Ax + B, on which the map finds points.
///
/// Specification: RFC 9380, sections 6.6.2, 6.6.3 and 8.8.
protocol MappedShape: CurveShape where Coordinate: MapField {
    /// A of the isogenous curve.
    static var mapA: Coordinate { get }
    /// B of the isogenous curve.
    static var mapB: Coordinate { get }
    /// Z, a non-square.
    static var mapZ: Coordinate { get }

    /// A square root of `first`, or else of (Z·u²)³ · `first`: where Z·u²·x is tried instead of x,
    /// x³ + Ax + B takes on that factor.
    static func root(of first: Coordinate, _ u: Coordinate) -> (Coordinate, isOfFirst: Bool)

    // Coefficients of the isogeny's numerators and denominators, from the constant term up.
    static var xNumerator: [Coordinate] { get }
    static var xDenominator: [Coordinate] { get }
    static var yNumerator: [Coordinate] { get }
    static var yDenominator: [Coordinate] { get }

    /// Takes a point of the curve into the subgroup of prime order.
    static func clearCofactor(_ point: JacobianPoint<Self>) -> JacobianPoint<Self>
}

extension MappedShape {
    /// The point of the subgroup that a field element maps to.
    ///
    /// Specification: RFC 9380, `map_to_curve` and `clear_cofactor`; EIP-2537, "ABI for mapping".
    static func map(_ element: Coordinate) -> JacobianPoint<Self> {
        let (x, y) = pointOfIsogenousCurve(element)
        return clearCofactor(isogeny(x, y))
    }

    /// RFC 9380, section 6.6.2.
    static func pointOfIsogenousCurve(_ u: Coordinate) -> (x: Coordinate, y: Coordinate) {
        let zu2 = mapZ * u.squared()
        let tv1 = zu2.squared() + zu2
        // x1 = (−B/A)(1 + 1/tv1), or B/(ZA) where tv1 is zero.
        let numerator = mapB * (tv1 + .one)
        let x1 = (tv1.isZero ? mapB : numerator) * (mapA * (tv1.isZero ? mapZ : -tv1)).inverse()
        let first = (x1.squared() + mapA) * x1 + mapB
        var (y, isOfFirst) = root(of: first, u)
        if u.isOdd != y.isOdd { y = -y }
        return (isOfFirst ? x1 : zu2 * x1, y)
    }

    static func root(of first: Coordinate, _ u: Coordinate) -> (Coordinate, isOfFirst: Bool) {
        if let root = first.squareRoot() { return (root, true) }
        let zu2 = mapZ * u.squared()
        guard let root = (zu2.squared() * zu2 * first).squareRoot() else {
            preconditionFailure("the product of two non-squares is a square")
        }
        return (root, false)
    }

    /// The image (xn/xd, y·yn/yd), with Z = xd·yd; infinity where a denominator is zero.
    static func isogeny(_ x: Coordinate, _ y: Coordinate) -> JacobianPoint<Self> {
        let xd = evaluate(xDenominator, at: x)
        let yd = evaluate(yDenominator, at: x)
        let z = xd * yd
        let scale = z * yd
        return JacobianPoint(
            knownX: evaluate(xNumerator, at: x) * scale,
            knownY: y * evaluate(yNumerator, at: x) * (xd.squared() * scale),
            knownZ: z)
    }

    private static func evaluate(_ coefficients: [Coordinate], at x: Coordinate) -> Coordinate {
        var value = Coordinate.zero
        for coefficient in coefficients.reversed() { value = value * x + coefficient }
        return value
    }
}

extension BLS12381.G1Shape: MappedShape {
    static let mapA: BLS12381.Fp =
        0x144698a3b8e9433d693a02c96d4982b0ea985383ee66a8d8e8981aefd881ac98936f8da0e0f97f5cf428082d584c1d
    static let mapB: BLS12381.Fp =
        0x12e2908d11688030018b12e8753eee3b2016c1f0f24f4070a0b9c14fcef35ef55a23215a316ceaa5d1cc48e98e172be0
    static let mapZ: BLS12381.Fp = 11

    /// √(−Z³).
    private static let rootOfNegatedZCubed = (mapZ.squared() * mapZ).squareRootOfThisOrNegated()

    // One power for both: a root c of −first makes √(−Z³)·u³·c one of Z³·u⁶·first.
    static func root(
        of first: BLS12381.Fp, _ u: BLS12381.Fp
    ) -> (BLS12381.Fp, isOfFirst: Bool) {
        let root = first.squareRootOfThisOrNegated()
        if root.squared() == first { return (root, true) }
        return (rootOfNegatedZCubed * u.squared() * u * root, false)
    }

    static var xNumerator: [BLS12381.Fp] { IsogenyToG1.xNumerator }
    static var xDenominator: [BLS12381.Fp] { IsogenyToG1.xDenominator }
    static var yNumerator: [BLS12381.Fp] { IsogenyToG1.yNumerator }
    static var yDenominator: [BLS12381.Fp] { IsogenyToG1.yDenominator }
}

extension BLS12381.G2Shape: MappedShape {
    static let mapA = Coordinate(0, 240)
    static let mapB = Coordinate(1012, 1012)
    static let mapZ = Coordinate(-2, -1)

    static var xNumerator: [Coordinate] { IsogenyToG2.xNumerator }
    static var xDenominator: [Coordinate] { IsogenyToG2.xDenominator }
    static var yNumerator: [Coordinate] { IsogenyToG2.yNumerator }
    static var yDenominator: [Coordinate] { IsogenyToG2.yDenominator }
}
