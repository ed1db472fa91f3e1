import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

@Suite struct VoteSetTests {
    static func vote(_ validator: Int, _ block: String?) -> Vote {
        let content = VoteContent(
            kind: .prevote, height: 1, round: 0, blockID: block.map(World.block))
        return World.vote(content, by: ValidatorIndex(validator), key: validator, signs: false)
    }

    static func set(_ votes: [(Int, String?)], stakes: [UInt64] = [1, 1, 1, 1]) -> VoteSet {
        var set = VoteSet(validators: World.validators(stakes))
        for (validator, block) in votes { _ = set.record(vote(validator, block)) }
        return set
    }

    @Test func aQuorumIsMoreThanTwoThirdsOfTheStake() {
        var set = Self.set([(0, "a"), (1, "a")])
        #expect(set.quorum == nil)
        #expect(!set.hasAnyQuorum)
        _ = set.record(Self.vote(2, nil))
        #expect(set.quorum == nil)
        #expect(set.hasAnyQuorum)
        _ = set.record(Self.vote(3, "a"))
        #expect(set.quorum == .some(World.block("a")))
        let byStake = Self.set([(0, nil), (1, nil)], stakes: [4, 3, 1, 1])
        #expect(byStake.quorum == .some(.none))
    }

    @Test func aVoteCountsOnce() {
        var set = Self.set([(0, "a"), (0, "a"), (0, "a")])
        #expect(set.stake == 1)
        guard case .duplicate = set.record(Self.vote(0, "a")) else {
            Issue.record("the same vote again")
            return
        }
    }

    /// With a third for the other block a contradiction counts there, and only there.
    @Test func contradictionsCountWhereTheyMayMatter() {
        var set = Self.set([(0, "a"), (1, "b")])
        guard case .conflict(let first, false) = set.record(Self.vote(0, "b")) else {
            Issue.record("a quarter is not more than a third")
            return
        }
        #expect(first == Self.vote(0, "a"))
        _ = set.record(Self.vote(2, "b"))
        guard case .conflict(_, true) = set.record(Self.vote(0, "b")) else {
            Issue.record("a half is more than a third")
            return
        }
        #expect(set.quorum == .some(World.block("b")))
        #expect(set.stake == 3)
        #expect(set.vote(of: ValidatorIndex(0), for: World.block("b")) == Self.vote(0, "b"))
        #expect(set.vote(of: ValidatorIndex(0), for: World.block("a")) == Self.vote(0, "a"))
        guard case .duplicate = set.record(Self.vote(0, "b")) else {
            Issue.record("it counts once")
            return
        }
    }

    @Test(arguments: UInt64(0)..<20) func aSetIsBoundedAndRemovalUndoes(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var set = Self.set([], stakes: [3, 1, 2, 1, 1, 1, 2])
        for _ in 0..<500 {
            let block = random.chance(1, in: 4) ? nil : "block \(random.below(40))"
            _ = set.record(Self.vote(random.below(7), block))
        }
        #expect(set.count <= 3 * 7)
        #expect(set.tallies.count <= 7 + 2)
        #expect(set.stake == 11)
        for validator in 0..<7 { set.remove(ValidatorIndex(validator)) }
        #expect(set.isEmpty)
        #expect(set.count == 0)
        #expect(set.tallies.isEmpty)
    }

    @Test func summariesRoundTrip() throws {
        let set = Self.set([(0, "a"), (1, "a"), (2, nil)])
        let leading = try #require(set.leading)
        let part = VoteSetSummary(
            kind: .precommit, round: 3, blockID: leading.blockID, voters: set.voters,
            blockVoters: leading.voters)
        let summary = try #require(
            VoteSummary(
                height: 9, round: 4, hasProposal: true,
                sets: Array(repeating: part, count: VoteSummary.setsMax)))
        let bytes = summary.sszEncoded()
        #expect(try VoteSummary(ssz: bytes.span) == summary)
        #expect(bytes.count <= VoteSummary.encodedSizeMax)
        for position in bytes.indices {
            var flipped = bytes
            flipped[position] ^= 1
            let other = try? VoteSummary(ssz: flipped.span)
            #expect(other != summary)
        }
        #expect(
            VoteSummary(
                height: 9, round: 4, hasProposal: true, sets: Array(repeating: part, count: 7))
                == nil)
    }
}
