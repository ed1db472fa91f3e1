import ChoraleTypes
import Testing

@testable import Subproof

/// Machines on a simulated network. What no node can see is checked outside: one verdict signed a proof,
/// no two certificates that differ, nothing wrong certified, nobody slashed without a fault.
@Suite struct SimulationTests {
    static func third(_ count: Int, from start: Int = 0) -> Set<Int> {
        Set((0..<count / 3).map { (start + 3 * $0) % count })
    }

    private func report(_ simulation: PoolSimulation) {
        let tranches = Tranche.allCases.map { simulation.tranches[$0] ?? 0 }
        print(
            "\(simulation.scenario): over after \(simulation.time) ms, tranches \(tranches),",
            "work \(simulation.meanWork) (most \(simulation.mostWork)),",
            "\(simulation.deliveries) deliveries, \(simulation.slashed.count) slashed")
    }

    @Test("100 validators, 64 parts, no faults: each verifies at most 22 parts on average")
    func quiet() {
        let simulation = PoolSimulation(PoolScenario(seed: 1))
        simulation.run()
        report(simulation)
        #expect(simulation.isOver)
        #expect(simulation.meanWork <= 22)
        #expect(simulation.tranches == [.first: 64])
        #expect(simulation.slashed.isEmpty)
    }

    @Test("1,000 validators, 64 parts: each verifies at most 2.3 parts on average")
    func quietThousand() {
        var scenario = PoolScenario(seed: 2, validators: 1000)
        scenario.listeners = 24
        let simulation = PoolSimulation(scenario)
        simulation.run()
        report(simulation)
        #expect(simulation.isOver)
        #expect(simulation.meanWork <= 2.3)
        #expect(simulation.tranches == [.first: 64])
    }

    @Test("100 validators, 64 parts, a silent third and loss: all is certified within the ttl")
    func silentThird() {
        let simulation = PoolSimulation(
            PoolScenario(seed: 3, silent: Self.third(100), lossPercent: 10))
        simulation.run()
        report(simulation)
        #expect(simulation.isOver)
        // About half of the parts find too few in the first tranche (mechanisms, section 5.2).
        #expect((12...52).contains(simulation.tranches[.first] ?? 0))
        #expect(simulation.slashed.isEmpty)
    }

    @Test("100 validators, 64 parts, a lying third: all is certified, and liars are found")
    func lyingThird() {
        let liars = Self.third(100, from: 1)
        let simulation = PoolSimulation(PoolScenario(seed: 4, liars: liars, lossPercent: 5))
        simulation.run()
        report(simulation)
        #expect(simulation.isOver)
        #expect(simulation.slashed == liars)
        // As a silent third costs, and the few parts that are quarrelled about until liars are known;
        // against 64 when everyone verifies everything.
        #expect(simulation.meanWork <= 52)
    }

    @Test("100 validators, a lying third defends a bad proof: it is rejected by everyone")
    func badProof() {
        let simulation = PoolSimulation(
            PoolScenario(seed: 5, parts: 16, liars: Self.third(100), bad: [3, 9], lossPercent: 10))
        simulation.run()
        report(simulation)
        #expect(simulation.isOver)
        #expect(simulation.certificates.values.contains(false))
        #expect(simulation.slashed.isSubset(of: simulation.scenario.liars))
    }

    /// Everything at once, small and often. In sets of 40 the first tranche is most of the validators,
    /// in those of 12 all.
    @Test("faults of every kind, many seeds", arguments: UInt64(0)..<60)
    func manySeeds(seed: UInt64) {
        let count = [12, 40, 70][Int(seed % 3)]
        let faulty = (count - 1) / 3
        var scenario = PoolScenario(seed: 100 + seed, validators: count, parts: 4)
        let all = (0..<count).map { ($0 * 11 + Int(seed)) % count }
        switch seed / 3 % 5 {
        case 0: scenario.silent = Set(all.prefix(faulty))
        case 1: scenario.liars = Set(all.prefix(faulty))
        case 2:
            scenario.liars = Set(all.prefix(faulty))
            scenario.twoFaced = scenario.liars
        case 3:
            scenario.liars = Set(all.prefix(faulty))
            scenario.bad = [1, 2]
        default:
            scenario.liars = Set(all.prefix(faulty / 2))
            scenario.twoFaced = Set(all.prefix(faulty / 4))
            scenario.silent = Set(all.prefix(faulty)).subtracting(scenario.liars)
            scenario.bad = [Int(seed) % 4]
        }
        scenario.lossPercent = Int(seed * 13 % 40)
        scenario.missingPercent = Int(seed * 7 % 30)
        let honest = all.suffix(count - faulty)
        if seed % 2 == 1 { scenario.crashing = Set(honest.prefix(count / 5)) }
        let simulation = PoolSimulation(scenario)
        simulation.run()
        #expect(simulation.isOver, "\(scenario), after \(simulation.time) ms")
        #expect(scenario.crashing.isEmpty || simulation.restarts > 0)
    }

    @Test("who does not know the type of proof abstains, and others are asked", arguments: 0..<4)
    func ignorance(seed: UInt64) {
        let simulation = PoolSimulation(
            PoolScenario(seed: 200 + seed, validators: 60, parts: 6, ignorant: Self.third(60)))
        simulation.run()
        #expect(simulation.isOver)
        #expect(simulation.certificates.values.allSatisfy { $0 })
    }

    @Test("the same scenario gives the same run") func deterministic() {
        func run() -> [Int] {
            let simulation = PoolSimulation(
                PoolScenario(
                    seed: 6, validators: 40, parts: 6, liars: Self.third(40), lossPercent: 20,
                    crashing: [2, 3]))
            simulation.run()
            return [simulation.time, simulation.deliveries]
                + simulation.nodes.map(\.verifications)
        }
        #expect(run() == run())
    }
}
