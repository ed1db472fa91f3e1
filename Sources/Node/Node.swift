import Bodies
import Chain
public import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import ExecutorAgent
import Gossipsub
import Identify
import Kademlia
import Multistream
import Noise
import OrderedCollections
import PartVerification
public import PeerIdentity
import Ping
import RequestResponse
public import Swarm
import Yamux

/// One node: every machine of the protocol row, and the routing of one's outputs to another's inputs.
///
///     sockets ─▶ Connection ─▶ streams ─▶ Identify, Gossipsub, Kademlia, requests, Bodies
///                    ▲                                    │
///                    └──────────── Swarm ◀────────────────┘
///
/// A driver calls ``handle(_:now:into:)`` for everything that happens, ``receive(_:_:now:into:)`` with
/// the bytes of a connection and ``transmit(_:into:sizeMax:now:outputs:)`` when a connection can send. It never
/// calls one while it is performing an output of another. The simulator drives the same value.
///
/// Invariants:
///   1. A connection is in `connections` from `accepted` or `connected` until `disconnected`, and a
///      stream in its connection's table from its opening until its machine says `closed`.
///   2. Each machine's outputs are routed before the next input is looked at, so that what one machine
///      believes about peers is never older than one input.
///   3. A command gets exactly one last reply. (`finishCommand`)
///
/// Memory: the sum of the machines' bounds, which each machine's own file states; what is in use is in
/// ``holdings(now:)``.
public struct Node: ~Copyable {
    public let configuration: NodeConfiguration

    var swarm: Swarm
    var gossip: Gossipsub
    var kademlia: Kademlia
    var bodies: Bodies
    /// nil on a network without one.
    let chain: ChainHolder?
    /// nil on a network without operations.
    let parts: PartsHolder?
    /// nil for whoever does not execute.
    let executor: ExecutorHolder?

    var connections: [ConnectionID: PeerConnection] = [:]
    var peers: OrderedDictionary<PeerID, Peer> = [:]
    var listeners: OrderedDictionary<ListenerID, Multiaddr> = [:]
    var observations = ObservedAddresses()
    var connectionTimers = DeadlineQueue<ConnectionID>()
    var streamTimers = DeadlineQueue<StreamKey>()

    var commands = CommandTable()
    var requests = RequestTable()
    var storage = StorageTable()
    var validations = ValidationRows()

    /// Receive windows beyond their initial size, of all connections together, in bytes.
    var extraWindowInUse = 0
    var random: DeterministicRandom
    var phase: Phase = .created
    var startedAt: MonotonicInstant = .zero
    var counters = NodeCounters()
    /// The number of our latest signed peer record; wall-clock milliseconds, so that it rises across
    /// restarts without being stored.
    var recordSequence: UInt64 = 0
    /// The number of our metadata, likewise: it changes only at a start, with the roles.
    let metadataSequence: UInt64
    /// That record, signed; told in identify.
    var ownRecord: [UInt8]?
    let announcementTopic: Gossipsub.Topic
    let credentials: NoiseCredentials
    let requestProtocols: [RequestProtocol]
    var requestScheduler = RequestScheduler<PeerID>()
    var requestSessions: [RequestSession.ID: RequestSession] = [:]
    var requestCount: UInt64 = 0
    var chunkRequests: [Bodies.RequestID: RequestSession.ID] = [:]
    var serves: [Bodies.ServeID: RequestSession] = [:]
    /// Bodies that workers cut and hash for a command.
    var bodyBuildCount = 0
    var inboundProtocols: ProtocolTable
    /// Whether others can reach us, so that we answer DHT requests.
    var isServingDHT = false
    /// Sockets the driver is opening for us.
    var dialing: [ConnectionID: (address: Multiaddr, expected: PeerID?)] = [:]
    var nextPeerSearchAt: MonotonicInstant = .zero
    /// Own prover identity records, by DHT key.
    var proverRecords: OrderedDictionary<[UInt8], ProverIdentityRecord> = [:]
    /// The chain's topics, where it has one.
    let chainTopics: OrderedDictionary<Gossipsub.Topic, ChainTopic>
    /// Messages that the chain has not judged yet.
    var chainMessages: [ChainGossipID: Gossipsub.MessageHandle] = [:]
    var nextChainMessage: UInt64 = 0
    var chainServes: [BlockServeID: RequestSession] = [:]
    var chainReads: [Bodies.ReadID: ChainBodyRead] = [:]
    var nextChainBody: UInt64 = 0
    /// Topics of verification in parts, where there are operations.
    let partTopics: OrderedDictionary<Gossipsub.Topic, PartTopic>
    /// Messages that verification in parts has not judged yet.
    var partMessages: [PartMessageID: Gossipsub.MessageHandle] = [:]
    var nextPartMessage: UInt64 = 0
    var partServes: [PartServeID: RequestSession] = [:]
    /// Who passed on an announcement that is being checked.
    var announcementSources: [Gossipsub.MessageHandle: PeerID] = [:]

