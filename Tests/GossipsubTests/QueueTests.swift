import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

@Suite struct QueueTests {
    static func bench(_ configure: (inout Gossipsub.Configuration) -> Void = { _ in }) -> Bench {
        let bench = Bench { configuration in
            configuration.topics = TrafficClass.allCases.map { trafficClass in
                var topic = digestTopic(Gossipsub.Topic("\(trafficClass)"))
                topic.trafficClass = trafficClass
                return topic
            }
            configuration.topics.insert(digestTopic(Bench.topic), at: 0)
            // Nothing is offered, everything is pushed.
            configuration.largeMessageSizeMin = .max
            configure(&configuration)
        }
        bench.connect(0, subscribes: false)
        bench.receive(
            0,
            RPC(
                subscriptions: TrafficClass.allCases.map { (Gossipsub.Topic("\($0)"), true) }))
        bench.drainAll(0..<1)
        bench.outputs = []
        return bench
    }

    static func publish(
        _ bench: Bench,
        _ trafficClass: TrafficClass,
        _ data: [UInt8],
        lifetime: Duration? = nil
    ) {
        var options = Gossipsub.PublishOptions()
        options.lifetime = lifetime
        bench.handle(
            .publish(
                Gossipsub.PublishID(1), Gossipsub.Topic("\(trafficClass)"), data: data, options))
    }

