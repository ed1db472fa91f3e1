import Chain
public import ChoraleBase
import ChoraleTypes
public import Codec
import Crypto
import DequeModule
import HeapModule
public import Node
public import Operations
import PartVerification
public import PeerIdentity
import Swarm

/// Thousands of nodes in one process and in virtual time.
///
/// Everything that differs between two runs comes from the seed: latencies, losses, keys, choices of the
/// nodes. The machines are the real ones, from Noise to RocksDB's stand-in, so that what holds here holds
/// on sockets, except for what only an operating system can do.
///
/// Invariants:
///   1. Events happen in the order of their time, and of their making where times are equal.
///   2. Bytes of one direction of a connection arrive in order and unchanged, or the connection ends.
///   3. A participant is told of a socket's opening before anything else about it, and of its end once.
///   4. Two runs with one seed have the same trace digest. (Every scenario is run twice.)
public final class Simulation {
    public let seed: UInt64
    public var conditions: NetworkConditions
    public internal(set) var now: MonotonicInstant = .zero
    public internal(set) var trace: Trace
    /// Called for each event of a node as it happens.
    public var onEvent: ((HostIndex, NodeEvent) -> Void)?
    /// What an executor's account would tell the operations contract.
    public var onSettle: ((HostIndex, Settlement, [UInt8]) -> Void)?
    /// Called for each reply as it comes; `true` with the last.
    public var onReply: ((HostIndex, CommandID, Reply, Bool) -> Void)?
    /// Called for each order to a validator's files as it comes.
    var onJournal: ((HostIndex, JournalOrder) -> Void)?
    /// Called for what a validator is about to sign of parts, when its node asks for it.
    var onSignParts: ((HostIndex, [PartSignRequest]) -> Void)?
    /// Called after whatever a host has taken in or let out, for tests that put a fault into a node.
    var onTurn: ((HostIndex) -> Void)?
    /// Directions in which nothing arrives for now.
    var heldLinks: Set<HostLink> = []
    /// Called every 65,536 steps.
    public var onProgress: ((Simulation) -> Void)?
    /// Things that happened in the simulator's own queue.
    public internal(set) var stepCount: UInt64 = 0

    var hosts: [Host] = []
    private let values = ValuePool()
    var hostsByAddress: [Multiaddr: HostIndex] = [:]
    var queue = Heap<Scheduled>()
    /// Events by slot; the queue sorts small keys, not these.
    var slots: [Event?] = []
    var freeSlots: [Int] = []
    var order: UInt64 = 0
    var nextWire: UInt64 = 1
    var random: DeterministicRandom
    var outputs: [NodeOutput] = []
    /// Replies of commands that nobody has taken yet.
    private var replies: [CommandID: [Reply]] = [:]
    private var finished: Set<CommandID> = []
    /// Commands whose replies only ``onReply`` sees.
    private var unkept: Set<CommandID> = []
    private var nextCommand: UInt64 = 1
    /// 2026-01-01, when every simulation begins.
    private static let epoch: Int64 = 1_767_225_600_000

    /// - Parameter sink: gets the trace line by line.
    public init(
        seed: UInt64, conditions: NetworkConditions = NetworkConditions(),
        sink: ((String) -> Void)? = nil
    ) {
        self.seed = seed
        self.conditions = conditions
        random = DeterministicRandom(seed: seed)
        trace = Trace(sink: sink)
    }

    public var clock: Now {
        Now(
            instant: now,
            wall: WallTime(milliseconds: Self.epoch + now.nanoseconds / 1_000_000))
    }

    public var hostCount: Int { hosts.count }

    /// Lets go of all hosts and of whoever watches or waits, for those hold this in turn. Nothing may be done with it
    /// afterwards.
    func close() {
        onEvent = nil
        onSettle = nil
        onReply = nil
        onJournal = nil
        onSignParts = nil
        onTurn = nil
        onProgress = nil
        queue = Heap()
        slots = []
        hosts = []
    }

    // MARK: Building

