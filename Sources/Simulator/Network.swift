import ChoraleBase
import Node
import PeerIdentity
import Swarm

/// The honest nodes of a scenario: all configured alike, the first one the bootnode of the others.
final class Network {
    let simulation: Simulation
    private(set) var nodes: [HostIndex] = []
    private var indices: [PeerID: HostIndex] = [:]
    private var ids: [HostIndex: PeerID] = [:]
    /// Those of them that are not honest after all.
    private(set) var liars: Set<HostIndex> = []
    /// Whether a node that starts knows the bootnode. Off, it has its peer store only.
    var givesBootnodes = true
    private let change: (inout NodeConfiguration) -> Void

    init(
        _ run: ScenarioRun, topics: [String] = [],
        _ change: @escaping (inout NodeConfiguration) -> Void = { _ in }
    ) {
        simulation = run.simulation
        self.change = { configuration in
            configuration.gossipTopics = topics
            change(&configuration)
        }
        for _ in 0..<run.parameters.nodes { _ = addNode() }
    }

    /// Adds one more without starting it.
    func addNode() -> HostIndex {
        let first = nodes.first
        let index = simulation.addHost { [unowned self] configuration in
            if givesBootnodes, let first { configuration.bootnodes = [simulation.bootnode(first)] }
            change(&configuration)
        }
        nodes.append(index)
        let peer = simulation.peerID(of: index)
        indices[peer] = index
        ids[index] = peer
        return index
    }

    /// Takes a host's honesty from it: nobody is wrong who finds fault with it, and what it says of others
    /// means nothing.
    func accuse(_ host: HostIndex) {
        liars.insert(host)
        indices.removeValue(forKey: peerID(of: host))
    }

    var bootnode: HostIndex { nodes[0] }

    var running: [HostIndex] { nodes.filter(simulation.isRunning) }

    /// Which honest node has this identity; nil for anybody else.
    func host(of peer: PeerID) -> HostIndex? { indices[peer] }

    func peerID(of host: HostIndex) -> PeerID { ids[host] ?? simulation.peerID(of: host) }

    /// Starts the bootnode, and the others one by one over `interval`.
    func startAll(over interval: Duration) {
        simulation.start(bootnode)
        let step = interval / max(1, nodes.count)
        for (number, index) in nodes.enumerated().dropFirst() {
            simulation.after(step * number) { [simulation] in
                if !simulation.isRunning(index) { simulation.start(index) }
            }
        }
    }
}

/// Order statistics of times.
struct Times {
    private var values: [Duration] = []

    mutating func add(_ time: Duration) { values.append(time) }

    var count: Int { values.count }

    /// The smallest time that `percent` of all do not exceed; zero without any.
    func percentile(_ percent: Int) -> Duration {
        guard !values.isEmpty else { return .zero }
        let sorted = values.sorted()
        return sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
    }
}

extension Duration {
    /// Seconds with milliseconds, for reports.
    var seconds: String {
        let milliseconds = wholeMilliseconds
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
            + " s"
    }
}
