import ChoraleBase
import Codec
import DriverUV
import Glibc
import Node
import NodeHost
import PeerIdentity

/// Connects to a node, waits until it is identified, disconnects, and again.
///
/// Each of `concurrency` nodes in this process has one connection at a time.
final class Dials {
    private final class Dialer {
        let host: NodeHost
        var isConnected = false
        var commandCount: UInt64 = 0

        init(_ host: NodeHost) { self.host = host }
    }

    private let loop: EventLoop
    private let address: Multiaddr
    private let peer: PeerID
    private var dialers: [Dialer] = []
    private var toStart: Int
    private var toFinish: Int
    private var failure: String?

    static func run(_ arguments: Arguments) throws {
        guard let text = arguments.address else { throw BenchError("an address is missing") }
        let address = try Multiaddr(text)
        guard let multihash = address.peerIDMultihash else {
            throw BenchError("no /p2p/ in \(text)")
        }
        let loop = try EventLoop()
        let dials = try Dials(
            loop: loop, address: address, peer: PeerID(multihash: multihash),
            count: arguments.number("count", or: 1000),
            concurrency: arguments.number("concurrency", or: 1),
            isPlain: arguments.number("plain", or: 0) == 1)
        let start = loop.now
        let cpu = processSeconds()
        for dialer in dials.dialers { dials.connect(dialer) }
        let isDone = loop.run(
            until: { dials.toFinish == 0 || dials.failure != nil }, patience: .seconds(120))
        guard isDone, dials.failure == nil else {
            throw BenchError(dials.failure ?? "\(dials.toFinish) connections were never made")
        }
        let seconds = start.duration(to: loop.now).inSeconds
        Program.say("{\"seconds\": \(seconds), \"cpu\": \(processSeconds() - cpu)}")
    }

    /// CPU time of all threads of this process.
    private static func processSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private init(
        loop: EventLoop, address: Multiaddr, peer: PeerID, count: Int, concurrency: Int,
        isPlain: Bool
    ) throws {
        self.loop = loop
        self.address = address
        self.peer = peer
        toStart = count
        toFinish = count
        for index in 0..<concurrency {
            let host = try NodeHost(
                loop: loop,
                configuration: Configurations.node(
                    seed: 100_000 + index, peerCountMax: 16, isPlain: isPlain),
                store: nil)
            let dialer = Dialer(host)
            host.onEvent = { [unowned self, unowned dialer] event in note(event, dialer) }
            host.onReply = { [unowned self] _, reply, _ in
                if case .failed(let why) = reply { failure = why.message }
            }
            host.start()
            dialers.append(dialer)
        }
    }

    private func perform(_ command: Command, _ dialer: Dialer) {
        dialer.commandCount += 1
        dialer.host.perform(command, as: CommandID(dialer.commandCount))
    }

    private func connect(_ dialer: Dialer) {
        guard toStart > 0 else { return }
        toStart -= 1
        perform(.addPeer(address), dialer)
    }

    private func note(_ event: NodeEvent, _ dialer: Dialer) {
        switch event {
        case .peerIdentified:
            // Identify may be repeated by a push; a connection counts once.
            guard !dialer.isConnected else { return }
            dialer.isConnected = true
            loop.afterCallbacks { [unowned self] in perform(.removePeer(peer), dialer) }
        case .peerDisconnected:
            guard dialer.isConnected else {
                failure = "a connection was lost before identify"
                return
            }
            dialer.isConnected = false
            toFinish -= 1
            loop.afterCallbacks { [unowned self] in connect(dialer) }
        default: break
        }
    }
}
