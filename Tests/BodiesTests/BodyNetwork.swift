import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity

/// Nodes that are nothing but a `Bodies` machine, a store and a link to each neighbour, in virtual
/// time. What they send goes through an uplink and a downlink of limited bandwidth.
final class BodyNetwork {
    enum Behaviour { case honest, liar, staller }

    struct Conditions {
        var nodeCount = 12
        /// Neighbours that each node connects to; 0: everybody to everybody.
        var degree = 5
        /// Of each node, in bytes a second: 50 Mbit/s.
        var bandwidth = 6_250_000
        var latency: ClosedRange<Int> = 10...60  // milliseconds
        var limits = Bodies.Limits()
        /// Whether nodes tell each other what was announced while they were away.
        var offersMissed = false
    }

    final class Node {
        let index: Int
        let peer: PeerID
        var machine: Bodies
        var behaviour = Behaviour.honest
        var isUp = true
        var neighbours: Set<Int> = []
        var synced: [[UInt8]: [UInt8]] = [:]
        var stored: [[UInt8]: [UInt8]] = [:]
        var uplinkFreeAt: Int64 = 0
        var downlinkFreeAt: Int64 = 0
        var uploaded = 0
        var hasAnnouncement: Set<Bytes32> = []
        var completed: [(root: Bytes32, from: [PeerID], at: MonotonicInstant)] = []
        var failed: [Bodies.FailureReason] = []
        var events: [Bodies.Event] = []
        /// Rises with each start: what was under way before a crash is not delivered after it.
        var life = 0
        /// Chunks that came over the wire, by root and index.
        var received: [String: Int] = [:]

        init(index: Int, peer: PeerID, machine: consuming Bodies) {
            self.index = index
            self.peer = peer
            self.machine = machine
        }
    }

    private struct Event {
        let at: Int64
        let order: Int
        let run: () -> Void
    }

    /// A request on its way: who asked whom, and whether anybody still cares.
    private final class Exchange {
        let asker: Int
        let server: Int
        let request: Bodies.RequestID
        let askerLife: Int
        let serverLife: Int
        var isCancelled = false

        init(_ asker: Node, _ server: Node, _ request: Bodies.RequestID) {
            self.asker = asker.index
            self.server = server.index
            self.request = request
            askerLife = asker.life
            serverLife = server.life
        }
    }

    let conditions: Conditions
    private(set) var nodes: [Node] = []
    private(set) var now: Int64 = 0
    /// Who was penalized by whom, and for what.
    private(set) var penalties: [(by: Int, peer: Int, fault: Bodies.Fault)] = []
    /// A digest of everything that happened, in order.
    private(set) var trace = SHA256.Hasher()
    private var random: DeterministicRandom
    private var queue: [Event] = []
    private var order = 0
    private var exchanges: [Int: Exchange] = [:]
    private var exchangesByRequest: [String: Exchange] = [:]
    private var nextServe = 1
    private var latencies: [String: Int64] = [:]

    static let epoch: Int64 = 1_800_000_000_000

    init(_ conditions: Conditions, seed: UInt64) {
        self.conditions = conditions
        random = DeterministicRandom(seed: seed)
        for index in 0..<conditions.nodeCount {
            let peer = Self.identity(index).peerID
            nodes.append(
                Node(
                    index: index, peer: peer,
                    machine: Bodies(limits: conditions.limits, seed: random.next(), now: clock)))
            tell(index, .loaded([], isLast: true))
        }
        for index in 0..<conditions.nodeCount {
            let others = (0..<conditions.nodeCount).filter { $0 != index }
            let chosen =
                conditions.degree == 0 ? others : random.sample(others, count: conditions.degree)
            for other in chosen { connect(index, other) }
        }
    }

    static func identity(_ index: Int) -> IdentityKey {
        var seed = [UInt8](repeating: 0x42, count: 32)
        seed[0] = UInt8(index & 0xFF)
        seed[1] = UInt8(index >> 8)
        return IdentityKey(ed25519Seed: SecretBytes(copying: seed.span))
    }

    var clock: Now {
        Now(
            instant: MonotonicInstant(nanoseconds: now),
            wall: WallTime(milliseconds: Self.epoch + now / 1_000_000))
    }

    // MARK: Events

