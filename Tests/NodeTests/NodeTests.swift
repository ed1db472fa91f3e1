import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Gossipsub
import PeerIdentity
import Swarm
import Testing

@testable import Node

@Suite struct DeadlineQueueTests {
    @Test func popsInOrderOfTimeAndThenOfSetting() {
        var queue = DeadlineQueue<String>()
        queue.push(MonotonicInstant(nanoseconds: 5), "late")
        queue.push(MonotonicInstant(nanoseconds: 1), "first")
        queue.push(MonotonicInstant(nanoseconds: 1), "second")
        #expect(queue.next == MonotonicInstant(nanoseconds: 1))
        var popped: [String] = []
        while let key = queue.popDue(now: MonotonicInstant(nanoseconds: 4)) { popped.append(key) }
        #expect(popped == ["first", "second"])
        #expect(queue.next == MonotonicInstant(nanoseconds: 5))
    }
}

@Suite struct DeadlineQueueSweepTests {
    /// A stream that ends leaves its timer behind: a million of them must not stay until they are due.
    @Test func mootEntriesDoNotPileUp() {
        var queue = DeadlineQueue<Int>()
        var live: Set<Int> = []
        var largest = 0
        for number in 0..<100_000 {
            queue.push(MonotonicInstant(nanoseconds: Int64(number)), number)
            live.insert(number)
            live.remove(number - 10)
            if queue.isSweepDue { queue.sweep { !live.contains($0) } }
            largest = max(largest, queue.entryCount)
        }
        #expect(largest <= 1024)
        var popped: [Int] = []
        while let key = queue.popDue(now: MonotonicInstant(nanoseconds: .max)) {
            if live.contains(key) { popped.append(key) }
        }
        #expect(popped == Array(99_990..<100_000))
    }
}

@Suite struct TopicKindTests {
    @Test func theNetworksTopicsAreKnownByTheirNames() {
        let configuration = NodeLifecycleTests.configuration()
        let vote = configuration.parameters(of: .init(configuration.topic("vote")))
        #expect(vote.trafficClass == .vote && vote.sizeMax == 1024)
        let subnet = configuration.parameters(of: .init(configuration.topic("subproof_vote_63")))
        #expect(subnet.trafficClass == .vote)
        for other in [
            "vote", "/chorale/00000000/vote/ssz_snappy", configuration.topic("subproof_vote_64"),
            configuration.topic("subproof_vote"), configuration.topic("vote") + "/x",
        ] {
            let parameters = configuration.parameters(of: .init(other))
            #expect(parameters.trafficClass == .block, "\(other)")
            #expect(parameters.uncompressedSizeMax == parameters.sizeMax)
        }
    }
}

@Suite struct ObservedAddressTests {
    private static func group(_ third: UInt8) -> IPPrefix {
        IPAddress.ip4(IPv4Address(80, third, 1, 1)).group.wide
    }

    @Test func countsOnceFourNetworksAgree() throws {
        var observed = ObservedAddresses()
        let address = try Multiaddr("/ip4/8.8.4.4/tcp/4001")
        let additions = [1, 1, 2, 3, 4, 5].map { observed.add(address, by: Self.group($0)) }
        #expect(additions == [false, false, false, false, true, false])
        #expect(observed.confirmed == [address])
    }

    @Test func manyClaimsDoNotGrow() throws {
        var observed = ObservedAddresses()
        for port in 1...500 {
            _ = observed.add(try Multiaddr("/ip4/8.8.4.4/tcp/\(port)"), by: Self.group(1))
        }
        #expect(observed.confirmed.isEmpty)
        let held = Mirror(reflecting: observed).children.first.map { "\($0.value)".count }
        #expect(held ?? 0 < 20_000)
    }
}

@Suite struct BulkTransferTests {
    static let now = MonotonicInstant.zero

