import ChoraleBase
public import Codec
public import Node
import PeerIdentity

extension NodeInfo {
    /// The result of `admin_nodeInfo`, and what the HTTP API serves at `/info`.
    public var json: JSONObject {
        let listening = listenAddresses.first
        let reachable = announcedAddresses.first ?? listening
        let addresses = listenAddresses.map { (try? $0.withPeerID(peer)) ?? $0 }
        let digest = JSONValue.string(Hex.encode(networkDigest))
        return [
            "id": .string("\(peer)"),
            "name": .string(agentVersion),
            "ip": JSONValue(reachable?.ipAddress.map { "\($0)" }),
            "ports": .object([
                "discovery": JSONValue(0),
                "listener": listening?.tcpEndpoint.map { JSONValue($0.port) } ?? .null,
            ]),
            "listenAddr": JSONValue(listening?.text),
            "protocols": .object(["chorale": .object(["network": digest])]),
            "networkDigest": digest,
            "roles": JSONValue(roles),
            "addresses": ReplyJSON.texts(addresses),
            "announcedAddresses": ReplyJSON.texts(announcedAddresses),
            "libp2pProtocols": JSONValue(protocols),
            "topics": JSONValue(topics),
            "uptimeMs": JSONValue(uptime.wholeMilliseconds),
            "peerCount": JSONValue(peerCount),
            "servesDHT": .bool(isServingDHT),
        ]
    }
}
