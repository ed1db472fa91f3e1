import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity

/// One body and everything about it that is not stored.
///
/// A class, so that the machine can hold it in its table and work on it in place. Only the machine,
/// which cannot be copied, ever refers to one.
final class Body {
    enum Phase {
        /// Known, and its turn to be fetched has not come.
        case waiting
        case fetching
        case complete
    }

    /// What is under way for one chunk. All empty and not held: it is missing.
    struct Chunk {
        /// At most two: the second is a hedge.
        var requests: [Bodies.RequestID] = []
        var job: Bodies.JobID?

        var isIdle: Bool { requests.isEmpty && job == nil }
    }

    /// What we know of one peer as to this body.
    struct Link {
        /// What the peer says it holds, all zero until it said so.
        var held: ChunkBitmap
        /// How many chunks we held when the peer was last told; -1 before.
        var toldCount = -1
        /// The exchange of bitmaps under way.
        var exchange: Bodies.RequestID?
        var exchangedAt: MonotonicInstant
        var pollAt: MonotonicInstant
        var pollInterval: Duration
        /// Whether we ask it by ourselves, or only answer it.
        var isActive: Bool
        /// What a seeding producer lets the peer see, and what of it was sent.
        var shown: ChunkBitmap
        var sent: ChunkBitmap
    }

    /// What a producer remembers of the first copies of its chunks.
    struct Seeding {
        let until: MonotonicInstant
        /// When each chunk was last shown to somebody, and when the last copy of it left.
        var shownAt: [MonotonicInstant]
        var leftAt: [MonotonicInstant]
        /// To how many peers each was shown.
        var shownCounts: [Int]

        init(until: MonotonicInstant, chunkCount: Int) {
            self.until = until
            let never = MonotonicInstant(nanoseconds: .min)
            shownAt = [MonotonicInstant](repeating: never, count: chunkCount)
            leftAt = shownAt
            shownCounts = [Int](repeating: 0, count: chunkCount)
        }
    }

    let announcement: BodyAnnouncement
    let received: WallTime
    let isOwn: Bool
    /// The peer that told us of it first; nil for our own and for those of the last run.
    let source: PeerID?
    /// Tells this body from another that had its root before.
    let serial: UInt64
    /// When this run heard of it.
    let startedAt: MonotonicInstant
    /// When it is deleted for its age.
    var expiresAt = MonotonicInstant(nanoseconds: .max)
    /// Whose announcement it is, when the key is of a known scheme.
    let producer: PeerID?
    /// Order among equally rare chunks: another one in each node, so that nodes fetch different
    /// chunks and have something to trade.
    /// Empty while it is complete.
    var rank: [Int] = []

    var phase: Phase
    var chunks: [Chunk]
    /// Verified, and written or being written: what we serve.
    private(set) var held: ChunkBitmap
    /// Bytes of the chunks held.
    private(set) var heldSize: Int
    /// How many chunks the store has confirmed.
    var storedCount: Int
    var links: OrderedDictionary<PeerID, Link> = [:]
    /// When to look for more peers to ask, and at which count of changes that was last done.
    var fillLinksAt: MonotonicInstant
    var linksSeen: UInt64?
    /// Verified bytes by peer.
    var sources: OrderedDictionary<PeerID, Int> = [:]
    /// How long a chunk usually takes: a moving average with weight 1/4.
    var usualTime: Duration?
    var hedgeCount = 0
    var progressAt: MonotonicInstant
    /// Turns without a single chunk since the last one that came.
    var fruitlessTurns = 0
    /// Verified bytes of the turn that goes on.
    var turnSize = 0
    /// Since when it has its place among the bodies being fetched, or waits for one.
    var phaseAt: MonotonicInstant
    var finishedAt: MonotonicInstant?
    var wasCompleted: Bool
    /// The store has something of it, or was asked to.
    var hasRows = false
    /// Set for a body of our own while it is new.
    var seeding: Seeding?
    var bytesServed: UInt64 = 0

    init(
        _ announcement: BodyAnnouncement, received: WallTime, held: ChunkBitmap, isOwn: Bool,
        source: PeerID? = nil, serial: UInt64, random: inout DeterministicRandom,
        now: MonotonicInstant
    ) {
        self.announcement = announcement
        self.received = received
        self.isOwn = isOwn
        self.source = source
        self.serial = serial
        self.held = held
        heldSize = (0..<held.count).reduce(0) { size, index in
            held[index] ? size + announcement.shape.size(of: index) : size
        }
        startedAt = now
        fillLinksAt = now
        progressAt = now
        phaseAt = now
        producer = announcement.description.producer.peerID
        storedCount = held.setCount
        let isComplete = held.isFull
        phase = isComplete ? .complete : .waiting
        wasCompleted = isComplete
        finishedAt = isComplete ? now : nil
        chunks = []
        if !isComplete { beginChunks(random: &random) }
    }

