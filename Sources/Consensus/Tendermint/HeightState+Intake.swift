import ChoraleBase
import ChoraleTypes
import Codec

extension HeightState {
    // MARK: Votes

    /// Why a vote would change nothing. Nil when it is worth its signature check.
    func refusal(of vote: Vote, _ limits: Tendermint.Limits) -> ConsensusDrop? {
        guard let validator = validators[vote.validator] else { return .unknownValidator }
        guard vote.scheme == validator.key.scheme else { return .otherScheme }
        if vote.round > round + 1 {
            let kept = roundsAhead[vote.validator.position]
            if kept.count >= limits.roundsAheadPerValidatorMax, !kept.contains(vote.round),
                let lowest = kept.min(), vote.round < lowest
            {
                return .roundAhead
            }
        } else if vote.round < round, rounds[vote.round] == nil,
            Int(round - vote.round) > limits.pastRoundsMax, !isReferred(vote.round)
        {
            return .roundPast
        }
        guard let set = rounds[vote.round]?[vote.kind] else { return nil }
        switch set.outcome(of: vote) {
        case .counted: return nil
        case .duplicate: return .duplicate
        case .conflict(_, let isCounted):
            // The first contradiction is evidence; more of them only cost signature checks.
            return isCounted || !exposed[vote.validator.position] ? nil : .equivocation
        }
    }

    /// Whether votes of a past round matter however old it is.
    private func isReferred(_ past: UInt32) -> Bool {
        past == locked?.round || past == valid?.round
            || past == rounds[round]?.proposal?.validRound
            || decisions.contains { $0.round == past }
    }

    /// - Precondition: the vote is of this height.
    mutating func add(_ vote: Vote, _ turn: inout Turn) {
        precondition(vote.height == height, "a vote of another height would count for a block here")
        if let refusal = refusal(of: vote, turn.limits) { return turn.drop(refusal) }
        let position = vote.validator.position
        if vote.round > round + 1 { makeRoom(for: vote, turn.limits) }
        if rounds[vote.round] == nil { rounds[vote.round] = RoundState(validators: validators) }
        let outcome = rounds[vote.round]![vote.kind].record(vote)
        var isCounted = true
        if case .conflict(let first, let counts) = outcome {
            isCounted = counts
            if let pair = Evidence.DuplicateVote(first, vote) {
                expose(vote.validator, .duplicateVote(pair), &turn)
            }
        }
        guard isCounted else { return }
        turn.counters.votesCounted += 1
        if vote.kind == .precommit, let block = vote.blockID,
            rounds[vote.round]!.precommits.hasQuorum(for: block)
        {
            let decision = BlockInRound(round: vote.round, blockID: block)
            // One round of a block is enough, and its votes are kept until the block is here to be judged.
            if !decisions.contains(where: { $0.blockID == block }) { decisions.append(decision) }
        }
        if highestRounds[position].map({ vote.round > $0 }) ?? true {
            highestRounds[position] = vote.round
            skipRounds(&turn)
        }
    }

    /// Of the rounds far ahead only a validator's latest count.
    private mutating func makeRoom(for vote: Vote, _ limits: Tendermint.Limits) {
        let position = vote.validator.position
        guard !roundsAhead[position].contains(vote.round) else { return }
        roundsAhead[position].append(vote.round)
        guard roundsAhead[position].count > limits.roundsAheadPerValidatorMax,
            let lowest = roundsAhead[position].min()
        else { return }
        roundsAhead[position].removeAll { $0 == lowest }
        rounds[lowest]?.prevotes.remove(vote.validator)
        rounds[lowest]?.precommits.remove(vote.validator)
        if rounds[lowest]?.isEmpty ?? false { rounds[lowest] = nil }
    }

