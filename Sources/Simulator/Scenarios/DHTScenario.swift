import ChoraleBase
import Crypto
import Node
import PeerIdentity

/// Records and providers survive nodes that crash, come back, and leave for good.
public struct DHTScenario: Scenario {
    public static let name = "dht"
    public static let summary =
        "prover identity records and provider records survive 20 % churn an hour"
    public static let durationMeaning = "how long churn and lookups go on"
    public static let defaults = ScenarioParameters(nodes: 48, seed: 1, duration: .seconds(3600))
    public static let nodesMin = 12

    static let lookupInterval: Duration = .seconds(4)
    /// Per mille of lookups that must find what is there.
    static let successPerMille = 995

    public let parameters: ScenarioParameters
    /// Of the nodes, an hour. Short runs take more, or hardly anything would happen in them.
    var churnPercent = 20

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        let network = Network(run)
        let checker = LookupChecker(run, network)
        let honesty = HonestyChecker(network)
        simulation.onReply = { _, id, reply, isLast in
            checker.observe(id, reply, isLast: isLast)
        }
        simulation.onEvent = { honesty.observe($0, $1) }
        network.startAll(over: .milliseconds(50) * parameters.nodes)
        simulation.run(for: .milliseconds(50) * parameters.nodes + .seconds(30))

        let owners = run.random.sample(
            Array(network.nodes.dropFirst()), count: max(3, parameters.nodes / 8))
        for owner in owners {
            publish(owner, checker, simulation)
            let key = [0x12, 0x20] + run.random.bytes(count: 32)
            checker.publish(.provider(owner, key: key))
        }
        simulation.run(for: .seconds(30))
        run.check(
            "everything is published", checker.entries.count == owners.count * 2,
            "\(checker.entries.count) of \(owners.count * 2) entries"
                + (checker.unpublished.isEmpty ? "" : "; \(checker.unpublished.prefix(3))"))

        let churn = Churn(run, network, checker, protected: Set(owners + [network.bootnode]))
        let hours = Double(parameters.duration.wholeMilliseconds) / 3_600_000
        let exact = Double(parameters.nodes * churnPercent) / 100 * hours
        let churnCount = max(2, Int(exact.rounded()))
        churn.plan(count: churnCount, over: parameters.duration) { owner in
            publish(owner, checker, simulation)
        }
        let end = simulation.now.advanced(by: parameters.duration)
        while simulation.now < end {
            if let entry = run.random.element(of: checker.entries) {
                let settled = churn.settled().filter { $0 != entry.owner }
                if let asker = run.random.element(of: settled) {
                    checker.look(for: entry, from: asker)
                }
            }
            simulation.run(for: Self.lookupInterval)
        }
        _ = simulation.run(
            until: { checker.pendingCount == 0 }, limit: .seconds(70), every: .seconds(1))

        let total = checker.succeeded + checker.failed.count
        run.check(
            "at least \(Self.successPerMille / 10).\(Self.successPerMille % 10) % of lookups succeed",
            total > 0 && checker.succeeded * 1000 >= total * Self.successPerMille,
            "\(checker.succeeded) of \(total), \(churn.crashCount) crashes, "
                + "\(churn.departureCount) departures"
                + (checker.failed.isEmpty ? "" : "; \(checker.failed.prefix(3))"))
        run.check(
            "nodes crash and leave as planned",
            churn.crashCount + churn.departureCount == churnCount && churn.departureCount > 0,
            "\(churn.crashCount) crashes and \(churn.departureCount) departures of \(churnCount)")
        run.check(
            "every lookup ends", checker.startedCount == total + checker.orphaned,
            "\(checker.startedCount) started, \(checker.orphaned) askers killed")
        run.measure("lookups", Double(total), "")
        run.measure("lookup time, 50 %", checker.times.percentile(50))
        run.measure("lookup time, 95 %", checker.times.percentile(95))
        run.measure("lookups that found an older record", Double(checker.stale), "")
        honesty.report(to: run)
    }

    private func publish(_ owner: HostIndex, _ checker: LookupChecker, _ simulation: Simulation) {
        guard simulation.isRunning(owner),
            let key = simulation.identity(of: owner).ed25519?.publicKey
        else { return }
        checker.publish(.prover(owner, publicKey: key.bytes))
    }
}

/// Nodes crash and come back, and leave for good while new ones join.
final class Churn {
    private let run: ScenarioRun
    private let network: Network
    private let checker: LookupChecker
    /// Never leave for good.
    private let protected: Set<HostIndex>
    private var startedAt: [HostIndex: MonotonicInstant] = [:]
    private(set) var crashCount = 0
    private(set) var departureCount = 0

    init(
        _ run: ScenarioRun, _ network: Network, _ checker: LookupChecker,
        protected: Set<HostIndex>
    ) {
        self.run = run
        self.network = network
        self.checker = checker
        self.protected = protected
    }

    /// - Parameter revived: called for a protected node some time after it came back, as an
    ///   operator's unit file would repeat its commands.
    func plan(count: Int, over duration: Duration, revived: @escaping (HostIndex) -> Void) {
        for number in 0..<count {
            let offset = run.random.duration(below: duration)
            run.simulation.after(offset) { [self] in
                if number.isMultiple(of: 2) { crash(revived) } else { depart() }
            }
        }
    }

    /// Nodes that have been up for a minute.
    func settled() -> [HostIndex] {
        network.running.filter { host in
            guard let at = startedAt[host] else { return true }
            return at.duration(to: run.simulation.now) >= .seconds(60)
        }
    }

    private func crash(_ revived: @escaping (HostIndex) -> Void) {
        let candidates = network.running.filter { $0 != network.bootnode }
        guard let host = run.random.element(of: candidates) else { return }
        crashCount += 1
        run.simulation.crash(host)
        checker.vanished(host)
        let pause: Duration = .seconds(10) + run.random.duration(below: .seconds(110))
        run.simulation.after(pause) { [self] in
            run.simulation.start(host)
            startedAt[host] = run.simulation.now
            guard protected.contains(host) else { return }
            run.simulation.after(.seconds(15)) { revived(host) }
        }
    }

    private func depart() {
        let candidates = network.running.filter { !protected.contains($0) }
        guard let host = run.random.element(of: candidates) else { return }
        departureCount += 1
        run.simulation.crash(host)
        checker.vanished(host)
        run.simulation.after(run.random.duration(below: .seconds(60))) { [self] in
            let newcomer = network.addNode()
            run.simulation.start(newcomer)
            startedAt[newcomer] = run.simulation.now
        }
    }
}