    /// Adds a host without starting it. Each has a public network of its own.
    ///
    /// - Parameter change: adjusts the configuration each time a node is made on it.
    public func addHost(
        _ change: @escaping (inout NodeConfiguration) -> Void = { _ in }
    ) -> HostIndex {
        let index = HostIndex(hosts.count)
        let number = hosts.count
        precondition(number < 16_384, "hosts need public networks of their own")
        let ip = IPv4Address(20 + UInt8(number >> 8), UInt8(number & 0xFF), 1, 1)
        let address = Multiaddr.tcp(ip: .ip4(ip), port: 4001)
        let identity = identity(of: index)
        let disk = MemoryStore(sharing: values)
        let host = Host(index: index, address: address, disk: disk) { nodeSeed in
            var configuration = NodeConfiguration(
                identity: identity,
                noiseStaticKey: Self.secret("noise", seed: nodeSeed, number: UInt64(number)),
                networkDigest: [0x51, 0x1A, 0x00, 0x01], addressPolicy: .publicNetwork,
                seed: nodeSeed)
            configuration.listenAddresses = [address]
            change(&configuration)
            return configuration
        }
        hosts.append(host)
        hostsByAddress[address] = index
        return index
    }

    /// The key of a simulated host. In a simulation, and only there, keys come from the seed.
    func identity(of index: HostIndex) -> IdentityKey {
        IdentityKey(
            ed25519Seed: Self.secret("identity", seed: seed, number: UInt64(index.rawValue)))
    }

    static func secret(_ use: String, seed: UInt64, number: UInt64) -> SecretBytes {
        var bytes = Array("chorale-sim/\(use)".utf8)
        bytes.appendLittleEndian(seed)
        bytes.appendLittleEndian(number)
        return SecretBytes(copying: SHA256.hash(bytes))
    }

    public func peerID(of host: HostIndex) -> PeerID { identity(of: host).peerID }

    public func bootnode(_ host: HostIndex) -> Bootnode {
        Bootnode(peerID: peerID(of: host), addresses: [hosts[host.rawValue].address])
    }

    public func address(of host: HostIndex) -> Multiaddr { hosts[host.rawValue].address }

    // MARK: Acting

    /// Starts a node on a host that has none.
    public func start(_ index: HostIndex) {
        let host = hosts[index.rawValue]
        var configuration = host.makeConfiguration(random.next())
        if let chain = host.chain {
            let start = chain.open()
            configuration.chain = start
            chain.addOperations(to: &configuration, start)
            if chain.files != nil { configuration.roles.insert(.validator) }
        }
        install(NodeParticipant(configuration: configuration, now: clock(of: host)), on: host)
    }

    /// Starts something else than a node.
    func start(_ index: HostIndex, _ participant: any Participant) {
        install(participant, on: hosts[index.rawValue])
    }

    private func install(_ participant: any Participant, on host: Host) {
        precondition(host.participant == nil, "host \(host.index.rawValue) runs already")
        host.life += 1
        host.participant = participant
        host.uplinkFreeAt = now
        host.isPumpScheduled = false
        host.ready = []
        host.timerAt = nil
        trace.record(.start, at: now, host.index.rawValue, host.life)
        give(.start, to: host)
    }

    /// Pulls a host's plug: the node is gone at once, and what it had not synced is partly lost.
    public func crash(_ index: HostIndex) {
        let host = hosts[index.rawValue]
        guard host.participant != nil else { return }
        trace.record(.crash, at: now, index.rawValue, host.life)
        host.disk.crash(now: now, random: &random)
        host.chain?.crash(random: &random)
        vanish(host)
    }

    /// Kills a node's process. Its disk keeps everything that was written, synced or not, as the
    /// operating system still has it.
    public func kill(_ index: HostIndex) {
        let host = hosts[index.rawValue]
        guard host.participant != nil else { return }
        trace.record(.kill, at: now, index.rawValue, host.life)
        host.chain?.kill()
        vanish(host)
    }

    /// Asks a node to drain and stop.
    public func stop(_ index: HostIndex) { give(.stop, to: hosts[index.rawValue]) }