    // Reused between calls, so that a turn does not allocate.
    private var connectionEvents: [Connection.Event] = []
    private var swarmOutputs: [Swarm.Output] = []
    private var gossipOutputs: [Gossipsub.Output] = []
    private var kademliaOutputs: [Kademlia.Output] = []
    private var bodiesOutputs: [Bodies.Output] = []
    /// Where the chunk that is sent next is encoded: else each would be a mapping of its own.
    var chunkScratch: [UInt8] = []

    private let layout = PassedByReference()

    enum Phase {
        case created, running
        case draining(until: MonotonicInstant)
        case stopped
    }

    public init(configuration: NodeConfiguration, now: Now) {
        self.configuration = configuration
        var random = DeterministicRandom(seed: configuration.seed)
        let localPeer = configuration.identity.peerID
        swarm = Swarm(
            configuration: .init(
                localPeer: localPeer, addressPolicy: configuration.addressPolicy,
                bootnodes: configuration.bootnodes, limits: configuration.swarm),
            seed: random.next(), now: now)
        announcementTopic = Gossipsub.Topic(configuration.topic("witness_announce"))
        gossip = Gossipsub(
            configuration: configuration.gossipConfiguration(announcements: announcementTopic),
            random: random.fork(), now: now)
        kademlia = Kademlia(
            localPeer: localPeer, configuration: configuration.kademliaConfiguration,
            random: random.fork())
        bodies = Bodies(limits: configuration.limits.bodies, seed: random.next(), now: now)
        if let start = configuration.chain {
            chain = ChainHolder(
                Chain(
                    start.configuration, head: start.head, earliest: start.earliest,
                    checkpoint: start.checkpoint, seed: random.next()))
        } else {
            chain = nil
        }
        chainTopics = configuration.chainTopics
        partTopics = configuration.partTopics
        parts = configuration.parts.map { start in
            PartsHolder(PartVerification(start, seed: random.next()))
        }
        executor = configuration.executor.map { ExecutorHolder(ExecutorAgent($0)) }
        self.random = random
        metadataSequence = UInt64(clamping: now.wall.milliseconds)
        credentials = NoiseCredentials(
            identity: configuration.identity, staticKey: configuration.noiseStaticKey)
        var ofChain = configuration.chain == nil ? [] : RequestProtocol.ofChain
        if configuration.chain?.configuration.keepsState == false {
            ofChain.removeAll { $0 == .buildPayload }
        }
        if configuration.parts != nil { ofChain += RequestProtocol.ofOperations }
        requestProtocols = configuration.speaksChorale ? RequestProtocol.all + ofChain : []
        inboundProtocols = ProtocolTable([])
        rebuildProtocols()
    }

    public var localPeer: PeerID { configuration.identity.peerID }

    /// When the driver must next deliver `timeout`, or nil.
    public var nextDeadline: MonotonicInstant? {
        switch phase {
        case .created, .stopped: return nil
        case .draining(let until): return until
        case .running: break
        }
        var deadline = earliest(swarm.nextDeadline, gossip.nextDeadline)
        deadline = earliest(deadline, kademlia.nextDeadline)
        deadline = earliest(deadline, bodies.nextDeadline)
        if chain != nil { deadline = earliest(deadline, chain?.machine.nextDeadline) }
        if parts != nil { deadline = earliest(deadline, parts?.machine.nextDeadline) }
        if executor != nil { deadline = earliest(deadline, executor?.machine.nextDeadline) }
        deadline = earliest(deadline, connectionTimers.next)
        deadline = earliest(deadline, streamTimers.next)
        deadline = earliest(deadline, storage.nextDeadline)
        return earliest(deadline, requestScheduler.nextDeadline)
    }

