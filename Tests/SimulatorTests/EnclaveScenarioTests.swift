import Attestation
import ChoraleBase
import ExecutorAgent
import MadeEnclaves
import Node
import Operations
import OrderedCollections
import Synchronization
import Testing

@testable import Simulator

/// An executor's enclave vouches for an output that a proof contradicts.
@Suite struct EnclaveScenarioTests {
    @Test(arguments: UInt64(1)...4) func contradicted(seed: UInt64) throws {
        try EnclaveScenario(
            ScenarioParameters(nodes: seed % 2 == 0 ? 7 : 4, seed: seed, duration: .seconds(80))
        ).expectPassed()
    }
}

/// The first executor says by its enclave what is not so, and is gone before it commits; the next one's proofs are
/// right.
private struct EnclaveScenario: Scenario {
    static let name = "operations-enclaves"
    static let summary = "an enclave vouches for a wrong output"
    static let durationMeaning = "how long settling may take"
    static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(80))
    static let nodesMin = 4

    let parameters: ScenarioParameters

    init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    func run(in run: ScenarioRun) {
        let simulation = run.simulation
        var options = OperationNetwork.Options()
        options.kind = 3
        options.enclaves = EnclaveParameters(
            rules: MadeEnclave.rules,
            allowed: [
                AllowedEnclave(
                    kind: 3,
                    AllowedMeasurement(measurement: MadeEnclave.measurement, epochs: 0...9))
            ], epochLength: 100, verifier: MadeEnclave.verifier)
        options.executorFaults = [0: .wrongOutput]
        for number in 0..<3 { options.attesters[number] = SimulatedAttester(UInt8(number + 1)) }
        let network = OperationNetwork(run, .tiny(parts: 4), options)
        let liar = network.executors[0]
        var said = 0
        let onEvent = simulation.onEvent
        simulation.onEvent = { [unowned simulation] host, event in
            onEvent?(host, event)
            // Its enclave has spoken before anything is proven.
            guard host == liar, case .executor(.proven(_, let part, _, _)) = event, part == 2
            else { return }
            said += 1
            simulation.after(.milliseconds(1)) { simulation.kill(host) }
        }
        guard network.begin() else { return }
        // Until it is drawn.
        for _ in 0..<16 where said == 0 {
            network.request(ttl: 90)
            guard
                network.expectSettled("settled by proofs", within: parameters.duration)
            else { break }
        }
        let registry = network.checker.registry
        run.check("an enclave has said what is not so", said == 1, "\(said)")
        run.check(
            "its platform is revoked, and no other",
            Array(registry.enclaves.revoked) == [MadeEnclave(1).platform],
            "\(registry.enclaves.revoked.count)")
        run.check(
            "its executor is slashed, and nobody else",
            network.checker.slashed == [network.key(of: liar)],
            "\(network.checker.slashed.count)")
        run.check(
            "a block shows the contradiction", network.checker.contradictionCount == 1,
            "\(network.checker.contradictionCount)")
        network.chain.startRest()
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(20))
        network.report()
    }
}

/// Signatures of hardware are random: what was signed once is remembered, so that two runs are the same.
private struct SimulatedAttester: EnclaveAttester {
    private struct Question: Hashable {
        let enclave: UInt8
        let reportData: [UInt8]
    }

    private static let answers = Mutex<[Question: AttestationProof]>([:])
    private let number: UInt8

    init(_ number: UInt8) { self.number = number }

    var kind: AttestationKind { MadeEnclave.measurement.kind }
    var program: Bytes32 { MadeEnclave.measurement.digest }

    func attest(reportData: [UInt8]) throws(AttesterFault) -> AttestationProof {
        let question = Question(enclave: number, reportData: reportData)
        return Self.answers.withLock { answers in
            if let known = answers[question] { return known }
            let answer = MadeEnclave(number).attest(reportData)
            answers[question] = answer
            return answer
        }
    }
}
