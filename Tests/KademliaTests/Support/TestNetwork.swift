import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Foundation
import Kademlia
import PeerIdentity

/// How much chance costs: each seed of a network of 100 takes some ten seconds in a debug build.
enum Seeds {
    /// `CHORALE_KADEMLIA_SEEDS` runs more.
    static let few: [UInt64] = {
        let count =
            ProcessInfo.processInfo.environment["CHORALE_KADEMLIA_SEEDS"].flatMap(UInt64.init) ?? 1
        return Array(1...max(1, count))
    }()
}

/// Many machines in virtual time, joined by a network of random delays.
///
/// It stands for everything that a node does around the machine: connections with identify, streams,
/// validation workers and the store. A peer can vanish without a word (requests to it are never
/// answered) or politely (dialling fails).
final class TestNetwork {
    enum Event {
        case input(node: Int, Kademlia.Input)
        /// A request that arrives where its receiver may have died meanwhile.
        case request(from: Int, Kademlia.RPCID, to: Int, [UInt8], expectsAnswer: Bool)
        case timer(node: Int)
        case action(Int)
    }

    final class Node {
        var machine: Kademlia
        let peer: PeerID
        var address: Multiaddr
        var ip: IPAddress
        var isAlive = true
        /// Answers as a liar would, instead of the machine.
        var isLiar = false
        var timerAt: MonotonicInstant?
        var connections: Set<Int> = []
        var results: [Kademlia.QueryID: Kademlia.QueryResult] = [:]
        var finishedAt: [Kademlia.QueryID: MonotonicInstant] = [:]
        var rows: [[UInt8]: [UInt8]] = [:]
        var faults: [Kademlia.PeerFault] = []
        var equivocations: [[UInt8]] = []
        var events: [Kademlia.Event] = []
        /// Gives a renewed value for a key.
        var renew: (([UInt8], [UInt8], WallTime) -> [UInt8]?)?
        var renewals = 0

        init(machine: consuming Kademlia, peer: PeerID, ip: IPAddress) {
            self.machine = machine
            self.peer = peer
            self.ip = ip
            address = .tcp(ip: ip, port: 4001)
        }
    }

    private struct Inbound {
        let node: Int
        let rpc: Kademlia.RPCID
    }

    static let wallStart = Int64(1_800_000_000_000)

    var random: DeterministicRandom
    var now = MonotonicInstant(nanoseconds: 0)
    var nodes: [Node] = []
    var actions: [(TestNetwork) -> Void] = []
    /// What a liar answers: the ids and addresses it names.
    var lies: ((TestNetwork, Int, [UInt8]) -> [UInt8]?)?
    private var indexByPeer: [PeerID: Int] = [:]
    private var queue = EventQueue()
    private var inbound: [Kademlia.InboundRequestID: Inbound] = [:]
    private var nextInbound: UInt64 = 1
    private var nextQuery: UInt64 = 1
    var requestCount = 0
    /// Everything that happened, for comparing two runs.
    var trace: UInt64 = 0

    init(seed: UInt64) { random = DeterministicRandom(seed: seed) }

    var clock: Now {
        Now(
            instant: now,
            wall: WallTime(milliseconds: Self.wallStart + now.nanoseconds / 1_000_000))
    }

    // MARK: Building

    static func peer(_ random: inout DeterministicRandom) -> PeerID {
        try! PeerID(multihash: [0x00, 0x24, 0x08, 0x01, 0x12, 0x20] + random.bytes(count: 32))
    }

    static func ip(_ index: Int) -> IPAddress {
        .ip4(IPv4Address(UInt8(40 + index / 200), UInt8(index % 200), 7, 9))
    }

    @discardableResult
    func add(
        configuration: Kademlia.Configuration, limits: Kademlia.Limits = .init(),
        peer: PeerID? = nil, ip: IPAddress? = nil
    ) -> Int {
        let peer = peer ?? Self.peer(&random)
        let index = nodes.count
        let machine = Kademlia(
            localPeer: peer, configuration: configuration, limits: limits, random: random.fork())
        nodes.append(Node(machine: machine, peer: peer, ip: ip ?? Self.ip(index)))
        indexByPeer[peer] = index
        input(index, .listenAddressesChanged([nodes[index].address]))
        return index
    }

    /// Connects two nodes, as a dial from the first would.
    func connect(_ first: Int, _ second: Int) {
        guard first != second, nodes[first].isAlive, nodes[second].isAlive,
            !nodes[first].connections.contains(second)
        else { return }
        nodes[first].connections.insert(second)
        nodes[second].connections.insert(first)
        for (one, other) in [(first, second), (second, first)] {
            let node = nodes[other]
            input(
                one,
                .peerIdentified(
                    node.peer, addresses: [node.address],
                    supportsServer: node.isLiar || node.machine.mode == .server,
                    remote: node.ip))
        }
    }

    func kill(_ index: Int) {
        nodes[index].isAlive = false
        for other in nodes[index].connections.sorted() {
            nodes[other].connections.remove(index)
            let delay = Duration.milliseconds(random.integer(in: 10...2000))
            schedule(.input(node: other, .peerDisconnected(nodes[index].peer)), after: delay)
        }
        nodes[index].connections = []
    }

