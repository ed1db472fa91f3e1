import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

/// One test a rule of Algorithm 1.
@Suite struct TendermintRuleTests {
    @Test func line14TheProposerBuildsAndProposes() {
        let node = SingleValidator(key: 3)
        node.votes(.prevote, nil, by: [0, 1], round: 3)
        #expect(node.outputs.contains(.build(height: 1, round: 3, lastCommit: nil)))
        node.give(.blockBuilt(height: 1, round: 3, blockID: World.block("a")))
        let expected = ProposalContent(
            height: 1, round: 3, validRound: nil, blockID: World.block("a"))
        #expect(node.proposed == [expected])
        // Its own proposal counts like any other: it prevotes.
        #expect(node.cast == [node.content(.prevote, "a", round: 3)])
        node.give(.blockBuilt(height: 1, round: 3, blockID: World.block("b")))
        #expect(node.proposed.isEmpty)
    }

    @Test func line16TheProposerProposesTheValidBlockAgain() {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        node.votes(.prevote, "a")
        #expect(node.machine.status.valid?.round == 0)
        node.votes(.prevote, nil, by: [0, 1], round: 3)
        #expect(node.machine.status.round == 3)
        let expected = ProposalContent(
            height: 1, round: 3, validRound: 0, blockID: World.block("a"))
        #expect(node.proposed == [expected])
    }

