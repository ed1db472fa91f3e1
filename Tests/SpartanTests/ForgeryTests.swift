import ChoraleBase
import Testing

@testable import Spartan

/// A prover of false statements for each check that a verifier makes.
///
/// Each forgery passes a verifier without that one check, and is refused by the whole one. So no check
/// can go unnoticed, and none is there for show.
@Suite struct ForgeryTests {
    /// x² + 3·x = w, w · x = y, and more, over three inputs and outputs, so that sections have padding.
    static func circuit(coefficient: Scalar = 3) -> R1CS {
        var builder = R1CSBuilder()
        for _ in 0..<3 {
            let (x, y, w) = (builder.input(), builder.output(), builder.internal())
            builder.constrain(
                LinearCombination(x), LinearCombination(x) + coefficient * .one,
                equals: LinearCombination(w))
            builder.constrain(
                LinearCombination(w), LinearCombination(x), equals: LinearCombination(y))
        }
        return builder.finish()
    }

    /// What the circuit says of inputs.
    static func honest(_ inputs: [Scalar]) -> Assignment {
        let internals = inputs.map { $0 * $0 + 3 * $0 }
        return Assignment(
            inputs: inputs, outputs: zip(internals, inputs).map { $0 * $1 }, internals: internals)
    }

    static let truth = honest([5, -2, 7])

    /// Outputs that do not follow from the inputs, whatever the internal values are.
    static var lie: Assignment {
        var lie = truth
        lie.outputs[1] += 1
        return lie
    }

    static let binding = ProofTests.binding

