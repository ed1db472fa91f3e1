/// Why a proof is refused. Each is the prover's fault.
public enum SpartanFault: Error, Equatable, Sendable {
    /// The size follows from the shape: anything else is another shape's proof, or none.
    case size(count: Int, expected: Int)
    case unsupportedVersion(UInt8)
    /// 32 bytes that encode no element of ristretto255, or not as RFC 9496 demands.
    case invalidPoint(offset: Int)
    /// An integer not below the group's order.
    case invalidScalar(offset: Int)
    /// The proof is about another input than the statement.
    case inputCommitment(VectorCommitment, expected: VectorCommitment)
    /// The proof is about another output than the statement.
    case outputCommitment(VectorCommitment, expected: VectorCommitment)
    /// The constraints' errors are not shown to be zero.
    case outerSumCheck
    /// What was said of the matrices' products does not follow from the matrices and the vectors.
    case innerSumCheck
    /// What was opened is not what the input's rows commit to.
    case inputOpening
    /// What was opened is not what the output's rows commit to.
    case outputOpening
    /// What was opened is not what the internal values' rows commit to.
    case internalOpening
}

/// Why nothing can be proven.
public enum SpartanProvingError: Error, Equatable, Sendable {
    /// An assignment has another number of values than the shape has variables.
    case assignmentDoesNotFit
    /// The first constraint that does not hold.
    case violatedConstraint(row: Int)
}
