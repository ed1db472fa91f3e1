/// A curve with an endomorphism that is cheap to apply and multiplies points of the subgroup of prime
/// order by a fixed μ, so that long scalars can be split into short ones.
///
/// Specification: Gallant, Lambert and Vanstone, "Faster point multiplication on elliptic curves with
/// efficient endomorphisms"; Galbraith, Lin and Scott for curves over Fp2.
protocol SplitShape: CurveShape {
    /// How many parts a scalar is split into, at most four.
    static var partCount: Int { get }

    /// μ times a point of the subgroup.
    static func endomorphism(_ point: AffinePoint<Self>) -> AffinePoint<Self>

    /// Parts with Σ parts[i]·μⁱ ≡ scalar modulo the order. The scalar is any integer of 256 bits.
    static func parts(of scalar: Limbs<4>) -> [4 of ScalarPart]
}

/// A short scalar.
struct ScalarPart: Sendable {
    var magnitude: UInt128 = 0
    var isNegative = false
}

/// A scalar multiple that a sum consists of. The point is in the subgroup of prime order.
struct ScalarProduct<Shape: CurveShape>: Sendable {
    let point: AffinePoint<Shape>
    let scalar: Limbs<4>
}