    @Test(arguments: Check.allCases) func everyCheckIsNeeded(check: Check) throws {
        let forgery = try Self.forgery(check)
        let bytes = forgery.proof.bytes
        try Verifier(shape: forgery.shape, checks: Check.all.subtracting([check])).verify(
            bytes.span, input: forgery.input, output: forgery.output, binding: Self.binding)
        #expect(throws: SpartanFault.self) {
            try Spartan.verify(
                bytes.span, shape: forgery.shape, input: forgery.input, output: forgery.output,
                binding: Self.binding)
        }
        // No other check is what refuses it. That padding is zero is a term of the inner sum-check.
        for other in Check.allCases where other != check {
            if check == .padding, other == .innerSumCheck { continue }
            #expect(throws: SpartanFault.self) {
                try Verifier(shape: forgery.shape, checks: Check.all.subtracting([other])).verify(
                    bytes.span, input: forgery.input, output: forgery.output,
                    binding: Self.binding)
            }
        }
    }

    /// A statement that is false, or is not the prover's to make, with its proof.
    struct Forgery {
        let shape: R1CS
        let input: VectorCommitment
        let output: VectorCommitment
        let proof: SpartanProof
    }

    static func forgery(_ check: Check) throws -> Forgery {
        switch check {
        case .shapeInTranscript: try shapeAfterwards()
        case .bindingInTranscript: stolen()
        case .inputInTranscript: try vectorAfterwards(section: 0, check)
        case .outputInTranscript: try vectorAfterwards(section: 1, check)
        case .internalsInTranscript: try vectorAfterwards(section: 2, check)
        case .outerRoundsInTranscript: outerRoundsAfterwards()
        case .evaluationsInTranscript: evaluationsAfterwards()
        case .innerRoundsInTranscript: innerRoundsAfterwards()
        case .inputCommitment: try aboutOtherInputs()
        case .outputCommitment: try aboutOtherOutputs()
        case .outerSumCheck: anyOuterRounds()
        case .innerSumCheck: anyInnerRounds()
        case .padding: try secondCommitment()
        case .inputOpening: try otherOpening(section: 0)
        case .outputOpening: try otherOpening(section: 1)
        case .internalOpening: try otherOpening(section: 2)
        }
    }

    static let zeroEvaluations = MatrixEvaluations(a: 0, b: 0, c: 0)

    // MARK: Challenges that do not depend on what was said

    /// A proof by somebody else, as it is: every verifier would take it for ours.
    static func stolen() -> Forgery {
        var prover = DishonestProver(
            truth, without: .bindingInTranscript,
            binding: Bytes32([UInt8](repeating: 9, count: 32))!)
        let evaluations = prover.honestOuter()
        prover.honestInner(prover.transcript.weights(evaluations))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    /// All rounds are zero; then a coefficient of the shape is chosen that makes its value zero at the
    /// points that came out. No internal values satisfy that shape.
    static func shapeAfterwards() throws -> Forgery {
        func speak(_ shape: R1CS) -> (DishonestProver, matrixValue: Scalar) {
            var prover = DishonestProver(lie, without: .shapeInTranscript, shape: shape)
            prover.zeroOuter()
            let weights = prover.transcript.weights(zeroEvaluations)
            prover.zeroInner()
            // Bound at every coordinate, what is left of M · z is M and z at the point.
            var table = prover.innerSumCheck(weights)
            for coordinate in prover.innerPoint { table.bind(to: coordinate) }
            return (prover, table.sum * prover.value(prover.honestOpenings).inverse())
        }
        // The value is linear in the coefficient.
        let at3 = speak(circuit(coefficient: 3)).matrixValue
        let at4 = speak(circuit(coefficient: 4)).matrixValue
        let coefficient = Scalar(3) - at3 * (at4 - at3).inverse()
        let (prover, value) = speak(circuit(coefficient: coefficient))
        try #require(value.isZero && !prover.shape.isSatisfied(by: lie))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(zeroEvaluations))
    }

    /// All rounds are zero; then a value of one section is chosen that makes z zero at the inner point.
    static func vectorAfterwards(section: Int, _ check: Check) throws -> Forgery {
        let sections = [lie.inputs, lie.outputs, lie.internals]
        func speak(_ sections: [[Scalar]]) -> DishonestProver {
            let assignment = Assignment(
                inputs: sections[0], outputs: sections[1], internals: sections[2])
            var prover = DishonestProver(assignment, without: check)
            prover.zeroOuter()
            _ = prover.transcript.weights(zeroEvaluations)
            prover.zeroInner()
            return prover
        }
        var chosen = sections
        func value(_ prover: DishonestProver) -> Scalar { prover.value(prover.honestOpenings) }
        chosen[section][0] = 0
        let at0 = value(speak(chosen))
        chosen[section][0] = 1
        let at1 = value(speak(chosen))
        chosen[section][0] = -at0 * (at1 - at0).inverse()
        let prover = speak(chosen)
        try #require(value(prover).isZero)
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(zeroEvaluations))
    }

    /// The last outer round is made to end where it has to.
    static func outerRoundsAfterwards() -> Forgery {
        var prover = DishonestProver(lie, without: .outerRoundsInTranscript)
        prover.zeroOuter()
        let evaluations = prover.trueEvaluations
        let target =
            Multilinear.equality(prover.tau, prover.outerPoint)
            * (evaluations.a * evaluations.b - evaluations.c)
        // g(X) = g₀ − 2·g₀·X, which adds up to zero.
        let last = prover.outerPoint[prover.outerPoint.count - 1]
        let constant = target * (Scalar.one - last - last).inverse()
        prover.outerRounds[prover.outerRounds.count - 1] = RoundPolynomial(
            coefficients: [constant, 0, 0])
        prover.honestInner(prover.transcript.weights(evaluations))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    /// Three evaluations that are wrong, but whose weighted sum is right and whose error is zero.
    static func evaluationsAfterwards() -> Forgery {
        var prover = DishonestProver(lie, without: .evaluationsInTranscript)
        prover.zeroOuter()
        let right = prover.trueEvaluations
        let weights = prover.transcript.weights(right)
        // b from weights.b · b + weights.c · a · b = sum − weights.a · a; c = a · b.
        let b =
            (right.combined(weights) - weights.a * right.a)
            * (weights.b + weights.c * right.a).inverse()
        let evaluations = MatrixEvaluations(a: right.a, b: b, c: right.a * b)
        prover.honestInner(weights)
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    /// The last inner round is made to end where it has to.
    static func innerRoundsAfterwards() -> Forgery {
        var prover = DishonestProver(lie, without: .innerRoundsInTranscript)
        prover.zeroOuter()
        let weights = prover.transcript.weights(zeroEvaluations)
        prover.zeroInner()
        var table = prover.innerSumCheck(weights)
        for coordinate in prover.innerPoint { table.bind(to: coordinate) }
        let last = prover.innerPoint[prover.innerPoint.count - 1]
        let constant = table.sum * (Scalar.one - last - last).inverse()
        prover.innerRounds[prover.innerRounds.count - 1] = RoundPolynomial(
            coefficients: [constant, 0])
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(zeroEvaluations))
    }

    // MARK: Statements about something else

    /// A true proof of other inputs and outputs, under the commitments of a lie.
    static func aboutOther(
        _ proven: Assignment, _ statement: Assignment, _ check: Check
    ) throws -> Forgery {
        try #require(circuit().isSatisfied(by: proven))
        var prover = DishonestProver(proven, without: check, statement: statement)
        let evaluations = prover.honestOuter()
        prover.honestInner(prover.transcript.weights(evaluations))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    static func aboutOtherInputs() throws -> Forgery {
        var statement = truth
        statement.inputs[0] += 1
        return try aboutOther(truth, statement, .inputCommitment)
    }

    static func aboutOtherOutputs() throws -> Forgery {
        try aboutOther(truth, lie, .outputCommitment)
    }

    // MARK: Equations

    /// Says that the errors add up to zero, and ends anywhere.
    static func anyOuterRounds() -> Forgery {
        var prover = DishonestProver(lie, without: .outerSumCheck)
        prover.zeroOuter()
        let evaluations = prover.trueEvaluations
        prover.honestInner(prover.transcript.weights(evaluations))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    /// Says that all three products are zero.
    static func anyInnerRounds() -> Forgery {
        var prover = DishonestProver(lie, without: .innerSumCheck)
        prover.zeroOuter()
        _ = prover.transcript.weights(zeroEvaluations)
        prover.zeroInner()
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(zeroEvaluations))
    }

    /// A true statement under a commitment that nobody who knows the outputs would compute.
    static func secondCommitment() throws -> Forgery {
        var prover = DishonestProver(
            truth, without: .padding,
            sections: [truth.inputs, truth.outputs + [42], truth.internals])
        try #require(prover.output != VectorCommitment(to: truth.outputs))
        let evaluations = prover.honestOuter()
        prover.honestInner(prover.transcript.weights(evaluations))
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(evaluations))
    }

    /// Everything is zero, and so is z at the inner point, because an opening says so.
    static func otherOpening(section: Int) throws -> Forgery {
        let check: Check = [.inputOpening, .outputOpening, .internalOpening][section]
        var prover = DishonestProver(lie, without: check)
        prover.zeroOuter()
        _ = prover.transcript.weights(zeroEvaluations)
        prover.zeroInner()
        var openings = prover.honestOpenings
        openings[section][0] = 0
        let at0 = prover.value(openings)
        openings[section][0] = 1
        let at1 = prover.value(openings)
        openings[section][0] = -at0 * (at1 - at0).inverse()
        try #require(prover.value(openings).isZero)
        return Forgery(
            shape: prover.shape, input: prover.input, output: prover.output,
            proof: prover.finish(zeroEvaluations, openings: openings))
    }
}
