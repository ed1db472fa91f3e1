import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import Glibc
import Multistream
import Noise
import PeerIdentity
import Yamux

/// Measurements of single machines in memory, each one line of JSON:
///
///     {"name": …, "value": …, "unit": …, "at_most": …, "at_least": …}
///     {"name": …, "left_out": …}
///
/// with a goal if there is one; a measurement is left out where its data are not. Time is CPU time of this
/// thread, so that a busy machine changes little.
enum Micro {
    /// - Parameter arguments: `--only TEXT`, names to measure; `--vectors FOLDER`, others' proofs;
    ///   `--models FOLDER`, the repository's.
    static func run(_ arguments: Arguments) throws {
        let only = arguments["only"] ?? ""
        for (name, measure) in all where only.isEmpty || name.contains(only) {
            try measure(arguments)
        }
    }

    private static let all: [(String, @Sendable (Arguments) throws -> Void)] = [
        ("yamux", { _ in yamux() }), ("noise+yamux", { _ in noiseAndYamux() }),
        ("handshake", { _ in handshake() }), ("gossip duplicate", { _ in gossipDuplicate() }),
        ("gossip first copy", { _ in gossipFirstCopy() }),
        ("kad answer", { _ in kademliaAnswer() }),
        ("chunk check", { _ in chunkCheck() }), ("body build", { _ in bodyBuild() }),
        ("curves", { _ in curves() }), ("spartan", { _ in spartan() }),
        ("proofs", proofs), ("inference", inference), ("votes", { _ in try votes() }),
    ]

    private static func proofs(_ arguments: Arguments) throws {
        guard let root = arguments["vectors"] else {
            return leaveOut(
                "proofs and attestations of others",
                "there are no test vectors: set CHORALE_VECTORS")
        }
        try proofs(Vectors(root: root))
    }

    private static func inference(_ arguments: Arguments) throws {
        guard let folder = arguments["models"] else {
            return leaveOut("inference of digits", "--models is missing")
        }
        try inference(
            try Vectors.contents("\(folder)/digits/digits.model"),
            try Vectors.contents("\(folder)/digits/inputs/3.input"))
    }

    /// What a number should be.
    enum Goal {
        case atMost(Double)
        case atLeast(Double)
    }

    static func report(_ name: String, _ value: Double, _ unit: String, goal: Goal? = nil) {
        let wanted =
            switch goal {
            case nil: ""
            case .atMost(let bound): ", \"at_most\": \(bound)"
            case .atLeast(let bound): ", \"at_least\": \(bound)"
            }
        Program.say(
            "{\"name\": \"\(name)\", \"value\": \(value), \"unit\": \"\(unit)\"\(wanted)}")
    }

    static func leaveOut(_ name: String, _ reason: String) {
        Program.say("{\"name\": \"\(name)\", \"left_out\": \"\(reason)\"}")
    }

    static func cpuSeconds(_ work: () -> Void) -> Double {
        var watch = Stopwatch()
        work()
        return watch.lap()
    }

    /// CPU time of this thread, in seconds.
    struct Stopwatch {
        private var start = Self.read()

        private static func read() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }

