public import ChoraleBase
public import ChoraleTypes

/// The proof that a commitment names for one part.
public struct PartContext: Hashable, Sendable {
    /// Digest of the proof's bytes.
    public let proof: Bytes32
    /// The proof system's number.
    public let proofType: UInt8
    /// In bytes.
    public let proofSize: UInt64
    /// Key of whoever made the proof; it is bound into the statement.
    public let prover: Bytes32
    /// Commitment to the part's output.
    public let output: Bytes32

    /// Nil when no proof has this size.
    public init?(
        proof: Bytes32, proofType: UInt8, proofSize: UInt64, prover: Bytes32, output: Bytes32
    ) {
        guard (1...SubProofBounds.proofSizeMax).contains(proofSize) else { return nil }
        self.proof = proof
        self.proofType = proofType
        self.proofSize = proofSize
        self.prover = prover
        self.output = output
    }
}

/// An operation whose commitment the chain has, with who is asked about it.
///
/// Made by a worker: the orders cost 0.2 ms a part with 1,000 validators, which a loop has no time for.
public struct OperationContext: Sendable {
    public enum Method: Hashable, Sendable {
        /// Proofs of parts, in order: `1...partsMax`.
        case parts([PartContext])
        /// No proof system fits: a committee says whether the output is right.
        case committee
    }

    public let operation: Bytes32
    /// Root of the commitment's content.
    public let commitment: Bytes32
    /// Of the block with the commitment.
    public let height: UInt64
    /// Of that height. Votes mean its indices.
    public let validators: ValidatorSet
    /// The beacon's value of that block: nobody knew it when the commitment was made.
    public let beacon: Bytes32
    /// Hash of the output that the executor committed to.
    public let outputHash: Bytes32
    public let method: Method
    /// When the operation's ttl ends, as well as this node's clock can tell.
    public var expiresAt: MonotonicInstant
    /// Who is asked and how many must agree: for each part, or once for a committee.
    public let rules: [QuorumRule]

    /// Nil when there are no parts or more than ``SubProofBounds/partsMax``.
    public init?(
        operation: Bytes32, commitment: Bytes32, height: UInt64, validators: ValidatorSet,
        beacon: Bytes32, outputHash: Bytes32, method: Method, expiresAt: MonotonicInstant
    ) {
        switch method {
        case .parts(let parts):
            guard (1...SubProofBounds.partsMax).contains(parts.count) else { return nil }
            rules = parts.indices.map { part in
                let seed = PartOrder.partSeed(
                    beacon: beacon, operation: operation, part: UInt16(part))
                let order = PartOrder(seed: seed, count: validators.count)
                return QuorumRule(validators: validators, order: order)
            }
        case .committee:
            let seed = PartOrder.committeeSeed(beacon: beacon, operation: operation)
            let order = PartOrder(seed: seed, count: validators.count)
            rules = [QuorumRule(validators: validators, order: order)]
        }
        self.operation = operation
        self.commitment = commitment
        self.height = height
        self.validators = validators
        self.beacon = beacon
        self.outputHash = outputHash
        self.method = method
        self.expiresAt = expiresAt
    }
}

/// A round trip of this machine's: getting a proof, then verifying it.
public struct SubproofJobID: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// What is to be had and verified.
public struct ProofJob: Hashable, Sendable {
    public let id: SubProofID
    public let context: PartContext
    /// Of the commitment.
    public let height: UInt64
}

/// What a worker found of a proof.
public enum ProofOutcome: Hashable, Sendable {
    case valid
    case invalid(RejectReason)
    /// A type that nobody here understands, or one whose key or set-up is not here. Never a reason to
    /// reject: a newer version of the network may know better.
    case unsupported
}

/// What is signed.
public enum SubproofSignRequest: Hashable, Sendable {
    case vote(SubProofVoteContent)
    case committeeVote(CommitteeVoteContent)
}

/// Everything that can happen.
public enum SubproofInput: Sendable {
    /// What an earlier run wrote, in any order, before any commitment; and up to which height rows were
    /// deleted since, or are lost. Nothing is signed about operations up to there.
    case restored([SubproofRow], floor: UInt64)
    /// A block with an operation's commitment is final.
    case commitmentIncluded(OperationContext)
    /// The chain has settled, refused or expired it.
    case operationClosed(Bytes32)
    case voteReceived(VerifiedSubProofVote)
    /// A vote whose operation was not known when it came; its signature was not looked at.
    case voteEarly(SubProofVote)
    case certificateReceived(VerifiedSubProofCertificate)
    case evidenceReceived(VerifiedSubProofEvidence)
    /// Answers `pull`.
    case bodyArrived(SubproofJobID)
    /// Answers `pull`: nobody has it now.
    case bodyMissing(SubproofJobID)
    /// Answers `verify`.
    case verified(SubproofJobID, ProofOutcome)
    /// Answers `sign`.
    case signed(SubProofVote)
    /// An enclave's attestation was verified, and its measurement is one that the state allows.
    case attested(operation: Bytes32, part: UInt16, output: Bytes32, enclave: Bytes32)
    /// The final proof names this output.
    case proofFinal(operation: Bytes32, part: UInt16, output: Bytes32)
    case committeeVoteReceived(VerifiedCommitteeVote)
    case fastPathReceived(VerifiedFastPathCertificate)
    /// A block has a dispute about a committee's operation, whoever's vote it was: everyone is asked.
    case disputed(operation: Bytes32)
    /// Answers `execute`; nil when it cannot be done here.
    case executed(operation: Bytes32, outputHash: Bytes32?)
    /// Answers `sign`.
    case committeeSigned(CommitteeVote)
    /// The driver's timer. Early, late and repeated ones are harmless.
    case timeout
}

