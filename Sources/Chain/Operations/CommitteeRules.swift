import ChoraleBase
import ChoraleTypes
import Operations
import OrderedCollections
import Subproof

// Operations that no proof fits: a committee's certificate justifies, and after the challenge window it is final. A
// validator that names another output brings everyone, whose certificate decides at once, for whichever output.

extension ChainHead {
    /// Who judges an operation without proofs; nil when nobody has committed, or the set of then is forgotten.
    func committeeRule(of operation: Bytes32) -> QuorumRule? {
        guard let commitment = operations.operations[operation]?.commitment,
            let validators = validators(at: commitment.height)
        else { return nil }
        let seed = PartOrder.committeeSeed(beacon: commitment.seed, operation: operation)
        return QuorumRule(
            validators: validators, order: PartOrder(seed: seed, count: validators.count))
    }

    /// What a committee's certificate means for the registry.
    func verdict(
        of certificate: FastPathCertificate, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> OperationVerdict {
        let name = certificate.operation
        let commitment = try judged(certificate.content, parameters)
        let output = certificate.content.outputHash
        let isRight = output == commitment.outputHash
        guard isRight || certificate.tranche == .everyone else { throw .output(name, output) }
        guard let rule = committeeRule(of: name) else {
            throw .certificateTooOld(name, height: commitment.height)
        }
        do throws(CertificateError) {
            if signatures == .wereChecked {
                try rule.check(
                    signers: certificate.signers, tranche: certificate.tranche, accepts: true)
            } else {
                try certificate.verify(rule: rule, network: parameters.network)
            }
        } catch {
            throw .certificate(name, part: 0, error)
        }
        let finding: OperationVerdict.Finding
        if isRight {
            let committers = addresses(certificate.signers, rule.validators)
            finding =
                certificate.tranche == .everyone
                ? .agreed(committers: committers) : .justified(committers: committers)
        } else {
            finding = .rejected
        }
        return OperationVerdict(operation: name, commitment: commitment.root, finding)
    }

    /// What a vote for another output than the executor's means: everyone is asked.
    ///
    /// Who has left, or is slashed, is heard no more.
    func verdict(
        of vote: CommitteeVote, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> OperationVerdict {
        let name = vote.operation
        let commitment = try judged(vote.content, parameters)
        guard vote.outputHash != commitment.outputHash else {
            throw .output(name, vote.outputHash)
        }
        guard let validators = validators(at: commitment.height) else {
            throw .certificateTooOld(name, height: commitment.height)
        }
        guard let key = validators[vote.validator]?.key, registry.canSlash(key) else {
            throw .disputeOfNobody(name, vote.validator)
        }
        guard validators.root == vote.content.validatorsRoot else {
            throw .dispute(
                name, .otherValidators(vote.content.validatorsRoot, expected: validators.root))
        }
        if signatures == .check {
            do throws(SubProofSignatureError) {
                try vote.verify(validators: validators, network: parameters.network)
            } catch {
                throw .dispute(name, error)
            }
        }
        return OperationVerdict(operation: name, commitment: commitment.root, .disputed)
    }

    /// The commitment that a committee's word is about.
    private func judged(
        _ content: CommitteeVoteContent, _ parameters: ChainParameters
    ) throws(OperationRuleFault) -> CommittedExecution {
        let name = content.operation
        guard let operation = operations.operations[name], let commitment = operation.commitment
        else { throw .certificateWithoutCommitment(name) }
        guard parameters.operations.kind(operation.request.kind)?.policy == .committee else {
            throw .notOfCommittee(name)
        }
        guard commitment.root == content.commitment else {
            throw .registry(.otherCommitment(name, commitment: content.commitment))
        }
        return commitment
    }
}