    /// Line 55: f + 1 in a later round.
    ///
    /// The paper counts the messages of one round. Here whoever voted in a later one counts for the
    /// earlier ones too: an honest validator there has left them behind, so that the jump is as safe, and
    /// validators spread over several rounds come together sooner.
    private mutating func skipRounds(_ turn: inout Turn) {
        let latest = highestRounds.indices.filter { highestRounds[$0] != nil }
            .sorted { highestRounds[$0]! > highestRounds[$1]! }
        var stake: UInt64 = 0
        for position in latest {
            stake += validators.validators[position].stake
            guard validators.hasHonestMember(stake) else { continue }
            let target = highestRounds[position]!
            if step == nil {
                // Others have begun: no use in waiting for late precommits.
                startRound(min(target, turn.limits.roundSkipMax), &turn)
            } else if target > round {
                turn.counters.roundsSkipped += 1
                startRound(min(target, round + turn.limits.roundSkipMax), &turn)
            }
            return
        }
    }

    // MARK: Proposals

    func refusal(of proposal: Proposal, _ limits: Tendermint.Limits) -> ConsensusDrop? {
        guard let validator = validators[proposal.proposer] else { return .unknownValidator }
        guard proposal.scheme == validator.key.scheme else { return .otherScheme }
        guard proposal.round >= round else { return .roundPast }
        guard proposal.round - round <= limits.proposalRoundsAheadMax else { return .roundAhead }
        // Known as far as proposals may be ahead.
        guard let proposer = schedule.knownProposer(of: proposal.round) else { return .roundAhead }
        guard proposer == proposal.proposer else { return .notProposer }
        guard let earlier = rounds[proposal.round]?.proposal else { return nil }
        if earlier.content == proposal.content { return .duplicate }
        return exposed[proposal.proposer.position] ? .equivocation : nil
    }

    /// - Precondition: the proposal is of this height.
    mutating func add(_ proposal: Proposal, _ turn: inout Turn) {
        precondition(proposal.height == height, "a proposal of another height")
        if let refusal = refusal(of: proposal, turn.limits) { return turn.drop(refusal) }
        if let earlier = rounds[proposal.round]?.proposal {
            if let pair = Evidence.DuplicateProposal(earlier, proposal) {
                expose(proposal.proposer, .duplicateProposal(pair), &turn)
            }
            return
        }
        if rounds[proposal.round] == nil {
            rounds[proposal.round] = RoundState(validators: validators)
        }
        rounds[proposal.round]!.proposal = proposal
    }

    /// Once a height for each validator: one piece is enough to remove it.
    private mutating func expose(
        _ validator: ValidatorIndex, _ evidence: Evidence, _ turn: inout Turn
    ) {
        guard !exposed[validator.position] else { return }
        exposed[validator.position] = true
        turn.counters.evidenceFound += 1
        turn.outputs.append(.evidence(evidence))
    }

    // MARK: Commits

    func refusal(of commit: Commit) -> ConsensusDrop? {
        guard commit.signers.count == validators.count else { return .wrongBitCount }
        guard let stake = try? commit.stake(in: validators), validators.isQuorum(stake) else {
            return .notEnoughStake
        }
        return certificate == nil ? nil : .duplicate
    }

    mutating func add(_ commit: Commit, _ turn: inout Turn) {
        if let refusal = refusal(of: commit) { return turn.drop(refusal) }
        certificate = commit
    }

    // MARK: Room

    /// Forgets what can no longer matter in the present round.
    mutating func prune(_ limits: Tendermint.Limits) {
        for position in roundsAhead.indices {
            roundsAhead[position].removeAll { $0 <= round + 1 }
        }
        for past in rounds.keys.sorted()
        where past < round && Int(round - past) > limits.pastRoundsMax && !isReferred(past) {
            rounds[past] = nil
        }
        let held = Set(rounds.values.compactMap { $0.proposal?.blockID })
        blocks.removeAll { known in
            known.id != locked?.blockID && known.id != valid?.blockID
                && known.id != certificate?.blockID && !held.contains(known.id)
                && !decisions.contains { $0.blockID == known.id }
        }
    }
}
