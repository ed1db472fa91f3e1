import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

@Suite struct MeshTests {
    static let topic = Bench.topic

    @Test func firstRPCIsTheSubscriptionList() {
        let bench = Bench()
        bench.connect(0, subscribes: false)
        let rpcs = bench.drain(0)
        #expect(rpcs == [RPC(subscriptions: [(Self.topic, true)])])
    }

    @Test func graftsTheFirstPeersAtOnceAndMoreAtHeartbeats() {
        let bench = Bench()
        for index in 0..<10 { bench.connect(index) }
        #expect(bench.mesh.count == 5)
        bench.run(.seconds(3))
        #expect(bench.mesh.count == 5)
        let grafted = (0..<10).count { bench.drain($0).contains { $0.grafts == ["t"] } }
        #expect(grafted == 5)
    }

    @Test func joiningGraftsUpToTheDegree() {
        let bench = Bench(subscribed: false)
        for index in 0..<10 { bench.connect(index) }
        #expect(bench.mesh.isEmpty)
        bench.handle(.subscribe(Self.topic))
        #expect(bench.mesh.count == 6)
    }

    @Test func leavingPrunesWithTheShortBackoff() {
        let bench = Bench()
        bench.connect(0)
        _ = bench.drain(0)
        bench.handle(.unsubscribe(Self.topic))
        let rpcs = bench.drain(0)
        #expect(rpcs.map(\.prunes) == [[RPC.Prune(topic: "t", backoff: 10)]])
        #expect(rpcs.map(\.subscriptions) == [[.init(topic: "t", isSubscribed: false)]])
        #expect(bench.mesh.isEmpty)
    }

    @Test func unlistedTopicsAreRefusedUnlessAllowed() {
        let bench = Bench()
        bench.handle(.subscribe("other"))
        #expect(bench.takeEvents().contains(.joinRefused("other", .unknownTopic)))
        #expect(bench.machine.meshSnapshot().count == 1)

        let open = Bench { $0.unlistedTopic = { digestTopic($0) } }
        open.connect(0, subscribes: false)
        // Announced before we knew the topic, and remembered as a hash.
        open.receive(0, RPC(subscriptions: [("other", true)]))
        #expect(open.machine.meshSnapshot().count == 1)
        open.handle(.subscribe("other"))
        #expect(open.machine.meshSnapshot()[1].mesh == [Bench.peer(0)])
    }

    // MARK: GRAFT

    @Test func aFullMeshTakesOnlyPeersThatWeDialed() {
        let bench = Bench()
        for index in 0..<12 {
            bench.connect(index)
            bench.receive(index, RPC(grafts: [Self.topic]))
        }
        #expect(bench.mesh.count == 12)
        bench.connect(20, version: .v1_1)
        _ = bench.drain(20)
        bench.receive(20, RPC(grafts: [Self.topic]))
        #expect(!bench.isInMesh(20))
        let prunes = bench.drain(20).flatMap(\.prunes)
        #expect(prunes.map(\.backoff) == [60])
        #expect(prunes.first?.peers.count == 12, "peer exchange")
        bench.connect(21, direction: .outbound)
        bench.receive(21, RPC(grafts: [Self.topic]))
        #expect(bench.isInMesh(21))
    }

    @Test func aGraftOfAnUnknownTopicIsMetWithSilence() {
        let bench = Bench()
        bench.connect(0)
        _ = bench.drain(0)
        bench.receive(0, RPC(grafts: ["nonsense"]))
        #expect(bench.drain(0).isEmpty)
        #expect(bench.score(0) >= 0)
    }

    @Test func aGraftDuringBackoffCosts() {
        let bench = Bench()
        bench.connect(0)
        bench.receive(0, RPC(prunes: [.init(topic: "t", backoff: 60)]))
        _ = bench.drain(0)
        bench.run(.seconds(20))
        bench.receive(0, RPC(grafts: [Self.topic]))
        #expect(!bench.isInMesh(0))
        #expect(bench.drain(0).flatMap(\.prunes) == [RPC.Prune(topic: "t", backoff: 60)])
        let once = bench.machine.explain(Bench.peer(0), now: bench.clock)!.movements
        #expect(once.map(\.cause) == [.graftDuringBackoff])
        // Right after that PRUNE it is a flood.
        bench.receive(0, RPC(grafts: [Self.topic]))
        let twice = bench.machine.explain(Bench.peer(0), now: bench.clock)!.movements
        #expect(twice.map(\.cause) == [.graftDuringBackoff, .graftDuringBackoff, .graftFlood])
    }

