/// What distinguishes the extension fields of one pairing-friendly curve from those of another.
///
/// Both curves share the tower
/// Fp2 = Fp[u]/(u² + 1), Fp6 = Fp2[v]/(v³ − ξ), Fp12 = Fp6[w]/(w² − v)
/// and differ in the prime and in ξ, which is neither a square nor a cube in Fp2.
protocol PairingTower: Sendable {
    associatedtype Base: PrimeField

    /// ξ = 9 + u for BN254 and 1 + u for BLS12-381.
    static var xi: Fp2<Self> { get }

    /// The product with ξ, by additions.
    static func timesXi(_ element: Fp2<Self>) -> Fp2<Self>

    /// Derived from ξ and the prime, once.
    static var frobenius: FrobeniusCoefficients<Self> { get }
}

/// ξ^(k(p−1)/6), ξ^(k(p²−1)/6) and ξ^(k(p³−1)/6) for k from 1 to 5: what Frobenius maps multiply the
/// powers of w by, because w⁶ = ξ.
struct FrobeniusCoefficients<Tower: PairingTower>: Sendable {
    private(set) var first: [6 of Fp2<Tower>]
    private(set) var second: [6 of Fp2<Tower>]
    private(set) var third: [6 of Fp2<Tower>]

    init() {
        // p − 1 is a multiple of six for both curves.
        var exponent = Tower.Base.modulus
        exponent[0] &-= 1
        let root = Tower.xi.power(Self.dividedBySix(exponent))
        // With γ = ξ^((p−1)/6): γ^(1+p) = ξ^((p²−1)/6), γ^(1+p+p²) = ξ^((p³−1)/6), and γ^p is the
        // conjugate of γ.
        let rootSquared = root * root.conjugate
        let rootCubed = rootSquared * root
        first = Self.powers(of: root)
        second = Self.powers(of: rootSquared)
        third = Self.powers(of: rootCubed)
    }

    private static func powers(of root: Fp2<Tower>) -> [6 of Fp2<Tower>] {
        var powers = [6 of Fp2<Tower>](repeating: .one)
        for index in 1..<6 { powers[index] = powers[index - 1] * root }
        return powers
    }

    private static func dividedBySix<Words: LimbArray>(_ words: Words) -> Words {
        var quotient = Words(repeating: 0)
        var remainder: UInt64 = 0
        for index in stride(from: Words.count - 1, through: 0, by: -1) {
            let step = UInt64(6).dividingFullWidth((remainder, words[index]))
            quotient[index] = step.quotient
            remainder = step.remainder
        }
        precondition(remainder == 0, "six divides p − 1")
        return quotient
    }
}
