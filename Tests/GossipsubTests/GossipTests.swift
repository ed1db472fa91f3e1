import ChoraleBase
import Gossipsub
import PeerIdentity
import Testing

@Suite struct GossipTests {
    static let topic = Bench.topic
    static let missing = digestID([42])

    // MARK: IHAVE and IWANT

    @Test func oneIsAskedAndTheNextAfterTheHedgeDelay() {
        let bench = Bench()
        for index in 0..<3 {
            bench.connect(index)
            _ = bench.drain(index)
        }
        for index in 0..<3 { bench.receive(index, RPC(ihave: [Self.missing])) }
        #expect(bench.drain(0) == [RPC(iwant: [Self.missing])])
        #expect(bench.drain(1).isEmpty)
        bench.run(.milliseconds(749))
        #expect(bench.drain(1).flatMap(\.iwant).isEmpty)
        bench.run(.milliseconds(1))
        #expect(bench.drain(1).flatMap(\.iwant) == [Self.missing])
        #expect(bench.drain(2).flatMap(\.iwant).isEmpty)
        bench.run(.milliseconds(750))
        #expect(bench.drain(2).flatMap(\.iwant) == [Self.missing])
        #expect(bench.machine.counters.iwantHedges == 2)
    }

    @Test func whatArrivesIsNotAskedForAgain() {
        let bench = Bench()
        for index in 0..<2 { bench.connect(index) }
        for index in 0..<2 { bench.receive(index, RPC(ihave: [Self.missing])) }
        bench.receive(0, RPC(messages: [RPC.Message([42])]))
        bench.drainAll(0..<2)
        bench.run(.seconds(5))
        #expect(bench.drain(1).flatMap(\.iwant).isEmpty)
        #expect(bench.machine.holdings.wanted == 0)
        #expect(bench.machine.counters.iwantBroken == 0)
    }

    @Test func aBrokenPromiseIsCharged() {
        let bench = Bench()
        bench.connect(0)
        bench.receive(0, RPC(ihave: [Self.missing, digestID([43]), digestID([44])]))
        bench.run(.seconds(4))
        let causes = bench.machine.explain(Bench.peer(0), now: bench.clock)!.movements.map(\.cause)
        #expect(causes == [.brokenPromise], "one of a batch")
        #expect(bench.machine.holdings.wanted == 0)
    }

    @Test func ourOwnOverloadIsNobodysBrokenPromise() {
        let bench = Bench { $0.topics[0].validationCountMax = 1 }
        bench.connect(0)
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        bench.receive(0, RPC(ihave: [Self.missing]))
        bench.receive(0, RPC(messages: [RPC.Message([42])]))
        #expect(bench.machine.counters[.topicValidationQueueFull] == 1)
        bench.run(.seconds(4))
        #expect(bench.machine.counters.iwantBroken == 0)
    }

    @Test func aLargeFrameOnItsWayHoldsRequestsBack() {
        let bench = Bench()
        for index in 0..<2 {
            bench.connect(index)
            _ = bench.drain(index)
        }
        bench.handle(.frameProgress(Bench.peer(1), received: 1000, expected: 900_000))
        bench.receive(0, RPC(ihave: [Self.missing]))
        #expect(bench.drain(0).isEmpty)
        // It is another message: now we ask.
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        #expect(bench.drain(0).flatMap(\.iwant) == [Self.missing])
    }

    @Test func aFrameThatStallsHoldsNothingUp() {
        let bench = Bench()
        for index in 0..<2 { bench.connect(index) }
        bench.handle(.frameProgress(Bench.peer(1), received: 1000, expected: 900_000))
        bench.receive(0, RPC(ihave: [Self.missing]))
        bench.drainAll(0..<1)
        bench.run(.milliseconds(400))
        #expect(bench.drain(0).flatMap(\.iwant) == [Self.missing])
    }

    @Test func ihaveIsLimitedPerHeartbeat() {
        let bench = Bench()
        bench.connect(0)
        bench.run(.milliseconds(1500))
        for number in 0..<12 { bench.receive(0, RPC(ihave: [digestID([UInt8(number)])])) }
        #expect(bench.machine.counters.iwantIDsSent == 10)
        #expect(bench.machine.counters.idsSkipped == 2)
        bench.run(.seconds(1))
        bench.receive(0, RPC(ihave: [Self.missing]))
        #expect(bench.machine.counters.iwantIDsSent == 11)
    }

