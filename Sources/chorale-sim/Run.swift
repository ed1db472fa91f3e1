import ArgumentParser
import ChoraleBase
import Foundation
import Simulator

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs a scenario twice per seed and checks what must hold.",
        discussion: """
            Examples:
              chorale-sim run --scenario dht --seeds 1..20
              chorale-sim run --scenario mesh --nodes 1000 --once
              chorale-sim run --scenario flood --seed 7 --trace flood-7.trace
            """)

    @Option(help: "Which scenario; see `chorale-sim list`.")
    var scenario: String

    @Option(help: "Honest nodes at the start; the scenario's default otherwise.")
    var nodes: Int?

    @Option(help: "The seed that everything random comes from.")
    var seed: UInt64?

    @Option(help: "Several seeds, one run each, for example 1..20.")
    var seeds: SeedRange?

    @Option(help: "Virtual time of the scenario's main part, for example 90s, 10m or 1h.")
    var until: VirtualTime?

    @Flag(help: "One run per seed, without the second that proves both the same.")
    var once = false

    @Flag(help: "One JSON object per seed on standard output.")
    var json = false

    @Option(help: "Writes what happened, a line an event, for `chorale-sim replay`.")
    var trace: String?

    func validate() throws {
        guard let type = Scenarios.named(scenario) else {
            let names = Scenarios.all.map { $0.name }.joined(separator: ", ")
            throw ValidationError("no scenario is called `\(scenario)`: use one of \(names)")
        }
        if let nodes, nodes < type.nodesMin || nodes > 10_000 {
            throw ValidationError(
                "`--nodes \(nodes)` is not in \(type.nodesMin)...10000 for \(scenario)")
        }
        if seed != nil, seeds != nil {
            throw ValidationError("give either --seed or --seeds")
        }
        if trace != nil, let seeds, seeds.range.count > 1 {
            throw ValidationError("--trace writes one run: give one seed")
        }
    }

    func run() throws {
        guard let type = Scenarios.named(scenario) else { return }
        var failedSeeds: [UInt64] = []
        for seed in seeds?.range ?? (seed ?? type.defaults.seed)...(seed ?? type.defaults.seed) {
            let parameters = ScenarioParameters(
                nodes: nodes ?? type.defaults.nodes, seed: seed,
                duration: until?.duration ?? type.defaults.duration)
            if try !runOne(type.init(parameters), parameters) { failedSeeds.append(seed) }
        }
        guard failedSeeds.isEmpty else {
            let list = failedSeeds.map(String.init).joined(separator: ", ")
            throw ScenarioFailed(message: "\(scenario) failed with seed \(list)")
        }
    }

    private func runOne(_ scenario: any Scenario, _ parameters: ScenarioParameters) throws -> Bool {
        let progress = Progress(name: self.scenario, seed: parameters.seed)
        var writer: TraceWriter?
        if let trace {
            writer = try TraceWriter(
                path: trace, header: TraceHeader(scenario: self.scenario, parameters: parameters))
        }
        var sink: ((String) -> Void)?
        if let writer { sink = { writer.write($0) } }
        let report =
            once
            ? scenario.run(sink: sink, onProgress: progress.show)
            : scenario.runTwice(sink: sink, onProgress: progress.show)
        try writer?.finish()
        progress.finish()
        print(json ? Self.json(report) : Self.table(report, wall: progress.elapsed))
        return report.passed
    }

    // MARK: Words

    static func table(_ report: ScenarioReport, wall: Double) -> String {
        var lines = [
            "\(report.scenario): \(report.parameters.nodes) nodes, seed \(report.parameters.seed), "
                + "\(report.virtualTime.wholeMilliseconds / 1000) s of virtual time, "
                + "\(report.eventCount) events, trace \(Hex.encode(report.digest.bytes.prefix(8)))"
                + ", \(number(wall)) s of real time"
        ]
        for check in report.checks {
            lines.append("  \(check.passed ? "ok    " : "FAILED") \(check.name): \(check.detail)")
        }
        for measurement in report.measurements {
            lines.append(
                "         \(measurement.name): \(number(measurement.value)) \(measurement.unit)")
        }
        return lines.joined(separator: "\n")
    }

    private static func number(_ value: Double) -> String {
        value.rounded() == value ? "\(Int(value))" : String(format: "%.3f", value)
    }

    static func json(_ report: ScenarioReport) -> String {
        let object: [String: Any] = [
            "scenario": report.scenario, "nodes": report.parameters.nodes,
            "seed": report.parameters.seed,
            "duration_ms": report.parameters.duration.wholeMilliseconds,
            "virtual_time_ms": report.virtualTime.wholeMilliseconds,
            "events": report.eventCount, "digest": report.digest.description,
            "passed": report.passed,
            "checks": report.checks.map {
                ["name": $0.name, "passed": $0.passed, "detail": $0.detail] as [String: Any]
            },
            "measurements": report.measurements.map {
                ["name": $0.name, "value": $0.value, "unit": $0.unit] as [String: Any]
            },
        ]
        let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
        return String(decoding: data ?? Data("{}".utf8), as: UTF8.self)
    }
}

/// `A..B`, both included.
struct SeedRange: ExpressibleByArgument {
    let range: ClosedRange<UInt64>

    init?(argument: String) {
        let parts = argument.components(separatedBy: "..")
        guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]),
            first <= last, last - first < 100_000
        else { return nil }
        range = first...last
    }
}

/// `90s`, `10m`, `1h` or plain seconds.
struct VirtualTime: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600]
        let unit = argument.last.flatMap { units[$0] }
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard let count = Int64(digits), (1...1_000_000).contains(count) else { return nil }
        duration = .seconds(count * (unit ?? 1))
    }
}
