import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

/// What a client sends stays below what servers allow.
@Suite struct PacingTests {
    static func configuration(_ mode: Kademlia.Mode) -> Kademlia.Configuration {
        var configuration = Kademlia.Configuration.test
        configuration.mode = mode
        return configuration
    }

    /// As `chorale dht provide` in a loop, in a network of two.
    @Test func aLoopOfAnnouncementsIsNeverRefused() {
        let network = TestNetwork(seed: 3)
        let client = network.add(configuration: Self.configuration(.client))
        let server = network.add(configuration: Self.configuration(.server))
        network.connect(client, server)
        network.run(for: .seconds(5))
        let began = network.now
        for index in 0..<100 {
            let result = network.execute(client, .provide(key: Array("key \(index)".utf8)))
            #expect(result == .provided(sent: 1, of: 1), "announcement \(index)")
        }
        network.run(for: .seconds(1))
        let refused = network.nodes[server].machine.counters.refusals.total
        #expect(refused == 0)
        #expect(network.nodes[server].faults.isEmpty)
        let held = network.nodes[server].machine.snapshot(now: network.clock).providerCount
        #expect(held == 100)
        // Eight at once, and three a second.
        #expect(began.duration(to: network.now) > .seconds(30))
        #expect(began.duration(to: network.now) < .seconds(60))
        expectBalance(network.nodes[client].machine)
        expectBalance(network.nodes[server].machine)
    }

    @Test func aLoopOfSearchesIsNeverRefused() {
        let network = TestNetwork(seed: 4)
        let client = network.add(configuration: Self.configuration(.client))
        let server = network.add(configuration: Self.configuration(.server))
        network.connect(client, server)
        network.run(for: .seconds(5))
        var queries: [Kademlia.QueryID] = []
        for index in 0..<480 {
            let key = Array("key \(index)".utf8)
            queries.append(network.command(client, .findProviders(key: key, count: 0)))
            // Ten loops side by side, each of which waits for its answer.
            if queries.count >= 10 { _ = network.result(client, queries[queries.count - 10]) }
        }
        for query in queries {
            #expect(network.result(client, query) == .failed(.notFound))
        }
        let refused = network.nodes[server].machine.counters.refusals.total
        #expect(refused == 0)
        expectBalance(network.nodes[client].machine)
    }

    /// Keys whose republication falls due together, as after a restart.
    @Test func republicationIsPaced() {
        let network = TestNetwork(seed: 5)
        let client = network.add(configuration: Self.configuration(.client))
        let server = network.add(configuration: Self.configuration(.server))
        let rows = (0..<200).map { index in
            StoreRow(
                key: StoredRows.key(ownProvide: Array("key \(index)".utf8)),
                value: [1])
        }
        network.input(client, .loaded(rows))
        network.connect(client, server)
        network.run(for: .seconds(300))
        let refused = network.nodes[server].machine.counters.refusals.total
        #expect(refused == 0)
        let held = network.nodes[server].machine.snapshot(now: network.clock).providerCount
        #expect(held == 200)
        expectBalance(network.nodes[client].machine)
    }

    /// A queue that is full fails the step at once, and the query with it, rather than growing.
    @Test func aCrowdedPeerFailsTheStep() {
        var limits = Kademlia.Limits()
        limits.pacedRequestsPerPeerMax = 2
        var bench = Bench(limits: limits)
        let server = bench.addToTable(2)
        var results: [Kademlia.QueryResult] = []
        var sent = 0
        for index in 0..<20 {
            let outputs = bench.input(
                .command(.init(UInt64(index)), .provide(key: Array("key \(index)".utf8))))
            for request in outputs.requests where request.message.kind == .findNode {
                let stored = bench.input(
                    .responseReceived(request.id, KademliaMessage(kind: .findNode).bytes))
                results += stored.results
                for write in stored.requests where write.message.kind == .addProvider {
                    #expect(write.to == server)
                    sent += 1
                    results += bench.input(.requestSent(write.id)).results
                }
            }
        }
        #expect(sent == 8)
        let waiting = bench.machine.requests.count { $0.value.unsent != nil }
        #expect(waiting == 2)
        let failure = Kademlia.QueryResult.failed(.tooFewAcknowledged(0, of: 1))
        #expect(results.filter { $0 == failure }.count == 10)
        // Each was tried twice.
        #expect(bench.machine.counters.requestsCrowdedOut == 20)
        expectBalance(bench.machine)

        // Those that wait are sent in their turn, a third of a second apart.
        let first = bench.wait(.milliseconds(334)).requests
        #expect(first.filter { $0.message.kind == .addProvider }.count == 1)
        // The other's query ends before: nothing is sent for it.
        _ = bench.input(.cancel(.init(9)))
        let second = bench.wait(.milliseconds(334)).requests
        #expect(second.allSatisfy { $0.message.kind != .addProvider })
        #expect(bench.machine.counters.requestsWithdrawn == 1)
        expectBalance(bench.machine)
    }

    @Test func turnsComeInABurstAndThenSteadily() {
        var limits = Kademlia.Limits()
        limits.putsSentPerSecond = 2
        limits.putsSentBurst = 3
        limits.pacedRequestsPerPeerMax = 2
        limits.ratedPeersMax = 4
        var pacer = RequestPacer(limits: limits)
        var random = DeterministicRandom(seed: 1)
        let peer = TestNetwork.peer(&random)
        func turns(_ count: Int, at now: Duration, _ pacer: inout RequestPacer) -> [Int64?] {
            let now = MonotonicInstant.zero.advanced(by: now)
            return (0..<count).map { _ in
                pacer.turn(of: peer, isPut: true, now: now).map { $0.nanoseconds / 1_000_000 }
            }
        }
        let burst = turns(6, at: .zero, &pacer)
        #expect(burst == [0, 0, 0, 500, 1000, nil])
        // Reads have a rate of their own.
        let read = pacer.turn(of: peer, isPut: false, now: .zero)
        #expect(read == .zero)
        let full = turns(2, at: .milliseconds(500), &pacer)
        #expect(full == [1500, nil])
        let later = turns(4, at: .seconds(60), &pacer)
        #expect(later == [60_000, 60_000, 60_000, 60_500])
        for _ in 0..<20 {
            let other = TestNetwork.peer(&random)
            _ = pacer.turn(of: other, isPut: true, now: .zero.advanced(by: .seconds(60)))
            #expect(pacer.count <= 4)
        }
        pacer.forgetIdle(now: .zero.advanced(by: .seconds(90)))
        #expect(pacer.count == 0)
    }
}
