import ChoraleBase
import ExecutorAgent
import Node
import Operations
import PartVerification

/// The executor whose turn it is loses its power in the middle of its work.
public struct OperationExecutorScenario: Scenario {
    public static let name = "operations-executor"
    public static let summary =
        "executors lose their power while they prove: one that comes back goes on, else its standby does it"
    public static let durationMeaning = "how long settling may take"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(70))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = OperationNetwork(run, .tiny(parts: 6))
        guard network.begin() else { return }
        // The first two that begin; there are three.
        var crashed: [HostIndex] = []
        let comesBack = run.random.chance(1, in: 2)
        let crashes = run.random.integer(in: 1...2)
        let provenBefore = run.random.below(6)
        var proven: [HostIndex: Int] = [:]
        var resumed = 0
        let onEvent = simulation.onEvent
        simulation.onEvent = { [unowned simulation] host, event in
            onEvent?(host, event)
            guard case .executor(.proven(_, _, _, let elapsed)) = event else { return }
            proven[host, default: 0] += 1
            if elapsed == nil { resumed += 1 }
            guard crashed.count < crashes, !crashed.contains(host),
                proven[host, default: 0] > provenBefore
            else { return }
            crashed.append(host)
            // In the middle of what follows, such as a write.
            simulation.after(run.random.duration(below: .milliseconds(25))) {
                simulation.crash(host)
            }
            guard comesBack else { return }
            simulation.after(.seconds(2) + run.random.duration(below: .seconds(3))) {
                if !simulation.isRunning(host) { simulation.start(host) }
            }
        }
        network.request(ttl: 90)
        network.expectSettled("settled, whoever did it", within: parameters.duration)
        run.check(
            "executors lost their power", !crashed.isEmpty,
            "\(crashed.count), \(comesBack ? "and came back" : "for good")")
        run.measure("parts that were proven before", Double(resumed), "")
        network.chain.startRest()
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(20))
        network.report()
    }
}

/// Proofs that are none.
public struct OperationGarbageScenario: Scenario {
    public static let name = "operations-garbage"
    public static let summary =
        "two of three executors commit to proofs that are none: they are slashed, and the third settles"
    public static let durationMeaning = "how long each operation may take"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(60))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        OperationStories.dishonest(run, .garbageProofs, kind: 1)
    }
}

/// Outputs that are not what the operation gives, with everything about them in order but one proof.
public struct OperationWrongOutputScenario: Scenario {
    public static let name = "operations-wrong-output"
    public static let summary =
        "two of three executors commit to wrong outputs in valid form, with even seeds without proofs: they are slashed, and the third settles"
    public static let durationMeaning = "how long each operation may take"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(60))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        OperationStories.dishonest(
            run, .wrongOutput, kind: parameters.seed.isMultiple(of: 2) ? 2 : 1)
    }
}

extension OperationStories {
    /// Two of three executors are wrong on purpose, until both are found out or some operations are settled.
    static func dishonest(
        _ run: ScenarioRun, _ fault: ExecutorConfiguration.Fault, kind: UInt16
    ) {
        var options = OperationNetwork.Options()
        options.kind = kind
        options.executorFaults = [0: fault, 1: fault]
        let network = OperationNetwork(run, .tiny(parts: 4), options)
        guard network.begin() else { return }
        // An honest one may be drawn first, so that nobody learns of the others: six times in a row with one seed in 700.
        var found: Int { network.checker.slashed.count }
        for number in 0..<16 where found == 0 || (found < 2 && number < 6) {
            network.request()
            guard
                network.expectSettled(
                    "settled by the honest one", within: run.parameters.duration)
            else { break }
        }
        let honest = network.key(of: network.executors[2])
        let bad = Set(network.checker.commitments.map(\.executor)).subtracting([honest])
        run.check(
            "whoever commits to what is not so is slashed",
            bad == network.checker.slashed && !bad.isEmpty,
            "\(network.checker.slashed.count) of \(bad.count)")
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(20))
        network.report()
    }
}

/// The network falls apart.
public struct OperationPartitionScenario: Scenario {
    public static let name = "operations-partition"
    public static let summary =
        "the network is cut in two at random, with loss, while operations are executed; then it heals"
    public static let durationMeaning = "how long it is cut"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(20))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = OperationNetwork(run, .tiny(parts: 4))
        guard network.begin() else { return }
        let count = 3
        for number in 0..<count {
            simulation.after(parameters.duration / count * number) { network.request(ttl: 300) }
        }
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            simulation.conditions.lossPerMille = run.random.below(80)
            if run.random.chance(1, in: 3) {
                simulation.heal()
            } else {
                var sides: [[HostIndex]] = [[], []]
                for host in network.chain.network.nodes { sides[run.random.below(2)].append(host) }
                simulation.partition(sides)
            }
            let time = run.random.duration(below: .seconds(5)) + .milliseconds(100)
            simulation.run(until: min(end, simulation.now.advanced(by: time)))
        }
        simulation.heal()
        simulation.conditions.lossPerMille = 0
        network.chain.expectProgress(
            "healed, commits go on and all catch up", heights: 4, within: .seconds(60))
        network.expectSettled("healed, all is settled", within: .seconds(150))
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(20))
        network.report()
    }
}

/// Power cuts between what is written down and what is signed.
public struct OperationAmnesiaScenario: Scenario {
    public static let name = "operations-amnesia"
    public static let summary =
        "validators lose their power as they sign what they found of proofs, and executors as they prove"
    public static let durationMeaning = "how long that goes on"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(24))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = OperationNetwork(run, .tiny(parts: 4))
        guard network.begin() else { return }
        let end = simulation.now.advanced(by: parameters.duration)
        var crashes = 0
        func cut(_ host: HostIndex) {
            guard simulation.isRunning(host), simulation.now < end else { return }
            crashes += 1
            simulation.crash(host)
            let pause: Duration = run.random.chance(1, in: 2) ? .milliseconds(300) : .seconds(4)
            simulation.after(run.random.duration(below: pause)) {
                if !simulation.isRunning(host) { simulation.start(host) }
            }
        }
        let onSignParts = simulation.onSignParts
        simulation.onSignParts = { [unowned simulation] host, requests in
            onSignParts?(host, requests)
            guard run.random.chance(1, in: 3) else { return }
            // Before the signature is there, as it leaves, or soon after.
            simulation.after(run.random.duration(below: .milliseconds(2))) { cut(host) }
        }
        let count = 4
        for number in 0..<count {
            simulation.after(parameters.duration / count * number) { network.request(ttl: 300) }
        }
        while simulation.now < end {
            if let host = run.random.element(of: network.chain.network.nodes),
                run.random.chance(1, in: 4)
            {
                cut(host)
            }
            simulation.run(for: .milliseconds(500))
        }
        simulation.onSignParts = onSignParts
        simulation.run(for: .seconds(4))
        network.chain.startRest()
        network.chain.expectProgress(
            "with power, commits go on and all catch up", heights: 4, within: .seconds(60))
        network.expectSettled("with power, all is settled", within: .seconds(150))
        network.chain.expectProgress("everybody is there", heights: 2, within: .seconds(20))
        run.check("there were power cuts", crashes > 0, "\(crashes)")
        network.report()
    }
}
