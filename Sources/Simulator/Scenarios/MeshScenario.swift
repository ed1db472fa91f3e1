import ChoraleBase
import Gossipsub
import Node

/// A mesh forms from one bootnode, is cut in two, and heals.
public struct MeshScenario: Scenario {
    public static let name = "mesh"
    public static let summary =
        "a gossip mesh forms from one bootnode, is partitioned while publishing, and heals"
    public static let durationMeaning = "how long the partition lasts"
    public static let defaults = ScenarioParameters(nodes: 200, seed: 1, duration: .seconds(20))
    public static let nodesMin = 8

    static let topic = "/chorale-sim/mesh"
    static let formLimit: Duration = .seconds(60)
    /// From healing until sockets lead from everybody to everybody: connections that the partition
    /// cut are believed in for up to 10 s, and dials that failed in it are tried again by then.
    static let reconnectLimit: Duration = .seconds(30)
    /// From then until the meshes of both halves are one: heartbeats of a second.
    static let healHeartbeats = 20

    public let parameters: ScenarioParameters

    /// For tests that the checks can fail: the partition stays, or nobody takes peers back into its mesh
    /// that it lost.
    var heals = true
    var regrafts = true

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = Network(run, topics: [Self.topic]) { configuration in
            if !regrafts { configuration.gossip.lostMeshLifetime = .zero }
        }
        let delivery = DeliveryChecker(run, topic: Self.topic)
        let mesh = MeshChecker(network, topic: Self.topic)
        simulation.onReply = { host, id, reply, _ in delivery.observe(host, id, reply) }
        let honesty = HonestyChecker(network)
        simulation.onEvent = { honesty.observe($0, $1) }

        // Forms
        let startInterval: Duration = .milliseconds(25) * parameters.nodes
        network.startAll(over: startInterval)
        simulation.run(for: startInterval + .milliseconds(100))
        subscribe(network)
        let hasFormed = simulation.run(
            until: mesh.isFormed, limit: Self.formLimit, every: .milliseconds(250))
        run.check("the mesh forms", hasFormed, mesh.view().text)
        run.measure("mesh formed after", MonotonicInstant.zero.duration(to: simulation.now))
        publish(run, delivery, network.nodes, batch: 0, "before the partition")

        // Is cut in two
        var shuffled = network.nodes
        run.random.shuffle(&shuffled)
        let halves = [
            Array(shuffled[..<(shuffled.count / 2)]), Array(shuffled[(shuffled.count / 2)...]),
        ]
        simulation.partition(halves)
        let interval = parameters.duration / 12
        for (number, half) in halves.enumerated() {
            delivery.publish(count: 10, every: interval, among: half, batch: 1 + number)
        }
        simulation.run(for: parameters.duration + .seconds(5))
        for number in 1...2 {
            let summary = delivery.summary(of: number)
            run.check(
                "half \(number) hears its own messages during the partition",
                summary.isComplete && summary.unexpected == 0, summary.text)
        }

        // Heals
        if heals { simulation.heal() }
        let healedAt = simulation.now
        let isConnected = simulation.run(
            until: mesh.isConnected, limit: Self.reconnectLimit, every: .milliseconds(250))
        run.check(
            "sockets lead from everybody to everybody again", isConnected,
            "after \(healedAt.duration(to: simulation.now).seconds)")
        run.measure("connected again after", healedAt.duration(to: simulation.now))
        let connectedAt = simulation.now
        let isWhole = simulation.run(
            until: mesh.isFormed, limit: .seconds(1) * Self.healHeartbeats,
            every: .milliseconds(250))
        let view = mesh.view()
        run.check(
            "within \(Self.healHeartbeats) heartbeats the meshes of both halves are one", isWhole,
            "\(view.crossings(of: Set(halves[0]))) links across; \(view.text)")
        run.measure("mesh one again after", connectedAt.duration(to: simulation.now))
        for (number, half) in halves.enumerated() {
            delivery.publish(
                count: 10, every: .milliseconds(500), among: half, expectedBy: network.nodes,
                batch: 3 + number)
        }
        simulation.run(for: .seconds(10))
        for number in 1...2 {
            let summary = delivery.summary(of: 2 + number)
            run.check(
                "everybody hears what half \(number) says after the partition",
                summary.isComplete, summary.text)
            run.measure(
                "delivery after the partition, half \(number), 95 %",
                summary.times.percentile(95))
        }
        honesty.report(to: run)
        let traffic = network.nodes.reduce(0) { $0 + Int(simulation.traffic(of: $1).sent) }
        run.measure("sent by all nodes", Double(traffic) / 1e6, "MB")
    }

    private func subscribe(_ network: Network) {
        for host in network.running {
            network.simulation.command(
                host, .subscribe(topic: Self.topic), keepsReplies: false)
        }
    }

    private func publish(
        _ run: ScenarioRun, _ delivery: DeliveryChecker, _ hosts: [HostIndex], batch: Int,
        _ when: String
    ) {
        delivery.publish(count: 20, every: .milliseconds(250), among: hosts, batch: batch)
        run.simulation.run(for: .seconds(10))
        let summary = delivery.summary(of: batch)
        run.check("everybody hears everything \(when)", summary.isComplete, summary.text)
        run.measure("delivery \(when), 95 %", summary.times.percentile(95))
    }
}
