import ChoraleBase
import ChoraleTypes
import Codec
import OrderedCollections
import PeerIdentity
import Testing

@testable import Bodies

/// What the limits say of memory, and what the types really take.
@Suite struct MemoryTests {
    private typealias Entry = Bodies.Limits.Entry

    private static func pair<Key, Value>(_: Key.Type, _: Value.Type) -> Int {
        MemoryLayout<Key>.stride + MemoryLayout<Value>.stride
    }

    private static func stride<Value>(_: Value) -> Int { MemoryLayout<Value>.stride }

    /// Entries of hash tables: up to twice the room, and the hashes.
    private static let entries: [(name: String, size: Int, claimed: Int)] = [
        ("link", 2 * pair(PeerID.self, Body.Link.self) + 16, Entry.link),
        ("source", 2 * pair(PeerID.self, Int.self) + 16, Entry.source),
        (
            "chunk",
            MemoryLayout<Body.Chunk>.stride + MemoryLayout<Int>.stride
                + Entry.array + 2 * MemoryLayout<Bodies.RequestID>.stride, Entry.chunk
        ),
        (
            "seeded chunk",
            2 * MemoryLayout<MonotonicInstant>.stride + MemoryLayout<Int>.stride,
            Entry.seededChunk
        ),
        (
            "request",
            2 * pair(Bodies.RequestID.self, Bodies.Request.self) + 16 + Entry.array + 128,
            Entry.request
        ),
        (
            "serve", 2 * pair(Bodies.ServeID.self, Bodies.Serve.self) + 16 + 2 * (Entry.array + 8),
            Entry.request
        ),
        (
            "cached chunk",
            2 * pair(ChunkKey.self, StoredChunk.self) + 16 + 2 * Entry.array + 16 * 32,
            Entry.cached
        ),
        (
            "producer", 2 * pair(SigningKeyBytes.self, TokenBucket.self) + 16 + Entry.array + 33,
            Entry.memory
        ),
        ("liar", 2 * pair(PeerID.self, MonotonicInstant.self) + 16, Entry.memory),
        (
            "deaf",
            2 * pair(PeerID.self, (count: Int, until: MonotonicInstant).self) + 16, Entry.memory
        ),
        ("root", 2 * MemoryLayout<Bytes32>.stride + 16, Entry.memory),
    ]

    @Test func entriesAreNoLargerThanTheirBounds() {
        for entry in Self.entries {
            #expect(entry.size <= entry.claimed, "\(entry.name)")
            // Nor is the bound out of the air.
            #expect(entry.claimed <= 4 * entry.size, "\(entry.name): \(entry.size)")
        }
        let largest = ChunkResponse.encodedSizeMax
        #expect(Snappy.encodedSizeMax(largest) <= Entry.packedChunk)
        #expect(BodyAnnouncement.encodedSizeMax <= Entry.announcement)
        var random = DeterministicRandom(seed: 1)
        let body = Body(
            Bench.built(1).announcement, received: WallTime(milliseconds: 0),
            held: ChunkBitmap(repeating: false, count: 4), isOwn: false, serial: 1,
            random: &random, now: .zero)
        // Its fields and what every object has.
        let size = Mirror(reflecting: body).children.reduce(16) { $0 + Self.stride($1.value) }
        #expect(size > 200 && size + Entry.announcement <= Entry.body, "\(size)")
    }

    /// The bound follows each limit of something that peers or users can make grow.
    @Test func everyLimitCounts() {
        let changes: [(String, (inout Bodies.Limits) -> Void)] = [
            ("bodiesMax", { $0.bodiesMax *= 2 }),
            ("waitingMax", { $0.waitingMax *= 2 }),
            ("offersMax", { $0.offersMax *= 2 }),
            ("requestsMax", { $0.requestsMax *= 2 }),
            ("exchangesMax", { $0.exchangesMax *= 2 }),
            ("passiveLinksMax", { $0.passiveLinksMax *= 2 }),
            ("unstoredSizeMax", { $0.unstoredSizeMax *= 2 }),
            ("servesMax", { $0.servesMax *= 2 }),
            ("readsMax", { $0.readsMax *= 2 }),
            ("cacheSizeMax", { $0.cacheSizeMax *= 2 }),
            ("cacheCountMax", { $0.cacheCountMax *= 2 }),
            ("publicationsMax", { $0.publicationsMax *= 2 }),
            ("forgottenMax", { $0.forgottenMax *= 2 }),
            ("undeletedMax", { $0.undeletedMax *= 2 }),
            ("producersMax", { $0.producersMax *= 2 }),
            ("bodySizeMax", { $0.bodySizeMax *= 2 }),
        ]
        let usual = Bodies.Limits().worstCaseMemory
        for (name, change) in changes {
            var limits = Bodies.Limits()
            change(&limits)
            #expect(limits.worstCaseMemory > usual, "\(name)")
        }
        let parts = Bodies.Limits().memoryBounds
        #expect(usual == parts.reduce(0) { $0 + $1.size })
        #expect(Set(parts.map(\.name)).count == parts.count)
        #expect(usual <= 512 << 20, "\(parts)")
    }

    /// A machine that is made to hold as much as others can make it: nothing exceeds its bound.
    @Test func aMachineThatIsFilledKeepsToItsBounds() {
        var limits = Bodies.Limits()
        limits.bodiesMax = 32  // eight that are not whole
        limits.passiveLinksMax = 4
        limits.requestsMax = 8
        limits.exchangesMax = 12
        limits.servesMax = 3
        limits.cacheSizeMax = 8192
        limits.unstoredSizeMax = 8192
        limits.producerBurst = 1000
        var bench = Bench(limits)
        for peer in 1...20 { bench.tell(.peerConnected(Bench.peer(peer), canServe: true)) }
        for number in 0..<60 {
            let built = Bench.built(number: number, size: 4096, by: 50 + number)
            let root = built.announcement.root
            if number % 3 == 0 {
                bench.publish(UInt64(number), built)
            } else {
                bench.tell(.announced(built.announcement, from: Bench.peer(1 + number % 20)))
                for peer in 1...20 {
                    bench.tell(
                        .peerHas(
                            Bench.peer(peer), root: root,
                            held: ChunkBitmap(repeating: true, count: 4)))
                }
            }
            let serve = ChunksByRootRequest(
                root: root, indices: [0], held: ChunkBitmap(repeating: false, count: 4))!
            bench.tell(.serve(.init(UInt64(number)), Bench.peer(1 + number % 20), serve))
            #expect(bench.machine.bodies.count <= limits.bodiesMax)
            for body in bench.machine.bodies.values {
                #expect(body.links.count <= limits.passiveLinksMax)
                #expect(body.phase != .complete || body.chunks.isEmpty && body.rank.isEmpty)
            }
            #expect(bench.machine.requests.count <= limits.requestCountMax)
            #expect(bench.machine.serves.count <= limits.servesMax)
            #expect(bench.machine.cache.size <= limits.cacheSizeMax)
            #expect(bench.machine.unstoredSize <= limits.unstoredSizeMax)
            let incomplete = bench.machine.bodies.values.count { $0.phase != .complete }
            #expect(incomplete <= limits.incompleteMax)
        }
        #expect(bench.machine.counters.servesRefused > 0)
    }
}
