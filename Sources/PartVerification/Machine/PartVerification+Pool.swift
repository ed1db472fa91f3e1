import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import DequeModule
import Operations
import OrderedCollections
import Subproof

/// The pool: what it is told, and what it asks for.
extension PartVerification {
    /// - Returns: why the pool made nothing of it; nil when it counted.
    @discardableResult
    mutating func tell(
        _ input: SubproofInput, _ now: Now, _ outputs: inout [PartOutput]
    ) -> SubproofDrop? {
        var said: [SubproofOutput] = []
        pool.handle(input, now: now, into: &said)
        var answer: SubproofDrop?
        for output in said {
            if case .drop(let reason) = output { answer = answer ?? reason }
            perform(output, now, &outputs)
        }
        return answer
    }

    /// Nothing here tells the pool anything: what is known at once becomes an answer, told at the turn's end.
    private mutating func perform(
        _ output: SubproofOutput, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        switch output {
        case .pull(let job, let proof): pull(job, proof, now, &outputs)
        case .verify(let job, let proof): verify(job, proof, &outputs)
        case .cancel(let job): pulls.removeValue(forKey: job)
        case .persist(let row): persist(row, &outputs)
        case .sign(let request, let validator):
            if configuration.fault != .silent {
                gate.request(PartSignRequest(request, as: validator))
            }
        case .publishVote(let vote, let subnet, let isAgain):
            if isAgain {
                votesAgain.append(vote)
            } else {
                totals.votesPublished += 1
                outputs.append(.publish(.votes(subnet: subnet), vote.sszEncoded()))
            }
        case .publishCertificate(let certificate):
            publish(.certificate(certificate), &outputs)
        case .publishEvidence(let evidence): publish(.evidence(evidence), &outputs)
        case .requestCertificates(let operation, let parts):
            requestCertificates(operation, parts, &outputs)
        case .publishCommitteeVote(let vote, let isAgain):
            if isAgain {
                committeeVotesAgain.append(vote)
            } else {
                totals.votesPublished += 1
                publish(.committeeVote(vote), &outputs)
            }
        case .publishFastPath(let certificate): publish(.fastPath(certificate), &outputs)
        case .dispute(let vote): offer(vote, &outputs)
        case .slash(let evidence):
            outputs.append(.accuse(evidence))
            outputs.append(.event(.fault(operation: evidence.operation, evidence.validator)))
            publish(.evidence(evidence), &outputs)
        case .verifyVote(let vote): check(vote, from: .kept, now, &outputs)
        case .mute(let signer): outputs.append(.event(.muted(signer)))
        case .execute(let operation): execute(operation, now, &outputs)
        case .revoke(let enclave): revoke(enclave, &outputs)
        case .noShow(let operation, _, let validators):
            for validator in validators {
                watched[operation]?.silences[validator, default: 0] += 1
            }
        case .accepted, .drop: break
        case .event(let event):
            switch event {
            case .operationCertified: totals.operationsCertified += 1
            case .operationRejected: totals.operationsRejected += 1
            case .fastPathFinal(let operation, let outputHash):
                if watched[operation]?.committed.outputHash == outputHash {
                    totals.operationsCertified += 1
                } else {
                    totals.operationsRejected += 1
                }
            default: break
            }
            outputs.append(.event(.pool(event)))
        }
    }

    private mutating func persist(_ row: SubproofRow, _ outputs: inout [PartOutput]) {
        if row.needsSync {
            if configuration.fault != .silent { gate.intend(row) }
            return
        }
        writes.append(.put(.subproof, key: row.key, value: row.value))
        switch row.content {
        case .certificate(let certificate): offer(certificate, &outputs)
        case .fastPath(let certificate): offer(certificate, &outputs)
        case .voteIntent, .vote, .evidence, .committeeIntent, .committeeVote: break
        }
    }

