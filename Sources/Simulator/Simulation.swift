public import ChoraleBase
import ChoraleTypes
public import Codec
import Crypto
import HeapModule
public import Node
import OrderedCollections
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
///   3. Two runs with one seed have the same trace digest. (Every scenario is run twice.)
public final class Simulation {
    /// A host: an address, a disk, and what runs on it.
    final class Host {
        let index: HostIndex
        let address: Multiaddr
        let makeConfiguration: (_ seed: UInt64) -> NodeConfiguration
        let disk = MemoryStore()
        var participant: (any Participant)?
        var wires: OrderedDictionary<ConnectionID, (wire: UInt64, side: Int)> = [:]
        /// Connections that said they have something to send, in turn.
        var ready: [ConnectionID] = []
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

        init(
            index: HostIndex, address: Multiaddr,
            makeConfiguration: @escaping (_ seed: UInt64) -> NodeConfiguration
        ) {
            self.index = index
            self.address = address
            self.makeConfiguration = makeConfiguration
        }
    }

    private enum Event {
        case timer(HostIndex)
        case pump(HostIndex)
        case open(wire: UInt64)
        case refuse(HostIndex, ConnectionID, String)
        case deliver(wire: UInt64, side: Int, [UInt8])
        case end(wire: UInt64, side: Int, DisconnectReason)
        case input(HostIndex, NodeInput)
        case action(UInt64)
    }

    private struct Scheduled: Comparable {
        let at: MonotonicInstant
        let order: UInt64
        /// The life of the host it was made for; 0 for the network's own.
        let life: UInt64
        let event: Event

        static func < (lhs: Self, rhs: Self) -> Bool {
            (lhs.at, lhs.order) < (rhs.at, rhs.order)
        }

        static func == (lhs: Self, rhs: Self) -> Bool { lhs.order == rhs.order }
    }

    public let seed: UInt64
    public var conditions: NetworkConditions
    public private(set) var now: MonotonicInstant = .zero
    public private(set) var trace: Trace
    /// Everything nodes reported, newest last, per host.
    public private(set) var events: [[NodeEvent]] = []
    /// Called for each event as it happens.
    public var onEvent: ((HostIndex, NodeEvent) -> Void)?
    public private(set) var replies: [CommandID: [Reply]] = [:]
    public private(set) var finished: Set<CommandID> = []

    private var hosts: [Host] = []
    private var hostsByAddress: [Multiaddr: HostIndex] = [:]
    private var wires: [UInt64: Wire] = [:]
    private var queue = Heap<Scheduled>()
    private var order: UInt64 = 0
    private var nextWire: UInt64 = 1
    private var nextCommand: UInt64 = 1
    private var nextAction: UInt64 = 1
    private var actions: [UInt64: () -> Void] = [:]
    private var random: DeterministicRandom
    private var outputs: [NodeOutput] = []
    /// 2026-01-01, when every simulation begins.
    private static let epoch: Int64 = 1_767_225_600_000

    public init(
        seed: UInt64, conditions: NetworkConditions = NetworkConditions(), keepsTrace: Bool = false
    ) {
        self.seed = seed
        self.conditions = conditions
        random = DeterministicRandom(seed: seed)
        trace = Trace(keepsLines: keepsTrace)
    }

    public var clock: Now {
        Now(
            instant: now,
            wall: WallTime(milliseconds: Self.epoch + now.nanoseconds / 1_000_000))
    }

    public var hostCount: Int { hosts.count }

    // MARK: Building

