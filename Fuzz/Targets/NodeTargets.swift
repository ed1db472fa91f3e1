import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Connection
import Identify
import Kademlia
import Multistream
import Node
import Noise
import PeerIdentity
import Ping
import RequestResponse
import Swarm
import Yamux

extension FuzzTarget {
    static let nodeTargets: [FuzzTarget] = [
        FuzzTarget(
            "ping-responder", "what asks for echoes; whole payloads come back, in order",
            sizeMax: 512, seeds: { [32, 64, 70].map { [UInt8](repeating: 5, count: $0) } },
            run: pingResponder),
        FuzzTarget(
            "ping-sequence", "pings, echoes true and false, ends and time; the counters agree",
            sizeMax: 256,
            seeds: { [[0, 1, 32, 0, 1, 10, 1, 22, 4], [0, 3, 200, 0, 1, 5], [0, 1, 32, 1, 1]] },
            run: pingSequence),
        FuzzTarget(
            "node-sequence",
            "a whole node and a verified peer that opens streams of any protocol and says proper and "
                + "improper things; what the peer makes it hold is bounded, and goes with the peer",
            sizeMax: 512,
            seeds: {
                // Open, write a message of the protocol, end, carry; answer what the node opens.
                (0..<UInt8(NodePeer.protocols.count)).map { [0, $0, 1, 0, 0, 3, 0, 5, 5] }
                    + [
                        [5, 1, 0, 1, 5, 0, 2, 1, 0, 0, 6, 40, 5, 2, 0, 9, 1, 2, 3, 5],
                        [0, 4, 1, 0, 3, 1, 0, 5, 5, 6, 90, 5, 7, 0, 3, 5, 6, 200],
                        [0, 3, 2, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4, 0, 5, 8, 3, 5],
                    ]
            }, run: nodeSequence),
    ]

    private static func pingResponder(_ input: [UInt8], _ findings: inout Findings) {
        let size = PingProtocol.payloadSize
        struct Heard: Equatable {
            var echoed: [UInt8] = []
            var end: PingResponder.Output?
        }
        let heard = sameHoweverCut(input, "the responder") { pieces in
            var responder = PingResponder()
            var outputs: [PingResponder.Output] = []
            for piece in pieces {
                responder.receive(piece.span, unsent: 0, now: .zero, into: &outputs)
            }
            responder.ended(into: &outputs)
            responder.handleTimeout(now: .zero.advanced(by: .seconds(3600)), into: &outputs)
            var heard = Heard()
            for output in outputs {
                require(heard.end == nil, "something follows the end")
                if case .send(let bytes) = output {
                    heard.echoed += bytes
                } else {
                    heard.end = output
                }
            }
            return heard
        }
        require(heard.echoed == Array(input.prefix(input.count / size * size)), "another echo")
        let rest = input.count % size
        require(
            heard.end == (rest == 0 ? .close : .failed(.endedWithinPayload(received: rest))),
            "another end: \(String(describing: heard.end))")
        findings.note("responder", size: heard.echoed.count)
    }

    private static func pingSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var now = MonotonicInstant.zero
        var initiator = PingInitiator(random: DeterministicRandom(seed: 4))
        var outputs: [PingInitiator.Output] = []
        var echo: [UInt8] = []
        var sent: UInt64 = 0
        var isOver = false
        while !program.isAtEnd {
            switch program.byte() & 7 {
            case 0:
                let isDue = initiator.canPing
                initiator.ping(now: now, into: &outputs)
                require(outputs.count == (isDue ? 1 : 0), "a ping out of turn")
            case 1:
                let piece = Array(echo.prefix(program.below(40)))
                echo.removeFirst(piece.count)
                initiator.receive(piece.span, now: now, into: &outputs)
            case 2: initiator.receive(program.chunk().span, now: now, into: &outputs)
            case 3:
                now = now.advanced(by: program.duration())
                initiator.handleTimeout(now: now, into: &outputs)
            case 4: initiator.ended(into: &outputs)
            default: continue
            }
            require(outputs.count <= 2, "\(outputs.count) outputs of one call")
            for output in outputs {
                require(!isOver, "something follows the end")
                findings.note("ping", output)
                switch output {
                case .send(let bytes):
                    require(bytes.count == PingProtocol.payloadSize, "\(bytes.count) bytes")
                    sent += 1
                    echo = bytes
                case .roundTrip(let time): require(time >= .zero, "a round trip of \(time)")
                case .failed, .ended: isOver = true
                }
            }
            outputs = []
            let counters = initiator.counters
            let waiting: UInt64 = initiator.nextDeadline == nil ? 0 : 1
            require(counters.pings == sent, "pings that were not sent")
            require(
                counters.pings == counters.roundTrips + counters.failures + waiting,
                "the counters do not add up: \(counters)")
        }
    }
}

