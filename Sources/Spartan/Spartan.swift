public import ChoraleBase

/// A transparent proof system for rank-1 constraint systems: no trusted set-up, nothing secret.
///
/// The statement: "I know internal values with which the vectors behind these two commitments satisfy this
/// system", said by whoever the binding names. Sound if discrete logarithms in ristretto255 are hard, in
/// the random oracle model. *Not zero-knowledge*: proofs say something about internal values.
/// `docs/spartan-security.md` has the whole argument.
///
/// Specification: S. Setty, "Spartan: Efficient and general-purpose zkSNARKs without trusted setup", CRYPTO
/// 2020: the NIZK variant, in which the verifier evaluates the matrices itself; commitments of Hyrax (Wahby
/// and others, 2018).
public enum Spartan {
    /// Proves that an assignment satisfies a shape.
    ///
    /// - Parameter binding: what else the proof is about, such as a digest of the operation, the part and
    ///   the prover's key: it verifies with no other.
    /// - Throws: when the assignment does not satisfy the shape.
    /// - Complexity: a sum of multiples of all values; field operations linear in entries, constraints and
    ///   variables. Deterministic. Memory: some 600 bytes a constraint or variable.
    public static func prove(
        shape: R1CS, assignment: Assignment, binding: Bytes32
    ) throws(SpartanProvingError) -> SpartanProof {
        guard shape.fits(assignment) else { throw .assignmentDoesNotFit }
        if let row = shape.firstViolatedRow(by: assignment) {
            throw .violatedConstraint(row: row)
        }
        let layout = Layout(shape)
        let sections = [assignment.inputs, assignment.outputs, assignment.internals]
        let matrices = sections.map { CommittedMatrix($0) }
        var transcript = ProofTranscript(
            shape: shape.digest, binding: binding,
            input: VectorCommitment(count: shape.inputCount, rows: matrices[0].rows),
            output: VectorCommitment(count: shape.outputCount, rows: matrices[1].rows),
            internals: matrices[2].rows)

        let tau = transcript.constraintPoint(variableCount: layout.constraintVariableCount)
        var outer = OuterSumCheck(shape, layout, z: assignment.z, point: tau)
        var outerRounds: [RoundPolynomial] = []
        var outerPoint: [Scalar] = []
        for _ in 0..<layout.constraintVariableCount {
            let round = outer.round
            let coordinate = transcript.outerRound(round)
            outer.bind(to: coordinate)
            outerRounds.append(round)
            outerPoint.append(coordinate)
        }

        let weights = transcript.weights(outer.evaluations)
        var inner = InnerSumCheck(
            shape, layout, sections: sections, point: outerPoint, weights)
        var innerRounds: [RoundPolynomial] = []
        var innerPoint: [Scalar] = []
        for _ in 0..<layout.columnVariableCount {
            let round = inner.round
            let coordinate = transcript.innerRound(round)
            inner.bind(to: coordinate)
            innerRounds.append(round)
            innerPoint.append(coordinate)
        }
        return SpartanProof(
            rows: matrices.map(\.rows), outerRounds: outerRounds,
            evaluations: outer.evaluations, innerRounds: innerRounds,
            openings: matrices.indices.map {
                matrices[$0].opening(at: layout.point($0, innerPoint))
            })
    }

    /// Verifies a proof.
    ///
    /// - Parameters:
    ///   - bytes: from a stranger. Any bytes are judged.
    ///   - shape: the system, which the verifier built itself, or whose digest it compared.
    ///   - input: the commitment of the statement, not one out of the proof.
    ///   - output: likewise.
    ///   - binding: what the proof must have been made for.
    /// - Throws: the first ``SpartanFault`` found.
    /// - Complexity: a field multiplication for each entry, constraint and variable; for n variables
    ///   some 2√n points are decoded and multiplied.
    public static func verify(
        _ bytes: Span<UInt8>, shape: R1CS, input: VectorCommitment, output: VectorCommitment,
        binding: Bytes32
    ) throws(SpartanFault) {
        try Verifier(shape: shape, checks: Check.all)
            .verify(bytes, input: input, output: output, binding: binding)
    }
}
