public import Chain
public import ChoraleBase
public import ChoraleTypes
import Codec
import Crypto
public import DriverUV
public import Node
public import Operations
public import PartVerification
public import PeerIdentity
import Swarm

/// Where a host keeps what its node stores. Called on one thread only, in order.
public protocol StoreExecutor: Sendable {
    func execute(_ request: StoreRequest) -> StoreReply
}

/// Who has a chain's blocks and state. Called on one thread only, in order.
public protocol ChainExecutor: Sendable {
    func perform(_ task: ChainTask) -> ChainAnswer
}

/// Who has a validator's files. Called on one thread only, in order; all orders of a call may share a sync.
public protocol JournalExecutor: Sendable {
    func perform(_ orders: [JournalOrder]) -> [JournalAnswer]

    /// Signs votes on parts: what they rest on is on the disk.
    func sign(_ requests: [PartSignRequest]) -> [SignedPart]
}

/// What the journal's thread is given.
private enum JournalWork: Sendable {
    case order(JournalOrder)
    case parts([PartSignRequest])
}

private enum JournalResult: Sendable {
    case answer(JournalAnswer)
    case signed([SignedPart])
}

/// Runs one `Node` on sockets.
///
/// The loop thread owns the node: every callback of the driver becomes an input, and the outputs are
/// performed before the callback returns. Performing one never calls the node again; what it causes at
/// once (an answer of a worker that was run in place) waits in `pending` until the outputs are done.
///
/// Disk, signatures in numbers, proofs and name resolution happen elsewhere and come back as inputs.
public final class NodeHost {
    public struct Options: Sendable {
        public var tcp = TCPOptions()
        /// Threads for jobs. One leaves a core for the loop on the smallest machines.
        public var workerCount = 1
        /// Threads for what takes long: proofs. Theirs run beside the others, so that a vote's signature waits for
        /// no proof.
        public var proverCount = 1
        /// Proofs waiting for a thread. The machines have some tens under way.
        public var proofsMax = 1024
        /// Jobs waiting for a worker. Gossipsub alone may have 8,192 signatures under way.
        public var jobsMax = 16_384
        /// Store requests waiting for the disk; more is reported as overload.
        public var storeRequestsMax = 4096
        /// Tasks waiting for the chain's thread. The machine bounds what peers can make it ask for below
        /// this: `ChainLimits.candidatesMax` and `servesMax`, and a few of its own.
        public var chainTasksMax = 4096
        /// Signatures checked in place in one turn of the loop before the rest goes to workers.
        ///
        /// One takes 34 µs here and waking a thread costs 10 to 50: a lone message is cheaper done at
        /// once, and four delay the loop by less than 0.2 ms.
        public var inlineSignaturesPerTurn = 4
        /// Bytes of the store's answers handed to the node in one turn of the loop, a little more when the
        /// last is large. Answers come in batches of up to 64, chunks of 256 KiB among them, each of which
        /// is copied and looked at: 1 MiB takes about half a millisecond.
        public var storedSizePerTurn = 1 << 20

        public init() {}
    }

    public let loop: EventLoop
    let options: Options
    private var node: Node
    private var outputs: [NodeOutput] = []
    private var pending: [NodeInput] = []
    private var isPerforming = false
    private var connections: [UInt64: TCPConnection] = [:]
    private var listeners: [TCPListener] = []
    private var acceptedCount: UInt64 = 0
    private var inlineSignatures = 0
    private var acceptFailureTold: MonotonicInstant?
    private var timer: LoopTimer?
    private var workers: WorkerPool<JobResult>?
    private var provers: WorkerPool<JobResult>?
    private var storeWorker: SerialWorker<StoreJob, StoreAnswer>?
    private var chainWorker: SerialWorker<ChainTask, ChainAnswer>?
    private var readingWorker: SerialWorker<ChainTask, ChainAnswer>?
    private var journalWorker: SerialWorker<JournalWork, JournalResult>?
    /// Answers of the store that the node has not been given, oldest first.
    private var storeAnswers: [StoreAnswer] = []
    private var resolver: NameResolver?

