import Chain
import ChoraleBase
public import Codec
public import Node
import PeerIdentity
import Swarm

extension NodeEvent {
    /// The event's stable name, as in logs and in `chorale_watchEvents`.
    public var name: String {
        switch self {
        case .started: "started"
        case .listening: "listening"
        case .listenFailed: "listen_failed"
        case .acceptFailed: "accept_failed"
        case .peerConnected: "peer_connected"
        case .peerDisconnected: "peer_disconnected"
        case .peerIdentified: "peer_identified"
        case .connectionClosed: "connection_closed"
        case .refused: "refused"
        case .grafted: "grafted"
        case .pruned: "pruned"
        case .graylisted: "graylisted"
        case .routingTableSize: "routing_table_size"
        case .recordRejected: "record_rejected"
        case .equivocation: "equivocation"
        case .peerFault: "peer_fault"
        case .bodyAnnounced: "body_announced"
        case .bodyCompleted: "body_completed"
        case .bodyFailed: "body_failed"
        case .observedAddress: "observed_address"
        case .dhtModeChanged: "dht_mode_changed"
        case .storeFailed: "store_failed"
        case .storeRecovered: "store_recovered"
        case .wrongNetwork: "wrong_network"
        case .chain(let event): event.name
        case .part(let event): event.name
        case .executor(let event): event.name
        case .stopping: "stopping"
        }
    }

    /// What belongs to it, with constant keys.
    public var fields: JSONObject {
        switch self {
        case .started(let peer), .graylisted(let peer): return ["peer": .string("\(peer)")]
        case .listening(let address), .observedAddress(let address):
            return ["address": .string(address.text)]
        case .listenFailed(let address, let reason), .acceptFailed(let address, let reason):
            return ["address": .string(address.text), "reason": .string(reason)]
        case .peerConnected(let peer, let direction, let address):
            return [
                "peer": .string("\(peer)"), "direction": .string(direction.rawValue),
                "address": .string(address.text),
            ]
        case .peerDisconnected(let peer, let reason):
            return ["peer": .string("\(peer)"), "reason": .string(reason.rawValue)]
        case .peerIdentified(let peer, let agent):
            return ["peer": .string("\(peer)"), "agent": .string(agent)]
        case .connectionClosed(let id, let reason, let detail):
            return [
                "connection": .string("\(id)"), "reason": .string(reason.rawValue),
                "detail": .string(detail),
            ]
        case .refused(let refusal, let address):
            return [
                "limit": .string(refusal.scope.rawValue), "use": JSONValue(refusal.use),
                "of": JSONValue(refusal.limit), "address": .string(address.text),
            ]
        case .grafted(let peer, let topic), .pruned(let peer, let topic):
            return ["peer": .string("\(peer)"), "topic": .string(topic)]
        case .routingTableSize(let count): return ["count": JSONValue(count)]
        case .recordRejected(let reason), .storeFailed(let reason):
            return ["reason": .string(reason)]
        case .equivocation(let key): return ["key": .string(Hex.encode(key))]
        case .peerFault(let peer, let fault):
            return ["peer": .string("\(peer)"), "fault": .string(fault)]
        case .bodyAnnounced(let root, let kind, let size):
            return ["root": .string("\(root)"), "kind": .string(kind), "size": JSONValue(size)]
        case .bodyCompleted(let root, let kind, let size, let sources, let elapsed):
            return [
                "root": .string("\(root)"), "kind": .string(kind), "size": JSONValue(size),
                "sources": JSONValue(sources), "elapsedMs": ReplyJSON.milliseconds(elapsed),
            ]
        case .bodyFailed(let root, let reason):
            return ["root": .string("\(root)"), "reason": .string(reason)]
        case .dhtModeChanged(let serving): return ["serving": .bool(serving)]
        case .wrongNetwork(let peer, let digest):
            return ["peer": .string("\(peer)"), "digest": .string(Hex.encode(digest))]
        case .chain(let event): return event.fields
        case .part(let event): return event.fields
        case .executor(let event): return event.fields
        case .storeRecovered, .stopping: return [:]
        }
    }

    /// `{event, …fields}`.
    var json: JSONObject {
        var object: JSONObject = ["event": .string(name)]
        for member in fields.members { object[member.name] = member.value }
        return object
    }
}
