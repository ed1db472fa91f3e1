import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

@testable import Kademlia

@Suite struct ResilienceTests {
    /// A fifth of the nodes leaves every hour and as many come; the record's life is one hour and it
    /// is published again every twenty minutes, so that over three lives nobody misses it.
    @Test(arguments: [UInt64(1)])
    func recordsOutliveThreeLivesUnderChurn(seed: UInt64) {
        let count = 100
        var configuration = Kademlia.Configuration.test
        configuration.entryStaleAfter = .seconds(3600)
        let network = TestNetwork.formed(count, seed: seed, configuration: configuration)
        var random = DeterministicRandom(seed: seed)
        let prover = TestProver(seed: seed)
        let owner = 1
        network.nodes[owner].renew = { _, previous, wall in
            let held = try! ProverIdentityRules.decode(previous)
            return held.renewed(with: prover.key, now: wall, life: .seconds(3600)).sszEncoded()
        }
        let first = prover.value(sequence: 1, wall: network.clock.wall)
        let put = network.execute(
            owner, .putValue(key: prover.recordKey, value: first, republish: true))
        guard case .stored(let acknowledged, 20) = put else {
            Issue.record("not stored: \(String(describing: put))")
            return
        }
        #expect(acknowledged >= 19)

        var alive = Array(2..<count)
        var attempts = 0
        var failures: [String] = []
        // Twenty nodes an hour is one every three minutes.
        for minute in stride(from: 0, to: 180, by: 3) {
            let leaver = alive.remove(at: random.below(alive.count))
            network.kill(leaver)
            let newcomer = network.add(configuration: configuration)
            network.join(newcomer, through: alive[random.below(alive.count)])
            alive.append(newcomer)
            network.run(for: .seconds(180))
            guard minute % 9 == 0 else { continue }
            attempts += 1
            let reader = alive[random.below(alive.count)]
            let result = network.execute(
                reader, .getValue(key: prover.recordKey, quorum: nil))
            if case .value(let found) = result,
                let record = try? ProverIdentityRules.decode(found.value)
            {
                let now = UInt64(network.clock.wall.seconds)
                if record.content.expiry <= now { failures.append("minute \(minute): expired") }
            } else {
                failures.append("minute \(minute): \(String(describing: result))")
            }
        }
        #expect(attempts == 20)
        #expect(failures.isEmpty)
        // A third of an hour, earlier by up to a quarter of that: 9 to 12 times in three hours.
        #expect((9...13).contains(network.nodes[owner].renewals))
        let held = network.nodes[owner].machine.storedValue(prover.recordKey, now: network.clock)
        let sequence = held.flatMap { try? ProverIdentityRules.decode($0) }?.content.sequence
        #expect(sequence == UInt64(network.nodes[owner].renewals) + 1)
    }

    /// Everybody in the table is dead: dialling is swallowed, nothing answers.
    @Test func commandsEndByTheirDeadlineAmongTheDead() {
        let network = TestNetwork.formed(24, seed: 3)
        for index in 1..<24 { network.kill(index) }
        let begin = network.now
        let value = [UInt8](repeating: 1, count: 10)
        let commands: [Kademlia.Command] = [
            .findPeer(network.nodes[5].peer), .getClosestPeers(key: network.key(1)),
            .getValue(key: network.key(2), quorum: 3),
            .putValue(key: network.key(3), value: value, republish: false),
            .provide(key: network.key(4)), .findProviders(key: network.key(5), count: 0),
            .bootstrap,
        ]
        let queries = commands.map { network.command(0, $0) }
        network.run(for: .seconds(61))
        for (command, query) in zip(commands, queries) {
            guard network.nodes[0].results[query] != nil else {
                Issue.record("\(command) has not ended")
                continue
            }
            let duration = begin.duration(to: network.nodes[0].finishedAt[query]!)
            #expect(duration <= .seconds(60), "\(command)")
        }
        for query in queries.dropFirst().prefix(4) {
            guard case .failed = network.nodes[0].results[query] else {
                Issue.record("success among the dead: \(network.nodes[0].results[query]!)")
                continue
            }
        }
        expectBalance(network.nodes[0].machine)
    }

