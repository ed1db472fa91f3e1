public import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
public import PeerIdentity

/// A node's part in the distributed hash table: whom it knows, what it keeps for others, and its
/// searches.
///
///     peer:    identified ──▶ waiting for probe ──▶ probed ──(answers)──▶ bucket ──(fails)──▶ lost
///     query:   see ``Query``
///     request: sent ──▶ overdue ──▶ answered | failed | timed out
///     put:     received ──▶ in validation ──▶ stored and echoed | refused
///
/// Invariants:
///   1. A peer enters a bucket only by answering a request of ours; connecting is not enough.
///   2. A value is stored, believed or passed on only after a validation accepted it.
///   3. Every request received is answered, acknowledged, refused or cancelled exactly once, and
///      every command ends with one `queryFinished` (checked against ``Counters`` by the tests).
///   4. A query ends by its deadline whatever peers do.
///   5. No private address that a peer on the public Internet named is kept or passed on.
///   6. An equivocal record is never given to anybody, and only a higher number replaces it.
///
/// Memory: the stores (``Limits/recordBytesMax``, ``Limits/providersMax``), the table (at most 6 MiB,
/// usually 100 KiB), and ``Limits/queriesMax`` queries of at most 0.4 MB; everything else is counted
/// in ``Limits``.
///
/// Specification: libp2p/specs `kad-dht/README.md`.
public struct Kademlia: StateMachine, ~Copyable {
    let configuration: Configuration
    public let limits: Limits
    let localPeer: PeerID
    let localPoint: KeyPoint
    let addressRules: AddressRules
    let decodeLimits: KademliaMessage.DecodeLimits
    var random: DeterministicRandom

    public internal(set) var mode: Mode
    public internal(set) var counters = Counters()
    var listenAddresses: [Multiaddr] = []

    var table: RoutingTable
    /// Peers with a connection.
    var connected: OrderedDictionary<PeerID, ConnectedPeer> = [:]
    /// Peers to be asked whether they answer, in the order in which they came.
    var probeQueue: OrderedDictionary<PeerID, [Multiaddr]> = [:]
    /// Peers that were in the table and stopped answering. They are tried again when the table runs
    /// empty, so that an outage of our own network does not cost us everybody we know.
    var lost: OrderedDictionary<PeerID, [Multiaddr]> = [:]

    var records: RecordStore
    var providers: ProviderStore
    var ownValues: OrderedDictionary<[UInt8], OwnValue> = [:]
    var ownProvides: OrderedDictionary<[UInt8], OwnProvide> = [:]
    var ownKeysDueAt: MonotonicInstant?

    /// Ascending by handle.
    var queries: [Query] = []
    var handleByQuery: [QueryID: UInt64] = [:]
    var nextHandle: UInt64 = 1
    var requests: OrderedDictionary<RPCID, PendingRequest> = [:]
    var nextRequest: UInt64 = 1
    /// When each peer may be sent the next request.
    var pacer: RequestPacer
    /// Requests that found too many others waiting. They fail at the end of the step, so that no
    /// query changes while it is being advanced.
    var crowdedOut: [PendingRequest] = []
    var jobs: OrderedDictionary<JobID, PendingJob> = [:]
    var nextJob: UInt64 = 1
    var rates: OrderedDictionary<PeerID, PeerRates> = [:]

    var refreshRound: RefreshRound?
    var refreshAt: MonotonicInstant?
    var sweepAt: MonotonicInstant?
    private let layout = PassedByReference()
    var isNearlyFull = false

    /// Rows to be written, emitted together at the end of each step.
    var writes: [StoreWrite] = []

    /// - Parameters:
    ///   - localPeer: this node's own id.
    ///   - random: for jitter and for choosing keys to refresh.
    public init(
        localPeer: PeerID, configuration: Configuration, limits: Limits = Limits(),
        random: DeterministicRandom
    ) {
        precondition(configuration.bucketSize >= 1, "a bucket holds at least one peer")
        precondition(configuration.concurrency >= 1, "a path asks at least one peer at a time")
        precondition(configuration.disjointPathCount >= 1, "a lookup has at least one path")
        self.localPeer = localPeer
        self.configuration = configuration
        self.limits = limits
        self.random = random
        mode = configuration.mode
        localPoint = KeyPoint(key: localPeer.multihash)
        addressRules = AddressRules(policy: configuration.addressPolicy, limits: limits)
        decodeLimits = KademliaMessage.DecodeLimits(limits)
        pacer = RequestPacer(limits: limits)
        table = RoutingTable(
            local: localPoint, bucketSize: configuration.bucketSize, limits: limits)
        records = RecordStore(local: localPoint, localPeer: localPeer, limits: limits)
        providers = ProviderStore(local: localPoint, localPeer: localPeer, limits: limits)
    }

