public import ChoraleBase

/// What a verifier says of a proof. The same on every node that has the same artefacts.
public enum ProofVerdict: Hashable, Sendable {
    case valid
    /// The proof is bad, whoever looks at it: whoever handed it in is at fault.
    case invalid(ProofFault)
    /// This node cannot tell, and abstains. Never held against the prover.
    case unsupported(Unsupported)

    /// What is missing.
    public enum Unsupported: Hashable, Sendable {
        /// No verifier of this type is registered.
        case type(ProofType)
        /// The set-up artefact of this hash is not here.
        case artefact(Bytes32)
        /// The system is known but not this variant of it, such as a release, which is named.
        case variant(ProofType, String)
    }
}

/// Why a proof is invalid.
///
/// ``reason`` has stable numbers and travels in votes; ``detail`` is the system's own error, for people.
public struct ProofFault: Error, Hashable, Sendable {
    public let reason: Reason
    /// The system's typed error, described.
    public let detail: String

    /// The kinds of faults that all systems share. Also metric labels.
    public enum Reason: UInt8, Hashable, Sendable, CaseIterable {
        /// Empty, or larger than any proof of the type.
        case size = 1
        /// Bytes that are no encoding of a proof, or not the canonical one.
        case malformed = 2
        /// A proof of something else than the statement: of another operation, part or prover.
        case notBound = 3
        /// A proof of another program, or of one that ended in failure.
        case program = 4
        /// A proof under another key or version than the statement names.
        case key = 5
        /// The proof system's own check failed.
        case check = 6
        /// Outside of its time, revoked, or of a platform that is no longer trusted.
        case expired = 7
    }

    public init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    /// As ``init(_:_:)`` with the description of a system's own error.
    public init(_ reason: Reason, _ error: some Error) {
        self.init(reason, "\(error)")
    }
}
