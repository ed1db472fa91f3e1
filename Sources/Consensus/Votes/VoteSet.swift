import ChoraleBase
import ChoraleTypes
import Codec

/// The votes of one kind in one round.
///
/// A validator that contradicts itself counts for each block it voted for, once: in the paper its
/// messages count wherever they are, and a node that took only the first could miss a quorum that the
/// others have. Contradictions are kept only for blocks that more than a third voted for first, of
/// which there are two at most, so a set holds at most three votes of anybody.
struct VoteSet {
    struct Tally {
        let blockID: Bytes32?
        var stake: UInt64 = 0
        /// Of those for whom it was the first vote.
        var firstStake: UInt64 = 0
        var voters: ValidatorBits
    }

    enum Outcome {
        case counted
        case duplicate
        /// Another vote of the same validator is `first`. Counted if `isCounted`.
        case conflict(first: Vote, isCounted: Bool)
    }

    let validators: ValidatorSet
    /// Looked up by validator, never iterated: of the order nothing may depend.
    private var first: [ValidatorIndex: Vote] = [:]
    /// Contradictions that count.
    private(set) var further: [Vote] = []
    private(set) var tallies: [Tally] = []
    /// Of all who voted.
    private(set) var stake: UInt64 = 0

    init(validators: ValidatorSet) { self.validators = validators }

    var isEmpty: Bool { stake == 0 }
    var count: Int { first.count + further.count }

    /// What ``record(_:)`` would do.
    func outcome(of vote: Vote) -> Outcome {
        guard let earlier = first[vote.validator] else { return .counted }
        guard earlier.blockID != vote.blockID else { return .duplicate }
        guard let tally = tally(of: vote.blockID) else {
            return .conflict(first: earlier, isCounted: false)
        }
        if tally.voters[vote.validator.position] { return .duplicate }
        return .conflict(
            first: earlier, isCounted: validators.hasHonestMember(tally.firstStake))
    }

    /// - Precondition: the validator is in the set.
    mutating func record(_ vote: Vote) -> Outcome {
        let outcome = outcome(of: vote)
        switch outcome {
        case .duplicate: break
        case .counted:
            first[vote.validator] = vote
            stake += stake(of: vote.validator)
            add(vote, isFirst: true)
        case .conflict(_, let isCounted):
            guard isCounted else { break }
            further.append(vote)
            add(vote, isFirst: false)
        }
        return outcome
    }

    /// Forgets a validator's votes.
    mutating func remove(_ validator: ValidatorIndex) {
        let weight = stake(of: validator)
        if let vote = first[validator] {
            first[validator] = nil
            stake -= weight
            subtract(vote, weight: weight, isFirst: true)
        }
        for vote in further where vote.validator == validator {
            subtract(vote, weight: weight, isFirst: false)
        }
        further.removeAll { $0.validator == validator }
    }

    func tally(of blockID: Bytes32?) -> Tally? { tallies.first { $0.blockID == blockID } }

    /// > 2/3 for exactly this.
    func hasQuorum(for blockID: Bytes32?) -> Bool {
        tally(of: blockID).map { validators.isQuorum($0.stake) } ?? false
    }

    /// > 2/3 for anything.
    var hasAnyQuorum: Bool { validators.isQuorum(stake) }

    /// What > 2/3 voted for: `.some(nil)` for no block.
    var quorum: Bytes32?? {
        tallies.first { validators.isQuorum($0.stake) }.map { $0.blockID }
    }

    /// What most stake voted for.
    var leading: Tally? {
        var leading: Tally?
        for tally in tallies where tally.stake > leading?.stake ?? 0 { leading = tally }
        return leading
    }

    func vote(of validator: ValidatorIndex) -> Vote? { first[validator] }

    func vote(of validator: ValidatorIndex, for blockID: Bytes32?) -> Vote? {
        if let vote = first[validator], vote.blockID == blockID { return vote }
        return further.first { $0.validator == validator && $0.blockID == blockID }
    }

    var voters: ValidatorBits {
        var bits = Self.noBits(validators.count)
        for index in 0..<validators.count where first[ValidatorIndex(index)] != nil {
            bits[index] = true
        }
        return bits
    }

    static func noBits(_ count: Int) -> ValidatorBits {
        guard let bits = ValidatorBits(count: count) else {
            preconditionFailure("a set keeps to its limit")
        }
        return bits
    }

    private func stake(of validator: ValidatorIndex) -> UInt64 {
        validators.validators[validator.position].stake
    }

    private mutating func add(_ vote: Vote, isFirst: Bool) {
        let weight = stake(of: vote.validator)
        let index: Int
        if let known = tallies.firstIndex(where: { $0.blockID == vote.blockID }) {
            index = known
        } else {
            index = tallies.count
            tallies.append(
                Tally(blockID: vote.blockID, voters: Self.noBits(validators.count)))
        }
        assert(!tallies[index].voters[vote.validator.position], "counted once for a block")
        tallies[index].stake += weight
        if isFirst { tallies[index].firstStake += weight }
        tallies[index].voters[vote.validator.position] = true
    }

    private mutating func subtract(_ vote: Vote, weight: UInt64, isFirst: Bool) {
        guard let index = tallies.firstIndex(where: { $0.blockID == vote.blockID }) else { return }
        tallies[index].stake -= weight
        if isFirst { tallies[index].firstStake -= weight }
        tallies[index].voters[vote.validator.position] = false
        if tallies[index].stake == 0 { tallies.remove(at: index) }
    }
}
