import ChoraleBase

/// One topic of our list.
struct TopicState {
    let topic: Gossipsub.Topic
    var parameters: Gossipsub.TopicParameters
    var isSubscribed = false
    /// Slots of peers in the mesh. At most `degreeHigh`, and peers we dialed above that.
    var mesh: [Int] = []
    /// Slots of peers that own messages go to while we are not subscribed.
    var fanout: [Int] = []
    var fanoutExpires: MonotonicInstant?
    /// Slots of all connected peers that have the topic.
    var subscribers: [Int] = []
    /// Those of `subscribers` that are direct or speak floodsub: they get everything.
    var always: [Int] = []
    /// Messages under validation.
    var pendingCount = 0

    init(_ parameters: Gossipsub.TopicParameters) {
        topic = parameters.topic
        self.parameters = parameters
    }
}

/// Finds a topic by the bytes of its name, without making an array of them.
///
/// Only our own topics are in it, so nobody outside can make two of them meet.
struct TopicIndex {
    private var indicesByHash: [UInt64: [Int]] = [:]

    static func hash(_ name: Span<UInt8>) -> UInt64 {
        // FNV-1a, 64 bits.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in name.indices {
            hash = (hash ^ UInt64(name[index])) &* 0x100_0000_01B3
        }
        return hash
    }

    mutating func insert(_ topic: Gossipsub.Topic, at index: Int) {
        indicesByHash[Self.hash(topic.utf8.span), default: []].append(index)
    }

    func candidates(_ name: Span<UInt8>) -> [Int] { indicesByHash[Self.hash(name)] ?? [] }
}
