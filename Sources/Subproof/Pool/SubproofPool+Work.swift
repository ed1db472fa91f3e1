import ChoraleBase
import ChoraleTypes
import OrderedCollections

/// Our own share: which proofs are fetched and verified, and when.
extension SubproofPool {
    /// Brings one part up to date with what was learnt about it: its certificate, our work on it, our vote.
    mutating func advance(
        _ index: Int, _ part: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        certify(index, part, now, &outputs)
        plan(index, part, &outputs)
        speak(index, part, now, &outputs)
    }

    /// Decides whether the part's proof is verified here.
    private mutating func plan(
        _ index: Int, _ part: Int, _ outputs: inout [SubproofOutput]
    ) {
        guard let local = operations[index].local else { return }
        let state = operations[index].parts[part]
        // Those of the first tranche verify even what is certified without them: a third of them was not
        // heard, and may know better.
        let isWanted =
            if state.certificate?.tranche == .everyone || operations[index].isDecided {
                false
            } else if state.certificate != nil, !state.isContested {
                state.rule.order.isAsked(local, in: .first)
            } else {
                state.isAsked(local)
            }
        let key = PartKey(operation: state.id.operation, part: part)
        switch state.work {
        case .idle, .queued:
            guard isWanted, state.ownVerdict == nil else {
                operations[index].parts[part].work = .idle
                return
            }
            operations[index].parts[part].work = .queued
            queue.add(key, to: lane(of: state, local))
        case .pulling(let job), .verifying(let job):
            guard !isWanted else { return }
            forget(job, &outputs)
            operations[index].parts[part].work = .idle
        case .waiting:
            if !isWanted { operations[index].parts[part].work = .idle }
        case .shunned:
            guard isWanted, state.isContested else { return }
            operations[index].parts[part].work = .queued
            queue.add(key, to: lane(of: state, local))
        case .done, .abstained: break
        }
    }

    private func lane(of state: PartState, _ local: ValidatorIndex) -> WorkQueue.Lane {
        if state.rule.order.isAsked(local, in: .first) { return .own }
        // Whom silence has reached is asked whatever anybody says, and waits for nobody's budget.
        return state.rule.order.isAsked(local, in: state.tranche) ? .widened : .contested
    }

    /// Starts as much as the limits allow.
    mutating func startWork(_ now: MonotonicInstant, _ outputs: inout [SubproofOutput]) {
        guard queue.count > 0 else { return }
        budgetAt = nil
        var postponed: [(PartKey, WorkQueue.Lane)] = []
        // Whose budget is used up waits without holding up the others; looking at a few is enough.
        while works.count < limits.worksMax, postponed.count < 64, let (key, lane) = queue.take() {
            guard let index = operationIndex(key.operation), let local = operations[index].local,
                operations[index].parts[key.part].work == .queued
            else { continue }
            let state = operations[index].parts[key.part]
            let due = self.lane(of: state, local)
            guard due == lane else {
                queue.add(key, to: due)
                continue
            }
            guard workSize + state.context.proofSize <= limits.workSizeMax || works.isEmpty else {
                postponed.append((key, lane))
                break
            }
            if !state.isContested, signers.isMuted(prover: state.context.prover, now) {
                abstain(index, key.part, .proverMuted, &outputs)
                continue
            }
            if let readyAt = charge(index, state, lane, now) {
                budgetAt = earliest(budgetAt, readyAt)
                postponed.append((key, lane))
                continue
            }
            start(index, key, &outputs)
        }
        for (key, lane) in postponed { queue.add(key, to: lane) }
    }

    /// When the work may be done; nil: at once.
    private mutating func charge(
        _ index: Int, _ state: PartState, _ lane: WorkQueue.Lane, _ now: MonotonicInstant
    ) -> MonotonicInstant? {
        guard lane == .contested else {
            return signers.charge(prover: state.context.prover, now)
        }
        // One of those who reject must have a budget left. A disputed status is nobody's.
        var readyAt: MonotonicInstant?
        for rejecter in state.standing {
            guard let key = key(of: rejecter, index) else { continue }
            guard let later = signers.charge(rejecter: key, now) else { return nil }
            readyAt = earliest(readyAt, later)
        }
        return readyAt
    }