    public var nextDeadline: MonotonicInstant? {
        var deadline = earliest(ownKeysDueAt, earliest(refreshAt, sweepAt))
        deadline = earliest(deadline, refreshRound?.endsAt)
        for request in requests.values { deadline = earliest(deadline, request.nextDeadline) }
        for query in queries { deadline = earliest(deadline, query.deadline) }
        for job in jobs.values { deadline = earliest(deadline, job.deadline) }
        return deadline
    }

    public mutating func handle(_ input: Input, now: Now, into outputs: inout [Output]) {
        startTimers(now: now)
        switch input {
        case .peerIdentified(let peer, let addresses, let supportsServer, let remote):
            peerIdentified(
                peer, addresses: addresses, supportsServer: supportsServer, remote: remote,
                now: now, into: &outputs)
        case .peerDisconnected(let peer):
            connected.removeValue(forKey: peer)
        case .requestReceived(let id, let peer, let bytes):
            requestReceived(id, from: peer, bytes, now: now, into: &outputs)
        case .requestCancelled(let id):
            requestCancelled(id)
        case .responseReceived(let id, let bytes):
            responseReceived(id, bytes, now: now, into: &outputs)
        case .requestSent(let id):
            requestSent(id, now: now, into: &outputs)
        case .rpcFailed(let id, let failure):
            rpcFailed(id, failure, now: now, into: &outputs)
        case .command(let id, let command):
            commandReceived(id, command, now: now, into: &outputs)
        case .cancel(let id):
            cancel(id, now: now, into: &outputs)
        case .stopPublishing(let key):
            stopPublishing(key)
        case .stopProviding(let key):
            stopProviding(key)
        case .validated(let id, let verdict):
            validated(id, verdict, now: now, into: &outputs)
        case .renewed(let key, let value):
            renewed(key, value, now: now, into: &outputs)
        case .loaded(let rows):
            loaded(rows, now: now, into: &outputs)
        case .setMode(let mode):
            guard mode != self.mode else { break }
            self.mode = mode
            outputs.append(.event(.modeChanged(mode)))
        case .listenAddressesChanged(let addresses):
            listenAddresses = addressRules.filter(addresses, source: nil)
        case .timeout:
            timeout(now: now, into: &outputs)
        }
        startProbes(now: now, into: &outputs)
        advanceStarved(now: now, into: &outputs)
        failCrowdedOut(now: now, into: &outputs)
        if !writes.isEmpty {
            outputs.append(.store(writes))
            writes.removeAll()
        }
    }

    func namespace(of key: [UInt8]) -> RecordNamespace? {
        configuration.namespaces.first { $0.contains(key) }
    }

    func timeToLive(_ namespace: RecordNamespace) -> Duration {
        min(namespace.timeToLive ?? configuration.recordTimeToLive, configuration.recordTimeToLive)
    }
}

// MARK: What is remembered of peers, requests and jobs

extension Kademlia {
    struct ConnectedPeer: Sendable {
        var addresses: [Multiaddr]
        var supportsServer: Bool
        var remote: IPAddress?
    }

    struct PendingRequest: Sendable {
        enum Purpose: Equatable, Sendable {
            case lookup(handle: UInt64)
            case write(handle: UInt64)
            case repair
            /// Whether a peer answers at all.
            case probe
        }

        let peer: PeerID
        let addresses: [Multiaddr]
        let purpose: Purpose
        let kind: KademliaMessage.Kind
        let sendAt: MonotonicInstant
        let overdueAt: MonotonicInstant
        let deadline: MonotonicInstant
        /// The message, until `sendAt`.
        var unsent: [UInt8]?
        var isOverdue = false

        var nextDeadline: MonotonicInstant {
            if unsent != nil { return sendAt }
            return isOverdue ? deadline : min(overdueAt, deadline)
        }
    }

    struct PendingJob: Sendable {
        enum Purpose: Sendable {
            case inboundPut(InboundRequestID, from: PeerID)
            case read(handle: UInt64)
            case write(handle: UInt64)
        }

        let purpose: Purpose
        let job: ValidationJob
        let deadline: MonotonicInstant
        /// How often the incumbent changed while the job ran.
        var restartCount = 0
    }

    struct PeerRates: Sendable {
        var puts: TokenBucket
        var requests: TokenBucket
        /// What is refused for want of a token takes one here.
        var excess: TokenBucket
        var usedAt: MonotonicInstant
    }

    struct OwnValue: Sendable {
        var value: [UInt8]
        /// When to ask for a renewed value.
        var dueAt: MonotonicInstant
        /// A renewal was asked for and has not come.
        var isAwaitingRenewal = false
    }

    struct OwnProvide: Sendable {
        var dueAt: MonotonicInstant
    }

    /// One pass over the buckets.
    struct RefreshRound: Sendable {
        /// Still to be looked up; nil is the node's own place.
        var targets: [Int?]
        var runningCount = 0
        /// Commands that end with the round.
        var commands: [QueryID]
        let endsAt: MonotonicInstant
    }
}
