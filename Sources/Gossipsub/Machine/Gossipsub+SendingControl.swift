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

    /// Writes announcements as one IHAVE per run of one topic, until they fill `room` bytes. What the peer has by now,
    /// or what we no longer have, is left out.
    mutating func announce(
        _ announcements: inout Deque<ControlQueue.Announcement>,
        to peer: Peer,
        room: Int,
        _ writer: inout GossipRPCWriter
    ) {
        guard !announcements.isEmpty, room > 0 else { return }
        let slot = peer.token.slot
        var topic: Int?
        var ids: [MessageID] = []
        var size = 0
        while size < room, let entry = announcements.popFirst() {
            guard store.contains(entry.message, key: entry.key) else { continue }
            let message = store[entry.message]
            guard message.isInHistory, !message.holders.contains(slot),
                peer.dontWant.isEmpty || peer.dontWant[entry.key] == nil
            else { continue }
            if let open = topic, open != message.topic {
                writer.ihave(topics[open].topic.utf8, ids)
                counters.ihaveIDsSent += UInt64(ids.count)
                ids.removeAll(keepingCapacity: true)
            }
            topic = message.topic
            size += message.id.bytes.count + 3
            ids.append(message.id)
        }
        if let topic, !ids.isEmpty {
            writer.ihave(topics[topic].topic.utf8, ids)
            counters.ihaveIDsSent += UInt64(ids.count)
        }
    }
}
