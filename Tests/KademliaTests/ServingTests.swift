import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import OrderedCollections
import PeerIdentity
import Testing

@testable import Kademlia

@Suite struct ServingTests {
    static let key = Array("/x/a".utf8)

    @Test func clientsAnswerNothing() {
        var configuration = Kademlia.Configuration.test
        configuration.mode = .client
        var bench = Bench(configuration: configuration)
        let peer = bench.peer()
        let refused = bench.request(KademliaMessage(kind: .ping), from: peer)
        #expect(refused.refusals == [.clientMode])
        _ = bench.input(.setMode(.server))
        let answered = bench.request(KademliaMessage(kind: .ping), from: peer)
        #expect(answered.responses == [KademliaMessage(kind: .ping)])
    }

    /// go takes a server into its table only when this question has an answer.
    @Test func findNodeForOurselvesReturnsOurselves() {
        var bench = Bench()
        let peer = bench.peer()
        let message = KademliaMessage(kind: .findNode, key: bench.local.multihash)
        let answer = bench.request(message, from: peer).responses
        #expect(answer.first?.closerPeers.map(\.id) == [bench.local])
        #expect(answer.first?.closerPeers.first?.addresses == [Bench.address(1)])
    }

    @Test func findNodeNamesTheTargetEvenIfItIsAClient() {
        var bench = Bench()
        let (asker, client) = (bench.peer(), bench.peer())
        _ = bench.input(
            .peerIdentified(
                client, addresses: [Bench.address(9)], supportsServer: false, remote: Bench.ip(9)))
        let message = KademliaMessage(kind: .findNode, key: client.multihash)
        let answer = bench.request(message, from: asker).responses
        #expect(answer.first?.closerPeers.map(\.id) == [client])
    }

    @Test func findNodeLeavesOutTheAskerAndOrdersByDistance() {
        var bench = Bench()
        var peers: [PeerID] = []
        for index in 2..<40 { peers.append(bench.addToTable(index)) }
        let target = Array("anything".utf8)
        let answer = bench.request(
            KademliaMessage(kind: .findNode, key: target), from: peers[0]
        ).responses[0]
        let point = KeyPoint(key: target)
        let table = peers.dropFirst().filter { bench.machine.table.contains($0) }
            .sorted {
                KeyPoint(key: $0.multihash).distance(to: point)
                    < KeyPoint(key: $1.multihash).distance(to: point)
            }
        #expect(answer.closerPeers.map(\.id) == Array(table.prefix(20)))
    }

    /// go 0.25.1 panics on an echo without a record.
    @Test func putIsValidatedStoredAndEchoed() {
        var bench = Bench()
        let peer = bench.peer()
        let outputs = bench.put(Self.key, [1, 2, 3], from: peer)
        #expect(outputs.responses.first?.record?.value == [1, 2, 3])
        #expect(outputs.responses.first?.record?.key == Self.key)
        #expect(outputs.responses.first?.record?.timeReceived == "2027-01-15T08:00:00Z")
        let get = bench.request(KademliaMessage(kind: .getValue, key: Self.key), from: peer)
        #expect(get.responses.first?.record?.value == [1, 2, 3])
        let writes = outputs.writes
        #expect(writes.count == 1)
    }

    @Test func nothingIsStoredBeforeItsVerdict() {
        var bench = Bench()
        var message = KademliaMessage(kind: .putValue, key: Self.key)
        message.record = .init(key: Self.key, value: [1], timeReceived: nil)
        let peer = bench.peer()
        let outputs = bench.input(.requestReceived(bench.inboundID(), from: peer, message.bytes))
        #expect(outputs.responses.isEmpty)
        #expect(bench.machine.storedValue(Self.key, now: bench.now) == nil)
        // A worker that never answers costs the peer its request, not us our memory.
        let later = bench.wait(.seconds(11))
        #expect(later.refusals == [.validationTimedOut])
        expectBalance(bench.machine)
    }

    struct Refusal: CustomTestStringConvertible {
        let testDescription: String
        let message: KademliaMessage
        let reason: Kademlia.RefusalReason

        init(_ name: String, _ message: KademliaMessage, _ reason: Kademlia.RefusalReason) {
            testDescription = name
            self.message = message
            self.reason = reason
        }
    }

    static func put(_ key: [UInt8], record: [UInt8], value: [UInt8]) -> KademliaMessage {
        var message = KademliaMessage(kind: .putValue, key: key)
        message.record = .init(key: record, value: value, timeReceived: nil)
        return message
    }

    static let stranger: PeerID = {
        var random = DeterministicRandom(seed: 4)
        return TestNetwork.peer(&random)
    }()

