import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

@Suite struct MachineTests {
    static let key = Array("/x/a".utf8)

    @Test func connectingIsNotEnoughForABucket() {
        var bench = Bench()
        let peer = bench.peer()
        let outputs = bench.input(
            .peerIdentified(
                peer, addresses: [Bench.address(2)], supportsServer: true, remote: Bench.ip(2)))
        #expect(bench.machine.tableSize == 0)
        #expect(outputs.requests.map(\.message.kind) == [.findNode])
        let failed = bench.input(.rpcFailed(outputs.requests[0].id, .timedOut))
        #expect(failed.requests.isEmpty)
        #expect(bench.machine.tableSize == 0)

        let again = bench.input(
            .peerIdentified(
                peer, addresses: [Bench.address(2)], supportsServer: true, remote: Bench.ip(2)))
        let answered = bench.input(
            .responseReceived(again.requests[0].id, KademliaMessage(kind: .findNode).bytes))
        #expect(bench.machine.tableSize == 1)
        #expect(answered.writes.count == 1)
        // It turns client, and leaves.
        let gone = bench.input(
            .peerIdentified(
                peer, addresses: [Bench.address(2)], supportsServer: false, remote: Bench.ip(2)))
        #expect(bench.machine.tableSize == 0)
        #expect(gone.writes == [.delete(.dht, key: StoredRows.key(tablePeer: peer))])
    }

    @Test func clientsAreNotProbed() {
        var bench = Bench()
        let outputs = bench.input(
            .peerIdentified(
                bench.peer(), addresses: [Bench.address(2)], supportsServer: false,
                remote: Bench.ip(2)))
        #expect(outputs.requests.isEmpty)
    }

    @Test func malformedAnswersAreFaultsAndCostThePlace() {
        var bench = Bench()
        let peer = bench.addToTable(2)
        #expect(bench.machine.tableSize == 1)
        let outputs = bench.input(.command(.init(1), .getClosestPeers(key: Self.key)))
        let request = outputs.requests.first { $0.to == peer }!
        let answer = bench.input(.responseReceived(request.id, [0xFF, 0xFF]))
        #expect(answer.faults == [.malformedAnswer])
        #expect(bench.machine.tableSize == 0)
        #expect(answer.results == [.failed(.noPeers)])
        // A second report about the same request is late.
        let late = bench.input(.responseReceived(request.id, [0]))
        #expect(late.faults.isEmpty)
        #expect(bench.machine.counters.lateReports == 1)
    }

    @Test func theAnswerToAnotherQuestionIsMalformed() {
        var bench = Bench()
        let peer = bench.addToTable(2)
        let outputs = bench.input(.command(.init(1), .getClosestPeers(key: Self.key)))
        let request = outputs.requests.first { $0.to == peer }!
        let answer = bench.input(
            .responseReceived(request.id, KademliaMessage(kind: .getProviders).bytes))
        #expect(answer.faults == [.malformedAnswer])
    }

    struct Alone: CustomTestStringConvertible {
        let testDescription: String
        let command: Kademlia.Command
        let failure: Kademlia.QueryFailure
    }

    static let alone: [Alone] = [
        Alone(
            testDescription: "put", command: .putValue(key: key, value: [1], republish: false),
            failure: .noPeers),
        Alone(
            testDescription: "get", command: .getValue(key: key, quorum: nil), failure: .noPeers),
        Alone(testDescription: "provide", command: .provide(key: key), failure: .noPeers),
        Alone(
            testDescription: "providers", command: .findProviders(key: key, count: 1),
            failure: .noPeers),
        Alone(
            testDescription: "closest", command: .getClosestPeers(key: key), failure: .noPeers),
        Alone(
            testDescription: "find", command: .findPeer(ServingTests.stranger), failure: .noPeers),
        Alone(testDescription: "bootstrap", command: .bootstrap, failure: .noPeers),
        Alone(
            testDescription: "put outside every namespace",
            command: .putValue(key: [1], value: [1], republish: false), failure: .noNamespace),
        Alone(
            testDescription: "put of too much",
            command: .putValue(
                key: key, value: .init(repeating: 0, count: 1025), republish: false),
            failure: .valueTooLarge(size: 1025, limit: 1024)),
        Alone(
            testDescription: "long key",
            command: .getClosestPeers(key: .init(repeating: 0, count: 257)),
            failure: .keyTooLong(size: 257, limit: 256)),
        Alone(
            testDescription: "put of an invalid record",
            command: .putValue(key: .init(repeating: 0, count: 32), value: [1], republish: true),
            failure: .invalidRecord(
                .proverIdentity(.malformed(.tooShort(found: 1, minimum: 9))))),
    ]

