import ChoraleBase
import Codec
import Gossipsub
import PeerIdentity

extension FuzzTarget {
    static let gossipTargets: [FuzzTarget] = [
        FuzzTarget(
            "gossip-rpc", "one frame of a gossip peer; the machine's tables and counters agree",
            seeds: {
                [
                    GossipFrames.subscription("blocks", true),
                    GossipFrames.control { writer in
                        GossipFrames.graft("blocks", &writer)
                        GossipFrames.prune("votes", peers: [Actors.peers[3]], &writer)
                        GossipFrames.ids(1, topic: "blocks", [[1, 2, 3]], &writer)
                        GossipFrames.ids(2, topic: nil, [[1, 2, 3]], &writer)
                        GossipFrames.ids(5, topic: nil, [[1, 2, 3]], &writer)
                    },
                    GossipFrames.message("blocks", [1, 2, 3]),
                    GossipFrames.signed("blocks", [1, 2, 3], sequence: 1, by: Actors.keys[2]),
                ]
            }, run: gossipRPC),
        FuzzTarget(
            "gossip-sequence",
            "peers that come, go, graft, prune, announce, publish and lie, and time that jumps; "
                + "tables and counters agree after each step", sizeMax: 768,
            seeds: {
                [
                    [0, 0, 0, 1, 0, 2, 2, 0, 0, 3, 1, 0, 5, 0, 0, 4, 1, 2, 3, 4, 9, 8, 3, 10, 0],
                    [1, 0, 0, 0, 1, 2, 0, 0, 2, 1, 0, 8, 20, 6, 0, 1, 7, 0, 3, 9, 0, 10, 1, 8, 90],
                    [0, 0, 2, 0, 8, 12, 11, 0, 4, 1, 1, 1, 1, 9, 8, 12, 10, 0, 12, 0, 200],
                ]
            }, run: gossipSequence),
    ]

    private static let topics: [Gossipsub.Topic] = ["blocks", "votes", "other"]

    private static func configuration(signed: Bool) -> Gossipsub.Configuration {
        var configuration = Gossipsub.Configuration(
            localPeer: Actors.peers[0],
            signaturePolicy: signed ? .strictSign(.init(Actors.keys[0])) : .strictNoSign)
        var blocks = Gossipsub.TopicParameters("blocks")
        blocks.sizeMax = 2048
        blocks.uncompressedSizeMax = 4096
        blocks.validationCountMax = 4
        blocks.messageID = signed ? .fromAndSequence : .snappyDomain(includesTopic: true)
        blocks.score.meshDeliveriesWeight = -1
        blocks.score.meshFailureWeight = -1
        var votes = Gossipsub.TopicParameters("votes")
        votes.validation = .none
        votes.trafficClass = .vote
        votes.messageID =
            signed
            ? .fromAndSequence
            : .custom { _, fields in Array(fields.data.prefix(5)) }
        configuration.topics = [blocks, votes]
        configuration.unlistedTopic = { Gossipsub.TopicParameters($0) }
        configuration.dontWantSizeMin = 8
        configuration.largeMessageSizeMin = 64
        configuration.floodPublishSizeMax = 32
        configuration.directPeers = [Actors.peers[7]]
        var limits = Gossipsub.Limits()
        limits.rpcSizeMax = 8192
        limits.controlSizeMax = 512
        limits.batchSizeMax = 1024
        limits.messagesPerRPCMax = 8
        limits.subscriptionsPerRPCMax = 8
        limits.controlEntriesPerRPCMax = 16
        limits.topicCountMax = 8
        limits.unlistedTopicsPerPeerMax = 3
        limits.peerCountMax = 6
        limits.retainedPeerCountMax = 3
        limits.ihaveIDsPerHeartbeatMax = 8
        limits.wantedCountMax = 8
        limits.dontWantPerPeerMax = 8
        limits.seenCountMax = 32
        limits.pendingCountMax = 8
        limits.pendingSizeMax = 4096
        limits.pendingSizePerPeerMax = 2048
        limits.historySizeMax = 4096
        limits.messageSizeTotalMax = 16_384
        limits.queueSizePerPeerMax = 2048
        limits.queueCountPerPeerMax = 16
        limits.controlQueueIDsMax = 32
        configuration.limits = limits
        return configuration
    }

