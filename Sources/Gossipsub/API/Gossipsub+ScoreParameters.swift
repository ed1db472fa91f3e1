extension Gossipsub {
    /// How one topic contributes to a peer's score.
    ///
    /// Specification: `pubsub/gossipsub/gossipsub-v1.1.md`, "The Score Function".
    public struct TopicScoreParameters: Hashable, Sendable {
        /// How much this topic matters beside others.
        public var topicWeight = 1.0
        /// P1: time in mesh, in quanta, up to a cap. Weight at least 0.
        public var timeInMeshWeight = 0.03
        public var timeInMeshQuantum: Duration = .seconds(12)
        public var timeInMeshCap = 300.0
        /// P2: messages this peer brought first. Weight at least 0.
        public var firstDeliveriesWeight = 0.5
        public var firstDeliveriesDecay = 0.9962  // 1 % left after twenty minutes
        public var firstDeliveriesCap = 100.0
        /// P3: squared deficit of messages brought in the mesh. Weight at most 0; zero turns P3 and
        /// P3b's intake off, the default, because its threshold must fit the topic's rate.
        public var meshDeliveriesWeight = 0.0
        public var meshDeliveriesDecay = 0.9962
        public var meshDeliveriesCap = 100.0
        public var meshDeliveriesThreshold = 20.0
        /// A duplicate this soon after the verdict still counts.
        public var meshDeliveriesWindow: Duration = .milliseconds(10)
        /// Time in the mesh before P3 counts.
        public var meshDeliveriesActivation: Duration = .seconds(30)
        /// P3b: the deficit squared at the time of a prune, sticky. Weight at most 0.
        public var meshFailureWeight = 0.0
        public var meshFailureDecay = 0.9962
        /// P4: squared count of invalid messages. Weight at most 0.
        public var invalidMessagesWeight = -100.0
        public var invalidMessagesDecay = 0.9987  // 1 % left after an hour

        public init() {}
    }

    /// The score function's parameters that do not depend on the topic.
    public struct ScoreParameters: Hashable, Sendable {
        /// False: scores are computed and can be explained, but nothing is decided by them.
        public var isEnforced = true
        /// Cap of the sum of all topics' contributions; zero for none. Positive contributions only.
        public var topicScoreCap = 100.0
        /// P5: what the application says. Weight at least 0.
        public var applicationWeight = 1.0
        /// P6: squared count of peers above the threshold at one address group. Weight at most 0.
        public var colocationWeight = -10.0
        public var colocationThreshold = 10
        /// P7: squared behaviour penalties above the threshold. Weight at most 0.
        public var behaviourWeight = -10.0
        public var behaviourThreshold = 6.0
        public var behaviourDecay = 0.9987
        /// Below this a counter is zero.
        public var decayToZero = 0.01
        public var decayInterval: Duration = .seconds(1)
        /// How long the score of a peer outlives its connection, or reconnecting would wash it clean.
        public var retention: Duration = .seconds(3600)
        /// Below: no gossip to or from the peer.
        public var gossipThreshold = -500.0
        /// Below: our own messages are not sent to the peer.
        public var publishThreshold = -1000.0
        /// Below: everything from the peer is dropped unread.
        public var graylistThreshold = -2500.0
        /// From here on a peer's PX is followed.
        public var acceptPeerExchangeThreshold = 5.0
        /// A mesh whose median is below this gets better peers grafted.
        public var opportunisticGraftThreshold = 2.0

        public init() {}

        /// The factor per tick that leaves `decayToZero` after `ticks` ticks.
        ///
        /// Found by bisection, because the standard library has no power function.
        public static func decay(toZeroIn ticks: Int, zero: Double = 0.01) -> Double {
            precondition(ticks >= 1, "a decay of \(ticks) ticks")
            precondition(zero > 0 && zero < 1, "a counter decays to something in 0..<1")
            var low = 0.0
            var high = 1.0
            for _ in 0..<60 {
                let middle = (low + high) / 2
                if power(middle, ticks) < zero { low = middle } else { high = middle }
            }
            return high
        }

        private static func power(_ base: Double, _ exponent: Int) -> Double {
            var result = 1.0
            var square = base
            var rest = exponent
            while rest > 0 {
                if rest & 1 == 1 { result *= square }
                square *= square
                rest >>= 1
            }
            return result
        }
    }
}