/// The peer of `node-sequence`: a real connection, and on it whatever the program says.
private struct NodePeer: ~Copyable {
    static let protocols: [String] =
        [
            IdentifyMessage.protocolID, IdentifyMessage.pushProtocolID, PingProtocol.id,
            "/meshsub/1.2.0", "/chorale/kad/1.0.0/01020304", "/libp2p/perf/1.0.0",
            "/chorale/bulk/1.0.0", "/meshsub/1.0.0",
        ] + RequestProtocol.all.map(\.protocolID)

    /// Proper first messages of those protocols.
    static let messages: [[UInt8]] = {
        var identify = IdentifyMessage()
        identify.publicKey = Actors.keys[1].publicKey.encoded
        identify.listenAddresses = [Actors.addresses[1]]
        identify.protocols = protocols
        identify.agentVersion = "fuzz"
        identify.protocolVersion = "ipfs/0.1.0"
        identify.signedPeerRecord = Actors.peerRecord
        let blocks = "/chorale/01020304/witness_announce/ssz_snappy"
        let body = FuzzTarget.sampleBody
        let held = ChunkBitmap(repeating: true, count: body.chunks.count)
        let announcement = AnnouncementCheck.compressed(body.announcement)
        let gossip = [
            GossipFrames.subscription(blocks, true), GossipFrames.message(blocks, announcement),
            GossipFrames.control { GossipFrames.graft(blocks, &$0) },
            GossipFrames.control { GossipFrames.ids(1, topic: blocks, [[1, 2, 3]], &$0) },
        ]
        let requests = [
            Status(networkDigest: Actors.network, roles: 3, capabilities: .servesChunks)
                .sszEncoded(),
            Metadata(sequence: 5, roles: 1, capabilities: .servesChunks).sszEncoded(),
            PingSequence(rawValue: 77).sszEncoded(), Goodbye.banned.sszEncoded(),
            must(
                ChunksByRootRequest(root: body.announcement.root, indices: [0], held: held)
            ).sszEncoded(),
            ChunkResponse(
                root: body.announcement.root, index: 1, chunk: body.chunks[1], held: held
            ).sszEncoded(),
        ].map(FuzzTarget.Payloads.encoded)
        return [VarintFrame.encoded(identify.encoded())] + gossip.map(VarintFrame.encoded)
            + KademliaMessages.samples.map(VarintFrame.encoded) + requests
            + requests.map { [0] + $0 } + [
                [UInt8](repeating: 9, count: 32), [0, 0, 0, 0, 0, 0, 1, 0],
                [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2],
            ]
    }()

    var connection: Connection
    var streams: [StreamID] = []
    var wire: [UInt8] = []
    var pending: [UInt8] = []
    var isOver = false
    /// Bytes that came on streams: what the node answers.
    var heard = 0
}

private struct NodeBench: ~Copyable {
    static let id = ConnectionID.inbound(0)

    var node: Node
    var now = Now.start
    var outputs: [NodeOutput] = []
    var jobs: [Job] = []
    var requests: [(StoreRequestID, StoreRequest)] = []
    var isConnected = false
    var isStopped = false
    /// Commands that are owed a last reply.
    var owed: Set<CommandID> = []

    init() {
        var configuration = NodeConfiguration(
            identity: Actors.keys[0], noiseStaticKey: Actors.secret(0x45),
            networkDigest: Actors.networkDigest, addressPolicy: .local, seed: 6)
        configuration.listenAddresses = [Actors.addresses[0]]
        configuration.kademlia.mode = .server
        configuration.limits.bodies.totalSizeMax = 1 << 20
        configuration.limits.bodies.producerSizeMax = 1 << 20
        configuration.limits.bodies.bodySizeMax = 1 << 20
        node = Node(configuration: configuration, now: now)
    }

    mutating func give(_ input: NodeInput, _ findings: inout Findings) {
        node.handle(input, now: now, into: &outputs)
        perform(&findings)
    }

    /// What a driver does at once. Jobs and the store answer when the program says so.
    mutating func perform(_ findings: inout Findings) {
        var index = 0
        while index < outputs.count {
            let output = outputs[index]
            index += 1
            require(index < 20_000, "outputs without end")
            require(!isStopped, "an output after the last")
            findings.note("node", output)
            switch output {
            case .listen(let id, let address):
                node.handle(.listening(id, address), now: now, into: &outputs)
            case .dial(let id, _, _):
                node.handle(
                    .disconnected(id, .networkError, detail: "refused"), now: now, into: &outputs)
            case .close(let id), .abort(let id):
                guard id == Self.id, isConnected else { continue }
                isConnected = false
                node.handle(
                    .disconnected(id, .remoteClosed, detail: ""), now: now, into: &outputs)
            case .resolve(let id, _):
                node.handle(.resolved(id, .failed("no names")), now: now, into: &outputs)
            case .run(let job): jobs.append(job)
            case .store(let id, let request): requests.append((id, request))
            case .reply(let id, _, let isLast):
                require(owed.contains(id), "a reply that nobody is owed")
                if isLast { owed.remove(id) }
            case .stopped: isStopped = true
            case .process, .journal, .crossValidate, .signParts, .settle:
                require(false, "this node has no chain")
            case .wantsToTransmit, .cancelDial, .pauseReading, .resumeReading, .event: break
            }
        }
        outputs.removeAll(keepingCapacity: true)
        // The program may not let anybody else wait for ever.
        if jobs.count > 256 { jobs.removeFirst(jobs.count - 256) }
    }

