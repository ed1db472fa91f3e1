import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import Subproof

/// What others say: read, judged cheaply, checked by a worker, handed to the pool. Each message gets one verdict.
extension PartVerification {
    mutating func heard(
        _ id: PartMessageID, _ topic: PartTopic, _ bytes: [UInt8], _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        let origin = MessageOrigin.gossip(id)
        switch topic {
        case .votes(let subnet):
            guard bytes.count <= SubProofVote.encodedSizeMax,
                let vote = try? SubProofVote(ssz: bytes.span), vote.id.subnet == subnet
            else { return reject(origin, "a vote that is none", &outputs) }
            totals.votesReceived += 1
            check(vote, from: origin, now, &outputs)
        case .certificate:
            guard bytes.count <= PartStatement.gossipSizeMax,
                let statement = try? PartStatement(ssz: bytes.span)
            else { return reject(origin, "a statement that is none", &outputs) }
            // They have topics of their own, so that a part's votes go to who listens to its subnet.
            if case .vote = statement {
                return reject(origin, "a vote on the topic of statements", &outputs)
            }
            check(statement, from: origin, &outputs)
        case .attestation: heardAttestation(id, bytes, &outputs)
        }
    }

    mutating func check(
        _ vote: SubProofVote, from origin: MessageOrigin, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard phase == .running else { return ignore(origin, &outputs) }
        switch pool.precheck(vote) {
        case .drop(let reason): answer(origin, reason, &outputs)
        case .early:
            // Of an operation that the chain has not closed yet: its commitment may be on its way here.
            if origin != .kept, isExpected(vote.id.operation) {
                tell(.voteEarly(vote), now, &outputs)
            }
            ignore(origin, &outputs)
        case .verify(let rule):
            let check = PartJob.Check(message: vote, rule: rule, origin: origin)
            if !checks.add(check) { ignore(origin, &outputs) }
        }
    }

    /// Whether an operation may still be opened. Of what has ended, or nobody has asked for, no votes are kept; a
    /// chain that is behind by a block knows the request already.
    private func isExpected(_ operation: Bytes32) -> Bool {
        head.operations.operations[operation] != nil
    }

    mutating func check(
        _ statement: PartStatement, from origin: MessageOrigin, _ outputs: inout [PartOutput]
    ) {
        guard phase == .running else { return ignore(origin, &outputs) }
        let precheck =
            switch statement {
            case .certificate(let certificate): pool.precheck(certificate)
            case .fastPath(let certificate): pool.precheck(certificate)
            case .evidence(let evidence): pool.precheck(evidence)
            case .committeeVote(let vote): pool.precheck(vote)
            case .vote(let vote): pool.precheck(vote)
            }
        switch precheck {
        case .drop(let reason): answer(origin, reason, &outputs)
        // It is asked for when the operation is open.
        case .early: ignore(origin, &outputs)
        case .verify(let rule):
            let check = PartJob.Check(message: statement, rule: rule, origin: origin)
            if !checks.add(check) { ignore(origin, &outputs) }
        }
    }

    // MARK: Workers' findings

    mutating func finished(
        _ result: PartJobResult, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        switch result.finding {
        case .ordered(let name, let commitment, let context):
            ordered(name, commitment, context, now, &outputs)
        case .prepared(let name, let commitment, let result):
            finishedPreparing(name, commitment, result, now, &outputs)
        case .verified(let job, let id, let outcome, let elapsed):
            verified(job, id, outcome, elapsed, now, &outputs)
        case .votes(let votes):
            checks.finishedVotes()
            for checked in votes { hand(checked, now, &outputs) }
        case .statement(let checked, let origin):
            checks.finishedStatement()
            guard let checked else {
                return reject(origin, "a statement with bad signatures", &outputs)
            }
            switch checked {
            case .certificate, .fastPath: totals.certificatesReceived += 1
            case .committeeVote: totals.votesReceived += 1
            case .evidence, .vote: break
            }
            let reason = tell(checked.input, now, &outputs)
            answer(origin, reason, &outputs)
        case .attestation(let check, let root, let result):
            checkedAttestation(check, root, result, now, &outputs)
        }
    }

    private mutating func hand(
        _ checked: CheckedVote, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard let vote = checked.vote else {
            return reject(checked.origin, "a vote with a bad signature", &outputs)
        }
        let reason = tell(.voteReceived(vote), now, &outputs)
        answer(checked.origin, reason, &outputs)
    }

    // MARK: Answers

    /// - Parameter reason: nil when it counted.
    private func answer(
        _ origin: MessageOrigin, _ reason: SubproofDrop?, _ outputs: inout [PartOutput]
    ) {
        guard let reason else {
            if case .gossip(let id) = origin { outputs.append(.verdict(id, .accept)) }
            return
        }
        // Of another commitment to the operation: who says it may be a block ahead, or behind.
        if reason.isFault, reason != .otherProof {
            reject(origin, "a statement on parts: \(reason)", &outputs)
        } else {
            ignore(origin, &outputs)
        }
    }

    func ignore(_ origin: MessageOrigin, _ outputs: inout [PartOutput]) {
        if case .gossip(let id) = origin { outputs.append(.verdict(id, .ignore)) }
    }

    func reject(_ origin: MessageOrigin, _ reason: String, _ outputs: inout [PartOutput]) {
        switch origin {
        case .gossip(let id): outputs.append(.verdict(id, .reject))
        case .peer(let peer): outputs.append(.penalize(peer, reason))
        case .kept, .own: break
        }
    }

    // MARK: What was asked for

    mutating func statementReceived(
        _ id: PartRequestID, _ statement: PartStatement, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard case .statements(let operation, let peer, let left)? = requests[id] else { return }
        guard left > 0, statement.operation == operation else {
            return outputs.append(.penalize(peer, "a statement that was not asked for"))
        }
        requests[id] = .statements(operation: operation, peer, left: left - 1)
        if case .vote(let vote) = statement {
            totals.votesReceived += 1
            check(vote, from: .peer(peer), now, &outputs)
        } else {
            check(statement, from: .peer(peer), &outputs)
        }
    }

    mutating func certificateReceived(
        _ id: PartRequestID, _ certificate: SubProofCertificate, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard case .certificates(let operation, let parts, let peer, let left)? = requests[id]
        else { return }
        guard left > 0, certificate.id.operation == operation, parts.contains(certificate.id.part)
        else { return outputs.append(.penalize(peer, "a certificate that was not asked for")) }
        requests[id] = .certificates(
            operation: operation, parts: parts, peer, left: left - 1)
        check(.certificate(certificate), from: .peer(peer), &outputs)
    }
}