    private struct Bench: ~Copyable {
        var machine: Gossipsub
        var now = Now.start
        var outputs: [Gossipsub.Output] = []
        var waiting: [Gossipsub.MessageHandle] = []
        var checks: [(Gossipsub.JobID, Gossipsub.SignatureCheck)] = []
        var ids: [[UInt8]] = [[1, 2, 3]]
        var connected: Set<PeerID> = []
        var isPaused = false
        /// Publications without a receipt, and queued ones whose end was not told.
        var unanswered: Set<Gossipsub.PublishID> = []
        var published: Set<Gossipsub.PublishID> = []

        init(signed: Bool) {
            machine = Gossipsub(
                configuration: configuration(signed: signed),
                random: DeterministicRandom(seed: 1), now: Now.start)
        }

        mutating func input(_ input: Gossipsub.Input, _ findings: inout Findings) {
            switch input {
            case .peerConnected(let peer, _): connected.insert(peer)
            case .peerDisconnected(let peer): connected.remove(peer)
            case .publish(let id, _, data: _, _): unanswered.insert(id)
            default: break
            }
            machine.handle(input, now: now, into: &outputs)
            settle(&findings)
            require(unanswered.isEmpty, "a publication without a receipt")
        }

        mutating func settle(_ findings: inout Findings) {
            for output in outputs {
                findings.note("gossip", output)
                switch output {
                case .deliver(let message):
                    require(message.dataRange.upperBound <= message.storage.count, "data outside")
                    if message.needsVerdict { waiting.append(message.handle) }
                    if ids.count < 16 { ids.append(message.id.bytes) }
                case .checkSignature(let job, let check): checks.append((job, check))
                case .receipt(let publish, let receipt):
                    require(unanswered.remove(publish) != nil, "a receipt that nobody is owed")
                    guard case .queued(let id, _, _) = receipt else { continue }
                    published.insert(publish)
                    if ids.count < 16 { ids.append(id.bytes) }
                case .published(let publish, _):
                    require(published.remove(publish) != nil, "a publication ends twice")
                case .wantsToSend(let peer):
                    require(connected.contains(peer), "something to send to nobody")
                case .connect(let peer, _, _):
                    require(peer != Actors.peers[0], "a connection to ourselves")
                case .pauseIntake, .resumeIntake:
                    let isPause = if case .pauseIntake = output { true } else { false }
                    require(isPaused != isPause, "paused or resumed twice")
                    isPaused = isPause
                case .event: break
                }
            }
            outputs.removeAll(keepingCapacity: true)
            if let fault = machine.checkInvariants() { fatalError("property broken: \(fault)") }
            let holdings = machine.holdings
            let limits = machine.configuration.limits
            require(holdings.peers <= limits.peerCountMax, "peers: \(holdings)")
            require(holdings.retainedPeers <= limits.retainedPeerCountMax, "retained: \(holdings)")
            require(holdings.pending <= limits.pendingCountMax, "pending: \(holdings)")
            require(holdings.pendingSize <= limits.pendingSizeMax, "pending bytes: \(holdings)")
            require(holdings.messageSize <= limits.messageSizeTotalMax, "messages: \(holdings)")
            require(holdings.seen <= limits.seenCountMax, "seen: \(holdings)")
            require(holdings.wanted <= limits.wantedCountMax, "wanted: \(holdings)")
            require(holdings.historySize <= limits.historySizeMax, "history: \(holdings)")
            let peers = holdings.peers
            require(holdings.queuedSize <= peers * limits.queueSizePerPeerMax, "\(holdings)")
            require(holdings.queuedCopies <= peers * limits.queueCountPerPeerMax, "\(holdings)")
            require(holdings.dontWant <= peers * limits.dontWantPerPeerMax, "\(holdings)")
        }

        mutating func pull(_ peer: PeerID, _ findings: inout Findings) {
            var frames = 0
            if !connected.contains(peer) {
                require(!machine.hasFrames(for: peer), "frames for nobody")
            }
            while let frame = machine.dequeue(peer, now: now, into: &outputs) {
                frames += 1
                require(frame.size == frame.bytes.count, "a frame of another size")
                require(frame.size > 0, "an empty frame")
                require(
                    frame.size <= machine.configuration.limits.rpcSizeMax, "a frame over limits")
                require(frames < 1000, "frames without end")
            }
            require(!machine.hasFrames(for: peer), "frames that cannot be pulled")
            settle(&findings)
        }
    }

