import ChoraleBase
import ChoraleTypes
import Testing

@testable import Consensus

@Suite struct SimulationTests {
    static func run(_ scenario: Scenario) -> Simulation {
        let simulation = Simulation(scenario)
        simulation.run()
        let faults = simulation.truth.faults
        #expect(faults.isEmpty, "\(scenario.testDescription): \(faults)")
        return simulation
    }

    static let quiet = Scenario(name: "nothing wrong", faultsUntil: 2000)

    @Test(arguments: quiet.seeded(0..<3)) func withoutFaultsEveryRoundIsTheFirst(
        _ scenario: Scenario
    ) {
        let simulation = Self.run(scenario)
        // About six links of 20 ms a height.
        #expect(simulation.nodes[0].chain.count >= 10)
        #expect(simulation.nodes[0].chain.allSatisfy { $0.round == 0 })
        #expect(simulation.truth.evidence.isEmpty)
    }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "loss, reordering, duplicates", count: count, dropsPer1000: 150,
                duplicatesPer1000: 100
            ).seeded(0..<12)
        }) func survivesLoss(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(name: "partitions", count: count, partitions: true).seeded(0..<12)
        }) func survivesPartitions(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(name: "a silent third", count: count, silent: Set(0..<(count - 1) / 3))
                .seeded(0..<6)
        }) func survivesASilentThird(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    static let faults: [(String, Scenario.Fault)] = [
        ("equivocating proposer", .equivocatingProposer),
        ("equivocating voter", .equivocatingVoter), ("liar", .liar), ("withholder", .withholder),
        ("round flooder", .roundFlooder), ("amnesiac", .amnesiac),
    ]

    @Test(
        arguments: [4, 7].flatMap { count in
            faults.flatMap { name, fault in
                Scenario(
                    name: name, count: count, dropsPer1000: 50, partitions: true,
                    faulty: Dictionary(
                        uniqueKeysWithValues: (0..<(count - 1) / 3).map { ($0 * 2, fault) })
                ).seeded(0..<6)
            }
        }) func survivesAFaultyThird(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "crashes with loss of what was not synced", count: count, dropsPer1000: 50,
                crashesPer1000: 40
            ).seeded(0..<12)
        }) func survivesCrashes(_ scenario: Scenario)
    {
        let simulation = Self.run(scenario)
        #expect(simulation.crashes > 0)
    }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "crashes in partitions", count: count, dropsPer1000: 100, partitions: true,
                crashesPer1000: 40
            ).seeded(0..<8)
        }) func survivesCrashesInPartitions(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "clocks off by 2 s", count: count, dropsPer1000: 30, crashesPer1000: 10,
                clockSkew: 2000
            ).seeded(0..<5)
        }) func survivesClockSkew(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "sets that change", count: count,
                stakes: (0..<UInt64(count)).map { 1 + $0 % 3 },
                dropsPer1000: 50, crashesPer1000: 10, epochLength: 3
            ).seeded(0..<6)
        }) func survivesChangesOfTheSet(_ scenario: Scenario)
    {
        let simulation = Self.run(scenario)
        #expect(simulation.truth.blocks.count > 6)
    }

    @Test(
        arguments: [4, 7].flatMap { count in
            Scenario(
                name: "everything at once", count: count, dropsPer1000: 80, duplicatesPer1000: 50,
                partitions: true, crashesPer1000: 15, clockSkew: 2000,
                faulty: count == 4
                    ? [1: .equivocatingVoter] : [1: .equivocatingVoter, 4: .equivocatingProposer]
            ).seeded(0..<15)
        }) func survivesEverythingAtOnce(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test(
        arguments: Scenario(
            name: "with signatures", signs: true, dropsPer1000: 30, crashesPer1000: 10,
            faulty: [3: .equivocatingVoter], faultsUntil: 1000
        ).seeded(0..<3)) func survivesWithRealSignatures(_ scenario: Scenario)
    {
        let simulation = Self.run(scenario)
        #expect(!simulation.truth.evidence.isEmpty)
    }

    @Test(
        arguments: Scenario(
            name: "a hundred", count: 100, dropsPer1000: 20, latency: 40...60,
            faulty: [5: .equivocatingProposer, 17: .equivocatingVoter, 50: .roundFlooder],
            faultsUntil: 600, heightsAfter: 1
        ).seeded(0..<3)) func aHundredValidatorsAgree(_ scenario: Scenario)
    { _ = Self.run(scenario) }

    @Test func equivocationIsFound() {
        for fault in [Scenario.Fault.equivocatingVoter, .equivocatingProposer] {
            let simulation = Self.run(
                Scenario(name: "evidence", faulty: [2: fault], faultsUntil: 2500))
            #expect(!simulation.truth.evidence.isEmpty)
        }
    }

    @Test func aRunIsRepeatedExactly() {
        let scenario = Scenario(
            name: "twice", seed: 3, dropsPer1000: 100, partitions: true, crashesPer1000: 20,
            faulty: [1: .equivocatingVoter])
        let one = Self.run(scenario)
        let other = Self.run(scenario)
        #expect(one.events == other.events)
        #expect(one.truth.blocks == other.truth.blocks)
        #expect(one.now == other.now)
    }
}
