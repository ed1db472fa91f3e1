import DequeModule

extension Gossipsub {
    /// Moves identifiers from one list of the peer's control into one entry of the RPC.
    mutating func takeIDs(
        _ slot: Int,
        _ list: WritableKeyPath<ControlQueue, Deque<MessageID>>,
        _ sizeMax: Int,
        _ writer: inout GossipRPCWriter,
        _ write: (inout GossipRPCWriter, [MessageID]) -> Void
    ) {
        guard !peers[slot]!.control[keyPath: list].isEmpty else { return }
        var ids: [MessageID] = []
        var size = writer.size
        while size < sizeMax, let id = peers[slot]!.control[keyPath: list].popFirst() {
            size += id.bytes.count + 3
            ids.append(id)
        }
        if !ids.isEmpty { write(&writer, ids) }
    }

    /// Moves announcements into one IHAVE per run of one topic. What the peer has by now, or what we no
    /// longer have, is left out.
    mutating func takeAnnouncements(
        _ slot: Int,
        _ list: WritableKeyPath<ControlQueue, Deque<ControlQueue.Announcement>>,
        _ sizeMax: Int,
        _ writer: inout GossipRPCWriter
    ) {
        guard !peers[slot]!.control[keyPath: list].isEmpty else { return }
        let token = peers[slot]!.token
        var topic: Int?
        var ids: [MessageID] = []
        var size = writer.size
        while size < sizeMax, let entry = peers[slot]!.control[keyPath: list].popFirst() {
            guard let index = store.index(entry.key), store[index].isInHistory,
                !store[index].isHeld(by: token), peers[slot]!.dontWant[entry.key] == nil
            else { continue }
            if let open = topic, open != entry.topic {
                writer.ihave(topics[open].topic.utf8, ids)
                counters.ihaveIDsSent += UInt64(ids.count)
                ids.removeAll(keepingCapacity: true)
                size += topics[entry.topic].topic.utf8.count
            }
            topic = entry.topic
            size += entry.id.bytes.count + 3
            ids.append(entry.id)
        }
        if let topic, !ids.isEmpty {
            writer.ihave(topics[topic].topic.utf8, ids)
            counters.ihaveIDsSent += UInt64(ids.count)
        }
    }
}