    public mutating func handle(
        _ input: NodeInput, now: Now, into outputs: inout [NodeOutput]
    ) {
        if case .stopped = phase { return }
        let first = outputs.count
        switch input {
        case .start: start(now: now, into: &outputs)
        case .listening(let id, let address):
            listeners[id] = address
            outputs.append(.event(.listening(address)))
            addressesChanged(now: now, into: &outputs)
        case .listenFailed(_, let address, let reason):
            outputs.append(.event(.listenFailed(address, reason: reason)))
        case .accepted(let id, let local, let remote, let ephemeral):
            add(id, role: .listener, local: local, remote: remote, ephemeral, now: now)
            tell(.accepted(id, remote: remote), now: now, into: &outputs)
        case .connected(let id, let local, let ephemeral):
            connected(id, local: local, ephemeral, now: now, into: &outputs)
        case .disconnected(let id, let reason, let detail):
            disconnected(id, reason, detail: detail, now: now, into: &outputs)
        case .resolved(let id, let answer):
            tell(.resolved(id, answer), now: now, into: &outputs)
        case .finished(let result):
            finished(result, now: now, into: &outputs)
        case .stored(let id, let reply):
            stored(id, reply, now: now, into: &outputs)
        case .command(let id, let command):
            perform(command, id, now: now, into: &outputs)
        case .processed(.commitments(let height, let commitments)):
            tellParts(.commitmentsRead(height: height, commitments), now: now, into: &outputs)
        case .processed(let answer):
            tellChain(.answered(answer), now: now, into: &outputs)
        case .crossValidated(let id, let refusal):
            tellChain(.crossValidated(id, refusal: refusal), now: now, into: &outputs)
        case .validationReported(let report):
            keep(report, into: &outputs)
        case .journaled(let answer):
            tellChain(.journaled(answer), now: now, into: &outputs)
        case .partsSigned(let signed):
            tellParts(.signed(signed), now: now, into: &outputs)
        case .commandCancelled(let id):
            cancelCommand(id, now: now, into: &outputs)
        case .stop:
            stop(now: now, into: &outputs)
        case .timeout:
            timeout(now: now, into: &outputs)
        }
        finishDraining(now: now, into: &outputs)
        streamEvents(from: first, into: &outputs)
    }

    mutating func timeout(now: Now, into outputs: inout [NodeOutput]) {
        tell(.timeout, now: now, into: &outputs)
        tellGossip(.timeout, now: now, into: &outputs)
        tellKademlia(.timeout, now: now, into: &outputs)
        tellBodies(.timeout, now: now, into: &outputs)
        if let deadline = chain?.machine.nextDeadline, deadline <= now.instant {
            tellChain(.timeout, now: now, into: &outputs)
        }
        if let deadline = parts?.machine.nextDeadline, deadline <= now.instant {
            tellParts(.timeout, now: now, into: &outputs)
        }
        if let deadline = executor?.machine.nextDeadline, deadline <= now.instant {
            tellExecutor(.timeout, now: now, into: &outputs)
        }
        while let id = connectionTimers.popDue(now: now.instant) {
            connectionTimerFired(id, now: now, into: &outputs)
        }
        while let key = streamTimers.popDue(now: now.instant) {
            streamTimerFired(key, now: now, into: &outputs)
        }
        expireRequests(now: now, into: &outputs)
        storageTimeout(now: now, into: &outputs)
    }

    // MARK: Bytes

    /// Takes bytes that a connection's socket received.
    ///
    /// The bytes are decrypted in place. What is not consumed, always less than one Noise frame, must be
    /// presented again in front of the bytes that follow.
    ///
    /// - Returns: how many bytes were consumed.
    public mutating func receive(
        _ id: ConnectionID, _ bytes: inout MutableSpan<UInt8>, now: Now,
        into outputs: inout [NodeOutput]
    ) -> Int {
        guard let connection = connections[id] else { return bytes.count }
        let first = outputs.count
        var events = connectionEvents
        connectionEvents = []
        let consumed = connection.machine.receive(&bytes, now: now.instant, into: &events)
        connection.bytesReceived &+= UInt64(consumed)
        counters.bytesReceived &+= UInt64(consumed)
        let span = bytes.span
        for event in events {
            handle(event, span, connection, now: now, into: &outputs)
        }
        events.removeAll(keepingCapacity: true)
        connectionEvents = events
        touch(connection, into: &outputs)
        streamEvents(from: first, into: &outputs)
        return consumed
    }

