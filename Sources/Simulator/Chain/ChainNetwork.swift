import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Crypto
import Execution
import ExecutorAgent
import Node
import Operations
import PartVerification

/// Whole nodes with a chain: validators, the last honest one without state, and observers.
final class ChainNetwork {
    struct Options {
        /// Followers with state.
        var observers = 1
        /// Validators without state.
        var stateless = 1
        /// Hosts with keys that are no validators at first.
        var candidates = 0
        /// Nil for a chain without operations.
        var operations: OperationParameters?
        /// Followers that execute operations.
        var executors = 0
        /// What is wrong with each of them, by its number.
        var executorFaults: [Int: ExecutorConfiguration.Fault] = [:]
        /// What as many validators as may fail do about parts. In everything else they are honest.
        var partFault: PartConfiguration.Fault?
        /// Validators that lie: fewer than a third.
        var liars = 0
        var lies: [Liar.Lie] = Liar.Lie.allCases
        var epochLength: UInt64 = 16
        /// Whether validators wait as long as nodes are shipped; else a third of it, for more rounds in less time.
        var isPatient = false
        /// Nil: as nodes are shipped.
        var inlineSizeMax: Int?
        /// For tests that checks can fail: a power cut takes what was synced too.
        var losesSynced = false
    }

    let run: ScenarioRun
    let genesis: ChainGenesis
    let book = SignatureBook()
    let network: Network
    /// Those with a key, at first in the set or not.
    private(set) var validators: [HostIndex] = []
    private(set) var candidates: [HostIndex] = []
    private(set) var followers: [HostIndex] = []
    private(set) var executors: [HostIndex] = []
    private(set) var checker: ChainChecker!
    private(set) var honesty: HonestyChecker
    private var liarKeys: Set<SigningKeyBytes> = []

    var simulation: Simulation { run.simulation }

    /// - Parameter run: whose nodes are the validators.
    init(_ run: ScenarioRun, _ options: Options = Options()) {
        self.run = run
        let count = run.parameters.nodes
        genesis = ChainGenesis(
            seed: run.parameters.seed, time: run.simulation.clock.wall, validators: count,
            epochLength: options.epochLength, operations: options.operations)
        network = Network(run)
        honesty = HonestyChecker(network)
        checker = ChainChecker(run, self)
        validators = network.nodes
        for _ in 0..<options.candidates { candidates.append(network.addNode()) }
        followers = (0..<options.observers).map { _ in network.addNode() }
        executors = (0..<options.executors).map { _ in network.addNode() }

        precondition(3 * options.liars < count, "liars are fewer than a third")
        var others = Array(validators.dropFirst())
        run.random.shuffle(&others)
        let liars = Set(others.prefix(options.liars))
        let stateless = Set(
            validators.dropFirst().filter { !liars.contains($0) }.suffix(options.stateless))

        for (number, host) in (validators + candidates).enumerated() {
            let key = ChainGenesis.validatorKey(seed: run.parameters.seed, number: number)
            let files = ValidatorFiles(key: key, network: genesis.parameters.network, book: book)
            files.losesSynced = options.losesSynced
            let chain = attach(host, keepsState: !stateless.contains(host), files, options)
            if liars.contains(host) {
                chain.liar = Liar(
                    key, genesis.parameters, options.lies, seed: run.random.next())
                liarKeys.insert(ChainGenesis.bytes(key))
                network.accuse(host)
            }
        }
        for host in followers { attach(host, keepsState: true, nil, options) }
        for (number, host) in executors.enumerated() {
            let chain = attach(host, keepsState: true, nil, options)
            chain.executes = true
            chain.executorFault = options.executorFaults[number]
            if chain.executorFault != nil { network.accuse(host) }
        }
        if let fault = options.partFault {
            // Not the one that the others find the network by.
            let faulty = others.filter { !liars.contains($0) }.prefix((count - 1) / 3)
            for host in faulty {
                simulation.chain(of: host)?.partFault = fault
                if let files = simulation.chain(of: host)?.files {
                    liarKeys.insert(ChainGenesis.bytes(files.key))
                }
                network.accuse(host)
            }
        }

        simulation.onEvent = { [unowned self] host, event in
            checker.observe(host, event)
            honesty.observe(host, event)
        }
        simulation.onJournal = { [unowned self] _, order in checker.observe(order) }
    }

    @discardableResult
    private func attach(
        _ host: HostIndex, keepsState: Bool, _ files: ValidatorFiles?, _ options: Options
    ) -> HostChain {
        let chain = HostChain(
            genesis.parameters, store: genesis.store(keepsState: keepsState),
            keepsState: keepsState, files: files)
        chain.change = { configuration in
            if !options.isPatient {
                configuration.timing.propose = .milliseconds(1000)
                configuration.timing.prevote = .milliseconds(500)
                configuration.timing.precommit = .milliseconds(500)
                configuration.timing.roundIncrement = .milliseconds(250)
            }
            if let size = options.inlineSizeMax { configuration.limits.inlineSizeMax = size }
        }
        simulation.attach(chain, to: host)
        return chain
    }

    /// Adds a follower that begins at a checkpoint, with an empty store. It is not started.
    func addLate(_ checkpoint: CheckpointID) -> HostIndex {
        let host = network.addNode()
        let chain = HostChain(
            genesis.parameters, store: MemoryChainStore(), keepsState: true, files: nil,
            checkpoint: checkpoint)
        simulation.attach(chain, to: host)
        checker.expect(host, from: checkpoint.height)
        return host
    }

