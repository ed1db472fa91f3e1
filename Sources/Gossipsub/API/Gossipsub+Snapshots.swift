public import ChoraleBase
public import PeerIdentity

extension Gossipsub {
    /// One topic as an operator sees it.
    public struct TopicSnapshot: Hashable, Sendable {
        public let topic: Topic
        public let isSubscribed: Bool
        /// In ascending order of peer id.
        public let mesh: [PeerID]
        public let fanout: [PeerID]
        /// Connected peers that have the topic.
        public let subscriberCount: Int
        public let pendingCount: Int
    }

    /// One peer as an operator sees it.
    public struct PeerSnapshot: Hashable, Sendable {
        public let peer: PeerID
        public let version: Version
        public let direction: Direction
        public let isDirect: Bool
        public let topics: [Topic]
        public let meshTopics: [Topic]
        public let queuedCount: Int
        public let queuedSize: Int
        public let score: Double
    }

    /// Why a score is what it is.
    public struct ScoreExplanation: Hashable, Sendable {
        public struct TopicScore: Hashable, Sendable {
            public let topic: Topic
            public let weight: Double
            /// Each already multiplied by its weight, and not yet by the topic's.
            public let timeInMesh: Double
            public let firstDeliveries: Double
            public let meshDeliveries: Double
            public let meshFailures: Double
            public let invalidMessages: Double

            public var total: Double {
                weight
                    * (timeInMesh + firstDeliveries + meshDeliveries + meshFailures
                        + invalidMessages)
            }
        }

        public let peer: PeerID
        public let isConnected: Bool
        public let total: Double
        public let topics: [TopicScore]
        /// What the cap took from the sum over topics; at most 0.
        public let capped: Double
        public let application: Double
        public let colocation: Double
        public let behaviour: Double
        /// Latest last.
        public let movements: [ScoreMovement]
    }

    /// One thing that moved a score.
    public struct ScoreMovement: Hashable, Sendable {
        public let cause: ScoreCause
        public let topic: Topic?
        /// How often in a row, for credits, which are merged.
        public let count: Int
        /// How far the score moved in all, in points.
        public let points: Double
        public let firstAt: MonotonicInstant
        public let lastAt: MonotonicInstant
    }

    /// What the machine holds, for the memory budget and for tests that nothing stays behind.
    public struct Holdings: Hashable, Sendable {
        public var peers = 0
        public var retainedPeers = 0
        public var messages = 0
        public var messageSize = 0
        public var pending = 0
        public var pendingSize = 0
        public var history = 0
        public var historySize = 0
        public var queuedCopies = 0
        public var queuedSize = 0
        public var seen = 0
        public var wanted = 0
        public var dontWant = 0
        /// Identifiers in control that waits to be sent.
        public var controlIDs = 0

        public init() {}
    }
}
