import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity

/// Seven validators with stakes 1 to 7, and messages of theirs.
enum ConsensusFixture {
    static let network = NetworkDigest([1, 2, 3, 4])!
    static let keys = (0..<7).map(key)
    static let validators = try! ValidatorSet(
        keys.enumerated().map {
            Validator(key: BodyDescription.producer(of: $1), stake: UInt64($0 + 1))
        })

    static func key(_ index: Int) -> IdentityKey {
        IdentityKey(ed25519Seed: SecretBytes(copying: SHA256.hash([UInt8(index)])))
    }

    static func root(_ text: String) -> Bytes32 { SHA256.hash(Array(text.utf8)) }

    static func vote(
        _ validator: Int, _ kind: VoteKind = .precommit, height: UInt64 = 5, round: UInt32 = 2,
        block: String? = "block"
    ) -> Vote {
        Vote(
            signing: VoteContent(
                kind: kind, height: height, round: round, blockID: block.map(root)),
            as: ValidatorIndex(validator), with: keys[validator], network: network)
    }

    static func proposal(
        _ proposer: Int, round: UInt32 = 2, validRound: UInt32? = nil, block: String = "block"
    ) -> Proposal {
        Proposal(
            signing: ProposalContent(
                height: 5, round: round, validRound: validRound, blockID: root(block)),
            as: ValidatorIndex(proposer), with: keys[proposer], network: network)
    }

    static func commit(_ signers: [Int], bitCount: Int = 7) -> Commit {
        var bits = ValidatorBits(count: bitCount)!
        for signer in signers { bits[signer] = true }
        return Commit(
            height: 5, round: 2, blockID: root("block"), scheme: .ed25519, signers: bits,
            signatures: signers.map { vote($0).signature })!
    }

    static func block(evidence: [Evidence] = [], lastCommit: Commit? = nil) -> ConsensusBlock {
        let payload = ContentReference(kind: .block, size: 1000, root: root("payload"))!
        let witness = ContentReference(kind: .witness, size: 5000, root: root("witness"))!
        let body = BlockBody(lastCommit: lastCommit, evidence: evidence, references: [witness])!
        let header = BlockHeader(
            network: network, height: 6, round: 0, parentID: root("block"),
            time: WallTime(milliseconds: 1_700_000_000_000), proposer: ValidatorIndex(3),
            validatorsRoot: validators.root, nextValidatorsRoot: validators.root,
            prioritiesRoot: root("priorities"), beaconProof: SSZByteVector(),
            beaconValue: root("beacon"), payload: payload, body: body)
        return ConsensusBlock(header: header, body: body)!
    }
}