    static let refusals: [Refusal] = [
        Refusal("put without a record", KademliaMessage(kind: .putValue, key: key), .malformed),
        Refusal(
            "put of another key", put(key, record: Array("/x/b".utf8), value: [1]), .keyMismatch),
        Refusal(
            "put outside every namespace",
            put(Array("/y/a".utf8), record: Array("/y/a".utf8), value: [1]), .noNamespace),
        Refusal(
            "put of too much", put(key, record: key, value: .init(repeating: 0, count: 1025)),
            .valueTooLarge),
        Refusal(
            "key one byte too long",
            KademliaMessage(kind: .findNode, key: .init(repeating: 1, count: 257)), .keyTooLong),
        Refusal("get without a key", KademliaMessage(kind: .getValue), .malformed),
        Refusal(
            "provider key of 81 bytes",
            KademliaMessage(kind: .getProviders, key: .init(repeating: 1, count: 81)),
            .keyTooLong),
        Refusal(
            "announcement for somebody else",
            KademliaMessage(
                kind: .addProvider, key: key,
                providerPeers: [
                    .init(id: stranger, addresses: [Bench.address(3)], connection: .connected)
                ]), .notTheProvider),
        Refusal(
            "public key of somebody else",
            put(
                Array("/pk/".utf8) + stranger.multihash,
                record: Array("/pk/".utf8) + stranger.multihash, value: [8, 1, 18, 1, 0]),
            .invalidRecord),
        Refusal(
            "a prover record that is none",
            put(
                .init(repeating: 7, count: 32), record: .init(repeating: 7, count: 32),
                value: [1, 2]), .invalidRecord),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        var bench = Bench()
        let peer = bench.peer()
        let outputs = bench.request(row.message, from: peer)
        #expect(outputs.refusals == [row.reason])
        #expect(outputs.responses.isEmpty)
        expectBalance(bench.machine)
    }

    @Test func providersAnnounceOnlyThemselves() {
        var bench = Bench()
        let (provider, asker) = (bench.peer(), bench.peer())
        let private4 = Multiaddr.tcp(ip: .ip4(IPv4Address(10, 0, 0, 1)), port: 1)
        let message = KademliaMessage(
            kind: .addProvider, key: Self.key,
            providerPeers: [
                .init(id: Self.stranger, addresses: [Bench.address(2)], connection: .connected),
                .init(
                    id: provider, addresses: [private4, Bench.address(3)], connection: .connected),
            ])
        let outputs = bench.request(message, from: provider)
        #expect(outputs.acknowledgementCount == 1)
        #expect(outputs.responses.isEmpty)
        let answer = bench.request(
            KademliaMessage(kind: .getProviders, key: Self.key), from: asker
        ).responses[0]
        #expect(answer.providerPeers.map(\.id) == [provider])
        #expect(answer.providerPeers.first?.addresses == [Bench.address(3)])

        _ = bench.wait(.seconds(48 * 3600 + 61))
        let gone = bench.request(
            KademliaMessage(kind: .getProviders, key: Self.key), from: asker
        ).responses[0]
        #expect(gone.providerPeers.isEmpty)
        #expect(bench.machine.providers.count == 0)
    }

    @Test func sequenceNumbersDecide() {
        var bench = Bench()
        let prover = TestProver(seed: 1)
        let peers = [bench.peer(), bench.peer(), bench.peer(), bench.peer(), bench.peer()]
        let wall = bench.now.wall
        let values = (1...3).map { prover.value(sequence: UInt64($0), wall: wall) }
        let second = bench.put(prover.recordKey, values[1], from: peers[0])
        #expect(second.responses.count == 1)
        let first = bench.put(prover.recordKey, values[0], from: peers[1])
        #expect(first.refusals == [.staleRecord])
        #expect(first.faults.isEmpty)
        let same = bench.put(prover.recordKey, values[1], from: peers[2])
        #expect(same.responses.count == 1)
        let third = bench.put(prover.recordKey, values[2], from: peers[3])
        #expect(third.responses.count == 1)
        #expect(bench.machine.storedValue(prover.recordKey, now: bench.now) == values[2])
        // The record ends when it says, not when the store would let it.
        _ = bench.wait(.seconds(3601))
        #expect(bench.machine.storedValue(prover.recordKey, now: bench.now) == nil)
        let late = bench.put(prover.recordKey, values[2], from: peers[4])
        #expect(late.refusals == [.invalidRecord])
        // It may have been honest when it was sent.
        #expect(late.faults.isEmpty)
    }

