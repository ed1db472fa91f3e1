import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

@Suite struct PublishTests {
    static let topic = Bench.topic

    private static func publish(
        _ bench: Bench,
        _ data: [UInt8],
        number: UInt64 = 1,
        to topic: Gossipsub.Topic = topic,
        _ options: Gossipsub.PublishOptions = Gossipsub.PublishOptions()
    ) -> Gossipsub.PublishReceipt? {
        bench.outputs = []
        bench.handle(.publish(Gossipsub.PublishID(number), topic, data: data, options))
        for case .receipt(Gossipsub.PublishID(number), let receipt) in bench.outputs {
            return receipt
        }
        return nil
    }

    private static func outcome(_ bench: Bench, number: UInt64 = 1) -> Gossipsub.PublishOutcome? {
        for case .published(Gossipsub.PublishID(number), let outcome) in bench.takeOutputs() {
            return outcome
        }
        return nil
    }

    @Test func failuresAreTyped() {
        let bench = Bench { $0.topics[0].sizeMax = 100 }
        #expect(Self.publish(bench, [1], to: "u") == .failed(.unknownTopic))
        #expect(Self.publish(bench, [1]) == .failed(.noPeers))
        bench.connect(0)
        #expect(
            Self.publish(bench, [UInt8](repeating: 0, count: 101))
                == .failed(.tooLarge(size: 101, limit: 100)))
        let id = Gossipsub.MessageID(digestID([1]))
        #expect(Self.publish(bench, [1]) == .queued(id: id, queuedTo: 1, announcedTo: 0))
        #expect(Self.publish(bench, [1]) == .failed(.duplicate(id)))
        #expect(bench.machine.counters.publishFailures == 4)
    }

    @Test func aFailedPublishMayBeRepeated() {
        let bench = Bench()
        #expect(Self.publish(bench, [1]) == .failed(.noPeers))
        bench.connect(0)
        let receipt = Self.publish(bench, [1])
        #expect(
            receipt
                == .queued(id: Gossipsub.MessageID(digestID([1])), queuedTo: 1, announcedTo: 0))
    }

    @Test func withoutPeersItCanWaitForOne() {
        let bench = Bench()
        var options = Gossipsub.PublishOptions()
        options.allowsNoPeers = true
        #expect(
            Self.publish(bench, [1], options)
                == .queued(id: Gossipsub.MessageID(digestID([1])), queuedTo: 0, announcedTo: 0))
        bench.connect(0)
        bench.receive(0, RPC(iwant: [digestID([1])]))
        #expect(bench.drain(0).flatMap(\.messages) == [RPC.Message([1])])
    }

    /// What go, nim and py take: 1 MiB of RPC with its length prefix.
    @Test func theLargestFrameHasOneMebibyte() throws {
        let bench = ValidationTests.signedBench()
        bench.connect(0, version: .v1_1)
        bench.drainAll(0..<1)
        guard
            case .failed(.tooLarge(_, let limit)) =
                Self.publish(bench, [UInt8](repeating: 1, count: 1 << 20))
        else {
            Issue.record("a payload of 1 MiB does not fit a frame of 1 MiB")
            return
        }
        #expect(limit >= 1_048_376, "what is known to pass elsewhere passes here")
        let over = Self.publish(bench, [UInt8](repeating: 1, count: limit + 1))
        #expect(over == .failed(.tooLarge(size: limit + 1, limit: limit)))
        guard case .queued(_, 1, 0) = Self.publish(bench, [UInt8](repeating: 1, count: limit))
        else {
            Issue.record("the largest payload is queued")
            return
        }
        let frame = try #require(
            bench.machine.dequeue(Bench.peer(0), now: bench.clock, into: &bench.outputs))
        #expect(frame.size <= 1 << 20)
        #expect(frame.size > (1 << 20) - 16)
    }

    @Test func outcomesSayWhereEveryCopyWent() {
        let bench = Bench { $0.topics[0].lifetime = .seconds(2) }
        for index in 0..<4 { bench.connect(index) }
        bench.drainAll(0..<4)
        #expect(
            Self.publish(bench, [1])
                == .queued(id: Gossipsub.MessageID(digestID([1])), queuedTo: 4, announcedTo: 0))
        #expect(bench.drain(0).count == 1)
        bench.receive(1, RPC(dontWant: [digestID([1])]))
        bench.handle(.peerDisconnected(Bench.peer(2)))
        #expect(Self.outcome(bench) == nil)
        bench.run(.seconds(3))
        #expect(bench.drain(3).flatMap(\.messages).isEmpty)
        var expected = Gossipsub.PublishOutcome()
        expected.sent = 1
        expected.shed = [.peerHasIt: 1, .disconnected: 1, .expired: 1]
        #expect(Self.outcome(bench) == expected)
    }

    @Test func floodPublishReachesMoreThanTheMesh() {
        let bench = Bench()
        for index in 0..<15 { bench.connect(index) }
        guard case .queued(_, 15, 0) = Self.publish(bench, [1]) else {
            Issue.record("a small message goes to every subscriber")
            return
        }
        bench.handle(.applicationScore(Bench.peer(3), -1001))
        guard case .queued(_, 14, 0) = Self.publish(bench, [2]) else {
            Issue.record("but not below the publish threshold")
            return
        }
    }

    @Test func fanoutServesTopicsThatWeDoNotHave() {
        let bench = Bench(subscribed: false) {
            $0.floodPublish = false
            $0.fanoutLifetime = .seconds(10)
        }
        for index in 0..<12 { bench.connect(index) }
        bench.drainAll(0..<12)
        guard case .queued(_, 6, 0) = Self.publish(bench, [1]) else {
            Issue.record("six of twelve")
            return
        }
        let fanout = bench.machine.meshSnapshot()[0].fanout
        #expect(fanout.count == 6)
        bench.run(.seconds(5))
        _ = Self.publish(bench, [2], number: 2)
        #expect(bench.machine.meshSnapshot()[0].fanout == fanout)
        bench.handle(.subscribe(Self.topic))
        #expect(bench.machine.meshSnapshot()[0].mesh == fanout)
        #expect(bench.machine.meshSnapshot()[0].fanout.isEmpty)

        let other = Bench(subscribed: false) { $0.fanoutLifetime = .seconds(10) }
        other.connect(0)
        _ = Self.publish(other, [UInt8](repeating: 0, count: 20_000))
        #expect(other.machine.meshSnapshot()[0].fanout.count == 1)
        other.run(.seconds(12))
        #expect(other.machine.meshSnapshot()[0].fanout.isEmpty)
    }

    @Test func sequenceNumbersGrowOverRestarts() {
        let first = ValidationTests.signedBench()
        first.now = MonotonicInstant(nanoseconds: 5_000_000_000)
        first.connect(0)
        first.drainAll(0..<1)
        for number in 0..<3 { _ = Self.publish(first, [1], number: UInt64(number)) }
        let numbers = first.drain(0).flatMap(\.messages).map(\.sequenceNumber)
        #expect(
            numbers
                == (0..<3).map { offset in
                    var bytes: [UInt8] = []
                    bytes.appendBigEndian(UInt64(5_000_000_000 + offset))
                    return bytes
                })
    }
}
