public import ChoraleBase
public import ChoraleTypes
public import PeerIdentity

extension Bodies {
    /// Names one verification by a worker.
    public struct JobID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one request of ours to a peer.
    public struct RequestID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one request of a peer to us. Chosen by the caller, never used twice.
    public struct ServeID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one publication. Chosen by the caller.
    public struct PublishID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Names one read of a chunk by the node's user. Chosen by the caller.
    public struct ReadID: Hashable, Comparable, Sendable {
        public let rawValue: UInt64
        public init(_ rawValue: UInt64) { self.rawValue = rawValue }
        public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// How a request of ours ended.
    public enum RequestEnd: Hashable, Sendable {
        /// The peer ended its answer in good order.
        case finished
        /// The peer answered with an error code (2 server error, 3 unavailable, 4 rate limited…).
        case refused(code: UInt8)
        /// No stream could be opened, or it or its connection was lost.
        case failed
        /// What came was no ``ChunkResponse``.
        case malformed
        /// The peer does not speak the protocol.
        case unsupported
    }

    /// Everything that can happen.
    public enum Input: Sendable {
        /// An announcement whose ``AnnouncementCheck`` accepted it. `from`: who told us, nil when
        /// nobody did.
        case announced(BodyAnnouncement, from: PeerID?)
        /// Holds and announces a body of our own. Answered by `published` once the store has it, or by
        /// `publishRefused`.
        case publish(PublishID, BodyBuilder.Built)
        /// A peer may be asked for chunks (`canServe`) and for announcements (`offers`), or may only
        /// ask us. Repeating it changes both.
        case peerConnected(PeerID, canServe: Bool, offers: Bool = false)
        case peerDisconnected(PeerID)
        /// A peer said which chunks it holds, otherwise than in requests and answers.
        case peerHas(PeerID, root: Bytes32, held: ChunkBitmap)
        /// One item of an answer. Any number of them come before `requestEnded`.
        case chunkReceived(RequestID, ChunkResponse)
        /// One item of an answer to `requestAnnouncements`, unchecked. Any number of them come
        /// before `requestEnded`.
        case announcementReceived(RequestID, BodyAnnouncement)
        /// Exactly once for each request, unless it was cancelled.
        case requestEnded(RequestID, RequestEnd)
        case chunkVerified(JobID, Bool)
        /// What ``AnnouncementCheck`` found, in answer to `checkAnnouncement`.
        case announcementVerified(JobID, AnnouncementVerdict)
        /// A peer asks. Answered by `respond` any number of times, then `respondEnd`; or by
        /// `refuse`.
        case serve(ServeID, PeerID, ChunksByRootRequest)
        /// A peer asks what it missed. Answered at once, by `offer`.
        case serveAnnouncements(ServeID, AnnouncementsRequest)
        /// The answer was sent, or its stream is gone. Exactly once for each `serve`; it frees the
        /// peer's place, which is otherwise held for ``Limits/serveTimeout``. `wasRead`: false when the
        /// peer let it wait for long.
        case serveEnded(ServeID, wasRead: Bool = true)
        /// Reads a chunk of a held body. Answered by `chunkRead`.
        case read(ReadID, root: Bytes32, index: Int)
        case storeReplied(StoreRequestID, StoreReply)
        /// Rows of ``ColumnFamily/witness``. Announcements wait until `isLast`.
        case loaded([StoreRow], isLast: Bool)
        /// Deletes a body that is held or being fetched.
        case remove(root: Bytes32)
        /// The driver's timer fired. Early and repeated firings are harmless.
        case timeout
    }

