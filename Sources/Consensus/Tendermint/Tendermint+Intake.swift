public import ChoraleTypes
import Codec

extension Tendermint {
    public func precheck(_ vote: Vote) -> ConsensusPrecheck {
        if let state, vote.height == state.height {
            return state.refusal(of: vote, limits).map { .drop($0) } ?? .verify(state.validators)
        }
        if let lastCommit, vote.height == lastCommit.height {
            return lastCommit.wants(vote)
                ? .verify(lastCommit.validators) : .drop(.heightPast)
        }
        guard vote.height == presentHeight + 1, let validators = ahead.validators else {
            return .drop(vote.height > presentHeight ? .heightAhead : .heightPast)
        }
        guard let validator = validators[vote.validator] else { return .drop(.unknownValidator) }
        guard vote.scheme == validator.key.scheme else { return .drop(.otherScheme) }
        return isWantedAhead(vote) ? .verify(validators) : .drop(.duplicate)
    }

    public func precheck(_ proposal: Proposal) -> ConsensusPrecheck {
        if let state, proposal.height == state.height {
            return state.refusal(of: proposal, limits).map { .drop($0) }
                ?? .verify(state.validators)
        }
        guard proposal.height == presentHeight + 1, proposal.round == 0,
            let validators = ahead.validators
        else { return .drop(proposal.height > presentHeight ? .heightAhead : .heightPast) }
        guard proposal.proposer == ahead.proposer else { return .drop(.notProposer) }
        return ahead.proposal == nil ? .verify(validators) : .drop(.duplicate)
    }

    public func precheck(_ commit: Commit) -> ConsensusPrecheck {
        guard let state, commit.height == state.height else {
            return .drop(commit.height > presentHeight ? .heightAhead : .heightPast)
        }
        return state.refusal(of: commit).map { .drop($0) } ?? .verify(state.validators)
    }

    /// The height that is agreed on, or was last.
    var presentHeight: UInt64 { state?.height ?? finished?.height ?? 0 }

    /// A validator's first votes for the next height, a few of them: it may be some rounds ahead.
    private func isWantedAhead(_ vote: Vote) -> Bool {
        var count = 0
        for other in ahead.votes where other.validator == vote.validator {
            if other.kind == vote.kind, other.round == vote.round { return false }
            count += 1
        }
        return count < limits.votesAheadPerValidatorMax
    }

    mutating func receive(_ vote: Vote, _ turn: inout Turn) {
        if state?.height == vote.height {
            state?.add(vote, &turn)
            return
        }
        if lastCommit?.wants(vote) ?? false {
            lastCommit?.add(vote)
            turn.counters.votesCounted += 1
            return
        }
        switch precheck(vote) {
        case .verify: ahead.votes.append(vote)
        case .drop(let reason): turn.drop(reason)
        }
    }

    mutating func receive(_ proposal: Proposal, _ turn: inout Turn) {
        if state?.height == proposal.height {
            state?.add(proposal, &turn)
            return
        }
        switch precheck(proposal) {
        case .verify: ahead.proposal = proposal
        case .drop(let reason): turn.drop(reason)
        }
    }

    mutating func receive(_ commit: Commit, _ turn: inout Turn) {
        if state?.height == commit.height {
            state?.add(commit, &turn)
        } else {
            turn.drop(commit.height > presentHeight ? .heightAhead : .heightPast)
        }
    }

    // MARK: Ours

    /// A vote of ours counts and leaves only now, when its signature is on record.
    mutating func signed(_ vote: Vote, _ turn: inout Turn) {
        if state?.height == vote.height {
            guard state?.take(.vote(vote.content)) ?? false else { return turn.drop(.late) }
            turn.outputs.append(.persist(.vote(vote)))
            turn.outputs.append(.broadcast(.vote(vote)))
            state?.add(vote, &turn)
        } else if lastCommit?.wants(vote) ?? false {
            // The others were faster than our own disk.
            lastCommit?.add(vote)
            turn.outputs.append(.broadcast(.vote(vote)))
        } else {
            turn.drop(.late)
        }
    }

    mutating func signed(_ proposal: Proposal, _ turn: inout Turn) {
        guard state?.height == proposal.height,
            state?.take(.proposal(proposal.content)) ?? false
        else { return turn.drop(.late) }
        turn.outputs.append(.persist(.proposal(proposal)))
        turn.outputs.append(.broadcast(.proposal(proposal)))
        state?.add(proposal, &turn)
    }
}

extension HeightState {
    /// Whether this was asked to be signed.
    mutating func take(_ request: SignRequest) -> Bool {
        guard let index = unsigned.firstIndex(of: request) else { return false }
        unsigned.remove(at: index)
        return true
    }
}
