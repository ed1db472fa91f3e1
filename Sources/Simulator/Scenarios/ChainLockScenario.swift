import Chain
import ChoraleBase
import ChoraleTypes
import Consensus
import Node

/// Faults at the instants at which validators lock.
public struct ChainLockScenario: Scenario {
    public static let name = "chain-locks"
    public static let summary =
        "messages are late, and power is cut, just when some validators have locked and others have not"
    public static let durationMeaning = "how long that goes on"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters
    /// For tests that the checks can fail: a power cut takes what was synced too.
    var losesSynced = false
    /// For such tests: called after whatever a host has taken in or let out.
    var onTurn: (@Sendable (Simulation, HostIndex) -> Void)?

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        var options = ChainNetwork.Options()
        // Whoever hears everything would pass it on.
        options.observers = 0
        options.stateless = 0
        options.losesSynced = losesSynced
        let network = ChainNetwork(run, options)
        if let onTurn { simulation.onTurn = { [unowned simulation] in onTurn(simulation, $0) } }
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        load.flow(for: parameters.duration, every: .milliseconds(500))

        let plotter = Plotter(network)
        simulation.run(for: parameters.duration)
        plotter.stop()
        network.startRest()
        network.expectProgress(
            "left alone, commits go on and all are there", heights: 4, within: .seconds(60))
        let ended = plotter.ended
        run.check(
            "validators were locked while others were not",
            ended.contains { !$0.locked.isEmpty && $0.locked.count < network.validators.count },
            "in \(ended.count) heights")
        run.measure("plots", Double(ended.count), "")
        run.measure("commits that nobody else knew of", Double(ended.count { $0.wasAlone }), "")
        network.report()
    }
}

/// Starts a plot with the proposal of a height, and after it has ended, the next.
private final class Plotter {
    private let network: ChainNetwork
    private var plot: LockPlot?
    private(set) var ended: [LockPlot] = []
    private var nextHeight: UInt64 = 0
    private var isStopped = false

    init(_ network: ChainNetwork) {
        self.network = network
        let simulation = network.simulation
        let onJournal = simulation.onJournal
        simulation.onJournal = { [weak self] host, order in
            onJournal?(host, order)
            self?.observe(host, order)
        }
        let onEvent = simulation.onEvent
        simulation.onEvent = { [weak self] host, event in
            onEvent?(host, event)
            switch event {
            case .chain(.committed(let report)):
                self?.plot?.observe(host, committed: report.height)
            case .chain(.consensus(.roundStarted(let height, let round, _))):
                self?.plot?.observe(host, round: round, of: height)
            default: break
            }
        }
    }

    private func observe(_ host: HostIndex, _ order: JournalOrder) {
        for case .proposal(let content) in order.requests
        where content.round == 0 && content.height >= nextHeight && plot == nil && !isStopped {
            let aim = network.run.random.element(of: LockPlot.Aim.allCases) ?? .alone
            let cutRound = network.run.random.element(of: [nil, 0, 1] as [UInt32?]) ?? nil
            plot = LockPlot(
                network, height: content.height, proposer: host, aim: aim, cutRound: cutRound
            ) { [weak self] in self?.end() }
        }
        plot?.observe(host, order)
    }

    private func end() {
        guard let plot else { return }
        ended.append(plot)
        self.plot = nil
        nextHeight = network.checker.height + 1
    }

    func stop() {
        isStopped = true
        plot?.end()
    }
}