    /// Carries a whole exchange between the two sides in pieces of a given size.
    private static func exchange(
        upload: UInt64, download: UInt64, piece: Int, corrupt: (inout [UInt8]) -> Void = { _ in }
    ) -> BulkTransfer.Progress {
        let client = BulkTransfer(
            command: CommandID(1), upload: upload, download: download, now: now)
        let server = BulkTransfer()
        var request = client.header
        while let range = client.next(sizeMax: 7000) { request += BulkTransfer.block[range] }
        var progress = BulkTransfer.Progress.goesOn
        for start in stride(from: 0, to: request.count, by: piece) {
            let part = Array(request[start..<min(start + piece, request.count)])
            progress = server.received(part.span, now: now)
        }
        guard progress == .answer else { return progress }
        var answer = server.answer()
        while let range = server.next(sizeMax: 9000) { answer += BulkTransfer.block[range] }
        corrupt(&answer)
        for start in stride(from: 0, to: answer.count, by: piece) {
            let part = Array(answer[start..<min(start + piece, answer.count)])
            progress = client.received(part.span, now: now)
            if case .failed = progress { return progress }
        }
        return progress
    }

    @Test(arguments: [1, 7, 251, 4096, 1 << 20])
    func movesAnyAmountInAnyPieces(piece: Int) {
        for (upload, download) in [(0, 0), (1, 0), (0, 1), (251, 252), (20_001, 70_007)]
            as [(UInt64, UInt64)]
        {
            #expect(Self.exchange(upload: upload, download: download, piece: piece) == .done)
        }
    }

    @Test func noticesADifferentByteADifferentDigestAndTooMuch() {
        let flipped = Self.exchange(upload: 10, download: 1000, piece: 100) { $0[32 + 500] ^= 1 }
        #expect(flipped == .failed(.byteDiffers(position: 500)))
        let digest = Self.exchange(upload: 10, download: 1000, piece: 100) { $0[0] ^= 1 }
        #expect(digest == .failed(.digestDiffers))
        let more = Self.exchange(upload: 10, download: 10, piece: 100) { $0.append(0) }
        #expect(more == .failed(.tooMuch(received: 11, expected: 10)))
    }

    @Test func anEarlyEndIsAFailure() {
        let client = BulkTransfer(command: CommandID(1), upload: 0, download: 5, now: Self.now)
        let few: [UInt8] = [1, 2, 3]
        _ = client.received(few.span, now: Self.now)
        #expect(client.ended() == .endedEarly(received: 0, expected: 5))
    }

    /// A hostile header asks for more than exists; the server only promises to produce it.
    @Test func hugeLengthsDoNotTrap() {
        let server = BulkTransfer()
        var header: [UInt8] = []
        header.appendBigEndian(UInt64.max)
        header.appendBigEndian(UInt64.max)
        let afterHeader = server.received(header.span, now: Self.now)
        let payload: [UInt8] = [0, 1, 2]
        let afterPayload = server.received(payload.span, now: Self.now)
        #expect(afterHeader == .goesOn)
        #expect(afterPayload == .goesOn)
    }
}

@Suite struct PerfTransferTests {
    @Test func theRequestMayComeInPieces() {
        let server = PerfTransfer()
        var request: [UInt8] = []
        request.appendBigEndian(UInt64(300))
        let start = Array(request[..<3])
        let first = server.received(start.span, now: .zero)
        #expect(first == nil)
        #expect(server.requested == nil)
        let rest = Array(request[3...]) + [9, 9, 9]
        let second = server.received(rest.span, now: .zero)
        #expect(second == nil)
        #expect(server.requested == 300)
        #expect(server.received == 3)
    }

    @Test func aClientRefusesMoreThanItAskedFor() {
        let client = PerfTransfer(command: CommandID(1), upload: 0, download: 2, now: .zero)
        let enough: [UInt8] = [1, 2]
        let more: [UInt8] = [3]
        let first = client.received(enough.span, now: .zero)
        let second = client.received(more.span, now: .zero)
        #expect(first == nil)
        #expect(second == .tooMuch(received: 3, expected: 2))
    }
}

@Suite struct NodeLifecycleTests {
    private static func node(
        _ change: (inout NodeConfiguration) -> Void = { _ in }
    ) -> Node {
        var configuration = configuration()
        change(&configuration)
        return Node(configuration: configuration, now: now)
    }

