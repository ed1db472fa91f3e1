public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections

extension SubproofPool {
    /// What is known of an operation's parts, for a peer that asks or a block.
    ///
    /// - Parameter parts: nil for all.
    public func certificates(of operation: Bytes32, parts: [UInt16]? = nil) -> [SubProofCertificate]
    {
        guard let index = operationIndex(operation) else { return [] }
        let states = operations[index].parts
        guard let parts else { return states.compactMap(\.certificate) }
        return Set(parts).sorted().compactMap { part in
            Int(part) < states.count ? states[Int(part)].certificate : nil
        }
    }

    /// The certificate of a committee.
    public func fastPathCertificate(of operation: Bytes32) -> FastPathCertificate? {
        operationIndex(operation).flatMap { operations[$0].committee?.certificate }
    }

    /// How far an operation's parts are confirmed, in their order; nil for one that is not open.
    public func statuses(of operation: Bytes32) -> [HybridStatus]? {
        operationIndex(operation).map { operations[$0].parts.map(\.status) }
    }

    /// Takes up the certificates that an earlier run wrote.
    mutating func restoreCertificates(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        let operation = operations[index].context.operation
        for certificate in restored where certificate.id.operation == operation {
            let part = Int(certificate.id.part)
            guard part < operations[index].parts.count,
                case let state = operations[index].parts[part], state.id == certificate.id,
                certificate.validatorsRoot == state.rule.validators.root,
                (try? state.rule.check(
                    signers: certificate.signers, tranche: certificate.tranche,
                    accepts: certificate.verdict.isValid)) != nil
            else { continue }
            adopt(certificate, index, part, now, &outputs)
        }
        restored.removeAll { $0.id.operation == operation }
    }

    /// Makes a certificate of our votes, or takes the one that waited, when nothing speaks against it.
    mutating func certify(
        _ index: Int, _ part: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        if let held = operations[index].parts[part].heldCertificate,
            !operations[index].parts[part].isContested
        {
            operations[index].parts[part].heldCertificate = nil
            adopt(held, index, part, now, &outputs)
        }
        guard let certificate = operations[index].parts[part].certificateReady() else { return }
        counters.certificatesMade += 1
        adopt(certificate, index, part, now, &outputs)
        // Everybody who hears the votes makes one. Whom the part asks first says so first.
        let order = operations[index].parts[part].rule.order
        let rank = operations[index].local.flatMap { order.rank(of: $0) }
        let delay = timing.publicationStep * min(rank ?? .max, timing.publicationStepsMax)
        operations[index].parts[part].certificateDueAt = now.advanced(by: delay)
        publishCertificates(index, now, &outputs)
    }

    /// Publishes what is due and was not heard from others.
    mutating func publishCertificates(
        _ index: Int, _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        operations[index].publishAt = nil
        for part in operations[index].parts.indices {
            guard let dueAt = operations[index].parts[part].certificateDueAt else { continue }
            guard dueAt <= now else {
                operations[index].publishAt = earliest(operations[index].publishAt, dueAt)
                continue
            }
            operations[index].parts[part].certificateDueAt = nil
            guard let certificate = operations[index].parts[part].certificate else { continue }
            operations[index].parts[part].certificateSentAt = now
            outputs.append(.publishCertificate(certificate))
        }
    }

    mutating func receive(
        _ certificate: SubProofCertificate, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(certificate.id.operation) else {
            return drop(.unknownOperation, &outputs)
        }
        let part = Int(certificate.id.part)
        guard part < operations[index].parts.count,
            operations[index].parts[part].id == certificate.id
        else { return drop(.otherProof, &outputs) }
        let rule = operations[index].parts[part].rule
        guard certificate.validatorsRoot == rule.validators.root else {
            return drop(.otherValidators, &outputs)
        }
        guard
            (try? rule.check(
                signers: certificate.signers, tranche: certificate.tranche,
                accepts: certificate.verdict.isValid)) != nil
        else { return drop(.noQuorum, &outputs) }
        if let known = operations[index].parts[part].certificate,
            known.tranche <= certificate.tranche,
            known.verdict.isValid == certificate.verdict.isValid
        {
            operations[index].parts[part].certificateDueAt = nil
        }
        let own = operations[index].parts[part].ownVerdict
        if let own, own.isValid != certificate.verdict.isValid {
            for vote in certificate.votes { convict(vote, index, part, now, &outputs) }
        }
        switch adopt(certificate, index, part, now, &outputs) {
        case .first, .overturning, .stronger, .conflicting:
            accept(&outputs)
            counters.certificatesTaken += 1
        case .held: drop(.contested, &outputs)
        case .nothingNew: drop(.certified, &outputs)
        }
        advance(index, part, now, &outputs)
    }

