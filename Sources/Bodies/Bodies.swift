public import ChoraleBase
import ChoraleTypes
import OrderedCollections
import PeerIdentity

/// Large content: announced by gossip, fetched in verified chunks from several holders, stored by
/// its root, served on, and deleted by age or for room.
///
/// A body:
///
///     (announced) ──▶ waiting ◀─▶ fetching ──(last chunk stored)──▶ complete
///                                  │  ▲                               │
///                    stalled, false│  └──────(a chunk was lost)───────┤
///                                  ▼                                  ▼
///                               failed                       expired, evicted
///
/// A chunk of a body being fetched:
///
///     missing ──request──▶ requested ──received──▶ verifying ──true──▶ held ──written──▶ stored
///        ▲                     │                       │                │
///        └───────lost, late────┴──false: penalty───────┴─write failed───┘
///
/// How chunks spread. Each side's bitmap travels with each request and answer; a request without
/// indices only exchanges them. A node asks for the rarest chunk first, in an order of its own among
/// equals, and asks the producer only for what nobody else has. The producer, for a while, shows
/// each peer different chunks. So its upload stays near the body's size, whatever its peers.
///
/// Invariants:
///   1. A byte is stored only for a body that was announced, in a chunk that was asked for and whose
///      proof leads to the body's root. (`chunkReceived`, `chunkVerified`)
///   2. A chunk that is held, verifying or requested is not requested again, but for one hedge, of
///      which a body has `hedgesMax` at once. (`request(_:of:)`)
///   3. A manifest is written in one batch with each chunk, so that after a crash it names no chunk
///      whose row is gone; should one be gone all the same, it is fetched again. (`lose`)
///   4. A wrong chunk costs its sender, and nobody else. A right chunk that contradicts the
///      announcement costs the announcement. (`chunkVerified`)
///   5. Each request ends once: by `requestEnded`, or by our `cancel`. (`take`)
///
/// Whoever was away when a body was announced hears of it from ``CatchUp``.
///
/// Memory: ``Limits/worstCaseMemory``.
///
/// The seam for erasure coding: ``Body/chunks`` are the data parts of a body and its tree the only
/// authority on what a part is. Coded parts would be more indices behind `chunkCount` with their own
/// roots in the announcement; `wanted(_:)` is where "all data chunks" becomes "any k parts", and
/// `complete` where decoding, as a job, would come before the last write.
///
/// Specification: mechanisms §6.2a without coding, §6.3 `chunks_by_root`.
public struct Bodies: StateMachine, ~Copyable {
    public let limits: Limits
    public internal(set) var counters = Counters()
    /// When the driver must next deliver `timeout`.
    public private(set) var nextDeadline: MonotonicInstant?

    var random: DeterministicRandom
    var bodies: OrderedDictionary<Bytes32, Body> = [:]
    /// Bytes of the chunks held.
    var totalSize = 0
    /// Bodies being fetched, and complete ones whose links still have to be told. In order.
    var active: OrderedSet<Bytes32> = []
    var peers: OrderedDictionary<PeerID, PeerState> = [:]
    /// Who sent a wrong chunk, and until when nothing is asked of them. Survives reconnection.
    var distrusted: OrderedDictionary<PeerID, MonotonicInstant> = [:]
    var producers: OrderedDictionary<SigningKeyBytes, TokenBucket> = [:]
    var forgotten: OrderedSet<Bytes32> = []
    var isLoaded = false
    var waiting: [(announcement: BodyAnnouncement, from: PeerID?)] = []

    /// Deadlines ascend with ids, since every request has the same time.
    var requests: OrderedDictionary<RequestID, Request> = [:]
    var chunkRequestCount = 0
    var probeCount = 0
    /// When bodies being fetched must have shown what comes of them; nil while none waits for a place
    /// that could use it.
    var turnEndsAt: MonotonicInstant?
    /// When places may be given to others again.
    var turnsAt: MonotonicInstant = .zero
    /// When bodies that wait are looked at again.
    var probesAt: MonotonicInstant = .zero
    var jobs: [JobID: Verification] = [:]
    /// Received and not yet stored, in bytes.
    var unstoredSize = 0