    // MARK: Running

    func schedule(_ event: Event, after delay: Duration) {
        queue.push(now.advanced(by: delay), event)
    }

    func at(_ delay: Duration, _ action: @escaping (TestNetwork) -> Void) {
        actions.append(action)
        schedule(.action(actions.count - 1), after: delay)
    }

    func command(_ node: Int, _ command: Kademlia.Command) -> Kademlia.QueryID {
        let id = Kademlia.QueryID(nextQuery)
        nextQuery += 1
        input(node, .command(id, command))
        return id
    }

    /// Runs until nothing is left or the time has come.
    func run(for duration: Duration) {
        let end = now.advanced(by: duration)
        while let (time, event) = queue.pop(upTo: end) {
            now = max(now, time)
            perform(event)
        }
        now = end
    }

    /// Runs until the query has ended.
    func result(_ node: Int, _ query: Kademlia.QueryID, within limit: Duration = .seconds(120))
        -> Kademlia.QueryResult?
    {
        let end = now.advanced(by: limit)
        while nodes[node].results[query] == nil, let (time, event) = queue.pop(upTo: end) {
            now = max(now, time)
            perform(event)
        }
        return nodes[node].results[query]
    }

    func execute(_ node: Int, _ command: Kademlia.Command) -> Kademlia.QueryResult? {
        result(node, self.command(node, command))
    }

    private func perform(_ event: Event) {
        switch event {
        case .input(let node, let input):
            guard nodes[node].isAlive else { return }
            self.input(node, input)
        case .request(let from, let rpc, let to, let message, let expectsAnswer):
            deliver(from: from, rpc, to: to, message, expectsAnswer: expectsAnswer)
        case .timer(let node):
            guard nodes[node].isAlive, nodes[node].timerAt == now else { return }
            nodes[node].timerAt = nil
            input(node, .timeout)
        case .action(let index):
            actions[index](self)
        }
    }

    func input(_ index: Int, _ input: Kademlia.Input) {
        var outputs: [Kademlia.Output] = []
        nodes[index].machine.handle(input, now: clock, into: &outputs)
        for output in outputs { perform(output, of: index) }
        let deadline = nodes[index].machine.nextDeadline
        if let deadline, nodes[index].timerAt.map({ deadline < $0 }) ?? true {
            let at = max(deadline, now)
            nodes[index].timerAt = at
            queue.push(at, .timer(node: index))
        }
    }

    func delay() -> Duration { .milliseconds(random.integer(in: 5...120)) }

    private func note(_ value: Int) {
        trace = (trace ^ UInt64(bitPattern: Int64(value))) &* 0x100_0000_01B3
    }

    private func perform(_ output: Kademlia.Output, of index: Int) {
        switch output {
        case .sendRequest(let rpc, let peer, let addresses, let message, let expectsAnswer, _):
            requestCount += 1
            note(Int(rpc.rawValue) ^ index)
            guard let to = indexByPeer[peer],
                nodes[index].connections.contains(to) || addresses.contains(nodes[to].address)
            else {
                schedule(.input(node: index, .rpcFailed(rpc, .dialFailed)), after: delay())
                return
            }
            schedule(
                .request(from: index, rpc, to: to, message, expectsAnswer: expectsAnswer),
                after: delay())
        case .respond(let id, let bytes):
            guard let origin = inbound.removeValue(forKey: id) else {
                preconditionFailure("answered twice")
            }
            note(bytes.count)
            schedule(
                .input(node: origin.node, .responseReceived(origin.rpc, bytes)), after: delay())
        case .refuse(let id, _):
            guard let origin = inbound.removeValue(forKey: id) else {
                preconditionFailure("answered twice")
            }
            schedule(
                .input(node: origin.node, .rpcFailed(origin.rpc, .streamReset)), after: delay())
        case .acknowledge(let id):
            guard inbound.removeValue(forKey: id) != nil else {
                preconditionFailure("answered twice")
            }
        case .cancelRequest:
            break
        case .validate(let id, let job):
            schedule(
                .input(node: index, .validated(id, job.run(wall: clock.wall))),
                after: .microseconds(random.integer(in: 50...3000)))
        case .queryProgress:
            break
        case .queryFinished(let id, let result):
            precondition(nodes[index].results[id] == nil, "a query ends once")
            nodes[index].results[id] = result
            nodes[index].finishedAt[id] = now
            note(Int(id.rawValue))
        case .renew(let key, let previous):
            nodes[index].renewals += 1
            guard let renew = nodes[index].renew else { return }
            let value = renew(key, previous, clock.wall)
            schedule(.input(node: index, .renewed(key: key, value: value)), after: .milliseconds(1))
        case .store(let writes):
            for write in writes {
                switch write {
                case .put(_, let key, let value): nodes[index].rows[key] = value
                case .delete(_, let key): nodes[index].rows[key] = nil
                case .deleteRange: preconditionFailure("the machine deletes row by row")
                }
            }
        case .peerFault(_, let fault):
            nodes[index].faults.append(fault)
        case .equivocation(let key, _, _):
            nodes[index].equivocations.append(key)
        case .event(let event):
            nodes[index].events.append(event)
        }
    }

