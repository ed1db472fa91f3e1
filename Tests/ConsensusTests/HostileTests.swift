import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

/// Floods, numbers at the ends of their ranges, strangers. What precheck lets through is handed in, as the
/// node does.
@Suite struct HostileInputTests {
    static func give(_ vote: Vote, to node: SingleValidator) {
        if case .verify = node.machine.precheck(vote) {
            node.give(.voteReceived(VerifiedVote(trusting: vote)))
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let vote: Vote
        let drop: ConsensusDrop

        init(_ name: String, _ vote: Vote, _ drop: ConsensusDrop) {
            testDescription = name
            self.vote = vote
            self.drop = drop
        }
    }

    static func vote(
        _ voter: Int, height: UInt64 = 5, round: UInt32 = 0, scheme: SignatureScheme = .ed25519
    ) -> Vote {
        let content = VoteContent(kind: .prevote, height: height, round: round, blockID: nil)
        return Vote(
            content: content, validator: ValidatorIndex(voter), scheme: scheme,
            signature: SignatureBytes())
    }

    static let rows = [
        Row("unknown validator", vote(4), .unknownValidator),
        Row("the last index there is", vote(65535), .unknownValidator),
        Row("unknown validator of the next height", vote(4, height: 6), .unknownValidator),
        Row("other scheme", vote(1, scheme: .secp256k1), .otherScheme),
        Row("height past", vote(1, height: 3), .heightPast),
        Row("height far ahead", vote(1, height: 7), .heightAhead),
        Row("the last height there is", vote(1, height: ConsensusBounds.heightMax), .heightAhead),
    ]

    @Test(arguments: rows) func refusesBeforeAnySignature(_ row: Row) {
        let node = SingleValidator(startsAt: 5)
        #expect(node.machine.precheck(row.vote) == .drop(row.drop))
        // And when it comes all the same.
        let outputs = node.give(.voteReceived(VerifiedVote(trusting: row.vote)))
        #expect(outputs.isEmpty)
        #expect(node.machine.counters[row.drop] == 1)
    }

    @Test func theLastRoundThereIsDoesNothing() {
        let node = SingleValidator()
        let last = ConsensusBounds.roundMax
        Self.give(SingleValidator.vote(.prevote, "a", by: 0, round: last), to: node)
        #expect(node.machine.status.round == 0)
        // Two of four would be a third of liars; the jump is bounded even then.
        Self.give(SingleValidator.vote(.prevote, "a", by: 1, round: last), to: node)
        #expect(node.machine.status.round <= node.machine.limits.roundSkipMax)
        node.pass(100_000)
        node.pass(100_000)
    }

    @Test(arguments: UInt64(0)..<4) func aFloodFromOneValidatorIsBounded(seed: UInt64) {
        let node = SingleValidator()
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<5000 {
            let kind: VoteKind = random.chance(1, in: 2) ? .prevote : .precommit
            let round = UInt32(
                random.below(random.chance(1, in: 2) ? 40 : Int(ConsensusBounds.roundMax)))
            let height = UInt64(1 + random.below(2))
            let block = "block \(random.below(1000))"
            Self.give(
                SingleValidator.vote(kind, block, by: 0, round: round, height: height), to: node)
        }
        // Rounds 0 and 1, two ahead, both kinds; four of the next height.
        #expect(node.machine.voteCount <= 4 * 2 + 4)
        #expect(node.machine.roundCount <= 4)
        #expect(node.machine.status.round == 0)
        #expect(node.machine.counters.evidenceFound == 1)
    }

    @Test func aFaultyThirdOfALargeSetKeepsToTheBound() {
        let count = 31
        let validators = World.validators([UInt64](repeating: 1, count: count))
        var machine = Tendermint(localKey: World.keyBytes[30], seed: 0)
        var outputs: [ConsensusOutput] = []
        let context = HeightContext(
            height: 1, rotation: ProposerRotation(validators: validators),
            nextValidators: validators, parent: nil)
        machine.handle(.heightStarted(context, nil), now: World.at(0), into: &outputs)
        var random = DeterministicRandom(seed: 5)
        for step in 0..<20_000 {
            let content = VoteContent(
                kind: random.chance(1, in: 2) ? .prevote : .precommit,
                height: UInt64(1 + random.below(2)),
                round: UInt32(random.below(step % 2 == 0 ? 100 : 1 << 30)),
                blockID: World.block("\(random.below(50))"))
            let voter = random.below(10)
            let vote = World.vote(content, by: ValidatorIndex(voter), key: voter, signs: false)
            guard case .verify = machine.precheck(vote) else { continue }
            machine.handle(
                .voteReceived(VerifiedVote(trusting: vote)), now: World.at(step), into: &outputs)
        }
        #expect(machine.voteCount <= machine.limits.votesMax(validators: count))
        #expect(machine.voteCount <= 10 * (4 * 2 + 4))
        #expect(machine.roundCount <= 2 + 20)
        #expect(machine.counters.evidenceFound == 10)
    }

    @Test func theLatestRoundsAheadAreKept() {
        let node = SingleValidator()
        for round in [UInt32(10), 20, 30, 15] {
            Self.give(SingleValidator.vote(.prevote, "a", by: 0, round: round), to: node)
        }
        #expect(node.machine.roundCount == 2)
        let early = SingleValidator.vote(.precommit, "a", by: 0, round: 15)
        #expect(node.machine.precheck(early) == .drop(.roundAhead))
        guard
            case .verify = node.machine.precheck(
                SingleValidator.vote(.precommit, "a", by: 0, round: 20))
        else {
            Issue.record("round 20 is one of the two latest")
            return
        }
    }

    @Test func votesOfLongPastRoundsAreNotWanted() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0, 1], round: 100)
        #expect(node.machine.status.round == 100)
        let old = SingleValidator.vote(.precommit, "a", by: 2, round: 67)
        #expect(node.machine.precheck(old) == .drop(.roundPast))
        Self.give(SingleValidator.vote(.precommit, "a", by: 2, round: 68), to: node)
        // Unless the proposal refers to them.
        node.propose("a", round: 100, validRound: 3)
        guard
            case .verify = node.machine.precheck(
                SingleValidator.vote(.prevote, "a", by: 2, round: 3))
        else {
            Issue.record("line 28 needs it")
            return
        }
    }

    @Test func onlyTheProposerProposesAndOnlyNearby() {
        let node = SingleValidator()
        func precheck(_ round: UInt32, by proposer: Int, height: UInt64 = 1)
            -> ConsensusPrecheck
        {
            let content = ProposalContent(
                height: height, round: round, validRound: nil, blockID: World.block("a"))
            return node.machine.precheck(
                World.proposal(
                    content, by: ValidatorIndex(proposer), key: proposer % 4, signs: false))
        }
        #expect(precheck(0, by: 0) == .verify(SingleValidator.validators))
        #expect(precheck(1, by: 0) == .drop(.notProposer))
        #expect(precheck(64, by: 0) == .verify(SingleValidator.validators))
        #expect(precheck(65, by: 1) == .drop(.roundAhead))
        #expect(precheck(ConsensusBounds.roundMax, by: 3) == .drop(.roundAhead))
        #expect(precheck(0, by: 4) == .drop(.unknownValidator))
        #expect(precheck(0, by: 1, height: 2) == .verify(SingleValidator.validators))
        #expect(precheck(0, by: 2, height: 2) == .drop(.notProposer))
        #expect(precheck(1, by: 2, height: 2) == .drop(.heightAhead))
        #expect(precheck(0, by: 0, height: 3) == .drop(.heightAhead))
    }

    @Test func aSecondProposalIsEvidenceOnce() throws {
        let node = SingleValidator()
        node.propose("a")
        let outputs = node.propose("b")
        guard case .evidence(.duplicateProposal(let pair))? = outputs.first else {
            Issue.record("\(outputs)")
            return
        }
        #expect(
            Set([pair.first.blockID, pair.second.blockID])
                == [World.block("a"), World.block("b")])
        #expect(node.propose("c").isEmpty)
        #expect(node.machine.counters[.equivocation] == 1)
    }

    @Test func commitsAreCountedBeforeTheyAreVerified() {
        let node = SingleValidator()
        func commit(_ signers: [Int], bits count: Int, height: UInt64 = 1) -> Commit {
            var bits = ValidatorBits(count: count)!
            for signer in signers { bits[signer] = true }
            return Commit(
                height: height, round: 0, blockID: World.block("a"), scheme: .ed25519,
                signers: bits,
                signatures: signers.map { _ in SignatureBytes() })!
        }
        let three = [0, 1, 2]
        #expect(
            node.machine.precheck(commit(three, bits: 4)) == .verify(SingleValidator.validators))
        #expect(node.machine.precheck(commit(three, bits: 5)) == .drop(.wrongBitCount))
        #expect(node.machine.precheck(commit(three, bits: 3)) == .drop(.wrongBitCount))
        #expect(node.machine.precheck(commit([0, 1], bits: 4)) == .drop(.notEnoughStake))
        #expect(
            node.machine.precheck(commit(three, bits: 4, height: 2)) == .drop(.heightAhead))
    }

    @Test func lateAndWrongAnswersAreDropped() {
        let node = SingleValidator()
        node.judge("never asked for")
        node.give(.blockBuilt(height: 1, round: 0, blockID: World.block("a")))
        node.give(.blockBuilt(height: 9, round: 0, blockID: World.block("a")))
        node.give(SingleValidator.signed(.vote(node.content(.prevote, "a"))))
        #expect(node.machine.counters[.late] == 3)
        node.start(1)
        #expect(node.machine.counters[.heightPast] == 1)
        // The first verdict stands.
        node.propose("a")
        node.judge("a", .invalid)
        node.judge("a", .valid)
        node.votes(.prevote, "a")
        #expect(node.machine.status.locked == nil)
    }

    @Test func everyDropHasItsName() {
        #expect(ConsensusDrop.allCases.map(\.rawValue) == Array(0..<ConsensusDrop.allCases.count))
        #expect(ConsensusDrop.allCases.filter(\.isFault).count == 5)
    }
}
