internal import ChoraleBase

/// The order in which prover and verifier speak, the same for both.
struct ProofTranscript: Sendable {
    private var transcript = Transcript("chorale.spartan.v1")
    private let checks: Set<Check>

    init(
        shape: Bytes32, binding: Bytes32, input: VectorCommitment, output: VectorCommitment,
        internals: [Bytes32], checks: Set<Check> = Check.all
    ) {
        self.checks = checks
        absorb(.shapeInTranscript, "shape", shape.bytes)
        absorb(.bindingInTranscript, "binding", binding.bytes)
        absorb(.inputInTranscript, "input", input.digest.bytes)
        absorb(.outputInTranscript, "output", output.digest.bytes)
        absorb(.internalsInTranscript, "internals", internals.flatMap(\.bytes))
    }

    private mutating func absorb(_ check: Check, _ label: String, _ message: [UInt8]) {
        if checks.contains(check) { transcript.absorb(label, message) }
    }

    private mutating func absorb(_ check: Check, _ label: String, _ scalars: [Scalar]) {
        if checks.contains(check) { transcript.absorb(label, scalars) }
    }

    /// The point at which the constraints' errors, as a polynomial, are shown to be zero.
    mutating func constraintPoint(variableCount: Int) -> [Scalar] {
        transcript.challenges("tau", count: variableCount)
    }

    mutating func outerRound(_ polynomial: RoundPolynomial) -> Scalar {
        absorb(.outerRoundsInTranscript, "outer", polynomial.coefficients)
        return transcript.challenge("rx")
    }

    /// With what the claims about the three matrices, and that about padding, are made one.
    mutating func weights(_ evaluations: MatrixEvaluations) -> ClaimWeights {
        absorb(
            .evaluationsInTranscript, "evaluations",
            [evaluations.a, evaluations.b, evaluations.c])
        return ClaimWeights(
            a: transcript.challenge("weight A"), b: transcript.challenge("weight B"),
            c: transcript.challenge("weight C"), padding: transcript.challenge("weight padding"))
    }

    mutating func innerRound(_ polynomial: RoundPolynomial) -> Scalar {
        absorb(.innerRoundsInTranscript, "inner", polynomial.coefficients)
        return transcript.challenge("ry")
    }
}

/// What A·z, B·z and C·z are at the point where the outer sum-check ends.
struct MatrixEvaluations: Hashable, Sendable {
    let a: Scalar
    let b: Scalar
    let c: Scalar

    /// The claim that the inner sum-check begins with. Of padding the claim is zero.
    func combined(_ weights: ClaimWeights) -> Scalar {
        weights.a * a + weights.b * b + weights.c * c
    }
}

struct ClaimWeights: Sendable {
    let a: Scalar
    let b: Scalar
    let c: Scalar
    /// The first place of padding is weighted with this, each later one with the next power.
    let padding: Scalar
}
