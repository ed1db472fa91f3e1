import ChoraleBase
import Crypto
import Foundation
import Gossipsub
import PeerIdentity
import Testing

@Suite struct NetworkTests {
    static let topic: Gossipsub.Topic = "blocks"

    static func network(
        _ count: Int,
        seed: UInt64,
        degree: Int = 7,
        isSigned: Bool = false,
        links: LinkModel = LinkModel(),
        versions: [Gossipsub.Version] = [.v1_2],
        _ configure: (inout Gossipsub.Configuration) -> Void = { _ in }
    ) -> TestNetwork {
        let network = TestNetwork(seed: seed, links: links)
        for _ in 0..<count {
            network.addNode(isSigned: isSigned) { configuration in
                var parameters = digestTopic(topic)
                if isSigned { parameters.messageID = .fromAndSequence }
                configuration.topics = [parameters]
                configure(&configuration)
            }
        }
        network.connectRandomly(degree: degree, versions: versions)
        for node in 0..<count { network.input(node, .subscribe(topic)) }
        network.run(.seconds(5))
        return network
    }

    @Test(arguments: UInt64(0)..<8)
    func everyMessageReachesEverybodyOnce(seed: UInt64) throws {
        let isSigned = seed % 2 == 1
        let network = Self.network(20 + Int(seed) * 4, seed: seed, isSigned: isSigned)
        var published: [(Int, Gossipsub.PublishID)] = []
        for number in 0..<20 {
            let node = network.random.below(network.nodes.count)
            let id = Gossipsub.PublishID(UInt64(number))
            var data = network.random.bytes(count: network.random.integer(in: 1...3000))
            data.append(UInt8(number))
            network.input(
                node, .publish(id, Self.topic, data: data, Gossipsub.PublishOptions()))
            published.append((node, id))
            network.run(.milliseconds(network.random.integer(in: 1...300)))
        }
        network.run(.seconds(10))
        for (node, publication) in published {
            let id = try #require(network.messageID(node, publication))
            #expect(network.deliveryCount(of: id) == network.nodes.count - 1)
            let outcome = try #require(network.nodes[node].outcomes[publication])
            guard case .queued(_, let queued, 0) = network.nodes[node].receipts[publication] else {
                Issue.record("small messages are pushed")
                continue
            }
            #expect(outcome.sent + outcome.shedTotal == queued)
        }
    }

    @Test(arguments: UInt64(0)..<4)
    func meshDegreesStayInBounds(seed: UInt64) {
        let network = Self.network(50, seed: seed, degree: 20)
        network.run(.seconds(10))
        for node in network.nodes {
            let mesh = node.machine.meshSnapshot()[0].mesh
            #expect((5...14).contains(mesh.count))
            for peer in mesh {
                let other = network.nodes.first { $0.id == peer }!
                let isMutual = other.machine.meshSnapshot()[0].mesh.contains(node.id)
                #expect(isMutual)
            }
        }
    }

    @Test(arguments: UInt64(0)..<4)
    func healsAfterPartition(seed: UInt64) throws {
        let network = Self.network(24, seed: seed, degree: 8)
        let half = 12
        var cut: [(Int, Int)] = []
        for one in 0..<half {
            for other in network.nodes[one].streams.keys.sorted() where other >= half {
                cut.append((one, other))
            }
        }
        for (one, other) in cut { network.disconnect(one, other) }
        network.run(.seconds(5))
        let during = Gossipsub.PublishID(1)
        network.input(
            0, .publish(during, Self.topic, data: [1], Gossipsub.PublishOptions()))
        network.run(.seconds(1))
        let lost = try #require(network.messageID(0, during))
        #expect(network.deliveryCount(of: lost) == half - 1)
        for (one, other) in cut { network.connect(one, other) }
        // Gossip about what was missed crosses as soon as there are links.
        network.run(.seconds(6))
        #expect(network.deliveryCount(of: lost) == network.nodes.count - 1)
        let after = Gossipsub.PublishID(2)
        network.input(23, .publish(after, Self.topic, data: [2], Gossipsub.PublishOptions()))
        network.run(.seconds(2))
        let id = try #require(network.messageID(23, after))
        #expect(network.deliveryCount(of: id) == network.nodes.count - 1)
    }

    /// Pushes are lost on the way: only gossip is left.
    @Test(arguments: UInt64(0)..<4)
    func gossipBringsWhatTheMeshLost(seed: UInt64) throws {
        let network = Self.network(30, seed: seed, degree: 12) { $0.floodPublish = false }
        let dice = Box(DeterministicRandom(seed: seed))
        let pushesEnd = network.now.advanced(by: .milliseconds(800))
        network.isLost = { [unowned network] from, _, frame in
            // Somebody has to have it; streams do not lose frames outside of tests.
            guard frame.count > 600, from != 3 else { return false }
            return dice.value.chance(network.now < pushesEnd ? 90 : 10, in: 100)
        }
        let publication = Gossipsub.PublishID(1)
        network.input(
            3,
            .publish(
                publication, Self.topic, data: [UInt8](repeating: 5, count: 700),
                Gossipsub.PublishOptions()))
        network.run(.seconds(15))
        let id = try #require(network.messageID(3, publication))
        #expect(network.deliveryCount(of: id) == network.nodes.count - 1)
        #expect(network.nodes.reduce(0) { $0 + $1.machine.counters.iwantIDsSent } > 0)
    }

    @Test func sameSeedSameTrace() {
        func trace() -> [[Gossipsub.Event]] {
            let network = Self.network(20, seed: 99)
            for number in 0..<5 {
                network.input(
                    number,
                    .publish(
                        Gossipsub.PublishID(UInt64(number)), Self.topic,
                        data: [UInt8](repeating: UInt8(number), count: 20_000),
                        Gossipsub.PublishOptions()))
                network.run(.milliseconds(100))
            }
            network.run(.seconds(3))
            return network.nodes.map(\.events)
        }
        #expect(trace() == trace())
    }

    @Test func afterChurnNothingIsLeft() {
        let network = Self.network(16, seed: 5) { configuration in
            configuration.score.retention = .seconds(20)
            configuration.lostMeshLifetime = .seconds(20)
        }
        for round in 0..<10 {
            network.input(
                round,
                .publish(
                    Gossipsub.PublishID(UInt64(round)), Self.topic,
                    data: [UInt8](repeating: UInt8(round), count: 5000),
                    Gossipsub.PublishOptions()))
            network.run(.milliseconds(20))
        }
        for one in 0..<16 {
            for other in network.nodes[one].streams.keys.sorted() {
                network.disconnect(one, other)
            }
        }
        // Longest back-off and retention, and the time for which messages count as seen.
        network.run(.seconds(200))
        for node in network.nodes {
            let holdings = node.machine.holdings
            #expect(holdings == Gossipsub.Holdings())
        }
    }
}

final class Box<Value> {
    var value: Value

    init(_ value: Value) { self.value = value }
}