    /// Everything the machine wants.
    public enum Output: Equatable, Sendable {
        /// Publish on the gossip topic. ``AnnouncementCheck/compressed(_:)`` makes the message.
        case announce(BodyAnnouncement)
        /// Ask a peer. After `deadline` the machine cancels by itself.
        case request(RequestID, PeerID, ChunksByRootRequest, deadline: MonotonicInstant)
        /// Ask a peer what was announced while we were away. As `request` otherwise.
        case requestAnnouncements(
            RequestID, PeerID, AnnouncementsRequest, deadline: MonotonicInstant)
        /// Reset the request's stream. Nothing more of it is wanted, nor answered.
        case cancel(RequestID)
        case verifyChunk(JobID, ChunkCheck)
        /// Check it as one that gossip brought, but for its age, which may be up to
        /// ``Limits/ageMax``.
        case checkAnnouncement(JobID, BodyAnnouncement)
        case respond(ServeID, ChunkResponse)
        case respondEnd(ServeID)
        /// The whole answer to `serveAnnouncements`.
        case offer(ServeID, [BodyAnnouncement])
        /// One error item: code 1 invalid, 3 unavailable, 4 rate limited. Ends the answer.
        case refuse(ServeID, code: UInt8, text: String)
        case store(StoreRequestID, StoreRequest)
        /// The body is stored, and announced.
        case published(PublishID, Bytes32)
        case publishRefused(PublishID, Refusal)
        case chunkRead(ReadID, ReadResult)
        /// The body is whole and stored. Said once in a body's life, not again after a restart.
        case completed(BodyAnnouncement, fromPeers: [PeerID], elapsed: Duration)
        case progress(root: Bytes32, have: Int, of: Int)
        /// The body will not be fetched, and nothing of it is kept.
        case failed(root: Bytes32, FailureReason)
        case penalize(PeerID, Fault)
        case event(Event)
    }

    /// What a read gave.
    public enum ReadResult: Equatable, Sendable {
        case chunk([UInt8])
        /// The body or the chunk is not held.
        case absent
        case failed(StoreFailure)
        /// More reads are waiting than ``Limits/readsMax``.
        case overloaded
    }

    /// Why a body is not taken in. Each case is also a metric label.
    public enum Refusal: Error, Hashable, Sendable {
        /// It is known: held, being fetched, or waiting.
        case known
        /// It was deleted not long ago.
        case forgotten
        case tooLarge(size: Int, limit: Int)
        /// Its producer's bodies would take more than one producer may.
        case producerBudget(size: Int, limit: Int)
        /// Bodies that the peer told us of and that are not whole yet would take more than one peer's
        /// may, or would be too many.
        case sourceBudget(size: Int, limit: Int)
        /// The producer announces faster than it may.
        case producerRate
        /// As much as may be under way at once is being fetched already, or nothing that is held may go.
        case noRoom(size: Int, limit: Int)
        /// The store has no room; intake stopped.
        case storeFull
        /// The rows are not loaded yet, and more announcements came than are kept waiting. Nothing is
        /// published either.
        case loading
        /// As many bodies of our own are on their way to the store as may be.
        case publishing(count: Int, limit: Int)
        /// The store did not take our own body.
        case store(StoreFailure)
    }

    /// Why a body was given up.
    public enum FailureReason: Hashable, Sendable {
        /// No chunk came for ``Limits/stallTimeout``.
        case stalled
        /// A valid proof shows that its producer signed another shape for the root.
        case announcementFalse
        /// `remove`.
        case removed
        /// Nothing that is held may make room for it.
        case noRoom
        /// Nobody had shown anything of it when another was announced and there was no room for both.
        case displaced
    }

    /// What a peer did wrong; each is exactly that peer's doing.
    public enum Fault: Hashable, Sendable {
        /// Sent bytes that are not the chunk it named.
        case wrongChunk(root: Bytes32, index: Int)
        /// Sent a chunk that the request did not ask for, or sent it twice.
        case unrequestedChunk(root: Bytes32, index: Int)
        /// Sent a bitmap, or asked for chunks, that a body of this shape cannot have.
        case impossibleBitmap(root: Bytes32)
        case malformedAnswer
        /// Offered an announcement that no check passes.
        case falseAnnouncement(root: Bytes32)
        /// Offered what we had said we know, the same twice, or more than an answer holds.
        case unwantedAnnouncement(root: Bytes32)
    }

    /// What an operator may want to see.
    public enum Event: Equatable, Sendable {
        case downloadStarted(root: Bytes32, kind: BodyKind, size: Int)
        case refused(root: Bytes32, Refusal)
        /// Retention by age.
        case expired(root: Bytes32)
        /// The oldest made room for another.
        case evicted(root: Bytes32)
        /// The store failed: chunks are not asked for until it takes one.
        case intakeStopped(StoreFailure)
        case intakeResumed
        /// A stored chunk could not be read and will be fetched again.
        case chunkLost(root: Bytes32, index: Int)
    }
}
