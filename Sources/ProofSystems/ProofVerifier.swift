/// Checks the proofs of one type.
///
/// Verifiers are pure functions: no clock, no state, no randomness but what is derived from the proof,
/// so that all nodes come to the same verdict. They run on workers.
public protocol ProofVerifier: Sendable {
    /// A set-up artefact, decoded and checked, with what can be computed once for all proofs.
    associatedtype Key: Sendable

    var type: ProofType { get }

    /// Largest proof, in bytes. A larger one is refused without being looked at.
    var proofSizeMax: Int { get }

    /// Decodes a set-up artefact. Called once for each, whatever the number of proofs.
    ///
    /// - Parameter artefact: its bytes, from anywhere; empty for a statement that names none. Whoever
    ///   calls has compared the hash.
    /// - Throws: ``ArtefactError/refused(_:)`` for bytes that are no artefact of this system.
    func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> Key

    /// Checks that `proof` proves `statement`. Total: any bytes give a verdict.
    ///
    /// A proof that does not contain ``ProofStatement/binding`` where its system puts it is invalid.
    ///
    /// - Precondition: `statement.key.type` is ``type``, and `key` was made of the artefact it names.
    func verify(_ proof: Span<UInt8>, of statement: ProofStatement, key: Key) -> ProofVerdict
}

/// Makes proofs of one type.
public protocol ProofProver: Sendable {
    var type: ProofType { get }

    /// Proves `statement`.
    ///
    /// May take long, and blocks its thread: provers run on workers of their own.
    ///
    /// - Parameter witness: what the part was computed from and with, in the system's own encoding.
    /// - Returns: a proof that the verifier of the same type accepts.
    func prove(
        _ statement: ProofStatement, witness: [UInt8]
    ) throws(ProvingError) -> [UInt8]
}

/// Makes one proof of two for neighbouring parts, where a system can.
public protocol ProofMerger: Sendable {
    var type: ProofType { get }

    /// Merges proofs of neighbouring parts, in their order, into one of `statement`.
    ///
    /// - Parameter statement: from the input of the first part to the output of the last.
    func merge(
        _ proofs: [(proof: [UInt8], statement: ProofStatement)], into statement: ProofStatement
    ) throws(ProvingError) -> [UInt8]
}

/// Why there is no proof.
public enum ProvingError: Error, Hashable, Sendable {
    /// The prover does not know the type or the program.
    case unsupported(ProofType)
    /// The witness is not one of the statement: what it says is not so, or not shown by these bytes.
    case witness(String)
    /// Time is up.
    case timedOut(after: Duration)
    /// The prover could not be reached, or broke off.
    case unavailable(String)
    /// The prover gave up and says why.
    case refused(String)
    /// The prover answered something that cannot be: it lies or is broken.
    case misbehaved(String)
}

/// Why an artefact was not taken.
public enum ArtefactError: Error, Hashable, Sendable {
    /// No verifier of this type is registered.
    case unknownType(ProofType)
    /// Larger than the registry takes, in bytes.
    case size(found: Int, limit: Int)
    /// There is no room left for it, in bytes.
    case full(needed: Int, free: Int)
    /// Not an artefact of the system: what its decoder says.
    case refused(String)
}
