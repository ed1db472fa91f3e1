import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

/// The network: what is lost, late or doubled, and what faulty validators show to whom.
extension Simulation {
    func broadcast(_ message: ConsensusMessage, _ node: SimulatedNode) {
        let versions = versions(of: message, node)
        for to in nodes.indices where to != node.index {
            send(versions[to % versions.count], from: node.index, to: to)
        }
    }

    /// What a faulty validator shows to one and the other.
    func versions(of message: ConsensusMessage, _ node: SimulatedNode)
        -> [ConsensusMessage]
    {
        switch (scenario.faulty[node.index], message) {
        case (.equivocatingProposer, .proposal(let proposal)):
            guard
                proposal.proposer
                    == validators(at: proposal.height).index(
                        of: World.keyBytes[node.index]), proposal.validRound == nil
            else { return [message] }
            let content = ProposalContent(
                height: proposal.height, round: proposal.round, validRound: nil,
                blockID: newBlock(proposal.height, proposal.round, node.index))
            see(.proposal(content), node)
            return [
                message,
                .proposal(
                    World.proposal(
                        content, by: proposal.proposer, key: node.index, signs: scenario.signs)),
            ]
        case (.equivocatingVoter, .vote(let vote)):
            let other: Bytes32? =
                vote.blockID == nil
                ? newBlock(vote.height, vote.round, node.index) : nil
            return [message, .vote(forged(vote, round: vote.round, block: other, node))]
        case (.liar, .vote(let vote)):
            guard let block = invalid.sorted().last else { return [message] }
            return [message, .vote(forged(vote, round: vote.round, block: block, node))]
        case (.roundFlooder, .vote(let vote)):
            let round = UInt32(random.below(1 << 31))
            return [
                message, .vote(forged(vote, round: round, block: vote.blockID, node)),
                .vote(
                    forged(vote, round: vote.round &+ UInt32(random.below(9)), block: nil, node)),
            ]
        default: return [message]
        }
    }

    func forged(_ vote: Vote, round: UInt32, block: Bytes32?, _ node: SimulatedNode) -> Vote {
        let content = VoteContent(
            kind: vote.kind, height: vote.height, round: round, blockID: block)
        see(.vote(content), node)
        return World.vote(content, by: vote.validator, key: node.index, signs: scenario.signs)
    }

    func send(_ message: ConsensusMessage, from: Int, to: Int) {
        if hasFaults {
            if side[from] != side[to] || random.chance(scenario.dropsPer1000, in: 1000) { return }
            if random.chance(scenario.duplicatesPer1000, in: 1000) { post(message, from, to) }
        }
        post(message, from, to)
    }

    func post(_ message: ConsensusMessage, _ from: Int, _ to: Int) {
        var delay = random.integer(in: scenario.latency)
        // Late ones overtake nothing and are overtaken by much.
        if hasFaults, scenario.dropsPer1000 > 0, random.chance(1, in: 20) {
            delay += random.below(1500)
        }
        queue.add(.message(from: from, to: to, message), at: now + delay)
    }

    /// Gossip: what an author says to one comes to others, which is how contradictions come out.
    func relay(_ message: ConsensusMessage, from: Int, by node: Int) {
        guard scenario.faulty[from] != nil, scenario.faulty[node] == nil else { return }
        switch message {
        case .vote(let vote):
            let set = validators(at: vote.height)
            guard set[vote.validator]?.key == World.keyBytes[from] else { return }
        case .proposal(let proposal):
            let set = validators(at: proposal.height)
            guard set[proposal.proposer]?.key == World.keyBytes[from] else { return }
        case .commit, .summary: return
        }
        for to in nodes.indices where to != node && to != from {
            if random.chance(1, in: scenario.count > 10 ? 20 : 3) {
                send(message, from: node, to: to)
            }
        }
    }

    func deliver(_ message: ConsensusMessage, from: Int, to: Int) {
        let node = nodes[to]
        guard node.isUp else { return }
        relay(message, from: from, by: to)
        switch message {
        case .vote(let vote):
            guard case .verify(let set) = node.machine.precheck(vote) else { return }
            guard scenario.signs else {
                return handle(to, .voteReceived(VerifiedVote(trusting: vote)))
            }
            let verified = try? VerifiedVote(vote, validators: set, network: World.network)
            guard let verified else { return truth.fail("a bad signature from \(from)") }
            handle(to, .voteReceived(verified))
        case .proposal(let proposal):
            guard case .verify(let set) = node.machine.precheck(proposal) else { return }
            guard scenario.signs else {
                return handle(to, .proposalReceived(VerifiedProposal(trusting: proposal)))
            }
            let verified = try? VerifiedProposal(
                proposal, validators: set, network: World.network)
            guard let verified else { return truth.fail("a bad signature from \(from)") }
            handle(to, .proposalReceived(verified))
        case .commit(let commit):
            guard case .verify(let set) = node.machine.precheck(commit) else { return }
            guard let verified = try? VerifiedCommit(trusting: commit, validators: set) else {
                return
            }
            handle(to, .commitReceived(verified))
        case .summary(let summary):
            handle(to, .summaryReceived(summary, from: World.peers[from]))
        }
    }
}