    static func configuration() -> NodeConfiguration {
        NodeConfiguration(
            identity: IdentityKey(
                ed25519Seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32))),
            noiseStaticKey: SecretBytes(copying: [UInt8](repeating: 2, count: 32)),
            networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1)
    }

    private static let now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))

    @Test func startListensAndReadsItsStore() throws {
        var node = Self.node { configuration in
            configuration.listenAddresses = [.tcp(ip: .ip4(.loopback), port: 0)]
        }
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        var listens = 0
        var scans: [ColumnFamily] = []
        for output in outputs {
            switch output {
            case .listen: listens += 1
            case .store(_, .scan(let family, _, _, _, _)): scans.append(family)
            default: break
            }
        }
        #expect(listens == 1)
        #expect(scans == [.peer, .dht, .witness])
        let deadline = node.nextDeadline
        #expect(deadline != nil)
    }

    /// Whether a node serves before and after it knows that it can be reached.
    static let dhtModes: [(DHTMode, before: Bool, after: Bool)] = [
        (.auto, false, true), (.client, false, false), (.server, true, true),
    ]

    @Test(arguments: dhtModes)
    func servesTheDHTAsItsModeSays(mode: DHTMode, before: Bool, after: Bool) throws {
        var node = Self.node { $0.dhtMode = mode }
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        let atStart = Self.servesDHT(&node)
        #expect(atStart == [before, before, before])
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        node.handle(.listening(ListenerID(1), address), now: Self.now, into: &outputs)
        let reachable = Self.servesDHT(&node)
        #expect(reachable == [after, after, after])
    }

    /// What a node tells its operator, what it tells peers, and what its DHT does: always the same.
    private static func servesDHT(_ node: inout Node) -> [Bool] {
        var outputs: [NodeOutput] = []
        node.handle(.command(CommandID(1), .nodeInfo), now: now, into: &outputs)
        node.handle(.command(CommandID(2), .dht), now: now, into: &outputs)
        let name = node.configuration.kademliaProtocol
        return outputs.flatMap { output -> [Bool] in
            switch output {
            case .reply(_, .nodeInfo(let info), _):
                [info.isServingDHT, info.protocols.contains(name)]
            case .reply(_, .dht(let info), _): [info.mode == "server"]
            default: []
            }
        }
    }

    @Test func everyCommandGetsOneLastReplyEvenWhenTheNodeIsNotRunning() {
        var node = Self.node()
        var outputs: [NodeOutput] = []
        node.handle(.command(CommandID(1), .peers), now: Self.now, into: &outputs)
        node.handle(.start, now: Self.now, into: &outputs)
        node.handle(.command(CommandID(2), .nodeInfo), now: Self.now, into: &outputs)
        node.handle(.command(CommandID(3), .watchEvents), now: Self.now, into: &outputs)
        node.handle(
            .command(CommandID(4), .publishBody(kind: "nonsense", bytes: [1])), now: Self.now,
            into: &outputs)
        node.handle(.command(CommandID(5), .dhtGet(key: [1, 2, 3])), now: Self.now, into: &outputs)
        node.handle(.stop, now: Self.now, into: &outputs)
        var last: [CommandID: Int] = [:]
        var stopped = 0
        for output in outputs {
            switch output {
            case .reply(let id, _, isLast: true): last[id, default: 0] += 1
            case .stopped: stopped += 1
            default: break
            }
        }
        #expect(last == [1, 2, 3, 4, 5].reduce(into: [:]) { $0[CommandID($1)] = 1 })
        #expect(stopped == 1)
        // Nothing follows the end.
        outputs = []
        node.handle(.timeout, now: Self.now, into: &outputs)
        #expect(outputs.isEmpty)
        let deadline = node.nextDeadline
        #expect(deadline == nil)
    }

    @Test func watchersSeeEventsUntilTheyAreGone() throws {
        var node = Self.node()
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        for number in UInt64(1)...2 {
            node.handle(.command(CommandID(number), .watchEvents), now: Self.now, into: &outputs)
        }
        node.handle(.commandCancelled(CommandID(1)), now: Self.now, into: &outputs)

        func watched(_ outputs: [NodeOutput]) -> [String] {
            outputs.compactMap { output in
                guard case .reply(let id, .event(let event), isLast: false) = output else {
                    return nil
                }
                return "\(id) \(event)"
            }
        }
        #expect(watched(outputs).isEmpty)

        // What was in the list before belongs to an earlier input and is not told twice.
        outputs = [.event(.storeRecovered)]
        let address = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        node.handle(.listening(ListenerID(1), address), now: Self.now, into: &outputs)
        // The node can now be reached, so it serves the DHT: a second event.
        #expect(watched(outputs).first == "\(CommandID(2)) \(NodeEvent.listening(address))")
        #expect(watched(outputs).count == 2)

        outputs = []
        node.handle(.stop, now: Self.now, into: &outputs)
        let last = outputs.lastIndex { output in
            if case .reply(CommandID(2), _, isLast: true) = output { true } else { false }
        }
        let position = try #require(last)
        #expect(watched(Array(outputs[position...])).isEmpty)
    }

    @Test func aLostConnectionIsToldWithItsReason() throws {
        var node = Self.node()
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        node.handle(.command(CommandID(1), .watchEvents), now: Self.now, into: &outputs)
        let here = try Multiaddr("/ip4/127.0.0.1/tcp/4001")
        let there = try Multiaddr("/ip4/127.0.0.1/tcp/50001")
        node.handle(
            .accepted(
                ConnectionID(1), local: here, remote: there,
                ephemeral: SecretBytes(copying: [UInt8](repeating: 3, count: 32))),
            now: Self.now, into: &outputs)
        outputs = []
        node.handle(
            .disconnected(ConnectionID(1), .remoteClosed, detail: "end of input"), now: Self.now,
            into: &outputs)
        let told = outputs.compactMap { output -> String? in
            guard
                case .reply(
                    CommandID(1), .event(.connectionClosed(_, let reason, let detail)), _) = output
            else { return nil }
            return "\(reason.rawValue): \(detail)"
        }
        // In the middle of what the peer left, which the socket cannot know.
        #expect(told == ["remote_closed: end_of_input_security_negotiation"])
    }

    @Test func commandsAreLimited() {
        var node = Self.node { $0.limits.commandsMax = 2 }
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        for number in UInt64(1)...3 {
            outputs = []
            node.handle(
                .command(CommandID(number), .watchEvents), now: Self.now, into: &outputs)
        }
        guard case .reply(CommandID(3), .failed(let failure), isLast: true) = outputs.first else {
            Issue.record("the third was not refused: \(outputs)")
            return
        }
        #expect(failure.kind == .overloaded)
        #expect(failure.message.contains("limit is 2"))
    }

    /// Bytes for a connection that is not there, and answers nobody asked for, change nothing.
    @Test func lateInputsAreHarmless() {
        var node = Self.node()
        var outputs: [NodeOutput] = []
        node.handle(.start, now: Self.now, into: &outputs)
        outputs = []
        var bytes: [UInt8] = [1, 2, 3]
        var span = bytes.mutableSpan
        let consumed = node.receive(ConnectionID(77), &span, now: Self.now, into: &outputs)
        var buffer: [UInt8] = []
        node.transmit(
            ConnectionID(77), into: &buffer, sizeMax: 1000, now: Self.now, outputs: &outputs)
        node.handle(.stored(StoreRequestID(999), .written), now: Self.now, into: &outputs)
        node.handle(.resolved(ResolutionID(9), .failed("x")), now: Self.now, into: &outputs)
        node.handle(
            .disconnected(ConnectionID(77), .remoteClosed, detail: ""), now: Self.now,
            into: &outputs)
        node.handle(.commandCancelled(CommandID(5)), now: Self.now, into: &outputs)
        #expect(consumed == 3)
        #expect(buffer.isEmpty)
        #expect(outputs.isEmpty)
    }
}
