import DequeModule

/// The control messages that wait for one peer.
///
/// At most one GRAFT or PRUNE per topic, and one subscription change; identifiers are bounded by
/// ``Gossipsub/Limits/controlQueueIDsMax``.
struct ControlQueue {
    struct Subscription {
        let topic: Int
        var isSubscribed: Bool
    }

    struct Prune {
        let topic: Int
        let backoffSeconds: UInt64
        let peers: [GossipWire.PeerInfo]
    }

    /// Where the message is in the store, if it still is when this is sent.
    struct Announcement {
        let message: Int
        let key: MessageKey
    }

    var subscriptions: [Subscription] = []
    var grafts: [Int] = []
    var prunes: [Prune] = []
    var iwant = Deque<Gossipsub.MessageID>()
    var dontWant = Deque<Gossipsub.MessageID>()
    /// Large messages offered instead of pushed.
    var offers = Deque<Announcement>()
    /// Gossip of the last heartbeat.
    var gossip = Deque<Announcement>()

    var idCount: Int { iwant.count + dontWant.count + offers.count + gossip.count }

    var isEmpty: Bool {
        subscriptions.isEmpty && grafts.isEmpty && prunes.isEmpty && iwant.isEmpty
            && dontWant.isEmpty && offers.isEmpty && gossip.isEmpty
    }

    mutating func setSubscription(_ topic: Int, _ isSubscribed: Bool) {
        if let index = subscriptions.firstIndex(where: { $0.topic == topic }) {
            subscriptions[index].isSubscribed = isSubscribed
        } else {
            subscriptions.append(Subscription(topic: topic, isSubscribed: isSubscribed))
        }
    }

    mutating func graft(_ topic: Int) {
        // Both in one RPC would be read as GRAFT, then PRUNE.
        prunes.removeAll { $0.topic == topic }
        if !grafts.contains(topic) { grafts.append(topic) }
    }

    mutating func prune(_ prune: Prune) {
        grafts.removeAll { $0 == prune.topic }
        prunes.removeAll { $0.topic == prune.topic }
        prunes.append(prune)
    }
}