    var serves: OrderedDictionary<ServeID, Serve> = [:]
    /// Peers that did not read what they asked for: how often, and until when they get nothing. Survives
    /// reconnection.
    var unread: OrderedDictionary<PeerID, (count: Int, until: MonotonicInstant)> = [:]
    var cache: ChunkCache
    /// Who waits for a chunk that is being read.
    var readers: [ChunkKey: [Reader]] = [:]
    var userReadCount = 0
    var storeRequests: [StoreRequestID: StoreWork] = [:]

    var catchUp = CatchUp()
    /// A body left or became whole, or the store works again.
    var hasNewRoom = false

    var intake = Intake.open
    /// How long intake was last stopped.
    var intakePause: Duration = .zero
    /// Bodies of our own on their way to the store, and their bytes.
    var publications: OrderedDictionary<Bytes32, Publication> = [:]
    var publishingSize = 0
    /// Bodies that are gone and whose rows are not, and when their deletion is tried again.
    var undeleted: OrderedSet<Bytes32> = []
    var deletionAt: MonotonicInstant?
    var retentionAt: MonotonicInstant
    /// When scheduling has something to do that no input announces.
    var wakeAt: MonotonicInstant?
    /// Whether an input has changed what scheduling depends on.
    var isScheduleStale = true
    /// Rises with each peer that comes, goes or changes what it can be asked.
    var peerChanges: UInt64 = 0
    private let layout = PassedByReference()

    private var nextRequest: UInt64 = 1
    private var nextJob: UInt64 = 1
    private var nextStore: UInt64 = 1
    private var nextSerial: UInt64 = 1

    struct PeerState {
        var canServe: Bool
        /// Whether it can be asked for announcements, and when it last was.
        var offers = false
        var askedAt: MonotonicInstant?
        /// Chunks requested and not yet received.
        var inFlight = 0
        /// Questions about bodies that wait for their turn.
        var probes = 0
        var serves = 0
        var failures = 0
        var restUntil: MonotonicInstant = .zero
    }

    struct Request {
        let root: Bytes32
        let peer: PeerID
        /// nil: only bitmaps.
        let index: Int?
        let sentAt: MonotonicInstant
        let deadline: MonotonicInstant
        let isHedge: Bool
        /// Asks for bitmaps of a body that waits for its turn.
        let isProbe: Bool
        /// The chunk came; only the end is awaited.
        var isAnswered = false
    }

    struct Verification {
        let key: ChunkKey
        let serial: UInt64
        let peer: PeerID
        let chunk: StoredChunk
        let time: Duration
        /// The chunk or its proof has another shape than the announcement.
        let contradicts: Bool
    }

    struct Serve {
        let peer: PeerID
        let root: Bytes32
        var remaining: [Int]
        var sent: [Int] = []
        var isAnswered = false
        var deadline: MonotonicInstant
    }

    enum Reader {
        case serve(ServeID)
        case user(ReadID)
    }

    enum StoreWork {
        case chunkWrite(ChunkKey, serial: UInt64, size: Int)
        case chunkRead(ChunkKey)
        /// All of a body of our own.
        case publication(Bytes32)
        /// The rows of a body that is gone.
        case deletion(Bytes32)
        case upkeep
    }

