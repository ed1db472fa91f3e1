import ChoraleBase
import ChoraleTypes
import Codec
import Testing

@testable import Consensus

/// One machine, the last of four equal validators, and what the test says happens to it.
///
/// Proposers of rounds 0 to 3 are 0 to 3. Blocks are called by letters.
final class SingleValidator {
    static let validators = World.validators([1, 1, 1, 1])
    static let local = 3

    var machine: Tendermint
    var time = 0
    /// Of the last input.
    private(set) var outputs: [ConsensusOutput] = []
    /// Everything persisted.
    private(set) var records: [ConsensusRecord] = []
    /// Everything signed, as a guard would remember.
    private(set) var lastSigned: SigningPosition?
    /// Whether requests to sign are answered at once.
    var signsAtOnce = true

    init(
        key: Int? = SingleValidator.local, limits: Tendermint.Limits = Tendermint.Limits(),
        startsAt height: UInt64 = 1, recovery: ConsensusRecovery? = nil
    ) {
        machine = Self.newMachine(key, limits)
        start(height, recovery)
    }

    private static func newMachine(_ key: Int?, _ limits: Tendermint.Limits) -> Tendermint {
        var timing = Tendermint.Timing()
        timing.propose = .milliseconds(1000)
        timing.prevote = .milliseconds(500)
        timing.precommit = .milliseconds(500)
        timing.roundIncrement = .milliseconds(100)
        // Out of the way of what is tested.
        timing.gossipInterval = .seconds(40)
        return Tendermint(
            localKey: key.map { World.keyBytes[$0] }, timing: timing, limits: limits, seed: 1)
    }

    static func context(_ height: UInt64, parent: Commit? = nil) -> HeightContext {
        HeightContext(
            height: height, rotation: ProposerRotation(validators: validators),
            nextValidators: validators,
            parent: parent.map { ParentCommit(commit: $0, validators: validators) })
    }

    func start(_ height: UInt64, _ recovery: ConsensusRecovery? = nil, parent: Commit? = nil) {
        give(.heightStarted(Self.context(height, parent: parent), recovery))
    }

    /// Killed and started again, from what was persisted.
    func restart(
        records: [ConsensusRecord]? = nil, lastSigned: SigningPosition? = nil
    ) {
        machine = Self.newMachine(Self.local, machine.limits)
        let height = self.records.last?.height ?? 1
        start(
            height,
            ConsensusRecovery(
                records: records ?? self.records, lastSigned: lastSigned ?? self.lastSigned))
    }

    @discardableResult
    func give(_ input: ConsensusInput) -> [ConsensusOutput] {
        outputs = []
        var pending = [input]
        while !pending.isEmpty {
            var new: [ConsensusOutput] = []
            machine.handle(pending.removeFirst(), now: World.at(time), into: &new)
            outputs += new
            for output in new {
                switch output {
                case .persist(let record): records.append(record)
                case .sign(let request):
                    guard signsAtOnce else { continue }
                    lastSigned = request.position
                    pending.append(Self.signed(request))
                default: break
                }
            }
        }
        return outputs
    }

    static func signed(_ request: SignRequest) -> ConsensusInput {
        let index = ValidatorIndex(local)
        switch request {
        case .vote(let content):
            return .voteSigned(World.vote(content, by: index, key: local, signs: false))
        case .proposal(let content):
            return .proposalSigned(World.proposal(content, by: index, key: local, signs: false))
        }
    }

    @discardableResult
    func pass(_ milliseconds: Int) -> [ConsensusOutput] {
        time += milliseconds
        return give(.timeout)
    }

    @discardableResult
    func propose(
        _ block: String, round: UInt32 = 0, validRound: UInt32? = nil, by proposer: Int? = nil,
        height: UInt64 = 1
    ) -> [ConsensusOutput] {
        let content = ProposalContent(
            height: height, round: round, validRound: validRound, blockID: World.block(block))
        let index = proposer ?? Int(round) % 4
        let proposal = World.proposal(
            content, by: ValidatorIndex(index), key: index, signs: false)
        return give(.proposalReceived(VerifiedProposal(trusting: proposal)))
    }

    @discardableResult
    func judge(_ block: String, _ verdict: BlockVerdict = .valid, height: UInt64 = 1)
        -> [ConsensusOutput]
    {
        give(.blockJudged(height: height, blockID: World.block(block), verdict))
    }

    static func vote(
        _ kind: VoteKind, _ block: String?, by voter: Int, round: UInt32 = 0, height: UInt64 = 1
    ) -> Vote {
        World.vote(
            VoteContent(
                kind: kind, height: height, round: round, blockID: block.map(World.block)),
            by: ValidatorIndex(voter), key: voter, signs: false)
    }

    /// All outputs of the votes together.
    @discardableResult
    func votes(
        _ kind: VoteKind, _ block: String?, by voters: [Int] = [0, 1, 2], round: UInt32 = 0,
        height: UInt64 = 1
    ) -> [ConsensusOutput] {
        var all: [ConsensusOutput] = []
        for voter in voters {
            let vote = Self.vote(kind, block, by: voter, round: round, height: height)
            all += give(.voteReceived(VerifiedVote(trusting: vote)))
        }
        outputs = all
        return all
    }

    static func commit(_ block: String, height: UInt64 = 1, round: UInt32 = 0) -> Commit {
        var bits = ValidatorBits(count: 4)!
        for index in 0..<3 { bits[index] = true }
        return Commit(
            height: height, round: round, blockID: World.block(block), scheme: .ed25519,
            signers: bits,
            signatures: (0..<3).map {
                vote(.precommit, block, by: $0, round: round, height: height).signature
            })!
    }

    /// What of its own it broadcast in answer to the last input.
    var cast: [VoteContent] {
        outputs.compactMap { output in
            if case .broadcast(.vote(let vote)) = output { return vote.content }
            return nil
        }
    }

    var proposed: [ProposalContent] {
        outputs.compactMap { output in
            if case .broadcast(.proposal(let proposal)) = output { return proposal.content }
            return nil
        }
    }

    func content(_ kind: VoteKind, _ block: String?, round: UInt32 = 0) -> VoteContent {
        VoteContent(kind: kind, height: 1, round: round, blockID: block.map(World.block))
    }
}
