import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import OrderedCollections
import ProofSystems

// Enclaves that contradict what an executor has committed to. Signature and evidence are judged by the bytes and the
// network's rules alone, at the time that the evidence itself says: all validators come to the same.

extension ChainHead {
    /// What a contradiction means for the registry.
    ///
    /// The evidence is checked each time, whoever has done so before: which platform vouches follows from it.
    ///
    /// - Parameter operations: with what the block says before.
    func finding(
        of found: EnclaveContradiction, _ operations: OperationRegistry,
        _ parameters: ChainParameters
    ) throws(OperationRuleFault) -> EnclaveFinding {
        let content = found.statement.content
        let name = content.operation
        guard let operation = operations.operations[name], let committed = operation.commitment
        else { throw .certificateWithoutCommitment(name) }
        let root = found.commitment.hashTreeRoot
        guard root == committed.root else {
            throw .contradictionOfOtherCommitment(name, commitment: root)
        }
        // What the registry would refuse anyway is refused before anything is verified.
        guard let kind = parameters.operations.kind(operation.request.kind),
            kind.policy == .enclaveThenProof
        else { throw .registry(.notOfEnclaves(name)) }
        guard !operation.isFrozen else { throw .registry(.wrongStatus(name, .frozen)) }
        guard operation.election?.index(of: content.executor) != nil else {
            throw .registry(.notItsTurn(name, executor: content.executor))
        }
        let platform: Bytes32
        do throws(EnclaveFault) {
            guard let enclaves = parameters.operations.enclaves else { throw .noRules }
            // The list first: it costs nothing.
            let epoch = enclaves.epoch(of: height + 1)
            guard operations.enclaves.allows(content.measurement, kind: kind.number, epoch: epoch)
            else { throw .notAllowed(content.measurement, kind: kind.number, epoch: epoch) }
            platform = try enclaves.platform(of: found.statement, network: parameters.network)
            try operations.enclaves.check(
                content, platform: platform, kind: kind.number, epoch: epoch)
        } catch {
            throw .enclave(name, error)
        }
        let proofs = found.commitment.parts[Int(found.part)].proofs.compactMap { proof in
            ProofName.isAttestation(proof.type)
                ? nil
                : SubProofID(
                    operation: name, part: UInt16(found.part),
                    proof: ProofName.of(
                        commitment: root, part: Int(found.part), type: proof.type))
        }
        return EnclaveFinding(
            operation: name, commitment: root,
            EnclaveDispute(
                part: found.part, enclave: platform, executor: content.executor,
                output: content.body.output), proofs: proofs)
    }

    /// Whether a later block may have a contradiction, as far as can be said without its evidence.
    func mayStillContradict(_ found: EnclaveContradiction) -> Bool {
        let content = found.statement.content
        guard let operation = operations.operations[content.operation],
            let committed = operation.commitment,
            committed.root == found.commitment.hashTreeRoot,
            operation.election?.index(of: content.executor) != nil
        else { return false }
        return operations.executors[content.executor] != nil
            || operations.payments.contains { $0.key == content.executor }
    }
}
