public import Bodies
import ChoraleBase
public import Codec
public import Connection
public import Crypto
public import ExecutorAgent
public import Gossipsub
public import Kademlia
public import PartVerification
public import PeerIdentity
public import Swarm

/// What a node is started with.
///
/// Everything a machine inside needs is derived from it once, so that two nodes with equal
/// configurations, seeds and inputs behave the same.
public struct NodeConfiguration: Sendable {
    /// Signs handshakes, records and announcements, and names the node.
    public var identity: IdentityKey
    /// The Curve25519 key of Noise handshakes. Fresh at each start: it proves nothing by itself.
    public var noiseStaticKey: SecretBytes
    /// First four bytes of the hash of the network's genesis: in topic and protocol names.
    public var networkDigest: [UInt8]
    public var addressPolicy: AddressPolicy
    public var listenAddresses: [Multiaddr]
    /// Announced besides what is found out; for nodes behind a port mapping.
    public var externalAddresses: [Multiaddr]
    public var bootnodes: [Bootnode]
    /// Peers that this node stays connected to and that get every gossip message, outside of meshes
    /// (gossipsub 1.1, "Explicit Peering Agreements"). Both sides must say so.
    public var directPeers: [Bootnode]
    /// Observer, validator, executor, prover: bits of ``NodeRole``.
    public var roles: NodeRole
    public var agentVersion: String
    public var swarm: Swarm.Limits
    public var gossip: Gossipsub.Configuration
    /// Topics joined at start, besides the network's own.
    public var gossipTopics: [String]
    public var kademlia: Kademlia.Configuration
    /// The DHT's protocol, by default `/chorale/kad/1.0.0/<digest>`.
    public var kademliaProtocol: String
    /// Whether this node answers DHT requests, by default when others can reach it.
    public var dhtMode: DHTMode
    /// Whether `/libp2p/perf/1.0.0` is served. Off on public networks: it gives bandwidth away.
    public var servesPerf: Bool
    /// Whether inbound and outbound speak the Chorale requests (status and so on). Off for nodes
    /// that only measure or only speak libp2p.
    public var speaksChorale: Bool
    /// The network's chain; nil for networks and programs without one.
    public var chain: ChainStart?
    /// Verification in parts; nil on networks without operations. Needs a chain.
    public var parts: PartConfiguration?
    /// What this node executes; nil for whoever does not. Needs `parts`.
    public var executor: ExecutorConfiguration?
    /// Seed of everything that is random and not secret.
    public var seed: UInt64
    public var limits: NodeLimits

    public init(
        identity: IdentityKey, noiseStaticKey: SecretBytes, networkDigest: [UInt8],
        addressPolicy: AddressPolicy, seed: UInt64
    ) {
        precondition(networkDigest.count == 4, "a network digest has four bytes")
        self.identity = identity
        self.noiseStaticKey = noiseStaticKey
        self.networkDigest = networkDigest
        self.addressPolicy = addressPolicy
        self.listenAddresses = []
        self.externalAddresses = []
        self.bootnodes = []
        self.directPeers = []
        self.roles = .observer
        self.agentVersion = "chorale/0.1.0"
        self.swarm = Swarm.Limits()
        self.gossip = Gossipsub.Configuration(
            localPeer: identity.peerID, signaturePolicy: .strictNoSign)
        self.gossipTopics = []
        self.kademlia = Kademlia.Configuration()
        self.kademlia.addressPolicy = addressPolicy == .local ? .local : .public
        self.kademliaProtocol = "/chorale/kad/1.0.0/\(Hex.encode(networkDigest))"
        self.dhtMode = .auto
        self.servesPerf = addressPolicy == .local
        self.speaksChorale = true
        self.chain = nil
        self.parts = nil
        self.executor = nil
        self.seed = seed
        self.limits = NodeLimits()
    }

    /// The full name of one of this network's topics.
    public func topic(_ name: String) -> String {
        "/chorale/\(Hex.encode(networkDigest))/\(name)/ssz_snappy"
    }
}

/// When a node is a server of the DHT (kad-dht specification, "Client and server mode").
public enum DHTMode: String, CaseIterable, Sendable {
    /// A server while the node knows an address at which others can reach it, else a client.
    case auto
    /// Never: it asks and does not answer, and is in nobody's routing table.
    case client
    /// Always, even while it knows no such address.
    case server
}

/// What a node does in its network. A node runs any set.
public struct NodeRole: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let observer = NodeRole(rawValue: 1 << 0)
    public static let validator = NodeRole(rawValue: 1 << 1)
    public static let executor = NodeRole(rawValue: 1 << 2)
    public static let prover = NodeRole(rawValue: 1 << 3)

    /// Every role with its name on the command line.
    public static let named: [(String, NodeRole)] = [
        ("observer", .observer), ("validator", .validator), ("executor", .executor),
        ("prover", .prover),
    ]

    public var names: [String] { Self.named.filter { contains($0.1) }.map(\.0) }
}

/// Limits of what `Node` itself keeps; each machine inside has its own.
public struct NodeLimits: Sendable {
    /// A DHT message on the wire: rust-libp2p's cap is 16 KiB, go answers with up to 64 KiB of peers.
    public var kademliaFrameSizeMax = 64 * 1024
    /// Kademlia requests of one peer being answered.
    public var kademliaStreamsPerPeer = 32
    /// Negotiation and first message of any inbound stream.
    public var streamTimeout: Duration = .seconds(10)
    /// A DHT stream without traffic (go-libp2p: 60 s).
    public var idleStreamTimeout: Duration = .seconds(60)
    /// An answer that was not sent after this, because the peer does not read, is given up: as long as
    /// whoever asked waits for it. Also how long a peer may leave its direction open after it.
    public var answerTimeout: Duration = .seconds(10)
    /// Bytes kept queued in a stream that pulls its content, so that urgent data overtakes the rest.
    public var pullAheadSize = 64 * 1024
    /// Commands under way at once.
    public var commandsMax = 256
    /// Identify pushes read from one peer a minute, and at once (go-libp2p: about twelve).
    public var pushesPerMinute: Int64 = 12
    /// How long a peer that gossip graylisted is not connected to, either way.
    public var graylistBan: Duration = .seconds(600)
    /// How long a gossip stream must have stood for its end to count as a restart and not as a refusal.
    public var gossipStreamLife: Duration = .seconds(60)
    /// Time a stopping node gives its connections to flush.
    public var drainTimeout: Duration = .seconds(3)
    /// Of each connection's machines.
    public var connection = Connection.Limits()
    /// Growth of the receive windows of all connections together, in bytes: what peers may make the
    /// node buffer besides 256 KiB a stream.
    public var extraWindowMax = 128 << 20
    public var bodies = Bodies.Limits()
    /// Between a failure of the store and a write that shows whether it works again.
    public var storeProbeInterval: Duration = .seconds(10)
    /// Until a page of rows that could not be read at start is asked for again; doubles each time.
    public var loadRetryDelay: Duration = .seconds(1)
    public var loadRetryDelayMax: Duration = .seconds(60)
    /// Attempts to read known peers and DHT records, after which the node goes on without them.
    public var loadAttemptsMax = 5
    /// Life of the prover identity record; renewed at a third of it.
    public var proverRecordLife: Duration = .seconds(3600)

    public init() {}
}