        /// Since the last one.
        mutating func lap() -> Double {
            let now = Self.read()
            defer { start = now }
            return now - start
        }
    }

    /// Repeats `work`, which does `units` of something, until half a second is used.
    static func perSecond(_ units: Double, _ work: () -> Void) -> Double {
        work()
        var total = 0.0
        var rounds = 0.0
        while total < 0.5 {
            total += cpuSeconds(work)
            rounds += 1
        }
        return rounds * units / total
    }

    private static let block = [UInt8](repeating: 7, count: 64 * 1024)
    private static let streamSize = 16 << 20

    /// One stream from one session to another, both in this thread.
    static func yamux() {
        var sender = YamuxSession(role: .dialer, now: .zero)
        var receiver = YamuxSession(role: .listener, now: .zero)
        guard let stream = try? sender.open(.proof) else { preconditionFailure("a first stream") }
        var events: [YamuxSession.Event] = []
        var wire: [UInt8] = []
        var back: [UInt8] = []
        let rate = perSecond(Double(streamSize)) {
            var received = 0
            while received < streamSize {
                while sender.queuedBytes(stream) < 256 * 1024 { try? sender.write(stream, block) }
                wire.removeAll(keepingCapacity: true)
                sender.transmit(into: &wire, sizeMax: 256 * 1024, now: .zero, events: &events)
                events.removeAll(keepingCapacity: true)
                receiver.receive(wire.span, now: .zero, into: &events)
                for event in events {
                    guard case .data(let id, let range) = event else { continue }
                    received += range.count
                    receiver.consumed(id, count: range.count, now: .zero)
                }
                events.removeAll(keepingCapacity: true)
                back.removeAll(keepingCapacity: true)
                receiver.transmit(into: &back, sizeMax: 4096, now: .zero, events: &events)
                sender.receive(back.span, now: .zero, into: &events)
                events.removeAll(keepingCapacity: true)
            }
        }
        report("yamux framing, both ends", rate / 1e9, "GB/s")
    }

    /// Two connections joined in memory.
    struct Pair: ~Copyable {
        var dialer: Connection
        var listener: Connection
        var events: [Connection.Event] = []
        /// Of the listener, of the last call.
        var received = 0
        private var toListener: [UInt8] = []
        private var toDialer: [UInt8] = []

        static let dialerCredentials = NoiseCredentials(
            identity: Configurations.identity(1), staticKey: .random(count: 32))
        static let listenerCredentials = NoiseCredentials(
            identity: Configurations.identity(2), staticKey: .random(count: 32))
        static let protocols = ProtocolTable(["/bench/1"])

        init() {
            dialer = Connection(
                role: .dialer(expected: Self.listenerCredentials.peerID),
                credentials: Self.dialerCredentials, ephemeral: .random(count: 32),
                inboundProtocols: Self.protocols, now: .zero)
            listener = Connection(
                role: .listener, credentials: Self.listenerCredentials,
                ephemeral: .random(count: 32), inboundProtocols: Self.protocols, now: .zero)
        }

        private static func give(
            _ bytes: inout [UInt8], to connection: inout Connection,
            _ events: inout [Connection.Event]
        ) {
            guard !bytes.isEmpty else { return }
            var span = bytes.mutableSpan
            let consumed = connection.receive(&span, now: .zero, into: &events)
            precondition(consumed == bytes.count, "whole frames were sent")
        }

        /// Carries bytes once in each direction.
        mutating func exchange() {
            received = 0
            toListener.removeAll(keepingCapacity: true)
            dialer.transmit(into: &toListener, sizeMax: 256 * 1024, now: .zero, events: &events)
            events.removeAll(keepingCapacity: true)
            Self.give(&toListener, to: &listener, &events)
            for event in events {
                guard case .data(let stream, let range) = event else { continue }
                received += range.count
                listener.consumed(stream, count: range.count, now: .zero)
            }
            events.removeAll(keepingCapacity: true)
            toDialer.removeAll(keepingCapacity: true)
            listener.transmit(into: &toDialer, sizeMax: 256 * 1024, now: .zero, events: &events)
            Self.give(&toDialer, to: &dialer, &events)
            events.removeAll(keepingCapacity: true)
        }

        mutating func establish() {
            while dialer.peerID == nil || listener.peerID == nil {
                exchange()
                precondition(!dialer.isClosed && !listener.isClosed, "the handshake failed")
            }
        }
    }

    private static func noiseAndYamux() {
        var pair = Pair()
        pair.establish()
        guard let stream = try? pair.dialer.openStream(["/bench/1"], class: .proof, now: .zero)
        else { preconditionFailure("a first stream") }
        for _ in 0..<3 { pair.exchange() }
        // Repeated by hand: what cannot be copied cannot be captured either.
        var seconds = 0.0
        var bytes = 0
        while seconds < 1 {
            let start = clock()
            var received = 0
            while received < streamSize {
                while pair.dialer.queuedBytes(stream) < 256 * 1024 {
                    try? pair.dialer.write(stream, block)
                }
                pair.exchange()
                received += pair.received
            }
            seconds += Double(clock() - start) / Double(CLOCKS_PER_SEC)
            bytes += received
        }
        report("noise and yamux, both ends", Double(bytes) / seconds / 1e9, "GB/s")
    }

    private static func handshake() {
        let rate = perSecond(50) {
            for _ in 0..<50 {
                var pair = Pair()
                pair.establish()
            }
        }
        report("handshakes, both ends", rate, "1/s")
    }

    // MARK: Bodies

    private static let built: BodyBuilder.Built = builder.run()

    private static let builder: BodyBuilder = {
        var random = DeterministicRandom(seed: 1)
        guard
            let builder = try? BodyBuilder(
                random.bytes(count: 4 << 20), kind: .witness,
                issued: WallTime(milliseconds: 1_700_000_000_000),
                identity: Configurations.identity(1), networkDigest: [0, 0, 0, 0])
        else { preconditionFailure("4 MiB are a body") }
        return builder
    }()

    private static func chunkCheck() {
        let checks = built.chunks.enumerated().map { index, chunk in
            ChunkCheck(root: built.announcement.root, index: index, chunk: chunk)
        }
        let rate = perSecond(Double(4 << 20)) {
            for check in checks { precondition(check.run(), "a chunk of the body") }
        }
        report("body chunk verification", rate / 1e9, "GB/s")
    }

    private static func bodyBuild() {
        let rate = perSecond(Double(4 << 20)) { _ = builder.run() }
        report("body building", rate / 1e9, "GB/s")
    }
}
