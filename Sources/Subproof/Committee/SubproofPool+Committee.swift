import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections

/// Operations that no proof system fits.
extension SubproofPool {
    /// The cheap half of checking a committee's vote.
    public func precheck(_ vote: CommitteeVote) -> SubproofPrecheck {
        guard let index = operationIndex(vote.operation) else { return .drop(.unknownOperation) }
        guard let committee = operations[index].committee else { return .drop(.otherProof) }
        guard vote.content.commitment == committee.context.commitment else {
            return .drop(.otherProof)
        }
        guard vote.content.validatorsRoot == committee.rule.validators.root else {
            return .drop(.otherValidators)
        }
        guard let validator = committee.rule.validators[vote.validator] else {
            return .drop(.unknownValidator)
        }
        guard vote.scheme == validator.key.scheme else { return .drop(.otherScheme) }
        switch committee.judge(vote) {
        case .counted, .contradiction: return .verify(committee.rule)
        case .duplicate: return .drop(.duplicate)
        case .notAsked: return .drop(.notAsked)
        case .over: return .drop(.certified)
        }
    }

    /// The same for its certificate.
    public func precheck(_ certificate: FastPathCertificate) -> SubproofPrecheck {
        guard let index = operationIndex(certificate.operation) else {
            return .drop(.unknownOperation)
        }
        guard let committee = operations[index].committee else { return .drop(.otherProof) }
        guard certificate.content.commitment == committee.context.commitment else {
            return .drop(.otherProof)
        }
        guard certificate.content.validatorsRoot == committee.rule.validators.root else {
            return .drop(.otherValidators)
        }
        if let known = committee.certificate, known.tranche >= certificate.tranche {
            return .drop(.certified)
        }
        let check: Void? = try? committee.rule.check(
            signers: certificate.signers, tranche: certificate.tranche, accepts: true)
        return check == nil ? .drop(.noQuorum) : .verify(committee.rule)
    }

    /// Brings an operation up to date with what was learnt about it.
    mutating func advanceCommittee(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        certifyCommittee(index, now, &outputs)
        guard let committee = operations[index].committee, committee.phase != .final,
            let local = operations[index].local,
            committee.rule.order.isAsked(local, in: committee.asked)
        else { return }
        if !committee.hasExecuted, !committee.isExecuting {
            operations[index].committee?.isExecuting = true
            outputs.append(.execute(operation: committee.context.operation))
        }
        sign(index, now, &outputs)
    }

    private mutating func certifyCommittee(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let committee = operations[index].committee, committee.phase != .final else {
            return
        }
        // Less than everyone can only say that the executor was right; everyone, what most of them say.
        let candidates = [committee.context.outputHash, committee.leadingOutput]
        for case let output? in candidates {
            guard let certificate = committee.certificateReady(for: output),
                certificate.tranche == .everyone || output == committee.context.outputHash
            else { continue }
            counters.certificatesMade += 1
            // All who hear the votes make one, and a few are enough to tell the others.
            let rank = operations[index].local.flatMap { committee.rule.order.rank(of: $0) }
            if let rank, rank < 16 { outputs.append(.publishFastPath(certificate)) }
            _ = adopt(certificate, index, now, &outputs)
            return
        }
    }

    mutating func receive(
        _ certificate: FastPathCertificate, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        switch precheck(certificate) {
        case .drop(let reason): return drop(reason, &outputs)
        case .early: return drop(.unknownOperation, &outputs)
        case .verify: break
        }
        guard let index = operationIndex(certificate.operation),
            adopt(certificate, index, now, &outputs)
        else { return drop(.contested, &outputs) }
        accept(&outputs)
        counters.certificatesTaken += 1
    }

    private mutating func adopt(
        _ certificate: FastPathCertificate, _ index: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) -> Bool {
        let finalAt = now.advanced(by: timing.challengeInterval)
        let earlier = operations[index].committee?.certificate
        guard operations[index].committee?.adopt(certificate, finalAt: finalAt) == true else {
            return false
        }
        let context = operations[index].context
        let output = certificate.content.outputHash
        outputs.append(
            .persist(SubproofRow(height: context.height, content: .fastPath(certificate))))
        outputs.append(
            .event(
                .justified(
                    operation: context.operation, outputHash: output, certificate.tranche)))
        guard certificate.tranche == .everyone else { return true }
        outputs.append(
            .event(.fastPathFinal(operation: context.operation, outputHash: output)))
        for evidence in operations[index].committee?.contradicted(besides: earlier) ?? [] {
            guard let key = key(of: evidence.vote.validator, index),
                !signers.isMuted(validator: key, now)
            else { continue }
            slash(.falseOutput(evidence), index, &outputs)
            mute(.validator(key), now, &outputs)
        }
        return true
    }

    /// Takes up the certificate that an earlier run wrote.
    mutating func restoreFastPath(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        let operation = operations[index].context.operation
        for certificate in restoredFastPaths where certificate.operation == operation {
            guard case .verify = precheck(certificate) else { continue }
            _ = adopt(certificate, index, now, &outputs)
        }
        restoredFastPaths.removeAll { $0.operation == operation }
    }