    @Test(arguments: alone) func failsWithItsReasonWhenAlone(_ row: Alone) {
        var bench = Bench()
        var outputs = bench.input(.command(.init(1), row.command))
        outputs += bench.runJobs(outputs)
        #expect(outputs.results == [.failed(row.failure)])
        expectBalance(bench.machine)
    }

    @Test func aNodeReadsWhatItHoldsItself() {
        var bench = Bench()
        _ = bench.put(Self.key, [7], from: bench.peer())
        let outputs = bench.input(.command(.init(1), .getValue(key: Self.key, quorum: nil)))
        guard case .value(let found) = outputs.results.first else {
            Issue.record("\(outputs.results)")
            return
        }
        #expect(found.value == [7])
        // The node itself is one of those who answered, and agrees with itself.
        #expect(found.agreeing == 1)
        #expect(found.answered == 1)
    }

    @Test func queriesAreBoundedAndCancelled() {
        var limits = Kademlia.Limits()
        limits.queriesMax = 4
        var bench = Bench(limits: limits)
        _ = bench.addToTable(2)
        for id in 1...4 {
            let outputs = bench.input(.command(.init(UInt64(id)), .getClosestPeers(key: Self.key)))
            #expect(outputs.results.isEmpty)
        }
        let fifth = bench.input(.command(.init(5), .getClosestPeers(key: Self.key)))
        #expect(fifth.results == [.failed(.tooManyQueries(limit: 4))])
        let cancelled = bench.input(.cancel(.init(2)))
        #expect(cancelled.results == [.failed(.cancelled)])
        let twice = bench.input(.cancel(.init(2)))
        #expect(twice.results.isEmpty)
        let sixth = bench.input(.command(.init(6), .getClosestPeers(key: Self.key)))
        #expect(sixth.results.isEmpty)
        expectBalance(bench.machine)
    }

    // Found by fuzzing: probes of silent entries took no heed of the requests under way.
    @Test func probesOfSilentPeersKeepToTheLimitOfRequests() {
        var configuration = Kademlia.Configuration.test
        configuration.entryStaleAfter = .seconds(30)
        var limits = Kademlia.Limits()
        limits.requestsInFlightMax = 2
        var bench = Bench(configuration: configuration, limits: limits)
        for index in 2...5 { _ = bench.addToTable(index) }
        func answer(_ outputs: [Kademlia.Output], _ bench: inout Bench) {
            var requests = outputs.requests[...]
            while let request = requests.popFirst() {
                requests +=
                    bench.input(
                        .responseReceived(request.id, KademliaMessage(kind: .findNode).bytes)
                    ).requests
            }
        }
        answer(bench.wait(.seconds(1)), &bench)
        #expect(bench.machine.snapshot(now: bench.now).requestsInFlight == 0)
        // Just before the sweep a lookup takes all the room there is.
        _ = bench.wait(.milliseconds(58_500))
        let asked = bench.input(.command(.init(1), .getClosestPeers(key: Self.key)))
        #expect(asked.requests.count == 2)
        let swept = bench.wait(.milliseconds(500))
        #expect(swept.requests.isEmpty)
        #expect(bench.machine.snapshot(now: bench.now).requestsInFlight == 2)
        answer(asked, &bench)
        // The next sweep finds room.
        #expect(bench.wait(.seconds(60)).requests.count == 2)
        expectBalance(bench.machine)
    }

    @Test func privateAddressesFromPublicPeersAreNeitherKeptNorDialled() {
        for policy in [Kademlia.AddressPolicy.public, .local] {
            var configuration = Kademlia.Configuration.test
            configuration.addressPolicy = policy
            var bench = Bench(configuration: configuration)
            let liar = bench.addToTable(2)
            let outputs = bench.input(.command(.init(1), .getClosestPeers(key: Self.key)))
            let request = outputs.requests.first { $0.to == liar }!
            let victim = Multiaddr.tcp(ip: .ip4(IPv4Address(192, 168, 1, 1)), port: 22)
            let named = bench.peer()
            var answer = KademliaMessage(kind: .findNode)
            answer.closerPeers = [
                .init(id: named, addresses: [victim], connection: .connected)
            ]
            let next = bench.input(.responseReceived(request.id, answer.bytes))
            #expect(next.requests.isEmpty)
            #expect(bench.machine.counters.closerPeersIgnored == 1)
        }
    }

