import ChoraleBase
import Crypto
import PeerIdentity
import Testing

@testable import Gossipsub

@Suite struct WireTests {
    static let everything: RPC = {
        var rpc = RPC(
            subscriptions: [(Bench.topic, true), ("other", false)],
            messages: [RPC.Message([1, 2, 3]), RPC.Message([UInt8](repeating: 4, count: 300))],
            ihave: [digestID([5]), digestID([6])],
            iwant: [digestID([7])],
            grafts: [Bench.topic],
            prunes: [
                .init(
                    topic: "other", backoff: 300, peers: [Bench.peer(8).multihash],
                    records: [[1, 2]])
            ],
            dontWant: [digestID([9])])
        rpc.messages[1].signature = [1]
        return rpc
    }()

    @Test func readsWhatAnIndependentWriterWrites() throws {
        let bytes = Self.everything.encoded
        let rpc = try GossipRPC(bytes.span, limits: Gossipsub.Limits())
        func read(_ ranges: [Range<Int>]) -> [[UInt8]] { ranges.map { Array(bytes[$0]) } }
        let payloads = read(rpc.messages.compactMap(\.data))
        let announced = read(rpc.ids)
        let wanted = read(rpc.iwant)
        let unwanted = read(rpc.dontWant)
        let subscriptions = rpc.subscriptions.map(\.isSubscribed)
        let areCanonical = rpc.messages.map(\.isCanonical)
        let backoffs = rpc.prunes.map(\.backoffSeconds)
        #expect(subscriptions == [true, false])
        #expect(payloads == Self.everything.messages.compactMap(\.data))
        #expect(areCanonical == [true, true])
        #expect(announced == Self.everything.ihave[0].ids)
        #expect(wanted == Self.everything.iwant)
        #expect(unwanted == Self.everything.dontWant)
        #expect(backoffs == [300])
        #expect(rpc.grafts.count == 1)
        #expect(rpc.unknownFields == 0)
    }

    /// A frame cut anywhere is read as what is whole in it, or refused; it never traps.
    @Test func anyTruncationIsHarmless() {
        let bytes = Self.everything.encoded
        for end in 0..<bytes.count {
            let bench = Bench()
            bench.connect(0)
            let before = bench.machine.counters.framesReceived
            bench.handle(.rpcReceived(Bench.peer(0), Array(bytes[..<end])))
            #expect(bench.machine.counters.framesReceived == before + 1)
        }
    }

    @Test(arguments: UInt64(0)..<40)
    func anyDamageIsHarmless(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let bench = Bench(seed: seed)
        for index in 0..<3 { bench.connect(index) }
        for _ in 0..<100 {
            var bytes = Self.everything.encoded
            for _ in 0..<random.integer(in: 1...4) {
                bytes[random.below(bytes.count)] = UInt8(random.below(256))
            }
            bench.handle(.rpcReceived(Bench.peer(random.below(3)), bytes))
            if random.chance(1, in: 10) { bench.run(.milliseconds(700)) }
            for message in bench.takeDelivered() {
                bench.handle(
                    .validated(message.handle, random.element(of: Gossipsub.Verdict.allCases)!))
            }
            bench.drainAll(0..<3)
        }
    }

    @Test func extensionsAreSkipped() {
        let bench = Bench()
        bench.connect(0)
        // partial = 10, testExtension = 6492434, and control.extensions = 6.
        let bytes: [UInt8] =
            RPC.field(10, [1, 2, 3]) + [0x92, 0xA1, 0xE2, 0x18, 0x01, 0xAA]
            + RPC.field(3, RPC.field(6, [0x50, 0x01])) + RPC.field(2, RPC.encode(RPC.Message([1])))
        bench.handle(.rpcReceived(Bench.peer(0), bytes))
        #expect(bench.takeDelivered().map(\.data) == [[1]])
        #expect(bench.machine.counters.unknownFields == 3)
        #expect(bench.machine.counters[.malformedFrame] == 0)
    }

