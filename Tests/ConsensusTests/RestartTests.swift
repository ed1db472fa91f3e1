import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

@Suite struct RestartTests {
    /// Locked on a in round 0, prevoted nothing in round 1.
    static func locked() -> SingleValidator {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        node.votes(.prevote, "a", by: [0, 1])
        node.votes(.precommit, nil, by: [0, 1])
        node.pass(500)
        node.pass(1100)
        return node
    }

    @Test func theLogGivesBackLockRoundAndStep() {
        let node = Self.locked()
        let before = node.machine.status
        #expect(before.locked != nil)
        node.restart()
        #expect(node.machine.status == before)
        // A later proposal meets the same lock.
        node.votes(.precommit, nil, by: [0, 1], round: 2)
        node.propose("b", round: 2)
        node.judge("b")
        #expect(node.cast == [node.content(.prevote, nil, round: 2)])
    }

    @Test func itsOwnVotesCountAgain() {
        let node = Self.locked()
        node.restart()
        // Two more make three with its own precommit of round 0.
        node.votes(.precommit, "a", by: [1, 2])
        node.judge("a")
        #expect(node.machine.status.phase == .committed)
    }

    /// Killed at each record, with what was signed by then.
    @Test func everyPrefixOfTheLogGivesTheStateOfItsTime() {
        let node = Self.locked()
        let all = node.records
        for count in 0...all.count {
            let records = Array(all.prefix(count))
            var lock: BlockInRound?
            var valid: BlockInRound?
            var signed = SigningPosition(height: 0, round: 0, step: nil)
            for record in records {
                switch record {
                case .voteIntent(let content):
                    signed = SignRequest.vote(content).position
                    if content.kind == .precommit, let block = content.blockID {
                        lock = BlockInRound(round: content.round, blockID: block)
                    }
                case .valid(_, let block): valid = block
                default: break
                }
            }
            node.restart(records: records, lastSigned: signed)
            #expect(node.machine.status.locked == lock)
            #expect(node.machine.status.valid == valid)
            #expect(!node.machine.status.isAbstaining)
        }
    }

    @Test func whatWasAboutToBeSignedIsAskedForAgain() {
        let node = SingleValidator()
        node.propose("a")
        node.signsAtOnce = false
        node.judge("a")
        let content = node.content(.prevote, "a")
        #expect(node.outputs.last == .sign(.vote(content)))
        node.restart()
        #expect(node.outputs.contains(.sign(.vote(content))))
        node.give(SingleValidator.signed(.vote(content)))
        #expect(node.cast == [content])
        // Once: with the signature on record it is only sent again.
        node.restart()
        #expect(!node.outputs.contains(.sign(.vote(content))))
    }

    @Test func aProposalIsSignedAgainAndNotMadeAnew() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0, 1], round: 3)
        node.signsAtOnce = false
        node.give(.blockBuilt(height: 1, round: 3, blockID: World.block("a")))
        let content = ProposalContent(
            height: 1, round: 3, validRound: nil, blockID: World.block("a"))
        node.restart()
        #expect(node.outputs.contains(.sign(.proposal(content))))
        #expect(!node.outputs.contains(.build(height: 1, round: 3, lastCommit: nil)))
    }

    /// The log is gone, the signing state is not.
    @Test func whoForgotItsLockAbstains() {
        let node = Self.locked()
        for records in [[], [ConsensusRecord.heightStarted(1)], Array(node.records.prefix(4))] {
            node.restart(records: records)
            #expect(node.machine.status.isAbstaining)
            #expect(
                node.outputs.contains { output in
                    if case .event(.abstaining(1, _)) = output { return true }
                    return false
                })
            node.votes(.prevote, nil, by: [0, 1], round: 2)
            node.propose("b", round: 2)
            node.judge("b")
            node.pass(10_000)
            #expect(node.cast.isEmpty)
            #expect(
                !node.outputs.contains { output in
                    if case .sign = output { return true }
                    return false
                })
        }
        // It follows, and takes part again in the next height.
        node.votes(.precommit, "b", round: 2)
        #expect(node.machine.status.phase == .committed)
        node.start(2, parent: SingleValidator.commit("b", round: 2))
        node.propose("c", height: 2)
        node.judge("c", height: 2)
        #expect(node.cast.count == 1)
    }

    @Test func aCommitThatWasNotAppliedIsGivenAgain() {
        let node = SingleValidator()
        node.votes(.precommit, "a")
        node.judge("a")
        let commit = SingleValidator.commit("a")
        #expect(node.records.last == .commit(commit))
        node.restart()
        #expect(node.outputs.contains(.commit(commit)))
        #expect(node.machine.status.phase == .committed)
    }

    @Test func recordsOfOtherHeightsMeanNothing() {
        let node = Self.locked()
        let records = node.records
        let other = SingleValidator(
            startsAt: 2,
            recovery: ConsensusRecovery(records: records, lastSigned: node.lastSigned))
        #expect(other.machine.status.locked == nil)
        #expect(!other.machine.status.isAbstaining)
    }
}
