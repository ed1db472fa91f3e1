import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

@Suite struct VoteGossipTests {
    static func sent(_ node: SingleValidator) -> [ConsensusMessage] {
        node.outputs.compactMap { output in
            if case .send(let message, _) = output { return message }
            return nil
        }
    }

    static func summary(
        height: UInt64 = 1, round: UInt32 = 0, hasProposal: Bool = false,
        _ sets: [VoteSetSummary] = []
    ) -> VoteSummary {
        VoteSummary(height: height, round: round, hasProposal: hasProposal, sets: sets)!
    }

    static func set(_ kind: VoteKind, _ block: String?, _ voters: [Int], bits: Int = 4)
        -> VoteSetSummary
    {
        var mask = ValidatorBits(count: bits)!
        for voter in voters { mask[voter] = true }
        return VoteSetSummary(
            kind: kind, round: 0, blockID: block.map(World.block), voters: mask,
            blockVoters: mask)
    }

    @Test func whoStandsStillSaysWhatItHas() {
        let node = SingleValidator()
        node.propose("a")
        node.judge("a")
        // 40 s here, and the timeouts take it further meanwhile; so look at one that has none left.
        var summaries = 0
        for _ in 0..<10 {
            node.pass(50_000)
            for output in node.outputs {
                if case .broadcast(.summary(let summary)) = output {
                    summaries += 1
                    #expect(summary.height == 1)
                }
            }
        }
        #expect(summaries > 0)
    }

    @Test func whatIsLackingIsSent() {
        let node = SingleValidator()
        node.propose("a")
        node.votes(.prevote, "a", by: [0, 1])
        node.give(
            .summaryReceived(
                Self.summary([Self.set(.prevote, "a", [0])]), from: World.peers[1]))
        let sent = Self.sent(node)
        #expect(sent.count == 2)
        #expect(sent.contains(.vote(SingleValidator.vote(.prevote, "a", by: 1))))
        // Nothing lacking, nothing sent.
        node.give(
            .summaryReceived(
                Self.summary(hasProposal: true, [Self.set(.prevote, "a", [0, 1])]),
                from: World.peers[1]))
        #expect(Self.sent(node).isEmpty)
    }

    /// It has the other vote of one who contradicts itself.
    @Test func aQuorumIsSentToWhoHasItOtherwise() {
        let node = SingleValidator(key: 50)
        node.votes(.prevote, "a", by: [0, 1, 2])
        node.give(
            .summaryReceived(
                Self.summary([Self.set(.prevote, "b", [0, 1, 2])]), from: World.peers[1]))
        #expect(Self.sent(node).count == 3)
    }

    @Test func aStrangersBitsMayBeOfAnyNumber() {
        let node = SingleValidator()
        node.votes(.prevote, "a", by: [0, 1, 2])
        for (index, bits) in [0, 1, 3, 5, 1024].enumerated() {
            node.give(
                .summaryReceived(
                    Self.summary([Self.set(.prevote, "a", [], bits: bits)]),
                    from: World.peers[index]))
            #expect(Self.sent(node).count >= 3)
        }
    }

    @Test func whoIsInAnEarlierRoundIsBroughtAlong() {
        let node = SingleValidator()
        node.votes(.prevote, nil, by: [0, 1], round: 6)
        node.give(.summaryReceived(Self.summary(), from: World.peers[1]))
        #expect(Self.sent(node).count == 2)
    }

    @Test func whoLacksACommitGetsIt() {
        let node = SingleValidator()
        node.votes(.precommit, "a")
        node.judge("a")
        let commit = SingleValidator.commit("a")
        node.give(.summaryReceived(Self.summary(), from: World.peers[1]))
        #expect(Self.sent(node) == [.commit(commit)])
        node.start(2, parent: commit)
        // Late precommits are part of it.
        node.votes(.precommit, "a", by: [3])
        node.give(.summaryReceived(Self.summary(), from: World.peers[1]))
        guard case .commit(let full)? = Self.sent(node).first else {
            Issue.record("no commit")
            return
        }
        #expect(full.signatures.count == 4)
        node.give(.summaryReceived(Self.summary(height: 9), from: World.peers[1]))
        #expect(node.outputs == [.peerAhead(World.peers[1], height: 9)])
        node.start(3, parent: SingleValidator.commit("b", height: 2))
        node.give(.summaryReceived(Self.summary(height: 1), from: World.peers[1]))
        #expect(node.outputs == [.peerBehind(World.peers[1], height: 1)])
    }