    private static func gossipRPC(_ input: [UInt8], _ findings: inout Findings) {
        for signed in [false, true] {
            var bench = Bench(signed: signed)
            for peer in Actors.peers[1...2] {
                bench.input(
                    .peerConnected(peer, .init(version: .v1_2, direction: .inbound)), &findings)
            }
            bench.input(.subscribe("blocks"), &findings)
            bench.input(.subscribe("votes"), &findings)
            bench.input(.rpcReceived(Actors.peers[1], input), &findings)
            for (job, check) in bench.checks {
                let isValid = check.run()
                bench.input(.signatureChecked(job, isValid: isValid), &findings)
            }
            for handle in bench.waiting { bench.input(.validated(handle, .accept), &findings) }
            bench.pull(Actors.peers[1], &findings)
            bench.pull(Actors.peers[2], &findings)
            bench.now.advance(.seconds(5))
            bench.input(.timeout, &findings)
            findings.note("rpc", counters: bench.machine.counters)
        }
    }

    private static func gossipSequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let options = program.byte()
        let signed = options & 1 == 1
        var bench = Bench(signed: signed)
        bench.input(.subscribe("blocks"), &findings)
        var steps = 0
        var publishes: UInt64 = 0
        while !program.isAtEnd, steps < 150 {
            steps += 1
            let instruction = program.byte() & 0x1F
            let peer = Actors.peers[1 + program.below(7)]
            switch instruction {
            case 0, 1:
                bench.input(
                    .peerConnected(
                        peer,
                        .init(
                            version: Gossipsub.Version.allCases[
                                program.below(Gossipsub.Version.allCases.count)],
                            direction: instruction == 0 ? .inbound : .outbound,
                            addressGroup: .init(UInt64(program.below(2))))), &findings)
            case 2:
                receive(GossipFrames.subscription(name(&program), program.byte() & 1 == 0), peer)
            case 3:
                let topic = name(&program)
                receive(GossipFrames.control { GossipFrames.graft(topic, &$0) }, peer)
            case 4:
                let topic = name(&program)
                let named = Array(Actors.peers.prefix(program.below(4)))
                receive(GossipFrames.control { GossipFrames.prune(topic, peers: named, &$0) }, peer)
            case 5:
                let topic = name(&program)
                let data = program.chunk()
                let copies = program.byte()
                let frame =
                    signed
                    ? GossipFrames.signed(
                        topic, data, sequence: UInt64(program.byte()),
                        by: Actors.keys[1 + program.below(7)])
                    : GossipFrames.message(
                        topic, copies & 1 == 0 ? data : data + data + data + data)
                receive(frame, peer)
            case 6, 7:
                // IHAVE, IWANT or IDONTWANT of something known, or of something made up.
                let kind: UInt32 = [1, 2, 5][program.below(3)]
                let topic = name(&program)
                let count = program.below(12)
                let known = program.byte()
                let ids = bench.ids
                let list = (0..<count).map { index in
                    known & 1 == 0 ? ids[(Int(known) + index) % ids.count] : [known, UInt8(index)]
                }
                receive(
                    GossipFrames.control {
                        GossipFrames.ids(kind, topic: kind == 1 ? topic : nil, list, &$0)
                    }, peer)
            case 8:
                bench.now.advance(program.duration())
                bench.input(.timeout, &findings)
            case 9:
                guard !bench.waiting.isEmpty else { continue }
                let handle = bench.waiting.remove(at: program.below(bench.waiting.count))
                let verdict = Gossipsub.Verdict.allCases[
                    program.below(Gossipsub.Verdict.allCases.count)]
                bench.input(.validated(handle, verdict), &findings)
                // A late or repeated verdict is harmless.
                if program.byte() == 7 { bench.input(.validated(handle, .accept), &findings) }
            case 10: bench.pull(peer, &findings)
            case 11:
                publishes += 1
                var publish = Gossipsub.PublishOptions()
                publish.allowsNoPeers = program.byte() & 1 == 0
                let data = program.chunk()
                bench.input(
                    .publish(.init(publishes), topics[program.below(3)], data: data, publish),
                    &findings)
            case 12:
                guard !bench.checks.isEmpty else { continue }
                let (job, check) = bench.checks.remove(at: program.below(bench.checks.count))
                let answer = program.byte() & 1 == 0 ? check.run() : false
                bench.input(.signatureChecked(job, isValid: answer), &findings)
            case 13: bench.input(.peerDisconnected(peer), &findings)
            case 14: bench.input(.subscribe(topics[program.below(3)]), &findings)
            case 15: bench.input(.unsubscribe(topics[program.below(3)]), &findings)
            case 16: receive(program.longChunk(), peer)
            case 17: bench.input(.applicationScore(peer, Double(program.word()) - 1e4), &findings)
            case 18: bench.input(.behaviourPenalty(peer, Double(program.byte())), &findings)
            case 19: bench.input(.peerRecord(peer, program.chunk()), &findings)
            case 20:
                let expected = program.word()
                bench.input(
                    .frameProgress(peer, received: program.below(256), expected: expected),
                    &findings)
            case 21:
                var parameters = Gossipsub.TopicParameters(topics[program.below(3)])
                parameters.sizeMax = program.word()
                parameters.mesh.degree = 3
                parameters.mesh.degreeLow = 2
                parameters.mesh.degreeHigh = 4
                parameters.mesh.degreeScore = 1
                parameters.mesh.degreeOutbound = 1
                parameters.messageID =
                    signed ? .fromAndSequence : .snappyDomain(includesTopic: true)
                bench.input(.topicConfigured(parameters), &findings)
            case 22:
                for explanation in bench.machine.scoreSnapshot(now: bench.now) {
                    require(explanation.total.isFinite, "a score that is no number")
                }
                _ = bench.machine.meshSnapshot()
                _ = bench.machine.peerSnapshot(now: bench.now)
            default: break
            }
        }
        findings.note("sequence", counters: bench.machine.counters)