    public func isRunning(_ index: HostIndex) -> Bool { hosts[index.rawValue].participant != nil }

    /// Puts hosts into groups that cannot reach each other. Bytes between them vanish.
    public func partition(_ groups: [[HostIndex]]) {
        trace.record(.partition, at: now, 0, UInt64(groups.count))
        for (number, group) in groups.enumerated() {
            for index in group { hosts[index.rawValue].group = number }
        }
    }

    public func heal() { partition([hosts.map(\.index)]) }

    /// Gives a command.
    ///
    /// - Parameter keepsReplies: whether ``result(of:)`` will be asked; ``onReply`` is called anyway.
    @discardableResult
    public func command(
        _ index: HostIndex, _ command: Command, keepsReplies: Bool = true
    ) -> CommandID {
        let id = CommandID(nextCommand)
        nextCommand += 1
        if !keepsReplies { unkept.insert(id) }
        trace.record(.command, at: now, index.rawValue, id.rawValue)
        give(.command(id, command), to: hosts[index.rawValue])
        return id
    }

    public func cancel(_ id: CommandID, on index: HostIndex) {
        give(.commandCancelled(id), to: hosts[index.rawValue])
    }

    /// Runs `action` at a time.
    public func at(_ instant: MonotonicInstant, _ action: @escaping () -> Void) {
        schedule(.action(action), at: instant)
    }

    public func after(_ duration: Duration, _ action: @escaping () -> Void) {
        at(now.advanced(by: duration), action)
    }

    func replied(_ index: HostIndex, _ id: CommandID, _ reply: Reply, isLast: Bool) {
        if !unkept.contains(id) {
            replies[id, default: []].append(reply)
            if isLast { finished.insert(id) }
        } else if isLast {
            unkept.remove(id)
        }
        onReply?(index, id, reply, isLast)
    }

    // MARK: Looking

    /// Reads a running node; nil when none runs there.
    public func withNode<Result>(
        _ index: HostIndex, _ body: (borrowing Node) -> Result
    ) -> Result? {
        guard let participant = hosts[index.rawValue].participant as? NodeParticipant else {
            return nil
        }
        return body(participant.node)
    }

    /// Bytes that a host has put on the wire and taken from it.
    public func traffic(of index: HostIndex) -> (sent: UInt64, received: UInt64) {
        (hosts[index.rawValue].sentSize, hosts[index.rawValue].receivedSize)
    }

    /// Pairs of hosts between which a socket stands that carries bytes, the lower one first.
    ///
    /// What programs believe plays no part: a socket that a partition has cut is none.
    public func connectedPairs() -> Set<HostPair> {
        var pairs: Set<HostPair> = []
        for host in hosts where host.participant != nil {
            // Into a set, so the order of the table is of no account.
            for end in host.wires.values where end.side == 0 {
                let wire = end.wire
                guard wire.isEstablished, !wire.isCut, wire[0].isOpen, wire[1].isOpen,
                    wire[1].host.group == host.group
                else { continue }
                pairs.insert(HostPair(host.index, wire[1].host.index))
            }
        }
        return pairs
    }

    /// The replies of a command and whether it has ended.
    public func result(of id: CommandID) -> (replies: [Reply], isFinished: Bool) {
        (replies[id] ?? [], finished.contains(id))
    }

    // MARK: Running

    public func run(for duration: Duration) { run(until: now.advanced(by: duration)) }

    public func run(until end: MonotonicInstant) {
        while let next = queue.min, next.at <= end { step() }
        now = max(now, end)
    }

    /// Runs until `condition` holds, looking every `interval`, for at most `limit`.
    ///
    /// - Returns: whether it came to hold.
    public func run(
        until condition: () -> Bool, limit: Duration, every interval: Duration = .milliseconds(100)
    ) -> Bool {
        let end = now.advanced(by: limit)
        while now < end {
            if condition() { return true }
            run(until: min(end, now.advanced(by: interval)))
        }
        return condition()
    }
}
