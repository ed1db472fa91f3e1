import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import Subproof

/// Proofs that the pool wants: with their operation's bodies, from the shelf or from peers.
extension PartVerification {
    mutating func pull(
        _ job: SubproofJobID, _ proof: ProofJob, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        let part = Int(proof.id.part)
        guard let operation = watched[proof.id.operation], part < operation.proofs.count else {
            answers.append(.bodyMissing(job))
            return
        }
        let executor = PublicKey.ed25519(operation.committed.executor).peerID
        let begin = now.instant
        pulls[job] = ProofPull(
            job: job, operation: proof.id.operation, part: part, reference: operation.proofs[part],
            executor: executor == configuration.localPeer ? nil : executor,
            givesUpAt: begin.advanced(by: configuration.waits.pullInterval), othersAt: begin)
        gather(proof.id.operation, &outputs)
        proceed(proof.id.operation, now, &outputs)
    }

    /// Lets an operation's pulls go as far as its bodies allow.
    mutating func proceed(
        _ name: Bytes32, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard let preparation = watched[name]?.preparation else { return }
        if watched[name]?.isExecuting == true { answerExecution(name, preparation, now) }
        for (job, pull) in pulls where pull.operation == name && pull.stage == .bodies {
            switch preparation {
            case .ready:
                pulls[job]?.stage = .shelf
                if shelf.has(pull.reference.root) {
                    let root = pull.reference.root
                    store(
                        .get(.proof, key: ProofShelf.bodyKey(root)), for: .proof(job, root: root),
                        &outputs)
                } else {
                    beginAsking(job, now, &outputs)
                }
            // Their proofs change nothing.
            case .unsupported, .faulty:
                pulls[job]?.stage = .here([])
                answers.append(.bodyArrived(job))
            case .gathering(_, isReading: true), .working: break
            // Missing, or others' turn: the pool comes back.
            case .idle, .gathering(_, isReading: false): giveUp(job)
            }
        }
    }

    mutating func giveUp(_ job: SubproofJobID) {
        guard pulls.removeValue(forKey: job) != nil else { return }
        answers.append(.bodyMissing(job))
    }

    mutating func proofRead(
        _ job: SubproofJobID, _ root: Bytes32, _ reply: StoreReply, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        if case .value(nil) = reply { writes += shelf.forget(root) }
        guard let pull = pulls[job], pull.stage == .shelf else { return }
        if case .value(let value?) = reply, let proof = ProofShelf.proof(inValue: value),
            isNamed(proof, pull.reference)
        {
            pulls[job]?.stage = .here(proof)
            answers.append(.bodyArrived(job))
        } else {
            beginAsking(job, now, &outputs)
        }
    }

    /// Whether the bytes are those that the commitment names: in every way that a verifier could see.
    private func isNamed(_ proof: [UInt8], _ reference: ProofReference) -> Bool {
        proof.count == Int(reference.size)
            && ContentReference(kind: .proof, bytes: proof)?.root == reference.root
    }

    // MARK: Asking

    private mutating func beginAsking(
        _ job: SubproofJobID, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        pulls[job]?.stage = .asking
        if let executor = pulls[job]?.executor, !connected.contains(executor) {
            // Once for all of its proofs.
            let isCalled = pulls.values.contains {
                $0.job != job && $0.executor == executor && $0.stage == .asking
                    && $0.othersAt > now.instant
            }
            if !isCalled { outputs.append(.connect(executor)) }
            pulls[job]?.othersAt = now.instant.advanced(by: configuration.waits.connectInterval)
        }
        askNext(job, now, &outputs)
    }

