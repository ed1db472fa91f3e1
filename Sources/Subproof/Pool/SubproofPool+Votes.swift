import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections

/// What others say.
extension SubproofPool {
    /// The cheap half of checking a vote, before a worker is asked for its signature.
    public func precheck(_ vote: SubProofVote) -> SubproofPrecheck {
        switch place(vote.id, vote.content.validatorsRoot) {
        case .failure(.unknownOperation): return .early
        case .failure(let reason): return .drop(reason)
        case .success(let (index, part)):
            // In place: for each of thousands of votes a second a copy would be a tenth of the work.
            guard let validator = operations[index].context.validators[vote.validator] else {
                return .drop(.unknownValidator)
            }
            guard vote.scheme == validator.key.scheme else { return .drop(.otherScheme) }
            switch operations[index].parts[part].judge(vote) {
            case .counted, .noted, .contradiction:
                return .verify(operations[index].parts[part].rule)
            case .duplicate: return .drop(.duplicate)
            case .notAsked: return .drop(.notAsked)
            }
        }
    }

    /// The same for a certificate. What is `early` here is of no operation that is known.
    public func precheck(_ certificate: SubProofCertificate) -> SubproofPrecheck {
        switch place(certificate.id, certificate.validatorsRoot) {
        case .failure(let reason): return .drop(reason)
        case .success(let (index, part)):
            let state = operations[index].parts[part]
            if let known = state.certificate, state.certificateDueAt == nil,
                known.tranche >= certificate.tranche,
                known.verdict.isValid == certificate.verdict.isValid
            {
                return .drop(.certified)
            }
            do throws(CertificateError) {
                try state.rule.check(
                    signers: certificate.signers, tranche: certificate.tranche,
                    accepts: certificate.verdict.isValid)
            } catch {
                return .drop(.noQuorum)
            }
            return .verify(state.rule)
        }
    }

    /// The same for evidence.
    public func precheck(_ evidence: SubProofEvidence) -> SubproofPrecheck {
        guard let index = operationIndex(evidence.operation) else {
            return .drop(.unknownOperation)
        }
        let validators = operations[index].context.validators
        guard validators[evidence.validator] != nil else { return .drop(.unknownValidator) }
        switch evidence {
        case .reject(let evidence): return precheck(claim: evidence.claim)
        case .falseVerdict(let evidence): return precheck(claim: evidence.claim)
        case .equivocation(let pair):
            switch place(pair.valid.id, pair.valid.content.validatorsRoot) {
            case .failure(let reason): return .drop(reason)
            case .success(let (index, part)): return .verify(operations[index].parts[part].rule)
            }
        case .outputEquivocation(let pair):
            guard let committee = operations[index].committee else { return .drop(.otherProof) }
            return precheck(pair.first.content, committee)
        case .falseOutput(let evidence):
            guard let committee = operations[index].committee else { return .drop(.otherProof) }
            let check: Void? = try? committee.rule.check(
                signers: evidence.certificate.signers, tranche: .everyone, accepts: true)
            guard check != nil else { return .drop(.noQuorum) }
            return precheck(evidence.vote.content, committee)
        }
    }

    private func precheck(
        _ content: CommitteeVoteContent, _ committee: CommitteeState
    ) -> SubproofPrecheck {
        guard content.commitment == committee.context.commitment else { return .drop(.otherProof) }
        guard content.validatorsRoot == committee.rule.validators.root else {
            return .drop(.otherValidators)
        }
        return .verify(committee.rule)
    }

    private func precheck(claim: VoteOnProof) -> SubproofPrecheck {
        switch place(claim.vote.id, claim.vote.content.validatorsRoot) {
        case .failure(let reason): return .drop(reason)
        case .success(let (index, part)):
            let state = operations[index].parts[part]
            guard claim.proofType == state.context.proofType,
                claim.proofSize == state.context.proofSize
            else { return .drop(.otherProof) }
            return .verify(state.rule)
        }
    }

    /// Where a message belongs.
    private func place(
        _ id: SubProofID, _ validatorsRoot: Bytes32
    ) -> Result<(Int, Int), SubproofDrop> {
        guard let index = operationIndex(id.operation) else { return .failure(.unknownOperation) }
        let part = Int(id.part)
        guard part < operations[index].parts.count, operations[index].parts[part].id == id else {
            return .failure(.otherProof)
        }
        guard operations[index].context.validators.root == validatorsRoot else {
            return .failure(.otherValidators)
        }
        return .success((index, part))
    }

    // MARK: Votes

    mutating func receive(
        _ vote: SubProofVote, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        switch place(vote.id, vote.content.validatorsRoot) {
        case .failure(let reason): drop(reason, &outputs)
        case .success(let (index, part)): receive(vote, index, part, now, &outputs)
        }
    }

