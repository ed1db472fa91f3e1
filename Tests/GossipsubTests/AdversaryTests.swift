import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

/// Peers that send as much as they can of one thing. What is held stays within the limits, the honest
/// peer beside them is served, and what the specification punishes is punished.
@Suite struct AdversaryTests {
    struct Flood: CustomTestStringConvertible {
        let testDescription: String
        /// One RPC; called with a number that never repeats.
        let rpc: @Sendable (Int) -> RPC
        let check: @Sendable (Bench) -> Void

        init(
            _ name: String,
            _ rpc: @escaping @Sendable (Int) -> RPC,
            _ check: @escaping @Sendable (Bench) -> Void
        ) {
            testDescription = name
            self.rpc = rpc
            self.check = check
        }
    }

    private static func bytes(_ number: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt64(number))
        return bytes
    }

    private static func ids(_ number: Int, _ count: Int) -> [[UInt8]] {
        (0..<count).map { digestID(bytes(number * count + $0)) }
    }

    static let floods = [
        Flood("unknown topics") { number in
            RPC(subscriptions: (0..<200).map { (Gossipsub.Topic("x\(number)-\($0)"), true) })
        } _: { bench in
            #expect(bench.machine.meshSnapshot().count == 1)
            // 2,048 are looked at, 32 kept; then each RPC costs, until nothing is read any more.
            let unread = 200 * bench.machine.counters[.graylisted]
            #expect(unread > 0)
            #expect(bench.machine.counters.subscriptionsSkipped + unread == 10_000 - 32)
            #expect(bench.machine.counters[charged: .subscriptionFlood] > 15)
            let score = bench.score(0)
            #expect(score < -2500, "graylisted")
        },
        Flood("messages of unknown topics") { number in
            RPC(messages: [RPC.Message(bytes(number), topic: Gossipsub.Topic("x\(number)"))])
        } _: { bench in
            #expect(bench.machine.counters[.unknownTopic] == 50)
            #expect(bench.machine.holdings.seen == 1)
        },
        Flood("IHAVE") { number in
            RPC(ihave: ids(number, 400))
        } _: { bench in
            #expect(bench.machine.counters.iwantIDsSent <= 3 * 4000)
            #expect(bench.machine.counters.idsSkipped >= 50 * 400 - 3 * 4000)
            #expect(bench.machine.holdings.wanted <= 8192)
        },
        Flood("IWANT of nothing") { number in
            RPC(iwant: ids(number, 400))
        } _: { bench in
            #expect(bench.machine.counters.iwantRefused >= 22 * 400)
            #expect(bench.machine.counters[charged: .iwantFlood] > 20)
            let score = bench.score(0)
            #expect(score < -2500, "graylisted")
            #expect(bench.machine.holdings.queuedCopies <= 1, "the honest peer's message")
        },
        Flood("IDONTWANT") { number in
            RPC(dontWant: ids(number, 400))
        } _: { bench in
            #expect(bench.machine.holdings.dontWant <= 1024)
        },
        Flood("GRAFT after PRUNE") { _ in
            RPC(grafts: [Bench.topic], prunes: [.init(topic: "t", backoff: 60)])
        } _: { bench in
            let score = bench.score(0)
            #expect(score < -2500, "graylisted")
            let isInMesh = bench.isInMesh(0)
            #expect(!isInMesh)
        },
        Flood("subscribe and unsubscribe") { number in
            RPC(subscriptions: (0..<100).map { (Bench.topic, $0 % 2 == number % 2) })
        } _: { bench in
            #expect(bench.machine.meshSnapshot()[0].subscriberCount <= 2)
        },
        Flood("PRUNE with many peers") { number in
            RPC(prunes: [
                .init(
                    topic: "t", backoff: 1,
                    peers: (0..<60).map { Bench.peer(1000 + (number * 60 + $0) % 4000).multihash })
            ])
        } _: { bench in
            #expect(bench.machine.counters.peerExchangeFollowed == 0)
        },
        Flood("messages that are too large") { number in
            RPC(messages: [RPC.Message([UInt8](repeating: UInt8(number), count: 20_000))])
        } _: { bench in
            let score = bench.score(0)
            #expect(score < -2500, "graylisted")
            #expect(bench.machine.counters[.graylisted] > 40)
        },
        Flood("messages without verdicts") { number in
            RPC(messages: (0..<100).map { RPC.Message(bytes(number * 100 + $0)) })
        } _: { bench in
            #expect(bench.machine.holdings.pending <= 1024)
            #expect(bench.machine.counters[.topicValidationQueueFull] > 3000)
        },
    ]

    @Test(arguments: floods) func aFloodIsBounded(_ flood: Flood) {
        let bench = Bench { $0.topics[0].sizeMax = 10_000 }
        bench.connect(0)
        bench.connect(1)
        bench.receive(1, RPC(messages: [RPC.Message([0xFE])]))
        for message in bench.takeDelivered() {
            bench.handle(.validated(message.handle, .accept))
        }
        for number in 0..<50 {
            bench.receive(0, flood.rpc(number))
            bench.outputs = []
            if number % 25 == 24 { bench.run(.seconds(1)) }
        }
        flood.check(bench)
        let holdings = bench.machine.holdings
        #expect(holdings.controlIDs <= 16_384)
        #expect(holdings.messageSize <= 40 << 20)
        // The honest peer is read and answered.
        _ = bench.drain(1)
        bench.receive(1, RPC(iwant: [digestID([0xFE])]))
        #expect(bench.drain(1).flatMap(\.messages) == [RPC.Message([0xFE])])
        let score = bench.score(1)
        #expect(score >= 0)
        // Nothing stays when the flooder goes, but its score.
        bench.handle(.peerDisconnected(Bench.peer(0)))
        bench.run(.seconds(200))
        let after = bench.machine.holdings
        #expect(after.peers == 1)
        #expect(after.wanted == 0)
        #expect(after.pending == 0)
        #expect(after.seen == 0)
        #expect(after.messages == 0)
        #expect(after.dontWant == 0)
        #expect(after.retainedPeers <= 1)
    }

    /// Whoever offers and does not send delays a message by one hedge, and pays.
    @Test func anOfferThatIsNotKeptCostsOneHedge() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        bench.receive(0, RPC(ihave: [digestID([42])]))
        bench.receive(1, RPC(ihave: [digestID([42])]))
        #expect(bench.drain(1).isEmpty)
        bench.run(.milliseconds(750))
        #expect(bench.drain(1).flatMap(\.iwant) == [digestID([42])])
        bench.receive(1, RPC(messages: [RPC.Message([42])]))
        #expect(bench.takeDelivered().count == 1)
    }

    @Test func unknownPeersAreCounted() {
        let bench = Bench()
        bench.receive(7, RPC(messages: [RPC.Message([1])]))
        #expect(bench.machine.counters[.unknownPeer] == 1)
        bench.handle(.peerDisconnected(Bench.peer(7)))
        bench.handle(.behaviourPenalty(Bench.peer(7), 1))
        bench.handle(.applicationScore(Bench.peer(7), 1))
        #expect(bench.machine.holdings.peers == 0)
    }

    /// Every reason for dropping a message adds up, whatever happens in what order.
    @Test(arguments: UInt64(0)..<30) func anySequenceOfInputsAddsUp(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let bench = Bench(seed: seed) { configuration in
            configuration.limits.queueSizePerPeerMax = 20_000
            configuration.limits.pendingSizeMax = 60_000
            configuration.limits.messageSizeTotalMax = 120_000
            configuration.limits.historySizeMax = 60_000
            configuration.limits.seenCountMax = 40
            configuration.largeMessageSizeMin = 3000
            configuration.score.isEnforced = seed % 2 == 0
        }
        var handles: [Gossipsub.MessageHandle] = []
        for step in 0..<400 {
            let peer = random.below(8)
            let data = [UInt8](repeating: UInt8(random.below(60)), count: 1 + random.below(6000))
            switch random.below(12) {
            case 0: bench.connect(peer, version: random.element(of: Gossipsub.Version.allCases)!)
            case 1: bench.handle(.peerDisconnected(Bench.peer(peer)))
            case 2, 3, 4: bench.receive(peer, RPC(messages: [RPC.Message(data)]))
            case 5:
                bench.receive(
                    peer,
                    RPC(ihave: [digestID(data)], iwant: [digestID(data)], dontWant: [digestID([1])])
                )
            case 6: bench.receive(peer, RPC(grafts: [Bench.topic]))
            case 7: bench.receive(peer, RPC(prunes: [.init(topic: "t", backoff: 1)]))
            case 8:
                bench.handle(
                    .publish(
                        Gossipsub.PublishID(UInt64(step)), Bench.topic, data: data,
                        Gossipsub.PublishOptions()))
            case 9: bench.run(.milliseconds(random.below(1500)))
            case 10: _ = bench.drain(peer)
            default:
                bench.handle(
                    random.chance(1, in: 3)
                        ? (random.chance(1, in: 2)
                            ? .subscribe(Bench.topic) : .unsubscribe(Bench.topic))
                        : .frameProgress(Bench.peer(peer), received: 1, expected: 100_000))
            }
            handles += bench.takeDelivered().map(\.handle)
            if let handle = handles.last, random.chance(1, in: 3) {
                handles.removeLast()
                bench.handle(
                    .validated(handle, random.element(of: Gossipsub.Verdict.allCases)!))
            }
        }
        // Bench checks the invariants after every input.
        #expect(bench.machine.holdings.messageSize <= 120_000)
    }

    /// As many topics as a node can have, told at once and again after a change of mind, are no flood.
    @Test func manySubscriptionsAreNoFlood() {
        let bench = Bench()
        bench.connect(0)
        for isSubscribed in [true, false] {
            for start in stride(from: 0, to: 1000, by: 250) {
                bench.receive(
                    0,
                    RPC(
                        subscriptions: (start..<start + 250).map {
                            (Gossipsub.Topic("x\($0)"), isSubscribed)
                        }))
            }
        }
        #expect(bench.machine.counters[charged: .subscriptionFlood] == 0)
        let score = bench.score(0)
        #expect(score >= 0)
    }

    /// Whoever announces more than anybody could want leaves room for what others announce.
    @Test(arguments: [1, 2, 8, 40]) func announcementsOfOthersAreFollowedAllTheSame(attackers: Int)
    {
        let bench = Bench()
        let honest = attackers
        for index in 0...attackers { bench.connect(index) }
        for round in 0..<3 {
            for index in 0..<attackers {
                for part in 0..<10 {
                    bench.receive(
                        index,
                        RPC(ihave: Self.ids((index * 10 + part) * 3 + round + 1000, 400)))
                }
            }
            let wanted = bench.machine.holdings.wanted
            #expect(wanted <= 8192)
            #expect(wanted < 8192 || attackers > 40, "something is left")
            _ = bench.drain(honest)
            let ids = (0..<20).map { digestID(Self.bytes(1_000_000_000 + round * 20 + $0)) }
            bench.receive(honest, RPC(ihave: ids))
            let asked = bench.drain(honest).flatMap(\.iwant)
            #expect(Set(asked) == Set(ids), "round \(round)")
            bench.run(.seconds(1))
        }
        let fault = bench.machine.checkInvariants()
        #expect(fault == nil)
    }

    /// What a peer wanted is given back when it comes, goes or is given up.
    @Test func aShareIsGivenBack() {
        let bench = Bench()
        bench.connect(0)
        for round in 0..<6 {
            let ids = Self.ids(round + 77, 400)
            bench.receive(0, RPC(ihave: ids))
            bench.run(.seconds(10))
            #expect(bench.machine.holdings.wanted == 0)
        }
        #expect(bench.machine.counters.iwantIDsSent == 6 * 400)
        #expect(bench.machine.counters.idsSkipped == 0)
    }
}