    /// Asks the next peer: the executor as soon as it is connected, then others.
    private mutating func askNext(
        _ job: SubproofJobID, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard var pull = pulls[job], pull.stage == .asking else { return }
        var next: PeerID?
        if let executor = pull.executor, connected.contains(executor),
            !pull.asked.contains(executor)
        {
            next = executor
        } else if pull.othersAt <= now.instant || !pull.asked.isEmpty,
            pull.asked.count < configuration.limits.holdersMax
        {
            let others = connected.filter { $0 != pull.executor && !pull.asked.contains($0) }
            next = random.element(of: Array(others))
        }
        if let next,
            ask(next, .proof(root: pull.reference.root), for: .proof(job, next), &outputs) != nil
        {
            pull.asked.append(next)
            pull.inFlight += 1
            pull.hedgeAt = now.instant.advanced(by: configuration.waits.hedgeInterval)
            pulls[job] = pull
        } else {
            pull.hedgeAt = nil
            pulls[job] = pull
            let mayConnect = pull.asked.isEmpty && pull.othersAt > now.instant
            if pull.inFlight == 0, !mayConnect { giveUp(job) }
        }
    }

    /// Somebody has connected who may have what is wanted.
    mutating func askAgain(_ now: Now, _ outputs: inout [PartOutput]) {
        for (job, pull) in pulls where pull.stage == .asking && pull.inFlight == 0 {
            askNext(job, now, &outputs)
        }
    }

    mutating func passPulls(_ now: Now, _ outputs: inout [PartOutput]) {
        for (job, pull) in pulls {
            guard let due = pull.deadline, due <= now.instant else { continue }
            if pull.givesUpAt <= now.instant {
                giveUp(job)
            } else {
                askNext(job, now, &outputs)
            }
        }
    }

    mutating func proofReceived(
        _ id: PartRequestID, _ bytes: [UInt8], _ outputs: inout [PartOutput]
    ) {
        if case .attestation(let root, let peer)? = requests[id] {
            return attestationReceived(root, peer, bytes, &outputs)
        }
        guard case .proof(let job, let peer)? = requests[id], let pull = pulls[job],
            pull.stage == .asking
        else { return }
        guard isNamed(bytes, pull.reference) else {
            return outputs.append(.penalize(peer, "a proof that was not asked for"))
        }
        totals.proofsFetched += 1
        totals.proofBytesFetched += UInt64(bytes.count)
        pulls[job]?.stage = .here(bytes)
        // Whoever has verified has it for others, and a bad one is evidence that all want to see.
        if let height = watched[pull.operation]?.committed.height {
            writes += shelf.add(bytes, root: pull.reference.root, height: height)
        }
        answers.append(.bodyArrived(job))
    }

    mutating func requestEnded(
        _ id: PartRequestID, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        let asked = requests.removeValue(forKey: id)
        if case .attestation(let root, let peer)? = asked {
            return attestationRequestEnded(root, peer, &outputs)
        }
        guard case .proof(let job, _)? = asked,
            let pull = pulls[job], pull.stage == .asking
        else { return }
        pulls[job]?.inFlight = pull.inFlight - 1
        askNext(job, now, &outputs)
    }

    // MARK: Verifying

    mutating func verify(
        _ job: SubproofJobID, _ proof: ProofJob, _ outputs: inout [PartOutput]
    ) {
        guard let pull = pulls.removeValue(forKey: job), case .here(let body) = pull.stage,
            let operation = watched[pull.operation]
        else {
            answers.append(.verified(job, .unsupported))
            return
        }
        switch operation.preparation {
        case .ready(let ready, _):
            prepared.remove(pull.operation)
            prepared.append(pull.operation)
            run(
                .verify(
                    job,
                    ProofTask(
                        id: proof.id, prepared: ready, proof: body, part: pull.part,
                        executor: operation.committed.executor)), &outputs)
        case .faulty(let reason): answers.append(.verified(job, .invalid(reason)))
        case .unsupported, .idle, .gathering, .working:
            answers.append(.verified(job, .unsupported))
        }
    }

    mutating func verified(
        _ job: SubproofJobID, _ id: SubProofID, _ outcome: ProofOutcome, _ elapsed: Duration,
        _ now: Now, _ outputs: inout [PartOutput]
    ) {
        totals.verificationTime += elapsed
        outputs.append(
            .event(
                .verified(
                    operation: id.operation, part: id.part, isValid: outcome == .valid,
                    elapsed: elapsed)))
        let said = configuration.fault == .rejecting ? .invalid(.proofFails) : outcome
        tell(.verified(job, said), now, &outputs)
    }
}