    private func deliver(
        from: Int, _ rpc: Kademlia.RPCID, to: Int, _ message: [UInt8], expectsAnswer: Bool
    ) {
        guard nodes[from].isAlive else { return }
        guard nodes[to].isAlive else {
            // Half of the dead refuse the dial, the others swallow it.
            if to % 2 == 0 {
                schedule(.input(node: from, .rpcFailed(rpc, .dialFailed)), after: delay())
            }
            return
        }
        connect(from, to)
        if nodes[to].isLiar {
            if let answer = lies?(self, to, message) {
                schedule(.input(node: from, .responseReceived(rpc, answer)), after: delay())
            }
            return
        }
        if !expectsAnswer {
            schedule(.input(node: from, .requestSent(rpc)), after: delay())
        }
        let id = Kademlia.InboundRequestID(nextInbound)
        nextInbound += 1
        inbound[id] = Inbound(node: from, rpc: rpc)
        input(to, .requestReceived(id, from: nodes[from].peer, message))
    }
}

/// A binary heap of events by time, first come first among equals.
private struct EventQueue {
    private var heap: [(time: MonotonicInstant, order: UInt64, event: TestNetwork.Event)] = []
    private var nextOrder: UInt64 = 0

    mutating func push(_ time: MonotonicInstant, _ event: TestNetwork.Event) {
        heap.append((time, nextOrder, event))
        nextOrder += 1
        var child = heap.count - 1
        while child > 0, precedes(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop(upTo end: MonotonicInstant) -> (MonotonicInstant, TestNetwork.Event)? {
        guard let first = heap.first, first.time <= end else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && precedes(child, smallest) { smallest = child }
            guard smallest != parent else { break }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
        return (first.time, first.event)
    }

    private func precedes(_ first: Int, _ second: Int) -> Bool {
        heap[first].time != heap[second].time
            ? heap[first].time < heap[second].time : heap[first].order < heap[second].order
    }
}

extension Kademlia.Configuration {
    /// A server with a free namespace and one for prover identities.
    static var test: Self {
        var configuration = Kademlia.Configuration()
        configuration.mode = .server
        // Lookups of refresh are most of what a network costs; one bucket shows that they work.
        configuration.refreshBucketMax = 0
        configuration.refreshInterval = .seconds(3600)
        configuration.namespaces = [
            .publicKeys,
            RecordNamespace(match: .prefix(Array("/x/".utf8)), rule: .any, valueSizeMax: 1024),
            .proverIdentities(.test),
        ]
        return configuration
    }
}

extension ProverIdentityRules {
    static let test = ProverIdentityRules(
        network: ProverIdentityContent.NetworkDigest([1, 2, 3, 4])!)
}

extension TestNetwork {
    /// A network in which everybody has met a few others and looked up its own place.
    static func formed(
        _ count: Int, seed: UInt64, configuration: Kademlia.Configuration = .test,
        limits: Kademlia.Limits = .init()
    ) -> TestNetwork {
        let network = TestNetwork(seed: seed)
        for _ in 0..<count { network.add(configuration: configuration, limits: limits) }
        for index in 1..<count {
            network.at(.milliseconds(20 * index)) { network in
                for _ in 0..<8 { network.connect(index, network.random.below(index)) }
            }
        }
        network.run(for: .milliseconds(20 * count) + .seconds(30))
        return network
    }

    func join(_ index: Int, through bootnode: Int) {
        connect(index, bootnode)
        _ = command(index, .bootstrap)
    }

    func key(_ index: Int) -> [UInt8] { Array("/x/\(index)".utf8) }
}

/// A prover with its key, and its records.
struct TestProver {
    let key: Ed25519.PrivateKey
    var life: UInt64 = 3600

    init(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        key = Ed25519.PrivateKey(seed: SecretBytes(copying: random.bytes(count: 32)))
    }

    var recordKey: [UInt8] {
        ProverIdentityContent.recordKey(
            network: ProverIdentityRules.test.network, proverKey: key.publicKey)
    }

    func content(sequence: UInt64, issued: UInt64, port: UInt16 = 4001) -> ProverIdentityContent {
        let address = Multiaddr.tcp(ip: .ip4(IPv4Address(45, 1, 2, 3)), port: port)
        return ProverIdentityContent(
            network: ProverIdentityRules.test.network, proverKey: key.publicKey,
            subject: .epoch(7), position: 3,
            addresses: SSZList([ProverIdentityContent.Address(address.bytes)!])!,
            sequence: sequence, issued: issued, expiry: issued + life)
    }

    func value(sequence: UInt64, wall: WallTime, port: UInt16 = 4001) -> [UInt8] {
        content(sequence: sequence, issued: UInt64(wall.seconds), port: port).signed(with: key)
            .sszEncoded()
    }
}