    /// Nobody has named another output while it could be.
    mutating func endChallenge(_ index: Int, _ outputs: inout [SubproofOutput]) {
        guard let certificate = operations[index].committee?.certificate else { return }
        operations[index].committee?.end()
        outputs.append(
            .event(
                .fastPathFinal(
                    operation: certificate.operation,
                    outputHash: certificate.content.outputHash)))
    }

    mutating func receive(
        _ vote: CommitteeVote, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(vote.operation) else {
            return drop(.unknownOperation, &outputs)
        }
        guard let committee = operations[index].committee,
            vote.content.commitment == committee.context.commitment
        else { return drop(.otherProof, &outputs) }
        guard vote.content.validatorsRoot == committee.rule.validators.root else {
            return drop(.otherValidators, &outputs)
        }
        guard let key = key(of: vote.validator, index) else {
            return drop(.unknownValidator, &outputs)
        }
        guard
            voteCount < limits.votesMax
                || committee.rule.order.isAsked(vote.validator, in: .second)
        else { return drop(.memory, &outputs) }
        let isMuted = signers.isMuted(validator: key, now)
        let wasDisputed = committee.isDisputed
        // Another output sends everybody to work, so one validator's word does it a few times only.
        let stands =
            !isMuted
            && (!committee.dissents(vote) || signers.charge(rejecter: key, now) == nil)
        let recorded = operations[index].committee?.record(vote, stands: stands)
        switch recorded {
        case .counted:
            voteCount += 1
            accept(&outputs)
            if !wasDisputed, operations[index].committee?.isDisputed == true {
                outputs.append(.event(.disputed(operation: vote.operation)))
            }
            if stands { dispute(vote, index, &outputs) }
            advanceCommittee(index, now, &outputs)
        case .duplicate, nil: drop(.duplicate, &outputs)
        case .notAsked: drop(.notAsked, &outputs)
        case .over: drop(.certified, &outputs)
        case .contradiction(let pair):
            drop(.equivocation, &outputs)
            guard !isMuted else { return }
            slash(.outputEquivocation(pair), index, &outputs)
            mute(.validator(key), now, &outputs)
        }
    }

    /// Tells the chain that somebody has found another output than the executor.
    private mutating func dispute(
        _ vote: CommitteeVote, _ index: Int, _ outputs: inout [SubproofOutput]
    ) {
        guard vote.outputHash != operations[index].context.outputHash,
            operations[index].committee?.hasDisputed == false
        else { return }
        operations[index].committee?.hasDisputed = true
        outputs.append(.dispute(vote))
    }

    /// The chain says so.
    mutating func disputed(
        _ operation: Bytes32, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(operation),
            let wasDisputed = operations[index].committee?.isDisputed,
            operations[index].committee?.dispute() == true
        else { return drop(.duplicate, &outputs) }
        accept(&outputs)
        if !wasDisputed { outputs.append(.event(.disputed(operation: operation))) }
        advanceCommittee(index, now, &outputs)
    }

    // MARK: Our part in it

    mutating func executed(
        _ operation: Bytes32, _ outputHash: Bytes32?, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(operation), let committee = operations[index].committee,
            !committee.hasExecuted
        else { return drop(.late, &outputs) }
        accept(&outputs)
        operations[index].committee?.isExecuting = false
        operations[index].committee?.hasExecuted = true
        operations[index].committee?.ownOutput = outputHash
        advanceCommittee(index, now, &outputs)
    }

    private mutating func sign(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let committee = operations[index].committee, let output = committee.ownOutput,
            !committee.isSigning, let local = operations[index].local
        else { return }
        let context = operations[index].context
        let content = CommitteeVoteContent(
            operation: context.operation, commitment: context.commitment,
            validatorsRoot: context.validators.root, outputHash: output)
        operations[index].committee?.isSigning = true
        switch verdicts.decide(.committee(content), height: context.height) {
        case .sign:
            verdicts.intend(
                .committee(content), height: context.height, .committeeVote(content))
            outputs.append(
                .persist(
                    SubproofRow(height: context.height, content: .committeeIntent(content))))
            outputs.append(.sign(.committeeVote(content), local))
        case .resume(let entry):
            if let vote = entry.committeeVote {
                hear(own: vote, index, now, &outputs)
            } else {
                outputs.append(.sign(entry.request, local))
            }
        case .refuse: counters.abstentions += 1
        }
    }

    mutating func signed(
        _ vote: CommitteeVote, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(vote.operation),
            vote.validator == operations[index].local,
            let committee = operations[index].committee, committee.ownVote == nil,
            let entry = verdicts.entry(.committee(vote.content)),
            entry.request == .committeeVote(vote.content)
        else { return drop(.late, &outputs) }
        accept(&outputs)
        verdicts.signed(.committee(vote.content), vote)
        let height = operations[index].context.height
        outputs.append(.persist(SubproofRow(height: height, content: .committeeVote(vote))))
        hear(own: vote, index, now, &outputs)
    }

    private mutating func hear(
        own vote: CommitteeVote, _ index: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        operations[index].committee?.ownVote = vote
        outputs.append(.publishCommitteeVote(vote, isAgain: false))
        if case .counted = operations[index].committee?.record(vote, stands: true) {
            voteCount += 1
        }
        dispute(vote, index, &outputs)
        certifyCommittee(index, now, &outputs)
    }
}
