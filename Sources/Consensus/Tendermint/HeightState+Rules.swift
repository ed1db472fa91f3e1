import ChoraleBase
import ChoraleTypes
import Codec

extension HeightState {
    typealias Turn = Tendermint.Turn

    /// Line 11: `StartRound(round)`.
    mutating func startRound(_ next: UInt32, _ turn: inout Turn) {
        precondition(step == nil || next > round, "rounds ascend")
        round = next
        step = .propose
        proposeDeadline = turn.now.advanced(by: turn.timing.timeout(.propose, round: next))
        prevoteDeadline = nil
        precommitDeadline = nil
        prune(turn.limits)
        // As far as proposals may be ahead, so that looking one up computes nothing.
        let last = next.addingReportingOverflow(turn.limits.proposalRoundsAheadMax).partialValue
        _ = schedule.proposer(of: max(next, last))
        let proposer = schedule.proposer(of: next)
        turn.counters.roundsStarted += 1
        turn.outputs.append(.persist(.roundStarted(height: height, round: next)))
        turn.outputs.append(
            .event(.roundStarted(height: height, round: next, proposer: proposer)))
        proposeIfProposer(&turn)
    }

    /// Lines 14 to 19. Line 21's timeout is set for everybody: our own block may take too long too.
    mutating func proposeIfProposer(_ turn: inout Turn) {
        guard let local, !isAbstaining, schedule.proposer(of: round) == local,
            proposedRound != round
        else { return }
        if let valid {
            propose(valid.blockID, validRound: valid.round, &turn)
        } else {
            turn.outputs.append(.build(height: height, round: round, lastCommit: nil))
        }
    }

    private mutating func propose(_ block: Bytes32, validRound: UInt32?, _ turn: inout Turn) {
        proposedRound = round
        let content = ProposalContent(
            height: height, round: round, validRound: validRound, blockID: block)
        turn.outputs.append(.persist(.proposalIntent(content)))
        sign(.proposal(content), &turn)
    }

    /// The block that line 18 calls `getValue()`.
    mutating func built(_ block: Bytes32, in builtRound: UInt32, _ turn: inout Turn) {
        guard step == .propose, builtRound == round, block != .zero, !isAbstaining,
            schedule.proposer(of: round) == local, proposedRound != round
        else { return turn.drop(.late) }
        know(block, .valid)
        propose(block, validRound: nil, &turn)
    }

    mutating func judged(_ block: Bytes32, _ verdict: BlockVerdict, _ turn: inout Turn) {
        guard let index = blocks.firstIndex(where: { $0.id == block }) else {
            return turn.drop(.late)
        }
        // The first verdict stands: a vote may rest on it.
        if case .awaited = blocks[index].knowledge { blocks[index].knowledge = .judged(verdict) }
    }

    /// Applies every rule that holds until none does.
    mutating func applyRules(_ turn: inout Turn) {
        while !isHalted, decided == nil, applyOne(&turn) {}
    }

    /// - Returns: whether a rule changed anything.
    private mutating func applyOne(_ turn: inout Turn) -> Bool {
        if decide(&turn) { return true }
        guard let step else { return false }
        if step == .propose, let proposal = rounds[round]?.proposal,
            prevote(on: proposal, &turn)
        {
            return true
        }
        guard let current = rounds[round] else { return false }

        // Line 34: 2f + 1 prevotes for anything while step = prevote, for the first time.
        if step == .prevote, !current.hasPrevoteTimeout, current.prevotes.hasAnyQuorum {
            rounds[round]?.hasPrevoteTimeout = true
            prevoteDeadline = turn.now.advanced(by: turn.timing.timeout(.prevote, round: round))
            return true
        }
        if step >= .prevote, !current.hasPolka, let block = current.prevotes.quorum ?? nil,
            isValid(block, &turn)
        {
            // Line 36: 2f + 1 prevotes for a valid block while step ≥ prevote, for the first time.
            rounds[round]?.hasPolka = true
            let here = BlockInRound(round: round, blockID: block)
            // Lines 42 and 43.
            valid = here
            turn.outputs.append(.persist(.valid(height: height, here)))
            if step == .prevote {
                // Lines 38 to 41.
                locked = here
                turn.outputs.append(
                    .event(.locked(height: height, round: round, blockID: block)))
                vote(.precommit, block, &turn)
            }
            return true
        }
        if step == .prevote, case .some(.none) = current.prevotes.quorum {
            // Line 44: 2f + 1 prevotes for nil while step = prevote.
            vote(.precommit, nil, &turn)
            return true
        }
        // Line 47: 2f + 1 precommits for anything, for the first time.
        if !current.hasPrecommitTimeout, current.precommits.hasAnyQuorum {
            rounds[round]?.hasPrecommitTimeout = true
            precommitDeadline = turn.now.advanced(
                by: turn.timing.timeout(.precommit, round: round))
            return true
        }
        return false
    }

    /// Lines 22 and 28.
    private mutating func prevote(on proposal: Proposal, _ turn: inout Turn) -> Bool {
        let block = proposal.blockID
        need(block, &turn)
        let mayVote: Bool
        if let validRound = proposal.validRound {
            // Line 28: with 2f + 1 prevotes for it in the round it comes from.
            guard rounds[validRound]?.prevotes.hasQuorum(for: block) ?? false else { return false }
            // Line 29: lockedRound ≤ vr, or locked on this very block.
            mayVote = locked.map { $0.round <= validRound || $0.blockID == block } ?? true
        } else {
            // Line 23: not locked, or on this very block.
            mayVote = locked.map { $0.blockID == block } ?? true
        }
        // The block is on its way or being executed: line 57 limits the wait.
        guard let verdict = verdict(of: block) else { return false }
        vote(.prevote, mayVote && verdict == .valid ? block : nil, &turn)
        return true
    }