    @Test func aGraftWithANegativeScoreIsRefusedWithoutExchange() {
        let bench = Bench()
        for index in 0..<4 { bench.connect(index) }
        bench.connect(9, subscribes: false)
        bench.handle(.applicationScore(Bench.peer(9), -1))
        _ = bench.drain(9)
        bench.receive(9, RPC(grafts: [Self.topic]))
        #expect(!bench.isInMesh(9))
        #expect(bench.drain(9).flatMap(\.prunes) == [RPC.Prune(topic: "t", backoff: 60)])
    }

    @Test func directPeersAreNeverInAMeshAndAlwaysForwardedTo() {
        let bench = Bench()
        bench.connect(0, isDirect: true)
        bench.connect(1)
        bench.run(.seconds(2))
        #expect(bench.mesh == [Bench.peer(1)])
        _ = bench.drain(0)
        bench.receive(0, RPC(grafts: [Self.topic]))
        #expect(bench.drain(0).flatMap(\.prunes) == [RPC.Prune(topic: "t", backoff: 60)])
        bench.receive(1, RPC(messages: [RPC.Message([7])]))
        let handle = bench.takeDelivered()[0].handle
        bench.handle(.validated(handle, .accept))
        #expect(bench.drain(0).flatMap(\.messages) == [RPC.Message([7])])
    }

    @Test func directPeersWithoutAConnectionAreAskedFor() {
        let bench = Bench { $0.directPeers = [Bench.peer(3)] }
        bench.run(.seconds(2))
        let connects = bench.takeOutputs().compactMap { output -> PeerID? in
            if case .connect(let peer, nil, .directPeer) = output { peer } else { nil }
        }
        #expect(connects == [Bench.peer(3)])
    }

    // MARK: PRUNE

    @Test(arguments: [(nil, 61), (UInt64(0), 61), (5, 6), (100_000, 3601)] as [(UInt64?, Int)])
    func aPrunedPeerIsNotGraftedBeforeItsBackoff(_ asked: UInt64?, _ seconds: Int) {
        let bench = Bench()
        bench.connect(0)
        #expect(bench.isInMesh(0))
        bench.receive(0, RPC(prunes: [.init(topic: "t", backoff: asked)]))
        #expect(!bench.isInMesh(0))
        bench.run(.seconds(seconds - 1))
        #expect(!bench.isInMesh(0))
        bench.run(.seconds(3))
        #expect(bench.isInMesh(0))
    }

    /// After a partition both sides have full meshes; only that mesh peers are taken back makes them one.
    @Test(arguments: [(1, true), (1200, false)])
    func aMeshPeerThatWasLostIsTakenBack(away: Int, isTakenBack: Bool) {
        let bench = Bench()
        for index in 0..<5 { bench.connect(index) }
        #expect(bench.isInMesh(0))
        bench.handle(.peerDisconnected(Bench.peer(0)))
        for index in 10..<14 { bench.connect(index) }
        bench.run(.seconds(away))
        // A mesh of that size takes nobody new.
        bench.connect(20)
        #expect(!bench.isInMesh(20))
        _ = bench.takeEvents()
        bench.connect(0)
        #expect(bench.isInMesh(0) == isTakenBack)
        let isEvent = bench.takeEvents().contains(.grafted(Bench.peer(0), Bench.topic, .returned))
        #expect(isEvent == isTakenBack)
    }

    @Test func whoWasPrunedOrFindsAFullMeshIsNotTakenBack() {
        let bench = Bench()
        for index in 0..<5 { bench.connect(index) }
        bench.receive(0, RPC(prunes: [.init(topic: "t", backoff: 60)]))
        for index in 0..<2 { bench.handle(.peerDisconnected(Bench.peer(index))) }
        for index in 10..<22 {
            bench.connect(index)
            bench.receive(index, RPC(grafts: [Bench.topic]))
        }
        #expect(bench.machine.meshSnapshot()[0].mesh.count >= 12)
        for index in 0..<2 {
            bench.connect(index)
            #expect(!bench.isInMesh(index))
        }
    }

    @Test func reconnectingDoesNotEndABackoff() {
        let bench = Bench()
        bench.connect(0)
        bench.receive(0, RPC(prunes: [.init(topic: "t", backoff: 60)]))
        bench.handle(.peerDisconnected(Bench.peer(0)))
        bench.connect(0)
        bench.run(.seconds(30))
        #expect(!bench.isInMesh(0))
    }