    @Test func line22AValidBlockIsPrevotedOnceItIsJudged() {
        let node = SingleValidator()
        node.propose("a")
        #expect(
            node.outputs.contains(
                .validate(height: 1, round: 0, blockID: World.block("a"))))
        #expect(node.cast.isEmpty)
        node.judge("a")
        #expect(node.cast == [node.content(.prevote, "a")])
        #expect(node.machine.status.phase == .step(.prevote))
    }

    @Test func line26AnInvalidBlockIsNot() {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a", .invalid)
        #expect(node.cast == [node.content(.prevote, nil)])
    }

    /// Locked on a in round 0; b comes fresh in round 1.
    @Test func line23WhoIsLockedPrevotesNothingElse() {
        let node = locked()
        node.propose("b", round: 1)
        node.judge("b")
        #expect(node.cast == [node.content(.prevote, nil, round: 1)])
        #expect(node.machine.status.locked?.blockID == World.block("a"))
        let again = locked()
        again.propose("a", round: 1)
        #expect(again.cast == [again.content(.prevote, "a", round: 1)])
    }

    /// In round 1 of four, locked on a since round 0.
    func locked() -> SingleValidator {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        node.votes(.prevote, "a", by: [0, 1])
        #expect(node.cast == [node.content(.precommit, "a")])
        node.votes(.precommit, nil, by: [0, 1])
        #expect(node.machine.status.locked == BlockInRound(round: 0, blockID: World.block("a")))
        node.pass(500)
        #expect(node.machine.status.round == 1)
        return node
    }

    @Test func line28ALockGivesWayToALaterQuorum() {
        let node = locked()
        node.pass(1100)
        #expect(node.cast == [node.content(.prevote, nil, round: 1)])
        // > 2/3 prevoted b in round 1, which we learn of late.
        node.votes(.prevote, "b", by: [0, 1, 2], round: 1)
        node.judge("b")
        node.votes(.prevote, nil, by: [0, 1], round: 2)
        #expect(node.machine.status.round == 2)
        node.propose("b", round: 2, validRound: 1)
        #expect(node.cast == [node.content(.prevote, "b", round: 2)])
    }

    @Test func line28NeedsTheQuorumItNames() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0, 1], round: 2)
        node.propose("a", round: 2, validRound: 1)
        node.judge("a")
        #expect(node.cast.isEmpty)
        node.votes(.prevote, "a", by: [0, 1], round: 1)
        #expect(node.cast.isEmpty)
        node.votes(.prevote, "a", by: [2], round: 1)
        #expect(node.cast == [node.content(.prevote, "a", round: 2)])
    }

    @Test func line29AnEarlierQuorumDoesNotMoveALock() {
        let node = SingleValidator()
        // > 2/3 for b in round 0, lock on a in round 1.
        node.votes(.precommit, nil, by: [0, 1], round: 1)
        node.propose("a", round: 1)
        node.judge("a")
        node.votes(.prevote, "a", by: [0, 1], round: 1)
        #expect(node.machine.status.locked?.round == 1)
        node.votes(.prevote, "b", by: [0, 1, 2], round: 0)
        node.votes(.precommit, nil, by: [0, 1], round: 2)
        node.propose("b", round: 2, validRound: 0)
        node.judge("b")
        #expect(node.cast == [node.content(.prevote, nil, round: 2)])
    }

    @Test func line34PrevotesForAnythingStartAClock() {
        let node = SingleValidator()
        node.pass(1000)
        #expect(node.cast == [node.content(.prevote, nil)])
        node.votes(.prevote, "a", by: [0, 1])
        #expect(node.cast.isEmpty)
        node.pass(499)
        #expect(node.cast.isEmpty)
        node.pass(1)
        #expect(node.cast == [node.content(.precommit, nil)])
    }

    @Test func line36AQuorumLocksAndIsPersistedFirst() throws {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        node.signsAtOnce = false
        let outputs = node.votes(.prevote, "a", by: [0, 1])
        let block = BlockInRound(round: 0, blockID: World.block("a"))
        let content = node.content(.precommit, "a")
        let valid = try #require(
            outputs.firstIndex(of: .persist(.valid(height: 1, block))))
        let intent = try #require(outputs.firstIndex(of: .persist(.voteIntent(content))))
        let sign = try #require(outputs.firstIndex(of: .sign(.vote(content))))
        #expect(valid < intent && intent < sign)
        // Nothing leaves before it is signed.
        #expect(node.cast.isEmpty)
        let signed = node.give(SingleValidator.signed(.vote(content)))
        #expect(node.cast == [content])
        let record = try #require(
            signed.firstIndex { output in
                if case .persist(.vote) = output { return true }
                return false
            })
        #expect(record < signed.count - 1)
    }

    @Test func line36AfterThePrecommitOnlyTheValidBlockChanges() {
        let node = SingleValidator()
        node.pass(1000)
        node.votes(.prevote, "a", by: [0, 1])
        node.pass(500)
        #expect(node.cast == [node.content(.precommit, nil)])
        node.votes(.prevote, "a", by: [2])
        node.judge("a")
        #expect(node.machine.status.valid == BlockInRound(round: 0, blockID: World.block("a")))
        #expect(node.machine.status.locked == nil)
        #expect(node.cast.isEmpty)
    }

    @Test func line44AQuorumForNothingIsPrecommitted() {
        let node = SingleValidator()
        node.pass(1000)
        node.votes(.prevote, nil, by: [0])
        #expect(node.cast.isEmpty)
        node.votes(.prevote, nil, by: [1])
        #expect(node.cast == [node.content(.precommit, nil)])
    }

    @Test func line47And65PrecommitsForAnythingEndTheRound() {
        let node = SingleValidator()
        node.votes(.precommit, nil, by: [0])
        node.votes(.precommit, "a", by: [1, 2])
        node.pass(499)
        #expect(node.machine.status.round == 0)
        node.pass(1)
        #expect(node.machine.status.round == 1)
    }

    @Test func line49ACommitNeedsTheBlock() throws {
        let node = SingleValidator()
        node.votes(.precommit, "a")
        #expect(
            node.outputs.contains(.validate(height: 1, round: 0, blockID: World.block("a"))))
        #expect(node.machine.status.phase != .committed)
        let outputs = node.judge("a")
        let commit = SingleValidator.commit("a")
        #expect(outputs == [.persist(.commit(commit)), .commit(commit)])
        #expect(node.machine.status.phase == .committed)
        #expect(node.machine.nextDeadline == nil)
    }

    @Test func line49AnEarlierRoundCommitsToo() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0, 1], round: 5)
        node.votes(.precommit, "a", round: 2)
        node.judge("a")
        #expect(node.outputs.contains(.commit(SingleValidator.commit("a", round: 2))))
    }

    /// Its block was made for a round that has not begun here: judged for the present one it would be wrong.
    @Test func line49ALaterRoundsBlockIsJudgedForThatRound() {
        let node = SingleValidator()
        node.votes(.precommit, "a", round: 1)
        #expect(
            node.outputs.contains(.validate(height: 1, round: 1, blockID: World.block("a"))))
        node.judge("a")
        #expect(node.outputs.contains(.commit(SingleValidator.commit("a", round: 1))))
    }

    @Test func line49ACertificatesBlockIsJudgedForItsRound() throws {
        let node = SingleValidator()
        let commit = try VerifiedCommit(
            trusting: SingleValidator.commit("a", round: 7),
            validators: SingleValidator.validators)
        node.give(.commitReceived(commit))
        #expect(
            node.outputs.contains(.validate(height: 1, round: 7, blockID: World.block("a"))))
    }

    @Test func line49ACommitComesWholeFromAPeer() throws {
        let node = SingleValidator()
        let commit = SingleValidator.commit("a", round: 7)
        node.give(
            .commitReceived(
                try VerifiedCommit(trusting: commit, validators: SingleValidator.validators)))
        node.judge("a")
        #expect(node.outputs.contains(.commit(commit)))
    }

    @Test func anInvalidBlockThatIsCommittedStopsEverything() {
        let node = SingleValidator()
        node.votes(.precommit, "a")
        node.judge("a", .invalid)
        #expect(
            node.outputs
                == [.event(.committedBlockIsInvalid(height: 1, blockID: World.block("a")))])
        #expect(node.machine.nextDeadline == nil)
        #expect(node.pass(100_000).isEmpty)
    }

    @Test func line55AThirdInALaterRoundIsFollowed() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0], round: 7)
        #expect(node.machine.status.round == 0)
        // The other is in another round: both are beyond 4.
        node.votes(.precommit, nil, by: [1], round: 4)
        #expect(node.machine.status.round == 4)
        #expect(node.machine.counters.roundsSkipped == 1)
    }

    @Test func line57ASilentProposerIsSkipped() {
        let node = SingleValidator()
        for round in UInt32(0)..<3 {
            node.pass(1000 + 100 * Int(round) - 1)
            #expect(node.cast.isEmpty)
            node.pass(1)
            #expect(node.cast == [node.content(.prevote, nil, round: round)])
            node.votes(.prevote, nil, by: [0, 1], round: round)
            #expect(node.cast == [node.content(.precommit, nil, round: round)])
            node.votes(.precommit, nil, by: [0, 1], round: round)
            node.pass(500 + 100 * Int(round))
            #expect(node.machine.status.round == round + 1)
        }
        // Its own turn has come.
        #expect(node.outputs.contains(.build(height: 1, round: 3, lastCommit: nil)))
    }

    @Test func line61PrevotesThatDisagreeEndInNothing() {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        node.votes(.prevote, "b", by: [0])
        node.votes(.prevote, nil, by: [1])
        node.pass(500)
        #expect(node.cast == [node.content(.precommit, nil)])
        #expect(node.machine.status.locked == nil)
    }

    @Test func timeoutsGrowAndEnd() {
        let timing = Tendermint.Timing()
        #expect(timing.timeout(.propose, round: 0) == .milliseconds(3000))
        #expect(timing.timeout(.prevote, round: 2) == .milliseconds(2000))
        #expect(timing.timeout(.precommit, round: ConsensusBounds.roundMax) == timing.timeoutMax)
    }

    @Test func anObserverFollowsAndSaysNothing() {
        let node = SingleValidator(key: 50)
        node.propose("a")
        node.judge("a")
        node.votes(.prevote, "a")
        node.votes(.precommit, "a")
        #expect(node.machine.status.phase == .committed)
        #expect(
            !node.records.contains { record in
                if case .voteIntent = record { return true }
                return false
            })
    }
}
