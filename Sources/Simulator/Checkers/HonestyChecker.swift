import ChoraleBase
import Node
import PeerIdentity

/// Nobody honest is taken for an attacker by somebody honest.
final class HonestyChecker {
    private let network: Network
    private var wrongs: [String] = []

    init(_ network: Network) { self.network = network }

    /// Must see every event of the simulation.
    func observe(_ host: HostIndex, _ event: NodeEvent) {
        guard !network.liars.contains(host) else { return }
        switch event {
        case .graylisted(let peer): note(host, peer, "graylisted")
        case .peerFault(let peer, let fault): note(host, peer, fault)
        case .wrongNetwork(let peer, _): note(host, peer, "wrong network")
        default: break
        }
    }

    private func note(_ host: HostIndex, _ peer: PeerID, _ what: String) {
        guard let other = network.host(of: peer) else { return }
        wrongs.append("n\(host.rawValue) on n\(other.rawValue): \(what)")
    }

    func report(to run: ScenarioRun) {
        run.check(
            "no honest node finds fault with an honest one", wrongs.isEmpty,
            wrongs.isEmpty
                ? "no faults" : "\(wrongs.count): " + wrongs.prefix(5).joined(separator: "; "))
        var lowest = Double.infinity
        var negative: [String] = []
        let now = run.simulation.clock
        for host in network.running where !network.liars.contains(host) {
            let scores = run.simulation.withNode(host) { $0.gossipScores(now: now) } ?? []
            for (peer, score) in scores {
                guard let other = network.host(of: peer) else { continue }
                lowest = min(lowest, score)
                if score < 0 {
                    negative.append("n\(host.rawValue) on n\(other.rawValue): \(score)")
                }
            }
        }
        run.check(
            "no honest node has a negative score with an honest one", negative.isEmpty,
            negative.isEmpty
                ? "lowest \(lowest)"
                : "\(negative.count): " + negative.prefix(5).joined(separator: "; "))
    }
}
