public import ChoraleBase
import DequeModule
import HeapModule
import OrderedCollections
import PeerIdentity

// MARK: - Gossipsub v1.0 to v1.2
//
// Brings each message published in a topic to all who subscribe to it, over a mesh of a few peers per
// topic, with announcements (IHAVE) to some of the others so that what the mesh loses is asked for.
//
// The life of one message (`StoredMessage.Phase`, `SeenCache.Status`):
//
//                     duplicate: counted, copies queued for the sender are dropped
//                        ^
//   frame -> topic, size, id -> seen? -> no room: dropped, not seen
//                                 |
//                                 v
//        IDONTWANT sent <- checking (signature job) -> validating (verdict) -> accepted
//                                 |                        |                     |
//                                 v                        v                     v
//                              invalid, P4        ignored | invalid, P4    history (IWANT),
//                                                                          queued or offered
//
// and of a copy: queued -> sent | shed(reason). A copy is committed when `dequeue` returns it and no
// sooner, so it can be overtaken by more urgent ones and dropped when the peer turns out to have it.
//
// Messages of at least `largeMessageSizeMin` are pushed to `largeMessageEagerPeers` of the mesh and
// offered by IHAVE to the rest of it that speaks v1.2. A peer that asks for what it is offered asks
// one at a time, so it is sent a large message about once instead of once per mesh link.
//
// Invariants
//  1. A slot in `slotByPeer` is a connected peer, and `peers[slot]` is non-nil exactly then.
//  2. A peer is in `topics[t].mesh` exactly when its `mesh` contains t; likewise `subscribers`/`topics`.
//  3. `store[m].copies` names a peer exactly when one live entry of that peer's queue refers to m.
//  4. A stored message is pending, in history, or has copies; otherwise it is removed at once.
//  5. `counters.messagesReceived` = accepted + dropped + pending.
//  6. `counters.copiesQueued` = sent + shed + queued.
//  2-4 are checked by `checkInvariants`, which tests call after every input.
//
// Memory: `Limits.messageSizeTotalMax` for messages; per peer at most `controlQueueIDsMax` identifiers,
// `dontWantPerPeerMax` × 24 B, `scoreMovementsMax` × 64 B and one score record per topic; `seenCountMax` ×
// 43 B; `wantedCountMax` × 250 B. Nothing that a peer sends makes a topic.
//
// Specification: libp2p/specs `pubsub/README.md`, `pubsub/gossipsub/gossipsub-v1.{0,1,2}.md`.

/// Gossipsub v1.0, v1.1 and v1.2.
public struct Gossipsub: StateMachine, ~Copyable {
    public let configuration: Configuration
    public internal(set) var counters = Counters()

    var random: DeterministicRandom
    let hash: MessageKeyHash

    var topics: [TopicState] = []
    var topicIndex = TopicIndex()
    var topicByName: [Topic: Int] = [:]

    var peers: [Peer?] = []
    /// Serial of the peer in each slot, zero for none: asked for every copy, and quicker than the peer.
    var serialBySlot: [UInt64] = []
    var freeSlots: [Int] = []
    var slotByPeer: [PeerID: Int] = [:]
    var nextSerial: UInt64 = 0
    var retained: OrderedDictionary<PeerID, RetainedPeer> = [:]
    /// Connected peers per address group, for P6.
    var countByGroup: [AddressGroup: Int] = [:]

    var store = MessageStore()
    var seen: SeenCache
    var recentIDs = RecentIDs()
    var history = Deque<HistoryEntry>()
    var historySize = 0

    var pending = Deque<PendingEntry>()
    var pendingCount = 0
    var pendingSize = 0
    var isIntakePaused = false
    /// When a message was last dropped for want of room: promises made before are not held against
    /// anybody.
    var throttledAt: MonotonicInstant?
    var messageByJob: [JobID: MessageKey] = [:]
    var nextJob: UInt64 = 0

