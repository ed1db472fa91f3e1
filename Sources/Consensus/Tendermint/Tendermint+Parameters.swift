import ChoraleBase

extension Tendermint {
    /// How long a validator waits. Every node of a network may choose its own.
    public struct Timing: Hashable, Sendable {
        /// For a proposal and its block (`timeoutPropose`), then for > 2/3 of either vote to agree.
        public var propose: Duration = .milliseconds(3000)
        public var prevote: Duration = .milliseconds(1000)
        public var precommit: Duration = .milliseconds(1000)
        /// What each of them grows by from one round to the next, so that at last the network is
        /// faster than the timeouts, whatever its speed.
        public var roundIncrement: Duration = .milliseconds(500)
        /// Longest wait. Beyond it a network is not slow but broken.
        public var timeoutMax: Duration = .seconds(60)
        /// From a commit to the next proposal, for late precommits. Over at once when all are there.
        public var commitWait: Duration = .zero
        /// How often who makes no progress says what it has and sends its own messages again.
        public var gossipInterval: Duration = .milliseconds(500)

        public init() {}

        func timeout(_ step: ConsensusStep, round: UInt32) -> Duration {
            let base =
                switch step {
                case .propose: propose
                case .prevote: prevote
                case .precommit: precommit
                }
            // A round number of 2^31 must not overflow anything: growth ends after an hour's worth.
            return min(timeoutMax, base + roundIncrement * Int(min(round, 1 << 16)))
        }
    }

    /// What the machine may hold and do.
    public struct Limits: Hashable, Sendable {
        /// Rounds behind the present one whose votes are kept, for commits that come late. Older ones
        /// are kept only if something is locked, valid or proposed from them.
        public var pastRoundsMax = 32
        /// Rounds ahead, beyond the next, for which a validator's votes are kept: its two latest, as
        /// in CometBFT.
        public var roundsAheadPerValidatorMax = 2
        /// Rounds ahead whose proposals are kept: one of 250 bytes each.
        public var proposalRoundsAheadMax: UInt32 = 64
        /// Farthest jump to a later round at once, since each round's proposer is computed.
        public var roundSkipMax: UInt32 = 4096
        /// Votes kept of a validator for the next height: both kinds of two rounds.
        public var votesAheadPerValidatorMax = 4
        /// Votes in answer to one summary: all of three rounds of 100 validators.
        public var votesPerAnswerMax = 600
        /// Peers whose summaries are counted; the one heard from longest ago is forgotten.
        public var peersMax = 512
        /// Summaries of a peer answered at once, and how fast more are allowed.
        public var summaryBurst: Int64 = 4
        public var summaryInterval: Duration = .milliseconds(200)

        public init() {}

        /// Most votes held for a set of so many validators: three for each kind and round of the past,
        /// the present and the next, and those ahead.
        public func votesMax(validators: Int) -> Int {
            // Locked, valid, proposed again, and decided without its block.
            let rounds = pastRoundsMax + 2 + 4
            return validators
                * (6 * (rounds + roundsAheadPerValidatorMax) + votesAheadPerValidatorMax + 1)
        }
    }

    /// What was done, since the start.
    public struct Counters: Hashable, Sendable {
        public var votesCounted: UInt64 = 0
        public var commits: UInt64 = 0
        public var roundsStarted: UInt64 = 0
        public var roundsSkipped: UInt64 = 0
        public var timeouts: UInt64 = 0
        public var evidenceFound: UInt64 = 0
        public var summariesAnswered: UInt64 = 0
        public var votesSentAgain: UInt64 = 0
        /// By ``ConsensusDrop/rawValue``.
        public var drops = [UInt64](repeating: 0, count: ConsensusDrop.allCases.count)

        public init() {}

        public subscript(drop: ConsensusDrop) -> UInt64 { drops[drop.rawValue] }
    }
}