    // MARK: Who

    func isLiar(_ host: HostIndex) -> Bool { network.liars.contains(host) }
    func isLiar(_ key: SigningKeyBytes) -> Bool { liarKeys.contains(key) }

    /// Those that must do what they should.
    var honest: [HostIndex] { network.nodes.filter { !isLiar($0) } }

    var liars: [Liar] { network.liars.sorted().compactMap { simulation.chain(of: $0)?.liar } }

    func height(of host: HostIndex) -> UInt64 { simulation.chain(of: host)?.height ?? 0 }

    // MARK: Story

    /// - Parameter interval: from the first start to the last; nil: 100 ms for each.
    func startAll(over interval: Duration? = nil) {
        network.startAll(over: interval ?? .milliseconds(100) * network.nodes.count)
    }

    /// Starts whoever does not run.
    func startRest() {
        for host in network.nodes where !simulation.isRunning(host) { simulation.start(host) }
    }

    /// Requires that every honest host that runs commits so many more heights than anybody has by now.
    @discardableResult
    func expectProgress(_ name: String, heights: UInt64, within limit: Duration) -> Bool {
        let start = simulation.now
        let target = checker.height + heights
        let hosts = honest.filter(simulation.isRunning)
        let isReached = simulation.run(
            until: { hosts.allSatisfy { height(of: $0) >= target } }, limit: limit,
            every: .milliseconds(50))
        let behind = hosts.filter { height(of: $0) < target }
        run.check(
            name, isReached,
            "height \(target) of \(hosts.count) hosts after "
                + start.duration(to: simulation.now).seconds
                + (behind.isEmpty
                    ? ""
                    : ", not of "
                        + behind.map(state)
                        .joined(separator: ", ")))
        run.measure(name, start.duration(to: simulation.now))
        return isReached
    }

    /// Where a host stands, for whoever asks why it does.
    private func state(of host: HostIndex) -> String {
        let now = simulation.clock
        guard let info = simulation.withNode(host, { $0.chainInfo(now: now) }) ?? nil else {
            return "n\(host.rawValue) (no chain)"
        }
        let status = info.consensus
        let faults = info.counters.faults.values.reduce(0, +)
        return "n\(host.rawValue) (head \(info.head.height), at \(status.height) round "
            + "\(status.round) \(status.phase), \(info.peerCount) peers, highest "
            + "\(info.highest), \(faults) faults, drops \(info.counters.consensusDrops))"
    }

    /// What is true at the end of every story.
    func report() {
        for host in honest { checker.look(at: host) }
        checker.report()
        honesty.report(to: run)
        run.measure("heights", Double(checker.height), "")
        run.measure("transactions", Double(checker.referee.transactionCount), "")
        run.measure("heights after more than one round", Double(checker.roundsBeyondFirst), "")
        run.measure("commit latency, half", checker.latencies.percentile(50))
        run.measure("commit latency, 99 %", checker.latencies.percentile(99))
    }
}

/// Users who send transfers, each the next when it can.
final class TransactionLoad {
    private let network: ChainNetwork
    private var nonces: [UInt64]
    private var movedAt: [MonotonicInstant]
    private var seen: [UInt64]
    private(set) var submitted = 0
    /// Who receives.
    static let target = Address(UInt256(0xCAFE))

    init(_ network: ChainNetwork) {
        self.network = network
        let count = network.genesis.accounts.count
        nonces = Array(repeating: 0, count: count)
        seen = nonces
        movedAt = Array(repeating: .zero, count: count)
    }

    /// Sends a transfer every `interval` for so long.
    func flow(for duration: Duration, every interval: Duration) {
        let count = Int(duration.wholeNanoseconds / max(1, interval.wholeNanoseconds))
        for number in 0..<count {
            network.simulation.after(interval * number) { [self] in sendOne() }
        }
    }

    private func sendOne() {
        let account = network.run.random.below(nonces.count)
        let nonce = next(account)
        give(
            network.genesis.transfer(from: account, nonce: nonce, to: Self.target, value: 7))
    }

    /// The account's next nonce; from where the chain is when nothing has moved for long, because what a
    /// host held is lost with it.
    func next(_ account: Int) -> UInt64 {
        let now = network.simulation.now
        let onChain = network.checker.referee.nonce(
            of: Address(network.genesis.accounts[account].publicKey))
        if onChain != seen[account] || nonces[account] == onChain {
            seen[account] = onChain
            movedAt[account] = now
        } else if movedAt[account].duration(to: now) > .seconds(5) {
            nonces[account] = onChain
            movedAt[account] = now
        }
        nonces[account] = max(nonces[account], onChain)
        defer { nonces[account] += 1 }
        return nonces[account]
    }

    /// Gives a transaction to one of those that take them.
    func give(_ encoding: [UInt8]) {
        let simulation = network.simulation
        let takers = network.honest.filter {
            simulation.isRunning($0) && simulation.chain(of: $0)?.keepsState == true
        }
        guard let host = network.run.random.element(of: takers) else { return }
        submitted += 1
        simulation.command(host, .submitTransaction(encoding), keepsReplies: false)
    }
}
