import ChoraleBase
import Codec
import DequeModule
import Node
import Swarm

extension Simulation {
    /// A host: an address, a disk, and what runs on it.
    final class Host {
        let index: HostIndex
        let address: Multiaddr
        let makeConfiguration: (_ seed: UInt64) -> NodeConfiguration
        let disk: MemoryStore
        var participant: (any Participant)?
        /// Its sockets. Order never matters: what goes over all of them goes in the order of ids.
        var wires: [ConnectionID: WireEnd] = [:]
        /// Sockets that may have something to send, in turn.
        var ready: Deque<ConnectionID> = []
        var uplinkFreeAt: MonotonicInstant = .zero
        var isPumpScheduled = false
        var acceptedCount: UInt64 = 0
        var timerAt: MonotonicInstant?
        /// Counts lives, so that what was meant for an earlier one is dropped.
        var life: UInt64 = 0
        var group = 0
        var isListening = false
        var sentSize: UInt64 = 0
        var receivedSize: UInt64 = 0
        /// Nil on networks without one.
        var chain: HostChain?
        /// How far the host's wall clock is ahead of the true time.
        var clockOffset: Duration = .zero

        init(
            index: HostIndex, address: Multiaddr, disk: MemoryStore,
            makeConfiguration: @escaping (_ seed: UInt64) -> NodeConfiguration
        ) {
            self.index = index
            self.address = address
            self.disk = disk
            self.makeConfiguration = makeConfiguration
        }
    }
}
