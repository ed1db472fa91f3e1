import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import ProofSystems
import Subproof

/// What enclaves vouch for: heard, judged cheaply, checked by a worker, compared with what was committed to.
///
/// A statement may come long before the commitment, or after it is certified. What is found is the same in any order:
/// facts are kept as long as their operation is open, and told when its commitment is.
extension PartVerification {
    mutating func heardAttestation(
        _ id: PartMessageID, _ bytes: [UInt8], _ outputs: inout [PartOutput]
    ) {
        let origin = MessageOrigin.gossip(id)
        guard bytes.count <= EnclaveStatement.encodedSizeMax,
            let statement = try? EnclaveStatement(ssz: bytes.span)
        else { return reject(origin, "a statement of an enclave that is none", &outputs) }
        totals.attestationsReceived += 1
        check(statement, bytes, from: origin, &outputs)
    }

    /// Of our own executor.
    mutating func attest(_ statement: EnclaveStatement, _ outputs: inout [PartOutput]) {
        check(statement, statement.sszEncoded(), from: .own, &outputs)
    }

    /// What costs nothing comes first: whoever may say something is elected, and has signed it.
    private mutating func check(
        _ statement: EnclaveStatement, _ bytes: [UInt8], from origin: MessageOrigin,
        _ outputs: inout [PartOutput]
    ) {
        let content = statement.content
        guard phase == .running, let parameters = configuration.parameters.enclaves else {
            return ignore(origin, &outputs)
        }
        guard content.artefact == parameters.artefact else {
            return reject(origin, "a statement by other rules", &outputs)
        }
        guard let operation = head.operations.operations[content.operation],
            operation.election?.index(of: content.executor) != nil, !enclaves.isDone(content),
            let kind = configuration.parameters.kind(operation.request.kind),
            kind.policy == .enclave || kind.policy == .enclaveThenProof,
            head.operations.enclaves.allows(
                content.measurement, kind: kind.number,
                epoch: parameters.epoch(of: head.height))
        else { return ignore(origin, &outputs) }
        let check = EnclaveCheck(
            statement: statement, parameters: parameters, bytes: bytes, origin: origin)
        if !enclaves.add(check) { ignore(origin, &outputs) }
    }

    /// A worker has found what a statement is worth.
    ///
    /// - Parameter root: of the statement as a body.
    mutating func checkedAttestation(
        _ check: EnclaveCheck, _ root: Bytes32, _ result: Result<Bytes32, EnclaveFault>,
        _ now: Now, _ outputs: inout [PartOutput]
    ) {
        enclaves.finished()
        let content = check.statement.content
        let name = content.operation
        let enclave: Bytes32
        switch result {
        case .success(let platform): enclave = platform
        case .failure(let fault):
            if case .evidence = fault { enclaves.add(nil, of: content) }
            outputs.append(
                .event(.enclaveRefused(operation: name, part: content.body.part16, "\(fault)")))
            return reject(check.origin, "a statement of an enclave: \(fault)", &outputs)
        }
        // Meanwhile another may have come, or the operation ended, or the platform was caught.
        guard let operation = head.operations.operations[name], !enclaves.isDone(content),
            !enclaves.revoked.contains(enclave),
            (try? head.operations.enclaves.check(
                content, platform: enclave, kind: operation.request.kind,
                epoch: check.parameters.epoch(of: head.height))) != nil
        else { return ignore(check.origin, &outputs) }
        let fact = EnclaveFact(content, enclave: enclave, root: root)
        enclaves.add(fact, of: content)
        totals.attestationsVerified += 1
        writes += shelf.add(check.bytes, root: root, height: head.height)
        switch check.origin {
        case .gossip(let id): outputs.append(.verdict(id, .accept))
        case .own: outputs.append(.publish(.attestation, check.bytes))
        case .peer, .kept: break
        }
        outputs.append(
            .event(
                .attested(operation: name, part: content.body.part16, enclave: enclave)))
        compare(fact, of: name, check.statement, now, &outputs)
    }