    @Test func peerExchangeIsFollowedFromGoodPeersOnly() {
        let named = (100..<130).map { Bench.peer($0).multihash }
        let prune = RPC.Prune(topic: "t", backoff: 60, peers: named, records: [[1, 2, 3]])
        let bench = Bench()
        bench.connect(0)
        bench.receive(0, RPC(prunes: [prune]))
        func connects(_ outputs: [Gossipsub.Output]) -> [(PeerID, [UInt8]?)] {
            outputs.compactMap {
                if case .connect(let peer, let record, .peerExchange) = $0 {
                    (peer, record)
                } else {
                    nil
                }
            }
        }
        #expect(connects(bench.takeOutputs()).isEmpty)
        #expect(bench.machine.counters.peerExchangeIgnored == 30)
        bench.handle(.applicationScore(Bench.peer(0), 5))
        for round in 1...5 {
            bench.receive(0, RPC(prunes: [prune]))
            // Sixteen at a time, sixty-four in a heartbeat.
            #expect(bench.machine.counters.peerExchangeFollowed == UInt64(min(64, 16 * round)))
        }
        let followed = connects(bench.takeOutputs())
        #expect(followed.count == 64)
        #expect(followed.allSatisfy { $0.1 == ($0.0 == Bench.peer(100) ? [1, 2, 3] : nil) })
    }

    @Test func exchangedPeersCarryTheirRecords() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.handle(.peerRecord(Bench.peer(1), [9, 9]))
        bench.handle(.unsubscribe(Self.topic))
        let prune = bench.drain(0).flatMap(\.prunes)
        #expect(prune.map(\.peers) == [[Bench.peer(1).multihash]])
        #expect(prune.map(\.records) == [[[9, 9]]])
    }

    // MARK: Heartbeat

    @Test(arguments: UInt64(0)..<20)
    func aMeshThatIsTooLargeKeepsTheBestAndTheDialed(seed: UInt64) {
        let bench = Bench(seed: seed) { $0.score.topicScoreCap = 0 }
        for index in 0..<16 {
            bench.connect(index, direction: index >= 12 ? .outbound : .inbound)
            bench.receive(index, RPC(grafts: [Self.topic]))
        }
        for index in 0..<4 { bench.handle(.applicationScore(Bench.peer(index), 50)) }
        #expect(bench.mesh.count == 16)
        bench.run(.seconds(2))
        #expect(bench.mesh.count == 6)
        for index in 0..<4 { #expect(bench.isInMesh(index)) }
        let outbound = (12..<16).count { bench.isInMesh($0) }
        #expect(outbound == 2)
    }

    @Test func outboundPeersAreAddedToAFullMeshWithoutAny() {
        let bench = Bench()
        for index in 0..<8 {
            bench.connect(index)
            bench.receive(index, RPC(grafts: [Self.topic]))
        }
        for index in 20..<24 { bench.connect(index, direction: .outbound) }
        bench.run(.seconds(2))
        #expect((20..<24).count { bench.isInMesh($0) } == 2)
    }

    @Test func peersWithNegativeScoresLeaveTheMesh() {
        let bench = Bench()
        bench.connect(0)
        bench.handle(.applicationScore(Bench.peer(0), -1))
        bench.run(.seconds(2))
        #expect(!bench.isInMesh(0))
    }

    @Test func opportunisticGraftingImprovesAMediocreMesh() {
        let bench = Bench { configuration in
            configuration.opportunisticGraftTicks = 5
            // Time in the mesh would lift the median before the test is over.
            configuration.topics[0].score.timeInMeshWeight = 0
        }
        for index in 0..<6 { bench.connect(index) }
        bench.run(.seconds(2))
        for index in 20..<24 {
            bench.connect(index)
            bench.handle(.applicationScore(Bench.peer(index), 10))
        }
        let before = (20..<24).count { bench.isInMesh($0) }
        bench.run(.seconds(6))
        let after = (20..<24).count { bench.isInMesh($0) }
        #expect(before == 0)
        #expect(after == 2)
    }

    @Test func aReplacedStreamIsGreetedAgain() {
        let bench = Bench()
        bench.connect(0)
        _ = bench.drain(0)
        bench.connect(0, subscribes: false)
        let rpcs = bench.drain(0)
        #expect(rpcs.first?.subscriptions == [.init(topic: "t", isSubscribed: true)])
        #expect(rpcs.first?.grafts == ["t"])
        #expect(bench.machine.holdings.peers == 1)
    }
}
