import ChoraleBase

@testable import Spartan

/// A prover that says what it likes: a conversation in progress, of which each step is honest or not.
struct DishonestProver {
    static let noRound = RoundPolynomial(coefficients: [0, 0, 0])
    static let noInnerRound = RoundPolynomial(coefficients: [0, 0])

    let shape: R1CS
    let layout: Layout
    let checks: Set<Check>
    /// With padding, if it is not zero.
    var sections: [[Scalar]]
    let matrices: [CommittedMatrix]
    let input: VectorCommitment
    let output: VectorCommitment
    var transcript: ProofTranscript
    let tau: [Scalar]
    var outerRounds: [RoundPolynomial] = []
    var outerPoint: [Scalar] = []
    var innerRounds: [RoundPolynomial] = []
    var innerPoint: [Scalar] = []

    /// - Parameters:
    ///   - missing: what the verifier does not look at.
    ///   - statement: whose commitments the verifier has, if not the prover's.
    init(
        _ assignment: Assignment, without missing: Check, shape: R1CS = ForgeryTests.circuit(),
        sections: [[Scalar]]? = nil, statement: Assignment? = nil,
        binding: Bytes32 = ForgeryTests.binding
    ) {
        self.shape = shape
        layout = Layout(shape)
        checks = Check.all.subtracting([missing])
        let sections =
            sections ?? [assignment.inputs, assignment.outputs, assignment.internals]
        self.sections = sections
        let layout = layout
        matrices = sections.indices.map {
            CommittedMatrix(layout.sections[$0], sections[$0])
        }
        input =
            statement.map { VectorCommitment(to: $0.inputs) }
            ?? VectorCommitment(count: shape.inputCount, rows: matrices[0].rows)
        output =
            statement.map { VectorCommitment(to: $0.outputs) }
            ?? VectorCommitment(count: shape.outputCount, rows: matrices[1].rows)
        transcript = ProofTranscript(
            shape: shape.digest, binding: binding, input: input, output: output,
            internals: matrices[2].rows, checks: checks)
        tau = transcript.constraintPoint(variableCount: layout.constraintVariableCount)
    }

    var z: [Scalar] {
        zip(sections, layout.sections).flatMap { $0.prefix($1.count) } + [.one]
    }

    func outerSumCheck() -> OuterSumCheck {
        OuterSumCheck(shape, layout, z: z, point: tau)
    }

    /// As an honest prover; the claim of zero is the lie.
    mutating func honestOuter() -> MatrixEvaluations {
        var prover = outerSumCheck()
        for _ in 0..<layout.constraintVariableCount {
            let round = prover.round
            say(outer: round)
            prover.bind(to: outerPoint[outerPoint.count - 1])
        }
        return prover.evaluations
    }

    mutating func say(outer round: RoundPolynomial) {
        outerRounds.append(round)
        outerPoint.append(transcript.outerRound(round))
    }

    mutating func say(inner round: RoundPolynomial) {
        innerRounds.append(round)
        innerPoint.append(transcript.innerRound(round))
    }

    /// Rounds that say that everything is zero.
    mutating func zeroOuter() {
        for _ in 0..<layout.constraintVariableCount { say(outer: Self.noRound) }
    }

    mutating func zeroInner() {
        for _ in 0..<layout.columnVariableCount { say(inner: Self.noInnerRound) }
    }

    /// What the products really are at the outer point.
    var trueEvaluations: MatrixEvaluations {
        var prover = outerSumCheck()
        for coordinate in outerPoint { prover.bind(to: coordinate) }
        return prover.evaluations
    }

    func innerSumCheck(_ weights: ClaimWeights) -> InnerSumCheck {
        InnerSumCheck(
            shape, layout, sections: sections, point: outerPoint, weights, checks: checks)
    }

    mutating func honestInner(_ weights: ClaimWeights) {
        var prover = innerSumCheck(weights)
        for _ in 0..<layout.columnVariableCount {
            let round = prover.round
            say(inner: round)
            prover.bind(to: innerPoint[innerPoint.count - 1])
        }
    }

    var honestOpenings: [[Scalar]] {
        matrices.indices.map { matrices[$0].opening(at: layout.point($0, innerPoint)) }
    }

    func finish(
        _ evaluations: MatrixEvaluations, openings: [[Scalar]]? = nil,
        rows: [[Bytes32]]? = nil
    ) -> SpartanProof {
        SpartanProof(
            rows: rows ?? matrices.map(\.rows), outerRounds: outerRounds,
            evaluations: evaluations, innerRounds: innerRounds,
            openings: openings ?? honestOpenings)
    }

    /// z at the inner point.
    func value(_ openings: [[Scalar]]) -> Scalar {
        (0..<3).reduce(into: layout.weight(3, innerPoint)) { value, section in
            value +=
                layout.weight(section, innerPoint)
                * layout.sections[section].value(
                    of: openings[section], at: layout.point(section, innerPoint))
        }
    }
}
