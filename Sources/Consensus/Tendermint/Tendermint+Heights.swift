import ChoraleBase
import ChoraleTypes
import Codec

extension Tendermint {
    /// Begins a height, from nothing or from what an earlier run left.
    mutating func start(
        _ context: HeightContext, _ recovery: ConsensusRecovery?, _ turn: inout Turn
    ) {
        // Heights may be passed over, when blocks came from elsewhere; never repeated.
        guard context.height > (finished?.height ?? 0), context.height > (state?.height ?? 0)
        else { return turn.drop(.heightPast) }
        adopt(context.parent)
        let early = ahead
        ahead = Ahead()
        if let next = context.nextValidators {
            var rotation = context.rotation.next(validators: next)
            ahead.validators = next
            ahead.proposer = rotation.advance()
        }
        finished = nil
        gossipPosition = nil
        gossipDeadline = nil
        waitDeadline = nil
        var state = HeightState(context, localKey: localKey, limits: turn.limits)
        turn.outputs.append(.persist(.heightStarted(context.height)))
        if let recovery, state.restore(recovery, &turn) {
            self.state = state
        } else {
            self.state = state
            let wait = committedAt?.advanced(by: turn.timing.commitWait) ?? turn.now
            waitDeadline = wait
        }
        // Heights may have been passed over, and a set may have turned out another.
        guard early.validators == state.validators else { return }
        if let proposal = early.proposal, proposal.height == context.height {
            self.state?.add(proposal, &turn)
        }
        for vote in early.votes where vote.height == context.height {
            self.state?.add(vote, &turn)
        }
    }

    /// The commit below the height: ours with what came late, unless it is of another block or round.
    private mutating func adopt(_ parent: ParentCommit?) {
        guard let parent else {
            lastCommit = nil
            return
        }
        let commit = parent.commit
        if var last = lastCommit, last.height == commit.height, last.round == commit.round,
            last.blockID == commit.blockID
        {
            for vote in commit.votes { last.add(vote) }
            lastCommit = last
        } else {
            lastCommit = LastCommit(commit, validators: parent.validators)
        }
    }
}

extension HeightState {
    /// Takes up where an earlier run was killed: lock, valid block, round, step and own votes are what the
    /// log says, and what was about to be signed is asked to be signed again.
    ///
    /// - Returns: whether there was anything of this height.
    mutating func restore(_ recovery: ConsensusRecovery, _ turn: inout Turn) -> Bool {
        var last: SignRequest?
        var latestRound: UInt32?
        func reach(_ round: UInt32) { latestRound = max(latestRound ?? 0, round) }
        for record in recovery.records where record.height == height {
            switch record {
            case .heightStarted: break
            case .roundStarted(_, let round): reach(round)
            case .proposalIntent(let content):
                reach(content.round)
                last = .proposal(content)
                proposedRound = content.round
            case .voteIntent(let content):
                reach(content.round)
                last = .vote(content)
                if content.kind == .precommit, let block = content.blockID {
                    locked = BlockInRound(round: content.round, blockID: block)
                }
            case .valid(_, let block):
                reach(block.round)
                valid = block
            case .proposal(let proposal): restore(proposal)
            case .vote(let vote): restore(vote)
            case .commit(let commit):
                decided = commit
                return true
            }
        }
        if let signed = recovery.lastSigned, signed.height >= height, signed.step != nil,
            last.map({ $0.position < signed }) ?? true
        {
            // The log lost what the signing state remembers, which no crash can do: the lock may be
            // among it. One who forgets a lock can help to commit a second block.
            isAbstaining = true
            turn.outputs.append(.event(.abstaining(height: height, signed: signed)))
        }
        guard let latestRound else { return false }
        resume(in: latestRound, last, &turn)
        return true
    }

    private mutating func resume(
        in latestRound: UInt32, _ last: SignRequest?, _ turn: inout Turn
    ) {
        startRound(latestRound, &turn)
        guard let last, last.position.round == latestRound else { return }
        switch last.position.step {
        case .prevote:
            step = .prevote
            proposeDeadline = nil
        case .precommit:
            step = .precommit
            proposeDeadline = nil
        // Whether rule 36 fired does not matter: it can only find the same block again.
        case .propose, nil: break
        }
        let isSigned =
            switch last {
            case .proposal: rounds[latestRound]?.proposal != nil
            case .vote(let content):
                local.flatMap { rounds[latestRound]?[content.kind].vote(of: $0) } != nil
            }
        if !isSigned, !isAbstaining, local != nil { sign(last, &turn) }
    }

    private mutating func restore(_ vote: Vote) {
        guard vote.validator == local else { return }
        if rounds[vote.round] == nil { rounds[vote.round] = RoundState(validators: validators) }
        _ = rounds[vote.round]![vote.kind].record(vote)
    }

    private mutating func restore(_ proposal: Proposal) {
        guard proposal.proposer == local else { return }
        if rounds[proposal.round] == nil {
            rounds[proposal.round] = RoundState(validators: validators)
        }
        rounds[proposal.round]!.proposal = proposal
    }
}
