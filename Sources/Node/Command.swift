public import Chain
public import ChoraleBase
public import Codec
public import Execution
public import ExecutorAgent
public import PartVerification
public import PeerIdentity
public import Swarm
public import TransactionPool

/// What an operator, or a program on the operator's behalf, may ask of a running node.
///
/// Each is answered by one or more ``Reply`` values, the last marked as such.
public enum Command: Sendable {
    case nodeInfo
    case peers
    /// Connects to a peer and keeps it connected.
    case addPeer(Multiaddr)
    case removePeer(PeerID)
    case mesh
    case scores
    /// What moved one peer's score.
    case explainScore(PeerID)
    case dht
    case limits
    case counters
    /// Publishes on a gossip topic, whether this node has joined it or not.
    case publish(topic: String, data: [UInt8])
    /// Streams the messages of a topic until cancelled.
    case subscribe(topic: String)
    case dhtPut(key: [UInt8], value: [UInt8])
    case dhtGet(key: [UInt8])
    case dhtProvide(key: [UInt8])
    case dhtFindProviders(key: [UInt8])
    case dhtFindPeer(PeerID)
    /// Signs and publishes this node's prover identity record, and keeps it published.
    case publishProverIdentity
    case findProver(publicKey: [UInt8])
    /// Connects if need be and measures `count` round trips; one reply each.
    case ping(Multiaddr, count: Int)
    /// Moves bytes over `/libp2p/perf/1.0.0`.
    case perf(Multiaddr, upload: UInt64, download: UInt64)
    /// Moves bytes over `/chorale/bulk/1.0.0` and checks them. Answered by ``Reply/perf(_:)``.
    case bulk(Multiaddr, upload: UInt64, download: UInt64)
    /// Announces a body and serves it.
    case publishBody(kind: String, bytes: [UInt8])
    case bodies
    /// Streams the bytes of a held body, a reply for each chunk.
    case readBody(root: Bytes32)
    /// Streams completed bodies until cancelled.
    case watchBodies
    /// Streams ``NodeEvent`` values until cancelled.
    case watchEvents
    case backup(directory: String)
    case chainInfo
    /// What other implementations said of the blocks of a height, or of the last heights.
    case validations(height: UInt64?)
    /// Gives a transaction to the pool, and to others once it is there.
    case submitTransaction([UInt8])
    /// Transactions of the pool, and the nonce behind an account's that could run.
    case poolQuery(PoolQuery)
    /// Open operations and those that ended last.
    case operations
    case operation(Bytes32)
    /// Who is asked about parts of what the block of a height has committed to.
    case assignments(height: UInt64)
    /// What was done for proofs.
    case proofs
}

/// What a user may ask of the transactions that wait.
public enum PoolQuery: Hashable, Sendable {
    case transaction(Bytes32)
    case pendingNonce(Address)
}

/// What a node answers.
public enum Reply: Sendable {
    case nodeInfo(NodeInfo)
    case peers([PeerInfo])
    case added(PeerID)
    case removed(Bool)
    case mesh([MeshInfo])
    case scores([ScoreInfo])
    case scoreExplanation(ScoreInfo)
    case dht(DHTInfo)
    case limits([LimitInfo])
    case counters([CounterInfo])
    case published(PublicationInfo)
    case subscribed(topic: String)
    case message(GossipMessageInfo)
    case dhtStored(acknowledged: Int, of: Int)
    case dhtValue(value: [UInt8], agreeing: Int, answered: Int)
    case dhtProvided(sent: Int, of: Int)
    case dhtProviders([PeerAddressInfo])
    case dhtPeer(PeerAddressInfo, confirmed: Bool)
    case prover(ProverInfo)
    case pinged(sequence: Int, PeerID, roundTrip: Duration)
    case perf(PerfInfo)
    case bodyPublished(BodyInfo)
    case bodies([BodyInfo])
    case bodyCompleted(BodyInfo)
    case bodyChunk(index: Int, of: Int, bytes: [UInt8])
    case event(NodeEvent)
    case backedUp(directory: String)
    case chain(ChainInfo)
    /// The highest first.
    case validations([ValidationReport])
    case transaction(Result<Bytes32, PoolRejection>)
    case pooled(PooledTransaction?)
    case pendingNonce(UInt64?)
    /// The newest first.
    case operations([OperationInfo])
    case operation(OperationInfo)
    case assignments([AssignmentInfo])
    case proofs(ProofsInfo)
    /// The end of a stream that has no other last word.
    case done
    case failed(CommandFailure)
}

