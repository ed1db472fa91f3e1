/// A curve with an ate pairing of its groups G1 over Fp and G2 over Fp2, the latter on a sextic twist.
protocol PairingCurve: PairingTower {
    associatedtype G1Shape: CurveShape where G1Shape.Coordinate == Base
    associatedtype G2Shape: CurveShape where G2Shape.Coordinate == Fp2<Self>

    /// The digits −1, 0 and 1 of the Miller loop's length, most significant first, without the
    /// leading 1.
    static var loopDigits: [Int8] { get }

    /// Three times the twist's constant times an element.
    static func timesTripleTwistConstant(_ element: Fp2<Self>) -> Fp2<Self>

    /// Multiplies by a line's value at a point of G1, where the twist puts its coefficients.
    static func multiply(
        _ value: inout Fp12<Self>, by line: Line<Self>, at point: AffinePoint<G1Shape>)

    /// What follows the loop.
    static func finishLoop(_ value: inout Fp12<Self>, _ terms: inout [PairingTerm<Self>])

    /// The power (p¹² − 1)/r, or that of a multiple of it prime to r.
    static func finalExponentiation(_ value: Fp12<Self>) -> Fp12<Self>
}

/// The line a + b·x + c·y through a point of the twist, up to a factor in Fp2, which the final
/// exponentiation removes.
struct Line<Curve: PairingCurve> {
    let constant: Fp2<Curve>
    let atX: Fp2<Curve>
    let atY: Fp2<Curve>
}

/// A pair of points in the middle of a Miller loop. Neither is infinity.
struct PairingTerm<Curve: PairingCurve> {
    let p: AffinePoint<Curve.G1Shape>
    let q: AffinePoint<Curve.G2Shape>
    private let negatedQ: AffinePoint<Curve.G2Shape>

    // The running multiple of q, in homogeneous coordinates (x/z, y/z).
    private var x: Fp2<Curve>
    private var y: Fp2<Curve>
    private var z: Fp2<Curve>

    init(_ p: AffinePoint<Curve.G1Shape>, _ q: AffinePoint<Curve.G2Shape>) {
        precondition(!p.isInfinity && !q.isInfinity, "infinity pairs to one and has no loop")
        self.p = p
        self.q = q
        negatedQ = -q
        x = q.x
        y = q.y
        z = .one
    }

    /// Doubles the running point.
    ///
    /// Returns: the tangent there.
    ///
    /// Specification: Costello, Lange and Naehrig, "Faster pairing computations on curves with
    /// high-degree twists", section 5.
    mutating func double() -> Line<Curve> {
        let a = (x * y).halved()
        let b = y.squared()
        let c = z.squared()
        let e = Curve.timesTripleTwistConstant(c)
        let f = e.doubled() + e
        let g = (b + f).halved()
        let h = (y + z).squared() - (b + c)
        let xSquared = x.squared()
        let eSquared = e.squared()
        x = a * (b - f)
        y = g.squared() - (eSquared.doubled() + eSquared)
        z = b * h
        return Line(constant: e - b, atX: xSquared.doubled() + xSquared, atY: -h)
    }

    /// Adds q, or −q for a negative digit.
    mutating func add(digit: Int8) -> Line<Curve> { add(digit > 0 ? q : negatedQ) }

    /// Adds another point of the twist.
    ///
    /// Returns: the line through both.
    mutating func add(_ other: AffinePoint<Curve.G2Shape>) -> Line<Curve> {
        let theta = y - other.y * z
        let lambda = x - other.x * z
        let c = theta.squared()
        let d = lambda.squared()
        let e = lambda * d
        let f = z * c
        let g = x * d
        let h = e + f - g.doubled()
        x = lambda * h
        y = theta * (g - h) - e * y
        z *= e
        return Line(constant: theta * other.x - lambda * other.y, atX: -theta, atY: lambda)
    }
}

extension PairingCurve {
    /// The product of the pairings' Miller loops: one squaring per step for all of them.
    static func millerLoop(_ terms: consuming [PairingTerm<Self>]) -> Fp12<Self> {
        var value = Fp12<Self>.one
        for (index, digit) in loopDigits.enumerated() {
            if index > 0 { value = value.squared() }
            for term in terms.indices {
                multiply(&value, by: terms[term].double(), at: terms[term].p)
                if digit != 0 {
                    multiply(&value, by: terms[term].add(digit: digit), at: terms[term].p)
                }
            }
        }
        finishLoop(&value, &terms)
        return value
    }

    /// The product of e(p, q) over all terms, in the subgroup of order r, with one final
    /// exponentiation. The product of nothing is one.
    static func pairingProduct(_ terms: consuming [PairingTerm<Self>]) -> Fp12<Self> {
        terms.isEmpty ? .one : finalExponentiation(millerLoop(terms))
    }

    /// The same of points that may be infinity, which pairs to one.
    static func pairingProduct(
        of pairs: some Sequence<(AffinePoint<G1Shape>, AffinePoint<G2Shape>)>
    ) -> Fp12<Self> {
        var terms: [PairingTerm<Self>] = []
        for (p, q) in pairs where !p.isInfinity && !q.isInfinity {
            terms.append(PairingTerm(p, q))
        }
        return pairingProduct(terms)
    }
}

extension Array where Element == Int8 {
    /// The non-adjacent form of a positive integer, most significant first, without the leading 1.
    init(nonAdjacentFormOf value: UInt128) {
        var digits: [Int8] = []
        var rest = value
        while rest != 0 {
            let isOdd = rest & 1 == 1
            // The digit that makes the rest divisible by four.
            let digit: Int8 = isOdd ? (rest & 3 == 1 ? 1 : -1) : 0
            digits.append(digit)
            if digit == 1 { rest -= 1 }
            if digit == -1 { rest += 1 }
            rest >>= 1
        }
        self = digits.dropLast().reversed()
    }
}
