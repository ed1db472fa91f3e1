// An element is Σ aₖ·wᵏ with aₖ in Fp2; the k-th coefficient is c(k mod 2).c(k div 2). The p-power map
// conjugates each aₖ and multiplies it by ξ^(k(p−1)/6), because w^p = w·ξ^((p−1)/6).

extension Fp12 {
    /// The element to the power p.
    var frobenius: Self {
        let scale = Tower.frobenius.first
        return Self(
            Fp6(c0.c0.conjugate, c0.c1.conjugate * scale[2], c0.c2.conjugate * scale[4]),
            Fp6(
                c1.c0.conjugate * scale[1], c1.c1.conjugate * scale[3], c1.c2.conjugate * scale[5]))
    }

    /// The element to the power p².
    var frobeniusSquared: Self {
        // The coefficients lie in the base field here.
        let scale = Tower.frobenius.second
        return Self(
            Fp6(c0.c0, c0.c1 * scale[2].c0, c0.c2 * scale[4].c0),
            Fp6(c1.c0 * scale[1].c0, c1.c1 * scale[3].c0, c1.c2 * scale[5].c0))
    }

    /// The element to the power p³.
    var frobeniusCubed: Self {
        let scale = Tower.frobenius.third
        return Self(
            Fp6(c0.c0.conjugate, c0.c1.conjugate * scale[2], c0.c2.conjugate * scale[4]),
            Fp6(
                c1.c0.conjugate * scale[1], c1.c1.conjugate * scale[3], c1.c2.conjugate * scale[5]))
    }
}
