import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import DequeModule
import Operations
import OrderedCollections
import PeerIdentity
import Subproof

/// What the chain has come to: which commitments are open here.
extension PartVerification {
    mutating func advance(
        _ head: OperationHead, _ report: OperationReport, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        // What is older says nothing new: of a report that is missed, the commitments are in its block.
        guard phase != .idle, head.height > self.head.height else { return }
        let before = self.head
        self.head = head
        guard phase == .running else { return }
        noteEnded(before, report)
        follow(report.commitments, now, &outputs)
        hearDisputes(now, &outputs)
        enclaves.prune(to: head.operations.operations)
        for name in watched.keys { tellDispute(of: name, now, &outputs) }
        for case .enclaveRevoked(_, let enclave) in report.changes { revoke(enclave, &outputs) }
        offerCertificates(&outputs)
        offerCommittees(&outputs)
        prune(&outputs)
    }

    /// Brings what is watched up to the registry.
    ///
    /// - Complexity: O(open operations).
    mutating func follow(
        _ commitments: [ExecutionCommitment], _ now: Now, _ outputs: inout [PartOutput]
    ) {
        let open = head.operations.operations
        for (name, operation) in watched
        where open[name]?.commitment?.root != operation.committed.root {
            close(name, now, &outputs)
        }
        for (name, operation) in open where watched[name] == nil {
            guard let committed = operation.commitment,
                let kind = configuration.parameters.kind(operation.request.kind)
            else { continue }
            watched[name] = WatchedOperation(operation, committed, kind)
        }
        for commitment in commitments { take(commitment.content, now, &outputs) }
        admit(now, &outputs)
    }

    /// Reads the commitments of those that there is room for.
    mutating func admit(_ now: Now, _ outputs: inout [PartOutput]) {
        guard phase == .running else { return }
        var (count, parts) = (0, 0)
        for operation in watched.values where operation.isAdmitted {
            count += 1
            parts += Int(operation.committed.partCount)
        }
        for (name, operation) in watched where operation.stage == .waiting {
            guard count < configuration.pool.operationsMax,
                parts + Int(operation.committed.partCount) <= configuration.pool.partsMax
            else { break }
            count += 1
            parts += Int(operation.committed.partCount)
            if let content = operation.content {
                order(name, content, now, &outputs)
                continue
            }
            watched[name]?.stage = .reading
            let height = operation.committed.height
            if reading.insert(height).inserted { outputs.append(.readCommitments(height: height)) }
        }
    }

    /// What was signed may be of any operation. Only what the registry names counts.
    private mutating func take(
        _ content: ExecutionCommitmentContent, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        let name = content.operation
        guard let operation = watched[name], operation.content == nil,
            operation.stage == .waiting || operation.stage == .reading,
            content.hashTreeRoot == operation.committed.root
        else { return }
        if operation.stage == .reading {
            order(name, content, now, &outputs)
        } else {
            watched[name]?.content = content
        }
    }

    mutating func commitmentsRead(
        _ height: UInt64, _ commitments: [ExecutionCommitment]?, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard reading.remove(height) != nil else { return }
        for commitment in commitments ?? [] { take(commitment.content, now, &outputs) }
        for (name, operation) in watched
        where operation.stage == .reading && operation.committed.height == height {
            // Not there, or not yet.
            watched[name]?.stage = .waiting
            retryLater(now)
        }
    }

    // MARK: Opening

    /// Has a worker find out who is asked.
    private mutating func order(
        _ name: Bytes32, _ content: ExecutionCommitmentContent, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard let operation = watched[name] else { return }
        let committed = operation.committed
        guard let validators = head.validators(at: committed.height) else {
            return refuse(name, "the validators of height \(committed.height)", &outputs)
        }
        var method = OperationContext.Method.committee
        var proofs: [ProofReference] = []
        if operation.kind.policy != .committee {
            var contexts: [PartContext] = []
            for (part, commitment) in content.parts.enumerated() {
                guard let proof = operation.kind.deciding(commitment.proofs),
                    let context = PartContext(
                        proof: ProofName.of(
                            commitment: committed.root, part: part, type: proof.type),
                        proofType: proof.type, proofSize: UInt64(proof.size),
                        prover: committed.executor, output: commitment.output)
                else { return refuse(name, "a proof of part \(part)", &outputs) }
                contexts.append(context)
                proofs.append(proof)
            }
            method = .parts(contexts)
        }
        watched[name]?.stage = .ordering
        watched[name]?.content = content
        watched[name]?.proofs = proofs
        run(
            .order(
                ContextRequest(
                    operation: name, commitment: committed.root, height: committed.height,
                    validators: validators, beacon: committed.seed,
                    outputHash: committed.outputHash, method: method,
                    expiresAt: now.instant.advanced(by: timeLeft(operation.request)))),
            &outputs)
    }

