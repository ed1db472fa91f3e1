public import ChoraleBase
public import PeerIdentity

extension Gossipsub {
    /// Everything that can happen.
    public enum Input: Sendable {
        /// The stream to the peer is negotiated. The subscription list is queued for it at once. For
        /// a peer that is already connected: our stream to it was replaced, everything that was not
        /// yet pulled is kept, and the subscription list is sent again.
        case peerConnected(PeerID, Connection)
        /// The last connection is gone. The score is retained.
        case peerDisconnected(PeerID)
        /// The signed envelope of the peer's record, verified, to be passed on in peer exchange.
        case peerRecord(PeerID, [UInt8])
        /// One whole frame, without its length prefix.
        case rpcReceived(PeerID, [UInt8])
        /// `received` of `expected` bytes of a frame have arrived. Optional, for frames of at least
        /// ``Configuration/largeMessageSizeMin``: it keeps us from asking others for what is on its
        /// way.
        case frameProgress(PeerID, received: Int, expected: Int)
        /// Adds a topic, or changes the parameters of one. Its mesh and scores are kept.
        case topicConfigured(TopicParameters)
        case subscribe(Topic)
        case unsubscribe(Topic)
        case publish(PublishID, Topic, data: [UInt8], PublishOptions)
        case validated(MessageHandle, Verdict)
        case signatureChecked(JobID, isValid: Bool)
        /// P5 of a peer: the application's opinion, in its own unit.
        case applicationScore(PeerID, Double)
        /// Adds to the behaviour penalty (P7) of a peer for something that `Node` saw.
        case behaviourPenalty(PeerID, Double)
        case timeout
    }

    public struct PublishOptions: Hashable, Sendable {
        /// nil: the topic's class.
        public var trafficClass: TrafficClass?
        /// How long the message is worth sending; nil: the topic's lifetime.
        public var lifetime: Duration?
        /// Queue it although no peer is there to send it to now: it is announced when one comes.
        public var allowsNoPeers = false

        public init() {}
    }

    /// Everything that the machine wants.
    public enum Output: Sendable {
        /// The peer's queue is no longer empty. `Node` calls
        /// ``Gossipsub/Gossipsub/dequeue(_:now:into:)`` whenever the peer's stream has room, until it
        /// gives nil; nothing is said again before that.
        case wantsToSend(PeerID)
        /// Run `check.run()` on a worker and answer `.signatureChecked`.
        case checkSignature(JobID, SignatureCheck)
        /// A message of a peer for the application. Answer `.validated` when it needs a verdict. Own
        /// messages are not delivered.
        case deliver(ReceivedMessage)
        /// What became of a publication at once.
        case receipt(PublishID, PublishReceipt)
        /// Where every copy of a publication went in the end.
        case published(PublishID, PublishOutcome)
        /// A peer was named to us, or is a direct peer without a connection. The record, if any, is a
        /// signed envelope that nobody has checked yet.
        case connect(PeerID, signedRecord: [UInt8]?, ConnectReason)
        /// Nothing more should be read from any gossip stream until `resumeIntake`: the table of
        /// messages under validation is full. What is read all the same is dropped and counted.
        case pauseIntake
        case resumeIntake
        /// For logs and metrics.
        case event(Event)
    }

    public enum ConnectReason: UInt8, Hashable, Sendable {
        case peerExchange
        case directPeer
    }

    /// What became of a publication at once.
    public enum PublishReceipt: Hashable, Sendable {
        /// `queuedTo` peers have it in their queues; `announcedTo` more are offered it. Both may be
        /// zero only with ``PublishOptions/allowsNoPeers``.
        case queued(id: MessageID, queuedTo: Int, announcedTo: Int)
        case failed(PublishError)
    }

    public enum PublishError: Error, Hashable, Sendable {
        /// Neither listed nor allowed by ``Configuration/unlistedTopic``.
        case unknownTopic
        case topicTooLong(size: Int, limit: Int)
        case tooManyTopics(limit: Int)
        /// Larger than the topic allows, or than fits one RPC with signature and framing.
        case tooLarge(size: Int, limit: Int)
        /// The same bytes (by message id) were seen within ``Configuration/seenLifetime``.
        case duplicate(MessageID)
        /// Nobody that we are connected to has the topic.
        case noPeers
        /// The custom function gave no usable identifier.
        case invalidMessageID(size: Int)
        /// No room: ``Limits/messageSizeTotalMax``.
        case overloaded(size: Int, limit: Int)
    }

    /// Where every copy of one publication went.
    public struct PublishOutcome: Hashable, Sendable {
        /// Copies handed to a stream.
        public var sent = 0
        /// Copies that were not, by reason; `peerHasIt` is good news.
        public var shed: [ShedReason: Int] = [:]

