import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import DriverUV
import Glibc
import Node
import PeerIdentity
import Swarm

/// Many nodes on one loop, each connected to the same address and then idle.
///
/// `NodeHost` has threads of its own, which a thousand would be too many of; this performs the few
/// outputs that a connecting, idle node has.
final class Crowd {
    private let loop: EventLoop
    private var members: [Member] = []

    static func run(_ arguments: Arguments) throws {
        guard let text = arguments.address else { throw BenchError("an address is missing") }
        let address = try Multiaddr(text)
        let count = arguments.number("count", or: 1000)
        let seed = arguments.number("seed", or: 200_000)
        let crowd = try Crowd()
        // In portions, so that the listener's backlog is never the limit.
        for start in stride(from: 0, to: count, by: 50) {
            let end = min(start + 50, count)
            for index in start..<end {
                let member = Member(crowd.loop, seed: seed + index)
                crowd.members.append(member)
                member.connect(to: address)
            }
            let areIdentified = crowd.loop.run(
                until: { crowd.members.allSatisfy(\.isIdentified) }, patience: .seconds(30))
            guard areIdentified else {
                let missing = crowd.members.count { !$0.isIdentified }
                throw BenchError("\(missing) of \(end) connections were not made")
            }
        }
        Program.say("{\"connected\": \(count)}")
        // Idle, but alive: pings are answered. The harness ends the process.
        while true {
            for member in crowd.members { member.timeoutIfDue() }
            _ = crowd.loop.run(until: { false }, patience: .milliseconds(200))
        }
    }

    private init() throws { loop = try EventLoop() }
}

/// One node with at most a few sockets.
private final class Member: TCPConnectionDelegate {
    private let loop: EventLoop
    private var node: Node
    private var outputs: [NodeOutput] = []
    private var pending: [NodeInput] = []
    private var isPerforming = false
    private var connections: [UInt64: TCPConnection] = [:]
    private let store = MemoryStore()
    private(set) var isIdentified = false

    init(_ loop: EventLoop, seed: Int) {
        self.loop = loop
        node = Node(
            configuration: Configurations.node(seed: seed, peerCountMax: 16), now: loop.readClocks()
        )
        handle(.start)
    }

    func connect(to address: Multiaddr) { handle(.command(CommandID(1), .addPeer(address))) }

    func timeoutIfDue() {
        if let deadline = node.nextDeadline, deadline <= loop.now { handle(.timeout) }
    }

    private func handle(_ input: NodeInput) {
        pending.append(input)
        performAll()
    }

    private func performAll() {
        guard !isPerforming else { return }
        isPerforming = true
        while !pending.isEmpty || !outputs.isEmpty {
            var batch: [NodeOutput] = []
            swap(&batch, &outputs)
            for output in batch { perform(output) }
            guard !pending.isEmpty else { continue }
            node.handle(pending.removeFirst(), now: loop.readClocks(), into: &outputs)
        }
        isPerforming = false
    }

    private func perform(_ output: NodeOutput) {
        switch output {
        case .wantsToTransmit(let id): connections[id.rawValue]?.requestWrite()
        case .dial(let id, let address, let timeout):
            guard let endpoint = address.tcpEndpoint, let ip = endpoint.host.ip else { return }
            let connection = TCPConnection.dial(
                SocketAddress(ip, port: endpoint.port), on: loop, timeout: timeout, delegate: self)
            connection.tag = id.rawValue
            connections[id.rawValue] = connection
        case .close(let id): connections[id.rawValue]?.closeAfterWriting()
        case .abort(let id), .cancelDial(let id): connections[id.rawValue]?.close()
        case .run(let job): pending.append(.finished(job.run(wall: loop.wall)))
        case .store(let id, let request): pending.append(.stored(id, store.execute(request)))
        case .event(.peerIdentified): isIdentified = true
        case .event(.peerDisconnected(_, let reason)):
            Program.fail("chorale-bench: a connection was lost: \(reason)")
        case .reply(_, .failed(let failure), _): Program.fail("chorale-bench: \(failure.message)")
        case .pauseReading(let id): connections[id.rawValue]?.pauseReading()
        case .resumeReading(let id): connections[id.rawValue]?.resumeReading()
        case .event, .reply, .listen, .resolve, .stopped: break
        // Of networks with a chain, which this has not.
        case .process, .journal, .signParts, .settle, .crossValidate: break
        }
    }

    func connectionDidOpen(_ connection: TCPConnection) {
        handle(
            .connected(
                ConnectionID(connection.tag), local: .tcp(ip: .ip4(.loopback), port: 1),
                ephemeral: .random(count: 32)))
    }

    func connection(
        _ connection: TCPConnection, didReceive bytes: inout MutableSpan<UInt8>
    ) -> Int {
        let consumed = node.receive(
            ConnectionID(connection.tag), &bytes, now: loop.readClocks(), into: &outputs)
        performAll()
        return consumed
    }

    func connection(_ connection: TCPConnection, fill buffer: inout [UInt8], sizeMax: Int) {
        node.transmit(
            ConnectionID(connection.tag), into: &buffer, sizeMax: sizeMax, now: loop.readClocks(),
            outputs: &outputs)
        guard !outputs.isEmpty else { return }
        loop.afterCallbacks { [self] in performAll() }
    }

    func connectionDidClose(_ connection: TCPConnection, reason: TransportCloseReason) {
        connections.removeValue(forKey: connection.tag)
        handle(.disconnected(ConnectionID(connection.tag), .remoteClosed, detail: reason.rawValue))
    }
}