    /// Twice what is left if blocks keep their interval: the chain says when it is over, and this only bounds how
    /// long is waited for a chain that stands.
    private func timeLeft(_ request: OperationRequest) -> Duration {
        let heights = request.expiry > head.height ? request.expiry - head.height : 0
        return configuration.blockInterval * (2 * Int(min(heights, 1 << 20)) + 16)
    }

    private mutating func refuse(
        _ name: Bytes32, _ missing: String, _ outputs: inout [PartOutput]
    ) {
        watched[name]?.stage = .refused
        watched[name]?.content = nil
        outputs.append(.event(.unverifiable(operation: name, "\(missing): not known here")))
    }

    mutating func ordered(
        _ name: Bytes32, _ commitment: Bytes32, _ context: OperationContext?, _ now: Now,
        _ outputs: inout [PartOutput]
    ) {
        guard let operation = watched[name], operation.committed.root == commitment,
            operation.stage == .ordering
        else { return }
        guard let context else { return refuse(name, "its parts", &outputs) }
        watched[name]?.stage = .open
        if tell(.commitmentIncluded(context), now, &outputs) != nil {
            return refuse(name, "room for it", &outputs)
        }
        hearDisputes(now, &outputs)
        totals.partsSeen += UInt64(operation.proofs.count)
        tellAttestations(of: name, now, &outputs)
        pullAttestations(of: name, now)
    }

    // MARK: Closing

    private mutating func close(
        _ name: Bytes32, _ now: Now, _ outputs: inout [PartOutput]
    ) {
        guard let stage = watched[name]?.stage else { return }
        if stage == .open {
            let members = pool.members(of: name) ?? []
            tell(.operationClosed(name), now, &outputs)
            if let operation = watched[name] { noteAttendance(of: operation, members) }
        }
        watched.removeValue(forKey: name)
        prepared.remove(name)
        for (job, pull) in pulls where pull.operation == name { pulls.removeValue(forKey: job) }
        gate.drop(name)
        enclaves.close(name)
    }

    /// Tells what is gone since the head of before, as it was.
    private mutating func noteEnded(_ before: OperationHead, _ report: OperationReport) {
        let open = head.operations.operations
        for (name, operation) in before.operations.operations where open[name] == nil {
            let isSettled = report.changes.contains(.settled(name))
            ended.append(
                info(
                    of: name, operation,
                    outcome: isSettled
                        ? .settled(height: report.height) : .expired(height: report.height)))
            if ended.count > configuration.limits.endedMax { ended.removeFirst() }
        }
    }

    // MARK: Certificates for blocks

    /// Offers a certificate that is new here.
    mutating func offer(_ certificate: SubProofCertificate, _ outputs: inout [PartOutput]) {
        let name = certificate.id.operation
        guard watched[name] != nil else { return }
        watched[name]?.certificates[certificate.id.part] = (certificate, head.height)
        guard !isOnChain(certificate) else { return }
        outputs.append(.include(certificate))
    }

    /// Offers again what no block has.
    private mutating func offerCertificates(_ outputs: inout [PartOutput]) {
        for (name, operation) in watched {
            for (part, offer) in operation.certificates.sorted(by: { $0.key < $1.key })
            where head.height >= offer.offeredAt + configuration.waits.includeHeights {
                guard !isOnChain(offer.certificate) else { continue }
                watched[name]?.certificates[part]?.offeredAt = head.height
                outputs.append(.include(offer.certificate))
            }
        }
    }

    private func isOnChain(_ certificate: SubProofCertificate) -> Bool {
        guard let commitment = head.operations.operations[certificate.id.operation]?.commitment
        else { return true }
        // What everyone says is for a block also when fewer have said it: a dispute may wait for it.
        if certificate.tranche == .everyone {
            return head.operations.judgements[certificate.id] != nil
        }
        return certificate.verdict.isValid
            && commitment.certifiedParts >> UInt64(certificate.id.part) & 1 == 1
    }
}

extension KindRecord {
    /// Of several proofs of a part, the one that its certificate is about: the first that has the last word.
    func deciding(_ proofs: [ProofReference]) -> ProofReference? {
        proofs.first { proof in
            proofTypes.contains(proof.type)
                && (policy != .enclaveThenProof || !ProofName.isAttestation(proof.type))
        }
    }
}
