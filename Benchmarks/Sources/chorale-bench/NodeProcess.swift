import ChoraleBase
import Codec
import DriverUV
import Glibc
import Gossipsub
import Node
import NodeHost
import PeerIdentity

/// A node on loopback that does what lines on a Unix socket say, and counts.
///
/// It is the library's `NodeHost` with nothing around it. Commands and their answers, one line each:
///
///     dial ADDRESS                      ok | failed …
///     publish SIZE COUNT PER_SECOND     ok, when the last was published
///     perf ADDRESS UPLOAD DOWNLOAD      {"seconds": …}
///     make SIZE COUNT                   ok, when bodies of random bytes are in memory
///     body                              ok, when the next of them is announced
///     stats                             {…}
///     lag                               {…}: the loop's turns since the last such question
final class NodeProcess {
    private let loop: EventLoop
    private let host: NodeHost
    private let topic: String
    private var commandCount: UInt64 = 0
    private var waiting: [CommandID: (Reply) -> Void] = [:]
    private var client: UnixConnection?

    private var identifiedCount = 0
    private var bodiesCompleted = 0
    private var bodies: [[UInt8]] = []
    private var publishedCount = 0
    private var turnsBefore = DurationHistogram()
    private var publication: Publication?

    /// Messages still to be published, each at its time.
    private struct Publication {
        let size: Int
        let interval: Duration
        var left: Int
        var next: MonotonicInstant
    }

    static func run(_ arguments: Arguments) throws {
        guard let path = arguments["control"] else { throw BenchError("--control is missing") }
        // As `chorale run` does.
        ProcessMemory.boundHeap()
        let loop = try EventLoop()
        let process = try NodeProcess(
            loop: loop, topic: arguments["topic"] ?? "bench",
            seed: arguments.number("seed", or: 1),
            peerCountMax: arguments.number("peers", or: 2048),
            isPlain: arguments.number("plain", or: 0) == 1)
        let listener = try UnixListener(on: loop, path: path, delegate: process)
        let timer = process.makePublisher()
        process.host.start()
        loop.run()
        timer.close()
        listener.close()
    }

    private init(
        loop: EventLoop, topic: String, seed: Int, peerCountMax: Int, isPlain: Bool
    ) throws {
        self.loop = loop
        self.topic = topic
        var configuration = Configurations.node(
            seed: seed, peerCountMax: peerCountMax, isPlain: isPlain)
        configuration.listenAddresses = [.tcp(ip: .ip4(.loopback), port: 0)]
        configuration.gossipTopics = [topic]
        host = try NodeHost(loop: loop, configuration: configuration, store: MemoryStore())
        host.onEvent = { [unowned self] event in note(event) }
        host.onReply = { [unowned self] id, reply, isLast in
            if isLast { waiting.removeValue(forKey: id)?(reply) }
        }
    }

    private func note(_ event: NodeEvent) {
        switch event {
        case .listening(let address):
            Program.say("{\"address\": \"\(address.text)/p2p/\(host.localPeer)\"}")
        case .started: ProcessMemory.releaseStartUpPages()
        case .peerIdentified: identifiedCount += 1
        case .bodyCompleted: bodiesCompleted += 1
        case .listenFailed(_, let reason): Program.fail("chorale-bench: \(reason)")
        default: break
        }
    }

    private func ask(_ command: Command, then: @escaping (Reply) -> Void) {
        commandCount += 1
        let id = CommandID(commandCount)
        waiting[id] = then
        host.perform(command, as: id)
    }

    private func answer(_ text: String) { _ = client?.send(Array(text.utf8)) }

