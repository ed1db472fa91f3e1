import ChoraleBase
import Simulator
import Testing

/// Every scenario, small, with 20 seeds; each seed is run twice.
@Suite struct ScenarioTests {
    private func expectPassed(_ report: ScenarioReport) {
        #expect(!report.checks.isEmpty)
        for check in report.failures {
            Issue.record(
                """
                \(report.scenario), \(report.parameters.nodes) nodes, \
                seed \(report.parameters.seed): \(check.name): \(check.detail)
                """)
        }
    }

    @Test(arguments: UInt64(1)...20)
    func meshOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(12))
        expectPassed(MeshScenario(parameters).runTwice())
    }

    @Test(arguments: UInt64(1)...20)
    func dhtOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(120))
        expectPassed(DHTScenario(parameters).runTwice())
    }

    @Test(arguments: UInt64(1)...20)
    func bodyAmong12(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 12, seed: seed, duration: .seconds(60))
        expectPassed(BodyScenario(parameters).runTwice())
    }

    @Test(arguments: UInt64(1)...20)
    func floodOf12(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 12, seed: seed, duration: .seconds(20))
        expectPassed(FloodScenario(parameters).runTwice())
    }

    @Test(arguments: UInt64(1)...20)
    func restartOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(20))
        expectPassed(RestartScenario(parameters).runTwice())
    }

    @Test func meshOf160() { expectPassed(MeshScenario(MeshScenario.defaults).run()) }

    @Test func bodyAmong200() { expectPassed(BodyScenario(BodyScenario.defaults).run()) }
}
