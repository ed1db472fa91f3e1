import ChoraleBase
import ChoraleTypes
import Operations
import OrderedCollections
import Subproof

// Validators' faults on parts: what a block has them slashed for.
//
// A block is judged by signatures alone, since validators that verify a proof again may come to different ends:
// one lacks its bytes, one does not know its type, one has a verifier with a fault. So two contradicting votes are
// evidence by themselves, and a false verdict is evidence once everyone has judged the proof otherwise, with
// more than two thirds of all stake. So is a false output, with the certificate in which everyone names another. What a
// sample of the validators says holds nobody to anything.

extension SubProofEvidence {
    /// Most of one block, each of another validator: a few hundred bytes and two signatures each.
    static let ofBlockMax = 16

    /// Root of the set that its author's index refers to.
    var validatorsRoot: Bytes32 {
        switch self {
        case .reject(let evidence): evidence.claim.vote.content.validatorsRoot
        case .falseVerdict(let evidence): evidence.claim.vote.content.validatorsRoot
        case .equivocation(let pair): pair.valid.content.validatorsRoot
        case .outputEquivocation(let pair): pair.first.content.validatorsRoot
        case .falseOutput(let evidence): evidence.vote.content.validatorsRoot
        }
    }
}

extension ChainHead {
    /// The set with this root, as long as it is known.
    func validators(root: Bytes32) -> ValidatorSet? {
        history.last { $0.validators.root == root }?.validators
    }

    /// Whom evidence is against.
    ///
    /// - Parameters:
    ///   - operations: with what the block says before.
    ///   - slashed: by the block, before.
    /// - Returns: the key of a validator that has something to lose.
    func culprit(
        of evidence: SubProofEvidence, _ operations: OperationRegistry,
        besides slashed: OrderedSet<SigningKeyBytes>, _ parameters: ChainParameters,
        signatures: OperationRegistry.Signatures
    ) throws(OperationRuleFault) -> SigningKeyBytes {
        if case .reject(let evidence) = evidence {
            throw .evidenceOfNoFault(evidence.claim.vote.id.operation)
        }
        let root = evidence.validatorsRoot
        guard let validators = validators(root: root) else { throw .evidenceTooOld(root) }
        guard let key = validators[evidence.validator]?.key, registry.canSlash(key),
            !slashed.contains(key)
        else { throw .evidenceAgainstNobody(evidence.validator) }
        if case .falseVerdict(let evidence) = evidence {
            let vote = evidence.claim.vote
            guard let judgement = operations.judgements[vote.id],
                judgement.isValid != vote.verdict.isValid
            else { throw .evidenceWithoutJudgement(vote.id) }
        }
        if case .falseOutput(let evidence) = evidence {
            try check(evidence, operations, validators, parameters)
        }
        guard signatures == .check else { return key }
        do throws(SubProofSignatureError) {
            try evidence.verifySignatures(validators: validators, network: parameters.network)
        } catch {
            throw .evidence(error)
        }
        return key
    }

    /// Everyone must have spoken, and of something of which two executions have one output. Which kind it is is known
    /// while the operation is open.
    private func check(
        _ evidence: FalseOutputEvidence, _ operations: OperationRegistry,
        _ validators: ValidatorSet, _ parameters: ChainParameters
    ) throws(OperationRuleFault) {
        let name = evidence.vote.operation
        guard let request = operations.operations[name]?.request,
            parameters.operations.kind(request.kind)?.isDeterministic == true
        else { throw .evidenceOfNoFault(name) }
        // Everyone is everyone in any order.
        let rule = QuorumRule(
            validators: validators, order: PartOrder(seed: .zero, count: validators.count))
        do throws(CertificateError) {
            try rule.check(
                signers: evidence.certificate.signers, tranche: .everyone, accepts: true)
        } catch {
            throw .certificate(name, part: 0, error)
        }
    }

    /// Whether a later block may have evidence that this one may not: it waits for everyone's judgement, or for
    /// a place.
    func mayStillSlash(_ evidence: SubProofEvidence) -> Bool {
        guard let key = validators(root: evidence.validatorsRoot)?[evidence.validator]?.key,
            registry.canSlash(key)
        else { return false }
        switch evidence {
        case .reject: return false
        case .equivocation, .outputEquivocation: return true
        case .falseOutput(let evidence):
            return operations.operations[evidence.vote.operation] != nil
        case .falseVerdict(let evidence):
            let vote = evidence.claim.vote
            if let judgement = operations.judgements[vote.id] {
                return judgement.isValid != vote.verdict.isValid
            }
            return operations.operations[vote.id.operation]?.commitment != nil
        }
    }
}