    /// Facts as they happen.
    public var onEvent: ((NodeEvent) -> Void)?
    /// Replies to commands; `isLast` ends one.
    public var onReply: ((CommandID, Reply, _ isLast: Bool) -> Void)?
    /// Others are to be asked about a block; ``crossValidated(_:refusal:)`` answers.
    public var onCrossValidate: ((BlockContents, _ requests: [[UInt8]]) -> Void)?
    /// An operation that this node has executed is certified: its account tells the contract.
    public var onSettle: ((Settlement, _ output: [UInt8]) -> Void)?
    /// The node has drained after ``stop()``.
    public var onStopped: (() -> Void)?

    private struct StoreJob: Sendable {
        let id: StoreRequestID
        let request: StoreRequest
    }

    private struct StoreAnswer: Sendable {
        let id: StoreRequestID
        let reply: StoreReply
    }

    /// - Parameters:
    ///   - store: nil for programs that remember nothing, such as `chorale ping`.
    ///   - chainReader: does what only reads, so that a peer that downloads a state keeps no block waiting; nil for
    ///     the chain's own thread.
    public init(
        loop: EventLoop, configuration: NodeConfiguration, store: (any StoreExecutor)?,
        chain: (any ChainExecutor)? = nil, chainReader: (any ChainExecutor)? = nil,
        journal: (any JournalExecutor)? = nil,
        options: Options = Options()
    ) throws(SystemError) {
        self.loop = loop
        self.options = options
        node = Node(configuration: configuration, now: loop.readClocks())
        timer = LoopTimer(loop: loop) { [unowned self] in handle(.timeout) }
        workers = try WorkerPool(
            loop: loop, name: "job", threadCount: options.workerCount,
            inFlightMax: options.jobsMax
        ) { [unowned self] results in
            for result in results { handle(.finished(result)) }
        }
        if configuration.parts != nil {
            provers = try WorkerPool(
                loop: loop, name: "prove", threadCount: options.proverCount,
                inFlightMax: options.proofsMax
            ) { [unowned self] results in
                for result in results { handle(.finished(result)) }
            }
        }
        resolver = try NameResolver(loop: loop) { [unowned self] id, answer in
            handle(.resolved(id, answer))
        }
        if let store {
            storeWorker = try SerialWorker(
                loop: loop, name: "store", inFlightMax: options.storeRequestsMax,
                perform: { jobs in
                    jobs.map { StoreAnswer(id: $0.id, reply: store.execute($0.request)) }
                },
                deliver: { [unowned self] answers in
                    // Else there is a turn for them already.
                    let isFirst = storeAnswers.isEmpty
                    storeAnswers += answers
                    if isFirst { loop.afterCallbacks { [weak self] in self?.handStoreAnswers() } }
                })
        }
        if let chain {
            chainWorker = try SerialWorker(
                loop: loop, name: "chain", inFlightMax: options.chainTasksMax, batchCountMax: 8,
                perform: { tasks in tasks.map { chain.perform($0) } },
                deliver: { [unowned self] answers in
                    for answer in answers { handle(.processed(answer)) }
                })
        }
        if let chainReader {
            readingWorker = try SerialWorker(
                loop: loop, name: "reading", inFlightMax: options.chainTasksMax, batchCountMax: 1,
                perform: { tasks in tasks.map { chainReader.perform($0) } },
                deliver: { [unowned self] answers in
                    for answer in answers { handle(.processed(answer)) }
                })
        }
        if let journal {
            journalWorker = try SerialWorker(
                loop: loop, name: "journal", inFlightMax: options.chainTasksMax,
                perform: { work in Self.perform(work, journal) },
                deliver: { [unowned self] results in
                    for result in results {
                        switch result {
                        case .answer(let answer): handle(.journaled(answer))
                        case .signed(let signed): handle(.partsSigned(signed))
                        }
                    }
                })
        }
        loop.addTurnObserver(self)
    }

    /// All orders of a call share a sync.
    private static func perform(
        _ work: [JournalWork], _ journal: any JournalExecutor
    ) -> [JournalResult] {
        let orders = work.compactMap { work -> JournalOrder? in
            if case .order(let order) = work { order } else { nil }
        }
        let answers = orders.isEmpty ? [] : journal.perform(orders)
        let signed = work.compactMap { work -> JournalResult? in
            if case .parts(let requests) = work { .signed(journal.sign(requests)) } else { nil }
        }
        return answers.map { .answer($0) } + signed
    }