    var wants: [MessageKey: Want] = [:]
    var wantTimers = Heap<WantTimer>()
    var nextWantTimer: UInt64 = 0
    /// Wants that wait for a large frame to end.
    var deferredCount = 0
    /// Slots from which a large frame is arriving.
    var incomingFrames: [Int] = []

    var tick: UInt64 = 0
    var nextHeartbeat: MonotonicInstant
    var nextDecay: MonotonicInstant
    var sequenceNumber: UInt64 = 0
    var connectBudget: Int

    private let layout = PassedByReference()

    struct HistoryEntry {
        let message: Int
        let key: MessageKey
        let tick: UInt64
        let size: Int
    }

    struct PendingEntry {
        let message: Int
        let key: MessageKey
        let deadline: MonotonicInstant
    }

    /// - Parameter random: seeds every choice the machine makes, and the key of its tables.
    public init(configuration: Configuration, random: DeterministicRandom, now: Now) {
        self.configuration = configuration
        var random = random
        hash = MessageKeyHash(random: &random)
        // Machines that start together should not beat together.
        nextHeartbeat = now.instant.advanced(
            by: .milliseconds(100) + random.duration(below: configuration.heartbeatInterval))
        nextDecay = now.instant.advanced(by: configuration.score.decayInterval)
        self.random = random
        seen = SeenCache(
            lifetime: configuration.seenLifetime, countMax: configuration.limits.seenCountMax)
        connectBudget = configuration.limits.peerExchangePerHeartbeatMax
        for parameters in configuration.topics { _ = configure(parameters) }
    }

    public var nextDeadline: MonotonicInstant? {
        earliest(earliest(nextHeartbeat, nextDecay), wantTimers.min?.deadline)
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
        let instant = now.instant
        switch input {
        case .peerConnected(let peer, let connection):
            peerConnected(peer, connection, now: instant, into: &outputs)
        case .peerDisconnected(let peer):
            peerDisconnected(peer, now: instant, into: &outputs)
        case .peerRecord(let peer, let envelope):
            peerRecord(peer, envelope)
        case .rpcReceived(let peer, let frame):
            rpcReceived(peer, frame.span, frame, now: instant, into: &outputs)
        case .frameProgress(let peer, let received, let expected):
            frameProgress(peer, received: received, expected: expected, now: instant)
        case .topicConfigured(let parameters):
            _ = configure(parameters)
        case .subscribe(let topic):
            join(topic, now: instant, into: &outputs)
        case .unsubscribe(let topic):
            leave(topic, now: instant, into: &outputs)
        case .publish(let id, let topic, let data, let options):
            publish(id, topic, data, options, now: now, into: &outputs)
        case .validated(let handle, let verdict):
            validated(handle, verdict, now: instant, into: &outputs)
        case .signatureChecked(let job, let isValid):
            signatureChecked(job, isValid, now: instant, into: &outputs)
        case .applicationScore(let peer, let points):
            applicationScore(peer, points, now: instant, into: &outputs)
        case .behaviourPenalty(let peer, let points):
            guard let slot = slotByPeer[peer], points > 0 else { return }
            penalize(slot, .external, points, now: instant, into: &outputs)
        case .timeout:
            timeout(now: instant, into: &outputs)
        }
    }

    private mutating func timeout(now: MonotonicInstant, into outputs: inout [Output]) {
        fireWantTimers(now: now, into: &outputs)
        if now >= nextDecay {
            decayScores(now: now, into: &outputs)
            nextDecay = Self.next(after: nextDecay, configuration.score.decayInterval, now: now)
        }
        if now >= nextHeartbeat {
            heartbeat(now: now, into: &outputs)
            nextHeartbeat = Self.next(
                after: nextHeartbeat, configuration.heartbeatInterval, now: now)
        }
    }

    /// The next beat of a rhythm. Beats that were missed are left out: a machine that was asleep has
    /// one heartbeat to catch up with, not a thousand.
    private static func next(
        after previous: MonotonicInstant,
        _ interval: Duration,
        now: MonotonicInstant
    ) -> MonotonicInstant {
        let next = previous.advanced(by: interval)
        return next > now ? next : now.advanced(by: interval)
    }
}
