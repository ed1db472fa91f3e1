import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Operations
import OrderedCollections
import Subproof
import Testing

@testable import Chain

/// Operations that a committee judges, and commitments that nobody can judge any more.
@Suite struct CommitteeChainTests {
    private typealias Stage = OperationStage

    /// An operation of a committee with a commitment.
    private static func committed() throws -> (Stage, Bytes32) {
        let (stage, name) = try Stage.elected(kind: 2)
        let commitment = stage.commitment(name, output: [1, 2], isProven: false)
        stage.tell(.say(.commitment(try #require(commitment))))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        return (stage, name)
    }

    @Test func whatACommitteeFindsIsFinalAfterItsWindow() throws {
        let (stage, name) = try Self.committed()
        stage.tell(.includeFastPath(try stage.fastPath(name, output: [1, 2])))
        #expect(stage.run { $0.operations.operations[name]?.status == .justified })
        let justified = stage.head.height
        #expect(stage.head.operations.settlement(of: name) == nil)
        #expect(stage.head.operations.operations[name]?.commitment?.justifiedAt == justified)
        #expect(stage.run { $0.height == justified + 7 })
        #expect(stage.status(name) == .justified)
        #expect(stage.run { $0.operations.operations[name]?.status == .certified })
        #expect(stage.head.height == justified + 8)
        // Too late.
        #expect(
            try stage.fault([.dispute(stage.committeeVote(name, output: [3], by: 3))])
                == .registry(.wrongStatus(name, .certified)))
        #expect(
            try stage.fault([
                .fastPath(stage.fastPath(name, output: [3], tranche: .everyone))
            ]) == .registry(.wrongStatus(name, .certified)))
        let settlement = try #require(stage.head.operations.settlement(of: name))
        // Executor and the three that signed.
        #expect(settlement.payments.count == 4)
        stage.send(.settle(settlement, output: [1, 2]), from: 3)
        #expect(stage.run { _ in Stage.settled(stage, name) })
        #expect(stage.network.forks.isEmpty)
        #expect(!stage.hasInvalidBlocks)
    }

    @Test(arguments: [true, false]) func aDisputeBringsEveryone(isUpheld: Bool) throws {
        let (stage, name) = try Self.committed()
        let executor = try #require(stage.head.operations.operations[name]?.commitment?.executor)
        stage.tell(.includeFastPath(try stage.fastPath(name, output: [1, 2])))
        #expect(stage.run { $0.operations.operations[name]?.status == .justified })
        stage.tell(.dispute(try stage.committeeVote(name, output: [3], by: 3)))
        #expect(stage.run { $0.operations.operations[name]?.status == .frozen })
        // The window ends, and nothing is final.
        let height = stage.head.height
        #expect(stage.run { $0.height >= height + 10 })
        #expect(stage.status(name) == .frozen)
        #expect(stage.head.operations.settlement(of: name) == nil)
        // Less than everyone is not enough any more.
        #expect(
            try stage.fault([.fastPath(stage.fastPath(name, output: [1, 2], tranche: .second))])
                == .registry(.wrongStatus(name, .frozen)))
        stage.tell(
            .includeFastPath(
                try stage.fastPath(name, output: isUpheld ? [1, 2] : [3], tranche: .everyone)))
        if isUpheld {
            #expect(stage.run { $0.operations.operations[name]?.status == .certified })
            #expect(stage.head.operations.settlement(of: name) != nil)
            #expect(stage.network.hosts[0].operationChanges.contains(.upheld(name)))
        } else {
            #expect(stage.run { $0.operations.slashed.contains(executor) })
            #expect(stage.status(name) == .requested)
        }
        #expect(stage.network.forks.isEmpty)
        #expect(!stage.hasInvalidBlocks)
    }

