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
        simulation.onReply = { host, id, reply, _ in delivery.observe(host, id, reply) }
        simulation.onEvent = { honesty.observe($0, $1) }
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

        let attackers = startAttackers(run, network)
        let messages = 20
        delivery.publish(
            count: messages, every: parameters.duration / (messages + 2), among: network.nodes,
            batch: 0)
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            simulation.run(for: .milliseconds(500))
            memory.sample()
        }
        let caught = standing(of: attackers, in: run, network, honesty)
        // The last messages may still be on their way.
        simulation.run(for: .seconds(5))

        let summary = delivery.summary(of: 0)
        run.check("everybody honest hears everything", summary.isComplete, summary.text)
        run.measure("delivery under attack, 95 %", summary.times.percentile(95))
        run.check(
            "no node holds more than \(Self.holdingsMax >> 20) MiB for others",
            memory.peak <= Self.holdingsMax, memory.text)
        run.measure("largest holdings of a node under attack", Double(memory.peak) / 1e6, "MB")
        for (kind, free) in caught {
            run.check(
                "attackers by \(kind.rawValue) are disconnected or graylisted",
                free.isEmpty,
                free.isEmpty
                    ? "by all their victims"
                    : "not by \(free.count): " + free.prefix(4).joined(separator: ", "))
        }
        honesty.report(to: run)
    }

    private func startAttackers(_ run: ScenarioRun, _ network: Network) -> [Attacker] {
        let simulation = run.simulation
        let kinds = Attacker.Kind.allCases
        let count = max(kinds.count, parameters.nodes / 4 / kinds.count * kinds.count)
        var attackers: [Attacker] = []
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
            attackers.append(attacker)
            simulation.start(host, attacker)
        }
        return attackers
    }

    /// For each kind, the victims that listen to one of its attackers and always did.
    ///
    /// Not for subscriptions: those that are not ours cost neither memory nor messages, and gossipsub
    /// has no penalty for them.
    private func standing(
        of attackers: [Attacker], in run: ScenarioRun, _ network: Network,
        _ honesty: HonestyChecker
    ) -> [(Attacker.Kind, [String])] {
        var attackersByPeer: [PeerID: Attacker.Kind] = [:]
        for attacker in attackers { attackersByPeer[attacker.peer] = attacker.kind }
        var free: [Attacker.Kind: [String]] = [:]
        let now = run.simulation.clock
        for host in network.running {
            let peers = run.simulation.withNode(host) { $0.connectedPeers(now: now) } ?? []
            for peer in peers {
                guard let kind = attackersByPeer[peer.peer] else { continue }
                guard honesty.graylisted[peer.peer]?.contains(host) != true,
                    honesty.disconnected[peer.peer]?.contains(host) != true
                else { continue }
                free[kind, default: []].append("n\(host.rawValue) (score \(peer.score))")
            }
        }
        return Attacker.Kind.allCases.filter { $0 != .subscriptions }.map { ($0, free[$0] ?? []) }
    }
}
