import ChoraleBase
import Node

/// All nodes but one are killed and come back with nothing but what they remember.
public struct RestartScenario: Scenario {
    public static let name = "restart"
    public static let summary =
        "all nodes but one are killed and rejoin from their own peer stores, without bootnodes"
    public static let durationMeaning = "how long the network lives before"
    public static let defaults = ScenarioParameters(nodes: 24, seed: 1, duration: .seconds(60))
    public static let nodesMin = 4

    static let topic = "/chorale-sim/restart"
    static let rejoinLimit: Duration = .seconds(10)

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = Network(run, topics: [Self.topic])
        let delivery = DeliveryChecker(run, topic: Self.topic)
        let mesh = MeshChecker(network, topic: Self.topic)
        let honesty = HonestyChecker(network)
        simulation.onReply = { host, id, reply, _ in delivery.observe(host, id, reply) }
        simulation.onEvent = { honesty.observe($0, $1) }
        network.startAll(over: .milliseconds(25) * parameters.nodes)
        simulation.run(for: parameters.duration)
        run.check("the mesh forms", mesh.isFormed(), mesh.view().text)

        // Not the bootnode: nobody could tell its help from memory.
        let survivor = network.nodes[parameters.nodes - 1]
        for host in network.nodes where host != survivor { simulation.kill(host) }
        network.givesBootnodes = false
        simulation.run(for: .seconds(3))
        for host in network.nodes where host != survivor {
            simulation.after(run.random.duration(below: .seconds(1))) { simulation.start(host) }
        }
        simulation.run(for: .seconds(1))
        let restartedAt = simulation.now
        let isBack = simulation.run(
            until: mesh.isFormed, limit: Self.rejoinLimit, every: .milliseconds(100))
        run.check("the mesh is back within 10 s of the last start", isBack, mesh.view().text)
        run.measure("mesh back after", restartedAt.duration(to: simulation.now))

        for host in network.running {
            simulation.command(host, .subscribe(topic: Self.topic), keepsReplies: false)
        }
        delivery.publish(count: 10, every: .milliseconds(250), among: network.nodes, batch: 0)
        simulation.run(for: .seconds(10))
        let summary = delivery.summary(of: 0)
        run.check("everybody hears everything afterwards", summary.isComplete, summary.text)
        honesty.report(to: run)
    }
}