    @Test func ihaveBelowTheGossipThresholdIsIgnored() {
        let bench = Bench()
        bench.connect(0)
        bench.handle(.applicationScore(Bench.peer(0), -501))
        bench.receive(0, RPC(ihave: [Self.missing]))
        #expect(bench.machine.counters.iwantIDsSent == 0)
        bench.handle(.applicationScore(Bench.peer(0), -499))
        bench.receive(0, RPC(ihave: [Self.missing]))
        #expect(bench.machine.counters.iwantIDsSent == 1)
    }

    @Test func iwantIsAnsweredThreeTimes() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.receive(0, RPC(messages: [RPC.Message([42])]))
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        _ = bench.drain(1)
        for _ in 0..<3 {
            bench.receive(1, RPC(iwant: [Self.missing]))
            #expect(bench.drain(1).flatMap(\.messages) == [RPC.Message([42])])
        }
        bench.receive(1, RPC(iwant: [Self.missing, digestID([99])]))
        #expect(bench.drain(1).isEmpty)
        #expect(bench.machine.counters.iwantRefused == 2)
    }

    @Test func unvalidatedMessagesAreNotGivenOut() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.receive(0, RPC(messages: [RPC.Message([42])]))
        bench.receive(1, RPC(iwant: [Self.missing]))
        #expect(bench.drain(1).flatMap(\.messages).isEmpty)
    }

    @Test func heartbeatsAnnounceToThoseOutsideTheMesh() {
        let bench = Bench { $0.floodPublish = false }
        for index in 0..<20 { bench.connect(index) }
        bench.run(.milliseconds(1500))
        bench.drainAll(0..<20)
        bench.handle(
            .publish(
                Gossipsub.PublishID(1), Self.topic, data: [42], Gossipsub.PublishOptions()))
        bench.run(.milliseconds(1000))
        var announced: [Int] = []
        for index in 0..<20 {
            let rpcs = bench.drain(index)
            #expect(rpcs.flatMap(\.messages).isEmpty == !bench.isInMesh(index))
            if rpcs.flatMap(\.ihave) == [RPC.IHave(topic: "t", ids: [Self.missing])] {
                announced.append(index)
                #expect(!bench.isInMesh(index))
            }
        }
        #expect(announced.count == 6)
        // Three heartbeats of gossip, five in which it can be had.
        bench.run(.seconds(3))
        bench.drainAll(0..<20)
        bench.run(.seconds(1))
        for index in 0..<20 { #expect(bench.drain(index).flatMap(\.ihave).isEmpty) }
        bench.receive(announced[0], RPC(iwant: [Self.missing]))
        #expect(bench.drain(announced[0]).flatMap(\.messages) == [RPC.Message([42])])
        bench.run(.seconds(2))
        bench.receive(announced[1], RPC(iwant: [Self.missing]))
        #expect(bench.drain(announced[1]).isEmpty)
        #expect(bench.machine.holdings.messages == 0)
    }

    // MARK: IDONTWANT

    static let large = [UInt8](repeating: 3, count: 5000)

    @Test func dontWantGoesOutBeforeTheVerdict() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.connect(2, version: .v1_1)
        bench.drainAll(0..<3)
        bench.receive(0, RPC(messages: [RPC.Message(Self.large)]))
        #expect(bench.drain(0).isEmpty, "not to whoever brought it")
        #expect(bench.drain(1) == [RPC(dontWant: [digestID(Self.large)])])
        #expect(bench.drain(2).isEmpty, "not to whoever does not know it")
    }

    @Test func smallMessagesAreNotWorthADontWant() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        bench.receive(0, RPC(messages: [RPC.Message([UInt8](repeating: 1, count: 4095))]))
        #expect(bench.drain(1).isEmpty)
    }

    @Test(arguments: [true, false])
    func dontWantIsHonoured(isQueued: Bool) {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        if !isQueued { bench.receive(1, RPC(dontWant: [digestID(Self.large)])) }
        bench.receive(0, RPC(messages: [RPC.Message(Self.large)]))
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        if isQueued {
            #expect(bench.machine.holdings.queuedCopies == 1)
            bench.receive(1, RPC(dontWant: [digestID(Self.large)]))
            #expect(bench.machine.counters[.peerHasIt] == 1)
        }
        #expect(bench.machine.holdings.queuedCopies == 0)
        #expect(bench.drain(1).flatMap(\.messages).isEmpty)
    }

    @Test func aDontWantIsForgottenAfterThreeHeartbeats() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.receive(1, RPC(dontWant: [digestID(Self.large)]))
        #expect(bench.machine.holdings.dontWant == 1)
        bench.run(.seconds(4))
        #expect(bench.machine.holdings.dontWant == 0)
    }

    @Test func aDuplicateDropsTheCopyThatWaitsForItsSender() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        bench.receive(0, RPC(messages: [RPC.Message([7])]))
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        bench.receive(1, RPC(messages: [RPC.Message([7])]))
        #expect(bench.drain(1).isEmpty)
        #expect(bench.machine.counters[.duplicate] == 1)
    }

    // MARK: Large messages

    static let huge = [UInt8](repeating: 9, count: 100_000)

    /// The last that refers to a message is a copy for a peer that is slow, and that sends it itself.
    @Test func aDuplicateMayDropTheLastCopyOfAMessage() {
        let bench = Bench()
        for index in 0..<3 { bench.connect(index) }
        for index in 0..<3 { bench.receive(index, RPC(grafts: ["t"])) }
        bench.drainAll(0..<3)
        bench.receive(0, RPC(messages: [.init([1])]))
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        // Out of the history, and not yet too late to be sent.
        bench.run(.seconds(8))
        #expect(bench.machine.holdings.messages == 1)
        _ = bench.drain(2)
        bench.receive(1, RPC(messages: [.init([1])]))
        #expect(bench.machine.counters[.duplicate] == 1)
        #expect(bench.machine.counters[.peerHasIt] == 1)
        #expect(bench.machine.holdings.messages == 0)
    }

    /// What one peer had, another that comes into its place has not.
    @Test func whoeverComesNextHasNothing() {
        let bench = Bench()
        for index in 0..<2 { bench.connect(index) }
        for index in 0..<2 { bench.receive(index, RPC(grafts: ["t"])) }
        bench.drainAll(0..<2)
        bench.receive(0, RPC(messages: [.init([1])]))
        let handle = bench.takeDelivered()[0].handle
        bench.receive(1, RPC(messages: [.init([1])]))
        bench.handle(.peerDisconnected(Bench.peer(1)))
        bench.connect(2)
        bench.receive(2, RPC(grafts: ["t"]))
        _ = bench.drain(2)
        bench.handle(.validated(handle, .accept))
        #expect(bench.drain(2).flatMap(\.messages).count == 1)
        #expect(bench.drain(0).flatMap(\.messages).isEmpty)
    }

    @Test func largeMessagesAreOfferedToV12AndPushedToOthers() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.connect(2, version: .v1_1)
        bench.drainAll(0..<3)
        bench.receive(0, RPC(messages: [RPC.Message(Self.huge)]))
        _ = bench.drain(1)
        bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
        #expect(bench.drain(1) == [RPC(ihave: [digestID(Self.huge)])])
        #expect(bench.drain(2) == [RPC(messages: [RPC.Message(Self.huge)])])
        bench.receive(1, RPC(iwant: [digestID(Self.huge)]))
        #expect(bench.drain(1) == [RPC(messages: [RPC.Message(Self.huge)])])
    }

    @Test func offersBeyondWhatPeersHeedArePushed() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        var offered = 0
        var pushed = 0
        for number in 0..<12 {
            var data = Self.huge
            data[0] = UInt8(number)
            bench.receive(0, RPC(messages: [RPC.Message(data)]))
            bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
            let rpcs = bench.drain(1)
            offered += rpcs.flatMap(\.ihave).count
            pushed += rpcs.flatMap(\.messages).count
        }
        #expect(offered == 8)
        #expect(pushed == 4)
    }

    /// A peer that never answers offers is pushed to, late the first two times.
    @Test func whoeverNeverAsksIsPushedTo() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        for number in 0..<3 {
            var data = Self.huge
            data[0] = UInt8(number)
            bench.receive(0, RPC(messages: [RPC.Message(data)]))
            bench.handle(.validated(bench.takeDelivered()[0].handle, .accept))
            let atOnce = bench.drain(1).flatMap(\.messages)
            bench.run(.seconds(2))
            let later = bench.drain(1).flatMap(\.messages)
            #expect(atOnce == (number < 2 ? [] : [RPC.Message(data)]))
            #expect(later == (number < 2 ? [RPC.Message(data)] : []))
        }
    }

    @Test func ownLargeMessagesArePushedToSome() {
        let bench = Bench()
        for index in 0..<6 { bench.connect(index) }
        bench.run(.seconds(2))
        bench.drainAll(0..<6)
        bench.handle(
            .publish(
                Gossipsub.PublishID(1), Self.topic, data: Self.huge, Gossipsub.PublishOptions()))
        let receipts = bench.takeOutputs().compactMap { output -> Gossipsub.PublishReceipt? in
            if case .receipt(_, let receipt) = output { receipt } else { nil }
        }
        let id = Gossipsub.MessageID(digestID(Self.huge))
        let meshCount = bench.mesh.count
        #expect(receipts == [.queued(id: id, queuedTo: 3, announcedTo: meshCount - 3)])
    }
}
