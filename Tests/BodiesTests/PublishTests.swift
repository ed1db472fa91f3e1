import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Testing

/// Bodies of our own, and what the store makes of them.
@Suite struct PublishTests {
    private static let failure = StoreFailure.diskFull(path: "/data")

    private static func isAnnounced(_ outputs: [Bodies.Output]) -> Bool {
        outputs.contains { if case .announce = $0 { true } else { false } }
    }

    private static func request(_ built: BodyBuilder.Built) -> ChunksByRootRequest {
        ChunksByRootRequest(
            root: built.announcement.root, indices: [0],
            held: ChunkBitmap(repeating: false, count: built.chunks.count))!
    }

    /// Whoever publishes may forget the bytes once it is told that we have them.
    @Test func nothingIsSaidBeforeTheStoreHasTheBody() throws {
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        let first = bench.tell(.publish(.init(7), built))
        #expect(first.count == 1)
        guard case .store(let id, .write(let writes, sync: true)) = first.first else {
            Issue.record("all of it is written at once, synced")
            return
        }
        #expect(writes.count == 5)
        let manifest = try #require(
            writes.compactMap { write -> BodyManifest? in
                guard case .put(.witness, _, let value) = write else { return nil }
                return try? BodyManifest(ssz: value.span)
            }.first)
        #expect(manifest.held == ChunkBitmap(repeating: true, count: 4) && manifest.isOwn)
        // Not yet.
        let early = bench.tell(.serve(.init(1), Bench.peer(1), Self.request(built)))
        #expect(early.contains(.refuse(.init(1), code: 3, text: "this body is not known here")))
        let twice = bench.tell(.publish(.init(8), built))
        #expect(twice == [.publishRefused(.init(8), .known)])
        let heard = bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        #expect(heard.isEmpty && bench.machine.counters.announcementsKnown == 1)
        // Now.
        let stored = bench.tell(.storeReplied(id, .written))
        #expect(
            stored.prefix(2) == [.announce(built.announcement), .published(.init(7), root)])
        #expect(bench.complete == [root])
        let counters = bench.machine.counters
        #expect(counters.bodiesPublished == 1 && counters.publicationsRefused == 1)
    }

    @Test func whatTheStoreDoesNotTakeLeavesNothing() {
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        let first = bench.tell(.publish(.init(7), built))
        let refused = bench.tell(.storeReplied(first.writes[0].id, .failed(Self.failure)))
        #expect(refused.contains(.publishRefused(.init(7), .store(Self.failure))))
        #expect(refused.events == [.intakeStopped(Self.failure)])
        #expect(!Self.isAnnounced(refused))
        let range = StoredChunk.keys(of: root)
        #expect(
            refused.writes.map(\.writes) == [
                [
                    .delete(.witness, key: root.bytes),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ]
            ])
        let snapshot = bench.machine.snapshot(now: bench.now)
        #expect(snapshot.bodies.isEmpty && snapshot.totalSize == 0)
        #expect(snapshot.publishingSize == 0 && snapshot.cacheSize == 0)
        let read = bench.tell(.read(.init(1), root: root, index: 0))
        #expect(read == [.chunkRead(.init(1), .absent)])
        // Once there is room again it can be published.
        bench.wait(10_000)
        let again = bench.publish(8, built)
        #expect(again.contains(.published(.init(8), root)))
        #expect(again.events == [.intakeResumed])
    }

    @Test func fewAreOnTheirWayAtOnceAndNoneBeforeTheRows() {
        var bench = Bench(loads: false)
        let early = bench.tell(.publish(.init(1), Bench.built(1)))
        #expect(early == [.publishRefused(.init(1), .loading)])
        bench.tell(.loaded([], isLast: true))
        for number in 1...2 { bench.tell(.publish(.init(2), Bench.built(UInt8(number)))) }
        let third = bench.tell(.publish(.init(3), Bench.built(3)))
        #expect(third == [.publishRefused(.init(3), .publishing(count: 2, limit: 2))])
    }

    /// Rows that the store did not delete would be found, and served, after the next start.
    @Test func deletionsThatFailAreTriedAgain() {
        var limits = Bodies.Limits()
        limits.deletionsMax = 2
        var bench = Bench(limits)
        let bodies = (1...3).map { Bench.built(UInt8($0)) }
        for body in bodies { bench.publish(1, body) }
        var failed = 0
        for body in bodies {
            let removed = bench.tell(.remove(root: body.announcement.root))
            for write in removed.writes {
                failed += 1
                bench.tell(.storeReplied(write.id, .failed(Self.failure)))
            }
        }
        #expect(failed == 3)
        // The third is published again meanwhile: its rows are wanted.
        bench.publish(2, bodies[2])
        #expect(bench.machine.nextDeadline.map { $0.nanoseconds <= 10_000_000_000 } == true)
        let early = bench.wait(9_999)
        #expect(early.writes.isEmpty)
        let retried = bench.wait(1)
        let keys = retried.writes.map { write -> [UInt8] in
            guard case .delete(.witness, let key) = write.writes.first else { return [] }
            return key
        }
        #expect(keys == bodies.prefix(2).map(\.announcement.root.bytes))
        for write in retried.writes { bench.tell(.storeReplied(write.id, .failed(Self.failure))) }
        let again = bench.wait(10_000).writes
        #expect(again.count == 2)
        for write in again { bench.tell(.storeReplied(write.id, .written)) }
        let quiet = bench.wait(20_000)
        #expect(quiet.writes.isEmpty)
        #expect(bench.machine.counters.deletionsFailed == 5)
    }

    /// A clock that is set ages nothing that this run has seen; what a wrong clock finds old at a start
    /// goes a few at a time.
    @Test func aClockThatJumpsDeletesNotAllAtOnce() {
        var limits = Bodies.Limits()
        limits.bodiesMax = 32  // two each time
        var bench = Bench(limits)
        let rows = (1...6).map { number -> StoreRow in
            let built = Bench.built(UInt8(number))
            let manifest = BodyManifest(
                announcement: built.announcement,
                received: WallTime(milliseconds: BodyNetwork.epoch),
                held: ChunkBitmap(repeating: true, count: 4), isOwn: false)
            return StoreRow(key: built.announcement.root.bytes, value: manifest.sszEncoded())
        }
        bench.publish(1, Bench.built(9))
        bench.jump = 365 * 86_400_000
        let after = bench.wait(60_000)
        #expect(after.events.isEmpty)
        #expect(bench.complete.count == 1)

        var late = Bench(limits, loads: false)
        late.jump = 365 * 86_400_000
        var expired: [Int] = []
        func count(_ outputs: [Bodies.Output]) {
            expired.append(
                outputs.events.count { if case .expired = $0 { true } else { false } })
        }
        count(late.tell(.loaded(rows, isLast: true)))
        for _ in 0..<3 { count(late.wait(30_000)) }
        #expect(expired == [2, 2, 2, 0])
        // A clock that was put back does not keep anything for longer than usual.
        var early = Bench(limits, loads: false)
        early.jump = -365 * 86_400_000
        early.tell(.loaded(rows, isLast: true))
        let kept = early.wait(2 * 3_600_000 - 60_000)
        #expect(kept.events.isEmpty && early.complete.count == 6)
        for _ in 0..<5 { early.wait(30_000) }
        #expect(early.complete.isEmpty)
    }
}
