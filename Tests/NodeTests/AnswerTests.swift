import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Crypto
import Identify
import Multistream
import Noise
import PeerIdentity
import RequestResponse
import Swarm
import Testing
import Yamux

@testable import Node

/// A node that holds a body of one chunk and has room for two answers, and peers that are played by
/// the test on real connections.
private final class Bench {
    final class Guest {
        let id: ConnectionID
        var machine: Connection
        var toNode: [UInt8] = []
        var heard: [StreamID: [UInt8]] = [:]
        var resets: Set<StreamID> = []
        /// Takes bytes from its socket, and none of a stream beyond the first window.
        var isReading = true

        init(_ id: ConnectionID, _ machine: consuming Connection) {
            self.id = id
            self.machine = machine
        }
    }

    var node: Node
    var now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))
    private(set) var guests: [Guest] = []
    private(set) var published: BodyInfo?
    /// Its socket takes no bytes and gives none.
    var isStuck: Guest?

    private static func secret(_ byte: UInt8) -> SecretBytes {
        SecretBytes(copying: [UInt8](repeating: byte, count: 32))
    }

    private static func identity(_ seed: UInt8) -> IdentityKey {
        IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }

    init(_ change: (inout NodeConfiguration) -> Void = { _ in }) {
        var configuration = NodeConfiguration(
            identity: Self.identity(1), noiseStaticKey: Self.secret(3),
            networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1)
        configuration.limits.bodies.servesMax = 2
        configuration.limits.bodies.seedingDuration = .zero
        change(&configuration)
        node = Node(configuration: configuration, now: now)
        give(.start)
        // It cannot be compressed, so that it does not fit into a stream's first window.
        var random = DeterministicRandom(seed: 9)
        give(
            .command(
                CommandID(1),
                .publishBody(kind: "witness", bytes: random.bytes(count: 256 * 1024))))
    }

    func give(_ input: NodeInput) {
        var inputs = [input]
        while !inputs.isEmpty {
            var outputs: [NodeOutput] = []
            node.handle(inputs.removeFirst(), now: now, into: &outputs)
            inputs += follow(outputs)
        }
    }

    /// What workers and the store say.
    private func follow(_ outputs: [NodeOutput]) -> [NodeInput] {
        outputs.compactMap { output in
            switch output {
            case .run(let job): return .finished(job.run(wall: now.wall))
            case .store(let id, .write): return .stored(id, .written)
            case .store(let id, .get): return .stored(id, .value(nil))
            case .store(let id, .scan): return .stored(id, .rows([], more: false))
            case .reply(_, .bodyPublished(let info), _):
                published = info
                return nil
            default: return nil
            }
        }
    }

    func connect(_ seed: UInt8) throws -> Guest {
        let number = UInt64(seed)
        let guest = Guest(
            ConnectionID.inbound(number),
            Connection(
                role: .dialer(expected: nil),
                credentials: NoiseCredentials(
                    identity: Self.identity(seed), staticKey: Self.secret(seed)),
                ephemeral: Self.secret(seed + 100),
                inboundProtocols: ProtocolTable([IdentifyMessage.protocolID]), now: now.instant))
        guests.append(guest)
        give(
            .accepted(
                guest.id, local: try Multiaddr("/ip4/127.0.0.1/tcp/1"),
                remote: try Multiaddr("/ip4/127.0.0.1/tcp/\(1000 + Int(seed))"),
                ephemeral: Self.secret(seed + 50)))
        carry()
        #expect(guest.machine.phase == .established)
        return guest
    }

    func carry() {
        var isMoving = true
        while isMoving {
            isMoving = false
            for guest in guests where exchange(guest) { isMoving = true }
        }
    }

    /// The node reads what the guest says.
    @discardableResult func hear(_ guest: Guest) -> Bool {
        var events: [Connection.Event] = []
        let before = guest.toNode.count
        guest.machine.transmit(
            into: &guest.toNode, sizeMax: 1 << 16, now: now.instant, events: &events)
        let didSpeak = guest.toNode.count > before
        var outputs: [NodeOutput] = []
        var pending = guest.toNode
        var span = pending.mutableSpan
        let used = node.receive(guest.id, &span, now: now, into: &outputs)
        guest.toNode.removeFirst(used)
        for input in follow(outputs) { give(input) }
        return didSpeak
    }

    @discardableResult func exchange(_ guest: Guest) -> Bool {
        if guest === isStuck { return false }
        let didSpeak = hear(guest)
        var events: [Connection.Event] = []
        var outputs: [NodeOutput] = []
        var bytes: [UInt8] = []
        node.transmit(guest.id, into: &bytes, sizeMax: 1 << 16, now: now, outputs: &outputs)
        for input in follow(outputs) { give(input) }
        let count = bytes.count
        var received = bytes.mutableSpan
        _ = guest.machine.receive(&received, now: now.instant, into: &events)
        for event in events {
            switch event {
            case .data(let stream, let range):
                guest.heard[stream, default: []] += bytes[range]
                if guest.isReading {
                    guest.machine.consumed(stream, count: range.count, now: now.instant)
                }
            case .reset(let stream, _): guest.resets.insert(stream)
            default: break
            }
        }
        return didSpeak || count > 0
    }

    func pass(_ duration: Duration) {
        now = Now(
            instant: now.instant.advanced(by: duration), wall: now.wall.advanced(by: duration))
        give(.timeout)
        carry()
    }

    /// Asks for the chunk.
    ///
    /// - Parameter carries: whether the answer is waited for.
    func ask(_ guest: Guest, ends: Bool = true, carries: Bool = true) throws -> StreamID {
        let root = try #require(published?.root)
        let request = try #require(
            ChunksByRootRequest(
                root: root, indices: [0], held: ChunkBitmap(repeating: false, count: 1)))
        let payload = request.sszEncoded()
        let stream = try guest.machine.openStream(
            [RequestProtocol.chunksByRoot.protocolID], class: .witness, now: now.instant)
        try guest.machine.write(
            stream,
            Varint.encoded(UInt64(payload.count)) + SnappyFrameEncoder.encoded(payload.span))
        if ends { guest.machine.closeWrite(stream) }
        if carries { carry() }
        return stream
    }

    /// Chunks of answers to the guest that are not encoded yet.
    func unsent(_ guest: Guest) -> Int {
        guard let streams = node.connections[guest.id]?.streams.values else { return 0 }
        return streams.reduce(0) { $0 + ($1.request?.unsent.count ?? 0) }
    }

    /// The code of the answer's first item: 0 for a chunk, 4 when there is no place.
    func code(_ guest: Guest, _ stream: StreamID) -> UInt8? { guest.heard[stream]?.first }

    var serves: Int { node.bodies.snapshot(now: now).serves }
}