    @Test func aLocalNetworkUsesPrivateAddressesAndCountsNoGroups() {
        var configuration = Kademlia.Configuration.test
        configuration.addressPolicy = .local
        var bench = Bench(configuration: configuration)
        let loopback = IPAddress.ip4(.loopback)
        for port in 1...30 {
            let peer = bench.peer()
            let outputs = bench.input(
                .peerIdentified(
                    peer, addresses: [.tcp(ip: loopback, port: UInt16(port))],
                    supportsServer: true, remote: loopback))
            for request in outputs.requests where request.to == peer {
                _ = bench.input(
                    .responseReceived(request.id, KademliaMessage(kind: .findNode).bytes))
            }
        }
        #expect(bench.machine.tableSize > 20)
    }

    @Test func lookupsGoOnPastSilentPeersAndFindThemOut() {
        var bench = Bench()
        for index in 2..<12 { _ = bench.addToTable(index) }
        let before = bench.machine.tableSize
        let first = bench.input(.command(.init(1), .getClosestPeers(key: Self.key)))
        #expect(first.requests.count == 6)
        let second = bench.wait(.milliseconds(1500))
        let asked = second.requests.filter { $0.message.key == Self.key }
        #expect(asked.count == before - 6)
        // All are silent: after their deadline, nothing was found, within the lookup's deadline.
        var outputs: [Kademlia.Output] = []
        for _ in 0..<20 { outputs += bench.wait(.seconds(1)) }
        #expect(outputs.results == [.failed(.noPeers)])
        // A second failure costs the place.
        _ = bench.input(.command(.init(2), .getClosestPeers(key: Self.key)))
        for _ in 0..<20 { _ = bench.wait(.seconds(1)) }
        #expect(bench.machine.tableSize == 0)
        expectBalance(bench.machine)
    }

    @Test func putsCountAcknowledgementsAndNeedHalf() {
        for refusing in [4, 6] {
            var bench = Bench()
            for index in 2..<12 { _ = bench.addToTable(index) }
            let size = bench.machine.tableSize
            #expect(size == 10)
            var pending = bench.input(
                .command(.init(1), .putValue(key: Self.key, value: [1], republish: false)))
            pending += bench.runJobs(pending)
            var outputs: [Kademlia.Output] = []
            // The first to be asked refuse, every time they are asked.
            var refusers: [PeerID] = []
            var takers: [PeerID] = []
            while !pending.isEmpty {
                outputs += pending
                var next: [Kademlia.Output] = []
                for request in pending.requests {
                    if request.message.kind == .findNode {
                        next += bench.input(
                            .responseReceived(
                                request.id, KademliaMessage(kind: .findNode).bytes))
                        continue
                    }
                    if !takers.contains(request.to), !refusers.contains(request.to) {
                        if refusers.count < refusing {
                            refusers.append(request.to)
                        } else {
                            takers.append(request.to)
                        }
                    }
                    next += bench.input(
                        refusers.contains(request.to)
                            ? .rpcFailed(request.id, .streamReset)
                            : .responseReceived(request.id, request.message.bytes))
                }
                pending = next
            }
            let expected: Kademlia.QueryResult =
                refusing == 4
                ? .stored(acknowledged: 6, of: 10) : .failed(.tooFewAcknowledged(4, of: 10))
            #expect(outputs.results == [expected])
            expectBalance(bench.machine)
        }
    }

    @Test func republicationAsksForAFreshValueAtAThirdOfTheLife() {
        var bench = Bench()
        for index in 2..<6 { _ = bench.addToTable(index) }
        let prover = TestProver(seed: 4)
        let value = prover.value(sequence: 1, wall: bench.now.wall)
        answerAll(
            &bench,
            bench.input(
                .command(
                    .init(1), .putValue(key: prover.recordKey, value: value, republish: true))))
        var renewals: [(Duration, [UInt8])] = []
        func look(_ outputs: [Kademlia.Output], _ elapsed: Duration) {
            for case .renew(_, let previous) in outputs { renewals.append((elapsed, previous)) }
        }
        var elapsed = Duration.zero
        while elapsed < .seconds(1300) {
            let outputs = bench.wait(.seconds(5))
            elapsed += .seconds(5)
            look(outputs, elapsed)
            answerAll(&bench, outputs)
        }
        #expect(renewals.first.map { $0.0 >= .seconds(900) && $0.0 <= .seconds(1205) } == true)
        #expect(renewals.first?.1 == value)
        // Unanswered, it is asked for again.
        #expect(renewals.count >= 2)
        let next = try! ProverIdentityRules.decode(value).renewed(
            with: prover.key, now: bench.now.wall, life: .seconds(3600)
        ).sszEncoded()
        answerAll(&bench, bench.input(.renewed(key: prover.recordKey, value: next)))
        #expect(bench.machine.counters.republications == 1)
        #expect(bench.machine.storedValue(prover.recordKey, now: bench.now) == next)

        let count = renewals.count
        let stopped = bench.input(.stopPublishing(key: prover.recordKey))
        #expect(stopped.writes == [.delete(.dht, key: StoredRows.key(ownValue: prover.recordKey))])
        for _ in 0..<30 { look(bench.wait(.seconds(60)), .zero) }
        #expect(renewals.count == count)
    }

