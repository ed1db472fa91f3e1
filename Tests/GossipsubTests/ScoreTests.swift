import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

@Suite struct ScoreTests {
    static let topic = Bench.topic

    /// Weights that make each part visible in whole numbers, and no decay but where a test wants it.
    static func bench(
        _ change: @escaping (inout Gossipsub.Configuration) -> Void = { _ in }
    ) -> Bench {
        Bench { configuration in
            var score = Gossipsub.TopicScoreParameters()
            score.topicWeight = 0.5
            score.timeInMeshWeight = 1
            score.timeInMeshQuantum = .seconds(1)
            score.timeInMeshCap = 10
            score.firstDeliveriesWeight = 2
            score.firstDeliveriesDecay = 1
            score.firstDeliveriesCap = 5
            score.meshDeliveriesDecay = 1
            score.meshFailureDecay = 1
            score.invalidMessagesWeight = -10
            score.invalidMessagesDecay = 1
            configuration.topics[0].score = score
            configuration.score.topicScoreCap = 0
            configuration.score.behaviourDecay = 1
            change(&configuration)
        }
    }

    static func explain(_ bench: Bench, _ peer: Int) -> Gossipsub.ScoreExplanation {
        bench.machine.explain(Bench.peer(peer), now: bench.clock)!
    }

    @Test func timeInMeshCountsUpToItsCap() {
        let bench = Self.bench()
        bench.connect(0)
        bench.run(.seconds(4))
        #expect(Self.explain(bench, 0).topics[0].timeInMesh == 4)
        #expect(bench.score(0) == 2, "half, by the topic's weight")
        bench.run(.seconds(60))
        #expect(Self.explain(bench, 0).topics[0].timeInMesh == 10)
        bench.receive(0, RPC(prunes: [.init(topic: "t")]))
        #expect(bench.score(0) == 0)
    }

    @Test func firstDeliveriesCountUpToTheirCap() {
        let bench = Self.bench { $0.topics[0].validation = .none }
        bench.connect(0, subscribes: false)
        bench.connect(1, subscribes: false)
        for number in 0..<3 {
            bench.receive(0, RPC(messages: [RPC.Message([UInt8(number)])]))
            bench.receive(1, RPC(messages: [RPC.Message([UInt8(number)])]))
        }
        #expect(Self.explain(bench, 0).topics[0].firstDeliveries == 6)
        #expect(Self.explain(bench, 1).topics.isEmpty)
        for number in 3..<20 { bench.receive(0, RPC(messages: [RPC.Message([UInt8(number)])])) }
        #expect(Self.explain(bench, 0).topics[0].firstDeliveries == 10)
        let movement = Self.explain(bench, 0).movements
        #expect(movement.map(\.count) == [20])
        #expect(movement.map(\.points) == [5])
    }

    @Test func aMeshPeerThatBringsTooLittleIsChargedAndTheChargeSticks() {
        let bench = Self.bench { configuration in
            configuration.topics[0].validation = .none
            configuration.topics[0].score.timeInMeshWeight = 0
            configuration.topics[0].score.firstDeliveriesWeight = 0
            configuration.topics[0].score.meshDeliveriesWeight = -1
            configuration.topics[0].score.meshFailureWeight = -1
            configuration.topics[0].score.meshDeliveriesThreshold = 4
            configuration.topics[0].score.meshDeliveriesActivation = .seconds(10)
            configuration.score.isEnforced = false
        }
        bench.connect(0)
        bench.connect(1)
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        // In time, and so as good as the first.
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        bench.receive(0, RPC(messages: [RPC.Message([2])]))
        bench.run(.milliseconds(20))
        bench.receive(1, RPC(messages: [RPC.Message([2])]))
        #expect(bench.score(0) == 0, "not active yet")
        bench.run(.seconds(11))
        #expect(Self.explain(bench, 0).topics[0].meshDeliveries == -4, "two missing, squared")
        #expect(Self.explain(bench, 1).topics[0].meshDeliveries == -9, "three missing, squared")
        bench.receive(1, RPC(prunes: [.init(topic: "t")]))
        let explanation = Self.explain(bench, 1)
        #expect(explanation.topics[0].meshDeliveries == 0)
        #expect(explanation.topics[0].meshFailures == -9)
        #expect(explanation.movements.last?.cause == .meshFailure)
    }