    /// One network of a provider runs a fifth of all nodes, with ids ground to lie around the very
    /// keys that are looked up. They answer every question with each other.
    @Test(arguments: Seeds.few)
    func sybilsOfOneNetworkFillNeitherBucketsNorLookups(seed: UInt64) {
        let network = TestNetwork.formed(100, seed: seed)
        var random = DeterministicRandom(seed: seed &+ 99)
        let keys = (0..<10).map { network.key(5000 + $0) }
        var sybils: [Int] = []
        for number in 0..<25 {
            let target = KeyPoint(key: keys[number % keys.count])
            // The best of 4,000 ids lies closer to the key than any of 100 honest ones.
            var best = TestNetwork.peer(&random)
            var distance = KeyPoint(key: best.multihash).distance(to: target)
            for _ in 0..<1000 {
                let candidate = TestNetwork.peer(&random)
                let other = KeyPoint(key: candidate.multihash).distance(to: target)
                if other < distance { (best, distance) = (candidate, other) }
            }
            let ip = IPAddress.ip4(IPv4Address(66, 66, UInt8(number), 1))
            let index = network.add(configuration: .test, peer: best, ip: ip)
            network.nodes[index].isLiar = true
            sybils.append(index)
        }
        let named = sybils.map { index in
            KademliaMessage.Peer(
                id: network.nodes[index].peer, addresses: [network.nodes[index].address],
                connection: .connected)
        }
        network.lies = { _, _, bytes in
            let limits = KademliaMessage.DecodeLimits(Kademlia.Limits())
            guard let request = try? KademliaMessage.decode(bytes, limits: limits) else {
                return nil
            }
            var answer = KademliaMessage(kind: request.kind, key: request.key)
            answer.closerPeers = Array(named.prefix(20))
            if request.kind == .putValue { answer.record = request.record }
            return answer.encoded(sizeMax: 16_000)
        }
        for index in 0..<100 {
            for sybil in sybils { network.connect(sybil, index) }
        }
        network.run(for: .seconds(120))

        for index in 0..<100 {
            let snapshot = network.nodes[index].machine.snapshot(now: network.clock)
            var total = 0
            for bucket in snapshot.buckets {
                let count = bucket.peers.filter { peer in
                    sybils.contains { network.nodes[$0].peer == peer.id }
                }.count
                #expect(count <= 2, "node \(index) bucket \(bucket.index)")
                total += count
            }
            #expect(total <= 16)
        }

        var failures: [String] = []
        for (round, key) in keys.enumerated() {
            let value = random.bytes(count: 50)
            let put = network.execute(
                random.below(100), .putValue(key: key, value: value, republish: false))
            guard case .stored = put else {
                failures.append("put \(round): \(String(describing: put))")
                continue
            }
            for _ in 0..<5 {
                let get = network.execute(
                    random.below(100), .getValue(key: key, quorum: nil))
                guard case .value(let found) = get, found.value == value else {
                    failures.append("get \(round): \(String(describing: get))")
                    continue
                }
            }
        }
        // 99 % of 60.
        #expect(failures.isEmpty)
    }