    @Test func aPeerThatAsksTooOftenIsNotAnswered() {
        let node = SingleValidator()
        node.votes(.prevote, "a")
        var answers = 0
        for _ in 0..<100 {
            node.give(
                .summaryReceived(
                    Self.summary([Self.set(.prevote, nil, [])]), from: World.peers[1]))
            if !Self.sent(node).isEmpty { answers += 1 }
        }
        #expect(answers == 4)
        #expect(node.machine.counters[.rateLimited] == 96)
    }

    @Test func answersAreBounded() {
        var limits = Tendermint.Limits()
        limits.votesPerAnswerMax = 2
        let node = SingleValidator(limits: limits)
        node.votes(.prevote, "a")
        node.give(
            .summaryReceived(
                Self.summary([Self.set(.prevote, nil, [])]), from: World.peers[1]))
        #expect(Self.sent(node).count == 2)
    }
}

@Suite struct HeightTests {
    @Test func theNextHeightTakesWhatCameEarly() {
        let node = SingleValidator()
        node.propose("b", by: 1, height: 2)
        node.votes(.prevote, "b", by: [0, 1], height: 2)
        node.votes(.precommit, "a")
        node.judge("a")
        // Of height 2 the rotation of the fixture starts anew, and so with 0.
        node.start(2, parent: SingleValidator.commit("a"))
        #expect(node.machine.status.height == 2)
        #expect(node.machine.voteCount == 2)
    }

    @Test func whatCameEarlyForAHeightPassedOverIsForgotten() {
        let node = SingleValidator()
        node.votes(.prevote, "b", by: [0, 1], height: 2)
        node.votes(.precommit, "b", by: [0, 1, 2], height: 2)
        #expect(node.machine.voteCount == 5)
        node.start(3, parent: SingleValidator.commit("b", height: 2))
        #expect(node.machine.voteCount == 0)
        #expect(node.machine.status.height == 3)
    }

    @Test func theBlockBringsTheLatePrecommits() {
        let node = SingleValidator()
        node.votes(.precommit, "a")
        node.judge("a")
        node.start(2, parent: SingleValidator.commit("a"))
        node.votes(.precommit, "a", by: [3])
        // Its turn is round 3.
        node.votes(.prevote, nil, by: [0, 1], round: 3, height: 2)
        guard
            case .build(2, 3, let commit?)? = node.outputs.first(where: { output in
                if case .build = output { return true }
                return false
            })
        else {
            Issue.record("\(node.outputs)")
            return
        }
        #expect(commit.signatures.count == 4)
    }

    @Test func theWaitForPrecommitsEndsWithTheLast() {
        var timing = Tendermint.Timing()
        timing.commitWait = .seconds(5)
        var machine = Tendermint(localKey: World.keyBytes[3], timing: timing, seed: 0)
        var outputs: [ConsensusOutput] = []
        func give(_ input: ConsensusInput, at time: Int = 0) {
            machine.handle(input, now: World.at(time), into: &outputs)
        }
        give(.heightStarted(SingleValidator.context(1), nil))
        for voter in 0..<3 {
            give(
                .voteReceived(
                    VerifiedVote(
                        trusting: SingleValidator.vote(.precommit, "a", by: voter))))
        }
        give(.blockJudged(height: 1, blockID: World.block("a"), .valid))
        let commit = SingleValidator.commit("a")
        give(.heightStarted(SingleValidator.context(2, parent: commit), nil), at: 10)
        #expect(machine.status.phase == .waiting)
        give(
            .voteReceived(
                VerifiedVote(trusting: SingleValidator.vote(.precommit, "a", by: 3))), at: 20)
        #expect(machine.status.phase == .step(.propose))
    }
}