        func receive(_ frame: [UInt8], _ peer: PeerID) {
            bench.input(.rpcReceived(peer, frame), &findings)
        }
        func name(_ program: inout Program) -> String {
            let choice = program.below(5)
            return ["blocks", "votes", "other", "a name that is too long", ""][choice]
        }
    }
}

/// RPCs written by hand, since the module's writer is its own business.
enum GossipFrames {
    static func subscription(_ topic: String, _ subscribe: Bool) -> [UInt8] {
        var writer = ProtobufWriter()
        let entry = writer.beginMessage(1)
        writer.bool(1, subscribe)
        writer.string(2, topic)
        writer.endMessage(entry)
        return writer.bytes
    }

    static func control(_ body: (inout ProtobufWriter) -> Void) -> [UInt8] {
        var writer = ProtobufWriter()
        let entry = writer.beginMessage(3)
        body(&writer)
        writer.endMessage(entry)
        return writer.bytes
    }

    static func graft(_ topic: String, _ writer: inout ProtobufWriter) {
        let entry = writer.beginMessage(3)
        writer.string(1, topic)
        writer.endMessage(entry)
    }

    static func prune(_ topic: String, peers: [PeerID], _ writer: inout ProtobufWriter) {
        let entry = writer.beginMessage(4)
        writer.string(1, topic)
        for peer in peers {
            let named = writer.beginMessage(2)
            writer.bytes(1, peer.multihash)
            if peer == Actors.peers[1] { writer.bytes(2, Actors.peerRecord) }
            writer.endMessage(named)
        }
        writer.varint(3, 60)
        writer.endMessage(entry)
    }

    /// IHAVE (1), IWANT (2) or IDONTWANT (5).
    static func ids(
        _ kind: UInt32, topic: String?, _ ids: [[UInt8]], _ writer: inout ProtobufWriter
    ) {
        let entry = writer.beginMessage(kind)
        if let topic { writer.string(1, topic) }
        for id in ids { writer.bytes(topic == nil ? 1 : 2, id) }
        writer.endMessage(entry)
    }

    static func message(_ topic: String, _ data: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter()
        let entry = writer.beginMessage(2)
        writer.bytes(2, data)
        writer.string(4, topic)
        writer.endMessage(entry)
        return writer.bytes
    }

    static func signed(
        _ topic: String, _ data: [UInt8], sequence: UInt64, by key: IdentityKey
    ) -> [UInt8] {
        var number: [UInt8] = []
        number.appendBigEndian(sequence)
        var unsigned = ProtobufWriter()
        unsigned.bytes(1, key.peerID.multihash)
        unsigned.bytes(2, data)
        unsigned.bytes(3, number)
        unsigned.string(4, topic)
        let signature = key.sign(Array("libp2p-pubsub:".utf8) + unsigned.bytes)
        var message = ProtobufWriter(appendingTo: unsigned.bytes)
        message.bytes(5, signature)
        var writer = ProtobufWriter()
        writer.bytes(2, message.bytes)
        return writer.bytes
    }
}