    private mutating func start(
        _ index: Int, _ key: PartKey, _ outputs: inout [SubproofOutput]
    ) {
        lastJob += 1
        let job = SubproofJobID(rawValue: lastJob)
        works[job] = key
        workSize += operations[index].parts[key.part].context.proofSize
        operations[index].parts[key.part].work = .pulling(job)
        outputs.append(.pull(job, proofJob(index, key.part)))
    }

    private func proofJob(_ index: Int, _ part: Int) -> ProofJob {
        let state = operations[index].parts[part]
        return ProofJob(
            id: state.id, context: state.context, height: operations[index].context.height)
    }

    mutating func bodyArrived(_ job: SubproofJobID, _ outputs: inout [SubproofOutput]) {
        guard let key = works[job], let index = operationIndex(key.operation),
            operations[index].parts[key.part].work == .pulling(job)
        else { return drop(.late, &outputs) }
        accept(&outputs)
        operations[index].parts[key.part].work = .verifying(job)
        counters.verifications += 1
        if operations[index].parts[key.part].isContested {
            counters.verificationsContested += 1
        }
        outputs.append(.verify(job, proofJob(index, key.part)))
    }

    mutating func bodyMissing(
        _ job: SubproofJobID, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let key = works[job], let index = operationIndex(key.operation),
            operations[index].parts[key.part].work == .pulling(job)
        else { return drop(.late, &outputs) }
        accept(&outputs)
        release(job)
        let retryAt = now.advanced(by: timing.retryInterval)
        operations[index].parts[key.part].work = .waiting(until: retryAt)
        operations[index].retryAt = earliest(operations[index].retryAt, retryAt)
    }

    mutating func proofVerified(
        _ job: SubproofJobID, _ outcome: ProofOutcome, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let key = works[job], let index = operationIndex(key.operation),
            operations[index].parts[key.part].work == .verifying(job)
        else { return drop(.late, &outputs) }
        accept(&outputs)
        release(job)
        switch outcome {
        case .unsupported: return abstain(index, key.part, .unsupported, &outputs)
        case .valid:
            operations[index].parts[key.part].ownVerdict = .valid
            counters.verdictsValid += 1
        case .invalid(let reason):
            operations[index].parts[key.part].ownVerdict = .reject(reason)
            counters.verdictsReject += 1
            mute(.prover(operations[index].parts[key.part].context.prover), now, &outputs)
        }
        operations[index].parts[key.part].work = .done
        judgeVoters(index, key.part, now, &outputs)
        advance(index, key.part, now, &outputs)
    }

    /// Whoever said otherwise than our verifier is to be slashed, and not listened to.
    private mutating func judgeVoters(
        _ index: Int, _ part: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        let state = operations[index].parts[part]
        for rejecter in state.standing where !state.ownVerdict!.isValid {
            if let key = key(of: rejecter, index) { signers.restore(rejecter: key) }
        }
        for vote in state.contradicted { convict(vote, index, part, now, &outputs) }
    }

    /// One fault of a validator is enough.
    ///
    /// - Precondition: our verifier found otherwise than the vote says.
    mutating func convict(
        _ vote: SubProofVote, _ index: Int, _ part: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let culprit = key(of: vote.validator, index),
            !signers.isMuted(validator: culprit, now)
        else {
            _ = operations[index].parts[part].dismiss(vote.validator)
            return
        }
        let context = operations[index].parts[part].context
        let claim = VoteOnProof(
            vote: vote, proofType: context.proofType, proofSize: context.proofSize)
        slash(.falseVerdict(FalseVerdictEvidence(claim!)), index, &outputs)
        mute(.validator(culprit), now, &outputs)
    }

