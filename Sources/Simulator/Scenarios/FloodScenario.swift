import ChoraleBase
import Crypto
import Node
import PeerIdentity
import Swarm

/// Attackers of every kind, and a network that goes on.
public struct FloodScenario: Scenario {
    public static let name = "flood"
    public static let summary =
        "attackers flood topics, control, streams, records and garbage; the others go on as before"
    public static let durationMeaning = "how long the attack lasts"
    public static let defaults = ScenarioParameters(nodes: 32, seed: 1, duration: .seconds(30))
    public static let nodesMin = 8

    static let topic = "/chorale-sim/flood"
    /// What peers may make one node hold in this scenario, in bytes: a quarter of the message store's
    /// limit alone, because attackers' bytes must be refused rather than merely bounded.
    static let holdingsMax = 10 << 20
    /// Victims of one attacker.
    static let victimsMax = 16

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = Network(run, topics: [Self.topic])
        let delivery = DeliveryChecker(run, topic: Self.topic)
        let mesh = MeshChecker(network, topic: Self.topic)
        let honesty = HonestyChecker(network)
        let memory = MemoryChecker(network)
        let attacks = AttackChecker(run)
        simulation.onReply = { host, id, reply, _ in delivery.observe(host, id, reply) }
        simulation.onEvent = { host, event in
            honesty.observe(host, event)
            attacks.observe(host, event)
        }
        let startInterval: Duration = .milliseconds(25) * parameters.nodes
        network.startAll(over: startInterval)
        simulation.run(for: startInterval + .milliseconds(100))
        for host in network.running {
            simulation.command(host, .subscribe(topic: Self.topic), keepsReplies: false)
        }
        let hasFormed = simulation.run(until: mesh.isFormed, limit: .seconds(60))
        run.check("the mesh forms", hasFormed, mesh.view().text)
        simulation.run(for: .seconds(5))
        memory.sample()
        run.measure("largest holdings of a node before", Double(memory.peak) / 1e6, "MB")

        startAttackers(run, network, attacks)
        let startedAt = simulation.now
        let messages = 20
        delivery.publish(
            count: messages, every: parameters.duration / (messages + 2), among: network.nodes,
            batch: 0)
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            simulation.run(for: .milliseconds(500))
            memory.sample()
        }
        attacks.report(since: startedAt)
        // The last messages may still be on their way.
        simulation.run(for: .seconds(5))

        let summary = delivery.summary(of: 0)
        run.check("everybody honest hears everything", summary.isComplete, summary.text)
        run.measure("delivery under attack, 95 %", summary.times.percentile(95))
        run.check(
            "no node holds more than \(Self.holdingsMax >> 20) MiB for others",
            memory.peak <= Self.holdingsMax, memory.text)
        run.measure("largest holdings of a node under attack", Double(memory.peak) / 1e6, "MB")
        honesty.report(to: run)
    }

    private func startAttackers(
        _ run: ScenarioRun, _ network: Network, _ attacks: AttackChecker
    ) {
        let simulation = run.simulation
        let kinds = Attacker.Kind.allCases
        let count = max(kinds.count, parameters.nodes / 4 / kinds.count * kinds.count)
        for number in 0..<count {
            let host = simulation.addHost()
            let victims = run.random.sample(
                network.nodes, count: min(Self.victimsMax, parameters.nodes / 2))
            var configuration = NodeConfiguration(
                identity: simulation.identity(of: host),
                noiseStaticKey: Simulation.secret(
                    "attacker", seed: parameters.seed, number: UInt64(number)),
                networkDigest: [0x51, 0x1A, 0x00, 0x01], addressPolicy: .publicNetwork, seed: 0)
            configuration.roles = []
            let attacker = Attacker(
                kinds[number % kinds.count], identity: configuration.identity,
                staticKey: configuration.noiseStaticKey,
                targets: victims.map {
                    .init(address: simulation.address(of: $0), peer: network.peerID(of: $0))
                },
                topic: Self.topic, configuration: configuration, seed: run.random.next())
            attacks.add(attacker)
            simulation.start(host, attacker)
        }
    }
}