    private mutating func publish(_ statement: PartStatement, _ outputs: inout [PartOutput]) {
        let bytes = statement.sszEncoded()
        // Who misses it asks for it.
        guard bytes.count <= PartStatement.gossipSizeMax else { return }
        switch statement {
        case .certificate, .fastPath: totals.certificatesPublished += 1
        case .evidence, .committeeVote, .vote: break
        }
        outputs.append(.publish(.certificate, bytes))
    }

    private mutating func requestCertificates(
        _ operation: Bytes32, _ parts: [UInt16], _ outputs: inout [PartOutput]
    ) {
        guard let peer = random.element(of: connected.elements) else { return }
        guard !parts.isEmpty else {
            ask(
                peer, .statements(operation: operation),
                for: .statements(operation: operation, peer, left: PartAnswer.countMax), &outputs)
            return
        }
        ask(
            peer, .certificates(operation: operation, parts: parts),
            for: .certificates(operation: operation, parts: parts, peer, left: parts.count),
            &outputs)
    }

    /// To some peers directly: gossip would take it for a duplicate.
    mutating func sayAgain(_ outputs: inout [PartOutput]) {
        var messages: [PartVotes] = []
        while !votesAgain.isEmpty || !committeeVotesAgain.isEmpty {
            let parts = votesAgain.prefix(PartVotes.partsMax)
            let committees = committeeVotesAgain.prefix(PartVotes.committeesMax)
            if let message = PartVotes(parts: Array(parts), committees: Array(committees)) {
                messages.append(message)
            }
            votesAgain.removeFirst(parts.count)
            committeeVotesAgain.removeFirst(committees.count)
        }
        guard !messages.isEmpty else { return }
        for peer in random.sample(connected.elements, count: configuration.limits.listenersMax) {
            for message in messages { ask(peer, .votes(message), for: .votes, &outputs) }
        }
    }

    // MARK: The store and the signer

    mutating func stored(
        _ id: PartStoreID, _ reply: StoreReply, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard let purpose = stores.removeValue(forKey: id) else { return }
        switch (purpose, reply) {
        case (.floor, .value(let value)): floorRead(value, now, &outputs)
        case (.subproofRows, .rows(let rows, let more)):
            subproofRows(rows, more: more, now, &outputs)
        case (.shelfRows, .rows(let rows, let more)): shelfRows(rows, more: more, now, &outputs)
        case (.floor, _), (.subproofRows, _), (.shelfRows, _):
            mustRestore = true
            retryLater(now)
        case (.intents, _):
            if reply != .written { outputs.append(.event(.signingFailed)) }
            gate.wrote(
                isDone: reply == .written,
                retryAt: now.instant.advanced(by: configuration.waits.retryInterval))
        // What is lost is asked for again; what was signed has its intent.
        case (.rows, _): break
        case (.shelved(let operation), _): shelved(operation, reply, now, &outputs)
        case (.proof(let job, let root), _): proofRead(job, root, reply, now, &outputs)
        case (.served(let id, let root), _): servedProof(id, root, reply, &outputs)
        case (.certificates(let id, let parts), _): servedRows(id, parts, reply, &outputs)
        case (.statements(let id, let answer), _): statementRows(id, answer, reply, &outputs)
        case (.attestation(let root), _): attestationRead(root, reply, &outputs)
        case (.contradiction(let name, let commitment, let root), _):
            contradictionRead(name, commitment, root, reply, &outputs)
        }
    }

    mutating func signed(
        _ parts: [SignedPart], _ now: Now, _ outputs: inout [PartOutput]
    ) {
        let retryAt = now.instant.advanced(by: configuration.waits.retryInterval)
        if !gate.signed(parts, retryAt: retryAt) { outputs.append(.event(.signingFailed)) }
        for part in parts {
            switch part {
            case .vote(let vote): tell(.signed(vote), now, &outputs)
            case .committeeVote(let vote): tell(.committeeSigned(vote), now, &outputs)
            }
        }
    }
}