    @Test func aMalformedFrameIsDroppedAsAWholeAndCharged() {
        let bench = Bench()
        bench.connect(0)
        let bytes = RPC.field(2, RPC.encode(RPC.Message([1]))) + [0x1A, 0x7F]
        bench.handle(.rpcReceived(Bench.peer(0), bytes))
        #expect(bench.takeDelivered().isEmpty)
        #expect(bench.machine.counters[.malformedFrame] == 1)
        let causes = bench.machine.explain(Bench.peer(0), now: bench.clock)!.movements.map(\.cause)
        #expect(causes == [.malformedFrame])
    }

    @Test func unusableIdentifiersAreSkipped() {
        let bench = Bench()
        bench.connect(0)
        bench.receive(
            0,
            RPC(
                ihave: [[UInt8](repeating: 1, count: 65), [UInt8](repeating: 1, count: 64)],
                iwant: [[UInt8](repeating: 1, count: 65)],
                dontWant: [[UInt8](repeating: 1, count: 65)]))
        #expect(bench.machine.counters.idsSkipped == 3)
        #expect(bench.machine.counters.iwantIDsSent == 1)
    }

    /// From the reference implementation's table: key 00…0f, messages 00, 00 01, ….
    @Test func sipHashAgreesWithItsReference() {
        let hash = MessageKeyHash(key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))
        func digest(_ size: Int) -> String {
            let key = hash((0..<size).map { UInt8($0) })
            var bytes: [UInt8] = []
            bytes.appendLittleEndian(key.low)
            bytes.appendLittleEndian(key.high)
            return Hex.encode(bytes)
        }
        #expect(digest(0) == "a3817f04ba25a8e66df67214c7550293")
        #expect(digest(1) == "da87c1d86b99af44347659119b22fc45")
    }

    @Test func snappyDomainIdentifiers() {
        // The block for "abc": length 3, then a literal.
        let block: [UInt8] = [3, 2 << 2, 0x61, 0x62, 0x63]
        let valid = MessageIDs.snappyDomain(block.span, topic: nil, uncompressedSizeMax: 100)
        #expect(valid == Array(SHA256.hash([1, 0, 0, 0, 0x61, 0x62, 0x63]).bytes.prefix(20)))
        let withTopic = MessageIDs.snappyDomain(
            block.span, topic: [0x74], uncompressedSizeMax: 100)
        let input: [UInt8] = [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x74, 0x61, 0x62, 0x63]
        #expect(withTopic == Array(SHA256.hash(input).bytes.prefix(20)))
        let invalid = MessageIDs.snappyDomain([9, 9].span, topic: nil, uncompressedSizeMax: 100)
        #expect(invalid == Array(SHA256.hash([0, 0, 0, 0, 9, 9]).bytes.prefix(20)))
        // A claim above the limit is not decompressed.
        let tooLarge = MessageIDs.snappyDomain(block.span, topic: nil, uncompressedSizeMax: 2)
        #expect(tooLarge == Array(SHA256.hash([0, 0, 0, 0] + block).bytes.prefix(20)))
    }

    @Test func theSeenCacheForgetsTheOldestFirst() {
        var cache = SeenCache(lifetime: .seconds(10), countMax: 3)
        let keys = (0..<5).map { MessageKey(low: UInt64($0), high: 0) }
        for (index, key) in keys.enumerated() {
            cache.insert(key, .valid, now: MonotonicInstant(nanoseconds: Int64(index)))
        }
        #expect(keys.map { cache.status($0) != nil } == [false, false, true, true, true])
        cache.update(keys[4], .invalid)
        cache.update(keys[0], .invalid)
        #expect(cache.status(keys[4]) == .invalid)
        #expect(cache.status(keys[0]) == nil)
        cache.expire(now: MonotonicInstant(nanoseconds: 10_000_000_003))
        #expect(keys.map { cache.status($0) != nil } == [false, false, false, false, true])
        #expect(cache.count == 1)
    }
}
