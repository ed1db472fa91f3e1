public import ChoraleBase
public import PeerIdentity

extension Gossipsub {
    /// How a network signs its messages. One choice for the whole network.
    ///
    /// Specification: libp2p/specs `pubsub/README.md`, "Message signing".
    public enum SignaturePolicy: Sendable {
        /// Every message names its author, carries a sequence number and a signature.
        case strictSign(SigningKey)
        /// Messages carry no author, sequence number, signature or key; one that does is invalid.
        case strictNoSign

        var isStrictSign: Bool {
            switch self {
            case .strictSign: true
            case .strictNoSign: false
            }
        }
    }

    /// How a topic's messages are named.
    public enum MessageIDFunction: Sendable {
        /// `from ‖ seqno`: libp2p's default; needs ``SignaturePolicy/strictSign(_:)``.
        case fromAndSequence
        /// The first 20 bytes of `SHA256(domain ‖ u64le topic length ‖ topic ‖ data)`, where `data` is
        /// decompressed and `domain` is 01000000 when the payload is valid snappy, and the raw payload
        /// under 00000000 otherwise. The topic part is left out when `includesTopic` is false.
        ///
        /// Chorale's and Ethereum's form (Altair p2p interface, "Topics and messages").
        case snappyDomain(includesTopic: Bool)
        /// `function(topic, message)`. Runs on the loop for every copy received: must be pure, total
        /// and quick. An identifier that is empty or above ``MessageID/sizeMax`` bytes makes the
        /// message invalid.
        case custom(@Sendable (_ topic: Topic, _ message: MessageFields) -> [UInt8])
    }

    /// What a custom message id may be computed from.
    public struct MessageFields: Sendable {
        public let from: [UInt8]?
        public let sequenceNumber: [UInt8]?
        public let data: [UInt8]
    }

    /// Who decides whether a topic's messages are valid.
    public enum ValidationMode: Hashable, Sendable {
        /// A message is accepted as soon as its signature is good.
        case none
        /// The application answers `.validated` for each message.
        case application
    }

    /// The sizes that shape a topic's mesh.
    ///
    /// Specification: `pubsub/gossipsub/gossipsub-v1.0.md` and `-v1.1.md`, "Parameters".
    public struct MeshParameters: Hashable, Sendable {
        /// Peers that maintenance aims for (`D`).
        public var degree = 6
        /// Below this, maintenance grafts (`D_low`).
        public var degreeLow = 5
        /// Above this, maintenance prunes, and inbound GRAFTs are refused (`D_high`).
        public var degreeHigh = 12
        /// Best peers kept when pruning (`D_score`).
        public var degreeScore = 4
        /// Peers that we dialed to keep when pruning (`D_out`); below `degreeLow` and at most half of
        /// `degree`.
        public var degreeOutbound = 2
        /// Least number of peers outside the mesh that get IHAVE (`D_lazy`).
        public var degreeLazy = 6
        /// Share of peers outside the mesh that get IHAVE, in percent.
        public var gossipPercent = 25

        public init() {}
    }

    /// Everything that may differ from topic to topic.
    public struct TopicParameters: Sendable {
        public let topic: Topic
        /// How urgent its messages are among all that wait for one peer.
        public var trafficClass: TrafficClass = .block
        /// Largest payload, in bytes. Larger ones are invalid, and publishing one fails.
        public var sizeMax = 1 << 20
        /// Largest payload after decompression, in bytes, for ``MessageIDFunction/snappyDomain``. A
        /// payload that claims more is named as if it were not snappy, and left to the application.
        public var uncompressedSizeMax = 10 << 20
        public var validation: ValidationMode = .application
        public var messageID: MessageIDFunction = .fromAndSequence
        public var mesh = MeshParameters()
        /// How long a message is worth sending, from when it was first seen.
        public var lifetime: Duration = .seconds(30)
        /// Most messages waiting for verdicts, counted per topic (go: 1,024).
        public var validationCountMax = 1024
        public var score = TopicScoreParameters()

        public init(_ topic: Topic) { self.topic = topic }
    }

