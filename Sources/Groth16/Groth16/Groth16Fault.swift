public import Curves

/// Why a Groth16 proof was refused.
public enum Groth16Fault: Error, Hashable, Sendable {
    /// The parts of a proof that are points.
    public enum Point: Hashable, Sendable {
        case a, b, c, commitment, proofOfKnowledge
    }

    /// The proof, or the proof with its inputs, does not have the size that the key asks for, in bytes.
    case size(found: Int, expected: Int)
    /// No encoding of a point of the subgroup.
    case point(Point, CurveError)
    /// A point at infinity, which no honest prover makes but with negligible probability.
    case infinity(Point)
    /// Not as many public inputs as the key has.
    case inputCount(found: Int, expected: Int)
    /// A public input that is not below the group's order. Its residue is another statement.
    case inputNotBelowOrder(index: Int)
    /// A commitment is there and the key has none, or the other way round.
    case commitmentCount(found: Int, expected: Int)
    /// The prover does not know what is committed to.
    case commitmentNotKnown
    /// The pairing equation does not hold.
    case equation
    /// Not the JSON that snarkjs writes, and where.
    case json(String)
}

/// Why bytes are not a verifying key.
public enum VerifyingKeyFault: Error, Hashable, Sendable {
    case size(found: Int, expected: Int)
    /// More public inputs than a key may have, or none of the points that it has to have.
    case inputCount(found: Int, limit: Int)
    /// No encoding of a point, or of one outside its subgroup. The offset is in bytes.
    case point(CurveError)
    /// One of alpha, beta, gamma, delta or of the commitment's key is infinity.
    case infinity
    /// Bytes that must be zero are not, at this offset.
    case notZero(offset: Int)
    /// A field that contradicts the rest of the key.
    case inconsistent(String)
    /// A curve or proof system that this verifier does not have.
    case unknown(String)
    case json(String)
}