    // MARK: Commitments

    /// A commitment is open, or the chain has moved on: what is known already is told.
    mutating func tellAttestations(
        of name: Bytes32, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard watched[name]?.stage == .open else { return }
        for fact in enclaves.facts(of: name) { compare(fact, of: name, nil, now, &outputs) }
        tellDispute(of: name, now, &outputs)
    }

    /// A proof contradicts the enclave: nothing more is heard of it.
    mutating func revoke(_ enclave: Bytes32, _ outputs: inout [PartOutput]) {
        guard enclaves.revoke(enclave) else { return }
        outputs.append(.event(.enclaveRevoked(enclave)))
    }

    /// What froze the operation, for whoever did not hear of it: everyone has to be asked.
    mutating func tellDispute(of name: Bytes32, _ now: Now, _ outputs: inout [PartOutput]) {
        guard watched[name]?.stage == .open,
            let dispute = head.operations.operations[name]?.dispute,
            enclaves.tell(dispute, of: name)
        else { return }
        tell(
            .attested(
                operation: name, part: UInt16(dispute.part), output: dispute.output,
                enclave: dispute.enclave), now, &outputs)
    }

    /// Tells the pool what an enclave says of a part that is committed to, and the chain when they contradict.
    ///
    /// - Parameter statement: nil when it is on the shelf.
    private mutating func compare(
        _ fact: EnclaveFact, of name: Bytes32, _ statement: EnclaveStatement?, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard let operation = watched[name], operation.stage == .open,
            let part = operation.content?.part(
                Int(fact.part), of: Int(fact.partCount), input: fact.input)
        else { return }
        tell(
            .attested(
                operation: name, part: UInt16(fact.part), output: fact.output,
                enclave: fact.enclave), now, &outputs)
        guard part.output != fact.output, operation.kind.policy == .enclaveThenProof,
            enclaves.show(fact, against: operation.committed.root)
        else { return }
        if let statement {
            show(statement, of: name, &outputs)
        } else {
            store(
                .get(.proof, key: ProofShelf.bodyKey(fact.root)),
                for: .contradiction(name, commitment: operation.committed.root, root: fact.root),
                &outputs)
        }
    }

    mutating func contradictionRead(
        _ name: Bytes32, _ commitment: Bytes32, _ root: Bytes32, _ reply: StoreReply,
        _ outputs: inout [PartOutput]
    ) {
        guard case .value(let value?) = reply, let body = ProofShelf.proof(inValue: value),
            let statement = try? EnclaveStatement(ssz: body.span)
        else {
            if case .value = reply { writes += shelf.forget(root) }
            return enclaves.unshow(root, against: commitment)
        }
        guard watched[name]?.committed.root == commitment else { return }
        show(statement, of: name, &outputs)
    }

    private func show(
        _ statement: EnclaveStatement, of name: Bytes32, _ outputs: inout [PartOutput]
    ) {
        guard let content = watched[name]?.content,
            let found = EnclaveContradiction(commitment: content, statement: statement)
        else { return }
        outputs.append(.contradict(found))
        outputs.append(.event(.contradicted(operation: name, part: UInt16(found.part))))
    }

    // MARK: Statements that commitments name

    /// Fetches what a commitment names of the parts that this validator is asked about, unless gossip brings it.
    mutating func pullAttestations(of name: Bytes32, _ now: Now) {
        guard let operation = watched[name], let content = operation.content,
            configuration.parameters.enclaves != nil, let local = pool.local(in: name),
            let members = pool.members(of: name)
        else { return }
        let executor = PublicKey.ed25519(operation.committed.executor).peerID
        guard executor != configuration.localPeer else { return }
        for (part, commitment) in content.parts.enumerated() where members[part].contains(local) {
            guard !enclaves.knows(name, part: part, executor: operation.committed.executor),
                enclaves.pulls.count < configuration.limits.attestationPullsMax,
                let reference = commitment.proofs.first(where: {
                    ProofName.isAttestation($0.type)
                        && $0.size <= UInt32(EnclaveStatement.encodedSizeMax)
                })
            else { continue }
            let due = now.instant.advanced(by: configuration.waits.attestationInterval)
            enclaves.pulls[reference.root] = EnclavePull(
                operation: name, part: part, reference: reference, executor: executor,
                stage: .due(due))
        }
    }

