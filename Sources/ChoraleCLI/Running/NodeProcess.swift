import Admin
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import CrossValidation
import DriverUV
import Glibc
import HTTP
import Node
import NodeHost
import PeerIdentity
import Store
import Telemetry

/// The database as the node's host wants it.
private struct StoreBridge: StoreExecutor {
    let store: RocksStore

    func execute(_ request: StoreRequest) -> StoreReply { store.execute(request) }
}

/// `chorale run`: one node with its database, its admin socket and its signals.
///
///      opening ──▶ starting ──every address listened on──▶ running ──signal──▶ draining ──▶ closed
///         └───────────┴── anything fails: one clear line, exit status 1 ──────────────────────┘
///
/// Opening happens in the order in which mistakes are cheap to report: key, database (whose lock keeps
/// a second process out), admin socket, sockets.
final class NodeProcess {
    /// SIGTERM to exit is at most five seconds; the node drains for three, and closing takes the rest.
    private static let drainPatience: Duration = .seconds(4)
    /// How long a node may be without peers until its log says so, at first and then again.
    private static let alonePatience: (first: Duration, again: Duration) = (
        .seconds(5), .seconds(300)
    )

    /// Files of the database, admin and HTTP clients, the loop's own, and what libraries open.
    private static let descriptorsBesidePeers = 192

    private let settings: RunSettings
    private let identity: IdentityKey
    private let log: Logger
    private let store: RocksStore
    private let loop: EventLoop
    private let host: NodeHost
    /// nil on a network without a chain.
    private let chain: ChainService?
    private var admin: AdminServer?
    private var drainTimer: LoopTimer?
    private let board = TelemetryBoard()
    private var servers: [TelemetryServer] = []
    private var secondTimer: LoopTimer?
    private var health = NodeHealth()
    private var listensOwed: Int
    private var peerCount = 0
    /// When to say that nobody is there; nil while somebody is.
    private var aloneWarningAt: MonotonicInstant?
    private var startFailure: Failure?
    private var isStarted = false
    private var isDraining = false

    init(_ settings: RunSettings) throws(Failure) {
        ProcessMemory.boundHeap()
        self.settings = settings
        log = Logger(level: settings.logLevel, format: settings.logFormat)
        guard Files.isDirectory(settings.dataDirectory) else {
            throw Failure(
                "\(settings.dataDirectory) is not a directory: "
                    + "`chorale init --data-dir \(settings.dataDirectory)` creates the node")
        }
        try Self.checkDescriptors(settings)
        identity = try KeyFile.load(settings.keyPath)
        listensOwed = settings.listenAddresses.count
        let store: RocksStore
        do throws(StoreOpenError) {
            store = try RocksStore.open(directory: settings.databaseDirectory)
        } catch {
            throw Failure("\(error)")
        }
        self.store = store
        do throws(Failure) {
            if let genesis = settings.genesis {
                chain = try ChainService(genesis, settings, identity: identity, log: log)
            } else {
                chain = nil
            }
        } catch {
            store.close()
            throw error
        }
        var configuration = settings.nodeConfiguration(identity: identity)
        configuration.chain = chain?.start
        chain?.addOperations(to: &configuration, settings)
        do throws(SystemError) {
            loop = try EventLoop()
            host = try NodeHost(
                loop: loop, configuration: configuration, store: StoreBridge(store: store),
                chain: chain?.executor, chainReader: chain?.reader, journal: chain?.journal)
        } catch {
            chain?.close()
            store.close()
            throw Failure("cannot start: \(error)")
        }
    }

    /// A node that runs out of descriptors refuses peers and cannot write; better not to start.
    private static func checkDescriptors(_ settings: RunSettings) throws(Failure) {
        let allowed = ProcessDescriptors.raiseLimit()
        let ofChain = settings.genesis == nil ? 0 : ChainService.chainFilesMax + 96
        let needed = settings.socketCountMax + descriptorsBesidePeers + ofChain
        guard allowed >= needed else {
            throw Failure(
                "\(settings.peerCountMax) peers need \(needed) open files, and this process may "
                    + "have \(allowed): raise the limit (`ulimit -Hn`, or LimitNOFILE= of systemd), "
                    + "or give fewer --\(Setting.maxPeers.name)")
        }
    }

    /// Variables that look like settings and are none.
    func warn(aboutUnknown environment: [String: String]) {
        let names = Setting.allCases.map(\.variable)
        for variable in environment.keys.sorted() where !names.contains(variable) {
            guard let nearest = NearestName.of(variable, among: names) else { continue }
            log.warning(
                "this environment variable is no setting",
                [.variable: LogValue(variable), .nearest: LogValue(nearest)])
        }
    }

    /// Returns when the node has stopped in good order.
    func run() throws(Failure) {
        defer { close() }
        host.onEvent = { [unowned self] event in handle(event) }
        host.onStopped = { [unowned self] in finish() }
        try openAdmin()
        host.onReply = { [unowned self] id, reply, isLast in
            if chain?.take(id, reply) ?? false { return }
            admin?.reply(id, reply, isLast: isLast)
        }
        do throws(SystemError) {
            for signal in [SIGTERM, SIGINT] {
                try loop.onSignal(signal) { [unowned self] in stop(signal) }
            }
        } catch {
            throw Failure("cannot watch for signals: \(error)")
        }
        try openServers()
        try chain?.run(host, on: loop, log: log)
        isStarted = true
        host.start()
        everySecond()
        loop.run()
        if let startFailure { throw startFailure }
    }