        public init() {}

        public var shedTotal: Int { shed.values.reduce(0, +) }
    }

    /// Why a queued copy was not sent.
    public enum ShedReason: UInt8, CaseIterable, Hashable, Sendable {
        /// It came from the peer itself meanwhile, or the peer said IDONTWANT.
        case peerHasIt
        /// Its deadline passed.
        case expired
        /// The peer's queue was full and this had the earliest deadline of what could go.
        case queueFull
        /// All messages together were above their limit.
        case memoryFull
        case disconnected
    }

    /// Why something received was not used. Each such message, entry or frame counts once.
    public enum DropReason: UInt8, CaseIterable, Hashable, Sendable {
        // Whole frames
        case malformedFrame
        case frameTooLarge
        case unknownPeer
        case graylisted
        // Messages
        case unknownTopic
        case notSubscribed
        case topicMissing
        case payloadTooLarge
        case duplicate
        case selfOrigin
        case missingAuthor
        case invalidAuthor
        case missingSequenceNumber
        case invalidSequenceNumber
        case missingSignature
        case keyMismatch
        case unexpectedAuthentication
        case invalidMessageID
        case validationQueueFull
        case peerValidationQueueFull
        case topicValidationQueueFull
        case tooManyMessages
        case badSignature
        case rejected
        case ignored
        case verdictOverdue
    }

    /// Facts for logs, metrics and the simulator's trace.
    public enum Event: Hashable, Sendable {
        case peerAdded(PeerID, Version)
        case peerRemoved(PeerID)
        case peerSubscribed(PeerID, Topic)
        case peerUnsubscribed(PeerID, Topic)
        case joined(Topic)
        case left(Topic)
        /// A subscription that the configuration does not allow.
        case joinRefused(Topic, PublishError)
        case grafted(PeerID, Topic, MeshReason)
        case pruned(PeerID, Topic, MeshReason)
        /// The score crossed the graylist threshold, downwards.
        case graylisted(PeerID, score: Double)
        /// It crossed it upwards.
        case ungraylisted(PeerID, score: Double)
        case penalized(PeerID, ScoreCause, points: Double)
        case dropped(PeerID, DropReason, Topic?)
        /// The first copy of a message arrived.
        case firstSeen(MessageID, Topic, from: PeerID, size: Int)
        case forwarded(MessageID, Topic, queuedTo: Int, announcedTo: Int)
        case shed(PeerID, ShedReason, size: Int)
        /// A second peer was asked for a message that the first had not sent in time.
        case hedged(MessageID, PeerID)
    }

    /// Why a mesh changed.
    public enum MeshReason: UInt8, CaseIterable, Hashable, Sendable {
        case joined
        case meshTooSmall
        case meshTooLarge
        case outboundQuota
        case opportunistic
        case byPeer
        case negativeScore
        case left
        case unsubscribed
        case disconnected
        case backoff
        case direct
        /// It was in the mesh until its connection was lost, and is back.
        case returned
    }

    /// What moved a score.
    public enum ScoreCause: UInt8, CaseIterable, Hashable, Sendable {
        /// P2
        case firstDelivery
        /// P3
        case meshDelivery
        /// P3b
        case meshFailure
        /// P4
        case invalidMessage
        /// P5
        case application
        /// P7
        case graftDuringBackoff
        case graftFlood
        case graftOfDirectPeer
        case brokenPromise
        case malformedFrame
        case frameTooLarge
        case subscriptionFlood
        case iwantFlood
        case external

        /// Credits come with every message: they are remembered as one entry of each kind.
        var isMerged: Bool { isCredit }

        /// Whether it is no fault.
        public var isCredit: Bool {
            switch self {
            case .firstDelivery, .meshDelivery, .application: true
            case .meshFailure, .invalidMessage, .graftDuringBackoff, .graftFlood,
                .graftOfDirectPeer, .brokenPromise, .malformedFrame, .frameTooLarge,
                .subscriptionFlood, .iwantFlood, .external:
                false
            }
        }
    }

    /// One RPC to write to a peer's stream.
    ///
    /// In two parts, so that a large message, which many peers are sent, is never copied: write
    /// ``head``, then the bytes of ``body`` in ``bodyRange``.
    public struct OutgoingFrame: Hashable, Sendable {
        /// The length prefix and everything before the shared part.
        public let head: [UInt8]
        public let body: [UInt8]
        public let bodyRange: Range<Int>
        /// Of its most urgent part.
        public let trafficClass: TrafficClass
        /// Nothing more waits for the peer; `wantsToSend` will say when something does again.
        public let isLast: Bool

        public var size: Int { head.count + bodyRange.count }

        /// Both parts in one array. O(size).
        public var bytes: [UInt8] { head + body[bodyRange] }
    }
}
