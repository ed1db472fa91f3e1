import ChoraleBase
import Gossipsub
import Testing

/// What large messages cost, in the network that the node's benchmark builds: 20 machines, degree 7.
@Suite struct LargeMessageTests {
    struct Cost: CustomStringConvertible {
        var wirePerDelivered = 0.0
        var copies = 0.0
        var lastAfter: [Duration] = []
        var isComplete = true

        var median: Duration { lastAfter.sorted()[lastAfter.count / 2] }

        var description: String {
            "wire/delivered \(wirePerDelivered), copies \(copies), median of last "
                + "\(median.wholeMilliseconds) ms, complete \(isComplete)"
        }
    }

    static func measure(
        seed: UInt64,
        size: Int = 1_000_000,
        count: Int = 6,
        links: LinkModel,
        version: Gossipsub.Version = .v1_2,
        _ configure: (inout Gossipsub.Configuration) -> Void = { _ in }
    ) -> Cost {
        let network = NetworkTests.network(
            20, seed: seed, links: links, versions: [version], configure)
        let bytesBefore = network.bytesOut
        var cost = Cost()
        for number in 0..<count {
            var data = [UInt8](repeating: UInt8(number), count: size)
            data[0] = UInt8(seed & 255)
            let node = network.random.below(20)
            let start = network.now
            let publication = Gossipsub.PublishID(UInt64(number))
            network.input(
                node,
                .publish(
                    publication, NetworkTests.topic, data: data, Gossipsub.PublishOptions()))
            network.run(.seconds(8))
            guard let id = network.messageID(node, publication) else { continue }
            if network.deliveryCount(of: id) != 19 { cost.isComplete = false }
            let last = network.nodes.compactMap { $0.deliveries[id] }.max() ?? start
            cost.lastAfter.append(start.duration(to: last))
        }
        let delivered = network.nodes.reduce(0) { $0 + $1.deliveredSize }
        let copies = network.nodes.reduce(0) { $0 + $1.machine.counters.copiesSent }
        cost.wirePerDelivered = Double(network.bytesOut - bytesBefore) / Double(delivered)
        cost.copies = Double(copies) / Double(19 * count)
        return cost
    }

    static let networks: [(String, LinkModel)] = [
        ("loopback", LinkModel(latency: 0...0, uplink: 1_000_000_000)),
        ("region", LinkModel(latency: 1...10, uplink: 125_000_000)),
        ("internet", LinkModel(latency: 10...80, uplink: 6_250_000)),
    ]

    /// What the defaults cost: a machine is sent a large message about once, and that is not slower
    /// than pushing it along every link of the mesh.
    @Test(arguments: networks.indices) func aLargeMessageTravelsOnceToEach(_ index: Int) {
        let (name, links) = Self.networks[index]
        let offered = Self.measure(seed: 3, count: 4, links: links)
        let pushed = Self.measure(seed: 3, count: 4, links: links, version: .v1_1)
        print("1 MB, 20 machines, \(name): v1.2 \(offered); v1.1 \(pushed)")
        #expect(offered.isComplete)
        #expect(pushed.isComplete)
        #expect(offered.wirePerDelivered < 1.1)
        #expect(pushed.wirePerDelivered < 6)
        #expect(offered.median <= pushed.median + .milliseconds(20))
    }

    /// go takes 6.6 bytes on the wire for each delivered byte of 1 KiB messages.
    @Test func smallMessagesCostLessThanSevenCopies() {
        let links = LinkModel(latency: 0...0, uplink: 1_000_000_000)
        let cost = Self.measure(seed: 3, size: 1024, count: 10, links: links)
        print("1 KiB, 20 machines: \(cost)")
        #expect(cost.isComplete)
        #expect(cost.copies < 6)
    }

    /// Half of the links speak v1.1, as those to the go daemon do.
    @Test func mixedVersionsStillReachEverybody() {
        let links = LinkModel(latency: 1...10, uplink: 125_000_000)
        let network = NetworkTests.network(20, seed: 8, links: links, versions: [.v1_2, .v1_1])
        let publication = Gossipsub.PublishID(1)
        network.input(
            0,
            .publish(
                publication, NetworkTests.topic, data: [UInt8](repeating: 1, count: 500_000),
                Gossipsub.PublishOptions()))
        network.run(.seconds(6))
        let id = network.messageID(0, publication)!
        #expect(network.deliveryCount(of: id) == 19)
    }

    /// Without word of frames on their way, only the hedge may cost a copy.
    @Test func itWorksWithoutProgress() {
        let network = TestNetwork(seed: 4, links: LinkModel(latency: 10...80, uplink: 6_250_000))
        network.sendsProgress = false
        for _ in 0..<20 {
            network.addNode { $0.topics = [digestTopic(NetworkTests.topic)] }
        }
        network.connectRandomly(degree: 7)
        for node in 0..<20 { network.input(node, .subscribe(NetworkTests.topic)) }
        network.run(.seconds(5))
        let publication = Gossipsub.PublishID(1)
        network.input(
            0,
            .publish(
                publication, NetworkTests.topic, data: [UInt8](repeating: 1, count: 1_000_000),
                Gossipsub.PublishOptions()))
        network.run(.seconds(10))
        #expect(network.deliveryCount(of: network.messageID(0, publication)!) == 19)
    }
}