    public init(limits: Limits, seed: UInt64, now: Now) {
        precondition(limits.downloadsMax >= 1 && limits.requestsMax >= 1, "nothing can be fetched")
        precondition(
            limits.bodySizeMax <= limits.producerSizeMax
                && limits.producerSizeMax <= limits.totalSizeMax,
            "a body fits into its producer's share, and that into the whole")
        self.limits = limits
        random = DeterministicRandom(seed: seed)
        cache = ChunkCache(sizeMax: limits.cacheSizeMax, countMax: limits.cacheCountMax)
        retentionAt = now.instant.advanced(by: limits.retentionInterval)
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
        switch input {
        case .announced(let announcement, let from):
            announced(announcement, from: from, now: now, into: &outputs)
        case .publish(let id, let built): publish(id, built, now: now, into: &outputs)
        case .peerConnected(let peer, let canServe, let offers):
            connected(peer, canServe: canServe, offers: offers, now: now.instant)
        case .peerDisconnected(let peer): disconnected(peer, now: now.instant, into: &outputs)
        case .peerHas(let peer, let root, let held):
            if let body = bodies[root] {
                note(held, of: peer, body, now: now.instant, into: &outputs)
            }
        case .chunkReceived(let id, let response):
            chunkReceived(id, response, now: now.instant, into: &outputs)
        case .requestEnded(let id, let end):
            requestEnded(id, end, now: now.instant, into: &outputs)
        case .chunkVerified(let id, let isValid):
            chunkVerified(id, isValid, now: now.instant, into: &outputs)
        case .serve(let id, let peer, let request):
            serve(id, peer, request, now: now.instant, into: &outputs)
        case .serveEnded(let id, let wasRead):
            endServe(id, wasRead: wasRead, now: now.instant)
        case .announcementReceived(let id, let announcement):
            offered(id, announcement, now: now.instant, into: &outputs)
        case .announcementVerified(let id, let verdict):
            announcementVerified(id, verdict, now: now, into: &outputs)
        case .serveAnnouncements(let id, let request):
            offer(id, request, now: now, into: &outputs)
        case .read(let id, let root, let index):
            read(id, ChunkKey(root: root, index: index), into: &outputs)
        case .storeReplied(let id, let reply):
            storeReplied(id, reply, now: now, into: &outputs)
        case .loaded(let rows, let isLast):
            loaded(rows, isLast: isLast, now: now, into: &outputs)
        case .remove(let root):
            if let body = bodies[root] {
                forget(root)
                fail(body, .removed, into: &outputs)
            }
        case .timeout: break
        }
        if input.changesSchedule { isScheduleStale = true }
        if hasNewRoom {
            hasNewRoom = false
            payOwed(now: now.instant)
        }
        expire(now: now, into: &outputs)
        schedule(now: now.instant, into: &outputs)
        continueCatchUp(now: now.instant, into: &outputs)
        nextDeadline = deadline(now: now.instant)
    }

    /// Whatever has become due, whichever input brought the news of it.
    private mutating func expire(now: Now, into outputs: inout [Output]) {
        while let (id, request) = requests.elements.first, request.deadline <= now.instant {
            isScheduleStale = true
            timeOut(id, request, now: now.instant, into: &outputs)
        }
        while let (id, serve) = serves.elements.first, serve.deadline <= now.instant {
            endServe(id, wasRead: false, now: now.instant)
        }
        if case .stopped(let until) = intake, until <= now.instant {
            intake = .probing
            isScheduleStale = true
        }
        retryDeletions(now: now.instant, into: &outputs)
        if retentionAt <= now.instant {
            retentionAt = now.instant.advanced(by: limits.retentionInterval)
            applyRetention(now: now, into: &outputs)
            isScheduleStale = true
        }
    }

    private func deadline(now: MonotonicInstant) -> MonotonicInstant? {
        var deadline = earliest(wakeAt, deletionAt)
        if case .stopped(let until) = intake { deadline = earliest(deadline, until) }
        deadline = earliest(deadline, catchUpDeadline)
        deadline = earliest(deadline, requests.values.first?.deadline)
        deadline = earliest(deadline, serves.values.first?.deadline)
        return bodies.isEmpty ? deadline : earliest(deadline, retentionAt)
    }

    // MARK: Names

    mutating func newRequest() -> RequestID {
        defer { nextRequest += 1 }
        return RequestID(nextRequest)
    }

    mutating func newJob() -> JobID {
        defer { nextJob += 1 }
        return JobID(nextJob)
    }

    mutating func newSerial() -> UInt64 {
        defer { nextSerial += 1 }
        return nextSerial
    }

    mutating func store(
        _ request: StoreRequest, _ work: StoreWork, into outputs: inout [Output]
    ) {
        let id = StoreRequestID(nextStore)
        nextStore += 1
        storeRequests[id] = work
        outputs.append(.store(id, request))
    }
}