    mutating func work(_ findings: inout Findings) {
        for job in jobs {
            node.handle(.finished(job.run(wall: now.wall)), now: now, into: &outputs)
        }
        jobs = []
        perform(&findings)
    }

    mutating func store(fails: Bool, _ findings: inout Findings) {
        for (id, request) in requests {
            let reply: StoreReply =
                switch request {
                case _ where fails: .failed(.diskFull(path: "/"))
                case .write: .written
                case .get: .value(nil)
                case .scan: .rows([], more: false)
                case .checkpoint: .checkpointed
                }
            node.handle(.stored(id, reply), now: now, into: &outputs)
        }
        requests = []
        perform(&findings)
    }

    func check() {
        let holdings = node.holdings(now: now)
        let limits = node.configuration.limits
        require(holdings.sockets <= 1, "sockets: \(holdings.sockets)")
        // The node's own: identify, gossip, a status, a ping, requests and lookups.
        let yamux = limits.connection.yamux
        require(
            holdings.streams <= yamux.inboundStreamsMax + yamux.outboundStreamsMax,
            "\(holdings.streams)")
        require(holdings.queuedSize <= 8 << 20, "\(holdings.queuedSize) bytes are queued")
        require(holdings.commands <= limits.commandsMax, "commands: \(holdings.commands)")
        require(holdings.estimatedSize <= 32 << 20, "\(holdings.estimatedSize) bytes are held")
    }
}

extension FuzzTarget {
    private static func nodeSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var bench = NodeBench()
        bench.give(.start, &findings)
        bench.store(fails: false, &findings)
        var peer = NodePeer(
            connection: Connection(
                role: .dialer(expected: Actors.peers[0]),
                credentials: NoiseCredentials(
                    identity: Actors.keys[1], staticKey: Actors.secret(0x46)),
                ephemeral: Actors.secret(0x47),
                inboundProtocols: ProtocolTable(NodePeer.protocols), now: bench.now.instant))
        bench.isConnected = true
        bench.give(
            .accepted(
                NodeBench.id, local: Actors.addresses[0], remote: Actors.addresses[1],
                ephemeral: Actors.secret(0x48)), &findings)
        for _ in 0..<3 { carry(&bench, &peer, cut: 0, &findings) }
        require(peer.connection.phase == .established, "a proper handshake fails")
        var nextCommand: UInt64 = 1
        var steps = 0
        while !program.isAtEnd, steps < 100, !bench.isStopped {
            steps += 1
            switch program.byte() & 0x0F {
            case 0:
                let name = NodePeer.protocols[program.below(NodePeer.protocols.count)]
                do throws(Connection.OpenError) {
                    peer.streams.append(
                        try peer.connection.openStream(
                            [name], class: .control, now: bench.now.instant))
                } catch {
                    findings.note("open", error)
                }
            case 1:
                // A proper message, of this protocol or of another, sometimes damaged.
                guard let stream = pick(peer.streams, &program) else { continue }
                var message = NodePeer.messages[program.below(NodePeer.messages.count)]
                let damage = program.byte()
                if damage & 0xC0 == 0xC0 { message[Int(damage & 0x3F) % message.count] ^= 0x11 }
                try? peer.connection.write(stream, message)
            case 2:
                guard let stream = pick(peer.streams, &program) else { continue }
                try? peer.connection.write(stream, program.chunk())
            case 3:
                guard let stream = pick(peer.streams, &program) else { continue }
                peer.connection.closeWrite(stream)
            case 4:
                guard let stream = pick(peer.streams, &program) else { continue }
                peer.connection.reset(stream, code: UInt32(program.byte()))
                peer.streams.removeAll { $0 == stream }
            case 5: carry(&bench, &peer, cut: 0, &findings)
            case 6:
                bench.now.advance(program.duration())
                bench.give(.timeout, &findings)
                var events: [Connection.Event] = []
                peer.connection.handleTimeout(now: bench.now.instant, into: &events)
                note(events, &peer)
            case 7: bench.work(&findings)
            case 8: bench.store(fails: program.byte() == 0xFF, &findings)
            case 9: carry(&bench, &peer, cut: program.word(), &findings)
            case 10:
                let id = CommandID(nextCommand)
                nextCommand += 1
                bench.owed.insert(id)
                bench.give(.command(id, command(&program)), &findings)
            case 11:
                let id = CommandID(UInt64(program.byte()))
                bench.owed.remove(id)
                bench.give(.commandCancelled(id), &findings)
            case 12 where program.byte() == 0: bench.give(.stop, &findings)
            default:
                // Several of the usual steps, so that short programs get far.
                carry(&bench, &peer, cut: 0, &findings)
                bench.work(&findings)
                bench.store(fails: false, &findings)
            }
            bench.check()
        }
        findings.note("peer", size: peer.heard)
        findings.note("peer", size: peer.streams.count)

