import Bodies
import ChoraleBase
import Node

/// A large body reaches everyone, though segments are lost and a node is killed halfway.
public struct BodyScenario: Scenario {
    public static let name = "body"
    public static let summary =
        "a 4 MiB body reaches every node with 1 % loss: a killed one resumes, absent ones get it later"
    public static let durationMeaning = "the longest that may take, each time"
    public static let defaults = ScenarioParameters(nodes: 200, seed: 1, duration: .seconds(120))
    public static let nodesMin = 8

    static let size = 4 << 20
    /// What the producer may send until all who are there have the body, in bodies.
    static let uploadMax = 3.0
    /// How long after the publication those come who were absent: gossip has forgotten it by then.
    static let absence: Duration = .seconds(30)

    /// For a test that the checks can fail: nobody tells others what they missed.
    var offersMissed = true

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = Network(run) { configuration in
            if !offersMissed { configuration.limits.bodies.offersMax = 0 }
        }
        let honesty = HonestyChecker(network)
        let arrivals = Arrivals()
        simulation.onEvent = { [unowned simulation] host, event in
            honesty.observe(host, event)
            arrivals.observe(host, event, now: simulation.now)
        }
        let startInterval: Duration = .milliseconds(25) * parameters.nodes
        network.startAll(over: startInterval)
        simulation.run(for: startInterval + .seconds(10))

        simulation.conditions.lossPerMille = 10
        let producer = network.nodes[1]
        let absent = Absent(run, network.nodes.filter { $0 != network.bootnode && $0 != producer })
        absent.leave(all: network.nodes)
        let before = network.nodes.map { simulation.traffic(of: $0) }
        let publishedAt = simulation.now
        let command = simulation.command(
            producer,
            .publishBody(kind: "witness", bytes: run.random.bytes(count: Self.size)))
        let present = network.nodes.filter { $0 != producer && !absent.contains($0) }
        let crash = crashOne(run, present)
        let isEverywhere = simulation.run(
            until: { present.allSatisfy { arrivals.times[$0] != nil } },
            limit: parameters.duration, every: .milliseconds(50))

        let result = simulation.result(of: command)
        run.check("the body is published", result.isFinished, "\(result.replies.count) replies")
        run.check(
            "everybody there has the body", isEverywhere, arrivals.text(of: present))
        report(crash, to: run)
        var times = Times()
        for host in present where host != crash.host {
            if let at = arrivals.times[host] { times.add(publishedAt.duration(to: at)) }
        }
        run.measure("time until half have it", times.percentile(50))
        run.measure("time until all have it", times.percentile(100))
        let after = network.nodes.map { simulation.traffic(of: $0) }
        let sent = zip(before, after).map { Double($1.sent - $0.sent) }
        let upload = sent[1] / Double(Self.size)
        run.check(
            "the producer sends at most \(Self.uploadMax) times the body", upload <= Self.uploadMax,
            "\(upload) times")
        run.measure("producer's upload", upload, "bodies")
        run.measure(
            "bytes on the wire per delivered byte",
            sent.reduce(0, +) / Double(Self.size * present.count), "")
        let sources = present.compactMap { arrivals.sources[$0] }.sorted()
        if !sources.isEmpty {
            run.measure("sources of a node, least", Double(sources[0]), "")
            run.measure("sources of a node, half", Double(sources[sources.count / 2]), "")
        }