    private func after(_ nanoseconds: Int64, _ run: @escaping () -> Void) {
        order += 1
        queue.append(Event(at: now + nanoseconds, order: order, run: run))
        var child = queue.count - 1
        while child > 0, precedes(queue[child], queue[(child - 1) / 2]) {
            queue.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private func precedes(_ first: Event, _ second: Event) -> Bool {
        (first.at, first.order) < (second.at, second.order)
    }

    private func next() -> Event {
        queue.swapAt(0, queue.count - 1)
        let event = queue.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < queue.count && precedes(queue[child], queue[least]) {
                least = child
            }
            guard least != parent else { return event }
            queue.swapAt(least, parent)
            parent = least
        }
    }

    /// Runs until `done`, or for `limit` of virtual time.
    ///
    /// - Returns: whether `done` became true.
    @discardableResult
    func run(limit: Duration, until done: () -> Bool) -> Bool {
        let end = now + limit.wholeNanoseconds
        while !done() {
            var nextTimer: (at: Int64, node: Int)?
            for node in nodes where node.isUp {
                guard let deadline = node.machine.nextDeadline else { continue }
                let at = max(deadline.nanoseconds, now)
                if at < nextTimer?.at ?? .max { nextTimer = (at, node.index) }
            }
            let eventAt = queue.first?.at ?? .max
            let at = min(eventAt, nextTimer?.at ?? .max)
            guard at <= end else {
                now = end
                return done()
            }
            now = at
            if eventAt <= at {
                next().run()
            } else if let nextTimer {
                tell(nextTimer.node, .timeout)
            }
        }
        return true
    }

    // MARK: Nodes

    func connect(_ first: Int, _ second: Int) {
        guard first != second, !nodes[first].neighbours.contains(second) else { return }
        nodes[first].neighbours.insert(second)
        nodes[second].neighbours.insert(first)
        let offers = conditions.offersMissed
        tell(first, .peerConnected(nodes[second].peer, canServe: true, offers: offers))
        tell(second, .peerConnected(nodes[first].peer, canServe: true, offers: offers))
    }

    /// Takes the node off the network. `losingUnsynced`: as by a power failure.
    func kill(_ index: Int, losingUnsynced: Bool = false) {
        let node = nodes[index]
        node.isUp = false
        node.life += 1
        if losingUnsynced { node.stored = node.synced }
        for other in node.neighbours.sorted() {
            nodes[other].neighbours.remove(index)
            tell(other, .peerDisconnected(node.peer))
        }
        node.neighbours = []
    }

    func restart(_ index: Int, neighbours: [Int]) {
        let node = nodes[index]
        node.machine = Bodies(limits: conditions.limits, seed: random.next(), now: clock)
        node.isUp = true
        let rows = node.stored.filter { $0.key.count == 33 }.sorted {
            $0.key.lexicographicallyPrecedes($1.key)
        }.map { StoreRow(key: Array($0.key.dropFirst()), value: $0.value) }
        tell(index, .loaded(rows, isLast: true))
        for other in neighbours where nodes[other].isUp { connect(index, other) }
    }

    func publish(_ bytes: [UInt8], from index: Int, chunkSize: Int = 256 * 1024) -> Bytes32 {
        let builder = try! BodyBuilder(
            bytes, kind: .witness, issued: clock.wall, identity: Self.identity(index),
            networkDigest: [1, 2, 3, 4], chunkSize: chunkSize)
        let built = builder.run()
        nodes[index].hasAnnouncement.insert(built.announcement.root)
        tell(index, .publish(.init(1), built))
        return built.announcement.root
    }

    func hasAll(_ root: Bytes32, _ index: Int) -> Bool {
        nodes[index].completed.contains { $0.root == root }
    }

    /// The body as the node's store has it.
    func body(_ root: Bytes32, _ index: Int) -> [UInt8]? {
        guard let row = nodes[index].stored[Self.row(.witness, BodyManifest.key(root: root))],
            let manifest = try? BodyManifest(ssz: row.span)
        else { return nil }
        var bytes: [UInt8] = []
        for chunk in 0..<manifest.announcement.shape.chunkCount {
            let key = Self.row(.chunk, StoredChunk.key(root: root, index: chunk))
            guard let row = nodes[index].stored[key], let stored = try? StoredChunk(ssz: row.span)
            else { return nil }
            bytes += stored.data.bytes
        }
        return bytes
    }

    func tell(_ index: Int, _ input: Bodies.Input) {
        let node = nodes[index]
        guard node.isUp else { return }
        var outputs: [Bodies.Output] = []
        node.machine.handle(input, now: clock, into: &outputs)
        for output in outputs { perform(output, node) }
    }

    private func note(_ node: Node, _ text: String) {
        trace.update(Array("\(now) \(node.index) \(text)\n".utf8))
    }

    // MARK: What machines want

    private func latency(_ first: Int, _ second: Int) -> Int64 {
        let key = "\(min(first, second))-\(max(first, second))"
        if let known = latencies[key] { return known }
        let drawn = Int64(random.integer(in: conditions.latency)) * 1_000_000
        latencies[key] = drawn
        return drawn
    }

    /// Puts bytes on a node's uplink; `run` is called when they are at the other end.
    private func carry(_ size: Int, _ from: Node, _ to: Node, _ run: @escaping () -> Void) {
        let time = Int64(size) * 1_000_000_000 / Int64(conditions.bandwidth)
        from.uplinkFreeAt = max(from.uplinkFreeAt, now) + time
        from.uploaded += size
        let arrival = from.uplinkFreeAt + latency(from.index, to.index)
        // The downlink takes bytes while they come, so that alone it adds nothing.
        to.downlinkFreeAt = max(to.downlinkFreeAt + time, arrival)
        after(to.downlinkFreeAt - now, run)
    }

    private func perform(_ output: Bodies.Output, _ node: Node) {
        switch output {
        case .announce(let announcement):
            gossip(announcement, from: node)
        case .request(let id, let peer, let request, _):
            send(request, id, to: peer, node)
        case .cancel(let id):
            exchangesByRequest["\(node.index)/\(node.life)/\(id.rawValue)"]?.isCancelled = true
        case .verifyChunk(let job, let check):
            let life = node.life
            after(1_000_000) { [self] in
                guard node.life == life else { return }
                tell(node.index, .chunkVerified(job, check.run()))
            }
        case .respond(let id, let response):
            respond(id, response, node)
        case .respondEnd(let id):
            end(id, .finished, node)
        case .refuse(let id, let code, _):
            end(id, .refused(code: code), node)
        case .store(let id, let request):
            store(id, request, node)
        case .completed(let announcement, let peers, _):
            note(node, "completed from \(peers.count)")
            node.completed.append((announcement.root, peers, clock.instant))
        case .failed(_, let reason):
            node.failed.append(reason)
        case .penalize(let peer, let fault):
            let culprit = nodes.firstIndex { $0.peer == peer }
            penalties.append((node.index, culprit ?? -1, fault))
            note(node, "penalizes \(culprit ?? -1)")
        case .event(let event):
            node.events.append(event)
        case .requestAnnouncements(let id, let peer, let request, _):
            askForMissed(request, id, of: peer, node)
        case .checkAnnouncement(let job, let announcement):
            let life = node.life
            let policy = AnnouncementPolicy(networkDigest: [1, 2, 3, 4])
            let verdict = AnnouncementCheck(announcement, policy: policy).run(wall: clock.wall)
            after(1_000_000) { [self] in
                guard node.life == life else { return }
                if case .accept = verdict { node.hasAnnouncement.insert(announcement.root) }
                tell(node.index, .announcementVerified(job, verdict))
            }
        case .offer(let id, let announcements):
            offer(id, announcements, node)
        case .published, .publishRefused, .chunkRead, .progress:
            break
        }
    }

    private func gossip(_ announcement: BodyAnnouncement, from node: Node) {
        for other in node.neighbours.sorted() {
            let life = nodes[other].life
            carry(announcement.sszEncoded().count, node, nodes[other]) { [self] in
                let receiver = nodes[other]
                guard receiver.life == life, receiver.isUp else { return }
                let isNew = receiver.hasAnnouncement.insert(announcement.root).inserted
                tell(other, .announced(announcement, from: node.peer))
                if isNew { gossip(announcement, from: receiver) }
            }
        }
    }

    private func send(
        _ request: ChunksByRootRequest, _ id: Bodies.RequestID, to peer: PeerID, _ node: Node
    ) {
        guard let server = nodes.first(where: { $0.peer == peer }),
            node.neighbours.contains(server.index)
        else {
            after(1_000_000) { [self] in tell(node.index, .requestEnded(id, .failed)) }
            return
        }
        note(node, "asks \(server.index) for \(request.indices)")
        let exchange = Exchange(node, server, id)
        exchangesByRequest["\(node.index)/\(node.life)/\(id.rawValue)"] = exchange
        let serve = nextServe
        nextServe += 1
        exchanges[serve] = exchange
        carry(request.sszEncoded().count + 100, node, server) { [self] in
            guard isAlive(exchange) else { return }
            if server.behaviour == .staller, !request.indices.isEmpty { return }
            tell(server.index, .serve(.init(UInt64(serve)), node.peer, request))
        }
    }

    private func askForMissed(
        _ request: AnnouncementsRequest, _ id: Bodies.RequestID, of peer: PeerID, _ node: Node
    ) {
        guard let server = nodes.first(where: { $0.peer == peer }),
            node.neighbours.contains(server.index)
        else {
            after(1_000_000) { [self] in tell(node.index, .requestEnded(id, .failed)) }
            return
        }
        let exchange = Exchange(node, server, id)
        exchangesByRequest["\(node.index)/\(node.life)/\(id.rawValue)"] = exchange
        let serve = nextServe
        nextServe += 1
        exchanges[serve] = exchange
        carry(request.sszEncoded().count + 100, node, server) { [self] in
            guard isAlive(exchange) else { return }
            tell(server.index, .serveAnnouncements(.init(UInt64(serve)), request))
        }
    }

    private func offer(_ id: Bodies.ServeID, _ announcements: [BodyAnnouncement], _ node: Node) {
        guard let exchange = exchanges[Int(id.rawValue)], isAlive(exchange) else { return }
        let asker = nodes[exchange.asker]
        for announcement in announcements {
            carry(announcement.sszEncoded().count, node, asker) { [self] in
                guard isAlive(exchange) else { return }
                tell(asker.index, .announcementReceived(exchange.request, announcement))
            }
        }
        end(id, .finished, node)
    }

    private func isAlive(_ exchange: Exchange) -> Bool {
        !exchange.isCancelled && nodes[exchange.asker].life == exchange.askerLife
            && nodes[exchange.server].life == exchange.serverLife
            && nodes[exchange.asker].neighbours.contains(exchange.server)
    }

    private func respond(_ id: Bodies.ServeID, _ response: ChunkResponse, _ node: Node) {
        guard let exchange = exchanges[Int(id.rawValue)], isAlive(exchange) else { return }
        var response = response
        if node.behaviour == .liar, response.hasChunk {
            var bytes = response.data.bytes
            bytes[bytes.count / 2] ^= 0xFF
            response = ChunkResponse(
                root: response.root, index: response.index,
                chunk: StoredChunk(data: SSZByteList(bytes)!, proof: response.proof),
                held: response.held)
        }
        let asker = nodes[exchange.asker]
        carry(response.data.bytes.count + 600, node, asker) { [self, response] in
            guard isAlive(exchange) else { return }
            if response.hasChunk {
                asker.received["\(response.root)/\(response.index)", default: 0] += 1
            }
            tell(asker.index, .chunkReceived(exchange.request, response))
        }
    }

    private func end(_ id: Bodies.ServeID, _ end: Bodies.RequestEnd, _ node: Node) {
        guard let exchange = exchanges.removeValue(forKey: Int(id.rawValue)) else { return }
        let asker = nodes[exchange.asker]
        carry(10, node, asker) { [self] in
            if nodes[exchange.server].life == exchange.serverLife {
                tell(node.index, .serveEnded(id))
            }
            guard isAlive(exchange) else { return }
            tell(asker.index, .requestEnded(exchange.request, end))
        }
    }

    // MARK: Stores

    private static func row(_ family: ColumnFamily, _ key: [UInt8]) -> [UInt8] {
        [family == .chunk ? 1 : 0] + key
    }

    private func store(_ id: StoreRequestID, _ request: StoreRequest, _ node: Node) {
        var reply: StoreReply
        switch request {
        case .write(let writes, let sync):
            for write in writes {
                switch write {
                case .put(let family, let key, let value):
                    node.stored[Self.row(family, key)] = value
                case .delete(let family, let key):
                    node.stored.removeValue(forKey: Self.row(family, key))
                case .deleteRange(let family, let from, let to):
                    let (lower, upper) = (Self.row(family, from), Self.row(family, to))
                    node.stored = node.stored.filter {
                        $0.key.lexicographicallyPrecedes(lower)
                            || !$0.key.lexicographicallyPrecedes(upper)
                    }
                }
            }
            if sync { node.synced = node.stored }
            reply = .written
        case .get(let family, let key):
            reply = .value(node.stored[Self.row(family, key)])
        case .scan, .checkpoint:
            reply = .failed(.inputOutput("no machine here asks for this"))
        }
        let life = node.life
        after(2_000_000) { [self] in
            guard node.life == life else { return }
            tell(node.index, .storeReplied(id, reply))
        }
    }
}