    private mutating func receive(
        _ vote: SubProofVote, _ index: Int, _ part: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let key = key(of: vote.validator, index) else {
            return drop(.unknownValidator, &outputs)
        }
        // Who is asked in any case is heard in any case: a third that rejects everything cannot crowd out
        // the others.
        guard
            voteCount < limits.votesMax
                || operations[index].parts[part].rule.order.isAsked(
                    vote.validator, in: min(operations[index].parts[part].tranche, .second))
        else { return drop(.memory, &outputs) }
        let own = operations[index].parts[part].ownVerdict
        let isMuted = signers.isMuted(validator: key, now)
        // A reject that our own verifier contradicts sends nobody anywhere.
        let stands = !vote.verdict.isValid && !isMuted && own != .valid
        let wasContested = operations[index].parts[part].isContested
        let before = operations[index].parts[part].votes.count
        let recorded = operations[index].parts[part].record(vote, stands: stands)
        voteCount += operations[index].parts[part].votes.count - before
        switch recorded {
        case .duplicate:
            drop(.duplicate, &outputs)
            // Whoever says it again has not heard that it is over.
            sendCertificateAgain(index, part, now, &outputs)
        case .notAsked: drop(.notAsked, &outputs)
        case .noted: accept(&outputs)
        case .contradiction(let pair):
            drop(.equivocation, &outputs)
            if !isMuted {
                slash(.equivocation(pair), index, &outputs)
                mute(.validator(key), now, &outputs)
            }
        case .counted:
            accept(&outputs)
            if let own, own.isValid != vote.verdict.isValid {
                convict(vote, index, part, now, &outputs)
            }
            if stands, !wasContested {
                outputs.append(.event(.contested(vote.id)))
                publishEvidence(vote, index, part, &outputs)
            }
            advance(index, part, now, &outputs)
        }
    }

    /// Tells everybody, once, and not only those who listen to the part's subnet.
    mutating func publishEvidence(
        _ vote: SubProofVote, _ index: Int, _ part: Int, _ outputs: inout [SubproofOutput]
    ) {
        let state = operations[index].parts[part]
        guard !vote.verdict.isValid, !state.hasEvidence else { return }
        operations[index].parts[part].hasEvidence = true
        let claim = VoteOnProof(
            vote: vote, proofType: state.context.proofType, proofSize: state.context.proofSize)
        let evidence = SubProofEvidence.reject(RejectEvidence(claim!)!)
        let height = operations[index].context.height
        outputs.append(.persist(SubproofRow(height: height, content: .evidence(evidence))))
        outputs.append(.publishEvidence(evidence))
    }

    private mutating func sendCertificateAgain(
        _ index: Int, _ part: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        let state = operations[index].parts[part]
        guard let certificate = state.certificate,
            state.certificateSentAt.map({ $0.advanced(by: timing.resendInterval) <= now }) ?? true
        else { return }
        operations[index].parts[part].certificateSentAt = now
        outputs.append(.publishCertificate(certificate))
    }

    // MARK: Evidence

    mutating func receive(
        _ evidence: SubProofEvidence, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard case .verify = precheck(evidence), let index = operationIndex(evidence.operation)
        else { return drop(.unfounded, &outputs) }
        switch evidence {
        case .reject(let evidence):
            let vote = evidence.claim.vote
            operations[index].parts[Int(vote.id.part)].hasEvidence = true
            receive(vote, index, Int(vote.id.part), now, &outputs)
        case .falseVerdict(let evidence):
            // Whether the vote is false only our own verifier can tell us. If it did, and says so, the
            // culprit is known already.
            let vote = evidence.claim.vote
            let own = operations[index].parts[Int(vote.id.part)].ownVerdict
            guard let own, own.isValid != vote.verdict.isValid else {
                return drop(.unfounded, &outputs)
            }
            receive(vote, index, Int(vote.id.part), now, &outputs)
        case .equivocation(let pair):
            convict(pair.valid.validator, evidence, index, now, &outputs)
        case .outputEquivocation(let pair):
            convict(pair.first.validator, evidence, index, now, &outputs)
        case .falseOutput(let found):
            convict(found.vote.validator, evidence, index, now, &outputs)
        }
    }

    /// Evidence that speaks for itself. One fault of a validator is enough.
    private mutating func convict(
        _ validator: ValidatorIndex, _ evidence: SubProofEvidence, _ index: Int,
        _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        guard let key = key(of: validator, index), !signers.isMuted(validator: key, now) else {
            return drop(.duplicate, &outputs)
        }
        accept(&outputs)
        slash(evidence, index, &outputs)
        mute(.validator(key), now, &outputs)
    }
}
