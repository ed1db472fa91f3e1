import DequeModule

extension Gossipsub {
    /// Takes identifiers from a list until they fill `room` bytes of an RPC.
    static func take(_ ids: inout Deque<MessageID>, room: Int) -> [MessageID] {
        guard !ids.isEmpty, room > 0 else { return [] }
        var taken: [MessageID] = []
        var size = 0
        while size < room, let id = ids.popFirst() {
            size += id.bytes.count + 3
            taken.append(id)
        }
        return taken
    }

    /// As above, for announcements.
    static func take(
        _ announcements: inout Deque<ControlQueue.Announcement>,
        room: Int
    ) -> [ControlQueue.Announcement] {
        guard !announcements.isEmpty, room > 0 else { return [] }
        var taken: [ControlQueue.Announcement] = []
        var size = 0
        while size < room, let announcement = announcements.popFirst() {
            size += announcement.id.bytes.count + 3
            taken.append(announcement)
        }
        return taken
    }

    /// Writes announcements as one IHAVE per run of one topic. What the peer has by now, or what we no
    /// longer have, is left out.
    mutating func announce(
        _ announcements: [ControlQueue.Announcement],
        to slot: Int,
        _ writer: inout GossipRPCWriter
    ) {
        let token = peers[slot]!.token
        var topic: Int?
        var ids: [MessageID] = []
        for entry in announcements {
            guard let index = store.index(entry.key), store[index].isInHistory,
                !store[index].isHeld(by: token), peers[slot]!.dontWant[entry.key] == nil
            else { continue }
            if let open = topic, open != entry.topic {
                writer.ihave(topics[open].topic.utf8, ids)
                counters.ihaveIDsSent += UInt64(ids.count)
                ids.removeAll(keepingCapacity: true)
            }
            topic = entry.topic
            ids.append(entry.id)
        }
        if let topic, !ids.isEmpty {
            writer.ihave(topics[topic].topic.utf8, ids)
            counters.ihaveIDsSent += UInt64(ids.count)
        }
    }
}
