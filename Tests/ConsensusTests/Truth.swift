import ChoraleBase
import ChoraleTypes
import Testing

@testable import Consensus

/// What nobody inside the network can see: every signature that left a validator, and every commit.
/// It says when an invariant is broken.
struct Truth {
    private struct Place: Hashable {
        let node: Int
        let position: SigningPosition
    }

    private struct Prevotes: Hashable {
        let height: UInt64
        let round: UInt32
        let blockID: Bytes32
    }

    private(set) var faults: [String] = []
    private(set) var blocks: [UInt64: Bytes32] = [:]
    private(set) var evidence: [Evidence] = []
    private var signed: [Place: SignRequest] = [:]
    private var prevotes: [Prevotes: Set<Int>] = [:]
    /// Of honest nodes, the last precommit for a block.
    private var locks: [Int: (height: UInt64, block: BlockInRound)] = [:]

    mutating func fail(_ text: String) { if faults.count < 5 { faults.append(text) } }

    /// A signature leaves a validator.
    mutating func sees(
        _ request: SignRequest, by node: Int, isHonest: Bool, validators: ValidatorSet,
        keys: [SigningKeyBytes]
    ) {
        if case .vote(let content) = request, content.kind == .prevote,
            let block = content.blockID
        {
            let key = Prevotes(height: content.height, round: content.round, blockID: block)
            prevotes[key, default: []].insert(node)
        }
        guard isHonest else { return }
        let place = Place(node: node, position: request.position)
        if let earlier = signed[place], earlier != request {
            fail("node \(node) signed two messages at \(request.position)")
        }
        signed[place] = request
        guard case .vote(let content) = request, let block = content.blockID else { return }
        func hasPolka(_ block: Bytes32, _ round: UInt32) -> Bool {
            let key = Prevotes(height: content.height, round: round, blockID: block)
            let stake = (prevotes[key] ?? []).reduce(UInt64(0)) { sum, voter in
                guard let index = validators.index(of: keys[voter]) else { return sum }
                return sum + validators.validators[index.position].stake
            }
            return validators.isQuorum(stake)
        }
        switch content.kind {
        case .prevote:
            guard let lock = locks[node], lock.height == content.height,
                lock.block.blockID != block, lock.block.round < content.round
            else { return }
            let rounds = lock.block.round..<content.round
            if !rounds.contains(where: { hasPolka(block, $0) }) {
                fail("node \(node) left its lock of round \(lock.block.round) in \(content)")
            }
        case .precommit:
            if !hasPolka(block, content.round) {
                fail("node \(node) precommitted without a quorum: \(content)")
            }
            locks[node] = (
                content.height, BlockInRound(round: content.round, blockID: block)
            )
        }
    }

    mutating func committed(
        _ commit: Commit, by node: Int, validators: ValidatorSet, isValid: Bool, signs: Bool
    ) {
        if let other = blocks[commit.height], other != commit.blockID {
            fail("two blocks at height \(commit.height): \(other), \(commit.blockID)")
        }
        blocks[commit.height] = commit.blockID
        if !isValid { fail("node \(node) committed an invalid block at \(commit.height)") }
        do {
            if signs {
                _ = try VerifiedCommit(commit, validators: validators, network: World.network)
            } else {
                _ = try VerifiedCommit(trusting: commit, validators: validators)
            }
        } catch {
            fail("node \(node) committed height \(commit.height): \(error)")
        }
    }

    mutating func found(_ piece: Evidence, isAgainstHonest: Bool) {
        evidence.append(piece)
        if isAgainstHonest { fail("evidence against an honest validator: \(piece)") }
    }
}
