public import ChoraleBase
public import ChoraleTypes
import Codec
import Execution
public import Operations
import OrderedCollections
public import Subproof

/// Why a block is invalid by what it says of operations.
public enum OperationRuleFault: Error, Hashable, Sendable {
    case item(ItemFault)
    /// What the registry says of it.
    case registry(OperationFault)
    /// Of an operation to which nobody has committed.
    case certificateWithoutCommitment(Bytes32)
    /// Of a proof that the commitment does not name, or of one that says nothing about settling.
    case certificateOfOtherProof(Bytes32, part: UInt16)
    /// The set that was asked is not known any more.
    case certificateTooOld(Bytes32, height: UInt64)
    case certificate(Bytes32, part: UInt16, CertificateError)
    /// A committee's word on an operation that has proofs.
    case notOfCommittee(Bytes32)
    /// Less than everyone can only say that the executor was right; and who disputes must say something else.
    case output(Bytes32, Bytes32)
    /// No validator of the set, or one that has left.
    case disputeOfNobody(Bytes32, ValidatorIndex)
    case dispute(Bytes32, SubProofSignatureError)
    /// Each against another validator.
    case tooMuchEvidence(limit: Int)
    /// A vote that rejects is no fault by itself; nor is another output of what is over, or not deterministic.
    case evidenceOfNoFault(Bytes32)
    /// The set with this root is not known any more, or never was.
    case evidenceTooOld(Bytes32)
    /// No validator of the set, or one that is slashed or paid out, or that the block has evidence against already.
    case evidenceAgainstNobody(ValidatorIndex)
    /// Everyone has not judged the proof, or has found what the vote says.
    case evidenceWithoutJudgement(SubProofID)
    case evidence(SubProofSignatureError)
    /// What is said to be contradicted is not what was committed to.
    case contradictionOfOtherCommitment(Bytes32, commitment: Bytes32)
    /// The evidence counts for nothing.
    case enclave(Bytes32, EnclaveFault)
    /// Not what its execution has logged.
    case logs(Int, expected: Int)
}

extension ChainHead {
    /// The rule by which votes on a part are counted; nil when nobody has committed, or the set of then is not
    /// known any more.
    func quorumRule(of operation: Bytes32, part: UInt16) -> QuorumRule? {
        guard let commitment = operations.operations[operation]?.commitment,
            let validators = validators(at: commitment.height)
        else { return nil }
        let seed = PartOrder.partSeed(
            beacon: commitment.seed, operation: operation, part: part)
        return QuorumRule(
            validators: validators, order: PartOrder(seed: seed, count: validators.count))
    }

    /// What a certificate means for the registry.
    ///
    /// - Complexity: without signatures a shuffle of the set.
    func verdict(
        of certificate: SubProofCertificate, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> OperationVerdict {
        let (name, part) = (certificate.id.operation, certificate.id.part)
        guard let operation = operations.operations[name], let commitment = operation.commitment
        else { throw .certificateWithoutCommitment(name) }
        guard certifies(certificate.id, operation, commitment, parameters) else {
            throw .certificateOfOtherProof(name, part: part)
        }
        guard let rule = quorumRule(of: name, part: part) else {
            throw .certificateTooOld(name, height: commitment.height)
        }
        do throws(CertificateError) {
            if signatures == .wereChecked {
                try rule.check(
                    signers: certificate.signers, tranche: certificate.tranche,
                    accepts: certificate.verdict.isValid)
            } else {
                try certificate.verify(rule: rule, network: parameters.network)
            }
        } catch {
            throw .certificate(name, part: part, error)
        }
        let finding: OperationVerdict.Finding =
            certificate.verdict.isValid
            ? .partCertified(
                UInt8(part), committers: addresses(certificate.signers, rule.validators))
            : .rejected
        return OperationVerdict(
            operation: name, commitment: commitment.root, finding,
            judged: certificate.tranche == .everyone ? certificate.id : nil)
    }

    /// Whether the proof of this name is one that decides about its part.
    private func certifies(
        _ id: SubProofID, _ operation: OpenOperation, _ commitment: CommittedExecution,
        _ parameters: ChainParameters
    ) -> Bool {
        guard id.part < commitment.partCount,
            let kind = parameters.operations.kind(operation.request.kind)
        else { return false }
        return kind.proofTypes.contains { type in
            (kind.policy != .enclaveThenProof || !ProofName.isAttestation(type))
                && ProofName.of(commitment: commitment.root, part: Int(id.part), type: type)
                    == id.proof
        }
    }

    /// Where those who signed are paid. Whoever has left since is not.
    func addresses(
        _ signers: ValidatorBits, _ validators: ValidatorSet
    ) -> [ExecutionAddress] {
        var addresses: [ExecutionAddress] = []
        for position in 0..<signers.count where signers[position] {
            guard let key = validators[ValidatorIndex(position)]?.key,
                let address = registry.entries[key]?.address,
                let bytes = ExecutionAddress(address.storage.span.copied())
            else { continue }
            addresses.append(bytes)
        }
        return addresses
    }
}

extension ProofName {
    /// Whether proofs of this type are documents of an enclave: numbers 80 to 95.
    public static func isAttestation(_ type: UInt8) -> Bool { (80..<96).contains(type) }
}

extension Execution.Log {
    /// As the registry takes it; nil for a log of another contract.
    var ofOperations: ContractLog? {
        guard address == OperationsContract.executionAddress else { return nil }
        return ContractLog(topics: topics, data: data)
    }
}

extension OperationsContract {
    static let executionAddress: Address = {
        guard let address = Address(address.bytes.span) else { preconditionFailure("20 bytes") }
        return address
    }()
}

extension [Receipt] {
    /// What the operations contract has logged.
    var operationLogs: [ContractLog] { flatMap { $0.logs.compactMap(\.ofOperations) } }
}

extension OperationParameters {
    /// A chain without operations.
    static func none(_ network: NetworkDigest) -> OperationParameters {
        guard let parameters = try? OperationParameters(network: network, kinds: []) else {
            preconditionFailure("no kinds break no rule")
        }
        return parameters
    }
}