    mutating func passAttestations(_ now: Now, _ outputs: inout [PartOutput]) {
        guard let due = enclaves.deadline, due <= now.instant else { return }
        for (root, pull) in enclaves.pulls {
            guard case .due(let at) = pull.stage, at <= now.instant else { continue }
            guard let executor = watched[pull.operation]?.committed.executor,
                !enclaves.knows(pull.operation, part: pull.part, executor: executor)
            else {
                enclaves.pulls.removeValue(forKey: root)
                continue
            }
            if shelf.has(root) {
                enclaves.pulls[root]?.stage = .shelf
                store(
                    .get(.proof, key: ProofShelf.bodyKey(root)), for: .attestation(root: root),
                    &outputs)
            } else {
                askForAttestation(root, &outputs)
            }
        }
    }

    /// Asks the next peer: the executor, then others. What nobody has is nobody's loss: the proof decides.
    private mutating func askForAttestation(_ root: Bytes32, _ outputs: inout [PartOutput]) {
        guard var pull = enclaves.pulls[root] else { return }
        var next: PeerID?
        if connected.contains(pull.executor), !pull.asked.contains(pull.executor) {
            next = pull.executor
        } else if pull.asked.count < configuration.limits.attestationHoldersMax {
            next = random.element(of: connected.filter { !pull.asked.contains($0) })
        }
        guard let next,
            ask(next, .proof(root: root), for: .attestation(root: root, next), &outputs) != nil
        else {
            enclaves.pulls.removeValue(forKey: root)
            return
        }
        pull.asked.append(next)
        pull.stage = .asking(next)
        enclaves.pulls[root] = pull
    }

    mutating func attestationRead(
        _ root: Bytes32, _ reply: StoreReply, _ outputs: inout [PartOutput]
    ) {
        guard enclaves.pulls[root]?.stage == .shelf else { return }
        if case .value(let value?) = reply, let body = ProofShelf.proof(inValue: value) {
            take(body, root, from: .kept, &outputs)
        } else {
            if case .value = reply { writes += shelf.forget(root) }
            askForAttestation(root, &outputs)
        }
    }

    mutating func attestationReceived(
        _ root: Bytes32, _ peer: PeerID, _ bytes: [UInt8], _ outputs: inout [PartOutput]
    ) {
        guard let pull = enclaves.pulls[root], pull.stage == .asking(peer) else { return }
        guard bytes.count == Int(pull.reference.size),
            ContentReference(kind: .proof, bytes: bytes)?.root == root
        else { return outputs.append(.penalize(peer, "a statement that was not asked for")) }
        // It is what the commitment names: whoever serves it is not at fault for what it says.
        take(bytes, root, from: .kept, &outputs)
    }

    mutating func attestationRequestEnded(
        _ root: Bytes32, _ peer: PeerID, _ outputs: inout [PartOutput]
    ) {
        guard enclaves.pulls[root]?.stage == .asking(peer) else { return }
        askForAttestation(root, &outputs)
    }

    private mutating func take(
        _ bytes: [UInt8], _ root: Bytes32, from origin: MessageOrigin,
        _ outputs: inout [PartOutput]
    ) {
        guard let pull = enclaves.pulls.removeValue(forKey: root),
            let statement = try? EnclaveStatement(ssz: bytes.span),
            statement.content.operation == pull.operation,
            Int(statement.content.body.part) == pull.part
        else { return }
        check(statement, bytes, from: origin, &outputs)
    }
}

extension SubProof {
    /// Of what commitments have room for.
    fileprivate var part16: UInt16 { UInt16(truncatingIfNeeded: part) }
}
