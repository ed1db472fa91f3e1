import ChoraleBase
import PeerIdentity

extension Gossipsub {
    /// What decisions see: the score, or zero when it is not enforced, or for direct peers, with whom
    /// the operator has an agreement.
    mutating func score(_ slot: Int, now: MonotonicInstant) -> Double {
        guard configuration.score.isEnforced, !peers[slot]!.connection.isDirect else { return 0 }
        return rawScore(slot, now: now)
    }

    mutating func rawScore(_ slot: Int, now: MonotonicInstant) -> Double {
        if let cached = peers[slot]!.score.cached { return cached }
        let total = breakdown(
            peers[slot]!.score, group: peers[slot]!.connection.addressGroup, now: now
        ).total
        peers[slot]!.score.cached = total
        return total
    }

    struct ScoreBreakdown {
        var topics: [(topic: Int, parts: PeerScore.TopicParts)] = []
        var capped = 0.0
        var application = 0.0
        var colocation = 0.0
        var behaviour = 0.0
        var total = 0.0
    }

    func breakdown(
        _ score: PeerScore,
        group: AddressGroup?,
        now: MonotonicInstant
    ) -> ScoreBreakdown {
        let parameters = configuration.score
        var result = ScoreBreakdown()
        var sum = 0.0
        for counters in score.topics {
            let topic = topics[counters.topic].parameters.score
            let parts = PeerScore.parts(counters, topic, now: now)
            result.topics.append((counters.topic, parts))
            sum += topic.topicWeight * parts.sum
        }
        if parameters.topicScoreCap > 0, sum > parameters.topicScoreCap {
            result.capped = parameters.topicScoreCap - sum
        }
        result.application = parameters.applicationWeight * score.application
        if let group, let count = countByGroup[group], count > parameters.colocationThreshold {
            let surplus = Double(count - parameters.colocationThreshold)
            result.colocation = parameters.colocationWeight * surplus * surplus
        }
        let excess = score.behaviour - parameters.behaviourThreshold
        if excess > 0 { result.behaviour = parameters.behaviourWeight * excess * excess }
        result.total =
            sum + result.capped + result.application + result.colocation + result.behaviour
        return result
    }

    /// Notes what moved a score, and says when it crossed the graylist threshold.
    mutating func record(
        _ slot: Int,
        _ cause: ScoreCause,
        _ topic: Int?,
        _ points: Double,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        peers[slot]!.score.record(
            cause, topic: topic, points: points,
            countMax: configuration.limits.scoreMovementsMax, now: now)
        guard !cause.isMerged else { return }
        counters[charged: cause] += 1
        outputs.append(.event(.penalized(peers[slot]!.id, cause, points: points)))
        noteGraylist(slot, now: now, into: &outputs)
    }

    private mutating func noteGraylist(
        _ slot: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let total = rawScore(slot, now: now)
        let isGraylisted = total < configuration.score.graylistThreshold
        guard peers[slot]!.score.isGraylisted != isGraylisted else { return }
        peers[slot]!.score.isGraylisted = isGraylisted
        let id = peers[slot]!.id
        outputs.append(
            .event(
                isGraylisted
                    ? .graylisted(id, score: total) : .ungraylisted(id, score: total)))
    }

    /// P7.
    mutating func penalize(
        _ slot: Int,
        _ cause: ScoreCause,
        _ count: Double,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let before = rawScore(slot, now: now)
        peers[slot]!.score.behaviour += count
        peers[slot]!.score.cached = nil
        let change = rawScore(slot, now: now) - before
        // Below the threshold the score does not move yet, but the cause is worth remembering.
        record(slot, cause, nil, change, now: now, into: &outputs)
    }

    /// P4.
    mutating func chargeInvalid(
        _ slot: Int,
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let before = rawScore(slot, now: now)
        peers[slot]!.score.withCounters(topic) { $0.invalidMessages += 1 }
        let change = rawScore(slot, now: now) - before
        record(slot, .invalidMessage, topic, change, now: now, into: &outputs)
    }

    /// P2.
    mutating func creditFirstDelivery(
        _ slot: Int,
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let parameters = topics[topic].parameters.score
        let gained = peers[slot]!.score.withCounters(topic) { counters in
            let before = counters.firstDeliveries
            counters.firstDeliveries = min(before + 1, parameters.firstDeliveriesCap)
            return counters.firstDeliveries - before
        }
        record(
            slot, .firstDelivery, topic,
            parameters.topicWeight * parameters.firstDeliveriesWeight * gained, now: now,
            into: &outputs)
    }

    /// P3: for the first copy, and for others that came in time.
    mutating func creditMeshDelivery(
        _ slot: Int,
        _ topic: Int,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        let parameters = topics[topic].parameters.score
        guard parameters.meshDeliveriesWeight < 0, peers[slot]!.mesh.contains(topic) else { return }
        let before = rawScore(slot, now: now)
        peers[slot]!.score.withCounters(topic) {
            $0.meshDeliveries = min($0.meshDeliveries + 1, parameters.meshDeliveriesCap)
        }
        let change = rawScore(slot, now: now) - before
        record(slot, .meshDelivery, topic, max(0, change), now: now, into: &outputs)
    }

    mutating func applicationScore(
        _ id: PeerID,
        _ points: Double,
        now: MonotonicInstant,
        into outputs: inout [Output]
    ) {
        guard let slot = slotByPeer[id], points.isFinite else { return }
        let change = points - peers[slot]!.score.application
        peers[slot]!.score.application = points
        peers[slot]!.score.cached = nil
        record(
            slot, .application, nil, change * configuration.score.applicationWeight, now: now,
            into: &outputs)
    }

    mutating func decayScores(now: MonotonicInstant, into outputs: inout [Output]) {
        let parameters = configuration.score
        for slot in peers.indices where peers[slot] != nil {
            peers[slot]!.score.decay(parameters) { topics[$0].parameters.score }
            if peers[slot]!.score.isGraylisted { noteGraylist(slot, now: now, into: &outputs) }
        }
        expireRetained(now: now)
    }
}
