import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections

/// A committee's votes on one operation.
///
///     voting ──(quorum)──▶ justified ──(window ends)──▶ final
///        ╰──────(another output)─┴──▶ disputed ──(everyone, > 2/3)──▶ final
///
/// Memory: one vote a validator.
///
/// Specification: mechanisms row 0.13.
struct CommitteeState {
    enum Phase: Equatable {
        case voting
        case justified(finalAt: MonotonicInstant)
        case final
    }

    let context: OperationContext
    let rule: QuorumRule
    private(set) var phase = Phase.voting
    private(set) var tranche = Tranche.first
    private(set) var votes: OrderedDictionary<ValidatorIndex, CommitteeVote> = [:]
    private(set) var certificate: FastPathCertificate?
    var isExecuting = false
    var hasExecuted = false
    var ownOutput: Bytes32?
    var isSigning = false
    var ownVote: CommitteeVote?
    /// A block says so.
    private(set) var isDisputedOnChain = false
    /// Whether somebody's vote for another output was given to the chain.
    var hasDisputed = false
    /// Whose other outputs do not count as a dispute.
    private var dismissed: Set<ValidatorIndex> = []
    private var heard: ValidatorBits

    init(context: OperationContext, rule: QuorumRule) {
        self.context = context
        self.rule = rule
        heard = ValidatorBits(count: rule.validators.count)!
    }

    var finalAt: MonotonicInstant? {
        if case .justified(let finalAt) = phase, !isDisputed { finalAt } else { nil }
    }

    /// What the executor committed to, or a quorum has found instead.
    private var expected: Bytes32 { certificate?.content.outputHash ?? context.outputHash }

    /// Whether a validator that is listened to names another output, or our own execution did.
    var isDisputed: Bool {
        if isDisputedOnChain, certificate?.tranche != .everyone { return true }
        if let ownOutput, ownOutput != expected { return true }
        return votes.contains {
            $0.value.outputHash != expected && !dismissed.contains($0.key)
        }
    }

    /// Whether a vote is a new one for another output.
    func dissents(_ vote: CommitteeVote) -> Bool {
        vote.outputHash != expected && votes[vote.validator] == nil
    }

    var asked: Tranche { isDisputed ? .everyone : tranche }

    var voteToRepeat: CommitteeVote? { phase == .voting || isDisputed ? ownVote : nil }

    var silent: [ValidatorIndex] {
        rule.order.members(of: .first).filter { !heard[$0.position] }.sorted()
    }

    mutating func dismiss(_ voter: ValidatorIndex) { dismissed.insert(voter) }

    /// Returns whether more are asked now.
    mutating func widen(to tranche: Tranche) -> Bool {
        self.tranche = tranche
        return phase == .voting
    }

    enum Recorded {
        case counted
        case duplicate
        case notAsked
        case over
        case contradiction(OutputEquivocation)
    }

    func judge(_ vote: CommitteeVote) -> Recorded {
        if let earlier = votes[vote.validator] {
            guard let pair = OutputEquivocation(earlier, vote) else { return .duplicate }
            return .contradiction(pair)
        }
        if phase == .final { return .over }
        if vote.outputHash != expected { return .counted }
        let horizon = asked.next ?? .everyone
        return rule.order.isAsked(vote.validator, in: horizon) ? .counted : .notAsked
    }

    mutating func record(_ vote: CommitteeVote, stands: Bool) -> Recorded {
        let judged = judge(vote)
        guard case .counted = judged else { return judged }
        votes[vote.validator] = vote
        heard[vote.validator.position] = true
        if !stands { dismissed.insert(vote.validator) }
        return judged
    }

    /// What the most stake says. However many outputs are named, no other can have a quorum of everyone.
    var leadingOutput: Bytes32? {
        var stakes: [Bytes32: UInt64] = [:]
        var leading: (output: Bytes32, stake: UInt64)?
        for (voter, vote) in votes {
            let stake =
                stakes[vote.outputHash, default: 0]
                + rule.validators.validators[voter.position].stake
            stakes[vote.outputHash] = stake
            if stake > leading?.stake ?? 0 { leading = (vote.outputHash, stake) }
        }
        return leading?.output
    }

    /// A certificate that the votes make and that says more than the one there is.
    ///
    /// - Complexity: a step a vote and output.
    func certificateReady(for output: Bytes32) -> FastPathCertificate? {
        for tranche in Tranche.allCases where tranche == .everyone || !isDisputed {
            if let certificate, certificate.tranche >= tranche { continue }
            if certificate != nil, tranche != .everyone { continue }
            var weight = VoteWeight()
            var chosen: [ValidatorIndex] = []
            for (voter, vote) in votes where vote.outputHash == output {
                guard rule.order.isAsked(voter, in: tranche) else { continue }
                weight.add(rule.validators.validators[voter.position].stake)
                chosen.append(voter)
            }
            guard rule.accepts(weight, in: tranche) else { continue }
            var signers = ValidatorBits(count: rule.validators.count)!
            chosen = rule.signers(of: chosen, in: tranche, accepts: true)
            for voter in chosen { signers[voter.position] = true }
            return FastPathCertificate(
                content: CommitteeVoteContent(
                    operation: context.operation, commitment: context.commitment,
                    validatorsRoot: rule.validators.root, outputHash: output),
                tranche: tranche, scheme: .ed25519, signers: signers,
                signatures: chosen.map { votes[$0]!.signature })
        }
        return nil
    }

    /// Whether it is taken.
    mutating func adopt(_ new: FastPathCertificate, finalAt: MonotonicInstant) -> Bool {
        guard phase != .final else { return false }
        if new.tranche != .everyone {
            guard certificate == nil, !isDisputed, new.content.outputHash == context.outputHash
            else { return false }
        }
        for position in 0..<new.signers.count where new.signers[position] {
            heard[position] = true
        }
        certificate = new
        phase = new.tranche == .everyone ? .final : .justified(finalAt: finalAt)
        return true
    }

    mutating func end() { phase = .final }

    /// A block has a dispute: the window, which by this node's clock may be over, does not end it.
    ///
    /// - Returns: whether that is new.
    mutating func dispute() -> Bool {
        guard !isDisputedOnChain, certificate?.tranche != .everyone else { return false }
        isDisputedOnChain = true
        if phase == .final { phase = .voting }
        return true
    }

    /// Votes for another output than everyone found.
    ///
    /// - Parameter earlier: the certificate that gave way to everyone's.
    func contradicted(besides earlier: FastPathCertificate?) -> [FalseOutputEvidence] {
        guard let certificate else { return [] }
        var contradicted = votes
        for vote in earlier?.votes ?? [] { contradicted[vote.validator] = vote }
        return contradicted.values.compactMap { FalseOutputEvidence($0, certificate) }
    }
}
