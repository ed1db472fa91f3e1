import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

@testable import Consensus

@Suite struct BlockCheckTests {
    static let validators = World.validators([1, 2, 3, 4])
    static let parent = World.block("parent")
    static let beacon = World.block("beacon")
    static let time = WallTime(milliseconds: 1_700_000_000_000)

    static func commit(_ signers: [Int] = [1, 2, 3], block: Bytes32 = parent) -> Commit {
        var bits = ValidatorBits(count: 4)!
        for signer in signers { bits[signer] = true }
        let content = VoteContent(kind: .precommit, height: 6, round: 0, blockID: block)
        return Commit(
            height: 6, round: 0, blockID: block, scheme: .ed25519, signers: bits,
            signatures: signers.map {
                World.vote(content, by: ValidatorIndex($0), key: $0, signs: true).signature
            })!
    }

    static let context = HeightContext(
        height: 7, rotation: ProposerRotation(validators: validators), nextValidators: validators,
        parent: ParentCommit(commit: commit(), validators: validators))

    static let check = BlockCheck(
        network: World.network, context: context, parentID: parent, parentTime: time,
        previousBeacon: beacon, nextValidatorsRoot: validators.root, evidenceAgeMax: 3,
        pastValidators: { $0 >= 4 ? validators : nil })

    static func evidence(_ height: UInt64, _ validator: Int = 1, signs: Bool = true) -> Evidence {
        let votes = [World.block("x"), nil].map { block in
            World.vote(
                VoteContent(kind: .prevote, height: height, round: 0, blockID: block),
                by: ValidatorIndex(validator), key: validator, signs: signs)
        }
        return .duplicateVote(Evidence.DuplicateVote(votes[0], votes[1])!)
    }

    /// A good block of round 0, whose proposer is 3, but for what is given.
    static func block(
        network: NetworkDigest = World.network, height: UInt64 = 7, round: UInt32 = 0,
        parentID: Bytes32 = parent, later: Int64 = 1, proposer: Int = 3, key: Int = 3,
        beaconHeight: UInt64 = 7, validatorsRoot: Bytes32 = validators.root,
        nextRoot: Bytes32 = validators.root, prioritiesRoot: Bytes32? = nil,
        value: Bytes32? = nil, lastCommit: Commit? = commit(), evidence: [Evidence] = []
    ) -> ConsensusBlock {
        let body = BlockBody(lastCommit: lastCommit, evidence: evidence, references: [])!
        let step = BeaconProof(
            previous: beacon, height: beaconHeight, network: World.network,
            key: World.keys[key].ed25519!)
        let header = BlockHeader(
            network: network, height: height, round: round, parentID: parentID,
            time: WallTime(milliseconds: time.milliseconds + later),
            proposer: ValidatorIndex(proposer), validatorsRoot: validatorsRoot,
            nextValidatorsRoot: nextRoot,
            prioritiesRoot: prioritiesRoot ?? context.rotation.prioritiesRoot,
            beaconProof: step.proof, beaconValue: value ?? step.value,
            payload: ContentReference(kind: .block, size: 9, root: World.block("payload"))!,
            body: body)
        return ConsensusBlock(header: header, body: body)!
    }

    @Test func aGoodBlockIsGoodInItsRoundAndProposedAgain() throws {
        try Self.check.check(Self.block(), proposedIn: 0, isFresh: true)
        try Self.check.check(Self.block(), proposedIn: 5, isFresh: false)
        try Self.check.check(
            Self.block(evidence: [Self.evidence(5), Self.evidence(6), Self.evidence(6, 2)]),
            proposedIn: 0, isFresh: true)
    }