    static func data(_ size: Int, _ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(number & 255), count: size - 2) + [UInt8(number >> 8), 1]
    }

    @Test func votesOvertakeWhatWaits() {
        let bench = Self.bench()
        for number in 0..<3 { Self.publish(bench, .proof, Self.data(400_000, number)) }
        Self.publish(bench, .block, Self.data(100_000, 10))
        Self.publish(bench, .vote, Self.data(100, 11))
        let sizes = bench.drain(0).map { $0.messages.map { $0.data!.count } }
        #expect(sizes == [[100], [100_000], [400_000], [400_000], [400_000]])
    }

    @Test func aVoteThatComesLaterIsNextAllTheSame() {
        let bench = Self.bench()
        for number in 0..<3 { Self.publish(bench, .proof, Self.data(400_000, number)) }
        var outputs: [Gossipsub.Output] = []
        let first = bench.machine.dequeue(Bench.peer(0), now: bench.clock, into: &outputs)
        #expect(first?.trafficClass == .proof)
        Self.publish(bench, .vote, Self.data(100, 11))
        let second = bench.machine.dequeue(Bench.peer(0), now: bench.clock, into: &outputs)
        #expect(second?.trafficClass == .vote)
    }

    @Test func noClassStarves() {
        let bench = Self.bench { $0.limits.queueSizePerPeerMax = 32 << 20 }
        for number in 0..<400 { Self.publish(bench, .vote, Self.data(20_000, number)) }
        for number in 400..<420 { Self.publish(bench, .proof, Self.data(20_000, number)) }
        var outputs: [Gossipsub.Output] = []
        var proofs = 0
        for _ in 0..<200 {
            let frame = bench.machine.dequeue(Bench.peer(0), now: bench.clock, into: &outputs)
            if frame?.trafficClass == .proof { proofs += 1 }
        }
        #expect((9...14).contains(proofs), "one in seventeen, got \(proofs) of 200")
    }

    @Test func smallMessagesTravelTogether() {
        let bench = Self.bench()
        for number in 0..<30 { Self.publish(bench, .block, Self.data(1000, number)) }
        let rpcs = bench.drain(0)
        #expect(rpcs.map(\.messages.count) == [15, 15])
    }

    @Test func controlDoesNotWaitForALargeMessage() {
        let bench = Self.bench()
        Self.publish(bench, .block, Self.data(100_000, 1))
        bench.handle(.unsubscribe(Bench.topic))
        let rpcs = bench.drain(0)
        #expect(rpcs.map(\.subscriptions.count) == [1, 0])
        #expect(rpcs.map(\.messages.count) == [0, 1])
    }

    @Test func shedsTheEarliestDeadlineFirst() {
        let bench = Self.bench { $0.limits.queueSizePerPeerMax = 100_000 }
        Self.publish(bench, .block, Self.data(40_000, 1), lifetime: .seconds(20))
        Self.publish(bench, .block, Self.data(40_000, 2), lifetime: .seconds(10))
        Self.publish(bench, .block, Self.data(40_000, 3), lifetime: .seconds(30))
        #expect(bench.machine.counters[.queueFull] == 1)
        let left = bench.drain(0).flatMap(\.messages).map { $0.data![0] }
        #expect(left == [1, 3])
    }

    @Test func aFloodOfOneClassLeavesTheOthersTheirShare() {
        let bench = Self.bench { $0.limits.queueSizePerPeerMax = 100_000 }
        Self.publish(bench, .vote, Self.data(1000, 1), lifetime: .seconds(1))
        for number in 10..<40 {
            Self.publish(bench, .proof, Self.data(20_000, number), lifetime: .seconds(60))
        }
        #expect(bench.machine.holdings.queuedSize <= 100_000)
        let classes = bench.drain(0).flatMap(\.messages).map(\.topic)
        #expect(classes == ["vote", "proof", "proof", "proof", "proof"])
    }

    @Test func whatIsTooLateIsNotSent() {
        let bench = Self.bench()
        Self.publish(bench, .block, Self.data(100, 1), lifetime: .seconds(1))
        Self.publish(bench, .block, Self.data(100, 2), lifetime: .seconds(9))
        bench.run(.seconds(2))
        #expect(bench.drain(0).flatMap(\.messages).map { $0.data![0] } == [2])
        #expect(bench.machine.counters[.expired] == 1)
    }

    @Test func memoryIsBoundedOverAllPeers() {
        let bench = Bench { configuration in
            configuration.largeMessageSizeMin = .max
            configuration.limits.messageSizeTotalMax = 1_000_000
            configuration.limits.historySizeMax = 300_000
        }
        for index in 0..<5 { bench.connect(index) }
        for number in 0..<100 {
            bench.handle(
                .publish(
                    Gossipsub.PublishID(UInt64(number)), Bench.topic,
                    data: Self.data(50_000, number), Gossipsub.PublishOptions()))
            #expect(bench.machine.holdings.messageSize <= 1_000_000)
        }
        #expect(bench.machine.counters[.memoryFull] > 0)
    }

    @Test func itIsSaidOnceThatThereIsSomething() {
        let bench = Self.bench()
        for number in 0..<5 { Self.publish(bench, .block, Self.data(100, number)) }
        func signals() -> Int {
            bench.takeOutputs().count { if case .wantsToSend = $0 { true } else { false } }
        }
        #expect(signals() == 1)
        bench.drainAll(0..<1)
        let isDrained = !bench.machine.hasFrames(for: Bench.peer(0))
        #expect(isDrained)
        Self.publish(bench, .block, Self.data(100, 9))
        let hasMore = bench.machine.hasFrames(for: Bench.peer(0))
        #expect(hasMore)
        #expect(signals() == 1)
    }

    @Test func copiesOfOneMessageShareTheirBytes() throws {
        let bench = Bench { $0.largeMessageSizeMin = .max }
        for index in 0..<3 { bench.connect(index) }
        bench.drainAll(0..<3)
        bench.receive(0, RPC(messages: [RPC.Message(Self.data(100_000, 1))]))
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        bench.drainAll(0..<1)
        var outputs: [Gossipsub.Output] = []
        var bases: [UnsafePointer<UInt8>?] = []
        for index in 1..<3 {
            // IDONTWANT goes first.
            _ = bench.machine.dequeue(Bench.peer(index), now: bench.clock, into: &outputs)
            let frame = try #require(
                bench.machine.dequeue(Bench.peer(index), now: bench.clock, into: &outputs))
            #expect(frame.head.count < 12)
            bases.append(frame.body.withUnsafeBufferPointer { $0.baseAddress })
        }
        #expect(bases[0] == bases[1])
    }
}