    /// The machine's settings.
    public struct Configuration: Sendable {
        public var localPeer: PeerID
        public var signaturePolicy: SignaturePolicy
        /// Topics that exist from the start. No other topic costs memory.
        public var topics: [TopicParameters] = []
        /// What `.subscribe` and `.publish` of an unlisted topic use; nil refuses them. Peers never
        /// create a topic.
        public var unlistedTopic: (@Sendable (Topic) -> TopicParameters)?
        /// Fraction of a heartbeat by which its beginning is delayed at start, so that nodes started
        /// together do not beat together.
        public var heartbeatInterval: Duration = .seconds(1)
        /// Heartbeats that a message can be asked for (`mcache_len`).
        public var historyLength = 5
        /// Heartbeats for which a message is announced (`mcache_gossip`).
        public var historyGossip = 3
        public var fanoutLifetime: Duration = .seconds(60)
        /// What we ask of peers that we prune, and the default for theirs.
        public var pruneBackoff: Duration = .seconds(60)
        /// A mesh peer whose connection was lost and who is back within this is grafted again though the
        /// mesh be large enough by now. After a partition both sides have full meshes, and nothing
        /// else would ever make them one again.
        public var lostMeshLifetime: Duration = .seconds(900)
        /// As `pruneBackoff`, when we leave the topic.
        public var unsubscribeBackoff: Duration = .seconds(10)
        /// Added before we graft again, for clocks and delays.
        public var backoffSlack: Duration = .seconds(1)
        /// A GRAFT this soon after a PRUNE costs one more behaviour penalty.
        public var graftFloodThreshold: Duration = .seconds(10)
        /// How long a peer has to answer IWANT before it is charged (P7).
        public var iwantFollowup: Duration = .seconds(3)
        /// How long one peer has to answer IWANT before a second is asked as well.
        public var iwantHedgeDelay: Duration = .milliseconds(750)
        /// How long an IWANT is held back because a large frame, maybe the very message, is arriving.
        public var iwantDeferral: Duration = .milliseconds(400)
        /// Times one message is sent to one peer in answer to IWANT.
        public var retransmissionsMax = 3
        /// Sends own messages to every subscriber with a good score rather than to the mesh.
        public var floodPublish = true
        /// Own messages above this size go to the mesh even with ``floodPublish``, in bytes.
        public var floodPublishSizeMax = 16 * 1024
        public var opportunisticGraftTicks = 60
        public var opportunisticGraftPeers = 2
        /// Heartbeats between attempts to reach direct peers that are not connected.
        public var directConnectTicks = 300
        public var directPeers: [PeerID] = []
        /// Whether PRUNEs carry other peers, and those of peers are followed.
        public var peerExchange = true
        public var peerExchangeCount = 16
        /// IDONTWANT is sent for messages of at least this size, in bytes.
        ///
        /// go and rust send it from about 1,000 bytes on. In a mesh of six that is six RPCs of 100 bytes
        /// to save, at best, copies of 1 KiB that are mostly on their way already; at four times the
        /// size it pays.
        public var dontWantSizeMin = 4096
        /// Messages of at least this size are announced rather than pushed to mesh peers that speak
        /// v1.2 beyond the first ``largeMessageEagerPeers``, in bytes. `Int.max` turns it off.
        public var largeMessageSizeMin = 16 * 1024
        /// Mesh peers that a large message of others is pushed to without being asked.
        ///
        /// Zero costs a round trip per hop and is faster all the same, because no uplink is spent on
        /// copies that nobody needs: in 20 machines of degree 7 with 50 Mbit/s each, 1 MB reaches the
        /// last after 1.75 s with 1.00 copies per machine; with one eager peer after 1.71 s with 1.82,
        /// with pushes alone after 2.3 s with 3.9 (v1.2) and 2.6 s with 5.5 (v1.1).
        public var largeMessageEagerPeers = 0
        /// As above, for our own messages, which nobody else has.
        public var largeMessageEagerPeersOwn = 3
        public var seenLifetime: Duration = .seconds(120)
        public var score = ScoreParameters()
        public var limits = Limits()

        public init(localPeer: PeerID, signaturePolicy: SignaturePolicy) {
            self.localPeer = localPeer
            self.signaturePolicy = signaturePolicy
        }
    }

