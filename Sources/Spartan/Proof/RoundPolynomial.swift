/// What the prover says in one round of a sum-check: a polynomial without its linear coefficient, which
/// the verifier computes from g(0) + g(1) = claim. So that equation cannot fail.
struct RoundPolynomial: Hashable, Sendable {
    /// The constant, then the coefficients from the second on.
    let coefficients: [Scalar]

    static var outerCount: Int { 3 }
    static var innerCount: Int { 2 }

    /// g at a point, given g(0) + g(1).
    func value(at point: Scalar, claim: Scalar) -> Scalar {
        let constant = coefficients[0]
        var linear = claim - constant - constant
        for coefficient in coefficients.dropFirst() { linear -= coefficient }
        var power = point
        var value = constant + linear * point
        for coefficient in coefficients.dropFirst() {
            power *= point
            value += coefficient * power
        }
        return value
    }
}
