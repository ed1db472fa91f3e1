import ChoraleBase
import Gossipsub
import Node

/// Looks at the gossip mesh of one topic from above.
///
/// A link is one that both nodes have in their meshes and over which bytes can go: what only one of
/// them believes, or both of a socket that is cut, is none.
struct MeshChecker {
    let network: Network
    let topic: String
    let degrees: ClosedRange<Int>

    /// One-sided links allowed, of a hundred claims: those whose GRAFT or PRUNE is on its way.
    static let oneSidedPercentMax = 5

    init(_ network: Network, topic: String, parameters: Gossipsub.MeshParameters = .init()) {
        self.network = network
        self.topic = topic
        degrees = parameters.degreeLow...parameters.degreeHigh
    }

    struct View {
        /// Links of each running node, to honest and running ones.
        var edges: [HostIndex: [HostIndex]] = [:]
        var degreeMin = Int.max
        var degreeMax = 0
        /// What nodes believe to be in their meshes, and what of it is no link.
        var claims = 0
        var oneSided = 0
        /// Nodes that links lead to, from the first.
        var reached = 0
        var outside: [String] = []

        var isSymmetric: Bool { oneSided * 100 <= claims * MeshChecker.oneSidedPercentMax }

        var isWhole: Bool { outside.isEmpty && reached == edges.count && isSymmetric }

        /// Links between two groups of nodes.
        func crossings(of group: Set<HostIndex>) -> Int {
            edges.reduce(0) { sum, entry in
                guard group.contains(entry.key) else { return sum }
                return sum + entry.value.count { !group.contains($0) }
            }
        }

        var text: String {
            let degrees = edges.isEmpty ? "none" : "\(degreeMin) to \(degreeMax)"
            var text =
                "degrees \(degrees), \(reached) of \(edges.count) nodes in one piece, "
                + "\(oneSided) of \(claims) ends of links one-sided"
            if !outside.isEmpty { text += "; outside: \(outside.prefix(8).joined(separator: " "))" }
            return text
        }
    }

    func view() -> View {
        var view = View()
        let running = network.running
        let sockets = network.simulation.connectedPairs()
        // A node with fewer neighbours than the lower bound cannot have more mesh peers.
        let low = min(degrees.lowerBound, running.count - 1)
        var believed: [HostIndex: Set<HostIndex>] = [:]
        for host in running {
            let mesh =
                network.simulation.withNode(host) { node in
                    node.meshPeers(of: topic)
                } ?? []
            believed[host] = Set(mesh.compactMap(network.host))
        }
        for host in running {
            let claims = believed[host, default: []].sorted()
            let links = claims.filter {
                believed[$0]?.contains(host) == true && sockets.contains(HostPair(host, $0))
            }
            view.claims += claims.count
            view.oneSided += claims.count - links.count
            view.edges[host] = links
            view.degreeMin = min(view.degreeMin, links.count)
            view.degreeMax = max(view.degreeMax, links.count)
            if links.count < low || links.count > degrees.upperBound {
                view.outside.append("n\(host.rawValue):\(links.count)")
            }
        }
        view.reached = reachable(view.edges, from: running)
        return view
    }

    private func reachable(_ edges: [HostIndex: [HostIndex]], from running: [HostIndex]) -> Int {
        guard let first = running.first else { return 0 }
        var seen: Set<HostIndex> = [first]
        var queue = [first]
        while let host = queue.popLast() {
            for neighbour in edges[host] ?? [] where edges[neighbour] != nil {
                if seen.insert(neighbour).inserted { queue.append(neighbour) }
            }
        }
        return seen.count
    }

    /// Whether sockets lead from everybody to everybody.
    func isConnected() -> Bool {
        let running = network.running
        let isRunning = Set(running)
        var edges: [HostIndex: [HostIndex]] = [:]
        for host in running { edges[host] = [] }
        for pair in network.simulation.connectedPairs()
        where isRunning.contains(pair.lower) && isRunning.contains(pair.upper) {
            edges[pair.lower]?.append(pair.upper)
            edges[pair.upper]?.append(pair.lower)
        }
        return reachable(edges, from: running) == running.count
    }

    /// Whether every running node has a mesh within bounds and the whole is one piece.
    func isFormed() -> Bool { view().isWhole }
}