    private func openAdmin() throws(Failure) {
        do throws(UnixListenError) {
            admin = try AdminServer(
                on: loop, path: settings.adminSocket,
                submit: { [unowned self] id, command in host.perform(command, as: id) },
                cancel: { [unowned self] id in host.cancel(id) })
        } catch {
            throw Failure("no admin socket: \(error)")
        }
        admin?.onDrop = { [log] reason in
            log.warning("an admin client was dropped", [.reason: LogValue(reason.rawValue)])
        }
    }

    private func openServers() throws(Failure) {
        let metrics = settings.metricsAddress
        let http = settings.httpAddress
        // One address may serve both.
        if let metrics, metrics == http {
            try serve([.metrics, .health, .info], on: metrics, for: .metricsAddress)
            return
        }
        if let metrics { try serve([.metrics, .health], on: metrics, for: .metricsAddress) }
        if let http { try serve([.health, .info], on: http, for: .httpAddress) }
    }

    private func serve(
        _ pages: [TelemetryPage], on address: RunSettings.HostPort, for setting: Setting
    ) throws(Failure) {
        do throws(HTTPServerError) {
            let server = try TelemetryServer(
                address: address.description, board: board, pages: pages)
            servers.append(server)
            log.info(
                "serving HTTP",
                [
                    .address: LogValue(server.address),
                    .paths: LogValue(pages.map(\.rawValue).joined(separator: " ")),
                ])
        } catch {
            throw Failure(
                "cannot serve HTTP: \(error)" + PortHolder.advice(port: address.port, setting))
        }
    }

    /// Publishes what is served for whoever asks within the next second, and writes log lines that
    /// waited.
    private func everySecond() {
        log.flush()
        if !servers.isEmpty { publish() }
        warnWhenAlone()
        chain?.publish(
            host.chainInfo, peerCount: peerCount, isListening: listensOwed <= 0)
        if secondTimer == nil {
            secondTimer = LoopTimer(loop: loop) { [unowned self] in everySecond() }
        }
        secondTimer?.schedule(at: loop.now.advanced(by: .seconds(1)))
    }

    /// An operator with a wrong list of bootnodes should not have to guess.
    private func warnWhenAlone() {
        let bootnodeCount = settings.bootnodes.count { $0.peerID != identity.peerID }
        guard peerCount == 0, bootnodeCount > 0, !isDraining else {
            aloneWarningAt = nil
            return
        }
        let due = aloneWarningAt ?? loop.now.advanced(by: Self.alonePatience.first)
        guard loop.now >= due else {
            aloneWarningAt = due
            return
        }
        aloneWarningAt = loop.now.advanced(by: Self.alonePatience.again)
        log.warning(
            "no peer is connected: do the bootnodes run, and can this machine reach them?",
            [.count: LogValue(bootnodeCount)])
    }

    private func publish() {
        let node = host.metrics()
        let reading = MetricsReading(
            node: node, lag: loop.lag,
            requests: admin?.requestCounters ?? AdminDispatcher.Counters(),
            admin: admin?.counters ?? AdminServer.Counters(),
            adminConnectionCount: admin?.connectionCount ?? 0, store: store.counters,
            chain: host.chainInfo, opinions: chain?.opinionCounters ?? .init([]))
        board.publish(
            NodeMetricsPage.snapshot(reading),
            health: isDraining ? .unhealthy(reason: "the node is stopping") : health.report,
            info: JSONValue.object(node.info.json).text)
    }

    // MARK: Life

    private func handle(_ event: NodeEvent) {
        switch event {
        case .listening:
            listensOwed -= 1
        case .listenFailed(let address, let reason) where listensOwed > 0 && startFailure == nil:
            // An operator who asked for an address must not find a node that nobody can reach.
            startFailure = Failure(
                "cannot listen on \(address): \(reason)"
                    + PortHolder.advice(port: address.tcpEndpoint?.port, .listen))
            loop.stop()
            return
        case .chain(.downloading(_, .failed(let reason))):
            // Nothing will come of it, whoever watches.
            log.log(event)
            startFailure = Failure(reason)
            loop.stop()
            return
        case .peerConnected: peerCount += 1
        case .peerDisconnected: peerCount -= 1
        default: break
        }
        health.note(event)
        log.log(event)
        guard case .started = event else { return }
        ProcessMemory.releaseStartUpPages()
        log.info(
            "node",
            [
                .network: LogValue(settings.networkName),
                .digest: LogValue(Hex.encode(settings.networkDigest)),
                .roles: LogValue(settings.roles.names.joined(separator: ",")),
                .path: LogValue(settings.adminSocket), .processID: LogValue(getpid()),
            ])
    }

    private func stop(_ signal: Int32) {
        guard !isDraining else {
            // Asked twice: whoever asks has no patience left. The database survives kill -9.
            log.warning("a second signal: ending at once")
            log.flush()
            _exit(1)
        }
        isDraining = true
        log.info("draining", [.signal: LogValue(signal == SIGINT ? "SIGINT" : "SIGTERM")])
        let timer = LoopTimer(loop: loop) { [unowned self] in
            log.warning("connections did not drain in time")
            finish()
        }
        timer.schedule(at: loop.now.advanced(by: Self.drainPatience))
        drainTimer = timer
        host.stop()
    }

    private func finish() {
        admin?.close()
        loop.stop()
    }

    private func close() {
        // From here on nobody listens to signals: closing the database may wait for a slow disk, and
        // whoever asks again is not made to wait for it too.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        drainTimer?.close()
        secondTimer?.close()
        for server in servers { server.stop() }
        chain?.stopServing()
        admin?.close()
        host.close()
        loop.close()
        chain?.close()
        store.close()
        if isStarted, startFailure == nil { log.info("stopped") }
        log.flush()
    }
}
