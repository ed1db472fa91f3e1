public import ChoraleBase
import Crypto

/// What a scenario is run with.
public struct ScenarioParameters: Hashable, Sendable {
    /// Honest nodes at the start.
    public var nodes: Int
    public var seed: UInt64
    /// Virtual time of the scenario's main part; each scenario says which that is.
    public var duration: Duration

    public init(nodes: Int, seed: UInt64, duration: Duration) {
        self.nodes = nodes
        self.seed = seed
        self.duration = duration
    }
}

/// A story with a network in it, and what must hold at its end.
///
/// What must hold is checked from outside: by what nodes report and by the simulator's own books, not
/// by what nodes believe about themselves, except where a sentence is about what a node believes.
public protocol Scenario: Sendable {
    static var name: String { get }
    /// One sentence for a list.
    static var summary: String { get }
    /// What `duration` is, for `--help`.
    static var durationMeaning: String { get }
    /// As the tests of a pull request run it.
    static var defaults: ScenarioParameters { get }
    static var nodesMin: Int { get }

    var parameters: ScenarioParameters { get }

    init(_ parameters: ScenarioParameters)

    func run(in run: ScenarioRun)
}

/// All scenarios, in the order of a list.
public enum Scenarios {
    public static let all: [any Scenario.Type] = [
        MeshScenario.self, DHTScenario.self, BodyScenario.self, FloodScenario.self,
        RestartScenario.self, ChainScenario.self, ChainPartitionScenario.self,
        ChainSilentScenario.self, ChainByzantineScenario.self, ChainAmnesiaScenario.self,
        ChainLockScenario.self, ChainBodiesScenario.self, ChainSkewScenario.self,
        ChainEpochsScenario.self, ChainLatencyScenario.self, ChainCheckpointScenario.self,
        OperationScenario.self, OperationSilentScenario.self, OperationLyingScenario.self,
        OperationExecutorScenario.self, OperationGarbageScenario.self,
        OperationWrongOutputScenario.self, OperationPartitionScenario.self,
        OperationAmnesiaScenario.self, OperationCommitteeScenario.self,
        OperationDisputeScenario.self, OperationLargeScenario.self,
    ]

    public static func named(_ name: String) -> (any Scenario.Type)? {
        all.first { $0.name == name }
    }
}

/// What a scenario found.
public struct ScenarioReport: Sendable {
    public struct Check: Hashable, Sendable {
        public let name: String
        public let passed: Bool
        /// What was seen, in numbers.
        public let detail: String
    }

    public struct Measurement: Hashable, Sendable {
        public let name: String
        public let value: Double
        public let unit: String
    }

    public let scenario: String
    public let parameters: ScenarioParameters
    public internal(set) var checks: [Check] = []
    public internal(set) var measurements: [Measurement] = []
    /// Of the trace.
    public internal(set) var digest: Bytes32 = .zero
    public internal(set) var eventCount: UInt64 = 0
    public internal(set) var virtualTime: Duration = .zero

    public var failures: [Check] { checks.filter { !$0.passed } }

    public var passed: Bool { failures.isEmpty && !checks.isEmpty }
}

/// One run of one scenario: its simulation, and the report as it grows.
public final class ScenarioRun {
    public let parameters: ScenarioParameters
    public let simulation: Simulation
    public internal(set) var report: ScenarioReport
    /// For what the scenario itself chooses.
    var random: DeterministicRandom

    init(
        _ name: String, _ parameters: ScenarioParameters, sink: ((String) -> Void)?,
        onProgress: ((Simulation) -> Void)?
    ) {
        self.parameters = parameters
        simulation = Simulation(seed: parameters.seed, sink: sink)
        simulation.onProgress = onProgress
        report = ScenarioReport(scenario: name, parameters: parameters)
        random = DeterministicRandom(seed: parameters.seed ^ 0x5CE4_A210)
    }

    /// Notes whether something held, and what was seen either way.
    func check(_ name: String, _ holds: Bool, _ detail: String) {
        report.checks.append(.init(name: name, passed: holds, detail: detail))
    }

    func measure(_ name: String, _ value: Double, _ unit: String) {
        report.measurements.append(.init(name: name, value: value, unit: unit))
    }

    func measure(_ name: String, _ duration: Duration) {
        measure(name, Double(duration.wholeNanoseconds) / 1e9, "s")
    }
}

extension Scenario {
    /// Runs it once.
    public func run(
        sink: ((String) -> Void)? = nil, onProgress: ((Simulation) -> Void)? = nil
    ) -> ScenarioReport {
        runOnce(sink: sink, onProgress: onProgress)
    }

    /// Runs it twice, and checks that both runs were the same, byte for byte.
    public func runTwice(
        sink: ((String) -> Void)? = nil, onProgress: ((Simulation) -> Void)? = nil
    ) -> ScenarioReport {
        var first = runOnce(sink: sink, onProgress: onProgress)
        let second = runOnce(sink: nil, onProgress: onProgress)
        let isSame = first.digest == second.digest && first.eventCount == second.eventCount
        first.checks.append(
            .init(
                name: "two runs with one seed are the same", passed: isSame,
                detail: "\(first.eventCount) and \(second.eventCount) events, digests "
                    + "\(Hex.encode(first.digest.bytes.prefix(4))) and "
                    + Hex.encode(second.digest.bytes.prefix(4))))
        return first
    }

    private func runOnce(
        sink: ((String) -> Void)?, onProgress: ((Simulation) -> Void)?
    ) -> ScenarioReport {
        let run = ScenarioRun(Self.name, parameters, sink: sink, onProgress: onProgress)
        // Of its own, as a process would have one; but all hosts share it.
        SignatureMemo().remembering { self.run(in: run) }
        var report = run.report
        report.digest = run.simulation.trace.digest
        report.eventCount = run.simulation.trace.eventCount
        report.virtualTime = MonotonicInstant.zero.duration(to: run.simulation.now)
        run.simulation.close()
        return report
    }
}
