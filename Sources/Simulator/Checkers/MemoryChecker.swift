import ChoraleBase
import Gossipsub
import Node

/// What nodes hold for others, at its largest.
final class MemoryChecker {
    private let network: Network
    private(set) var peak = 0
    private var peakHost: HostIndex?
    private var peakHoldings = NodeHoldings()

    init(_ network: Network) { self.network = network }

    func sample() {
        let now = network.simulation.clock
        for host in network.running {
            guard let holdings = network.simulation.withNode(host, { $0.holdings(now: now) })
            else { continue }
            let size = holdings.estimatedSize
            guard size > peak else { continue }
            peak = size
            peakHost = host
            peakHoldings = holdings
        }
    }

    /// The largest reading, taken apart.
    var text: String {
        guard let peakHost else { return "nothing sampled" }
        let gossip = peakHoldings.gossip
        return "\(peak) bytes at n\(peakHost.rawValue): \(peakHoldings.sockets) sockets, "
            + "\(peakHoldings.streams) streams with \(peakHoldings.queuedSize) bytes queued, "
            + "\(gossip.messageSize) bytes of messages, \(gossip.seen) seen, "
            + "\(gossip.wanted) wanted, \(gossip.controlIDs) ids to send, "
            + "\(peakHoldings.dhtRecords) records, \(peakHoldings.dhtProviders) providers, "
            + "\(peakHoldings.bodies) bodies"
    }
}