    /// Every bound on what peers and publishers can make the machine hold or do.
    public struct Limits: Hashable, Sendable {
        /// Largest RPC in either direction, in bytes, its length prefix not counted. go, nim and py
        /// refuse frames above 2^20; 1,048,376 bytes of payload are known to pass.
        public var rpcSizeMax = 1 << 20
        /// Largest RPC that holds control or subscriptions, in bytes: rust refuses more than 16,384
        /// in one RPC, and checks what it has buffered, so 8 KiB stay free.
        public var controlSizeMax = 8 * 1024
        /// Small messages are sent together up to this size, in bytes: one Noise frame.
        public var batchSizeMax = 15 * 1024
        /// Messages in one RPC (rust takes 500 to 5,000, js 5,000).
        public var messagesPerRPCMax = 500
        /// Subscription changes read from one RPC (go 1,000 by filter, py 100); more are skipped.
        public var subscriptionsPerRPCMax = 1024
        /// Subscription changes of one peer in a burst: twice a node's topics, which it tells first. Those
        /// above are not looked at, and each RPC that has such costs a behaviour penalty. (go and rust
        /// discard an RPC with too many and forgive; nim disconnects by the bytes of all that is
        /// neither message nor IHAVE nor IWANT.)
        public var subscriptionBurst: Int64 = 2048
        /// Time until one more is allowed: ten a second.
        public var subscriptionInterval: Duration = .milliseconds(100)
        /// Entries of one control kind read from one RPC.
        public var controlEntriesPerRPCMax = 1024
        /// Topics that this node can have at once: an array of per-topic state each.
        public var topicCountMax = 1024
        /// Longest topic name, in bytes.
        public var topicSizeMax = 256
        /// Topics outside our list of which a peer's subscription is remembered, as eight bytes each,
        /// so that a topic added later finds its subscribers.
        public var unlistedTopicsPerPeerMax = 32
        /// Connected peers; more are refused by the connection manager long before.
        public var peerCountMax = 4096
        /// Disconnected peers whose scores and back-offs are kept.
        public var retainedPeerCountMax = 4096
        /// Identifiers taken from IHAVE, and asked for with IWANT, per peer and heartbeat.
        public var ihaveIDsPerHeartbeatMax = 5000
        /// IHAVE messages heeded per peer and heartbeat.
        public var ihaveMessagesPerHeartbeatMax = 10
        /// Identifiers asked for and not yet received, in total: about 200 bytes each.
        public var wantedCountMax = 8192
        /// One part in how many of what is free in the common half of that table a peer may take. The
        /// other half is divided equally among all: 51 entries each with 80 peers.
        public var wantedShareDivisor = 4
        /// Messages sent in answer to one peer's IWANTs in one heartbeat.
        public var iwantAnswersPerHeartbeatMax = 1024
        /// Identifiers of messages never heard of, and so never announced, that a peer may ask for in one
        /// heartbeat; each RPC with more costs a behaviour penalty. Some are honest: of a message
        /// announced in an earlier life of this node.
        public var unknownIwantPerHeartbeatMax = 64
        /// IDONTWANT identifiers taken from a peer in one heartbeat (go: 10 × 1,000).
        public var dontWantPerHeartbeatMax = 1000
        /// IDONTWANT identifiers held for a peer: 24 bytes each.
        public var dontWantPerPeerMax = 1024
        /// Heartbeats for which an IDONTWANT is honoured.
        public var dontWantHeartbeats = 3
        /// Messages known to be seen: 33 to 66 bytes each. 800 a second for two minutes.
        public var seenCountMax = 131_072
        /// Messages waiting for a signature check or a verdict, in total.
        public var pendingCountMax = 8192
        /// As above, in bytes.
        public var pendingSizeMax = 16 << 20
        /// As above, from one peer, in bytes: one peer must not fill the table for all.
        public var pendingSizePerPeerMax = 6 << 20
        /// Messages kept to answer IWANT, in bytes. Older ones go first.
        public var historySizeMax = 12 << 20
        /// Messages held for any reason, in bytes; each is counted once however many queues hold it.
        public var messageSizeTotalMax = 40 << 20
        /// What waits for one peer, in bytes.
        public var queueSizePerPeerMax = 4 << 20
        /// Messages that wait for one peer.
        public var queueCountPerPeerMax = 8192
        /// Control that waits for one peer, in identifiers.
        public var controlQueueIDsMax = 16_384
        /// Peers taken from one PRUNE, and connections asked for in one heartbeat (go: 128 pending).
        public var peerExchangePerHeartbeatMax = 64
        /// Largest signed peer record passed on, in bytes.
        public var peerRecordSizeMax = 4096
        /// Longest back-off taken from a PRUNE (rust: 3,600 s).
        public var backoffMax: Duration = .seconds(3600)
        /// Score movements remembered per peer: 48 bytes each.
        public var scoreMovementsMax = 32

        public init() {}
    }
}
