import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

/// Whose turn it is to be fetched.
@Suite struct TurnTests {
    /// Lets time pass in small steps, answering as `answer` says, until a chunk of `root` is asked for.
    ///
    /// - Returns: after how many milliseconds, or nil when not within `limit`.
    private static func delay(
        of root: Bytes32, limit: Int64, _ bench: inout Bench, _ first: [Bodies.Output],
        _ answer: (ChunksByRootRequest, PeerID) -> ChunkResponse?
    ) -> Int64? {
        let start = bench.milliseconds
        var outputs = first
        while true {
            var next: [Bodies.Output] = []
            for output in outputs {
                guard case .request(let id, let peer, let request, _) = output else { continue }
                if request.root == root, !request.indices.isEmpty {
                    return bench.milliseconds - start
                }
                guard let response = answer(request, peer) else { continue }
                next += bench.tell(.chunkReceived(id, response))
                next += bench.tell(.requestEnded(id, .finished))
            }
            guard bench.milliseconds - start < limit else { return nil }
            outputs = next + bench.wait(10)
        }
    }

    private static func empty(_ request: ChunksByRootRequest) -> ChunkResponse {
        ChunkResponse(
            root: request.root, held: ChunkBitmap(repeating: false, count: request.held.count))
    }

    /// Announcing costs nothing: what nobody has must not keep out what somebody has.
    @Test(arguments: [8, 1000])
    func announcementsThatNobodyServesDelayNothing(count: Int) {
        var bench = Bench()
        for index in 1...16 { bench.tell(.peerConnected(Bench.peer(index), canServe: true)) }
        var first: [Bodies.Output] = []
        for number in 0..<count {
            let built = Bench.built(number: number, size: 1024, by: 100 + number)
            first += bench.tell(
                .announced(built.announcement, from: Bench.peer(1 + number % 16)))
        }
        let served = Bench.built(number: 5000, size: 4096, by: 99)
        let root = served.announcement.root
        first += bench.tell(.announced(served.announcement, from: Bench.peer(3)))
        let delay = Self.delay(of: root, limit: 5000, &bench, first) { request, peer in
            request.root == root && peer == Bench.peer(3)
                ? ChunkResponse(root: root, held: ChunkBitmap(repeating: true, count: 4))
                : Self.empty(request)
        }
        #expect(delay.map { $0 <= 1000 } == true, "after \(delay ?? -1) ms")
    }

    /// Saying that one holds a body costs nothing either.
    @Test(arguments: [8, 100])
    func bodiesOfWhichNothingComesDelayLittle(count: Int) {
        var limits = Bodies.Limits()
        limits.producerBurst = 2000
        var bench = Bench(limits)
        for index in 1...9 { bench.tell(.peerConnected(Bench.peer(index), canServe: true)) }
        var first: [Bodies.Output] = []
        for number in 0..<count {
            let built = Bench.built(number: number, size: 8192, by: 100 + number)
            // One of eight liars has all of it.
            let liar = Bench.peer(1 + number % 8)
            first += bench.tell(.announced(built.announcement, from: liar))
            first += bench.tell(
                .peerHas(
                    liar, root: built.announcement.root,
                    held: ChunkBitmap(repeating: true, count: 8)))
        }
        first += bench.wait(100)
        let served = Bench.built(number: 5000, size: 4096, by: 99)
        let root = served.announcement.root
        first += bench.tell(.announced(served.announcement, from: Bench.peer(9)))
        let delay = Self.delay(of: root, limit: 20_000, &bench, first) { request, peer in
            guard request.indices.isEmpty else { return nil }
            return request.root == root && peer == Bench.peer(9)
                ? ChunkResponse(root: root, held: ChunkBitmap(repeating: true, count: 4))
                : Self.empty(request)
        }
        #expect(delay.map { $0 <= 2500 } == true, "after \(delay ?? -1) ms")
    }

    /// Bodies that come take turns only when one of them gets far less than the others.
    @Test func whoGetsItsShareKeepsItsPlace() {
        var limits = Bodies.Limits()
        limits.downloadsMax = 1
        var bench = Bench(limits)
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        let bodies = (0..<2).map { Bench.built(number: $0, size: 64 * 1024, by: 50 + $0) }
        var asked: [(id: Bodies.RequestID, peer: PeerID, indices: [UInt16])] = []
        for body in bodies {
            bench.tell(.announced(body.announcement, from: Bench.peer(1)))
            asked +=
                bench.tell(
                    .peerHas(
                        Bench.peer(1), root: body.announcement.root,
                        held: ChunkBitmap(repeating: true, count: 64))
                ).chunkRequests
        }
        // 5 chunks a second of the first: nobody else is asked for.
        for _ in 0..<20 {
            let request = asked.removeFirst()
            bench.milliseconds += 200
            asked += bench.receive(bodies[0], request.id, Int(request.indices[0])).chunkRequests
            asked += bench.tell(.requestEnded(request.id, .finished)).chunkRequests
        }
        #expect(bench.machine.counters.turnsEnded == 0)
        // Now nothing comes any more.
        var roots: Set<Bytes32> = []
        for _ in 0..<300 {
            for output in bench.wait(10) {
                if case .request(_, _, let request, _) = output, !request.indices.isEmpty {
                    roots.insert(request.root)
                }
            }
            bench.tell(.peerConnected(Bench.peer(2), canServe: true))
            bench.tell(
                .peerHas(
                    Bench.peer(2), root: bodies[1].announcement.root,
                    held: ChunkBitmap(repeating: true, count: 64)))
        }
        #expect(bench.machine.counters.turnsEnded >= 1)
        let snapshots = bench.machine.snapshot(now: bench.now).bodies
        #expect(snapshots[1].requests > 0)
        #expect(snapshots[0].chunksHeld == 20)
    }

    /// Whoever is too busy for us is no worse than others.
    @Test func aBusyPeerIsAskedAgainSoonAndAnotherAtOnce() throws {
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        var asked = bench.tell(.peerHas(Bench.peer(1), root: root, held: all)).chunkRequests
        #expect(asked.count == 4)
        for round in 1...6 {
            // Always the first of those that are under way.
            let request = try #require(asked.first, "round \(round)")
            asked.removeFirst()
            let end = bench.tell(.requestEnded(request.id, .refused(code: 4)))
            #expect(end.chunkRequests.isEmpty)
            let again = bench.wait(250).chunkRequests
            #expect(again.map(\.peer) == [Bench.peer(1)], "round \(round)")
            asked += again
        }
        bench.tell(.peerConnected(Bench.peer(2), canServe: true))
        bench.tell(.peerHas(Bench.peer(2), root: root, held: all))
        let refused = try #require(asked.first)
        let other = bench.tell(.requestEnded(refused.id, .refused(code: 4))).chunkRequests
        #expect(other.map(\.peer) == [Bench.peer(2)])
        #expect(other.map(\.indices) == [refused.indices])
    }
}
