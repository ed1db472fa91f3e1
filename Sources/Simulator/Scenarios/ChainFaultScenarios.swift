import Chain
import ChoraleBase
import Node

/// The network falls apart again and again.
public struct ChainPartitionScenario: Scenario {
    public static let name = "chain-partition"
    public static let summary =
        "the network of a chain is cut in two at random, with loss, again and again; then it heals"
    public static let durationMeaning = "how long it is cut"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = ChainNetwork(run)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        load.flow(for: parameters.duration, every: .milliseconds(500))
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            simulation.conditions.lossPerMille = run.random.below(100)
            if run.random.chance(1, in: 4) {
                simulation.heal()
            } else {
                var sides: [[HostIndex]] = [[], []]
                for host in network.network.nodes {
                    sides[run.random.below(2)].append(host)
                }
                simulation.partition(sides)
            }
            let time = run.random.duration(below: .seconds(6)) + .milliseconds(100)
            simulation.run(until: min(end, simulation.now.advanced(by: time)))
        }
        simulation.heal()
        simulation.conditions.lossPerMille = 0
        // Connections that were cut end by their writers' time limits, 10 s, and are dialed again.
        network.expectProgress(
            "healed, commits go on and all catch up", heights: 4, within: .seconds(60))
        network.report()
    }
}

/// A third says nothing.
public struct ChainSilentScenario: Scenario {
    public static let name = "chain-silent"
    public static let summary =
        "as many validators as may fail are dead for a while; the rest go on without them"
    public static let durationMeaning = "how long they are"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(20))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = ChainNetwork(run)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        var validators = network.validators
        run.random.shuffle(&validators)
        let silent = validators.prefix((parameters.nodes - 1) / 3)
        for host in silent { simulation.kill(host) }
        let before = network.checker.height
        load.flow(for: parameters.duration, every: .milliseconds(500))
        simulation.run(for: parameters.duration)
        // Of n turns to propose, f cost a time limit: a second, and two votes.
        let grown = network.checker.height - before
        let expected = UInt64(parameters.duration.wholeMilliseconds / 1000) / 3
        run.check(
            "the rest commit without them", grown >= expected,
            "\(grown) heights, of \(expected) required")
        for host in silent { simulation.start(host) }
        network.expectProgress(
            "back, they catch up and commits go on", heights: 3, within: .seconds(30))
        network.report()
    }
}

/// Power cuts.
public struct ChainAmnesiaScenario: Scenario {
    public static let name = "chain-amnesia"
    public static let summary =
        "validators lose their power, often in the middle of a write, and what was not synced"
    public static let durationMeaning = "how long that goes on"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters
    /// For a test that the checks can fail: what was synced is lost as well.
    var losesSynced = false

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        var options = ChainNetwork.Options()
        options.losesSynced = losesSynced
        let network = ChainNetwork(run, options)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        load.flow(for: parameters.duration, every: .milliseconds(500))
        let end = simulation.now.advanced(by: parameters.duration)
        var crashes = 0
        func cut(_ host: HostIndex) {
            guard simulation.isRunning(host), simulation.now < end else { return }
            crashes += 1
            simulation.crash(host)
            let pause: Duration = run.random.chance(1, in: 2) ? .milliseconds(300) : .seconds(4)
            simulation.after(run.random.duration(below: pause)) {
                if !simulation.isRunning(host) { simulation.start(host) }
            }
        }
        let observe = simulation.onJournal
        simulation.onJournal = { host, order in
            observe?(host, order)
            guard !order.requests.isEmpty, run.random.chance(1, in: 30) else { return }
            // Before, in the middle of, or soon after the sync.
            simulation.after(run.random.duration(below: .milliseconds(3))) { cut(host) }
        }
        while simulation.now < end {
            if let host = run.random.element(of: network.network.nodes),
                run.random.chance(1, in: 6)
            {
                cut(host)
            }
            if run.random.chance(1, in: 30) { network.network.nodes.forEach(cut) }
            simulation.run(for: .milliseconds(500))
        }
        simulation.onJournal = observe
        simulation.run(for: .seconds(4))
        network.startRest()
        network.expectProgress(
            "with power, commits go on and all catch up", heights: 4, within: .seconds(60))
        run.check("there were power cuts", crashes > 0, "\(crashes)")
        network.report()
    }
}

/// Clocks that are wrong.
public struct ChainSkewScenario: Scenario {
    public static let name = "chain-skew"
    public static let summary = "clocks are up to 2 s wrong, and step"
    public static let durationMeaning = "how long they are"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = ChainNetwork(run)
        let load = TransactionLoad(network)
        func step(_ host: HostIndex) {
            simulation.setClock(
                of: host, ahead: .milliseconds(run.random.integer(in: -2000...2000)))
        }
        network.network.nodes.forEach(step)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        let before = network.checker.height
        load.flow(for: parameters.duration, every: .milliseconds(500))
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            simulation.run(for: run.random.duration(below: .seconds(4)))
            if let host = run.random.element(of: network.network.nodes) { step(host) }
        }
        let grown = network.checker.height - before
        let expected = UInt64(parameters.duration.wholeMilliseconds / 1000) / 2
        run.check(
            "commits go on meanwhile", grown >= expected,
            "\(grown) heights, of \(expected) required")
        for host in network.network.nodes { simulation.setClock(of: host, ahead: .zero) }
        network.expectProgress("with right clocks, all are there", heights: 3, within: .seconds(30))
        network.report()
    }
}