    public var localPeer: PeerID { node.localPeer }

    public func start() { handle(.start) }

    /// Drains and stops; `onStopped` follows.
    public func stop() { handle(.stop) }

    public func perform(_ command: Command, as id: CommandID) { handle(.command(id, command)) }

    public func cancel(_ id: CommandID) { handle(.commandCancelled(id)) }

    /// - Parameter refusal: why the block is not to be voted for; nil when it may be.
    public func crossValidated(_ block: Bytes32, refusal: String?) {
        handle(.crossValidated(block, refusal: refusal))
    }

    /// - Parameter report: kept in the store, for ``Command/validations(height:)``.
    public func keep(_ report: ValidationReport) { handle(.validationReported(report)) }

    /// How far the chain is; nil on a network without one.
    public var chainInfo: ChainInfo? { node.chainInfo(now: loop.readClocks()) }

    /// Everything that can be counted, for metrics.
    public func metrics() -> NodeMetrics { node.metrics(now: loop.readClocks()) }

    /// Ends threads and sockets. The loop can be closed afterwards.
    public func close() {
        loop.removeTurnObserver(self)
        for listener in listeners { listener.close() }
        listeners = []
        for connection in connections.values { connection.close() }
        timer?.close()
        resolver?.close()
        workers?.shutDown(discarding: true)
        provers?.shutDown(discarding: true)
        chainWorker?.shutDown()
        readingWorker?.shutDown()
        journalWorker?.shutDown()
        storeWorker?.shutDown()
        for answer in storeAnswers { handle(.stored(answer.id, answer.reply)) }
        storeAnswers = []
    }

    // MARK: The inner loop

    private func handle(_ input: NodeInput) {
        loop.preconditionOnLoop()
        guard !isPerforming else {
            pending.append(input)
            return
        }
        node.handle(input, now: loop.readClocks(), into: &outputs)
        performOutputs()
    }

    private func performOutputs() {
        isPerforming = true
        while true {
            var batch: [NodeOutput] = []
            swap(&batch, &outputs)
            for output in batch { perform(output) }
            batch.removeAll(keepingCapacity: true)
            if outputs.isEmpty { swap(&batch, &outputs) }
            guard !pending.isEmpty else { break }
            var inputs: [NodeInput] = []
            swap(&inputs, &pending)
            let now = loop.readClocks()
            for input in inputs { node.handle(input, now: now, into: &outputs) }
        }
        isPerforming = false
    }

    private func perform(_ output: NodeOutput) {
        switch output {
        case .wantsToTransmit(let id):
            connections[id.rawValue]?.requestWrite()
        case .event(let event):
            onEvent?(event)
        case .run(let job):
            run(job)
        case .store(let id, let request):
            store(id, request)
        case .process(let task):
            submit(task)
        case .journal(let order):
            submit(order)
        case .signParts(let requests):
            if case .accepted = journalWorker?.submit(.parts(requests)) { return }
            pending.append(.partsSigned([]))
        case .settle(let settlement, let output):
            onSettle?(settlement, output)
        case .crossValidate(let contents, let requests):
            onCrossValidate?(contents, requests)
        case .reply(let id, let reply, let isLast):
            onReply?(id, reply, isLast)
        case .listen(let id, let address):
            listen(id, address)
        case .dial(let id, let address, let timeout):
            dial(id, address, timeout: timeout)
        case .cancelDial(let id), .abort(let id):
            abort(id)
        case .close(let id):
            if let connection = connections[id.rawValue] {
                connection.closeAfterWriting()
            } else {
                pending.append(.disconnected(id, .networkError, detail: "no such socket"))
            }
        case .pauseReading(let id):
            connections[id.rawValue]?.pauseReading()
        case .resumeReading(let id):
            connections[id.rawValue]?.resumeReading()
        case .resolve(let id, let query):
            resolver?.resolve(id, query)
        case .stopped:
            onStopped?()
        }
    }