    mutating func slash(
        _ evidence: SubProofEvidence, _ index: Int, _ outputs: inout [SubproofOutput]
    ) {
        counters.evidenceFound += 1
        let height = operations[index].context.height
        outputs.append(.persist(SubproofRow(height: height, content: .evidence(evidence))))
        outputs.append(.slash(evidence))
    }

    mutating func mute(
        _ signer: SubproofSigner, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        let end = now.advanced(by: timing.muteInterval)
        guard signers.mute(signer, until: end, now) else { return }
        counters.signersMuted += 1
        outputs.append(.mute(signer))
        guard case .validator(let key) = signer else { return }
        // What it alone rejects is not contested any more.
        for index in operations.indices {
            guard let voter = operations[index].context.validators.index(of: key) else { continue }
            for part in operations[index].parts.indices
            where operations[index].parts[part].dismiss(voter) {
                advance(index, part, now, &outputs)
            }
            operations[index].committee?.dismiss(voter)
        }
    }

    private mutating func abstain(
        _ index: Int, _ part: Int, _ reason: AbstainReason, _ outputs: inout [SubproofOutput]
    ) {
        operations[index].parts[part].work = reason == .proverMuted ? .shunned : .abstained
        counters.abstentions += 1
        outputs.append(.event(.abstained(operations[index].parts[part].id, reason)))
    }

    private mutating func release(_ job: SubproofJobID) {
        guard let key = works.removeValue(forKey: job), let index = operationIndex(key.operation)
        else { return }
        workSize -= operations[index].parts[key.part].context.proofSize
    }

    mutating func forget(_ job: SubproofJobID, _ outputs: inout [SubproofOutput]) {
        release(job)
        outputs.append(.cancel(job))
    }

    // MARK: Our vote

    /// Signs our verdict when it counts: once it is asked for, or when it is that the proof is bad.
    private mutating func speak(
        _ index: Int, _ part: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let local = operations[index].local else { return }
        let state = operations[index].parts[part]
        guard let verdict = state.ownVerdict, !state.isSigning,
            state.isAsked(local) || !verdict.isValid
        else { return }
        let content = SubProofVoteContent(
            id: state.id, validatorsRoot: state.rule.validators.root, verdict: verdict)
        let height = operations[index].context.height
        operations[index].parts[part].isSigning = true
        switch verdicts.decide(.part(state.id), height: height) {
        case .sign:
            verdicts.intend(.part(state.id), height: height, .vote(content))
            outputs.append(.persist(SubproofRow(height: height, content: .voteIntent(content))))
            outputs.append(.sign(.vote(content), local))
        case .resume(let entry):
            if let vote = entry.vote {
                hear(own: vote, index, part, now, &outputs)
            } else {
                outputs.append(.sign(entry.request, local))
            }
        case .refuse: abstain(index, part, .signingFloor, &outputs)
        }
    }

    mutating func signed(
        _ vote: SubProofVote, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(vote.id.operation),
            operations[index].parts.indices.contains(Int(vote.id.part)),
            vote.validator == operations[index].local,
            case let part = Int(vote.id.part), operations[index].parts[part].id == vote.id,
            operations[index].parts[part].ownVote == nil,
            let entry = verdicts.entry(.part(vote.id)), entry.request == .vote(vote.content)
        else { return drop(.late, &outputs) }
        accept(&outputs)
        verdicts.signed(.part(vote.id), vote)
        let height = operations[index].context.height
        outputs.append(.persist(SubproofRow(height: height, content: .vote(vote))))
        hear(own: vote, index, part, now, &outputs)
    }

    /// Publishes and counts our own vote.
    private mutating func hear(
        own vote: SubProofVote, _ index: Int, _ part: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        operations[index].parts[part].ownVote = vote
        outputs.append(.publishVote(vote, subnet: vote.id.subnet, isAgain: false))
        publishEvidence(vote, index, part, &outputs)
        let before = operations[index].parts[part].votes.count
        _ = operations[index].parts[part].record(vote, stands: true)
        voteCount += operations[index].parts[part].votes.count - before
        certify(index, part, now, &outputs)
    }
}
