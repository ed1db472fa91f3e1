public import ChoraleTypes
public import Codec

/// A vote whose signature was found good by a worker.
///
/// Having one is the proof that the check was made: machines do not ask again.
public struct VerifiedVote: Hashable, Sendable {
    public let vote: Vote

    /// - Parameter validators: the set of the vote's height.
    public init(
        _ vote: Vote, validators: ValidatorSet, network: NetworkDigest
    ) throws(ConsensusSignatureError) {
        try vote.verify(validators: validators, network: network)
        self.vote = vote
    }

    /// For a vote that this process has just signed, and for simulations without signatures.
    public init(trusting vote: Vote) { self.vote = vote }
}

/// A proposal whose signature was found good.
public struct VerifiedProposal: Hashable, Sendable {
    public let proposal: Proposal

    /// - Parameter validators: the set of the proposal's height.
    public init(
        _ proposal: Proposal, validators: ValidatorSet, network: NetworkDigest
    ) throws(ConsensusSignatureError) {
        try proposal.verify(validators: validators, network: network)
        self.proposal = proposal
    }

    /// As ``VerifiedVote/init(trusting:)``.
    public init(trusting proposal: Proposal) { self.proposal = proposal }
}

/// A commit whose signatures were found good and enough.
public struct VerifiedCommit: Hashable, Sendable {
    public let commit: Commit

    /// - Parameter validators: the set of the commit's height.
    public init(
        _ commit: Commit, validators: ValidatorSet, network: NetworkDigest
    ) throws(Commit.VerifyError) {
        try commit.verify(validators: validators, network: network)
        self.commit = commit
    }

    /// As ``VerifiedVote/init(trusting:)``, but for the stake, which is always counted.
    public init(trusting commit: Commit, validators: ValidatorSet) throws(Commit.VerifyError) {
        let stake = try commit.stake(in: validators)
        guard validators.isQuorum(stake) else {
            throw .notEnoughStake(stake, total: validators.totalStake)
        }
        self.commit = commit
    }
}