    /// Makes the table of chunks that are not here.
    func beginChunks(random: inout DeterministicRandom) {
        let count = announcement.shape.chunkCount
        chunks = [Chunk](repeating: Chunk(), count: count)
        var order = Array(0..<count)
        random.shuffle(&order)
        rank = order
    }

    var root: Bytes32 { announcement.root }
    var shape: BodyShape { announcement.shape }
    var manifest: BodyManifest {
        BodyManifest(announcement: announcement, received: received, held: held, isOwn: isOwn)
    }

    /// - Returns: by how many bytes what is held grows or shrinks.
    func setHeld(_ index: Int, _ isHeld: Bool) -> Int {
        guard held[index] != isHeld else { return 0 }
        held[index] = isHeld
        let change = isHeld ? shape.size(of: index) : -shape.size(of: index)
        heldSize += change
        return change
    }

    /// Whether nobody has shown anything of it to us.
    var isUnseen: Bool {
        phase != .complete && held.isEmpty && links.values.allSatisfy(\.held.isEmpty)
            && chunks.allSatisfy(\.isIdle)
    }

    /// Whether a peer holds something that we do not.
    func isNeeded(_ theirs: ChunkBitmap) -> Bool {
        guard theirs.count == held.count else { return false }
        for index in 0..<held.bytes.count where theirs.bytes[index] & ~held.bytes[index] != 0 {
            return true
        }
        return false
    }

    func isMissing(_ index: Int) -> Bool { !held[index] && chunks[index].isIdle }

    /// Whether the peer could get something from us that it has not been told of.
    func hasNews(for link: Link) -> Bool {
        guard link.toldCount < held.setCount else { return false }
        for index in 0..<held.bytes.count where held.bytes[index] & ~link.held.bytes[index] != 0 {
            return true
        }
        return false
    }

    func newLink(isActive: Bool, pollInterval: Duration, now: MonotonicInstant) -> Link {
        let none = ChunkBitmap(repeating: false, count: shape.chunkCount)
        return Link(
            held: none, exchangedAt: .init(nanoseconds: .min), pollAt: now,
            pollInterval: pollInterval, isActive: isActive, shown: none, sent: none)
    }

    /// Counts how long a chunk took.
    func noteTime(_ time: Duration) {
        guard let usual = usualTime else {
            usualTime = time
            return
        }
        let nanoseconds = (3 * (usual.wholeNanoseconds / 4)) + time.wholeNanoseconds / 4
        usualTime = .nanoseconds(nanoseconds)
    }
}

/// Names one chunk of one body.
struct ChunkKey: Hashable {
    let root: Bytes32
    let index: Int
}

/// Chunks in memory, the one longest unused leaving first. Bounded in bytes and in number.
struct ChunkCache {
    private var chunks: OrderedDictionary<ChunkKey, StoredChunk> = [:]
    private(set) var size = 0
    let sizeMax: Int
    let countMax: Int

    init(sizeMax: Int, countMax: Int) {
        self.sizeMax = sizeMax
        self.countMax = countMax
    }

    /// The chunk, which thereby becomes the one last used.
    mutating func use(_ key: ChunkKey) -> StoredChunk? {
        guard let index = chunks.index(forKey: key) else { return nil }
        let chunk = chunks.values[index]
        if index < chunks.count - 1 {
            chunks.remove(at: index)
            chunks[key] = chunk
        }
        return chunk
    }

    mutating func insert(_ key: ChunkKey, _ chunk: StoredChunk) {
        remove(key)
        let added = chunk.data.bytes.count
        guard added <= sizeMax else { return }
        while size + added > sizeMax || chunks.count >= countMax {
            size -= chunks.remove(at: 0).value.data.bytes.count
        }
        chunks[key] = chunk
        size += added
    }

    mutating func remove(_ key: ChunkKey) {
        guard let chunk = chunks.removeValue(forKey: key) else { return }
        size -= chunk.data.bytes.count
    }

    mutating func removeAll(of root: Bytes32) {
        chunks.removeAll { $0.key.root == root }
        size = chunks.values.reduce(0) { $0 + $1.data.bytes.count }
    }
}
