import Bodies
public import ChoraleBase
import Connection
public import Gossipsub
import Kademlia
import OrderedCollections
public import PeerIdentity
import Swarm

/// What a node keeps in memory because others said something, summed over its machines.
///
/// Fixed tables and code are not in it; what peers can make grow is.
public struct NodeHoldings: Sendable {
    public var sockets = 0
    /// Accepted sockets without a finished handshake.
    public var handshakes = 0
    public var peers = 0
    public var streams = 0
    /// Timers of streams and connections, those that became moot and were not swept yet counted.
    public var timers = 0
    /// Bytes queued for streams and not yet sent.
    public var queuedSize = 0
    /// Bytes by which receive windows exceed their initial sizes: what peers may send unread.
    public var extraWindowSize = 0
    public var gossip = Gossipsub.Holdings()
    public var dhtPeers = 0
    public var dhtRecords = 0
    public var dhtRecordSize = 0
    public var dhtProviders = 0
    public var dhtValidations = 0
    /// Bytes of chunks that bodies hold in memory: cached, or received or published and not yet stored.
    public var bodyMemorySize = 0
    public var bodies = 0
    public var knownPeers = 0
    public var commands = 0
    public var requests = 0

    public init() {}

    /// About how many bytes all of it takes: sizes where they are known, else counts times what one
    /// entry takes as documented by its machine.
    public var estimatedSize: Int {
        var size = queuedSize + bodyMemorySize + dhtRecordSize
        size += gossip.messageSize + gossip.pendingSize
        size += gossip.seen * 66 + gossip.wanted * 200 + gossip.dontWant * 24
        size += gossip.controlIDs * 64 + gossip.retainedPeers * 1024
        // A connection with its Noise state, its Yamux session and its table entries.
        size += sockets * 16 * 1024 + streams * 1024 + timers * 48
        size += dhtPeers * 512 + dhtProviders * 300 + dhtValidations * 2048
        return size + bodies * 9 * 1024 + knownPeers * 1024 + (commands + requests) * 1024
    }
}

extension Node {
    /// What is held now. O(connections + peers): for a metrics page and for tests, not for every turn.
    public func holdings(now: Now) -> NodeHoldings {
        var holdings = NodeHoldings()
        holdings.sockets = swarm.socketCount
        holdings.handshakes = swarm.handshakeCount
        holdings.peers = peers.count
        for connection in connections.values {
            holdings.streams += connection.streams.count
            for stream in connection.streams.keys {
                holdings.queuedSize += connection.machine.queuedBytes(stream)
            }
            holdings.extraWindowSize += connection.machine.extraWindowInUse
        }
        holdings.timers = streamTimers.entryCount + connectionTimers.entryCount
        holdings.gossip = gossip.holdings
        let dht = kademlia.snapshot(now: now)
        holdings.dhtPeers = kademlia.tableSize
        holdings.dhtRecords = dht.recordCount
        holdings.dhtRecordSize = dht.recordBytes
        holdings.dhtProviders = dht.providerCount
        holdings.dhtValidations = dht.validationsInFlight
        let bodies = bodies.snapshot(now: now)
        holdings.bodies = bodies.bodies.count
        holdings.bodyMemorySize = bodies.cacheSize + bodies.unstoredSize + bodies.publishingSize
        holdings.knownPeers = swarm.store.count
        holdings.commands = commands.count
        holdings.requests = requestSessions.count
        return holdings
    }
}

extension Node {
    /// The mesh of one topic, in ascending order of peer id; empty for a topic that is not ours.
    public func meshPeers(of topic: String) -> [PeerID] {
        let name = Gossipsub.Topic(topic)
        return gossip.meshSnapshot().first { $0.topic == name }?.mesh ?? []
    }

    /// What the gossip machine thinks of each connected peer, in ascending order of peer id.
    public func gossipScores(now: Now) -> [(peer: PeerID, score: Double)] {
        gossip.peerSnapshot(now: now).map { ($0.peer, $0.score) }
    }
}

extension Node {
    /// Everybody connected, in the order they came, with the gossip score; zero without gossip.
    public func connectedPeers(now: Now) -> [(peer: PeerID, score: Double)] {
        var scores: [PeerID: Double] = [:]
        for entry in gossipScores(now: now) { scores[entry.peer] = entry.score }
        return peers.keys.map { ($0, scores[$0] ?? 0) }
    }
}
