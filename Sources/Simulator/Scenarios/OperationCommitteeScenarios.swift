import ChoraleBase
import ExecutorAgent
import Node
import Operations
import PartVerification

/// Operations that no proof fits.
public struct OperationCommitteeScenario: Scenario {
    public static let name = "operations-committee"
    public static let summary =
        "inferences without proofs: a committee executes them again, and its word is final after eight heights"
    public static let durationMeaning = "over how long the requests come"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(6))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        OperationStories.judged(run, nil, within: .seconds(20))
    }
}

/// A third names other outputs.
public struct OperationDisputeScenario: Scenario {
    public static let name = "operations-dispute"
    public static let summary =
        "inferences without proofs, and as many validators as may fail name other outputs, or with even seeds nothing"
    public static let durationMeaning = "over how long the requests come"
    public static let defaults = ScenarioParameters(nodes: 7, seed: 1, duration: .seconds(6))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let fault: PartConfiguration.Fault =
            parameters.seed.isMultiple(of: 2) ? .silent : .rejecting
        OperationStories.judged(run, fault, within: .seconds(40))
    }
}

extension OperationStories {
    /// Three requests for a committee.
    static func judged(
        _ run: ScenarioRun, _ fault: PartConfiguration.Fault?, within limit: Duration
    ) {
        var options = OperationNetwork.Options()
        options.kind = 2
        options.partFault = fault
        let network = OperationNetwork(run, .tiny(parts: 4), options)
        guard network.begin() else { return }
        let duration = run.parameters.duration
        for number in 0..<3 {
            run.simulation.after(duration / 3 * number) { network.request() }
        }
        run.simulation.run(for: duration)
        // Two heights to be elected, one to be committed, one for votes, one for the certificate, eight, one to settle.
        network.expectSettled("all is settled by committees' words", within: limit)
        let slashed = network.checker.slashedValidators.count
        run.check(
            "who names another output is slashed, and only who does",
            (fault == .rejecting) == (slashed > 0), "\(slashed) validators")
        run.measure("disputes in blocks", Double(network.checker.disputeCount), "")
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(10))
        network.report()
    }
}
