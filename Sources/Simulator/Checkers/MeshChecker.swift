import ChoraleBase
import Gossipsub
import Node

/// Looks at the gossip mesh of one topic from above.
struct MeshChecker {
    let network: Network
    let topic: String
    let degrees: ClosedRange<Int>

    init(_ network: Network, topic: String, parameters: Gossipsub.MeshParameters = .init()) {
        self.network = network
        self.topic = topic
        degrees = parameters.degreeLow...parameters.degreeHigh
    }

    struct View {
        /// Mesh peers of each running node, those only that are honest and running.
        var edges: [HostIndex: [HostIndex]] = [:]
        var degreeMin = Int.max
        var degreeMax = 0
        /// Mesh links that only one side believes in.
        var oneSided = 0
        /// Nodes that mesh links lead to, from the first.
        var reached = 0
        var outside: [String] = []

        var text: String {
            let degrees = edges.isEmpty ? "none" : "\(degreeMin) to \(degreeMax)"
            var text =
                "degrees \(degrees), \(reached) of \(edges.count) nodes in one piece, "
                + "\(oneSided) one-sided links"
            if !outside.isEmpty { text += "; outside: \(outside.prefix(8).joined(separator: " "))" }
            return text
        }
    }

    func view() -> View {
        var view = View()
        let running = network.running
        // A node with fewer neighbours than the lower bound cannot have more mesh peers.
        let low = min(degrees.lowerBound, running.count - 1)
        for host in running {
            let mesh =
                network.simulation.withNode(host) { node in
                    node.meshPeers(of: topic)
                } ?? []
            view.degreeMin = min(view.degreeMin, mesh.count)
            view.degreeMax = max(view.degreeMax, mesh.count)
            if mesh.count < low || mesh.count > degrees.upperBound {
                view.outside.append("n\(host.rawValue):\(mesh.count)")
            }
            view.edges[host] = mesh.compactMap(network.host)
        }
        let sets = view.edges.mapValues(Set.init)
        for (host, neighbours) in view.edges {
            for neighbour in neighbours where sets[neighbour]?.contains(host) != true {
                view.oneSided += 1
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

    /// Whether every mesh is within bounds and gossip can get from everybody to everybody, be it over
    /// connections outside the mesh: two halves whose meshes are full stay two until links break, and
    /// what crosses is announced and asked for.
    func isHealed() -> Bool {
        guard view().outside.isEmpty else { return false }
        let running = network.running
        var edges: [HostIndex: [HostIndex]] = [:]
        let now = network.simulation.clock
        for host in running {
            let peers = network.simulation.withNode(host) { $0.connectedPeers(now: now) } ?? []
            edges[host] = peers.compactMap { network.host(of: $0.peer) }
        }
        return reachable(edges, from: running) == running.count
    }

    /// Whether every running node has a mesh within bounds and the whole is one piece.
    func isFormed() -> Bool {
        let view = view()
        return view.outside.isEmpty && view.reached == view.edges.count
    }
}