    /// Adds a host without starting it.
    ///
    /// - Parameter change: adjusts the configuration each time a node is made on it.
    public func addHost(
        _ change: @escaping (inout NodeConfiguration) -> Void = { _ in }
    ) -> HostIndex {
        let index = HostIndex(hosts.count)
        let number = hosts.count + 1
        let ip = IPv4Address(
            10, UInt8(number >> 16 & 0xFF), UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF))
        let address = Multiaddr.tcp(ip: .ip4(ip), port: 4001)
        let identity = Self.identity(seed: seed, index: index)
        let host = Host(index: index, address: address) { nodeSeed in
            var configuration = NodeConfiguration(
                identity: identity,
                noiseStaticKey: Self.secret("noise", seed: nodeSeed, number: UInt64(number)),
                networkDigest: [0x51, 0x1A, 0x00, 0x01], addressPolicy: .local, seed: nodeSeed)
            configuration.listenAddresses = [address]
            change(&configuration)
            return configuration
        }
        hosts.append(host)
        hostsByAddress[address] = index
        events.append([])
        return index
    }

    /// The key of a simulated host. In a simulation, and only there, keys come from the seed.
    private static func identity(seed: UInt64, index: HostIndex) -> IdentityKey {
        IdentityKey(ed25519Seed: secret("identity", seed: seed, number: UInt64(index.rawValue)))
    }

    private static func secret(_ use: String, seed: UInt64, number: UInt64) -> SecretBytes {
        var bytes = Array("chorale-sim/\(use)".utf8)
        bytes.appendLittleEndian(seed)
        bytes.appendLittleEndian(number)
        return SecretBytes(copying: SHA256.hash(bytes))
    }

    public func peerID(of host: HostIndex) -> PeerID {
        Self.identity(seed: seed, index: host).peerID
    }

    public func bootnode(_ host: HostIndex) -> Bootnode {
        Bootnode(peerID: peerID(of: host), addresses: [hosts[host.rawValue].address])
    }

    public func address(of host: HostIndex) -> Multiaddr { hosts[host.rawValue].address }

    // MARK: Acting

    /// Starts a node on a host that has none.
    public func start(_ index: HostIndex) {
        let host = hosts[index.rawValue]
        precondition(host.participant == nil, "host \(index.rawValue) runs already")
        host.life += 1
        let configuration = host.makeConfiguration(random.next())
        install(NodeParticipant(configuration: configuration, now: clock), on: host)
    }

    /// Starts something else than a node.
    func start(_ index: HostIndex, _ participant: any Participant) {
        let host = hosts[index.rawValue]
        host.life += 1
        install(participant, on: host)
    }

    private func install(_ participant: any Participant, on host: Host) {
        host.participant = participant
        host.uplinkFreeAt = now
        host.isPumpScheduled = false
        host.ready = []
        host.timerAt = nil
        trace.record("start", at: now, host.index.rawValue, host.life)
        give(.start, to: host)
    }

    /// Kills a node at once. Its peers find out when their segments go unanswered; what it had not
    /// synced is partly lost.
    public func crash(_ index: HostIndex) {
        let host = hosts[index.rawValue]
        guard host.participant != nil else { return }
        trace.record("crash", at: now, index.rawValue, host.life)
        host.participant = nil
        host.isListening = false
        host.life += 1
        host.disk.crash(random: &random)
        // The kernel of a killed process resets its sockets.
        for (_, entry) in host.wires {
            let other = 1 - entry.side
            schedule(
                .end(wire: entry.wire, side: other, .remoteReset),
                at: now.advanced(by: conditions.latency))
        }
        host.wires = [:]
    }

    /// Asks a node to drain and stop.
    public func stop(_ index: HostIndex) { give(.stop, to: hosts[index.rawValue]) }

    public func isRunning(_ index: HostIndex) -> Bool { hosts[index.rawValue].participant != nil }

    /// Puts hosts into groups that cannot reach each other. Bytes between them vanish.
    public func partition(_ groups: [[HostIndex]]) {
        trace.record("partition", at: now, 0, UInt64(groups.count))
        for (number, group) in groups.enumerated() {
            for index in group { hosts[index.rawValue].group = number }
        }
    }

    public func heal() { partition([hosts.map(\.index)]) }

    /// Gives a command. Its replies appear in ``replies``.
    @discardableResult
    public func command(_ index: HostIndex, _ command: Command) -> CommandID {
        let id = CommandID(nextCommand)
        nextCommand += 1
        give(.command(id, command), to: hosts[index.rawValue])
        return id
    }

    public func cancel(_ id: CommandID, on index: HostIndex) {
        give(.commandCancelled(id), to: hosts[index.rawValue])
    }

    /// Runs `action` at a time.
    public func at(_ instant: MonotonicInstant, _ action: @escaping () -> Void) {
        let id = nextAction
        nextAction += 1
        actions[id] = action
        schedule(.action(id), at: instant)
    }

    // MARK: Looking

    /// Reads a running node.
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

    private func step() {
        let next = queue.removeMin()
        now = max(now, next.at)
        switch next.event {
        case .timer(let index):
            let host = hosts[index.rawValue]
            guard next.life == host.life, host.timerAt == next.at else { return }
            host.timerAt = nil
            give(.timeout, to: host)
        case .pump(let index):
            let host = hosts[index.rawValue]
            guard next.life == host.life else { return }
            host.isPumpScheduled = false
            pump(host)
        case .open(let wire): open(wire)
        case .refuse(let index, let connection, let reason):
            let host = hosts[index.rawValue]
            guard next.life == host.life else { return }
            give(.disconnected(connection, .networkError, detail: reason), to: host)
        case .deliver(let wire, let side, let bytes): deliver(wire, side, bytes)
        case .end(let wire, let side, let reason): end(wire, side, reason)
        case .input(let index, let input):
            let host = hosts[index.rawValue]
            guard next.life == host.life else { return }
            give(input, to: host)
        case .action(let id):
            actions.removeValue(forKey: id)?()
        }
    }

    private func schedule(_ event: Event, at instant: MonotonicInstant, life: UInt64 = 0) {
        order += 1
        queue.insert(Scheduled(at: max(now, instant), order: order, life: life, event: event))
    }

    private func give(_ input: NodeInput, to host: Host) {
        guard let participant = host.participant else { return }
        var results: [NodeOutput] = []
        swap(&results, &outputs)
        participant.handle(input, now: clock, into: &results)
        perform(&results, on: host)
        swap(&results, &outputs)
        rearm(host)
    }

    private func rearm(_ host: Host) {
        guard let deadline = host.participant?.nextDeadline else {
            host.timerAt = nil
            return
        }
        let at = max(deadline, now)
        guard host.timerAt == nil || at < (host.timerAt ?? at) else { return }
        host.timerAt = at
        schedule(.timer(host.index), at: at, life: host.life)
    }

    private func perform(_ results: inout [NodeOutput], on host: Host) {
        for result in results { perform(result, on: host) }
        results.removeAll(keepingCapacity: true)
    }

    private func perform(_ output: NodeOutput, on host: Host) {
        switch output {
        case .listen(let id, let address):
            host.isListening = true
            scheduleInput(.listening(id, address), host)
        case .dial(let id, let address, let timeout):
            dial(id, address, timeout: timeout, from: host)
        case .cancelDial(let id), .abort(let id):
            abort(id, on: host)
        case .wantsToTransmit(let id):
            if host.wires[id] != nil, !host.ready.contains(id) { host.ready.append(id) }
            schedulePump(host)
        case .close(let id):
            guard let entry = host.wires[id], var wire = wires[entry.wire] else {
                scheduleInput(.disconnected(id, .networkError, detail: "no such socket"), host)
                return
            }
            wire[entry.side].isClosing = true
            wires[entry.wire] = wire
            if !host.ready.contains(id) { host.ready.append(id) }
            schedulePump(host)
        case .pauseReading(let id): setPaused(id, true, on: host)
        case .resumeReading(let id): setPaused(id, false, on: host)
        case .resolve(let id, _):
            scheduleInput(.resolved(id, .failed("no names in the simulator")), host)
        case .run(let job):
            let wall = clock.wall
            // A worker takes its time; 100 µs is a signature with its thread switches.
            schedule(
                .input(host.index, .finished(job.run(wall: wall))),
                at: now.advanced(by: .microseconds(100)), life: host.life)
        case .store(let id, let request):
            let reply = host.disk.execute(request)
            schedule(
                .input(host.index, .stored(id, reply)), at: now.advanced(by: .milliseconds(1)),
                life: host.life)
        case .reply(let id, let reply, let isLast):
            replies[id, default: []].append(reply)
            if isLast { finished.insert(id) }
        case .event(let event):
            trace.record("event", at: now, host.index.rawValue, 0, "\(event)")
            events[host.index.rawValue].append(event)
            onEvent?(host.index, event)
        case .stopped:
            trace.record("stopped", at: now, host.index.rawValue, host.life)
            host.disk.sync()
            host.participant = nil
            host.isListening = false
            host.life += 1
        }
    }

    private func scheduleInput(_ input: NodeInput, _ host: Host) {
        schedule(.input(host.index, input), at: now, life: host.life)
    }

    // MARK: Sockets

    private func dial(
        _ id: ConnectionID, _ address: Multiaddr, timeout: Duration, from host: Host
    ) {
        let trip = conditions.latency * 2
        guard let target = hostsByAddress[address].map({ hosts[$0.rawValue] }),
            target.group == host.group
        else {
            // Nothing answers: not even a refusal comes back.
            schedule(
                .refuse(host.index, id, "connect timed out"), at: now.advanced(by: timeout),
                life: host.life)
            return
        }
        guard target.isListening, target.participant != nil else {
            schedule(
                .refuse(host.index, id, "connection refused"), at: now.advanced(by: trip),
                life: host.life)
            return
        }
        let number = nextWire
        nextWire += 1
        let accepted = ConnectionID.inbound(target.acceptedCount)
        target.acceptedCount += 1
        wires[number] = Wire(
            ends: (
                Wire.End(host: host.index, connection: id),
                Wire.End(host: target.index, connection: accepted)
            ))
        host.wires[id] = (number, 0)
        target.wires[accepted] = (number, 1)
        schedule(.open(wire: number), at: now.advanced(by: trip))
    }

    private func open(_ number: UInt64) {
        guard let wire = wires[number] else { return }
        let dialer = hosts[wire[0].host.rawValue]
        let listener = hosts[wire[1].host.rawValue]
        trace.record("open", at: now, dialer.index.rawValue, number)
        let local = Multiaddr.tcp(
            ip: dialer.address.ipAddress ?? .ip4(.any),
            port: UInt16(truncatingIfNeeded: 20_000 + number))
        if wire[1].isOpen, listener.wires[wire[1].connection] != nil {
            give(
                .accepted(
                    wire[1].connection, local: listener.address, remote: local,
                    ephemeral: secretFromSeed()),
                to: listener)
        }
        if wire[0].isOpen, dialer.wires[wire[0].connection] != nil {
            give(
                .connected(wire[0].connection, local: local, ephemeral: secretFromSeed()),
                to: dialer)
        }
    }

    private func secretFromSeed() -> SecretBytes {
        Self.secret("ephemeral", seed: random.next(), number: 0)
    }

    private func abort(_ id: ConnectionID, on host: Host) {
        guard let entry = host.wires[id] else {
            scheduleInput(.disconnected(id, .networkError, detail: "no such socket"), host)
            return
        }
        schedule(.end(wire: entry.wire, side: entry.side, .networkError), at: now)
        schedule(
            .end(wire: entry.wire, side: 1 - entry.side, .remoteReset),
            at: now.advanced(by: conditions.latency))
    }

    private func end(_ number: UInt64, _ side: Int, _ reason: DisconnectReason) {
        guard var wire = wires[number], wire[side].isOpen else { return }
        wire[side].isOpen = false
        let end = wire[side]
        wires[number] = wire[0].isOpen || wire[1].isOpen ? wire : nil
        let host = hosts[end.host.rawValue]
        guard host.wires.removeValue(forKey: end.connection) != nil else { return }
        host.ready.removeAll { $0 == end.connection }
        trace.record("closed", at: now, host.index.rawValue, number)
        give(.disconnected(end.connection, reason, detail: reason.rawValue), to: host)
    }

    private func setPaused(_ id: ConnectionID, _ isPaused: Bool, on host: Host) {
        guard let entry = host.wires[id], var wire = wires[entry.wire] else { return }
        wire[entry.side].isPaused = isPaused
        var waiting: [[UInt8]] = []
        if !isPaused {
            waiting = wire[entry.side].waiting
            wire[entry.side].waiting = []
        }
        wires[entry.wire] = wire
        for bytes in waiting {
            schedule(.deliver(wire: entry.wire, side: entry.side, bytes), at: now)
        }
    }

    // MARK: Bytes

    private func schedulePump(_ host: Host) {
        guard !host.isPumpScheduled, !host.ready.isEmpty else { return }
        host.isPumpScheduled = true
        schedule(.pump(host.index), at: max(now, host.uplinkFreeAt), life: host.life)
    }

    /// Lets the next connection of a host send one portion, as its uplink allows.
    private func pump(_ host: Host) {
        guard let participant = host.participant, !host.ready.isEmpty else { return }
        let id = host.ready.removeFirst()
        guard let entry = host.wires[id], let wire = wires[entry.wire] else {
            schedulePump(host)
            return
        }
        var buffer: [UInt8] = []
        var results: [NodeOutput] = []
        participant.transmit(id, into: &buffer, sizeMax: 16 * 1024, now: clock, outputs: &results)
        if buffer.isEmpty {
            if wire[entry.side].isClosing {
                schedule(.end(wire: entry.wire, side: entry.side, .networkError), at: now)
                // The end arrives behind the bytes that were sent before it.
                schedule(
                    .end(wire: entry.wire, side: 1 - entry.side, .remoteClosed),
                    at: max(
                        now.advanced(by: conditions.latency), wire[1 - entry.side].lastArrival))
            }
        } else {
            host.ready.append(id)
            send(buffer, entry.wire, from: entry.side, host)
        }
        perform(&results, on: host)
        schedulePump(host)
        rearm(host)
    }

    private func send(_ bytes: [UInt8], _ number: UInt64, from side: Int, _ host: Host) {
        let nanoseconds = bytes.count * 1_000_000_000 / max(1, conditions.uplink)
        host.uplinkFreeAt = max(now, host.uplinkFreeAt).advanced(by: .nanoseconds(nanoseconds))
        host.sentSize += UInt64(bytes.count)
        guard var wire = wires[number] else { return }
        let other = 1 - side
        guard !wire.isCut else { return }
        guard hosts[wire[other].host.rawValue].group == host.group else { return cut(number) }
        var delay = conditions.latency + random.duration(below: conditions.jitter)
        if conditions.lossPerMille > 0, random.chance(conditions.lossPerMille, in: 1000) {
            delay += conditions.latency * 2 + .milliseconds(200)
        }
        let arrival = max(host.uplinkFreeAt.advanced(by: delay), wire[other].lastArrival)
        wire[other].lastArrival = arrival
        wires[number] = wire
        schedule(.deliver(wire: number, side: other, bytes), at: arrival)
    }

    /// A segment has gone into a partition, and with it everything behind it on its connection, until
    /// the writer's timeout ends that.
    private func cut(_ number: UInt64) {
        wires[number]?.isCut = true
        let at = now.advanced(by: .seconds(10))
        schedule(.end(wire: number, side: 0, .writeStalled), at: at)
        schedule(.end(wire: number, side: 1, .writeStalled), at: at)
    }

    private func deliver(_ number: UInt64, _ side: Int, _ bytes: [UInt8]) {
        guard var wire = wires[number], wire[side].isOpen else { return }
        let end = wire[side]
        let host = hosts[end.host.rawValue]
        guard let participant = host.participant, host.wires[end.connection] != nil else { return }
        if end.isPaused {
            wire[side].waiting.append(bytes)
            wires[number] = wire
            return
        }
        trace.record("bytes", at: now, host.index.rawValue, Trace.fingerprint(bytes))
        host.receivedSize += UInt64(bytes.count)
        var presented = end.carry + bytes
        wire[side].carry = []
        wires[number] = wire
        var results: [NodeOutput] = []
        var span = presented.mutableSpan
        let consumed = participant.receive(end.connection, &span, now: clock, into: &results)
        if consumed < presented.count, var current = wires[number] {
            current[side].carry = Array(presented[consumed...])
            wires[number] = current
        }
        perform(&results, on: host)
        rearm(host)
    }
}
