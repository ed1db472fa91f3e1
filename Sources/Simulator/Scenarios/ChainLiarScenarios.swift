import Chain
import ChoraleBase
import ChoraleTypes
import Execution
import Node

/// As many lie as may.
public struct ChainByzantineScenario: Scenario {
    public static let name = "chain-byzantine"
    public static let summary =
        "as many validators as may fail lie: two votes, two proposals, garbage, wrong states"
    public static let durationMeaning = "how long they are watched"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(30))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        var options = ChainNetwork.Options()
        options.liars = (parameters.nodes - 1) / 3
        options.epochLength = 8
        let network = ChainNetwork(run, options)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(60))
        let before = network.checker.height
        load.flow(for: parameters.duration, every: .milliseconds(500))
        simulation.conditions.lossPerMille = 20
        simulation.run(for: parameters.duration)
        simulation.conditions.lossPerMille = 0
        // Two of three heights may need a round more, of up to two seconds.
        let grown = network.checker.height - before
        let expected = UInt64(parameters.duration.wholeMilliseconds / 1000) / 5
        run.check(
            "commits go on meanwhile", grown >= expected,
            "\(grown) heights, of \(expected) required")
        network.expectProgress(
            "without loss, commits go on and all are there", heights: 3, within: .seconds(60))
        // A block that only a liar may make waits for nothing; the next honest one has it.
        let contradicted = network.liars.filter(\.hasContradicted).count
        let isSlashed = simulation.run(
            until: { network.checker.slashed.count >= contradicted }, limit: .seconds(60))
        run.check(
            "whoever contradicts itself is slashed", isSlashed,
            "\(network.checker.slashed.count) of \(contradicted)")
        var told: [String] = []
        for lie in Liar.Lie.allCases {
            let count = network.liars.reduce(0) { $0 + ($1.told[lie] ?? 0) }
            told.append("\(lie) \(count)")
        }
        let total = network.liars.reduce(0) { $0 + $1.told.values.reduce(0, +) }
        run.check("lies were told", total > 0, told.joined(separator: ", "))
        network.report()
    }
}

/// Bodies travel by themselves.
public struct ChainBodiesScenario: Scenario {
    public static let name = "chain-bodies"
    public static let summary =
        "payloads and witnesses travel by themselves, late and reordered, and one proposer keeps them back"
    public static let durationMeaning = "how long that goes on"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(20))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        simulation.conditions.jitter = .milliseconds(150)
        var options = ChainNetwork.Options()
        options.stateless = 0
        options.isPatient = true
        options.inlineSizeMax = 64
        options.liars = 1
        options.lies = [.withholding]
        let network = ChainNetwork(run, options)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(60))
        simulation.conditions.lossPerMille = 30
        let before = network.checker.height
        load.flow(for: parameters.duration, every: .milliseconds(250))
        simulation.run(for: parameters.duration)
        let grown = network.checker.height - before
        // A body waits a second for bodies that are late before it asks, and one proposer of four never gives any.
        let expected = UInt64(parameters.duration.wholeMilliseconds / 1000) / 6
        run.check(
            "commits go on meanwhile", grown >= expected,
            "\(grown) heights, of \(expected) required")
        simulation.conditions.lossPerMille = 0
        simulation.conditions.jitter = .milliseconds(5)
        network.expectProgress("then too, everywhere", heights: 3, within: .seconds(30))
        let asked = network.honest.reduce(0) { sum, host in
            let info = simulation.withNode(host) { $0.chainInfo(now: simulation.clock) } ?? nil
            return sum + Int(info?.counters.contentsAsked ?? 0)
        }
        run.measure("blocks asked for", Double(asked), "")
        run.measure(
            "blocks withheld",
            Double(network.liars.reduce(0) { $0 + ($1.told[.withholding] ?? 0) }),
            "")
        network.report()
    }
}

/// Validators come and go.
public struct ChainEpochsScenario: Scenario {
    public static let name = "chain-epochs"
    public static let summary =
        "deposits make two hosts validators, an exit takes one out, and the stake of one grows"
    public static let durationMeaning = "how long each change may take"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(40))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        var options = ChainNetwork.Options()
        options.candidates = 2
        options.epochLength = 4
        let network = ChainNetwork(run, options)
        let load = TransactionLoad(network)
        let count = parameters.nodes
        func key(_ number: Int) -> SigningKeyBytes {
            ChainGenesis.bytes(
                ChainGenesis.validatorKey(seed: run.parameters.seed, number: number))
        }
        func expect(_ name: String, _ holds: @escaping (ValidatorSet) -> Bool) {
            let isReached = run.simulation.run(
                until: { network.checker.currentSet.map(holds) ?? false },
                limit: parameters.duration)
            let text = network.checker.currentSet.map { set in
                set.validators.map { "\($0.stake / 1_000_000_000)" }.joined(separator: " ")
            }
            run.check(name, isReached, "stakes \(text ?? "unknown")")
        }
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        load.give(
            network.genesis.deposit(
                from: 0, nonce: load.next(0), validator: count, amount: ChainGenesis.stake))
        load.give(
            network.genesis.deposit(
                from: 1, nonce: load.next(1), validator: count + 1,
                amount: 2 * ChainGenesis.stake))
        // Nobody registers the key of somebody else: who tries gets it back.
        load.give(
            network.genesis.deposit(
                from: 2, nonce: load.next(2), validator: count + 2,
                amount: 3 * ChainGenesis.stake, isSigned: false))
        expect("deposits make validators") {
            $0.index(of: key(count)) != nil && $0.index(of: key(count + 1)) != nil
        }
        // One of the first leaves, and its host with it: what is left must do without.
        let leaving = run.random.integer(in: 1...count - 1)
        load.give(network.genesis.exit(from: 2, nonce: load.next(2), validator: leaving))
        expect("an exit takes a validator out") { $0.index(of: key(leaving)) == nil }
        run.simulation.kill(network.validators[leaving])
        load.give(
            network.genesis.deposit(
                from: 0, nonce: load.next(0), validator: 0, amount: ChainGenesis.stake))
        expect("a deposit raises a stake") { set in
            set.index(of: key(0)).flatMap { set[$0]?.stake } == 2 * ChainGenesis.stake
        }
        run.simulation.start(network.validators[leaving])
        network.expectProgress("the new sets commit", heights: 9, within: .seconds(60))
        func expectPayment(_ name: String, to validator: Int, _ amount: UInt64) {
            let owner = ChainGenesis.owner(of: validator)
            let wei = UInt256(amount) &* UInt256(1_000_000_000)
            let isPaid = run.simulation.run(
                until: { network.checker.referee.balance(of: owner) >= wei },
                limit: parameters.duration)
            run.check(name, isPaid, "\(network.checker.referee.balance(of: owner)) wei")
        }
        expectPayment("who left has the stake back", to: leaving, ChainGenesis.stake)
        expectPayment(
            "a deposit that the validator has not signed comes back", to: count + 2,
            3 * ChainGenesis.stake)
        run.check(
            "and registers nobody",
            network.checker.currentSet?.index(of: key(count + 2)) == nil, "")
        let proposers = network.checker.proposers
        run.check(
            "those who came propose",
            proposers.contains(key(count)) && proposers.contains(key(count + 1)),
            "\(proposers.count) proposers")
        network.report()
    }
}