/// Everything to be done.
///
/// What `persist` asks for must be on disk before any later `sign` or `publish…` is performed, if
/// ``SubproofRow/needsSync`` says so: outputs of one turn need one sync.
public enum SubproofOutput: Hashable, Sendable {
    /// Get the proof's bytes from whoever has them.
    case pull(SubproofJobID, ProofJob)
    /// The bytes are here: let a worker verify them, its digest and its statement.
    case verify(SubproofJobID, ProofJob)
    /// Nobody waits for this any more. An answer does no harm.
    case cancel(SubproofJobID)
    case persist(SubproofRow)
    case sign(SubproofSignRequest, ValidatorIndex)
    /// On the topic `subproof_vote_{subnet}`. The first time by gossip; again, which duplicate filters
    /// would stop, to peers.
    case publishVote(SubProofVote, subnet: Int, isAgain: Bool)
    case publishCertificate(SubProofCertificate)
    case publishEvidence(SubProofEvidence)
    /// Ask a peer for certificates of these parts: ``SubproofPool/certificates(of:parts:)`` answers. Without parts, for
    /// what a committee has said.
    case requestCertificates(operation: Bytes32, parts: [UInt16])
    case publishCommitteeVote(CommitteeVote, isAgain: Bool)
    case publishFastPath(FastPathCertificate)
    /// A vote for another output than the executor's: the first of an operation that is listened to.
    case dispute(CommitteeVote)
    /// A fault that the chain slashes for. Verified here.
    case slash(SubProofEvidence)
    /// A vote that came early: check it now, and hand it in.
    case verifyVote(SubProofVote)
    /// The message just handed in counted. Each message that is received gives this or `drop`.
    case accepted
    /// The message or answer just handed in changed nothing.
    case drop(SubproofDrop)
    /// No more work is spent on what this signer says or proves.
    case mute(SubproofSigner)
    /// Members of the first tranche who have not said a word: lowers their score.
    case noShow(operation: Bytes32, part: UInt16?, [ValidatorIndex])
    /// A committee's work: execute or judge the operation.
    case execute(operation: Bytes32)
    /// An enclave's key that attested what a proof contradicts.
    case revoke(enclave: Bytes32)
    case event(SubproofEvent)
}

/// Whom no work is spent on.
public enum SubproofSigner: Hashable, Sendable {
    case validator(SigningKeyBytes)
    case prover(Bytes32)
}

/// What happened, for lines and numbers.
public enum SubproofEvent: Hashable, Sendable {
    case opened(operation: Bytes32, parts: Int)
    case expanded(operation: Bytes32, to: Tranche, parts: Int)
    /// Somebody says that the proof is bad: everybody is asked.
    case contested(SubProofID)
    case certified(SubProofID, isValid: Bool, Tranche)
    /// A certificate of everyone says otherwise than a smaller one did.
    case overturned(SubProofID)
    /// A certificate says otherwise than our own verifier. An operator must look.
    case outvoted(SubProofID, own: SubProofVerdict)
    /// Two certificates of everyone that differ: more than a third of the stake is faulty.
    case conflicting(SubProofID)
    case abstained(SubProofID, AbstainReason)
    case statusChanged(operation: Bytes32, part: UInt16, ConfirmationLevel, isFrozen: Bool)
    /// Every part is certified valid.
    case operationCertified(Bytes32)
    /// One part is certified bad, so all is.
    case operationRejected(Bytes32, part: UInt16)
    case operationExpired(Bytes32)
    /// A committee's quorum: what users see as `safe`.
    case justified(operation: Bytes32, outputHash: Bytes32, Tranche)
    case disputed(operation: Bytes32)
    /// The challenge window is over, or everyone has spoken.
    case fastPathFinal(operation: Bytes32, outputHash: Bytes32)
}

/// Why a validator that is asked says nothing.
public enum AbstainReason: Hashable, Sendable, CaseIterable {
    case unsupported
    case unavailable
    /// A proof by the same prover was bad.
    case proverMuted
    /// What was signed at this height is not known any more.
    case signingFloor
}

/// Why an input changed nothing. Each case is also a metric label.
public enum SubproofDrop: Int, Error, Hashable, Sendable, CaseIterable {
    /// No commitment was seen; a vote may be kept until it is.
    case unknownOperation
    /// The commitment names another proof, or no such part.
    case otherProof
    /// Indices of another set.
    case otherValidators
    case unknownValidator
    case otherScheme
    /// Not asked yet, as far as is known here.
    case notAsked
    case duplicate
    /// By a validator that contradicts itself.
    case equivocation
    /// The part is certified, and this changes nothing about it.
    case certified
    case muted
    /// The limit of votes held is reached.
    case memory
    /// More operations or parts than the limits allow.
    case tooManyOperations
    /// The answer to a question nobody asks any more.
    case late
    /// A certificate of less than everyone, after somebody rejected with evidence.
    case contested
    /// A certificate without a quorum.
    case noQuorum
    /// Evidence of a fault that is none.
    case unfounded

    /// Whether only a faulty sender can be the reason.
    public var isFault: Bool {
        switch self {
        case .otherProof, .otherValidators, .unknownValidator, .otherScheme, .noQuorum: true
        case .unknownOperation, .notAsked, .duplicate, .equivocation, .certified, .muted, .memory,
            .tooManyOperations, .late, .contested, .unfounded:
            false
        }
    }
}

/// What a message is worth before its signatures were looked at.
public enum SubproofPrecheck: Sendable {
    /// Check its signatures against this, then hand it in.
    case verify(QuorumRule)
    /// Hand it in as `voteEarly`.
    case early
    case drop(SubproofDrop)
}
