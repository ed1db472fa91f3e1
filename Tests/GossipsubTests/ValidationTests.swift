import ChoraleBase
import Crypto
import Gossipsub
import PeerIdentity
import Testing

@Suite struct ValidationTests {
    static let topic = Bench.topic

    private static func deliver(_ bench: Bench, from peer: Int, _ data: [UInt8])
        -> Gossipsub.MessageHandle
    {
        bench.receive(peer, RPC(messages: [RPC.Message(data)]))
        return bench.takeDelivered()[0].handle
    }

    @Test func acceptedMessagesAreForwardedAndCredited() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        let handle = Self.deliver(bench, from: 0, [1])
        #expect(bench.drain(1).isEmpty, "nothing is forwarded before the verdict")
        bench.handle(.validated(handle, .accept))
        #expect(bench.drain(1) == [RPC(messages: [RPC.Message([1])])])
        #expect(bench.drain(0).isEmpty, "never back to where it came from")
        let explanation = bench.machine.explain(Bench.peer(0), now: bench.clock)!
        #expect(explanation.movements.map(\.cause) == [.firstDelivery])
        #expect(bench.machine.counters.messagesAccepted == 1)
        // Late and repeated verdicts are expected.
        bench.handle(.validated(handle, .reject))
        #expect(bench.machine.counters[.rejected] == 0)
    }

    @Test func ignoredMessagesBlameNobody() {
        let bench = Bench()
        bench.connect(0)
        bench.connect(1)
        let handle = Self.deliver(bench, from: 0, [1])
        bench.handle(.validated(handle, .ignore))
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        #expect(bench.machine.counters[.ignored] == 1)
        #expect(bench.machine.counters[.duplicate] == 1)
        for peer in 0..<2 {
            let movements = bench.machine.explain(Bench.peer(peer), now: bench.clock)!.movements
            #expect(movements.isEmpty)
        }
        #expect(bench.machine.holdings.messages == 0)
    }

    @Test func everybodyWhoBroughtARejectedMessageIsCharged() {
        let bench = Bench()
        for peer in 0..<4 { bench.connect(peer) }
        let handle = Self.deliver(bench, from: 0, [1])
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        // Saying that one has it is not bringing it.
        bench.receive(3, RPC(dontWant: [digestID([1])]))
        bench.handle(.validated(handle, .reject))
        bench.receive(2, RPC(messages: [RPC.Message([1])]))
        for (peer, isCharged) in [(0, true), (1, true), (2, true), (3, false)] {
            let explanation = bench.machine.explain(Bench.peer(peer), now: bench.clock)!
            #expect((explanation.topics.first?.invalidMessages ?? 0) == (isCharged ? -100 : 0))
        }
    }

    @Test func aThrottledMessageIsNotSeen() {
        let bench = Bench { $0.topics[0].validationCountMax = 1 }
        bench.connect(0)
        bench.connect(1)
        let handle = Self.deliver(bench, from: 0, [1])
        bench.receive(0, RPC(messages: [RPC.Message([2])]))
        #expect(bench.machine.counters[.topicValidationQueueFull] == 1)
        #expect(bench.takeDelivered().isEmpty)
        bench.handle(.validated(handle, .accept))
        bench.receive(1, RPC(messages: [RPC.Message([2])]))
        #expect(bench.takeDelivered().map(\.data) == [[2]])
        let explanation = bench.machine.explain(Bench.peer(0), now: bench.clock)!
        #expect(explanation.total > 0)
    }

    @Test func onePeerCannotFillTheTable() {
        let bench = Bench { $0.limits.pendingSizePerPeerMax = 10_000 }
        bench.connect(0)
        bench.connect(1)
        for number in 0..<3 {
            bench.receive(
                0, RPC(messages: [RPC.Message([UInt8](repeating: UInt8(number), count: 4000))]))
        }
        #expect(bench.machine.counters[.peerValidationQueueFull] == 1)
        bench.receive(1, RPC(messages: [RPC.Message([UInt8](repeating: 2, count: 4000))]))
        #expect(bench.takeDelivered().count == 3)
    }

    @Test func intakePausesAndResumes() {
        let bench = Bench { $0.limits.pendingCountMax = 8 }
        bench.connect(0)
        for number in 0..<10 { bench.receive(0, RPC(messages: [RPC.Message([UInt8(number)])])) }
        var isPaused = false
        var handles: [Gossipsub.MessageHandle] = []
        for output in bench.takeOutputs() {
            if case .pauseIntake = output { isPaused = true }
            if case .deliver(let message) = output { handles.append(message.handle) }
        }
        #expect(isPaused)
        #expect(handles.count == 8)
        #expect(bench.machine.counters[.validationQueueFull] == 2)
        for handle in handles.prefix(4) { bench.handle(.validated(handle, .ignore)) }
        let isResumed = bench.takeOutputs().contains {
            if case .resumeIntake = $0 { true } else { false }
        }
        #expect(isResumed)
    }

    @Test func aVerdictThatNeverComesIsGivenUp() {
        let bench = Bench { $0.topics[0].lifetime = .seconds(5) }
        bench.connect(0)
        let handle = Self.deliver(bench, from: 0, [1])
        bench.run(.seconds(8))
        #expect(bench.machine.counters[.verdictOverdue] == 1)
        #expect(bench.machine.holdings.pending == 0)
        bench.handle(.validated(handle, .accept))
        #expect(bench.machine.counters.messagesAccepted == 0)
    }

    // Found by fuzzing: the cache forgets by age and for want of room, whatever is still held.
    @Test(arguments: [false, true]) func aHeldMessageIsKnownThoughTheCacheForgotIt(byAge: Bool) {
        let bench = Bench {
            $0.limits.seenCountMax = byAge ? 100 : 2
            $0.seenLifetime = .seconds(5)
        }
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        let handle = Self.deliver(bench, from: 0, [1])
        if byAge {
            bench.run(.seconds(8))
            #expect(bench.machine.holdings.seen == 0)
        } else {
            for number in UInt8(2)...3 { bench.receive(0, RPC(messages: [RPC.Message([number])])) }
        }
        #expect(bench.machine.holdings.pending == (byAge ? 1 : 3))
        _ = bench.takeOutputs()

        // Neither asked for, which would end in a broken promise of whoever sends it, nor new.
        bench.receive(1, RPC(ihave: [digestID([1])]))
        #expect(bench.machine.counters.iwantIDsSent == 0)
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        #expect(bench.machine.counters[.duplicate] == 1)
        #expect(bench.takeDelivered().isEmpty)
        bench.handle(.validated(handle, .accept))
        #expect(bench.machine.counters.messagesAccepted == 1)
        bench.receive(1, RPC(messages: [RPC.Message([1])]))
        #expect(bench.machine.counters[.duplicate] == 2)
    }

    @Test func withoutValidationDeliveryIsAcceptance() {
        let bench = Bench { $0.topics[0].validation = .none }
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        bench.receive(0, RPC(messages: [RPC.Message([1])]))
        #expect(bench.takeDelivered().map(\.needsVerdict) == [false])
        #expect(bench.drain(1).flatMap(\.messages) == [RPC.Message([1])])
    }

    // MARK: Refusals

    struct Refusal: CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout RPC.Message) -> Void
        let reason: Gossipsub.DropReason
        let isCharged: Bool

        init(
            _ name: String,
            _ reason: Gossipsub.DropReason,
            charged: Bool = true,
            _ change: @escaping @Sendable (inout RPC.Message) -> Void
        ) {
            testDescription = name
            self.reason = reason
            isCharged = charged
            self.change = change
        }
    }

    static let unsignedRefusals = [
        Refusal("no topic", .topicMissing, charged: false) { $0.topic = nil },
        Refusal("a topic that we do not have", .unknownTopic, charged: false) { $0.topic = "u" },
        Refusal("a topic that we left", .notSubscribed, charged: false) { $0.topic = "quiet" },
        Refusal("one byte too large", .payloadTooLarge) {
            $0.data = [UInt8](repeating: 0, count: 10_001)
        },
        Refusal("an empty author", .unexpectedAuthentication) { $0.from = [] },
        Refusal("an empty sequence number", .unexpectedAuthentication) { $0.sequenceNumber = [] },
        Refusal("an empty signature", .unexpectedAuthentication) { $0.signature = [] },
        Refusal("an empty key", .unexpectedAuthentication) { $0.key = [] },
    ]

    @Test(arguments: unsignedRefusals) func refusesUnsigned(_ row: Refusal) {
        let bench = Bench {
            $0.topics[0].sizeMax = 10_000
            $0.topics.append(digestTopic("quiet"))
        }
        Self.check(bench, row, RPC.Message([1]))
    }

    static let author = TestNetwork.key(77)

    static let signedRefusals = [
        Refusal("no author", .missingAuthor) { $0.from = nil },
        Refusal("an author that is no peer id", .invalidAuthor) { $0.from = [1, 2, 3] },
        Refusal("an author longer than any peer id", .invalidAuthor) {
            $0.from = [UInt8](repeating: 0, count: 45)
        },
        Refusal("no sequence number", .missingSequenceNumber) { $0.sequenceNumber = nil },
        Refusal("a short sequence number", .invalidSequenceNumber) { $0.sequenceNumber = [1] },
        Refusal("a long sequence number", .invalidSequenceNumber) {
            $0.sequenceNumber = [UInt8](repeating: 1, count: 9)
        },
        Refusal("no signature", .missingSignature) { $0.signature = nil },
        Refusal("an empty signature", .missingSignature) { $0.signature = [] },
        Refusal("our own name", .selfOrigin, charged: false) {
            $0.from = TestNetwork.key(5000).peerID.multihash
        },
        Refusal("another's signature", .badSignature) { $0.signature![3] ^= 1 },
        Refusal("a changed payload", .badSignature) { $0.data = [2] },
        Refusal("somebody else's key", .badSignature) {
            $0.key = TestNetwork.key(78).publicKey.encoded
        },
        Refusal("a key that is none", .badSignature) { $0.key = [1] },
    ]

    @Test(arguments: signedRefusals) func refusesSigned(_ row: Refusal) {
        // Signed first, spoiled afterwards: only the named fault is there.
        Self.check(Self.signedBench(), row, Self.signedMessage([1], number: 1))
    }

    static func signedMessage(_ data: [UInt8], number: UInt8) -> RPC.Message {
        var message = RPC.Message(data)
        message.from = author.peerID.multihash
        message.sequenceNumber = [0, 0, 0, 0, 0, 0, 0, number]
        message.signature = author.sign(Array("libp2p-pubsub:".utf8) + RPC.encode(message))
        return message
    }

    static func signedBench() -> Bench {
        Bench {
            let key = TestNetwork.key(5000)
            $0.localPeer = key.peerID
            $0.signaturePolicy = .strictSign(Gossipsub.SigningKey(key))
            $0.topics = [Gossipsub.TopicParameters(Bench.topic)]
        }
    }

    private static func check(_ bench: Bench, _ row: Refusal, _ good: RPC.Message) {
        var message = good
        row.change(&message)
        bench.connect(0)
        bench.receive(0, RPC(messages: [message]))
        runChecks(bench)
        #expect(bench.machine.counters[row.reason] == 1)
        #expect(bench.machine.counters.messagesDropped == 1)
        let score = bench.score(0)
        #expect((score < 0) == row.isCharged)
        #expect(bench.machine.holdings.messages == 0)
    }

    private static func runChecks(_ bench: Bench) {
        for case .checkSignature(let job, let check) in bench.outputs {
            bench.handle(.signatureChecked(job, isValid: check.run()))
        }
    }

    /// The identifier does not cover the signature, so whoever forges a message in an author's name
    /// takes its identifier. That must harm nobody but the forger.
    @Test func aForgeryHarmsOnlyItsSender() {
        let bench = Self.signedBench()
        for index in 0...2 { bench.connect(index) }
        let genuine = Self.signedMessage([1], number: 1)
        var forged = genuine
        forged.signature?[3] ^= 1
        for round in 1...3 {
            bench.outputs = []
            bench.receive(0, RPC(messages: [forged]))
            bench.receive(1, RPC(messages: [genuine]))
            Self.runChecks(bench)
            #expect(bench.takeDelivered().isEmpty)
            #expect(bench.machine.counters[.badSignature] == UInt64(round))
        }
        let scores = (0...2).map { bench.score($0) }
        #expect(scores[0] < 0)
        #expect(scores[1] >= 0, "an honest relay pays nothing")
        bench.outputs = []
        bench.receive(2, RPC(messages: [genuine]))
        Self.runChecks(bench)
        #expect(bench.takeDelivered().map(\.author) == [Self.author.peerID])
        bench.receive(1, RPC(messages: [genuine]))
        #expect(bench.takeDelivered().isEmpty, "now it is a duplicate")
    }

    @Test func acceptsASignedMessageWithAndWithoutItsKey() {
        for key in [nil, [], Self.author.publicKey.encoded] as [[UInt8]?] {
            let bench = Self.signedBench()
            bench.connect(0)
            var message = Self.signedMessage([1], number: 1)
            message.key = key
            bench.receive(0, RPC(messages: [message]))
            Self.runChecks(bench)
            #expect(bench.takeDelivered().map(\.author) == [Self.author.peerID])
        }
    }

    /// Others encode a message again before they check it, so what we pass on must be what they would
    /// encode.
    @Test func aMessageInAnotherOrderIsPassedOnInOrder() {
        let bench = Self.signedBench()
        bench.connect(0)
        bench.connect(1)
        bench.drainAll(0..<2)
        let message = Self.signedMessage([1, 2, 3], number: 4)
        let shuffled =
            RPC.field(5, message.signature!) + RPC.field(4, Array(message.topic!.utf8))
            + RPC.field(2, [9]) + RPC.field(1, message.from!) + RPC.field(2, message.data!)
            + RPC.field(3, message.sequenceNumber!) + [0x78, 0x01]
        bench.handle(.rpcReceived(Bench.peer(0), RPC.field(2, shuffled)))
        Self.runChecks(bench)
        let delivered = bench.takeDelivered()
        #expect(delivered.map(\.data) == [[1, 2, 3]])
        bench.handle(.validated(delivered[0].handle, .accept))
        #expect(bench.drain(1).flatMap(\.messages) == [message])
    }
}
