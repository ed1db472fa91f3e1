public import ChoraleTypes
public import Codec

/// A vote whose signature was found good by a worker.
///
/// Having one is the proof that the check was made: the machine does not ask again.
public struct VerifiedSubProofVote: Hashable, Sendable {
    public let vote: SubProofVote

    /// - Parameter validators: those of the block with the operation's commitment.
    public init(
        _ vote: SubProofVote, validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        try vote.verify(validators: validators, network: network)
        self.vote = vote
    }

    /// For a vote that this process has just signed, and for simulations without signatures.
    public init(trusting vote: SubProofVote) { self.vote = vote }
}

/// A certificate whose signers were found enough, and their signatures good.
public struct VerifiedSubProofCertificate: Hashable, Sendable {
    public let certificate: SubProofCertificate

    public init(
        _ certificate: SubProofCertificate, rule: QuorumRule, network: NetworkDigest
    ) throws(CertificateError) {
        try certificate.verify(rule: rule, network: network)
        self.certificate = certificate
    }

    /// As ``VerifiedSubProofVote/init(trusting:)``, but for the quorum, which is always counted.
    public init(
        trusting certificate: SubProofCertificate, rule: QuorumRule
    ) throws(CertificateError) {
        try rule.check(
            signers: certificate.signers, tranche: certificate.tranche,
            accepts: certificate.verdict.isValid)
        self.certificate = certificate
    }
}

/// Evidence whose signatures were found good. Whether its proof is bad is not known by that.
public struct VerifiedSubProofEvidence: Hashable, Sendable {
    public let evidence: SubProofEvidence

    public init(
        _ evidence: SubProofEvidence, validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        try evidence.verifySignatures(validators: validators, network: network)
        self.evidence = evidence
    }

    /// As ``VerifiedSubProofVote/init(trusting:)``.
    public init(trusting evidence: SubProofEvidence) { self.evidence = evidence }
}

/// A committee's vote whose signature was found good.
public struct VerifiedCommitteeVote: Hashable, Sendable {
    public let vote: CommitteeVote

    /// - Parameter validators: those of the block with the operation's commitment.
    public init(
        _ vote: CommitteeVote, validators: ValidatorSet, network: NetworkDigest
    ) throws(SubProofSignatureError) {
        try vote.verify(validators: validators, network: network)
        self.vote = vote
    }

    /// As ``VerifiedSubProofVote/init(trusting:)``.
    public init(trusting vote: CommitteeVote) { self.vote = vote }
}

/// A committee's certificate whose signers were found enough, and their signatures good.
public struct VerifiedFastPathCertificate: Hashable, Sendable {
    public let certificate: FastPathCertificate

    public init(
        _ certificate: FastPathCertificate, rule: QuorumRule, network: NetworkDigest
    ) throws(CertificateError) {
        try certificate.verify(rule: rule, network: network)
        self.certificate = certificate
    }

    /// As ``VerifiedSubProofCertificate/init(trusting:rule:)``.
    public init(
        trusting certificate: FastPathCertificate, rule: QuorumRule
    ) throws(CertificateError) {
        try rule.check(
            signers: certificate.signers, tranche: certificate.tranche, accepts: true)
        self.certificate = certificate
    }
}
