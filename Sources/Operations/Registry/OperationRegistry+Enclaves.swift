import ChoraleBase
import ChoraleTypes
import OrderedCollections

/// What it means that an enclave contradicts a commitment: everyone is asked, and whoever is wrong pays for it.
///
/// The proof has the last word. While everyone has not judged it, nothing is settled.
extension OperationRegistry.Outcome {
    mutating func take(
        _ finding: EnclaveFinding, _ parameters: OperationParameters
    ) throws(OperationFault) {
        let (name, dispute) = (finding.operation, finding.dispute)
        guard let operation = registry.operations[name] else { throw .unknownOperation(name) }
        guard let commitment = operation.commitment else {
            throw .wrongStatus(name, operation.status)
        }
        guard commitment.root == finding.commitment else {
            throw .otherCommitment(name, commitment: finding.commitment)
        }
        guard parameters.kind(operation.request.kind)?.policy == .enclaveThenProof else {
            throw .notOfEnclaves(name)
        }
        guard dispute.part < commitment.partCount else {
            throw .unknownPart(Int(dispute.part), count: Int(commitment.partCount))
        }
        // One at a time: everyone is asked once, and what waits may come behind it.
        guard !operation.isFrozen else { throw .wrongStatus(name, .frozen) }
        guard !registry.enclaves.revoked.contains(dispute.enclave) else {
            throw .enclaveRevoked(dispute.enclave)
        }
        guard operation.election?.index(of: dispute.executor) != nil else {
            throw .notItsTurn(name, executor: dispute.executor)
        }
        // Whoever holds things up has something to lose by it.
        guard registry.hasBond(dispute.executor) else { throw .unknownExecutor(dispute.executor) }
        if finding.proofs.contains(where: { registry.judgements[$0]?.isValid == true }) {
            convict(dispute, in: name)
        } else {
            registry.operations[name]?.isFrozen = true
            registry.operations[name]?.dispute = dispute
            changes.append(.frozen(name))
        }
    }

    /// Everyone has found that a part's proof is valid: the enclave was wrong.
    mutating func uphold(_ name: Bytes32, part: UInt8) {
        guard let dispute = registry.operations[name]?.dispute, dispute.part == part else { return }
        registry.operations[name]?.isFrozen = false
        registry.operations[name]?.dispute = nil
        changes.append(.upheld(name))
        convict(dispute, in: name)
    }

    private mutating func convict(_ dispute: EnclaveDispute, in name: Bytes32) {
        registry.enclaves.revoke(dispute.enclave)
        changes.append(.enclaveRevoked(name, enclave: dispute.enclave))
        slash(dispute.executor)
    }
}

extension OperationRegistry {
    /// Whether an executor has a bond that can be taken: here, or on its way back.
    func hasBond(_ executor: Bytes32) -> Bool {
        executors[executor] != nil || payments.contains { $0.key == executor }
    }
}