    @Test func whoNamesAnotherOutputThanEveryoneIsSlashed() throws {
        let (stage, name) = try Self.committed()
        let vote = try stage.committeeVote(name, output: [3], by: 3)
        let everyone = try stage.fastPath(name, output: [1, 2], tranche: .everyone)
        let evidence = try #require(FalseOutputEvidence(vote, everyone))
        #expect(stage.fault([.evidence(.falseOutput(evidence))]) == nil)
        // Two of four are not everyone.
        let few = try #require(
            FalseOutputEvidence(
                vote, try stage.fastPath(name, output: [1, 2], signers: 2, tranche: .everyone)))
        guard
            case .certificate(name, part: 0, .notEnough(_, of: _, _))? = stage.fault([
                .evidence(.falseOutput(few))
            ])
        else {
            Issue.record("two of four are no quorum")
            return
        }
        // Signatures of another output.
        let other = try stage.fastPath(name, output: [4], tranche: .everyone)
        let forged = try #require(
            FastPathCertificate(
                content: everyone.content, tranche: .everyone, scheme: .ed25519,
                signers: everyone.signers, signatures: other.signatures))
        #expect(
            stage.fault([
                .evidence(.falseOutput(try #require(FalseOutputEvidence(vote, forged))))
            ]) == .evidence(.signature(.badSignature(ValidatorIndex(0)))))
        stage.tell(.accuse(.falseOutput(evidence)))
        #expect(stage.run { !$0.registry.slashed.isEmpty })
        #expect(
            stage.fault([.evidence(.falseOutput(evidence))])
                == .evidenceAgainstNobody(ValidatorIndex(3)))
        #expect(!stage.hasInvalidBlocks)
    }

    @Test func committeesFollowTheRules() throws {
        let (stage, name) = try Self.committed()
        let right = Keccak256.hash([1, 2])
        let wrong = Keccak256.hash([3])
        let good = ChainItem.fastPath(try stage.fastPath(name, output: [1, 2]))
        #expect(stage.fault([good]) == nil)
        #expect(stage.fault([good, good]) == .registry(.wrongStatus(name, .justified)))
        #expect(
            try stage.fault([.fastPath(stage.fastPath(name, output: [3]))])
                == .output(name, wrong))
        // Everyone may say so, and needs more than two thirds.
        #expect(
            try stage.fault([.fastPath(stage.fastPath(name, output: [3], tranche: .everyone))])
                == nil)
        guard
            case .certificate(_, part: _, .notEnough(_, of: _, _))? = try stage.fault([
                .fastPath(
                    stage.fastPath(name, output: [1, 2], signers: 2, tranche: .everyone))
            ])
        else {
            Issue.record("two of four are no quorum")
            return
        }
        // Signatures of another output.
        let other = try stage.fastPath(name, output: [3])
        let forged = try #require(
            FastPathCertificate(
                content: try stage.fastPath(name, output: [1, 2]).content, tranche: .first,
                scheme: .ed25519, signers: other.signers, signatures: other.signatures))
        #expect(
            stage.fault([.fastPath(forged)])
                == .certificate(
                    name, part: 0, .signature(.signature(.badSignature(ValidatorIndex(0))))))
        // Of another commitment to the operation.
        let content = try stage.fastPath(name, output: [1, 2]).content
        let older = CommitteeVoteContent(
            operation: name, commitment: .zero, validatorsRoot: content.validatorsRoot,
            outputHash: content.outputHash)
        let misplaced = try #require(
            FastPathCertificate(
                content: older, tranche: .first, scheme: .ed25519, signers: other.signers,
                signatures: other.signatures))
        #expect(
            stage.fault([.fastPath(misplaced)])
                == .registry(.otherCommitment(name, commitment: .zero)))
        // Disputes.
        let dispute = try stage.committeeVote(name, output: [3], by: 3)
        #expect(stage.fault([good, .dispute(dispute)]) == nil)
        #expect(stage.fault([.dispute(dispute)]) == nil)
        #expect(
            try stage.fault([.dispute(stage.committeeVote(name, output: [1, 2], by: 3))])
                == .output(name, right))
        let stolen = CommitteeVote(
            content: dispute.content, validator: ValidatorIndex(2), scheme: .ed25519,
            signature: dispute.signature)
        #expect(
            stage.fault([.dispute(stolen)])
                == .dispute(name, .signature(.badSignature(ValidatorIndex(2)))))
        let nobody = CommitteeVote(
            content: dispute.content, validator: ValidatorIndex(9), scheme: .ed25519,
            signature: dispute.signature)
        #expect(
            stage.fault([.dispute(nobody)]) == .disputeOfNobody(name, ValidatorIndex(9)))
        // Who is slashed is heard no more.
        let pair = try #require(
            OutputEquivocation(dispute, try stage.committeeVote(name, output: [1, 2], by: 3)))
        stage.tell(.accuse(.outputEquivocation(pair)))
        #expect(stage.run { !$0.registry.slashed.isEmpty })
        #expect(
            stage.fault([.dispute(dispute)]) == .disputeOfNobody(name, ValidatorIndex(3)))
        // As a block has them.
        for item in [good, .dispute(dispute)] {
            let read = try ChainItem(try #require(item.blockItem))
            #expect(read == item)
        }
    }

    /// A committee says nothing about what has proofs.
    @Test func whatIsProvenIsNotForCommittees() throws {
        let (stage, name) = try Stage.elected()
        stage.tell(.say(.commitment(try #require(stage.commitment(name, output: [1])))))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        #expect(
            try stage.fault([.fastPath(stage.fastPath(name, output: [1], tranche: .everyone))])
                == .notOfCommittee(name))
        #expect(
            try stage.fault([.dispute(stage.committeeVote(name, output: [3], by: 3))])
                == .notOfCommittee(name))
    }

    // MARK: Forgotten sets

    /// A head that has forgotten the sets before a height.
    private static func forgetful(_ head: ChainHead, before height: UInt64) throws -> ChainHead {
        var bytes = head.sszEncoded()
        // The sets are the last of the fields, and the last offset of the fixed part is theirs.
        let eras = try #require(
            SSZList<ChainHead.ValidatorEra, 16>([
                ChainHead.ValidatorEra(first: height, validators: head.rotation.validators)
            ])
        ).sszEncoded()
        let list = try #require(SSZList<ChainHead.ValidatorEra, 16>(head.history)).sszEncoded()
        #expect(Array(bytes.suffix(list.count)) == list)
        bytes.removeLast(list.count)
        bytes += eras
        return try ChainHead(ssz: bytes.span)
    }

    @Test func aCommitmentThatNobodyCanJudgeLapses() throws {
        let (stage, name) = try Stage.elected()
        let commitment = try #require(stage.commitment(name, output: [1]))
        stage.tell(.say(.commitment(commitment)))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        let head = stage.head
        let height = try #require(head.operations.operations[name]?.commitment?.height)
        func step(_ head: ChainHead, _ items: [ChainItem] = []) throws -> OperationStep {
            try head.operationStep(
                items, beacon: .zero, stage.network.parameters, signatures: .check)
        }
        // As long as its set is known, nothing happens.
        let known = try step(try Self.forgetful(head, before: height))
        #expect(known.outcome.changes.isEmpty)
        let forgetful = try Self.forgetful(head, before: height + 1)
        #expect(forgetful.validators(at: height) == nil)
        let executor = commitment.content.executor
        let lapsed = try step(forgetful)
        #expect(lapsed.outcome.changes == [.lapsed(name, executor: executor)])
        let operation = try #require(lapsed.outcome.registry.operations[name])
        #expect(operation.status == .requested)
        #expect(operation.election == head.operations.operations[name]?.election)
        #expect(lapsed.outcome.registry.executors[executor] != nil)
        #expect(lapsed.outcome.registry.slashed.isEmpty)
        // Nor is anybody slashed by a certificate that comes too late.
        #expect(throws: OperationRuleFault.certificateTooOld(name, height: height)) {
            try step(
                forgetful, [.certificate(try stage.certificate(name, part: 0, rejects: true))])
        }
        // Its executor may commit again at once.
        let again = try step(forgetful, [.commitment(commitment)])
        #expect(again.outcome.registry.operations[name]?.commitment?.height == head.height + 1)
        // Builders come to the same.
        let chosen = forgetful.admissibleItems([.commitment(commitment)], stage.network.parameters)
        #expect(chosen.items == [.commitment(commitment)])
    }

    /// What is certified needs no set.
    @Test func whatIsCertifiedDoesNotLapse() throws {
        let (stage, name) = try Stage.elected()
        stage.tell(.say(.commitment(try #require(stage.commitment(name, output: [1])))))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        for part in 0..<2 as Range<UInt16> {
            stage.tell(.include(try stage.certificate(name, part: part)))
        }
        #expect(stage.run { $0.operations.operations[name]?.status == .certified })
        let forgetful = try Self.forgetful(stage.head, before: stage.head.height)
        let step = try forgetful.operationStep(
            [], beacon: .zero, stage.network.parameters, signatures: .check)
        #expect(step.outcome.registry.operations[name]?.status == .certified)
    }
}
