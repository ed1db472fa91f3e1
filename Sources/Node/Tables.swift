import ChoraleBase
import ChoraleTypes
import Codec
import Gossipsub
import Kademlia
import OrderedCollections
import PeerIdentity
import Swarm
import Yamux

/// A Kademlia request of ours on its way out.
struct OutboundRPC {
    let id: Kademlia.RPCID
    let peer: PeerID
    let addresses: [Multiaddr]
    let message: [UInt8]
    let expectsAnswer: Bool
    let deadline: MonotonicInstant
}

/// Who waits for which dial, stream or query.
///
/// Bounded by the machines that ask: Kademlia limits its requests, the swarm its dials, the command
/// table its commands.
struct RequestTable {
    enum DialPurpose {
        case rpc(OutboundRPC)
        case command(CommandID)
        case unasked
    }

    enum QueryPurpose {
        case command(CommandID)
        case prover(CommandID?)
        case proverSearch(CommandID)
        /// To connect to it.
        case connection(PeerID)
        case unasked
    }

    private var dials: OrderedDictionary<DialID, DialPurpose> = [:]
    private var dialsByRPC: [Kademlia.RPCID: DialID] = [:]
    private var sent: [Kademlia.RPCID: StreamKey] = [:]
    private var inbound: [Kademlia.InboundRequestID: StreamKey] = [:]
    private var queries: [Kademlia.QueryID: QueryPurpose] = [:]
    private var nextDial: UInt64 = 1
    private var nextInbound: UInt64 = 1
    private var nextQuery: UInt64 = 1

    mutating func dial(for rpc: OutboundRPC) -> DialID {
        let id = newDial(.rpc(rpc))
        dialsByRPC[rpc.id] = id
        return id
    }

    mutating func dial(for command: CommandID) -> DialID { newDial(.command(command)) }

    mutating func unaskedDial() -> DialID { newDial(.unasked) }

    private mutating func newDial(_ purpose: DialPurpose) -> DialID {
        let id = DialID(nextDial)
        nextDial += 1
        dials[id] = purpose
        return id
    }

    mutating func takeDial(_ id: DialID) -> DialPurpose? {
        let purpose = dials.removeValue(forKey: id)
        if case .rpc(let rpc) = purpose { dialsByRPC.removeValue(forKey: rpc.id) }
        return purpose
    }

    mutating func cancelDial(of rpc: Kademlia.RPCID) -> DialID? {
        guard let id = dialsByRPC.removeValue(forKey: rpc) else { return nil }
        dials.removeValue(forKey: id)
        return id
    }

    mutating func sent(_ rpc: Kademlia.RPCID, on stream: StreamKey) { sent[rpc] = stream }

    mutating func takeSent(_ rpc: Kademlia.RPCID) -> StreamKey? { sent.removeValue(forKey: rpc) }

    mutating func inbound(_ stream: StreamKey) -> Kademlia.InboundRequestID {
        let id = Kademlia.InboundRequestID(nextInbound)
        nextInbound += 1
        inbound[id] = stream
        return id
    }

    func inboundStream(of id: Kademlia.InboundRequestID) -> StreamKey? { inbound[id] }

    mutating func takeInbound(_ id: Kademlia.InboundRequestID) -> StreamKey? {
        inbound.removeValue(forKey: id)
    }

    mutating func query(_ purpose: QueryPurpose) -> Kademlia.QueryID {
        let id = Kademlia.QueryID(nextQuery)
        nextQuery += 1
        queries[id] = purpose
        return id
    }

    mutating func internalQuery() -> Kademlia.QueryID { query(.unasked) }

    mutating func takeQuery(_ id: Kademlia.QueryID) -> QueryPurpose? {
        queries.removeValue(forKey: id)
    }

    func queries(of command: CommandID) -> [Kademlia.QueryID] {
        queries.filter { entry in
            if case .command(let id) = entry.value { id == command } else { false }
        }.map(\.key).sorted()
    }
}

/// Commands under way.
struct CommandTable {
    enum Work {
        case waiting
        case subscription(String)
        case events
        case bodies
        case ping(remaining: Int, sequence: Int, peer: PeerID)
        case publication(topic: String)
        case bodyRead(root: Bytes32, next: Int, count: Int)
        /// Connected first, then this.
        case afterDial(Command)
    }

    private var work: OrderedDictionary<CommandID, Work> = [:]
    private var publications: [Gossipsub.PublishID: CommandID] = [:]
    private var nextPublication: UInt64 = 1

    var count: Int { work.count }

    subscript(_ id: CommandID) -> Work? {
        get { work[id] }
        set { work[id] = newValue }
    }

    mutating func remove(_ id: CommandID) -> Work? { work.removeValue(forKey: id) }

    var all: [CommandID] { Array(work.keys) }

    mutating func publication(of command: CommandID?) -> Gossipsub.PublishID {
        let id = Gossipsub.PublishID(nextPublication)
        nextPublication += 1
        if let command { publications[id] = command }
        return id
    }

    mutating func takePublication(_ id: Gossipsub.PublishID) -> CommandID? {
        publications.removeValue(forKey: id)
    }

    func subscribers(to topic: String) -> [CommandID] {
        work.filter { entry in
            if case .subscription(topic) = entry.value { true } else { false }
        }.map(\.key)
    }

    var eventWatchers: [CommandID] {
        work.filter { entry in
            if case .events = entry.value { true } else { false }
        }.map(\.key)
    }

    var bodyWatchers: [CommandID] {
        work.filter { entry in
            if case .bodies = entry.value { true } else { false }
        }.map(\.key)
    }

    mutating func setPing(_ id: CommandID, remaining: Int, sequence: Int, peer: PeerID) {
        work[id] = .ping(remaining: remaining, sequence: sequence, peer: peer)
    }

    /// Counts one echo; nil when the command is gone.
    mutating func pinged(_ id: CommandID) -> (sequence: Int, remaining: Int, peer: PeerID)? {
        guard case .ping(let remaining, let sequence, let peer) = work[id] else { return nil }
        work[id] = .ping(remaining: remaining - 1, sequence: sequence + 1, peer: peer)
        return (sequence + 1, remaining - 1, peer)
    }
}
