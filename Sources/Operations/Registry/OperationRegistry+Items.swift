import ChoraleBase
import ChoraleTypes
import OrderedCollections

/// What a block's own items change.
extension OperationRegistry.Outcome {
    mutating func take(
        _ item: OperationItem, height: UInt64, beacon: Bytes32, _ parameters: OperationParameters,
        _ signatures: OperationRegistry.Signatures
    ) throws(OperationFault) {
        switch item {
        case .renewal(let renewal): try take(renewal, at: height, parameters, signatures)
        case .commitment(let commitment):
            try take(commitment, at: height, beacon: beacon, parameters, signatures)
        case .verdict(let verdict): try take(verdict, at: height)
        case .contradiction(let finding): try take(finding, parameters)
        }
    }

    private func operation(_ name: Bytes32) throws(OperationFault) -> OpenOperation {
        guard let operation = registry.operations[name] else { throw .unknownOperation(name) }
        return operation
    }

    private mutating func take(
        _ renewal: LeaseRenewal, at height: UInt64, _ parameters: OperationParameters,
        _ signatures: OperationRegistry.Signatures
    ) throws(OperationFault) {
        let content = renewal.content
        let (name, executor) = (content.operation, content.executor)
        var operation = try operation(name)
        guard operation.status == .requested else { throw .wrongStatus(name, operation.status) }
        guard registry.executors[executor] != nil else { throw .unknownExecutor(executor) }
        guard var election = operation.election,
            election.mayRenew(executor, progress: content.progress, at: height)
        else { throw .notItsTurn(name, executor: executor) }
        guard signatures == .wereChecked || renewal.isSigned(network: parameters.network) else {
            throw .badSignature(name, executor: executor)
        }
        election.renew(executor, progress: content.progress, at: height)
        operation.election = election
        registry.operations[name] = operation
        changes.append(.renewed(name, progress: content.progress))
    }

    private mutating func take(
        _ commitment: ExecutionCommitment, at height: UInt64, beacon: Bytes32,
        _ parameters: OperationParameters, _ signatures: OperationRegistry.Signatures
    ) throws(OperationFault) {
        let content = commitment.content
        let (name, executor) = (content.operation, content.executor)
        var operation = try operation(name)
        guard operation.status == .requested else { throw .wrongStatus(name, operation.status) }
        guard let record = registry.executors[executor] else { throw .unknownExecutor(executor) }
        guard operation.election?.mayCommit(executor, at: height) == true else {
            throw .notItsTurn(name, executor: executor)
        }
        guard let kind = parameters.kind(operation.request.kind) else {
            throw .unknownOperation(name)
        }
        try check(content, operation.request, kind)
        guard signatures == .wereChecked || commitment.isSigned(network: parameters.network) else {
            throw .badSignature(name, executor: executor)
        }
        operation.commitment = CommittedExecution(
            root: content.hashTreeRoot, height: height, seed: beacon,
            executor: executor, recipient: record.recipient, outputHash: content.outputHash,
            outputSize: content.outputSize, price: content.price,
            partCount: UInt8(content.parts.count), certifiedParts: 0, committers: [],
            justifiedAt: nil)
        registry.operations[name] = operation
        changes.append(.committed(name, executor: executor))
    }

    /// What the kind and the request say of a commitment.
    private func check(
        _ content: ExecutionCommitmentContent, _ request: OperationRequest, _ kind: KindRecord
    ) throws(OperationFault) {
        guard content.price <= request.fee else {
            throw .price(content.price, fee: request.fee)
        }
        guard content.outputSize <= kind.outputSizeMax else {
            throw .outputSize(content.outputSize, limit: kind.outputSizeMax)
        }
        guard content.parts.count <= Int(kind.partsMax) else {
            throw .partCount(content.parts.count, limit: Int(kind.partsMax))
        }
        for (index, part) in content.parts.enumerated() {
            let isKnown = part.proofs.allSatisfy { kind.proofTypes.contains($0.type) }
            guard isKnown, part.proofs.isEmpty == (kind.policy == .committee) else {
                throw .proofTypes(part: index)
            }
        }
    }