    private func obey(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        let numbers = words.compactMap { Int($0) }
        switch (words.first, words.count) {
        case ("dial", 2):
            guard let address = try? Multiaddr(words[1]) else { return answer("failed: address") }
            ask(.addPeer(address)) { [unowned self] in answer(Self.outcome($0)) }
        case ("publish", 4) where numbers.count == 3 && numbers[2] > 0:
            publication = Publication(
                size: numbers[0], interval: .nanoseconds(1_000_000_000 / numbers[2]),
                left: numbers[1], next: loop.now)
            publishDue()
        case ("perf", 4) where numbers.count == 2:
            guard let address = try? Multiaddr(words[1]) else { return answer("failed: address") }
            let start = loop.now
            let command = Command.perf(
                address, upload: UInt64(numbers[0]), download: UInt64(numbers[1]))
            ask(command) { [unowned self] reply in
                guard case .perf = reply else { return answer(Self.outcome(reply)) }
                answer("{\"seconds\": \(start.duration(to: loop.now).inSeconds)}")
            }
        case ("make", 3) where numbers.count == 2:
            // Ahead of the measurement, because this keeps the loop busy for long.
            var random = DeterministicRandom(seed: 1)
            bodies = (0..<numbers[1]).map { _ in random.bytes(count: numbers[0]) }
            answer("ok")
        case ("body", 1):
            guard let body = bodies.popLast() else { return answer("failed: none is left") }
            ask(.publishBody(kind: "witness", bytes: body)) {
                [unowned self] in answer(Self.outcome($0))
            }
        case ("stats", 1): answer(stats())
        case ("lag", 1): answer(lag())
        default: answer("failed: unknown command \(line)")
        }
    }

    private static func outcome(_ reply: Reply) -> String {
        switch reply {
        case .failed(let failure): "failed: \(failure.message)"
        default: "ok"
        }
    }

    private func stats() -> String {
        let metrics = host.metrics()
        var values: [(String, UInt64)] = metrics.counters.map { ($0.name, $0.value) }
        values.append(("peers", UInt64(metrics.info.peerCount)))
        values.append(("mesh", UInt64(metrics.meshSizes.first { $0.topic == topic }?.size ?? 0)))
        values.append(("published", UInt64(publishedCount)))
        values.append(("identified", UInt64(identifiedCount)))
        values.append(("bodies_completed", UInt64(bodiesCompleted)))
        return "{" + values.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }

    /// Percentiles of turns since the last call, in milliseconds.
    private func lag() -> String {
        let turns = loop.lag.turns
        var new: [(bound: UInt64, count: UInt64)] = []
        for bucket in turns.counts.indices {
            let count = turns.counts[bucket] - turnsBefore.counts[bucket]
            if count > 0 { new.append((DurationHistogram.upperBound(ofBucket: bucket), count)) }
        }
        turnsBefore = turns
        let total = new.reduce(0) { $0 + $1.count }
        func percentile(_ perMille: UInt64) -> Double {
            let rank = max(1, (total * perMille + 999) / 1000)
            var seen: UInt64 = 0
            for (bound, count) in new {
                seen += count
                if seen >= rank { return Double(bound) / 1e6 }
            }
            return 0
        }
        return "{\"turns\": \(total), \"p50\": \(percentile(500)), \"p99\": \(percentile(990)), "
            + "\"p999\": \(percentile(999)), \"max\": \(Double(new.last?.bound ?? 0) / 1e6)}"
    }

    // MARK: Publishing at a rate

    private var timer: LoopTimer?

    private func makePublisher() -> LoopTimer {
        let timer = LoopTimer(loop: loop) { [unowned self] in publishDue() }
        self.timer = timer
        return timer
    }

    private func publishDue() {
        guard var due = publication else { return }
        while due.left > 0, due.next <= loop.now {
            var payload = [UInt8](repeating: 0x5A, count: due.size)
            // The time of publication, for whoever measures latency, makes each one different.
            for (index, byte) in "\(loop.wall.milliseconds) \(due.left)".utf8.enumerated() {
                if index < payload.count { payload[index] = byte }
            }
            ask(.publish(topic: topic, data: payload)) { [unowned self] reply in
                if case .published = reply { publishedCount += 1 }
            }
            due.left -= 1
            due.next = due.next.advanced(by: due.interval)
        }
        publication = due.left > 0 ? due : nil
        if publication == nil { answer("ok") }
        timer?.schedule(at: publication?.next)
    }
}

extension NodeProcess: UnixListenerDelegate, UnixConnectionDelegate {
    func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)? {
        client = connection
        return self
    }

    func connectionDidOpen(_ connection: UnixConnection) {}

    func connection(_ connection: UnixConnection, didReceive line: [UInt8]) {
        obey(String(decoding: line, as: UTF8.self))
    }

    func connectionDidDrain(_ connection: UnixConnection) {}

    /// The harness is gone, however it ended: so is this process.
    func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason) { exit(0) }
}

extension Duration {
    var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}