    /// Half of the holders have an older record, some have none. A read returns the newest and writes
    /// it back.
    @Test func readsRepairStaleHolders() {
        let network = TestNetwork.formed(30, seed: 21)
        let prover = TestProver(seed: 9)
        let old = prover.value(sequence: 1, wall: network.clock.wall)
        let new = prover.value(sequence: 2, wall: network.clock.wall)
        let put = network.execute(
            3, .putValue(key: prover.recordKey, value: old, republish: false))
        guard case .stored = put else {
            Issue.record("\(String(describing: put))")
            return
        }
        // One holder alone hears of the new one.
        let holder = network.nodes.indices.first {
            $0 != 3
                && network.nodes[$0].machine.storedValue(prover.recordKey, now: network.clock)
                    != nil
        }!
        var message = KademliaMessage(kind: .putValue, key: prover.recordKey)
        message.record = .init(key: prover.recordKey, value: new, timeReceived: nil)
        deliver(message, to: holder, in: network)

        let reader = (0..<30).first { $0 != holder && $0 != 3 }!
        let get = network.execute(reader, .getValue(key: prover.recordKey, quorum: nil))
        guard case .value(let found) = get else {
            Issue.record("\(String(describing: get))")
            return
        }
        #expect(found.value == new)
        #expect(found.repaired > 0)
        network.run(for: .seconds(5))
        let fresh = network.nodes.filter {
            $0.machine.storedValue(prover.recordKey, now: network.clock) == new
        }.count
        #expect(fresh >= 19)
        let quorum = network.execute(reader, .getValue(key: prover.recordKey, quorum: 3))
        guard case .value(let agreed) = quorum else {
            Issue.record("\(String(describing: quorum))")
            return
        }
        #expect(agreed.value == new)
        #expect(agreed.agreeing >= 3)
        #expect(agreed.agreeing <= agreed.answered)
        // A holder that asks agrees with itself, and is one of those who answered.
        let own = network.execute(holder, .getValue(key: prover.recordKey, quorum: nil))
        guard case .value(let all) = own else {
            Issue.record("\(String(describing: own))")
            return
        }
        #expect(all.agreeing > 3 && all.agreeing <= all.answered)
    }

    /// Our own copy is no second opinion.
    @Test func aQuorumCountsPeersOnly() {
        var bench = Bench()
        let key = Array("/x/quorum".utf8)
        let peers = [bench.addToTable(2), bench.addToTable(3)]
        _ = bench.put(key, [5], from: peers[0])
        var answer = KademliaMessage(kind: .getValue, key: key)
        answer.record = .init(key: key, value: [5], timeReceived: nil)

        for quorum in 1...2 {
            let id = Kademlia.QueryID(UInt64(quorum))
            let asked = bench.input(.command(id, .getValue(key: key, quorum: quorum)))
            #expect(asked.results.isEmpty)
            let requests = asked.requests.filter { $0.message.kind == .getValue }
            #expect(requests.count == 2)
            var results: [Kademlia.QueryResult] = []
            var needed = 0
            for request in requests where results.isEmpty {
                needed += 1
                results = bench.input(.responseReceived(request.id, answer.bytes)).results
            }
            #expect(needed == quorum)
            guard case .value(let found)? = results.first else {
                Issue.record("\(results)")
                continue
            }
            #expect(found.agreeing == quorum + 1)
        }
    }

    /// Two halves of the network hold two contents with one number: no read believes either, until
    /// the owner counts on.
    @Test func contradictingRecordsAreBelievedByNobody() {
        let network = TestNetwork.formed(30, seed: 22)
        let prover = TestProver(seed: 10)
        let first = prover.value(sequence: 5, wall: network.clock.wall, port: 1)
        let second = prover.value(sequence: 5, wall: network.clock.wall, port: 2)
        for index in 0..<30 {
            var message = KademliaMessage(kind: .putValue, key: prover.recordKey)
            message.record = .init(
                key: prover.recordKey, value: index % 2 == 0 ? first : second, timeReceived: nil)
            deliver(message, to: index, in: network)
        }
        let get = network.execute(4, .getValue(key: prover.recordKey, quorum: nil))
        #expect(get == .failed(.equivocation))
        #expect(network.nodes[4].equivocations == [prover.recordKey])

        let next = prover.value(sequence: 6, wall: network.clock.wall)
        let put = network.execute(
            7, .putValue(key: prover.recordKey, value: next, republish: false))
        guard case .stored = put else {
            Issue.record("\(String(describing: put))")
            return
        }
        let again = network.execute(4, .getValue(key: prover.recordKey, quorum: nil))
        guard case .value(let found) = again else {
            Issue.record("\(String(describing: again))")
            return
        }
        #expect(found.value == next)
    }

    private func deliver(_ message: KademliaMessage, to index: Int, in network: TestNetwork) {
        let sender = network.add(configuration: .test)
        network.connect(sender, index)
        network.schedule(
            .request(
                from: sender, Kademlia.RPCID(1 << 40), to: index, message.encoded(sizeMax: 16_000),
                expectsAnswer: true), after: .milliseconds(1))
        network.run(for: .milliseconds(500))
        network.kill(sender)
    }
}