    /// Appends bytes for a connection's socket, about `sizeMax` of them at most.
    ///
    /// Nothing is appended when there is nothing to send. The driver performs `outputs` afterwards.
    ///
    /// - Returns: whether there may be more. When there is not, `wantsToTransmit` says when there is again; to ask all the
    ///   same is harmless.
    @discardableResult
    public mutating func transmit(
        _ id: ConnectionID, into buffer: inout [UInt8], sizeMax: Int, now: Now,
        outputs: inout [NodeOutput]
    ) -> Bool {
        guard let connection = connections[id] else { return false }
        let first = outputs.count
        let before = buffer.count
        pull(connection, now: now, into: &outputs)
        var events = connectionEvents
        connectionEvents = []
        connection.machine.transmit(
            into: &buffer, sizeMax: sizeMax, now: now.instant, events: &events)
        for event in events { handle(event, Span(), connection, now: now, into: &outputs) }
        events.removeAll(keepingCapacity: true)
        connectionEvents = events
        settleAnswers(of: connection, now: now, into: &outputs)
        let count = buffer.count - before
        if count == 0 || (connection.pulling.isEmpty && !connection.machine.hasOutput) {
            connection.isMarked = false
        }
        connection.bytesSent &+= UInt64(count)
        counters.bytesSent &+= UInt64(count)
        streamEvents(from: first, into: &outputs)
        return connection.isMarked
    }

    /// Schedules what a connection's machine wants after it was used: sending, and its timer.
    func mark(_ connection: PeerConnection, into outputs: inout [NodeOutput]) {
        guard !connection.isMarked else { return }
        connection.isMarked = true
        outputs.append(.wantsToTransmit(connection.id))
    }

    mutating func touch(_ connection: PeerConnection, into outputs: inout [NodeOutput]) {
        grantWindow(to: connection)
        if connection.machine.hasOutput { mark(connection, into: &outputs) }
        if let deadline = connection.machine.nextDeadline, deadline < connection.timerAt {
            connection.timerAt = deadline
            connectionTimers.push(deadline, connection.id)
        }
    }

    /// Lets a connection's receive windows grow by what it and all connections together may still take.
    ///
    /// A window is a promise to buffer: without the common limit 500 peers with 16 MiB each could call
    /// in 8 GiB.
    private mutating func grantWindow(to connection: PeerConnection) {
        let use = connection.machine.extraWindowInUse
        if use != connection.extraWindow {
            extraWindowInUse += use - connection.extraWindow
            connection.extraWindow = use
        }
        let own = configuration.limits.connection.yamux.extraWindowMax - use
        let common = configuration.limits.extraWindowMax - extraWindowInUse
        connection.machine.windowBudget = max(0, min(own, common))
    }

    private mutating func connectionTimerFired(
        _ id: ConnectionID, now: Now, into outputs: inout [NodeOutput]
    ) {
        guard let connection = connections[id] else { return }
        connection.timerAt = MonotonicInstant(nanoseconds: .max)
        if let deadline = connection.machine.nextDeadline, deadline <= now.instant {
            var events = connectionEvents
            connectionEvents = []
            connection.machine.handleTimeout(now: now.instant, into: &events)
            // A timeout brings no payload, so no event refers to bytes.
            for event in events { handle(event, Span(), connection, now: now, into: &outputs) }
            events.removeAll(keepingCapacity: true)
            connectionEvents = events
        }
        touch(connection, into: &outputs)
    }

    // MARK: Telling machines

    mutating func tell(_ input: Swarm.Input, now: Now, into outputs: inout [NodeOutput]) {
        var results = swarmOutputs
        swarmOutputs = []
        swarm.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        results.removeAll(keepingCapacity: true)
        swarmOutputs = results
    }

    mutating func tellGossip(
        _ input: Gossipsub.Input, now: Now, into outputs: inout [NodeOutput]
    ) {
        var results = gossipOutputs
        gossipOutputs = []
        gossip.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        results.removeAll(keepingCapacity: true)
        gossipOutputs = results
    }

    /// An RPC of a peer, where it lies.
    mutating func receivedGossipRPC(
        _ peer: PeerID, _ bytes: Span<UInt8>, now: Now, into outputs: inout [NodeOutput]
    ) {
        var results = gossipOutputs
        gossipOutputs = []
        gossip.receive(peer, bytes, now: now.instant, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        results.removeAll(keepingCapacity: true)
        gossipOutputs = results
    }

    mutating func tellKademlia(
        _ input: Kademlia.Input, now: Now, into outputs: inout [NodeOutput]
    ) {
        var results = kademliaOutputs
        kademliaOutputs = []
        kademlia.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        results.removeAll(keepingCapacity: true)
        kademliaOutputs = results
    }

    mutating func tellBodies(_ input: Bodies.Input, now: Now, into outputs: inout [NodeOutput]) {
        var results = bodiesOutputs
        bodiesOutputs = []
        bodies.handle(input, now: now, into: &results)
        for result in results { perform(result, now: now, into: &outputs) }
        results.removeAll(keepingCapacity: true)
        bodiesOutputs = results
    }
}
