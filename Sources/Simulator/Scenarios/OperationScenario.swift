import ChoraleBase
import ExecutorAgent
import Node
import Operations
import PartVerification

/// Nothing goes wrong.
public struct OperationScenario: Scenario {
    public static let name = "operations"
    public static let summary =
        "a user asks for inferences: executors prove them in parts, validators verify their shares"
    public static let durationMeaning = "over how long the requests come"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(6))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters
    /// What is asked for; a small one otherwise.
    var model = OperationModel.tiny(parts: 4)

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let network = OperationNetwork(run, model)
        guard network.begin() else { return }
        for number in 0..<3 {
            run.simulation.after(parameters.duration / 3 * number) { network.request() }
        }
        run.simulation.run(for: parameters.duration)
        // Two heights to be elected, one to be committed, one for votes, one for certificates, one to settle.
        network.expectSettled("all is settled while nothing is wrong", within: .seconds(12))
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(10))
        network.report()
    }
}

/// A third says nothing of parts.
public struct OperationSilentScenario: Scenario {
    public static let name = "operations-silent"
    public static let summary =
        "as many validators as may fail verify nothing; the rest certify without them"
    public static let durationMeaning = "over how long the requests come"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(6))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        OperationStories.faulty(run, .silent, parts: 4)
    }
}

/// A third says that every proof is bad.
public struct OperationLyingScenario: Scenario {
    public static let name = "operations-lying"
    public static let summary =
        "as many validators as may fail say that every proof is bad; everybody verifies, and finds them out"
    public static let durationMeaning = "over how long the requests come"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(6))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        OperationStories.faulty(run, .rejecting, parts: 4)
    }
}

/// Many validators, as many parts as an operation may have, a third of the validators faulty.
public struct OperationLargeScenario: Scenario {
    public static let name = "operations-large"
    public static let summary =
        "100 validators and an operation of 64 parts; a third is silent, or with even seeds lies"
    public static let durationMeaning = "how long settling may take"
    public static let defaults = ScenarioParameters(nodes: 100, seed: 1, duration: .seconds(60))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        var options = OperationNetwork.Options()
        options.partFault = parameters.seed.isMultiple(of: 2) ? .rejecting : .silent
        let network = OperationNetwork(run, .tiny(parts: 64), options) { $0.epochLength = 64 }
        // Quickly, because every height costs n² votes.
        guard network.begin(over: .milliseconds(20) * parameters.nodes, within: .seconds(60)) else {
            return
        }
        network.request(ttl: 120)
        network.expectSettled("settled without a third", within: parameters.duration)
        network.chain.expectProgress("everybody is there", heights: 1, within: .seconds(10))
        network.report()
    }
}

enum OperationStories {
    /// Three requests, while as many validators as may fail are wrong about parts.
    static func faulty(_ run: ScenarioRun, _ fault: PartConfiguration.Fault, parts: Int) {
        var options = OperationNetwork.Options()
        options.partFault = fault
        let network = OperationNetwork(run, .tiny(parts: parts), options)
        guard network.begin() else { return }
        let duration = run.parameters.duration
        for number in 0..<3 {
            run.simulation.after(duration / 3 * number) { network.request() }
        }
        run.simulation.run(for: duration)
        // As above, and up to twice 4 s until everybody is asked.
        network.expectSettled("all is settled in spite of a third", within: .seconds(24))
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(10))
        network.report()
    }
}