        // Those who were absent hear of it
        simulation.run(until: max(simulation.now, publishedAt.advanced(by: Self.absence)))
        run.check(
            "nobody absent has the body", arrivals.count(of: absent.all) == 0,
            arrivals.text(of: absent.all))
        let returnedAt = simulation.now
        absent.comeBack()
        let isComplete = simulation.run(
            until: { absent.all.allSatisfy { arrivals.times[$0] != nil } },
            limit: parameters.duration, every: .milliseconds(50))
        run.check(
            "nodes that were down get the body", isComplete || arrivals.has(absent.down),
            arrivals.text(of: absent.down))
        run.check(
            "nodes that were cut off get the body", isComplete || arrivals.has(absent.cutOff),
            arrivals.text(of: absent.cutOff))
        run.measure("time until those absent have it", returnedAt.duration(to: simulation.now))
        honesty.report(to: run)
    }

    private func report(_ crash: Crash, to run: ScenarioRun) {
        guard let host = crash.host else {
            run.check("a node is killed halfway", false, "none was found halfway")
            return
        }
        let received = run.simulation.traffic(of: host).received - crash.receivedBefore
        let missing = crash.chunkCount - crash.heldAfter
        // What is missing, an eighth for headers, hashes and announcements, and as much again for
        // chunks that were asked of two peers.
        let allowance = missing * (256 << 10) * 5 / 4 + (1 << 20)
        run.check(
            "the node that was killed halfway resumes",
            crash.heldAfter > 0 && Int(received) <= allowance,
            "n\(host.rawValue) held \(crash.heldBefore) of \(crash.chunkCount) chunks, "
                + "\(crash.heldAfter) when it came back, and then received \(received) bytes")
    }

    private final class Crash {
        var host: HostIndex?
        var chunkCount = 0
        var heldBefore = 0
        var heldAfter = 0
        var receivedBefore: UInt64 = 0
    }

    /// Kills the first node that is found to have about half of the body.
    private func crashOne(_ run: ScenarioRun, _ candidates: [HostIndex]) -> Crash {
        let crash = Crash()
        look(for: crash, run, candidates)
        return crash
    }

    private func look(for crash: Crash, _ run: ScenarioRun, _ candidates: [HostIndex]) {
        for host in candidates {
            guard let body = Self.bodies(of: host, run).first, !body.isComplete,
                body.chunksHeld * 3 >= body.chunkCount
            else { continue }
            crash.host = host
            crash.chunkCount = body.chunkCount
            crash.heldBefore = body.chunksHeld
            run.simulation.kill(host)
            run.simulation.after(.seconds(2)) { [self] in revive(crash, run) }
            return
        }
        run.simulation.after(.milliseconds(20)) { [self] in look(for: crash, run, candidates) }
    }

    private func revive(_ crash: Crash, _ run: ScenarioRun) {
        guard let host = crash.host else { return }
        crash.receivedBefore = run.simulation.traffic(of: host).received
        run.simulation.start(host)
        // Rows are read before the first peer can have answered.
        run.simulation.after(.milliseconds(30)) {
            crash.heldAfter = Self.bodies(of: host, run).first?.chunksHeld ?? 0
        }
    }

    private static func bodies(of host: HostIndex, _ run: ScenarioRun) -> [BodyInfo] {
        let id = run.simulation.command(host, .bodies)
        guard case .bodies(let bodies)? = run.simulation.result(of: id).replies.first else {
            return []
        }
        return bodies
    }
}

/// Nodes that are not there when the body is announced: one in sixteen is down and one in eight cut
/// off, at least one each.
private final class Absent {
    let down: [HostIndex]
    let cutOff: [HostIndex]
    private let simulation: Simulation

    init(_ run: ScenarioRun, _ candidates: [HostIndex]) {
        simulation = run.simulation
        let downCount = max(1, run.parameters.nodes / 16)
        let count = downCount + max(1, run.parameters.nodes / 8)
        let chosen = run.random.sample(candidates, count: count)
        down = Array(chosen[..<downCount])
        cutOff = Array(chosen[downCount...])
    }

    var all: [HostIndex] { down + cutOff }

    func contains(_ host: HostIndex) -> Bool { all.contains(host) }

    func leave(all hosts: [HostIndex]) {
        for host in down { simulation.kill(host) }
        simulation.partition([hosts.filter { !cutOff.contains($0) }, cutOff])
    }

    func comeBack() {
        simulation.heal()
        for host in down { simulation.start(host) }
    }
}

/// When the body was whole, and where.
private final class Arrivals {
    var times: [HostIndex: MonotonicInstant] = [:]
    var sources: [HostIndex: Int] = [:]

    func observe(_ host: HostIndex, _ event: NodeEvent, now: MonotonicInstant) {
        guard case .bodyCompleted(_, _, _, let count, _) = event else { return }
        times[host] = now
        sources[host] = count
    }

    func count(of hosts: [HostIndex]) -> Int { hosts.count { times[$0] != nil } }

    func has(_ hosts: [HostIndex]) -> Bool { count(of: hosts) == hosts.count }

    func text(of hosts: [HostIndex]) -> String {
        let missing = hosts.filter { times[$0] == nil }
        return "\(hosts.count - missing.count) of \(hosts.count)"
            + (missing.isEmpty
                ? "" : "; not at \(missing.prefix(8).map { "n\($0.rawValue)" })")
    }
}