    /// Line 49: 2f + 1 precommits for a block, in whichever round.
    private mutating func decide(_ turn: inout Turn) -> Bool {
        var candidates = decisions
        if let certificate {
            candidates.append(
                BlockInRound(round: certificate.round, blockID: certificate.blockID))
        }
        for candidate in candidates {
            // Others may be rounds ahead: the block may have been made for one that has not begun here.
            need(candidate.blockID, in: max(round, candidate.round), after: 1, &turn)
            switch verdict(of: candidate.blockID) {
            case nil: continue
            case .invalid:
                // Either > 1/3 are faulty or we are. Going on would be choosing a fork.
                isHalted = true
                turn.outputs.append(
                    .event(
                        .committedBlockIsInvalid(height: height, blockID: candidate.blockID)))
                return true
            case .valid:
                guard let commit = commit(of: candidate) else { continue }
                decided = commit
                return true
            }
        }
        return false
    }

    private func commit(of block: BlockInRound) -> Commit? {
        if let certificate, certificate.blockID == block.blockID { return certificate }
        guard let set = rounds[block.round]?.precommits, let tally = set.tally(of: block.blockID)
        else { return nil }
        var signatures: [SignatureBytes] = []
        for position in 0..<tally.voters.count where tally.voters[position] {
            guard let vote = set.vote(of: ValidatorIndex(position), for: block.blockID) else {
                preconditionFailure("a tally counts votes that are there")
            }
            signatures.append(vote.signature)
        }
        return Commit(
            height: height, round: block.round, blockID: block.blockID, scheme: .ed25519,
            signers: tally.voters, signatures: signatures)
    }

    /// Casts the step's vote, and takes the step.
    private mutating func vote(_ kind: VoteKind, _ block: Bytes32?, _ turn: inout Turn) {
        switch kind {
        case .prevote:
            precondition(step == .propose, "one prevote a round")
            step = .prevote
            proposeDeadline = nil
        case .precommit:
            precondition(step == .prevote, "one precommit a round")
            step = .precommit
            prevoteDeadline = nil
        }
        guard local != nil, !isAbstaining else { return }
        let content = VoteContent(kind: kind, height: height, round: round, blockID: block)
        turn.outputs.append(.persist(.voteIntent(content)))
        sign(.vote(content), &turn)
    }

    mutating func sign(_ request: SignRequest, _ turn: inout Turn) {
        unsigned.append(request)
        // Refusals are not answered; three requests a round, and two rounds may overlap.
        if unsigned.count > 6 { unsigned.removeFirst() }
        turn.outputs.append(.sign(request))
    }

    /// Lines 57, 61 and 65.
    mutating func expire(_ turn: inout Turn) {
        func isDue(_ deadline: MonotonicInstant?) -> Bool {
            deadline.map { $0 <= turn.now } ?? false
        }
        guard !isHalted, decided == nil else { return }
        // What has come before the timer counts.
        applyRules(&turn)
        guard decided == nil else { return }
        if isDue(proposeDeadline) {
            proposeDeadline = nil
            if step == .propose {
                // Line 57.
                noteTimeout(.propose, &turn)
                vote(.prevote, nil, &turn)
                applyRules(&turn)
            }
        }
        if isDue(prevoteDeadline) {
            prevoteDeadline = nil
            if step == .prevote {
                // Line 61.
                noteTimeout(.prevote, &turn)
                vote(.precommit, nil, &turn)
                applyRules(&turn)
            }
        }
        if isDue(precommitDeadline) {
            precommitDeadline = nil
            // Line 65.
            noteTimeout(.precommit, &turn)
            if round < ConsensusBounds.roundMax { startRound(round + 1, &turn) }
        }
    }

    private func noteTimeout(_ step: ConsensusStep, _ turn: inout Turn) {
        turn.counters.timeouts += 1
        turn.outputs.append(.event(.timedOut(height: height, round: round, step)))
    }

    // MARK: Blocks

    private mutating func isValid(_ block: Bytes32, _ turn: inout Turn) -> Bool {
        need(block, &turn)
        return verdict(of: block) == .valid
    }

    mutating func know(_ block: Bytes32, _ verdict: BlockVerdict) {
        if let index = blocks.firstIndex(where: { $0.id == block }) {
            if case .awaited = blocks[index].knowledge {
                blocks[index].knowledge = .judged(verdict)
            }
        } else {
            blocks.append((block, .judged(verdict)))
        }
    }

    /// Asks for a block to be judged, and again when so many rounds have brought no answer.
    ///
    /// - Parameter proposed: the round that the block is wanted for; nil: the present one.
    private mutating func need(
        _ block: Bytes32, in proposed: UInt32? = nil, after patience: UInt32 = 2,
        _ turn: inout Turn
    ) {
        let proposed = proposed ?? round
        if let index = blocks.firstIndex(where: { $0.id == block }) {
            guard case .awaited(let since) = blocks[index].knowledge,
                UInt64(since) + UInt64(patience) <= UInt64(proposed)
            else { return }
            blocks[index].knowledge = .awaited(round: proposed)
        } else {
            blocks.append((block, .awaited(round: proposed)))
        }
        turn.outputs.append(.validate(height: height, round: proposed, blockID: block))
    }
}
