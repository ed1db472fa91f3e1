import ChoraleBase
import Testing

@testable import Simulator

/// Every scenario, small, with 20 seeds. The first two are run twice, and must be the same byte for
/// byte: what makes two runs differ does so with any seed.
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

    private func run(_ scenario: some Scenario) -> ScenarioReport {
        scenario.parameters.seed <= 2 ? scenario.runTwice() : scenario.run()
    }

    @Test(arguments: UInt64(1)...20)
    func meshOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(12))
        expectPassed(run(MeshScenario(parameters)))
    }

    @Test(arguments: UInt64(1)...20)
    func dhtOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(120))
        var scenario = DHTScenario(parameters)
        // An hour's churn in two minutes: three of 16 nodes.
        scenario.churnPercent = 20 * 30
        expectPassed(run(scenario))
    }

    @Test(arguments: UInt64(1)...20)
    func bodyAmong12(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 12, seed: seed, duration: .seconds(60))
        expectPassed(run(BodyScenario(parameters)))
    }

    @Test(arguments: UInt64(1)...20)
    func floodOf12(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 12, seed: seed, duration: .seconds(20))
        expectPassed(run(FloodScenario(parameters)))
    }

    @Test(arguments: UInt64(1)...20)
    func restartOf16(seed: UInt64) {
        let parameters = ScenarioParameters(nodes: 16, seed: seed, duration: .seconds(20))
        expectPassed(run(RestartScenario(parameters)))
    }

    @Test func dhtOf20ForAnHour() {
        let parameters = ScenarioParameters(nodes: 20, seed: 1, duration: .seconds(3600))
        expectPassed(DHTScenario(parameters).run())
    }

    @Test func meshOf200() { expectPassed(MeshScenario(MeshScenario.defaults).run()) }

    @Test func bodyAmong200() { expectPassed(BodyScenario(BodyScenario.defaults).run()) }

    // MARK: That checks can fail

    private func failedChecks(_ scenario: some Scenario) -> [String] {
        scenario.run().failures.map(\.name)
    }

    @Test func aNetworkThatStaysCutIsFoundOut() {
        var scenario = MeshScenario(
            ScenarioParameters(nodes: 16, seed: 1, duration: .seconds(12)))
        scenario.heals = false
        #expect(
            failedChecks(scenario) == [
                "sockets lead from everybody to everybody again",
                "within 20 heartbeats the meshes of both halves are one",
                "everybody hears what half 1 says after the partition",
                "everybody hears what half 2 says after the partition",
            ])
    }

    /// Sockets are not enough: both halves have full meshes, and stay two. (With most other seeds one
    /// side lacks outbound links somewhere, and that joins them after all.)
    @Test func meshesThatStayTwoAreFoundOut() {
        var scenario = MeshScenario(
            ScenarioParameters(nodes: 40, seed: 36, duration: .seconds(12)))
        scenario.regrafts = false
        #expect(
            failedChecks(scenario) == ["within 20 heartbeats the meshes of both halves are one"])
    }

    @Test func aBodyThatNobodyOffersLaterIsMissed() {
        var scenario = BodyScenario(
            ScenarioParameters(nodes: 12, seed: 1, duration: .seconds(60)))
        scenario.offersMissed = false
        #expect(
            failedChecks(scenario) == [
                "nodes that were down get the body", "nodes that were cut off get the body",
            ])
    }
}