    @discardableResult
    private mutating func adopt(
        _ certificate: SubProofCertificate, _ index: Int, _ part: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) -> PartState.Adopted {
        let before = operations[index].parts[part]
        let adopted = operations[index].parts[part].adopt(certificate)
        voteCount += operations[index].parts[part].votes.count - before.votes.count
        let id = certificate.id
        let isValid = certificate.verdict.isValid
        switch adopted {
        case .held, .nothingNew: return adopted
        case .conflicting:
            accuse(before.certificate!, certificate, index, now, &outputs)
            outputs.append(.event(.conflicting(id)))
            return adopted
        case .overturning: outputs.append(.event(.overturned(id)))
        case .first, .stronger: break
        }
        let height = operations[index].context.height
        outputs.append(.persist(SubproofRow(height: height, content: .certificate(certificate))))
        outputs.append(.event(.certified(id, isValid: isValid, certificate.tranche)))
        if let own = before.ownVerdict, own.isValid != isValid {
            outputs.append(.event(.outvoted(id, own: own)))
        }
        if isValid {
            learn(
                .certified(
                    output: before.context.output, byEveryone: certificate.tranche == .everyone),
                index, part, now, &outputs)
        }
        decide(index, &outputs)
        return adopted
    }

    /// More than a third signed both.
    private mutating func accuse(
        _ one: SubProofCertificate, _ other: SubProofCertificate, _ index: Int,
        _ now: MonotonicInstant, _ outputs: inout [SubproofOutput]
    ) {
        for vote in one.votes {
            guard let second = other.vote(of: vote.validator),
                let pair = VerdictEquivocation(vote, second),
                let key = key(of: vote.validator, index), !signers.isMuted(validator: key, now)
            else { continue }
            slash(.equivocation(pair), index, &outputs)
            mute(.validator(key), now, &outputs)
        }
    }

    /// Says when the operation as a whole is certified, or one of its parts is bad.
    private mutating func decide(_ index: Int, _ outputs: inout [SubproofOutput]) {
        guard !operations[index].isDecided else { return }
        let operation = operations[index].context.operation
        let parts = operations[index].parts
        if let bad = parts.firstIndex(where: { $0.certificate?.verdict.isValid == false }) {
            // Everyone has spoken: what is left of the others would be work for nothing.
            operations[index].isDecided = true
            outputs.append(.event(.operationRejected(operation, part: UInt16(bad))))
            for (job, key) in works where key.operation == operation {
                forget(job, &outputs)
                operations[index].parts[key.part].work = .idle
            }
        } else if !operations[index].wasCertified, parts.allSatisfy({ $0.certificate != nil }) {
            operations[index].wasCertified = true
            outputs.append(.event(.operationCertified(operation)))
        }
    }

    // MARK: Status

    mutating func learn(
        _ fact: StatusFact, _ operation: Bytes32, _ part: UInt16, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        guard let index = operationIndex(operation) else {
            return drop(.unknownOperation, &outputs)
        }
        guard Int(part) < operations[index].parts.count else {
            return drop(.otherProof, &outputs)
        }
        accept(&outputs)
        learn(fact, index, Int(part), now, &outputs)
        advance(index, Int(part), now, &outputs)
    }

    private mutating func learn(
        _ fact: StatusFact, _ index: Int, _ part: Int, _ now: MonotonicInstant,
        _ outputs: inout [SubproofOutput]
    ) {
        let before = operations[index].parts[part].status
        guard operations[index].parts[part].status.add(fact) else { return }
        let after = operations[index].parts[part].status
        let operation = operations[index].context.operation
        let output = operations[index].parts[part].context.output
        let level = after.level(of: output)
        if level != before.level(of: output) || after.isFrozen != before.isFrozen {
            outputs.append(
                .event(
                    .statusChanged(
                        operation: operation, part: UInt16(part), level,
                        isFrozen: after.isFrozen)))
        }
        if after.needsEveryone, !before.needsEveryone {
            outputs.append(.event(.disputed(operation: operation)))
        }
        for enclave in after.revokedEnclaves where !revoked.contains(enclave) {
            if revoked.count >= limits.enclavesMax {
                revoked.removeFirst(max(1, revoked.count / 2))
            }
            revoked.append(enclave)
            outputs.append(.revoke(enclave: enclave))
        }
    }
}
