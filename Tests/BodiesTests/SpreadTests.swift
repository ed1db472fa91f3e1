import Bodies
import ChoraleBase
import ChoraleTypes
import Crypto
import Testing

/// 4 MiB through networks of limited links: who gets it, when, and at whose cost.
@Suite struct SpreadTests {
    static func content(_ seed: UInt64, size: Int = 4 << 20) -> [UInt8] {
        var random = DeterministicRandom(seed: seed)
        let block = random.bytes(count: 4096)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        while bytes.count < size {
            // Chunks must differ, or one would pass for another.
            bytes += [UInt8(truncatingIfNeeded: bytes.count >> 12)] + block
        }
        return Array(bytes.prefix(size))
    }

    /// No byte came twice beyond what hedges may waste, and none is stored that differs.
    static func check(
        _ network: BodyNetwork, _ root: Bytes32, _ content: [UInt8], nodes: some Sequence<Int>
    ) {
        for index in nodes {
            #expect(network.hasAll(root, index), "node \(index)")
            #expect(network.body(root, index) == content, "node \(index)")
        }
    }

    @Test(arguments: UInt64(0)..<12)
    func everybodyGetsItAndTheProducerUploadsItLessThanTwice(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        let others = 1..<network.nodes.count
        network.run(limit: .seconds(60)) { others.allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: others)
        #expect(network.penalties.isEmpty)

        let ratio = Double(network.nodes[0].uploaded) / Double(content.count)
        let received = others.map { index in
            network.nodes[index].received.values.reduce(0, +)
        }
        let last =
            others.compactMap { network.nodes[$0].completed.first?.at.nanoseconds }.max() ?? 0
        print(
            "12 nodes, seed \(seed): producer uploaded \(ratio) × the body; last node after "
                + "\(last / 1_000_000) ms; most chunks one node received: \(received.max() ?? 0)/16"
        )
        #expect(ratio < 2)
        // The content takes 0.67 s on one link; a chain of hops and exchanges may cost as much again.
        #expect(last < 3_000_000_000)
        for count in received { #expect(count <= 16 + 2) }
        for index in others {
            let counters = network.nodes[index].machine.counters
            #expect(counters.chunksReceived == counters.chunksVerified + counters.chunksDuplicate)
        }
    }

    @Test(arguments: [(8, 0), (40, 8)])
    func networksOfOtherSizes(nodeCount: Int, degree: Int) {
        var conditions = BodyNetwork.Conditions()
        conditions.nodeCount = nodeCount
        conditions.degree = degree
        let network = BodyNetwork(conditions, seed: 7)
        let content = Self.content(3)
        let root = network.publish(content, from: 0)
        let others = 1..<nodeCount
        network.run(limit: .seconds(60)) { others.allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: others)
        let ratio = Double(network.nodes[0].uploaded) / Double(content.count)
        let total = network.nodes.reduce(0) { $0 + $1.uploaded }
        let overhead = Double(total) / Double(content.count * (nodeCount - 1))
        let last =
            others.compactMap { network.nodes[$0].completed.first?.at.nanoseconds }.max() ?? 0
        print(
            "\(nodeCount) nodes of degree \(degree): producer \(ratio) ×, all bytes \(overhead) × "
                + "the content, last node after \(last / 1_000_000) ms")
        #expect(ratio < 2.5)
        #expect(overhead < 1.3)
    }

    @Test(arguments: UInt64(0)..<6)
    func equalSeedsGiveEqualTraces(seed: UInt64) {
        func trace() -> Bytes32 {
            let network = BodyNetwork(.init(), seed: seed)
            let root = network.publish(Self.content(seed, size: 1 << 20), from: 3)
            network.run(limit: .seconds(30)) {
                network.nodes.indices.allSatisfy { $0 == 3 || network.hasAll(root, $0) }
            }
            var trace = network.trace
            return trace.finish()
        }
        let first = trace()
        let second = trace()
        #expect(first == second)
    }

    @Test(arguments: UInt64(0)..<4)
    func aHolderLostInTheMiddleIsMadeUpFor(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        network.run(limit: .milliseconds(500)) { false }
        let lost = 1 + Int(seed) % 11
        network.kill(lost)
        let others = (1..<12).filter { $0 != lost }
        // Without the lost node the graph may fall apart for somebody who knew only few.
        for (first, second) in zip(others, others.dropFirst()) { network.connect(first, second) }
        network.run(limit: .seconds(60)) { others.allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: others)
        #expect(network.penalties.isEmpty)
    }

    @Test(arguments: UInt64(0)..<4)
    func theProducerMayLeaveOnceEachChunkIsOut(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        func isOut(_ chunk: Int) -> Bool {
            (1..<12).contains { index in
                network.nodes[index].stored[[1] + StoredChunk.key(root: root, index: chunk)] != nil
            }
        }
        // Looked at every 20 ms, because looking at every store after every event takes minutes.
        for _ in 0..<1500 where !(0..<16).allSatisfy(isOut) {
            network.run(limit: .milliseconds(20)) { false }
        }
        #expect((0..<16).allSatisfy(isOut))
        network.kill(0)
        for (first, second) in zip(1..<11, 2..<12) { network.connect(first, second) }
        network.run(limit: .seconds(60)) { (1..<12).allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: 1..<12)
    }

    @Test(arguments: UInt64(0)..<4)
    func aLiarIsPenalizedAndNobodyElse(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let liar = 1 + Int(seed) % 11
        network.nodes[liar].behaviour = .liar
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        network.run(limit: .seconds(60)) { (1..<12).allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: 1..<12)
        for penalty in network.penalties {
            #expect(penalty.peer == liar)
            #expect({ if case .wrongChunk = penalty.fault { true } else { false } }())
        }
        // Each neighbour believes it once per chunk in flight at most.
        for index in 1..<12 {
            let wrong = network.nodes[index].machine.counters.chunksWrong
            #expect(wrong <= 4)
        }
    }

    @Test(arguments: UInt64(0)..<4)
    func aStallerCostsLittleTime(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let staller = 1 + Int(seed) % 11
        network.nodes[staller].behaviour = .staller
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        network.run(limit: .seconds(60)) { (1..<12).allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: 1..<12)
        let last =
            (1..<12).compactMap { network.nodes[$0].completed.first?.at.nanoseconds }.max() ?? 0
        print("12 nodes with a staller, seed \(seed): last node after \(last / 1_000_000) ms")
        // Far below the ten seconds of a request's deadline.
        #expect(last < 6_000_000_000)
        #expect(network.penalties.isEmpty)
    }

    @Test(arguments: UInt64(0)..<6)
    func aRestartFetchesOnlyWhatIsMissing(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        func keptCount() -> Int { network.nodes[5].stored.keys.filter { $0.count == 37 }.count }
        for _ in 0..<1500 where keptCount() < 5 { network.run(limit: .milliseconds(20)) { false } }
        let neighbours = network.nodes[5].neighbours.sorted()
        network.kill(5)
        let kept = keptCount()
        #expect(kept >= 5 && kept < 16)
        network.nodes[5].received = [:]
        network.run(limit: .seconds(1)) { false }
        network.restart(5, neighbours: neighbours)
        network.run(limit: .seconds(60)) { (1..<12).allSatisfy { network.hasAll(root, $0) } }
        Self.check(network, root, content, nodes: 1..<12)
        let fetched = network.nodes[5].received.values.reduce(0, +)
        #expect(fetched == 16 - kept)
        #expect(network.nodes[5].machine.counters.downloadsResumed == 1)
    }

    @Test(arguments: UInt64(0)..<4)
    func aPowerFailureCostsOnlyWhatWasNotSynced(seed: UInt64) {
        let network = BodyNetwork(.init(), seed: seed)
        let content = Self.content(seed)
        let root = network.publish(content, from: 0)
        network.run(limit: .seconds(30)) { network.hasAll(root, 4) }
        let neighbours = network.nodes[4].neighbours.sorted()
        network.kill(4, losingUnsynced: true)
        // The last chunk is written with a sync, so a body once complete stays so.
        #expect(network.body(root, 4) == content)
        network.nodes[4].received = [:]
        network.restart(4, neighbours: neighbours)
        network.run(limit: .seconds(5)) { false }
        #expect(network.nodes[4].received.isEmpty)
        let snapshot = network.nodes[4].machine.snapshot(of: root, now: network.clock)
        #expect(snapshot?.isComplete == true)
    }
}
