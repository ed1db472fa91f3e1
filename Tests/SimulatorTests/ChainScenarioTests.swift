import ChoraleBase
import Foundation
import Testing

@testable import Simulator

/// Chains under every fault, with 25 seeds each: 225 runs. The first two seeds are run twice, and must be the
/// same byte for byte.
@Suite struct ChainScenarioTests {
    private func expectPassed(_ scenario: some Scenario) throws {
        let report = scenario.parameters.seed <= 2 ? scenario.runTwice() : scenario.run()
        #expect(!report.checks.isEmpty)
        guard !report.failures.isEmpty else { return }
        // The same again, to look at: `chorale-sim replay` takes it.
        let directory =
            ProcessInfo.processInfo.environment["CHORALE_TRACES"]
            ?? FileManager.default.temporaryDirectory.path
        let path = "\(directory)/\(report.scenario)-\(report.parameters.seed).trace"
        var lines = [TraceHeader(scenario: report.scenario, parameters: report.parameters).line]
        _ = scenario.run(sink: { lines.append($0) })
        try (lines.joined(separator: "\n") + "\n").write(
            toFile: path, atomically: true, encoding: .utf8)
        for check in report.failures {
            Issue.record(
                """
                \(report.scenario), \(report.parameters.nodes) nodes, \
                seed \(report.parameters.seed): \(check.name): \(check.detail) (trace: \(path))
                """)
        }
    }

    /// Seven validators now and then.
    private func parameters(_ seed: UInt64, seconds: Int, sometimes: Int = 4) -> ScenarioParameters
    {
        ScenarioParameters(
            nodes: seed % 5 == 0 ? sometimes : 4, seed: seed, duration: .seconds(seconds))
    }

    @Test(arguments: UInt64(1)...25) func chain(seed: UInt64) throws {
        try expectPassed(ChainScenario(parameters(seed, seconds: 8, sometimes: 7)))
    }

    @Test(arguments: UInt64(1)...25) func partition(seed: UInt64) throws {
        try expectPassed(ChainPartitionScenario(parameters(seed, seconds: 20)))
    }

    @Test(arguments: UInt64(1)...25) func silentThird(seed: UInt64) throws {
        try expectPassed(ChainSilentScenario(parameters(seed, seconds: 12, sometimes: 7)))
    }

    @Test(arguments: UInt64(1)...25) func lyingThird(seed: UInt64) throws {
        try expectPassed(ChainByzantineScenario(parameters(seed, seconds: 20, sometimes: 7)))
    }

    @Test(arguments: UInt64(1)...25) func amnesia(seed: UInt64) throws {
        try expectPassed(ChainAmnesiaScenario(parameters(seed, seconds: 20)))
    }

    @Test(arguments: UInt64(1)...25) func locks(seed: UInt64) throws {
        try expectPassed(ChainLockScenario(parameters(seed, seconds: 30, sometimes: 7)))
    }

    @Test(arguments: UInt64(1)...25) func bodies(seed: UInt64) throws {
        try expectPassed(ChainBodiesScenario(parameters(seed, seconds: 12)))
    }

    @Test(arguments: UInt64(1)...25) func skew(seed: UInt64) throws {
        try expectPassed(ChainSkewScenario(parameters(seed, seconds: 15)))
    }

    @Test(arguments: UInt64(1)...25) func epochs(seed: UInt64) throws {
        try expectPassed(ChainEpochsScenario(parameters(seed, seconds: 40)))
    }

    @Test(arguments: UInt64(1)...25) func checkpoint(seed: UInt64) throws {
        try expectPassed(ChainCheckpointScenario(parameters(seed, seconds: 18)))
    }

    /// A hundred validators, once: every height is 20,000 votes for each to see. The first seeds would be run twice.
    ///
    /// Its limit of time is no trait: that makes a task of its own, which begins after all other tests, and this one,
    /// the longest, would then keep one core busy alone.
    @Test func latencyOfAHundred() throws {
        let began = ContinuousClock.now
        let scenario = ChainLatencyScenario(
            ScenarioParameters(
                nodes: 100, seed: 3, duration: ChainLatencyScenario.defaults.duration))
        let report = scenario.run()
        #expect(report.failures.isEmpty, "\(report.failures)")
        #expect(began.duration(to: .now) < .seconds(600))
        for measurement in report.measurements where measurement.name.hasPrefix("commit latency") {
            print("100 validators, 50 ms links: \(measurement.name): \(measurement.value) s")
        }
    }

    // MARK: That checks can fail

    /// Signatures and records that were synced are lost with the power: sooner or later somebody signs twice.
    @Test func aDiskThatLosesWhatWasSyncedIsFoundOut() {
        let name = "no honest validator signed two messages for one place"
        let isFound = (UInt64(1)...20).contains { seed in
            var scenario = ChainAmnesiaScenario(parameters(seed, seconds: 30))
            scenario.losesSynced = true
            return scenario.run().failures.contains { $0.name == name }
        }
        #expect(isFound)
    }
}