/// Why a command failed: what, with which value, and what to do.
public struct CommandFailure: Error, Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case invalidArgument = "invalid_argument"
        case notFound = "not_found"
        case unreachable
        case refused
        case overloaded
        case unavailable
        case timedOut = "timed_out"
        case shuttingDown = "shutting_down"
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}

public struct NodeInfo: Sendable {
    public var peer: PeerID
    public var agentVersion: String
    public var networkDigest: [UInt8]
    public var roles: [String]
    public var listenAddresses: [Multiaddr]
    public var announcedAddresses: [Multiaddr]
    public var protocols: [String]
    public var topics: [String]
    public var uptime: Duration
    public var peerCount: Int
    public var isServingDHT: Bool
}

public struct PeerInfo: Sendable {
    public var peer: PeerID
    public var agentVersion: String
    public var protocols: [String]
    public var direction: Direction
    public var localAddress: Multiaddr?
    public var remoteAddress: Multiaddr
    public var connectedFor: Duration
    public var roundTrip: Duration?
    public var handshakeRoundTrips: Int
    public var bytesReceived: UInt64
    public var bytesSent: UInt64
    public var streams: Int
    public var gossipVersion: String?
    public var topics: [String]
    public var score: Double
    public var holds: [String]
    public var isTrusted: Bool
}

public struct MeshInfo: Sendable {
    public var topic: String
    public var mesh: [PeerID]
    public var fanout: [PeerID]
    public var subscribers: Int
    public var isSubscribed: Bool
}

public struct ScoreInfo: Sendable {
    public struct Component: Sendable {
        public var name: String
        public var topic: String?
        public var points: Double
    }

    public struct Movement: Sendable {
        public var ago: Duration
        public var cause: String
        public var topic: String?
        public var amount: Double
    }

    public var peer: PeerID
    public var score: Double
    public var components: [Component]
    public var movements: [Movement]
}

public struct DHTInfo: Sendable {
    public struct Bucket: Sendable {
        public var index: Int
        public var peers: [PeerID]
    }

    public var mode: String
    public var buckets: [Bucket]
    public var peerCount: Int
    public var recordCount: Int
    public var recordBytes: Int
    public var providerCount: Int
    public var runningQueries: Int
}

public struct LimitInfo: Sendable {
    public var name: String
    public var use: Int
    public var limit: Int
    public var refused: UInt64
}

public struct CounterInfo: Sendable {
    /// What is counted, such as `swarm_closed`.
    public var family: String
    /// The case of an enum that this one counts, such as `remote_closed`; nil when there is one.
    public var reason: String?
    public var value: UInt64

    public init(_ family: String, reason: String? = nil, _ value: UInt64) {
        self.family = family
        self.reason = reason
        self.value = value
    }

    /// `swarm_closed_remote_closed`.
    public var name: String { reason.map { "\(family)_\($0)" } ?? family }
}

public struct PublicationInfo: Sendable {
    public var id: [UInt8]
    public var topic: String
    public var queuedTo: Int
    public var announcedTo: Int
}

public struct GossipMessageInfo: Sendable {
    public var topic: String
    public var id: [UInt8]
    public var data: [UInt8]
    public var author: PeerID?
    public var from: PeerID
}

public struct PeerAddressInfo: Sendable {
    public var peer: PeerID
    public var addresses: [Multiaddr]
}

public struct ProverInfo: Sendable {
    public var key: [UInt8]
    public var publicKey: [UInt8]
    public var sequence: UInt64
    public var expires: WallTime
    public var addresses: [Multiaddr]
    public var acknowledged: Int
    public var of: Int
}

/// A node's part in executing, proving and verifying.
public struct ProofsInfo: Sendable {
    public var counters: PartCounters
    /// As ``PartVerification/PartVerification/silentValidators``.
    public var silentValidators: [ValidatorAttendance]
    /// nil for a node that does not execute.
    public var executor: ExecutorInfo?

    public init(
        counters: PartCounters, silentValidators: [ValidatorAttendance], executor: ExecutorInfo?
    ) {
        self.counters = counters
        self.silentValidators = silentValidators
        self.executor = executor
    }
}

public struct PerfInfo: Sendable {
    public var uploaded: UInt64
    public var uploadTime: Duration
    public var downloaded: UInt64
    public var downloadTime: Duration
}

public struct BodyInfo: Sendable {
    public var root: Bytes32
    public var kind: String
    public var size: Int
    public var chunkCount: Int
    public var chunksHeld: Int
    public var isComplete: Bool
    /// Peers that chunks came from; empty for own bodies.
    public var sources: [PeerID]
    public var elapsed: Duration
    public var bytesServed: UInt64
}
