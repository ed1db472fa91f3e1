import Bodies
public import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import Gossipsub
import Identify
import Kademlia
import Multistream
import Noise
import OrderedCollections
import PeerIdentity
import Ping
import RequestResponse
import Swarm
import Yamux

/// What operators see.
extension Node {
    func nodeInfo(now: Now) -> NodeInfo {
        NodeInfo(
            peer: localPeer, agentVersion: configuration.agentVersion,
            networkDigest: configuration.networkDigest, roles: configuration.roles.names,
            listenAddresses: Array(listeners.values), announcedAddresses: announcedAddresses,
            protocols: inboundProtocols.names,
            topics: gossip.meshSnapshot().filter(\.isSubscribed).map(\.topic.description),
            uptime: startedAt.duration(to: now.instant), peerCount: peers.count,
            isServingDHT: isServingDHT)
    }

    func peerInfos(now: Now) -> [PeerInfo] {
        let gossipPeers = gossip.peerSnapshot(now: now)
        var gossipByPeer: [PeerID: Gossipsub.PeerSnapshot] = [:]
        for snapshot in gossipPeers { gossipByPeer[snapshot.peer] = snapshot }
        return peers.values.map { peer in
            let connection = peer.connection
            let holds = swarm.link(to: peer.id)?.holds ?? []
            return PeerInfo(
                peer: peer.id, agentVersion: peer.identified?.agentVersion ?? "",
                protocols: peer.protocols, direction: connection.direction,
                localAddress: connection.local, remoteAddress: connection.remote,
                connectedFor: peer.since.duration(to: now.instant), roundTrip: connection.roundTrip,
                handshakeRoundTrips: connection.established?.handshakeRoundTrips ?? 0,
                bytesReceived: connection.bytesReceived, bytesSent: connection.bytesSent,
                streams: connection.streams.count, gossipVersion: peer.gossipVersion,
                topics: gossipByPeer[peer.id]?.topics.map(\.description) ?? [],
                score: gossipByPeer[peer.id]?.score ?? 0, holds: holds.map(\.rawValue),
                isTrusted: holds.contains(.pinned))
        }
    }

    func meshInfos() -> [MeshInfo] {
        gossip.meshSnapshot().map { snapshot in
            MeshInfo(
                topic: snapshot.topic.description, mesh: snapshot.mesh, fanout: snapshot.fanout,
                subscribers: snapshot.subscriberCount, isSubscribed: snapshot.isSubscribed)
        }
    }

    func scoreInfos(now: Now) -> [ScoreInfo] {
        gossip.scoreSnapshot(now: now).map { Self.info($0, now: now) }
    }

    mutating func explainScore(
        _ peer: PeerID, _ command: CommandID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let explanation = gossip.explain(peer, now: now) else {
            let text = "no score is kept for \(peer): it was not connected lately"
            finish(command, .failed(.init(.notFound, text)), into: &outputs)
            return
        }
        finish(command, .scoreExplanation(Self.info(explanation, now: now)), into: &outputs)
    }

    private static func info(
        _ explanation: Gossipsub.ScoreExplanation, now: Now
    ) -> ScoreInfo {
        var components: [ScoreInfo.Component] = []
        for topic in explanation.topics {
            let name = topic.topic.description
            let parts = [
                ("P1", topic.timeInMesh), ("P2", topic.firstDeliveries),
                ("P3", topic.meshDeliveries), ("P3b", topic.meshFailures),
                ("P4", topic.invalidMessages),
            ]
            for (part, points) in parts where points != 0 {
                components.append(.init(name: part, topic: name, points: topic.weight * points))
            }
        }
        let whole = [
            ("P5", explanation.application), ("P6", explanation.colocation),
            ("P7", explanation.behaviour),
        ]
        for (part, points) in whole where points != 0 {
            components.append(.init(name: part, topic: nil, points: points))
        }
        return ScoreInfo(
            peer: explanation.peer, score: explanation.total, components: components,
            movements: explanation.movements.map { movement in
                ScoreInfo.Movement(
                    ago: movement.lastAt.duration(to: now.instant), cause: "\(movement.cause)",
                    topic: movement.topic?.description, amount: movement.points)
            })
    }

    func dhtInfo(now: Now) -> DHTInfo {
        let snapshot = kademlia.snapshot(now: now)
        return DHTInfo(
            mode: snapshot.mode.rawValue,
            buckets: snapshot.buckets.map { bucket in
                DHTInfo.Bucket(index: bucket.index, peers: bucket.peers.map(\.id))
            },
            peerCount: kademlia.tableSize, recordCount: snapshot.recordCount,
            recordBytes: snapshot.recordBytes, providerCount: snapshot.providerCount,
            runningQueries: snapshot.queries.count)
    }

    /// Everything that can be counted or measured, for a metrics page.
    public func metrics(now: Now) -> NodeMetrics {
        NodeMetrics(
            info: nodeInfo(now: now), counters: counterInfos(), limits: limitInfos(now: now),
            meshSizes: meshInfos().map { ($0.topic, $0.mesh.count) }, dht: dhtInfo(now: now),
            connectionCount: connections.count, proofs: proofsInfo())
    }
}

/// A reading of everything a metrics page shows.
public struct NodeMetrics: Sendable {
    public var info: NodeInfo
    public var counters: [CounterInfo]
    public var limits: [LimitInfo]
    public var meshSizes: [(topic: String, size: Int)]
    public var dht: DHTInfo
    public var connectionCount: Int
    /// nil on a network without operations.
    public var proofs: ProofsInfo?
}