    private func abort(_ id: ConnectionID) {
        if let connection = connections[id.rawValue] {
            connection.close()
        } else {
            pending.append(.disconnected(id, .networkError, detail: "no such socket"))
        }
    }

    private func run(_ job: Job) {
        let wall = loop.wall
        switch job {
        case .gossipSignature, .signedRecord:
            // One signature each.
            guard inlineSignatures < options.inlineSignaturesPerTurn else { break }
            inlineSignatures += 1
            pending.append(.finished(job.run(wall: wall)))
            return
        case .chain(let verification):
            guard verification.isSmall, inlineSignatures < options.inlineSignaturesPerTurn else {
                break
            }
            inlineSignatures += 1
            pending.append(.finished(job.run(wall: wall)))
            return
        case .recordValidation, .announcement, .offeredAnnouncement, .chunk, .buildBody, .part,
            .executor:
            break
        }
        let pool = job.isLong ? provers ?? workers : workers
        switch pool?.submit({ job.run(wall: wall, clock: Self.clock) }) {
        case .accepted: break
        case .full, .closed, nil:
            // The machines bound their jobs far below this, so it is a wrong configuration. The work
            // is done here: late is better than lost.
            pending.append(.finished(job.run(wall: wall)))
        }
    }

    /// For how long jobs take. Only differences count.
    private static let began = ContinuousClock.now
    private static let clock: @Sendable () -> MonotonicInstant = {
        MonotonicInstant.zero.advanced(by: began.duration(to: .now))
    }

    /// Tasks and orders are answered or the process ends: the machine never asks for more than fit.
    private func submit(_ task: ChainTask) {
        let worker = task.isReading ? readingWorker ?? chainWorker : chainWorker
        if case .accepted = worker?.submit(task) { return }
        onEvent?(.chain(.stopped("the chain's thread takes no more tasks")))
    }

    private func submit(_ order: JournalOrder) {
        if case .accepted = journalWorker?.submit(.order(order)) { return }
        pending.append(
            .journaled(
                JournalAnswer(
                    id: order.id, signed: [], failure: "this node has no validator's files")))
    }

    /// Gives the node what the store answered, as much as one turn may hold. The rest has the end of the
    /// next turn, behind what arrives meanwhile.
    private func handStoreAnswers() {
        var size = 0
        var count = 0
        while count < storeAnswers.count, size < options.storedSizePerTurn {
            let answer = storeAnswers[count]
            count += 1
            size += answer.reply.size
            handle(.stored(answer.id, answer.reply))
        }
        storeAnswers.removeFirst(count)
        if !storeAnswers.isEmpty {
            loop.afterCallbacks { [weak self] in self?.handStoreAnswers() }
        }
    }

    private func store(_ id: StoreRequestID, _ request: StoreRequest) {
        guard let storeWorker else {
            pending.append(.stored(id, Self.emptyReply(to: request)))
            return
        }
        switch storeWorker.submit(StoreJob(id: id, request: request)) {
        case .accepted: break
        case .full, .closed:
            let waiting = options.storeRequestsMax
            pending.append(
                .stored(id, .failed(.overloaded(waiting: waiting, limit: waiting))))
        }
    }

    /// What a store that is empty and forgets would say.
    private static func emptyReply(to request: StoreRequest) -> StoreReply {
        switch request {
        case .write: .written
        case .get: .value(nil)
        case .scan: .rows([], more: false)
        case .checkpoint: .failed(.inputOutput("this program keeps no database"))
        }
    }

    // MARK: Sockets

    private func listen(_ id: ListenerID, _ address: Multiaddr) {
        guard let endpoint = address.tcpEndpoint, let ip = endpoint.host.ip else {
            pending.append(
                .listenFailed(
                    id, address, reason: "\(address) is not an IP address with a TCP port"))
            return
        }
        do throws(ListenError) {
            let listener = try TCPListener(
                on: loop, address: SocketAddress(ip, port: endpoint.port), options: options.tcp,
                delegate: self)
            listeners.append(listener)
            pending.append(
                .listening(id, .tcp(ip: listener.address.ip, port: listener.address.port)))
        } catch {
            pending.append(.listenFailed(id, address, reason: error.description))
        }
    }

