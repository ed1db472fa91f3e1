import ChoraleBase
import Testing

@testable import Simulator

/// Chains under every fault, with 25 seeds each: 225 runs. The first two seeds are run twice, and must be the
/// same byte for byte.
@Suite struct ChainScenarioTests {
    /// Seven validators now and then.
    private func parameters(_ seed: UInt64, seconds: Int, sometimes: Int = 4) -> ScenarioParameters
    {
        ScenarioParameters(
            nodes: seed % 5 == 0 ? sometimes : 4, seed: seed, duration: .seconds(seconds))
    }

    @Test(arguments: UInt64(1)...25) func chain(seed: UInt64) throws {
        try ChainScenario(parameters(seed, seconds: 8, sometimes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func partition(seed: UInt64) throws {
        try ChainPartitionScenario(parameters(seed, seconds: 20)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func silentThird(seed: UInt64) throws {
        try ChainSilentScenario(parameters(seed, seconds: 12, sometimes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func lyingThird(seed: UInt64) throws {
        try ChainByzantineScenario(parameters(seed, seconds: 20, sometimes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func amnesia(seed: UInt64) throws {
        try ChainAmnesiaScenario(parameters(seed, seconds: 20)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func locks(seed: UInt64) throws {
        try ChainLockScenario(parameters(seed, seconds: 30, sometimes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func bodies(seed: UInt64) throws {
        try ChainBodiesScenario(parameters(seed, seconds: 12)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func skew(seed: UInt64) throws {
        try ChainSkewScenario(parameters(seed, seconds: 15)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func epochs(seed: UInt64) throws {
        try ChainEpochsScenario(parameters(seed, seconds: 40)).expectPassed()
    }

    @Test(arguments: UInt64(1)...25) func checkpoint(seed: UInt64) throws {
        try ChainCheckpointScenario(parameters(seed, seconds: 18)).expectPassed()
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