    private mutating func take(
        _ verdict: OperationVerdict, at height: UInt64
    ) throws(OperationFault) {
        let name = verdict.operation
        var operation = try operation(name)
        guard var commitment = operation.commitment else {
            throw .wrongStatus(name, operation.status)
        }
        guard commitment.root == verdict.commitment else {
            throw .otherCommitment(name, commitment: verdict.commitment)
        }
        let committers = verdict.finding.committers
        guard committers.count <= OperationRegistry.committersOfPartMax else {
            throw .tooManyCommitters(committers.count)
        }
        switch verdict.finding {
        case .partCertified(let part, let committers):
            guard part < commitment.partCount else {
                throw .unknownPart(Int(part), count: Int(commitment.partCount))
            }
            guard commitment.certifiedParts >> UInt64(part) & 1 == 0 else {
                return try judge(verdict, again: part, at: height)
            }
            try judge(verdict.judged, isValid: true, at: height)
            commitment.certifiedParts |= 1 << UInt64(part)
            commitment.add(committers)
            operation.commitment = commitment
            changes.append(.partCertified(name, part: part))
            if commitment.isCertified { changes.append(.certified(name)) }
        case .justified(let committers):
            guard operation.status == .committed else {
                throw .wrongStatus(name, operation.status)
            }
            commitment.justifiedAt = height
            commitment.add(committers)
            operation.commitment = commitment
            changes.append(.justified(name))
        case .agreed(let committers):
            guard !commitment.isFinal else { throw .wrongStatus(name, .certified) }
            commitment.justifiedAt = commitment.justifiedAt ?? height
            commitment.add(committers)
            commitment.certifyAll()
            operation.commitment = commitment
            if operation.isFrozen { changes.append(.upheld(name)) }
            operation.isFrozen = false
            operation.dispute = nil
            changes.append(.certified(name))
        case .disputed:
            guard !operation.isFrozen else { throw .wrongStatus(name, .frozen) }
            guard !commitment.isFinal else { throw .wrongStatus(name, .certified) }
            operation.isFrozen = true
            changes.append(.frozen(name))
        case .resolved(let isUpheld):
            guard operation.isFrozen else { throw .wrongStatus(name, operation.status) }
            guard isUpheld else { return reject(operation, commitment, at: height) }
            operation.isFrozen = false
            operation.dispute = nil
            changes.append(.upheld(name))
        case .rejected:
            guard !commitment.isFinal else { throw .wrongStatus(name, .certified) }
            try judge(verdict.judged, isValid: false, at: height)
            return reject(operation, commitment, at: height)
        }
        registry.operations[name] = operation
        if case .partCertified(let part, _) = verdict.finding, verdict.judged != nil {
            uphold(name, part: part)
        }
    }

    /// Everyone says of a part what fewer have said before: it changes nothing but what voters, and an enclave, are held to. Those
    /// who are paid stay the same, or settlements that are on their way would be wrong.
    private mutating func judge(
        _ verdict: OperationVerdict, again part: UInt8, at height: UInt64
    ) throws(OperationFault) {
        guard let proof = verdict.judged, registry.judgements[proof] == nil else {
            throw .partCertifiedTwice(verdict.operation, part: Int(part))
        }
        try judge(proof, isValid: true, at: height)
        changes.append(.partJudged(verdict.operation, part: part))
        uphold(verdict.operation, part: part)
    }

    /// Remembers what everyone has said. What was said first stands.
    private mutating func judge(
        _ proof: SubProofID?, isValid: Bool, at height: UInt64
    ) throws(OperationFault) {
        guard let proof else { return }
        if let known = registry.judgements[proof] {
            guard known.isValid == isValid else {
                throw .judgedOtherwise(proof.operation, part: Int(proof.part))
            }
            return
        }
        registry.judgements[proof] = ProofJudgement(
            proof: proof, isValid: isValid, height: height)
        if registry.judgements.count > OperationRegistry.judgementsMax {
            registry.judgements.removeFirst()
        }
    }

    /// The commitment was wrong: its executor loses its bond, and the next may commit.
    private mutating func reject(
        _ operation: OpenOperation, _ commitment: CommittedExecution, at height: UInt64
    ) {
        var operation = operation
        let name = operation.request.operation
        operation.commitment = nil
        operation.isFrozen = false
        operation.dispute = nil
        operation.election?.refuse(commitment.executor, at: height)
        registry.operations[name] = operation
        changes.append(.rejected(name, executor: commitment.executor))
        slash(commitment.executor)
    }

    /// Takes an executor out for good, with what was not paid yet.
    mutating func slash(_ key: Bytes32) {
        let wasThere = registry.executors.removeValue(forKey: key) != nil
        let count = registry.payments.count
        registry.payments.removeAll { $0.key == key }
        guard wasThere || registry.payments.count < count else { return }
        registry.slashed.append(key)
        if registry.slashed.count > OperationRegistry.slashedMax { registry.slashed.removeFirst() }
        changes.append(.executorSlashed(key))
    }
}
