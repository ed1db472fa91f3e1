import ChoraleBase

/// The counters behind one peer's score, and what moved them.
///
/// Specification: `pubsub/gossipsub/gossipsub-v1.1.md`, "Peer Scoring".
struct PeerScore {
    struct TopicCounters {
        let topic: Int
        /// When it entered the mesh; nil outside.
        var graftedAt: MonotonicInstant?
        var firstDeliveries = 0.0
        var meshDeliveries = 0.0
        var meshFailures = 0.0
        var invalidMessages = 0.0

        var isZero: Bool {
            graftedAt == nil && firstDeliveries == 0 && meshDeliveries == 0 && meshFailures == 0
                && invalidMessages == 0
        }
    }

    /// One topic's contribution, each part multiplied by its weight.
    struct TopicParts {
        var timeInMesh = 0.0
        var firstDeliveries = 0.0
        var meshDeliveries = 0.0
        var meshFailures = 0.0
        var invalidMessages = 0.0

        var sum: Double {
            timeInMesh + firstDeliveries + meshDeliveries + meshFailures + invalidMessages
        }
    }

    struct Movement {
        let cause: Gossipsub.ScoreCause
        let topic: Int?
        var count: Int
        var points: Double
        let firstAt: MonotonicInstant
        var lastAt: MonotonicInstant
    }

    /// In ascending order of topic.
    private(set) var topics: [TopicCounters] = []
    var behaviour = 0.0
    var application = 0.0
    private(set) var movements: [Movement] = []
    /// The score when it was last computed; nil: something moved since.
    var cached: Double?
    var isGraylisted = false

    /// Whether there is anything that would be lost with the peer.
    var isZero: Bool { topics.allSatisfy(\.isZero) && behaviour == 0 && application == 0 }

    private func position(_ topic: Int) -> (index: Int, isFound: Bool) {
        // Peers have few topics; the newest is not more likely than others.
        var index = 0
        while index < topics.count, topics[index].topic < topic { index += 1 }
        return (index, index < topics.count && topics[index].topic == topic)
    }

    func counters(_ topic: Int) -> TopicCounters? {
        let (index, isFound) = position(topic)
        return isFound ? topics[index] : nil
    }

    mutating func withCounters<Result>(
        _ topic: Int,
        _ body: (inout TopicCounters) -> Result
    ) -> Result {
        let (index, isFound) = position(topic)
        if !isFound { topics.insert(TopicCounters(topic: topic), at: index) }
        cached = nil
        return body(&topics[index])
    }

    static func parts(
        _ counters: TopicCounters,
        _ parameters: Gossipsub.TopicScoreParameters,
        now: MonotonicInstant
    ) -> TopicParts {
        var parts = TopicParts()
        if let graftedAt = counters.graftedAt {
            let quantum = Double(max(1, parameters.timeInMeshQuantum.wholeNanoseconds))
            let elapsed = Double(graftedAt.duration(to: now).wholeNanoseconds)
            parts.timeInMesh =
                parameters.timeInMeshWeight * min(elapsed / quantum, parameters.timeInMeshCap)
        }
        parts.firstDeliveries = parameters.firstDeliveriesWeight * counters.firstDeliveries
        let deficit = deficit(counters, parameters, now: now)
        parts.meshDeliveries = parameters.meshDeliveriesWeight * deficit * deficit
        parts.meshFailures = parameters.meshFailureWeight * counters.meshFailures
        parts.invalidMessages =
            parameters.invalidMessagesWeight * counters.invalidMessages * counters.invalidMessages
        return parts
    }

    /// How far a mesh peer is below what it should bring; zero before P3 is active.
    static func deficit(
        _ counters: TopicCounters,
        _ parameters: Gossipsub.TopicScoreParameters,
        now: MonotonicInstant
    ) -> Double {
        guard let graftedAt = counters.graftedAt,
            graftedAt.duration(to: now) > parameters.meshDeliveriesActivation
        else { return 0 }
        return max(0, parameters.meshDeliveriesThreshold - counters.meshDeliveries)
    }

    mutating func decay(
        _ parameters: Gossipsub.ScoreParameters,
        topicParameters: (Int) -> Gossipsub.TopicScoreParameters
    ) {
        cached = nil
        let zero = parameters.decayToZero
        func decayed(_ value: Double, _ factor: Double) -> Double {
            let next = value * factor
            return next < zero ? 0 : next
        }
        for index in topics.indices {
            let topic = topicParameters(topics[index].topic)
            topics[index].firstDeliveries =
                decayed(topics[index].firstDeliveries, topic.firstDeliveriesDecay)
            topics[index].meshDeliveries =
                decayed(topics[index].meshDeliveries, topic.meshDeliveriesDecay)
            topics[index].meshFailures =
                decayed(topics[index].meshFailures, topic.meshFailureDecay)
            topics[index].invalidMessages =
                decayed(topics[index].invalidMessages, topic.invalidMessagesDecay)
        }
        topics.removeAll(where: \.isZero)
        behaviour = decayed(behaviour, parameters.behaviourDecay)
    }

    /// Remembers what moved the score. Credits are merged with the last one of their kind; each
    /// penalty is an entry of its own.
    mutating func record(
        _ cause: Gossipsub.ScoreCause,
        topic: Int?,
        points: Double,
        countMax: Int,
        now: MonotonicInstant
    ) {
        if cause.isMerged,
            let index = movements.lastIndex(where: { $0.cause == cause && $0.topic == topic })
        {
            movements[index].count += 1
            movements[index].points += points
            movements[index].lastAt = now
            return
        }
        if movements.count >= countMax, !movements.isEmpty { movements.removeFirst() }
        guard countMax > 0 else { return }
        movements.append(
            Movement(
                cause: cause, topic: topic, count: 1, points: points, firstAt: now, lastAt: now))
    }
}