        if bench.isConnected {
            bench.isConnected = false
            bench.give(
                .disconnected(NodeBench.id, .remoteClosed, detail: ""), &findings)
        }
        let holdings = bench.node.holdings(now: bench.now)
        require(holdings.sockets == 0 && holdings.streams == 0, "sockets or streams of nobody")
        require(holdings.queuedSize == 0, "bytes are queued for nobody")
        for _ in 0..<16 {
            bench.work(&findings)
            bench.store(fails: false, &findings)
            bench.now.advance(.seconds(10))
            bench.give(.timeout, &findings)
        }
        require(bench.node.holdings(now: bench.now).requests == 0, "requests to nobody")
        if !bench.isStopped {
            bench.give(.stop, &findings)
            bench.now.advance(.seconds(5))
            bench.give(.timeout, &findings)
            require(bench.isStopped, "a node without connections does not stop")
        }
        require(bench.owed.isEmpty, "\(bench.owed.count) commands have no last reply")
    }

    private static func command(_ program: inout Program) -> Command {
        switch program.below(14) {
        case 0: .nodeInfo
        case 1: .peers
        case 2: .mesh
        case 3: .scores
        case 4: .explainScore(Actors.peers[1])
        case 5: .dht
        case 6: .publish(topic: text(program.chunk()), data: program.chunk())
        case 7: .subscribe(topic: text(program.chunk()))
        case 8: .dhtGet(key: program.chunk())
        case 9: .dhtProvide(key: program.chunk())
        case 10: .ping(Actors.addresses[1], count: program.below(5))
        case 11: .publishBody(kind: "witness", bytes: program.chunk())
        case 12: .removePeer(Actors.peers[1])
        default: .limits
        }
    }

    private static func pick(_ streams: [StreamID], _ program: inout Program) -> StreamID? {
        streams.isEmpty ? nil : streams[program.below(streams.count)]
    }

    private static func note(_ events: [Connection.Event], _ peer: inout NodePeer) {
        for event in events {
            switch event {
            case .streamOpened(let stream, _): peer.streams.append(stream)
            case .closed(let stream), .streamFailed(let stream, _):
                peer.streams.removeAll { $0 == stream }
            case .failed: peer.isOver = true
            default: break
            }
        }
    }

    /// Both directions once, the node's input in two pieces when `cut` is not zero.
    private static func carry(
        _ bench: inout NodeBench, _ peer: inout NodePeer, cut: Int, _ findings: inout Findings
    ) {
        guard bench.isConnected, !peer.isOver else { return }
        var events: [Connection.Event] = []
        peer.connection.transmit(
            into: &peer.wire, sizeMax: 1 << 16, now: bench.now.instant, events: &events)
        note(events, &peer)
        let count = cut == 0 ? peer.wire.count : min(peer.wire.count, cut)
        peer.pending += peer.wire[..<count]
        peer.wire.removeFirst(count)
        var pending = peer.pending
        var span = pending.mutableSpan
        let used = bench.node.receive(NodeBench.id, &span, now: bench.now, into: &bench.outputs)
        require(used <= pending.count, "more was consumed than was there")
        peer.pending.removeFirst(used)
        bench.perform(&findings)
        guard bench.isConnected else { return }

        var bytes: [UInt8] = []
        bench.node.transmit(
            NodeBench.id, into: &bytes, sizeMax: 1 << 16, now: bench.now,
            outputs: &bench.outputs)
        bench.perform(&findings)
        events = []
        var answer = bytes.mutableSpan
        let read = peer.connection.receive(&answer, now: bench.now.instant, into: &events)
        require(read == bytes.count || peer.connection.isClosed, "half a frame was sent")
        for case .data(let stream, let range) in events {
            peer.heard += range.count
            peer.connection.consumed(stream, count: range.count, now: bench.now.instant)
        }
        note(events, &peer)
        for case .failed(let reason) in events {
            switch reason {
            case .endOfInput, .yamux(.keepaliveTimeout), .handshakeTimeout: break
            default: fatalError("property broken: a node's bytes are refused: \(reason)")
            }
        }
    }
}