@Suite struct AnswerTests {
    /// Peers that ask and do not read have their places for ten seconds, and no longer.
    @Test func whoDoesNotReadLosesItsPlace() throws {
        let bench = Bench()
        let deaf = try bench.connect(10)
        let honest = try bench.connect(20)
        deaf.isReading = false
        let held = [try bench.ask(deaf), try bench.ask(deaf)]
        #expect(bench.serves == 2)
        let refused = try bench.ask(honest)
        #expect(bench.code(honest, refused) == 4)
        bench.pass(.milliseconds(9_900))
        let early = try bench.ask(honest)
        #expect(bench.code(honest, early) == 4)
        bench.pass(.milliseconds(200))
        #expect(deaf.resets.isSuperset(of: held))
        #expect(bench.serves == 0)
        // Nor does it get another at once.
        let again = try bench.ask(deaf)
        #expect(bench.code(deaf, again) == 4)
        let answered = try bench.ask(honest)
        #expect(bench.code(honest, answered) == 0)
        #expect((honest.heard[answered]?.count ?? 0) > 256 * 1024)
    }

    /// A place is for bytes that wait here, not for a stream that its peer keeps open.
    @Test func anAnswerThatLeftHoldsNoPlace() throws {
        let bench = Bench()
        let idle = try bench.connect(10)
        let honest = try bench.connect(20)
        var open: Set<StreamID> = []
        for _ in 0..<6 {
            let stream = try bench.ask(idle, ends: false)
            open.insert(stream)
            #expect(bench.code(idle, stream) == 0)
            #expect(bench.serves == 0)
        }
        let answered = try bench.ask(honest)
        #expect(bench.code(honest, answered) == 0)
        let before = bench.node.holdings(now: bench.now)
        #expect(before.requests == 0)
        #expect(before.streams >= 6)
        // Nor is the stream kept for long.
        bench.pass(.seconds(11))
        #expect(idle.resets.isSuperset(of: open))
    }

