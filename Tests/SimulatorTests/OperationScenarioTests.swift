import ChoraleBase
import ChoraleTypes
import ExecutorAgent
import Foundation
import PartVerification
import TestSupport
import Testing

@testable import Simulator

/// Operations on full nodes, under every fault.
@Suite struct OperationScenarioTests {
    /// Seven validators now and then.
    private func parameters(_ seed: UInt64, seconds: Int, nodes: Int = 4) -> ScenarioParameters {
        ScenarioParameters(
            nodes: seed % 5 == 0 ? 7 : nodes, seed: seed, duration: .seconds(seconds))
    }

    @Test(arguments: UInt64(1)...4) func operations(seed: UInt64) throws {
        try OperationScenario(parameters(seed, seconds: 6)).expectPassed()
    }

    /// The model of `models/digits`: images of handwriting.
    @Test func digits() throws {
        let path = Vectors.checkout.appendingPathComponent("models/digits/digits.model")
        var scenario = OperationScenario(parameters(3, seconds: 6))
        scenario.model = try OperationModel(file: [UInt8](try Data(contentsOf: path)))
        try scenario.expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func silentThird(seed: UInt64) throws {
        try OperationSilentScenario(parameters(seed, seconds: 6, nodes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func lyingThird(seed: UInt64) throws {
        try OperationLyingScenario(parameters(seed, seconds: 6, nodes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...6) func executor(seed: UInt64) throws {
        try OperationExecutorScenario(parameters(seed, seconds: 80)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func garbage(seed: UInt64) throws {
        try OperationGarbageScenario(parameters(seed, seconds: 60)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func committee(seed: UInt64) throws {
        try OperationCommitteeScenario(parameters(seed, seconds: 6, nodes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func dispute(seed: UInt64) throws {
        try OperationDisputeScenario(parameters(seed, seconds: 6, nodes: 7)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func wrongOutput(seed: UInt64) throws {
        try OperationWrongOutputScenario(parameters(seed, seconds: 60)).expectPassed()
    }

    @Test(arguments: UInt64(1)...4) func partition(seed: UInt64) throws {
        try OperationPartitionScenario(parameters(seed, seconds: 20)).expectPassed()
    }

    @Test(arguments: UInt64(1)...6) func amnesia(seed: UInt64) throws {
        try OperationAmnesiaScenario(parameters(seed, seconds: 24)).expectPassed()
    }

    // MARK: That checks can fail

    private func failures(_ mutant: OperationMutant.Kind) -> Set<String> {
        var scenario = OperationMutant(
            ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30)))
        scenario.kind = mutant
        return Set(scenario.run().failures.map(\.name))
    }

    @Test func nothingFailsWithoutAMutant() {
        #expect(failures(.none).isEmpty)
    }

    /// A validator that is thought to be honest says that proofs are bad.
    @Test func aVerdictThatIsFalseIsFoundOut() {
        #expect(failures(.hiddenLiar).contains("what an honest validator signs is so"))
    }

    /// The disk says that it has synced, and has not.
    @Test func anIntentThatIsNotOnTheDiskIsFoundOut() {
        #expect(
            failures(.forgetfulDisk).contains(
                "nothing is signed before its intent is on the disk"))
    }

    /// A validator forgets what it has signed, and that it should know it, and is of another opinion in its next life.
    @Test func twoVerdictsOfOneValidatorAreFoundOut() {
        #expect(
            failures(.changedMind).contains(
                "no honest validator signs two verdicts on one proof, or outputs for one commitment"
            ))
    }

    /// What was settled is not what the reference says.
    @Test func anOutputThatIsWrongIsFoundOut() {
        #expect(failures(.otherReference).contains("no output is settled but the right one"))
    }

    /// An executor that is thought to be honest is slashed for its proofs.
    @Test func aSlashOfSomebodyHonestIsFoundOut() {
        let names = failures(.hiddenGarbage)
        #expect(names.contains("nobody is slashed that was honest"))
        #expect(names.contains("no honest signer is muted"))
    }

    /// An output is wrong, and nobody is thought to have lied about it.
    @Test func aLieThatIsThoughtToBeHonestIsFoundOut() {
        let names = failures(.hiddenWrongOutput)
        #expect(names.contains("what an honest validator signs is so"))
        #expect(names.contains("nobody is slashed that was honest"))
        #expect(!names.contains("no output is settled but the right one"))
    }

    /// No executor works.
    @Test func anOperationThatIsNotSettledIsFoundOut() {
        #expect(
            failures(.noExecutor).contains(
                "an operation with an honest executor is settled within its time"))
    }
}

/// Breaks a rule behind the checker's back.
private struct OperationMutant: Scenario {
    enum Kind {
        case none, hiddenLiar, forgetfulDisk, changedMind, otherReference, hiddenGarbage
        case hiddenWrongOutput, noExecutor
    }

    static let name = "operations-mutant"
    static let summary = "a rule is broken"
    static let durationMeaning = "how long it goes on"
    static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    static let nodesMin = 4

    let parameters: ScenarioParameters
    var kind = Kind.none

    init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = OperationNetwork(run, .tiny(parts: 3))
        let victim = network.chain.validators[2]
        switch kind {
        case .none, .noExecutor: break
        case .hiddenLiar: simulation.chain(of: victim)?.partFault = .rejecting
        case .forgetfulDisk: simulation.hosts[victim.rawValue].disk.ignoresSync = true
        case .changedMind:
            simulation.hosts[victim.rawValue].disk.losesSynced = true
            let onSignParts = simulation.onSignParts
            var isDone = false
            simulation.onSignParts = { [unowned simulation] host, requests in
                onSignParts?(host, requests)
                guard host == victim, !isDone else { return }
                isDone = true
                simulation.after(.milliseconds(1)) {
                    simulation.crash(host)
                    // With an empty disk alone it would not sign about anything that was there before.
                    let floor = [UInt8](repeating: 0xFF, count: 8) + Array("floor".utf8)
                    let none = [UInt8](repeating: 0, count: 8)
                    _ = simulation.hosts[host.rawValue].disk.execute(
                        .write([.put(.subproof, key: floor, value: none)], sync: true),
                        now: simulation.now)
                    simulation.chain(of: host)?.partFault = .rejecting
                    simulation.start(host)
                }
            }
        case .otherReference: network.checker.mistrustsReference = true
        case .hiddenGarbage:
            for host in network.executors {
                simulation.chain(of: host)?.executorFault = .garbageProofs
            }
        case .hiddenWrongOutput:
            for host in network.executors {
                simulation.chain(of: host)?.executorFault = .wrongOutput
            }
        }
        guard network.begin() else { return }
        if kind == .noExecutor {
            for host in network.executors { simulation.kill(host) }
        }
        network.request(ttl: 20)
        simulation.run(for: parameters.duration)
        network.report()
    }
}
