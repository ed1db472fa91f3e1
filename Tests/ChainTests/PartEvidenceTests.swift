import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Operations
import OrderedCollections
import PeerIdentity
import Testing

@testable import Chain

/// Validators that are slashed for what they said of parts.
@Suite struct PartEvidenceTests {
    private typealias Stage = OperationStage

    /// An operation with a commitment.
    private static func committed(
        _ change: (inout ChainNetwork.Options) -> Void = { _ in }
    ) throws -> (Stage, Bytes32) {
        let (stage, name) = try Stage.elected(change)
        stage.tell(.say(.commitment(try #require(stage.commitment(name, output: [1])))))
        #expect(stage.run { $0.operations.operations[name]?.status == .committed })
        return (stage, name)
    }

    private static func key(_ stage: Stage, _ name: Bytes32, _ position: Int) throws
        -> SigningKeyBytes
    {
        try stage.validators(name).validators[position].key
    }

    @Test(arguments: [Set<Int>(), [2], [1, 2]])
    func aFalseVerdictIsSlashedWhenEveryoneHasJudged(stateless: Set<Int>) throws {
        let (stage, name) = try Self.committed {
            $0.stateless = stateless
            $0.epochLength = 8
        }
        let culprit = try Self.key(stage, name, 3)
        let proof = try stage.proof(name, part: 0)
        let vote = try stage.vote(name, part: 0, by: 3, rejects: true)
        stage.tell(.accuse(try stage.falseVerdict(vote)))
        // What a few say is not enough: those who drew the part may all be wrong.
        stage.tell(.include(try stage.certificate(name, part: 0)))
        #expect(stage.run { $0.operations.operations[name]?.commitment?.certifiedParts == 1 })
        let committers = stage.head.operations.operations[name]?.commitment?.committers
        let height = stage.head.height
        #expect(stage.run { $0.height >= height + 4 })
        #expect(stage.head.registry.slashed.isEmpty)
        #expect(stage.head.operations.judgements.isEmpty)
        // Everyone says the same as they.
        let everyone = try stage.certificate(name, part: 0, tranche: .everyone)
        stage.tell(.include(everyone))
        #expect(stage.run { $0.registry.slashed.contains(culprit) })
        #expect(stage.head.registry.entries[culprit] == nil)
        #expect(stage.head.operations.judgements[proof]?.isValid == true)
        #expect(stage.head.operations.judgements[proof]?.height == stage.head.height)
        #expect(stage.head.operations.slashed.isEmpty)
        #expect(stage.head.operations.operations[name]?.commitment?.committers == committers)
        // Nobody is slashed twice, and the set of the next epoch is without it.
        #expect(
            try stage.fault([.evidence(stage.falseVerdict(vote))])
                == .evidenceAgainstNobody(ValidatorIndex(3)))
        #expect(stage.run(seconds: 60) { $0.rotation.validators.count == 3 })
        for host in stage.network.hosts {
            #expect(host.slashedForParts == [culprit])
            #expect(host.counters.partEvidenceCommitted == 1)
            #expect(host.reports.reduce(0) { $0 + $1.partEvidenceCount } == 1)
            #expect(host.events.count { $0.contains("partEvidence") } == 1)
            #expect(host.penalties.isEmpty)
        }
        #expect(!stage.hasInvalidBlocks)
        #expect(stage.network.forks.isEmpty)
        let roots = Set(
            stage.network.hosts.compactMap { $0.head }.filter { $0.height == stage.head.height }
                .map { $0.checkpointRoot })
        #expect(roots.count == 1)
    }

    /// The block that has everyone's certificate may have the evidence, too.
    @Test func whoAcceptsWhatEveryoneRejectsIsSlashedAtOnce() throws {
        let (stage, name) = try Self.committed()
        let culprit = try Self.key(stage, name, 3)
        let executor = try #require(stage.head.operations.operations[name]?.commitment?.executor)
        let vote = try stage.vote(name, part: 1, by: 3)
        stage.tell(.accuse(try stage.falseVerdict(vote)))
        stage.tell(.include(try stage.certificate(name, part: 1, rejects: true)))
        #expect(stage.run { $0.operations.slashed.contains(executor) })
        #expect(Array(stage.head.registry.slashed) == [culprit])
        // What a commitment that is gone was rejected for holds others to it later.
        let late = try #require(stage.head.operations.judgements.values.first)
        #expect(late.isValid == false)
        #expect(late.proof.part == 1)
        #expect(stage.network.forks.isEmpty)
        #expect(!stage.hasInvalidBlocks)
    }

    @Test func evidenceFollowsTheRules() throws {
        let (stage, name) = try Self.committed()
        let reject = try stage.vote(name, part: 0, by: 3, rejects: true)
        let accept = try stage.vote(name, part: 0, by: 3)
        let proof = try stage.proof(name, part: 0)
        let everyone = ChainItem.certificate(
            try stage.certificate(name, part: 0, tranche: .everyone))
        let few = ChainItem.certificate(try stage.certificate(name, part: 0))
        let piece = ChainItem.evidence(try stage.falseVerdict(reject))
        #expect(stage.fault([everyone, piece]) == nil)
        #expect(stage.fault([piece]) == .evidenceWithoutJudgement(proof))
        #expect(stage.fault([few, piece]) == .evidenceWithoutJudgement(proof))
        #expect(stage.fault([piece, everyone]) == .evidenceWithoutJudgement(proof))
        // Few and then everyone, in one block; everyone once.
        #expect(stage.fault([few, everyone, piece]) == nil)
        #expect(
            stage.fault([everyone, everyone])
                == .registry(.partCertifiedTwice(name, part: 0)))
        #expect(
            stage.fault([everyone, few]) == .registry(.partCertifiedTwice(name, part: 0)))
        #expect(
            try stage.fault([
                everyone, .certificate(stage.certificate(name, part: 0, rejects: true)),
            ]) == .registry(.judgedOtherwise(name, part: 0)))
        // Of another part, or who was right.
        let other = try stage.vote(name, part: 1, by: 3, rejects: true)
        #expect(
            try stage.fault([everyone, .evidence(stage.falseVerdict(other))])
                == .evidenceWithoutJudgement(stage.proof(name, part: 1)))
        #expect(
            try stage.fault([everyone, .evidence(stage.falseVerdict(accept))])
                == .evidenceWithoutJudgement(proof))
        // One validator once, whatever it did.
        let twice = ChainItem.evidence(
            .equivocation(try #require(VerdictEquivocation(accept, reject))))
        #expect(stage.fault([twice]) == nil)
        #expect(
            stage.fault([everyone, piece, twice])
                == .evidenceAgainstNobody(ValidatorIndex(3)))
        // A vote is no fault.
        let claim = try #require(VoteOnProof(vote: reject, proofType: 64, proofSize: 1))
        let rejecting = try #require(RejectEvidence(claim))
        #expect(stage.fault([.evidence(.reject(rejecting))]) == .evidenceOfNoFault(name))
        // Signed by somebody else, each of the two.
        for (one, two) in [
            (accept, try stage.vote(name, part: 0, by: 3, rejects: true, signer: 1)),
            (try stage.vote(name, part: 0, by: 3, signer: 1), reject),
        ] {
            let pair = try #require(VerdictEquivocation(one, two))
            #expect(
                stage.fault([.evidence(.equivocation(pair))])
                    == .evidence(.signature(.badSignature(ValidatorIndex(3)))))
        }
        let forged = try stage.vote(name, part: 0, by: 3, rejects: true, signer: 0)
        #expect(
            try stage.fault([everyone, .evidence(stage.falseVerdict(forged))])
                == .evidence(.signature(.badSignature(ValidatorIndex(3)))))
        // Of a set that nobody knows, and of no member.
        let root = SHA256.hash([7])
        func vote(_ root: Bytes32, _ index: Int, rejects: Bool) -> SubProofVote {
            SubProofVote(
                signing: SubProofVoteContent(
                    id: proof, validatorsRoot: root,
                    verdict: rejects ? .reject(.malformed) : .valid),
                as: ValidatorIndex(index), with: IdentityKey(ChainNetwork.validatorKey(3)),
                network: stage.network.parameters.network)
        }
        let unknown = try #require(
            VerdictEquivocation(vote(root, 3, rejects: true), vote(root, 3, rejects: false)))
        #expect(stage.fault([.evidence(.equivocation(unknown))]) == .evidenceTooOld(root))
        let known = try stage.validators(name).root
        let nobody = try #require(
            VerdictEquivocation(vote(known, 4, rejects: true), vote(known, 4, rejects: false)))
        #expect(
            stage.fault([.evidence(.equivocation(nobody))])
                == .evidenceAgainstNobody(ValidatorIndex(4)))
        // Two outputs for one operation.
        let outputs = try #require(
            OutputEquivocation(
                try stage.committeeVote(name, output: [1], by: 2),
                try stage.committeeVote(name, output: [2], by: 2)))
        #expect(stage.fault([twice, .evidence(.outputEquivocation(outputs))]) == nil)
    }

    /// What this node was told and no block may have waits, and holds nobody up.
    @Test func builtBlocksHaveWhatHolds() throws {
        let (stage, name) = try Self.committed()
        for position in 0..<4 {
            stage.tell(
                .accuse(
                    try stage.falseVerdict(
                        try stage.vote(name, part: 0, by: position, rejects: position < 3))))
        }
        let pair = try #require(
            VerdictEquivocation(
                try stage.vote(name, part: 1, by: 3),
                try stage.vote(name, part: 1, by: 3, rejects: true)))
        stage.tell(.accuse(.equivocation(pair)))
        let culprit = try Self.key(stage, name, 3)
        #expect(stage.run { $0.registry.slashed.contains(culprit) })
        let height = stage.head.height
        #expect(stage.run { $0.height >= height + 4 })
        #expect(Array(stage.head.registry.slashed) == [culprit])
        #expect(!stage.hasInvalidBlocks)
        #expect(stage.network.forks.isEmpty)
    }

    /// A block has evidence against sixteen validators, and not against a seventeenth.
    @Test func aBlockHasEvidenceAgainstSixteen() throws {
        var options = ChainNetwork.Options()
        options.validators = 18
        let network = try ChainNetwork(options)
        let head = try ChainHead(network.parameters)
        let proof = try #require(SubProofID(operation: .zero, part: 0, proof: .zero))
        var items: [ChainItem] = []
        for index in 0..<18 {
            let votes = [SubProofVerdict.valid, .reject(.malformed)].map { verdict in
                SubProofVote(
                    signing: SubProofVoteContent(
                        id: proof, validatorsRoot: head.validators.root, verdict: verdict),
                    as: ValidatorIndex(index),
                    with: IdentityKey(ChainNetwork.validatorKey(index)),
                    network: network.parameters.network)
            }
            items.append(
                .evidence(
                    .equivocation(try #require(VerdictEquivocation(votes[0], votes[1])))))
        }
        let sixteen = try head.operationStep(
            Array(items.prefix(16)), beacon: .zero, network.parameters, signatures: .check)
        #expect(sixteen.slashed == head.validators.validators.prefix(16).map(\.key))
        #expect(throws: OperationRuleFault.tooMuchEvidence(limit: 16)) {
            try head.operationStep(
                Array(items.prefix(17)), beacon: .zero, network.parameters, signatures: .check)
        }
        let chosen = head.admissibleItems(items, network.parameters)
        #expect(chosen.items == Array(items.prefix(16)))
        // As a block has them.
        for item in items {
            let read = try ChainItem(try #require(item.blockItem))
            #expect(read == item)
        }
    }

    /// Evidence that waits is bounded, for each validator and in all.
    @Test func evidenceThatWaitsIsBounded() throws {
        var pool = OperationPool()
        let key = IdentityKey(ChainNetwork.validatorKey(0))
        let network = NetworkDigest([1, 2, 3, 4])!
        func evidence(_ validator: Int, _ part: UInt16) throws -> SubProofEvidence {
            let proof = try #require(SubProofID(operation: .zero, part: part, proof: .zero))
            let vote = SubProofVote(
                signing: SubProofVoteContent(
                    id: proof, validatorsRoot: .zero, verdict: .reject(.malformed)),
                as: ValidatorIndex(validator), with: key, network: network)
            return .falseVerdict(
                FalseVerdictEvidence(
                    try #require(VoteOnProof(vote: vote, proofType: 1, proofSize: 1))))
        }
        var added = 0
        for part in 0..<6 as Range<UInt16> {
            let piece = try evidence(0, part)
            if pool.add(piece) { added += 1 }
            let isAgain = pool.add(piece)
            #expect(!isAgain)
        }
        #expect(added == OperationPool.evidenceOfValidatorMax)
        for validator in 1..<1024 {
            for part in 0..<4 as Range<UInt16> {
                if pool.add(try evidence(validator, part)) { added += 1 }
            }
        }
        #expect(added < 4096)
        #expect(pool.size <= OperationPool.evidenceSizeMax)
        #expect(pool.count > 1024)
    }
}