    @Test func invalidMessagesAreSquared() {
        let bench = Self.bench { $0.topics[0].sizeMax = 10 }
        bench.connect(0, subscribes: false)
        for number in 1...3 {
            bench.receive(0, RPC(messages: [RPC.Message([UInt8](repeating: 0, count: 11))]))
            #expect(
                Self.explain(bench, 0).topics[0].invalidMessages == Double(-10 * number * number))
        }
        let points = Self.explain(bench, 0).movements.map(\.points)
        #expect(points == [-5, -15, -25], "each with what it cost")
    }

    @Test func applicationScoreIsWeighted() {
        let bench = Self.bench { $0.score.applicationWeight = 3 }
        bench.connect(0, subscribes: false)
        bench.handle(.applicationScore(Bench.peer(0), -4))
        #expect(Self.explain(bench, 0).application == -12)
        bench.handle(.applicationScore(Bench.peer(0), .nan))
        #expect(bench.score(0) == -12)
    }

    @Test func manyPeersAtOneAddressAreCharged() {
        let bench = Self.bench { $0.score.colocationThreshold = 2 }
        let group = Gossipsub.AddressGroup(7)
        for index in 0..<5 { bench.connect(index, group: group, subscribes: false) }
        bench.connect(9, subscribes: false)
        #expect(Self.explain(bench, 0).colocation == -90)
        #expect(Self.explain(bench, 9).colocation == 0)
        for index in 1..<5 { bench.handle(.peerDisconnected(Bench.peer(index))) }
        #expect(bench.score(0) == 0)
    }

    @Test func behaviourCountsAboveItsThreshold() {
        let bench = Self.bench()
        bench.connect(0, subscribes: false)
        bench.handle(.behaviourPenalty(Bench.peer(0), 6))
        #expect(bench.score(0) == 0)
        bench.handle(.behaviourPenalty(Bench.peer(0), 3))
        #expect(Self.explain(bench, 0).behaviour == -90)
        #expect(Self.explain(bench, 0).movements.map(\.points) == [0, -90])
    }

    @Test func topicsTogetherAreCapped() {
        let bench = Self.bench { $0.score.topicScoreCap = 1 }
        bench.connect(0)
        bench.run(.seconds(8))
        let explanation = Self.explain(bench, 0)
        #expect(explanation.total == 1)
        #expect(explanation.capped == -3)
        let sum = explanation.topics.reduce(0) { $0 + $1.total } + explanation.capped
        #expect(sum == explanation.total)
    }

    @Test func decayIsByTheSecondAndEndsAtZero() {
        let bench = Self.bench {
            $0.score.behaviourDecay = 0.5
            $0.score.behaviourThreshold = 0
        }
        bench.connect(0, subscribes: false)
        bench.handle(.behaviourPenalty(Bench.peer(0), 8))
        #expect(bench.score(0) == -640)
        bench.run(.seconds(2))
        #expect(bench.score(0) == -40)
        bench.run(.seconds(20))
        #expect(bench.score(0) == 0)
        #expect(
            abs(Gossipsub.ScoreParameters.decay(toZeroIn: 1) - 0.01) < 1e-12,
            "what is left after one tick")
        let hundred = Gossipsub.ScoreParameters.decay(toZeroIn: 100)
        var left = 1.0
        for _ in 0..<100 { left *= hundred }
        #expect(abs(left - 0.01) < 1e-9)
    }

    @Test func reconnectingDoesNotWashAScoreClean() {
        let bench = Self.bench { $0.score.retention = .seconds(100) }
        bench.connect(0, subscribes: false)
        bench.handle(.behaviourPenalty(Bench.peer(0), 9))
        bench.handle(.peerDisconnected(Bench.peer(0)))
        let away = Self.explain(bench, 0)
        #expect(!away.isConnected)
        #expect(away.total == -90)
        bench.run(.seconds(50))
        bench.connect(0, subscribes: false)
        #expect(bench.score(0) == -90)
        bench.handle(.peerDisconnected(Bench.peer(0)))
        bench.run(.seconds(102))
        let forgotten = bench.machine.explain(Bench.peer(0), now: bench.clock)
        #expect(forgotten == nil)
    }

    @Test func aGoodScoreIsNotKept() {
        let bench = Self.bench()
        bench.connect(0, subscribes: false)
        bench.handle(.applicationScore(Bench.peer(0), 5))
        bench.handle(.peerDisconnected(Bench.peer(0)))
        #expect(bench.machine.holdings.retainedPeers == 0)
    }

    @Test func aGraylistedPeerIsNotRead() {
        let bench = Self.bench()
        bench.connect(0)
        bench.handle(.applicationScore(Bench.peer(0), -2501))
        bench.outputs = []
        bench.handle(.behaviourPenalty(Bench.peer(0), 1))
        let events = bench.takeEvents()
        #expect(events.contains { if case .graylisted = $0 { true } else { false } })
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        #expect(bench.machine.counters[.graylisted] == 1)
        #expect(bench.machine.counters.messagesReceived == 0)
        bench.handle(.applicationScore(Bench.peer(0), 0))
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        #expect(bench.takeDelivered().count == 1)
    }

    @Test func aDryRunComputesAndDoesNotAct() {
        let bench = Self.bench { $0.score.isEnforced = false }
        bench.connect(0)
        bench.handle(.applicationScore(Bench.peer(0), -9999))
        bench.run(.seconds(3))
        #expect(bench.isInMesh(0))
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        #expect(bench.takeDelivered().count == 1)
        #expect(bench.score(0) < -9000)
    }

    @Test func movementsAreARing() {
        let bench = Self.bench()
        bench.connect(0, subscribes: false)
        for _ in 0..<100 { bench.handle(.behaviourPenalty(Bench.peer(0), 0.01)) }
        #expect(Self.explain(bench, 0).movements.count == 32)
    }

    @Test func snapshotsAreInOrder() {
        let bench = Self.bench()
        for index in 0..<4 { bench.connect(index) }
        bench.handle(.behaviourPenalty(Bench.peer(3), 9))
        bench.handle(.peerDisconnected(Bench.peer(3)))
        let peers = bench.machine.peerSnapshot(now: bench.clock).map(\.peer)
        #expect(peers == (0..<3).map(Bench.peer).sorted())
        let scores = bench.machine.scoreSnapshot(now: bench.clock).map(\.peer)
        #expect(scores == (0..<4).map(Bench.peer).sorted())
    }
}