    /// Answers searches with nothing and writes with their echo, until nothing is asked.
    private func answerAll(_ bench: inout Bench, _ outputs: [Kademlia.Output]) {
        var pending = outputs + bench.runJobs(outputs)
        while !pending.requests.isEmpty {
            var next: [Kademlia.Output] = []
            for request in pending.requests {
                if !request.expectsAnswer {
                    next += bench.input(.requestSent(request.id))
                } else if request.message.kind == .putValue {
                    next += bench.input(.responseReceived(request.id, request.message.bytes))
                } else {
                    next += bench.input(
                        .responseReceived(
                            request.id, KademliaMessage(kind: request.message.kind).bytes))
                }
            }
            pending = next + bench.runJobs(next)
        }
    }

    @Test func aRestartRemembersRecordsProvidersPeersAndDuties() {
        var first = Bench()
        let peer = first.addToTable(2)
        _ = first.put(Self.key, [1, 2], from: first.peer())
        var rows: [[UInt8]: [UInt8]] = [:]
        func keep(_ outputs: [Kademlia.Output]) {
            for write in outputs.writes {
                switch write {
                case .put(_, let key, let value): rows[key] = value
                case .delete(_, let key): rows[key] = nil
                case .deleteRange: Issue.record("not used")
                }
            }
        }
        let other = first.peer()
        let announced = KademliaMessage(
            kind: .addProvider, key: Self.key,
            providerPeers: [.init(id: other, addresses: [Bench.address(3)], connection: .connected)]
        )
        keep(first.put(Array("/x/b".utf8), [3], from: other))
        keep(first.request(announced, from: other))
        keep(first.input(.command(.init(1), .provide(key: Array("mine".utf8)))))
        rows[StoredRows.key(tablePeer: peer)] = [1, 1, 0, 8] + Bench.address(2).bytes
        rows[[0x3F]] = [1]

        var second = Bench()
        let loaded = second.input(
            .loaded(
                rows.keys.sorted { $0.lexicographicallyPrecedes($1) }.map {
                    StoreRow(key: $0, value: rows[$0]!)
                }))
        #expect(loaded.events.contains(.rowDamaged(key: [0x3F])))
        #expect(second.machine.storedValue(Array("/x/b".utf8), now: second.now) == [3])
        let providers = second.machine.providers.providers(of: Self.key, wall: second.now.wall)
        #expect(providers.map(\.peer) == [other])
        // The peer of the last run is asked whether it lives; no bootnode is needed.
        #expect(loaded.requests.map(\.to) == [peer])
        _ = second.input(
            .responseReceived(loaded.requests[0].id, KademliaMessage(kind: .findNode).bytes))
        #expect(second.machine.tableSize == 1)
        // The announcement goes on.
        let later = second.wait(.seconds(31))
        #expect(later.requests.contains { $0.message.key == Array("mine".utf8) })
    }

    @Test func peersLostInAnOutageAreTriedAgain() {
        var bench = Bench()
        let peer = bench.addToTable(2)
        for id in 1...2 {
            let outputs = bench.input(
                .command(.init(UInt64(id)), .getClosestPeers(key: Self.key)))
            for request in outputs.requests {
                _ = bench.input(.rpcFailed(request.id, .dialFailed))
            }
        }
        #expect(bench.machine.tableSize == 0)
        var asked = false
        for _ in 0..<30 {
            let outputs = bench.wait(.seconds(10))
            for request in outputs.requests where request.to == peer {
                asked = true
                _ = bench.input(
                    .responseReceived(request.id, KademliaMessage(kind: request.message.kind).bytes)
                )
            }
            if asked { break }
        }
        #expect(asked)
        #expect(bench.machine.tableSize == 1)
    }
}
