import ChoraleBase
import Execution
import Node

/// Nothing goes wrong.
public struct ChainScenario: Scenario {
    public static let name = "chain"
    public static let summary =
        "validators, one of them stateless, and an observer commit blocks with transactions"
    public static let durationMeaning = "how long transactions flow"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(15))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let network = ChainNetwork(run)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        let before = network.checker.height
        load.flow(for: parameters.duration, every: .milliseconds(150))
        run.simulation.run(for: parameters.duration)
        // A height a second, but for one under way.
        let expected = UInt64(parameters.duration.wholeMilliseconds / 1000)
        let grown = network.checker.height - before
        run.check(
            "a block every second, with no prover in the network",
            grown + 1 >= expected && grown <= expected + 2,
            "\(grown) in \(expected) s")
        network.expectProgress("everybody is there", heights: 3, within: .seconds(10))
        let referee = network.checker.referee
        let received = referee.balance(of: TransactionLoad.target)
        run.check(
            "every transaction arrives",
            referee.transactionCount == load.submitted
                && received == UInt256(UInt64(7 * load.submitted)),
            "\(referee.transactionCount) of \(load.submitted), \(received) wei")
        // The first heights may: not all have started.
        run.check(
            "no height takes more than one round, whoever proposes",
            network.checker.roundsBeyondFirst <= 2,
            "\(network.checker.roundsBeyondFirst) of \(network.checker.height)")
        network.report()
    }
}

/// Many validators and slow links.
public struct ChainLatencyScenario: Scenario {
    public static let name = "chain-latency"
    public static let summary = "validators with links of 50 ms: from proposal to commit"
    public static let durationMeaning = "how long is measured"
    public static let defaults = ScenarioParameters(nodes: 100, seed: 1, duration: .seconds(3))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let link = Duration.milliseconds(50)
        run.simulation.conditions.latency = link
        run.simulation.conditions.jitter = .milliseconds(2)
        var options = ChainNetwork.Options()
        options.observers = 0
        options.epochLength = 64
        let network = ChainNetwork(run, options)
        // Quickly, because every height costs n² votes: half a minute of them is of no use.
        network.startAll(over: .milliseconds(20) * parameters.nodes)
        run.simulation.run(for: .milliseconds(20) * parameters.nodes)
        // With that every host has a mesh, and what it had missed.
        network.expectProgress("the chain begins", heights: 3, within: .seconds(60))
        network.checker.forgetLatencies()
        run.simulation.run(for: parameters.duration)
        network.expectProgress("everybody is there", heights: 1, within: .seconds(10))
        // A proposal, two votes, and one hop more for those who are no neighbours of who says it first.
        let limit = link * 4 + .milliseconds(100)
        for percent in [50, 99] {
            let latency = network.checker.latencies.percentile(percent)
            run.check(
                "\(percent) % of commits come within four links and 100 ms of their proposal",
                latency <= limit, "\(latency.seconds) of \(limit.seconds)")
        }
        network.report()
    }
}