    private func dial(_ id: ConnectionID, _ address: Multiaddr, timeout: Duration) {
        guard let endpoint = address.tcpEndpoint, let ip = endpoint.host.ip else {
            pending.append(.disconnected(id, .networkError, detail: "\(address) cannot be dialed"))
            return
        }
        let connection = TCPConnection.dial(
            SocketAddress(ip, port: endpoint.port), on: loop, timeout: timeout,
            options: options.tcp, delegate: self)
        connection.tag = id.rawValue
        connections[id.rawValue] = connection
    }

    private static func multiaddr(_ address: SocketAddress?) -> Multiaddr {
        .tcp(ip: address?.ip ?? .ip4(.any), port: address?.port ?? 0)
    }
}

extension NodeHost: EventLoop.TurnObserver {
    public func turnEnded() { inlineSignatures = 0 }

    public func turnFlushed() {
        // What filling caused: a connection is never closed while it is being asked for bytes.
        if !outputs.isEmpty { performOutputs() }
        timer?.schedule(at: node.nextDeadline)
    }
}

extension NodeHost: TCPListenerDelegate {
    public func listener(
        _ listener: TCPListener, didAccept connection: TCPConnection
    ) -> (any TCPConnectionDelegate)? {
        let id = ConnectionID.inbound(acceptedCount)
        acceptedCount += 1
        connection.tag = id.rawValue
        connections[id.rawValue] = connection
        handle(
            .accepted(
                id, local: Self.multiaddr(listener.address),
                remote: Self.multiaddr(connection.remoteAddress), ephemeral: .random(count: 32)))
        return self
    }

    public func listener(_ listener: TCPListener, didFailToAccept error: SystemError) {
        // It happens at each attempt of everybody.
        guard acceptFailureTold.map({ $0.duration(to: loop.now) >= .seconds(10) }) ?? true else {
            return
        }
        acceptFailureTold = loop.now
        onEvent?(.acceptFailed(Self.multiaddr(listener.address), reason: "\(error)"))
    }
}

extension NodeHost: TCPConnectionDelegate {
    public func connectionDidOpen(_ connection: TCPConnection) {
        handle(
            .connected(
                ConnectionID(connection.tag), local: Self.multiaddr(connection.localAddress),
                ephemeral: .random(count: 32)))
    }

    public func connection(
        _ connection: TCPConnection, didReceive bytes: inout MutableSpan<UInt8>
    ) -> Int {
        let consumed = node.receive(
            ConnectionID(connection.tag), &bytes, now: loop.readClocks(), into: &outputs)
        performOutputs()
        return consumed
    }

    public func connection(
        _ connection: TCPConnection, fill buffer: inout [UInt8], sizeMax: Int
    ) {
        node.transmit(
            ConnectionID(connection.tag), into: &buffer, sizeMax: sizeMax, now: loop.readClocks(),
            outputs: &outputs)
    }

    public func connectionDidClose(_ connection: TCPConnection, reason: TransportCloseReason) {
        connections.removeValue(forKey: connection.tag)
        handle(
            .disconnected(
                ConnectionID(connection.tag), DisconnectReason(reason),
                detail: connection.systemError?.description ?? reason.rawValue))
    }
}

extension StoreReply {
    /// Bytes of keys and values in it.
    fileprivate var size: Int {
        switch self {
        case .value(let value): value?.count ?? 0
        case .rows(let rows, _): rows.reduce(0) { $0 + $1.key.count + $1.value.count }
        case .written, .checkpointed, .failed: 0
        }
    }
}

extension DisconnectReason {
    init(_ reason: TransportCloseReason) {
        switch reason {
        case .remoteClosed: self = .remoteClosed
        case .remoteReset: self = .remoteReset
        case .timedOut, .connectTimedOut: self = .networkTimeout
        case .writeStalled, .receiverTooSlow: self = .writeStalled
        case .lineTooLong, .unreadOverflow: self = .protocolViolation
        case .local, .loopClosed: self = .shutdown
        case .refused, .unreachable, .addressUnusable, .permissionDenied, .notFound,
            .outOfResources, .other:
            self = .networkError
        }
    }
}
