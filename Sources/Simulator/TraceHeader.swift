import ChoraleBase

/// The first line of a trace file: how to run the same again.
public struct TraceHeader {
    public let scenario: String
    public let parameters: ScenarioParameters

    public init(scenario: String, parameters: ScenarioParameters) {
        self.scenario = scenario
        self.parameters = parameters
    }

    public var line: String {
        "# chorale-sim trace 1 scenario=\(scenario) nodes=\(parameters.nodes) "
            + "seed=\(parameters.seed) duration_ms=\(parameters.duration.wholeMilliseconds)"
    }

    /// Nil for a line that is none.
    public init?(_ line: String) {
        let prefix = "# chorale-sim trace 1 "
        guard line.hasPrefix(prefix) else { return nil }
        var fields: [String: String] = [:]
        for word in line.dropFirst(prefix.count).split(separator: " ") {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            fields[String(parts[0])] = String(parts[1])
        }
        guard let scenario = fields["scenario"], let nodes = fields["nodes"].flatMap(Int.init),
            let seed = fields["seed"].flatMap(UInt64.init),
            let duration = fields["duration_ms"].flatMap(Int64.init), duration > 0
        else { return nil }
        self.scenario = scenario
        parameters = ScenarioParameters(
            nodes: nodes, seed: seed, duration: .milliseconds(duration))
    }
}
