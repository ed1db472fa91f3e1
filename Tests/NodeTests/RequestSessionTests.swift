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

/// A node, and a peer that is played by the test on a real connection.
private final class Bench {
    static let id = ConnectionID.inbound(0)
    static let keys = [UInt8(1), 2].map { seed in
        IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
    }

    var node: Node
    var peer: Connection
    var now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))
    var outputs: [NodeOutput] = []
    /// Bytes that the node wrote on each stream.
    var heard: [StreamID: [UInt8]] = [:]
    private var toNode: [UInt8] = []

    init() throws {
        func secret(_ byte: UInt8) -> SecretBytes {
            SecretBytes(copying: [UInt8](repeating: byte, count: 32))
        }
        node = Node(
            configuration: NodeConfiguration(
                identity: Self.keys[0], noiseStaticKey: secret(3), networkDigest: [1, 2, 3, 4],
                addressPolicy: .local, seed: 1), now: now)
        peer = Connection(
            role: .dialer(expected: nil),
            credentials: NoiseCredentials(identity: Self.keys[1], staticKey: secret(4)),
            ephemeral: secret(5),
            inboundProtocols: ProtocolTable([
                IdentifyMessage.protocolID, RequestProtocol.status.protocolID,
            ]), now: now.instant)
        give(.start)
        give(
            .accepted(
                Self.id, local: try Multiaddr("/ip4/127.0.0.1/tcp/1"),
                remote: try Multiaddr("/ip4/127.0.0.1/tcp/2"), ephemeral: secret(6)))
        carry()
        #expect(peer.phase == .established)
    }

    func give(_ input: NodeInput) { node.handle(input, now: now, into: &outputs) }

    /// Bytes of both sides, until neither has any.
    func carry() {
        while true {
            var events: [Connection.Event] = []
            let before = toNode.count
            peer.transmit(into: &toNode, sizeMax: 1 << 16, now: now.instant, events: &events)
            let didSpeak = toNode.count > before
            var pending = toNode
            var span = pending.mutableSpan
            let used = node.receive(Self.id, &span, now: now, into: &outputs)
            toNode.removeFirst(used)
            var toPeer: [UInt8] = []
            node.transmit(
                Self.id, into: &toPeer, sizeMax: 1 << 16, now: now, outputs: &outputs)
            var bytes = toPeer.mutableSpan
            let read = peer.receive(&bytes, now: now.instant, into: &events)
            #expect(read == toPeer.count)
            for case .data(let stream, let range) in events {
                heard[stream, default: []] += toPeer[range]
                peer.consumed(stream, count: range.count, now: now.instant)
            }
            guard didSpeak || !toPeer.isEmpty else { return }
        }
    }

    func open(_ name: String, _ bytes: [UInt8], ends: Bool = false) throws -> StreamID {
        let stream = try peer.openStream([name], class: .control, now: now.instant)
        try peer.write(stream, bytes)
        if ends { peer.closeWrite(stream) }
        carry()
        return stream
    }

    func reset(_ stream: StreamID) {
        peer.reset(stream, code: 0)
        carry()
    }

    var requestCount: Int { node.holdings(now: now).requests }
}

// Both found by fuzzing.
@Suite struct RequestSessionTests {
    /// What the end of a stream causes does not begin anew on the connection that is ending.
    @Test func aLostConnectionLeavesNoRequest() throws {
        let bench = try Bench()
        // It pushes what it speaks, and is gone before it has answered identify.
        var message = IdentifyMessage()
        message.protocols = [RequestProtocol.status.protocolID]
        _ = try bench.open(
            IdentifyMessage.pushProtocolID, VarintFrame.encoded(message.encoded()), ends: true)
        bench.give(.disconnected(Bench.id, .networkTimeout, detail: ""))
        #expect(bench.requestCount == 0)
        #expect(bench.node.holdings(now: bench.now).peers == 0)
    }

    /// A request that is given up while it waits for its turn frees its place.
    @Test func aRequestGivenUpWhileItWaitsTakesNoPlace() throws {
        let bench = try Bench()
        let known = try #require(AnnouncementsRequest(known: [])).sszEncoded()
        let request =
            Varint.encoded(UInt64(known.count)) + SnappyFrameEncoder.encoded(known.span)
        let name = RequestProtocol.announcements.protocolID
        // Each may have 16 answers, and a peer a thousand of them at once: then the next one waits.
        for _ in 0..<64 { _ = try bench.open(name, request, ends: true) }
        #expect(bench.requestCount == 0)
        for _ in 0..<20 {
            let waiting = try bench.open(name, request)
            #expect(bench.heard[waiting] == nil)
            #expect(bench.requestCount == 1)
            bench.reset(waiting)
            #expect(bench.requestCount == 0)
        }
        let last = try bench.open(name, request)
        #expect(bench.heard[last] == nil)
        bench.now = Now(instant: bench.now.instant.advanced(by: .seconds(1)), wall: bench.now.wall)
        bench.give(.timeout)
        bench.carry()
        #expect(bench.requestCount == 0)
    }
}
