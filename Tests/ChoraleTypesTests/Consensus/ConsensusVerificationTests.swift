import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

private typealias Fixture = ConsensusFixture

@Suite struct ConsensusVerificationTests {
    @Test func aVoteIsItsAuthorsInItsNetworkOnly() throws {
        let vote = Fixture.vote(3)
        try vote.verify(validators: Fixture.validators, network: Fixture.network)
        #expect(throws: ConsensusSignatureError.badSignature(ValidatorIndex(3))) {
            try vote.verify(validators: Fixture.validators, network: NetworkDigest([1, 2, 3, 5])!)
        }
        func changed(
            content: VoteContent? = nil, validator: Int = 3, scheme: SignatureScheme = .ed25519,
            signature: SignatureBytes? = nil
        ) -> Vote {
            Vote(
                content: content ?? vote.content, validator: ValidatorIndex(validator),
                scheme: scheme, signature: signature ?? vote.signature)
        }
        let other = VoteContent(
            kind: .prevote, height: vote.height, round: vote.round, blockID: vote.blockID)
        let cases: [(Vote, ConsensusSignatureError)] = [
            (changed(content: other), .badSignature(ValidatorIndex(3))),
            (changed(validator: 2), .badSignature(ValidatorIndex(2))),
            (changed(validator: 7), .unknownValidator(ValidatorIndex(7), count: 7)),
            (changed(validator: 65535), .unknownValidator(ValidatorIndex(65535), count: 7)),
            (changed(scheme: .secp256k1), .otherScheme(.secp256k1, expected: .ed25519)),
            (changed(signature: SignatureBytes()), .badSignature(ValidatorIndex(3))),
        ]
        for (vote, error) in cases {
            #expect(throws: error) {
                try vote.verify(validators: Fixture.validators, network: Fixture.network)
            }
        }
    }

    @Test func aProposalIsNoVote() throws {
        let proposal = Fixture.proposal(2)
        try proposal.verify(validators: Fixture.validators, network: Fixture.network)
        let forged = Vote(
            content: Fixture.vote(2).content, validator: ValidatorIndex(2), scheme: .ed25519,
            signature: proposal.signature)
        #expect(throws: ConsensusSignatureError.self) {
            try forged.verify(validators: Fixture.validators, network: Fixture.network)
        }
    }

    /// 28 in all: 18 is not more than two thirds, 19 is.
    @Test func aCommitNeedsMoreThanTwoThirdsOfTheStake() throws {
        try Fixture.commit([5, 6, 3, 1].sorted()).verify(
            validators: Fixture.validators, network: Fixture.network)
        #expect(throws: Commit.VerifyError.notEnoughStake(18, total: 28)) {
            try Fixture.commit([4, 5, 6]).verify(
                validators: Fixture.validators, network: Fixture.network)
        }
        #expect(throws: Commit.VerifyError.wrongBitCount(8, validators: 7)) {
            try Fixture.commit([3, 4, 5, 6], bitCount: 8).verify(
                validators: Fixture.validators, network: Fixture.network)
        }
    }

    @Test func everySignatureOfACommitIsChecked() throws {
        let good = Fixture.commit([0, 3, 4, 5, 6])
        #expect(good.votes.map(\.validator.position) == [0, 3, 4, 5, 6])
        for wrong in 0..<5 {
            var signatures = good.signatures
            signatures[wrong] = Fixture.vote(0, .prevote).signature
            let commit = try #require(
                Commit(
                    height: 5, round: 2, blockID: good.blockID, scheme: .ed25519,
                    signers: good.signers, signatures: signatures))
            let signer = good.votes[wrong].validator
            #expect(throws: Commit.VerifyError.signature(.badSignature(signer))) {
                try commit.verify(validators: Fixture.validators, network: Fixture.network)
            }
        }
    }

    @Test func evidenceNeedsBothSignatures() throws {
        let vote = Fixture.vote(1)
        let forged = Vote(
            content: Fixture.vote(1, block: nil).content, validator: ValidatorIndex(1),
            scheme: .ed25519, signature: vote.signature)
        let pair = try #require(Evidence.DuplicateVote(vote, forged))
        #expect(throws: ConsensusSignatureError.badSignature(ValidatorIndex(1))) {
            try Evidence.duplicateVote(pair).verify(
                validators: Fixture.validators, network: Fixture.network)
        }
    }

    @Test func validatorListsAreChecked() {
        func validator(_ index: Int, stake: UInt64 = 1) -> Validator {
            Validator(key: BodyDescription.producer(of: Fixture.key(index)), stake: stake)
        }
        let noPoint = Validator(
            key: SigningKeyBytes(scheme: .ed25519, bytes: [1, 2])!, stake: 1)
        let otherScheme = Validator(
            key: SigningKeyBytes(
                scheme: .secp256k1, bytes: [UInt8](repeating: 2, count: 33))!, stake: 1)
        let bound = ConsensusBounds.totalStakeMax
        let cases: [([Validator], ValidatorSet.ListError)] = [
            ([], .empty),
            (Array(repeating: validator(0), count: 1025), .tooMany(1025, limit: 1024)),
            ([validator(0), validator(1, stake: 0)], .zeroStake(index: 1)),
            ([validator(0, stake: bound + 1)], .totalStakeAbove(limit: bound)),
            ([validator(0, stake: .max)], .totalStakeAbove(limit: bound)),
            (
                [validator(0), validator(1, stake: .max)],
                .totalStakeAbove(limit: bound)
            ),
            ([validator(0, stake: bound), validator(1)], .totalStakeAbove(limit: bound)),
            ([validator(0), validator(1), validator(0)], .duplicateKey(index: 2)),
            ([noPoint], .unusableKey(index: 0)),
            ([validator(0), otherScheme], .unusableKey(index: 1)),
        ]
        for (list, error) in cases {
            #expect(throws: error) { try ValidatorSet(list) }
        }
        let largest = try? ValidatorSet([validator(0, stake: bound - 1), validator(1)])
        #expect(largest?.isQuorum(bound) == true)
        #expect(largest?.isQuorum(bound / 3 * 2) == false)
    }

    @Test func quorumsAreStrict() throws {
        let three = try ValidatorSet(
            (0..<3).map {
                Validator(key: BodyDescription.producer(of: Fixture.key($0)), stake: 1)
            })
        #expect(!three.isQuorum(2))
        #expect(three.isQuorum(3))
        #expect(!three.hasHonestMember(1))
        #expect(three.hasHonestMember(2))
        #expect(three.index(of: three.validators[2].key) == ValidatorIndex(2))
        #expect(three.index(of: BodyDescription.producer(of: Fixture.key(5))) == nil)
        #expect(three[ValidatorIndex(3)] == nil)
    }

    @Test func beaconInputsDifferByAllTheyAreMadeOf() {
        let network = Fixture.network
        let value = Fixture.root("value")
        let inputs = [
            Beacon.alpha(previous: value, height: 1, network: network),
            Beacon.alpha(previous: value, height: 2, network: network),
            Beacon.alpha(previous: Fixture.root("other"), height: 1, network: network),
            Beacon.alpha(previous: value, height: 1, network: NetworkDigest([0, 0, 0, 0])!),
        ]
        #expect(Set(inputs).count == 4)
        #expect(Beacon.value(output: [1]) != Beacon.value(output: [2]))
        #expect(
            Beacon.genesis(network: network, genesisID: value)
                != Beacon.genesis(network: network, genesisID: .zero))
    }
}