    @Test func contradictionsAreDroppedReportedAndNotTakenAgain() {
        var bench = Bench()
        let prover = TestProver(seed: 2)
        let wall = bench.now.wall
        let first = prover.value(sequence: 4, wall: wall, port: 1)
        let second = prover.value(sequence: 4, wall: wall, port: 2)
        _ = bench.put(prover.recordKey, first, from: bench.peer())
        let outputs = bench.put(prover.recordKey, second, from: bench.peer())
        #expect(outputs.refusals == [.equivocation])
        let evidence = outputs.compactMap { output -> [[UInt8]]? in
            if case .equivocation(_, let one, let other) = output { [one, other] } else { nil }
        }
        #expect(evidence == [[first, second]])
        #expect(bench.machine.storedValue(prover.recordKey, now: bench.now) == nil)
        for value in [first, second] {
            let again = bench.put(prover.recordKey, value, from: bench.peer())
            #expect(again.refusals == [.equivocation])
        }
        let next = prover.value(sequence: 5, wall: wall)
        let accepted = bench.put(prover.recordKey, next, from: bench.peer())
        #expect(accepted.responses.count == 1)
        #expect(bench.machine.storedValue(prover.recordKey, now: bench.now) == next)
    }

    @Test func comparisonIsMadeAnewWhenAnotherPutWasFaster() {
        var bench = Bench()
        let prover = TestProver(seed: 3)
        let wall = bench.now.wall
        let ids = [bench.inboundID(), bench.inboundID()]
        var pending: [Kademlia.Output] = []
        for (id, sequence) in zip(ids, [UInt64(1), 2]) {
            let message = Self.put(
                prover.recordKey, record: prover.recordKey,
                value: prover.value(sequence: sequence, wall: wall))
            pending += bench.input(.requestReceived(id, from: bench.peer(), message.bytes))
        }
        // The second is judged first; the first must not replace it.
        pending.reverse()
        let outputs = bench.runJobs(pending)
        #expect(outputs.refusals == [.staleRecord])
        #expect(
            bench.machine.storedValue(prover.recordKey, now: bench.now)
                == prover.value(sequence: 2, wall: wall))
        expectBalance(bench.machine)
    }

    @Test func publicKeysAreStoredUnderTheirOwnName() {
        var bench = Bench()
        let encoded: [UInt8] = [8, 1, 18, 32] + TestProver(seed: 5).key.publicKey.bytes
        let key = Array("/pk/".utf8) + [0x00, 36] + encoded
        let outputs = bench.put(key, encoded, from: bench.peer())
        #expect(outputs.responses.first?.record?.value == encoded)
    }

    @Test func putsAndRequestsAreRated() {
        var bench = Bench()
        let peer = bench.peer()
        var stored = 0
        var faults = 0
        for index in 0..<50 {
            let outputs = bench.put(Array("/x/\(index)".utf8), [1], from: peer)
            stored += outputs.responses.count
            faults += outputs.faults.count
        }
        #expect(stored == 32)
        _ = bench.wait(.seconds(1))
        for index in 50..<100 {
            let outputs = bench.put(Array("/x/\(index)".utf8), [1], from: peer)
            stored += outputs.responses.count
            faults += outputs.faults.count
        }
        #expect(stored == 36)

        let other = bench.peer()
        var answered = 0
        for _ in 0..<500 {
            let outputs = bench.request(KademliaMessage(kind: .ping), from: other)
            answered += outputs.responses.count
            faults += outputs.faults.count
        }
        #expect(answered == 200)
        #expect(bench.machine.counters.refusals[.rateLimited] == 364)
        // Haste is refused; it is nobody's fault.
        #expect(faults == 0)
        #expect(!Kademlia.RefusalReason.rateLimited.isRequesterFault)
        expectBalance(bench.machine)
    }

    /// Twenty times the rate, for seconds.
    @Test func aFloodIsAFault() {
        var bench = Bench()
        let peer = bench.peer()
        var faultAt: MonotonicInstant?
        for _ in 0..<1000 {
            bench.now.instant = bench.now.instant.advanced(by: .milliseconds(10))
            for _ in 0..<10 {
                let outputs = bench.request(KademliaMessage(kind: .ping), from: peer)
                guard !outputs.faults.isEmpty else { continue }
                #expect(outputs.faults == [.rateExceeded])
                #expect(outputs.refusals == [.flooding])
                faultAt = faultAt ?? bench.now.instant
            }
        }
        // 200 answered at once, 50 a second after that, and a thousand that are refused.
        let answered = bench.machine.counters.requestsAnswered
        #expect((650...750).contains(answered))
        #expect(faultAt.map { $0 > .zero.advanced(by: .seconds(1)) } == true)
        #expect(Kademlia.RefusalReason.flooding.isRequesterFault)
        expectBalance(bench.machine)
    }

    /// Many peers, many requests, records and announcements: everything stays within its limit.
    @Test func floodsStayWithinTheirLimits() {
        var limits = Kademlia.Limits()
        limits.recordsMax = 40
        limits.recordBytesMax = 4000
        limits.recordsPerPeerMax = 5
        limits.providersMax = 50
        limits.providersPerKeyMax = 6
        limits.ratedPeersMax = 64
        limits.connectedPeersMax = 32
        limits.probeQueueMax = 16
        limits.requestsInFlightMax = 24
        var bench = Bench(limits: limits)
        for round in 0..<400 {
            let peer = bench.peer()
            _ = bench.input(
                .peerIdentified(
                    peer, addresses: [Bench.address(round % 150)], supportsServer: true,
                    remote: Bench.ip(round % 150)))
            for index in 0..<8 {
                let value = bench.random.bytes(count: 10 + bench.random.below(300))
                _ = bench.put(Array("/x/\(round)/\(index)".utf8), value, from: peer)
                _ = bench.request(
                    KademliaMessage(
                        kind: .addProvider, key: Array("p\(round % 10)".utf8),
                        providerPeers: [
                            .init(
                                id: peer, addresses: [Bench.address(5)], connection: .connected)
                        ]), from: peer)
            }
            let snapshot = bench.machine.snapshot(now: bench.now)
            #expect(snapshot.recordCount <= 40)
            #expect(snapshot.recordBytes <= 4000)
            #expect(snapshot.providerCount <= 50)
            #expect(snapshot.requestsInFlight <= 24)
            let rated = bench.machine.rates.count
            #expect(rated <= 64)
            let queued = bench.machine.probeQueue.count
            #expect(queued <= 16)
            let connected = bench.machine.connected.count
            #expect(connected <= 32)
            if round % 50 == 0 { _ = bench.wait(.seconds(20)) }
        }
        expectBalance(bench.machine)
    }

    /// No bytes trap, and each refused message is one fault of its sender.
    @Test func everyTruncationAndMutationIsAnsweredOrRefused() {
        var message = KademliaMessage(kind: .putValue, key: Self.key)
        message.record = .init(key: Self.key, value: [9, 9], timeReceived: "2026-01-01T00:00:00Z")
        message.closerPeers = [
            .init(id: Self.stranger, addresses: [Bench.address(2)], connection: .canConnect)
        ]
        message.providerPeers = message.closerPeers
        let bytes = message.bytes
        var bench = Bench()
        var requests = 0
        for end in 0...bytes.count {
            let outputs = bench.request(Array(bytes[..<end]), from: bench.peer())
            requests += 1
            #expect(
                outputs.responses.count + outputs.refusals.count + outputs.acknowledgementCount
                    == 1, "cut at \(end)")
        }
        for index in bytes.indices {
            for bit in 0..<8 {
                var mutated = bytes
                mutated[index] ^= 1 << UInt8(bit)
                let outputs = bench.request(mutated, from: bench.peer())
                #expect(
                    outputs.responses.count + outputs.refusals.count
                        + outputs.acknowledgementCount == 1, "byte \(index) bit \(bit)")
            }
        }
        var random = DeterministicRandom(seed: 8)
        for _ in 0..<500 {
            let outputs = bench.request(
                random.bytes(count: random.below(80)), from: bench.peer())
            #expect(
                outputs.responses.count + outputs.refusals.count + outputs.acknowledgementCount
                    == 1)
        }
        expectBalance(bench.machine)
    }

    @Test func answersFitTheSmallestFrameLimitOfOthers() {
        var bench = Bench()
        let long = Multiaddr.tcp(ip: Bench.ip(3), port: 1).bytes
        // Eight addresses of a peer, near the limit of bytes for one.
        for index in 2..<60 {
            let peer = bench.peer()
            let addresses = (0..<8).map { number -> Multiaddr in
                let name = String(repeating: "a", count: 60) + ".\(index).\(number).example.org"
                return try! Multiaddr("/dns4/\(name)/tcp/4001")
            }
            let outputs = bench.input(
                .peerIdentified(
                    peer, addresses: addresses, supportsServer: true, remote: Bench.ip(index)))
            for request in outputs.requests where request.to == peer {
                _ = bench.input(
                    .responseReceived(request.id, KademliaMessage(kind: .findNode).bytes))
            }
        }
        #expect(long.count < 512)
        let outputs = bench.input(
            .requestReceived(
                bench.inboundID(), from: bench.peer(),
                KademliaMessage(kind: .findNode, key: [1, 2, 3]).bytes))
        for case .respond(_, let bytes) in outputs {
            #expect(bytes.count < 16 * 1024)
            #expect(bytes.count > 8 * 1024)
        }
        #expect(outputs.responses.count == 1)
    }
}
