internal import ChoraleBase

/// Judges proofs of one shape.
struct Verifier {
    let shape: R1CS
    let layout: Layout
    /// All, but in tests.
    let checks: Set<Check>

    init(shape: R1CS, checks: Set<Check>) {
        self.shape = shape
        self.checks = checks
        layout = Layout(shape)
    }

    /// Throws unless the proof is right. What costs least is looked at first.
    func verify(
        _ bytes: Span<UInt8>, input: VectorCommitment, output: VectorCommitment, binding: Bytes32
    ) throws(SpartanFault) {
        let proof = try SpartanProof.decode(bytes, layout)
        let found = proof.inputCommitment(for: shape)
        guard found == input || !checks.contains(.inputCommitment) else {
            throw .inputCommitment(found, expected: input)
        }
        let foundOutput = proof.outputCommitment(for: shape)
        guard foundOutput == output || !checks.contains(.outputCommitment) else {
            throw .outputCommitment(foundOutput, expected: output)
        }
        var transcript = ProofTranscript(
            shape: shape.digest, binding: binding, input: input, output: output,
            internals: proof.rows[2], checks: checks)

        // Σ eq(τ, x) · (A·z · B·z − C·z) = 0.
        let tau = transcript.constraintPoint(variableCount: layout.constraintVariableCount)
        var claim = Scalar.zero
        var outerPoint: [Scalar] = []
        for round in proof.outerRounds {
            let coordinate = transcript.outerRound(round)
            claim = round.value(at: coordinate, claim: claim)
            outerPoint.append(coordinate)
        }
        let evaluations = proof.evaluations
        let error = evaluations.a * evaluations.b - evaluations.c
        guard
            claim == Multilinear.equality(tau, outerPoint) * error
                || !checks.contains(.outerSumCheck)
        else { throw .outerSumCheck }

        // Σ M(y) · z(y) = what was said of the three products, and zero for padding.
        let weights = transcript.weights(evaluations)
        claim = evaluations.combined(weights)
        var innerPoint: [Scalar] = []
        for round in proof.innerRounds {
            let coordinate = transcript.innerRound(round)
            claim = round.value(at: coordinate, claim: claim)
            innerPoint.append(coordinate)
        }
        let z = vectorValue(proof.openings, innerPoint)
        guard
            claim == matrixValue(outerPoint, innerPoint, weights) * z
                || !checks.contains(.innerSumCheck)
        else { throw .innerSumCheck }

        try verifyOpenings(proof, innerPoint)
    }

    /// z at a point, if the openings are right.
    private func vectorValue(_ openings: [[Scalar]], _ point: [Scalar]) -> Scalar {
        var value = layout.weight(3, point)
        for section in 0..<3 {
            value +=
                layout.weight(section, point)
                * layout.sections[section].value(
                    of: openings[section], at: layout.point(section, point))
        }
        return value
    }

    /// The matrices, weighted and made one, and the weights of padding, at both points.
    private func matrixValue(
        _ outerPoint: [Scalar], _ innerPoint: [Scalar], _ weights: ClaimWeights
    ) -> Scalar {
        // eq(innerPoint, ·) for each place of z, and then of padding.
        var columnWeights: [Scalar] = []
        columnWeights.reserveCapacity(
            shape.inputCount + shape.outputCount + shape.internalCount + 1)
        var padding = Scalar.zero
        var power = Scalar.one
        for section in 0..<3 {
            let vector = layout.sections[section]
            let weight = layout.weight(section, innerPoint)
            let tensor = Multilinear.tensor(layout.point(section, innerPoint))
            for index in 0..<vector.count { columnWeights.append(weight * tensor[index]) }
            // As `Layout.paddingPlaces` has them.
            guard section < 2, vector.count > 0 else { continue }
            for index in vector.count..<vector.paddedCount {
                power *= weights.padding
                padding += power * weight * tensor[index]
            }
        }
        columnWeights.append(layout.weight(3, innerPoint))

        let rowWeights = Multilinear.tensor(outerPoint[...])
        var value = checks.contains(.padding) ? padding : .zero
        for (matrix, weight) in [(shape.a, weights.a), (shape.b, weights.b), (shape.c, weights.c)] {
            var sum = Scalar.zero
            for row in 0..<matrix.rowCount {
                sum += rowWeights[row] * matrix.product(row: row, columnWeights)
            }
            value += weight * sum
        }
        return value
    }

    private func verifyOpenings(
        _ proof: SpartanProof, _ point: [Scalar]
    ) throws(SpartanFault) {
        var offset = 1
        let faults: [(Check, SpartanFault)] = [
            (.inputOpening, .inputOpening), (.outputOpening, .outputOpening),
            (.internalOpening, .internalOpening),
        ]
        for (section, (check, fault)) in faults.enumerated() {
            var rows: [AffinePoint] = []
            rows.reserveCapacity(proof.rows[section].count)
            for encoding in proof.rows[section] {
                guard let row = AffinePoint(encoding) else { throw .invalidPoint(offset: offset) }
                rows.append(row)
                offset += 32
            }
            let isRight = layout.sections[section].verifies(
                proof.openings[section], at: layout.point(section, point), rows: rows)
            guard isRight || !checks.contains(check) else { throw fault }
        }
    }
}
