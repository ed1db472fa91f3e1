import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// Messages get lost. Whoever stands still for a while says what it has, and sends its own messages
/// again; whoever hears it sends what is lacking. While heights go by nothing of this happens.
extension Tendermint {
    mutating func gossip(_ turn: inout Turn) {
        guard let state, !state.isHalted else { return }
        let position = SigningPosition(
            height: state.height, round: state.round, step: state.step)
        guard position == gossipPosition, let deadline = gossipDeadline else {
            gossipPosition = position
            gossipDeadline = nextGossip(turn.now)
            return
        }
        guard deadline <= turn.now else { return }
        gossipDeadline = nextGossip(turn.now)
        if let local = state.local, !state.isAbstaining, let current = state.rounds[state.round] {
            if let proposal = current.proposal, proposal.proposer == local {
                turn.outputs.append(.broadcast(.proposal(proposal)))
            }
            for kind in VoteKind.allCases {
                if let vote = current[kind].vote(of: local) {
                    turn.outputs.append(.broadcast(.vote(vote)))
                }
            }
        }
        turn.outputs.append(.broadcast(.summary(state.summary)))
    }

    private mutating func nextGossip(_ now: MonotonicInstant) -> MonotonicInstant {
        // Apart from each other, so that the first one's answers spare the others'.
        let interval = timing.gossipInterval
        return now.advanced(by: interval + random.duration(below: interval / 4))
    }

    /// Sends a peer what it lacks.
    mutating func answer(_ summary: VoteSummary, to peer: PeerID, _ turn: inout Turn) {
        guard isAllowed(peer, turn.now) else { return turn.drop(.rateLimited) }
        if let lastCommit, summary.height == lastCommit.height {
            turn.outputs.append(.send(.commit(lastCommit.commit), to: peer))
            turn.counters.summariesAnswered += 1
            return
        }
        guard let state, summary.height == state.height else {
            let isBehind = summary.height < presentHeight
            turn.outputs.append(
                isBehind
                    ? .peerBehind(peer, height: summary.height)
                    : .peerAhead(peer, height: summary.height))
            return
        }
        let messages = state.messages(lackedBy: summary, countMax: turn.limits.votesPerAnswerMax)
        turn.counters.summariesAnswered += 1
        turn.counters.votesSentAgain += UInt64(messages.count)
        for message in messages { turn.outputs.append(.send(message, to: peer)) }
    }

    private mutating func isAllowed(_ peer: PeerID, _ now: MonotonicInstant) -> Bool {
        var budget =
            summaryBudgets.removeValue(forKey: peer)
            ?? TokenBucket(
                capacity: limits.summaryBurst, interval: limits.summaryInterval, now: now)
        let isAllowed = budget.take(now: now)
        if summaryBudgets.count >= limits.peersMax { summaryBudgets.removeFirst() }
        summaryBudgets[peer] = budget
        return isAllowed
    }
}

extension HeightState {
    /// What we have of the rounds that matter.
    var summary: VoteSummary {
        var wanted: [(VoteKind, UInt32)] = [(.prevote, round), (.precommit, round)]
        if round > 0 { wanted += [(.prevote, round - 1), (.precommit, round - 1)] }
        for past in [rounds[round]?.proposal?.validRound, valid?.round] {
            if let past, !wanted.contains(where: { $0 == (.prevote, past) }) {
                wanted.append((.prevote, past))
            }
        }
        let sets = wanted.map { kind, round in
            let set = rounds[round]?[kind] ?? VoteSet(validators: validators)
            let leading = set.leading
            return VoteSetSummary(
                kind: kind, round: round, blockID: leading?.blockID, voters: set.voters,
                blockVoters: leading?.voters ?? VoteSet.noBits(validators.count))
        }
        guard
            let summary = VoteSummary(
                height: height, round: round, hasProposal: rounds[round]?.proposal != nil,
                sets: sets)
        else { preconditionFailure("six sets at most") }
        return summary
    }

    /// Proposal and votes that the author of a summary of this height does not have.
    func messages(lackedBy summary: VoteSummary, countMax: Int) -> [ConsensusMessage] {
        var messages: [ConsensusMessage] = []
        func send(_ vote: Vote) {
            if messages.count < countMax { messages.append(.vote(vote)) }
        }
        if let proposal = rounds[round]?.proposal,
            summary.round < round || summary.round == round && !summary.hasProposal
        {
            messages.append(.proposal(proposal))
        }
        for theirs in summary.sets {
            guard let set = rounds[theirs.round]?[theirs.kind] else { continue }
            let quorum = set.quorum
            for position in 0..<validators.count {
                let validator = ValidatorIndex(position)
                if !theirs.hasVoter(position) {
                    if let vote = set.vote(of: validator) { send(vote) }
                }
                // Of who contradicts itself they may have the other vote.
                if let block = quorum ?? nil, let vote = set.vote(of: validator, for: block),
                    theirs.hasVoter(position),
                    theirs.blockID != block || !theirs.hasBlockVoter(position)
                {
                    send(vote)
                }
            }
        }
        // What lets it come to our round.
        if summary.round < round, let current = rounds[round] {
            for kind in VoteKind.allCases {
                for position in 0..<validators.count {
                    if let vote = current[kind].vote(of: ValidatorIndex(position)) { send(vote) }
                }
            }
        }
        return messages
    }
}

extension VoteSetSummary {
    /// Whatever the number of bits that the author chose.
    func hasVoter(_ position: Int) -> Bool { position < voters.count && voters[position] }

    func hasBlockVoter(_ position: Int) -> Bool {
        position < blockVoters.count && blockVoters[position]
    }
}