    /// What the loop does between two looks at its sockets must not depend on how many chunks were asked
    /// for at once.
    @Test func chunksAreEncodedOneByOne() throws {
        let bench = Bench()
        let guest = try bench.connect(10)
        // So that the protocol is agreed at once.
        _ = try bench.ask(guest)
        let streams = try (0..<2).map { _ in try bench.ask(guest, carries: false) }
        bench.exchange(guest)
        #expect(bench.unsent(guest) == 1 && bench.serves == 2)
        bench.carry()
        #expect(bench.unsent(guest) == 0 && bench.serves == 0)
        for stream in streams {
            #expect(bench.code(guest, stream) == 0)
            #expect((guest.heard[stream]?.count ?? 0) > 256 * 1024)
        }
    }

    /// An answer that its reader has no window for holds up no other.
    @Test func aFullWindowHoldsUpNoOtherAnswer() throws {
        let bench = Bench()
        let guest = try bench.connect(10)
        guest.isReading = false
        let streams = try (0..<2).map { _ in try bench.ask(guest, carries: false) }
        bench.carry()
        #expect(bench.unsent(guest) == 0 && bench.serves == 2)
        for stream in streams { #expect((guest.heard[stream]?.count ?? 0) > 200 * 1024) }
    }

    /// Nor is anything encoded for a peer that takes no bytes from its socket, which has its place no
    /// longer for that.
    @Test func whoTakesNoBytesLosesItsPlace() throws {
        let bench = Bench()
        let deaf = try bench.connect(10)
        let honest = try bench.connect(20)
        _ = try bench.ask(deaf, carries: false)
        _ = try bench.ask(deaf, carries: false)
        bench.hear(deaf)
        #expect(bench.unsent(deaf) == 2 && bench.serves == 2)
        bench.isStuck = deaf
        bench.pass(.milliseconds(9_900))
        #expect(bench.serves == 2)
        bench.pass(.milliseconds(200))
        #expect(bench.unsent(deaf) == 0 && bench.serves == 0)
        bench.isStuck = nil
        // It left them unread for long, so it gets no other at once.
        let again = try bench.ask(deaf)
        #expect(bench.code(deaf, again) == 4)
        let answered = try bench.ask(honest)
        #expect(bench.code(honest, answered) == 0)
    }

    /// Identify pushes are read up to the limit, and then refused for a while.
    @Test func pushesKeepToTheirLimit() throws {
        let bench = Bench { $0.limits.pushesPerMinute = 3 }
        let guest = try bench.connect(10)
        var message = IdentifyMessage()
        message.agentVersion = "guest"
        let payload = VarintFrame.encoded(message.encoded())
        func push() throws -> Bool {
            let before = bench.node.counters.streamsReset
            let stream = try guest.machine.openStream(
                [IdentifyMessage.pushProtocolID], class: .control, now: bench.now.instant)
            try guest.machine.write(stream, payload)
            guest.machine.closeWrite(stream)
            bench.carry()
            return bench.node.counters.streamsReset == before
        }
        let first = [try push(), try push(), try push(), try push()]
        #expect(first == [true, true, true, false])
        bench.pass(.seconds(20))
        let later = [try push(), try push()]
        #expect(later == [true, false])
    }

    /// What is being built for commands is bounded: each may have 16 MiB.
    @Test func fewBodiesAreBuiltAtOnce() {
        let bench = Bench()
        var failures: [CommandFailure.Kind] = []
        var jobs: [Job] = []
        for number in UInt64(10)..<13 {
            var outputs: [NodeOutput] = []
            bench.node.handle(
                .command(CommandID(number), .publishBody(kind: "witness", bytes: [1, 2, 3])),
                now: bench.now, into: &outputs)
            for output in outputs {
                if case .run(let job) = output { jobs.append(job) }
                if case .reply(_, .failed(let failure), _) = output {
                    failures.append(failure.kind)
                }
            }
        }
        #expect(jobs.count == 2 && failures == [.overloaded])
        for job in jobs { bench.give(.finished(job.run(wall: bench.now.wall))) }
        #expect(bench.node.bodyBuildCount == 0)
    }
}