    @Test func eachRuleHasItsFault() throws {
        let other = World.block("other")
        let otherNetwork = NetworkDigest([1, 1, 1, 1])!
        let cases: [(ConsensusBlock, BlockCheck.Fault)] = [
            (Self.block(network: otherNetwork), .otherNetwork(otherNetwork)),
            (Self.block(height: 8), .wrongHeight(8, expected: 7)),
            (Self.block(parentID: other), .otherParent(other, expected: Self.parent)),
            (
                Self.block(later: 0), .timeNotAfterParent(Self.time, parent: Self.time)
            ),
            (
                Self.block(validatorsRoot: other),
                .otherValidators(other, expected: Self.validators.root)
            ),
            (
                Self.block(nextRoot: other),
                .otherNextValidators(other, expected: Self.validators.root)
            ),
            (
                Self.block(prioritiesRoot: other),
                .otherPriorities(
                    other, expected: Self.context.rotation.prioritiesRoot)
            ),
            (Self.block(round: 1), .roundAhead(1, proposedIn: 0)),
            (Self.block(round: .max >> 1), .roundAhead(.max >> 1, proposedIn: 0)),
            (
                Self.block(proposer: 2),
                .notProposer(ValidatorIndex(2), expected: ValidatorIndex(3))
            ),
            (Self.block(key: 2), .beacon(.proof(.challengeMismatch))),
            (Self.block(beaconHeight: 8), .beacon(.proof(.challengeMismatch))),
            (Self.block(lastCommit: nil), .missingLastCommit),
            (
                Self.block(lastCommit: Self.commit(block: other)),
                .lastCommitOfOtherBlock(other, height: 6)
            ),
            (
                Self.block(lastCommit: Self.commit([0, 2])),
                .lastCommit(.notEnoughStake(4, total: 10))
            ),
            (Self.block(evidence: [Self.evidence(7)]), .evidenceOutOfRange(height: 7)),
            (Self.block(evidence: [Self.evidence(3)]), .evidenceOutOfRange(height: 3)),
            (
                Self.block(evidence: [Self.evidence(5), Self.evidence(5)]),
                .duplicateEvidence(index: 1)
            ),
            (
                Self.block(evidence: [Self.evidence(5), Self.evidence(6, 1, signs: false)]),
                .evidence(index: 1, .badSignature(ValidatorIndex(1)))
            ),
        ]
        for (block, fault) in cases {
            #expect(throws: fault) {
                try Self.check.check(block, proposedIn: 0, isFresh: true)
            }
        }
        #expect(throws: BlockCheck.Fault.roundPast(0, proposedIn: 1)) {
            try Self.check.check(Self.block(), proposedIn: 1, isFresh: true)
        }
        let claimed = Self.block(value: other)
        #expect {
            try Self.check.check(claimed, proposedIn: 0, isFresh: true)
        } throws: { error in
            guard case .beacon(.otherValue(other, _)) = error as? BlockCheck.Fault else {
                return false
            }
            return true
        }
    }

    @Test func aBlockFromTheFutureWaits() {
        let block = Self.block(later: 4000).header
        #expect(!Self.check.isEarly(block, now: Self.time))
        let early = Self.block(later: 9000).header
        #expect(Self.check.isEarly(early, now: Self.time))
        #expect(!Self.check.isEarly(early, now: Self.time.advanced(by: .seconds(4))))
    }

    @Test func theBeaconIsAChainThatOnlyProposersCanContinue() throws {
        var value = Beacon.genesis(network: World.network, genesisID: World.block("genesis"))
        var values: Set<Bytes32> = [value]
        for height in UInt64(1)...8 {
            let proposer = Int(height) % 4
            let step = BeaconProof(
                previous: value, height: height, network: World.network,
                key: World.keys[proposer].ed25519!)
            let again = BeaconProof(
                previous: value, height: height, network: World.network,
                key: World.keys[proposer].ed25519!)
            #expect(step == again)
            try step.verify(
                previous: value, height: height, network: World.network,
                key: World.keyBytes[proposer])
            #expect(throws: BeaconProof.VerifyError.proof(.challengeMismatch)) {
                try step.verify(
                    previous: value, height: height, network: World.network,
                    key: World.keyBytes[proposer + 1])
            }
            value = step.value
            #expect(values.insert(value).inserted)
        }
    }
}
