public import ChoraleBase
public import ChoraleTypes
import Codec

/// Whose turn it is: validators with their priorities before a height.
///
/// Each step adds its stake to each validator's priority; the one with the highest proposes and pays
/// the total stake. So over time each proposes in proportion to its stake, and no two far apart. The
/// proposer of round `r` of a height is that of step `r + 1`; a height moves on by one step, however
/// many rounds it took.
///
/// Priorities stay within ±3 × total stake: before each step they are scaled until the highest and
/// the lowest are at most 2 × total apart, and centred around zero. With a total of at most 2^60
/// nothing overflows.
///
/// Specification: cometbft `spec/consensus/proposer-selection.md`. Ours differ in one point: of equal
/// priorities the lower index wins, not the lower address.
public struct ProposerRotation: Hashable, Sendable {
    /// Why priorities do not belong to a set.
    public enum PriorityError: Error, Hashable, Sendable {
        case wrongCount(Int, validators: Int)
        case outOfRange(Int64, index: Int)
    }

    public let validators: ValidatorSet
    /// By index.
    public private(set) var priorities: [Int64]

    /// A set that starts: all equal.
    public init(validators: ValidatorSet) {
        self.validators = validators
        priorities = Array(repeating: 0, count: validators.count)
    }

    /// Priorities from elsewhere, such as a checkpoint. To be compared with a header's root.
    public init(validators: ValidatorSet, priorities: [Int64]) throws(PriorityError) {
        guard priorities.count == validators.count else {
            throw .wrongCount(priorities.count, validators: validators.count)
        }
        let bound = 3 * Int64(ConsensusBounds.totalStakeMax)
        for (index, priority) in priorities.enumerated() {
            guard (-bound...bound).contains(priority) else {
                throw .outOfRange(priority, index: index)
            }
        }
        self.validators = validators
        self.priorities = priorities
    }

    /// What blocks call ``BlockHeader/prioritiesRoot``: the root of `List[uint64, 1024]` of the
    /// priorities in two's complement.
    public var prioritiesRoot: Bytes32 {
        guard let list = SSZList<UInt64, 1024>(priorities.map { UInt64(bitPattern: $0) }) else {
            preconditionFailure("as many as validators")
        }
        return list.hashTreeRoot
    }

    /// Takes a step and says who proposes.
    ///
    /// - Complexity: O(validators).
    @discardableResult
    public mutating func advance() -> ValidatorIndex {
        rescale()
        centre()
        var first = 0
        for index in priorities.indices {
            priorities[index] += Int64(validators.validators[index].stake)
            if priorities[index] > priorities[first] { first = index }
        }
        priorities[first] -= Int64(validators.totalStake)
        return ValidatorIndex(first)
    }

    /// The rotation before the next height, whose set is `next`.
    ///
    /// Who stays keeps the priority. Who is new starts behind everyone, at -1.125 × total, so that
    /// leaving and joining again is no way to the front.
    public func next(validators next: ValidatorSet) -> ProposerRotation {
        var rotation = self
        rotation.advance()
        guard next != validators else { return rotation }
        let total = Int64(next.totalStake)
        var changed = ProposerRotation(validators: next)
        for (index, validator) in next.validators.enumerated() {
            changed.priorities[index] =
                validators.index(of: validator.key).map { rotation.priorities[$0.position] }
                ?? -(total + total >> 3)
        }
        changed.rescale()
        changed.centre()
        return changed
    }

    private mutating func rescale() {
        guard let highest = priorities.max(), let lowest = priorities.min() else { return }
        let difference = Int128(highest) - Int128(lowest)
        let bound = 2 * Int128(validators.totalStake)
        guard difference > bound else { return }
        let ratio = Int64((difference + bound - 1) / bound)
        for index in priorities.indices { priorities[index] /= ratio }
    }

    private mutating func centre() {
        let sum = priorities.reduce(Int128(0)) { $0 + Int128($1) }
        let count = Int128(priorities.count)
        // Rounded down, also below zero.
        let (quotient, remainder) = sum.quotientAndRemainder(dividingBy: count)
        let average = Int64(remainder < 0 ? quotient - 1 : quotient)
        guard average != 0 else { return }
        for index in priorities.indices { priorities[index] -= average }
    }
}

/// The proposers of one height's rounds, as far as they were asked for.
struct ProposerSchedule {
    let start: ProposerRotation
    private var rotation: ProposerRotation
    private var proposers: [ValidatorIndex] = []

    init(_ rotation: ProposerRotation) {
        start = rotation
        self.rotation = rotation
    }

    /// - Complexity: O(validators) for each round beyond those asked for before; callers bound it.
    mutating func proposer(of round: UInt32) -> ValidatorIndex {
        while proposers.count <= Int(round) { proposers.append(rotation.advance()) }
        return proposers[Int(round)]
    }

    /// The same without remembering: nil beyond what was asked for.
    func knownProposer(of round: UInt32) -> ValidatorIndex? {
        Int(round) < proposers.count ? proposers[Int(round)] : nil
    }
}
