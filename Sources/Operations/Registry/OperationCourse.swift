public import ChoraleBase

/// A block that is being applied to a registry: item after item, then the logs of its execution.
///
/// What is not taken changes nothing, so that whoever builds may try one item after the other.
public struct OperationCourse: Sendable {
    /// After what was taken.
    public private(set) var outcome: OperationRegistry.Outcome
    public let height: UInt64
    /// The block's own beacon value.
    public let beacon: Bytes32
    private let parameters: OperationParameters
    private let signatures: OperationRegistry.Signatures
    private var counts = Counts()

    /// The beginning of a block: what is over is closed, and what has waited for its height happens.
    ///
    /// - Parameter setsKnownFrom: the first height whose set of validators is known.
    public init(
        _ registry: OperationRegistry, height: UInt64, beacon: Bytes32, setsKnownFrom: UInt64,
        _ parameters: OperationParameters, signatures: OperationRegistry.Signatures
    ) {
        self.height = height
        self.beacon = beacon
        self.parameters = parameters
        self.signatures = signatures
        outcome = OperationRegistry.Outcome(registry: registry)
        outcome.close(at: height)
        outcome.endChallenges(at: height)
        outcome.lapse(before: setsKnownFrom)
        outcome.draw(at: height, beacon: beacon, parameters)
    }

    public mutating func take(_ item: OperationItem) throws(OperationFault) {
        var counts = counts
        counts.add(item)
        try counts.check()
        try outcome.take(item, height: height, beacon: beacon, parameters, signatures)
        self.counts = counts
    }

    public mutating func take(_ log: ContractLog) throws(OperationFault) {
        try outcome.take(log, at: height, parameters)
    }

    mutating func slash(_ executor: Bytes32) { outcome.slash(executor) }

    /// Items by what bounds them.
    struct Counts: Sendable {
        private var renewals = 0
        private var commitments = 0
        private var verdicts = 0
        private var contradictions = 0

        mutating func add(_ item: OperationItem) {
            switch item {
            case .renewal: renewals += 1
            case .commitment: commitments += 1
            case .verdict: verdicts += 1
            case .contradiction: contradictions += 1
            }
        }

        func check() throws(OperationFault) {
            for (count, limit) in [
                (renewals, OperationRegistry.renewalsOfBlockMax),
                (commitments, OperationRegistry.commitmentsOfBlockMax),
                (verdicts, OperationRegistry.verdictsOfBlockMax),
                (contradictions, OperationRegistry.contradictionsOfBlockMax),
            ] where count > limit {
                throw .tooManyItems(count, limit: limit)
            }
        }
    }
}
