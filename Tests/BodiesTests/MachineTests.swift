import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Testing

/// One machine, told what happens by hand.
struct Bench: ~Copyable {
    var machine: Bodies
    var milliseconds: Int64 = 0
    /// By how many milliseconds the wall clock is wrong.
    var jump: Int64 = 0
    var outputs: [Bodies.Output] = []

    static let network: [UInt8] = [1, 2, 3, 4]

    init(_ limits: Bodies.Limits = .init(), loads: Bool = true) {
        machine = Bodies(
            limits: limits, seed: 1,
            now: Now(instant: .zero, wall: WallTime(milliseconds: BodyNetwork.epoch)))
        if loads { tell(.loaded([], isLast: true)) }
    }

    var now: Now {
        Now(
            instant: MonotonicInstant(nanoseconds: milliseconds * 1_000_000),
            wall: WallTime(milliseconds: BodyNetwork.epoch + milliseconds + jump))
    }

    /// Gives what follows from one input.
    @discardableResult
    mutating func tell(_ input: Bodies.Input) -> [Bodies.Output] {
        outputs = []
        machine.handle(input, now: now, into: &outputs)
        return outputs
    }

    @discardableResult
    mutating func wait(_ duration: Int64) -> [Bodies.Output] {
        milliseconds += duration
        return tell(.timeout)
    }

    static func peer(_ index: Int) -> PeerID { BodyNetwork.identity(index).peerID }

    static func built(
        _ seed: UInt8, size: Int = 4096, by producer: Int = 9
    ) -> BodyBuilder.Built {
        let builder = try! BodyBuilder(
            (0..<size).map { UInt8(truncatingIfNeeded: $0 >> 10) ^ seed }, kind: .witness,
            issued: WallTime(milliseconds: BodyNetwork.epoch),
            identity: BodyNetwork.identity(producer), networkDigest: network, chunkSize: 1024)
        return builder.run()
    }

    /// One of more than 256 bodies.
    static func built(number: Int, size: Int, by producer: Int) -> BodyBuilder.Built {
        var bytes = [UInt8](repeating: 0, count: size)
        // Chunks must differ, or one would pass for another.
        for start in stride(from: 0, to: size, by: 1024) {
            bytes[start] = UInt8(number & 0xFF)
            bytes[start + 1] = UInt8(number >> 8)
            bytes[start + 2] = UInt8(start >> 10)
        }
        let builder = try! BodyBuilder(
            bytes, kind: .witness, issued: WallTime(milliseconds: BodyNetwork.epoch),
            identity: BodyNetwork.identity(producer), networkDigest: network, chunkSize: 1024)
        return builder.run()
    }

    /// A machine that fetches `built` and has been told that peer 1 holds all of it.
    static func fetching(
        _ built: BodyBuilder.Built, _ limits: Bodies.Limits = .init()
    ) -> Bench {
        var bench = Bench(limits)
        bench.tell(.peerConnected(peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: peer(1)))
        let all = ChunkBitmap(repeating: true, count: built.chunks.count)
        bench.tell(.peerHas(peer(1), root: built.announcement.root, held: all))
        return bench
    }
}

extension Bench {
    /// A peer comes and says that it holds all of a body.
    mutating func show(_ announcement: BodyAnnouncement, by number: Int) {
        tell(.peerConnected(Self.peer(number), canServe: true))
        tell(
            .peerHas(
                Self.peer(number), root: announcement.root,
                held: ChunkBitmap(repeating: true, count: announcement.shape.chunkCount)))
    }

    /// Fetches a whole body from one peer.
    mutating func download(_ built: BodyBuilder.Built, from number: Int) {
        let peer = Self.peer(number)
        tell(.peerConnected(peer, canServe: true))
        var pending = tell(.announced(built.announcement, from: peer))
        let all = ChunkBitmap(repeating: true, count: built.chunks.count)
        pending += tell(.peerHas(peer, root: built.announcement.root, held: all))
        while !pending.isEmpty {
            let requests = pending.chunkRequests
            pending = []
            for request in requests {
                pending += receive(built, request.id, Int(request.indices[0]))
                pending += tell(.requestEnded(request.id, .finished))
            }
        }
    }

    /// Publishes, and the store keeps up.
    @discardableResult
    mutating func publish(_ number: UInt64, _ built: BodyBuilder.Built) -> [Bodies.Output] {
        var outputs = tell(.publish(.init(number), built))
        var answered = 0
        while answered < outputs.writes.count {
            let write = outputs.writes[answered]
            answered += 1
            outputs += tell(.storeReplied(write.id, .written))
        }
        return outputs
    }

    /// One chunk comes, is verified and is stored.
    @discardableResult
    mutating func receive(
        _ built: BodyBuilder.Built, _ request: Bodies.RequestID, _ index: Int
    ) -> [Bodies.Output] {
        var pending = tell(.chunkReceived(request, built.response(index)))
        for job in pending.jobs {
            pending += tell(.chunkVerified(job.id, true))
            for write in pending.writes { pending += tell(.storeReplied(write.id, .written)) }
        }
        return pending
    }

    var complete: [Bytes32] {
        machine.snapshot(now: now).bodies.filter(\.isComplete).map(\.root)
    }
}

extension [Bodies.Output] {
    var requests: [(id: Bodies.RequestID, peer: PeerID, indices: [UInt16])] {
        compactMap {
            if case .request(let id, let peer, let request, _) = $0 {
                (id, peer, request.indices)
            } else {
                nil
            }
        }
    }
    var chunkRequests: [(id: Bodies.RequestID, peer: PeerID, indices: [UInt16])] {
        requests.filter { !$0.indices.isEmpty }
    }
    var writes: [(id: StoreRequestID, writes: [StoreWrite])] {
        compactMap {
            if case .store(let id, .write(let writes, _)) = $0 { (id, writes) } else { nil }
        }
    }
    var jobs: [(id: Bodies.JobID, check: ChunkCheck)] {
        compactMap { if case .verifyChunk(let id, let check) = $0 { (id, check) } else { nil } }
    }
    var events: [Bodies.Event] {
        compactMap { if case .event(let event) = $0 { event } else { nil } }
    }
    var failures: [Bodies.FailureReason] {
        compactMap { if case .failed(_, let reason) = $0 { reason } else { nil } }
    }
    var penalties: [Bodies.Fault] {
        compactMap { if case .penalize(_, let fault) = $0 { fault } else { nil } }
    }
}

extension BodyBuilder.Built {
    func response(_ index: Int) -> ChunkResponse {
        ChunkResponse(
            root: announcement.root, index: UInt16(index), chunk: chunks[index],
            held: ChunkBitmap(repeating: true, count: chunks.count))
    }
}

@Suite struct BodiesMachineTests {
    // MARK: Intake

    @Test func announcementsWaitForTheRows() {
        var limits = Bodies.Limits()
        limits.waitingMax = 1
        var bench = Bench(limits, loads: false)
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        let early = bench.tell(.announced(Bench.built(1).announcement, from: Bench.peer(1)))
        #expect(early.isEmpty)
        let second = Bench.built(2).announcement
        let refused = bench.tell(.announced(second, from: nil))
        #expect(refused.events == [.refused(root: second.root, .loading)])
        let outputs = bench.tell(.loaded([], isLast: true))
        #expect(outputs.requests.map(\.peer) == [Bench.peer(1)])
        #expect(bench.machine.counters.downloadsStarted == 1)
    }

    @Test func whatIsNotTakenIn() {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 8192
        limits.producerSizeMax = 10_000
        limits.totalSizeMax = 80_000
        limits.producerBurst = 2
        var bench = Bench(limits)
        let now = bench.now
        let first = Bench.built(1).announcement
        bench.tell(.announced(first, from: nil))
        bench.show(first, by: 1)
        let rows: [(BodyAnnouncement, Bodies.Refusal?)] = [
            (first, .known),
            (Bench.built(2, size: 8193).announcement, .tooLarge(size: 8193, limit: 8192)),
            (
                Bench.built(3, size: 8000).announcement,
                .producerBudget(size: 12_096, limit: 10_000)
            ),
            (Bench.built(4, by: 8).announcement, nil),
        ]
        for (announcement, refusal) in rows {
            let found = bench.machine.admission(of: announcement, now: now)
            #expect(found == refusal)
        }
        bench.tell(.announced(Bench.built(5, size: 4096).announcement, from: nil))
        let rate = bench.machine.admission(of: Bench.built(6, size: 1024).announcement, now: now)
        #expect(rate == .producerRate)
        bench.milliseconds += 1000
        let later = bench.machine.admission(
            of: Bench.built(6, size: 1024).announcement, now: bench.now)
        #expect(later == nil)
        let removed = bench.tell(.remove(root: first.root))
        #expect(removed.failures == [.removed])
        let again = bench.machine.admission(of: first, now: bench.now)
        #expect(again == .forgotten)
    }

    @Test func theOldestCompleteBodyMakesRoomAndAgeEndsTheRest() {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 8192
        limits.totalSizeMax = 8192
        limits.ageMax = .seconds(100)
        limits.retentionInterval = .seconds(10)
        var bench = Bench(limits)
        let bodies = (1...3).map { Bench.built(UInt8($0)) }
        for (number, body) in bodies.enumerated() {
            bench.milliseconds += 1000
            bench.publish(UInt64(number), body)
        }
        let held = bench.machine.snapshot(now: bench.now).bodies.map(\.root)
        #expect(held == bodies.dropFirst().map(\.announcement.root))
        #expect(bench.machine.counters.bodiesEvicted == 1)
        bench.milliseconds = 102_500
        let outputs = bench.tell(.timeout)
        let root = bodies[1].announcement.root
        #expect(outputs.events == [.expired(root: root)])
        let range = StoredChunk.keys(of: root)
        #expect(
            outputs.writes.map(\.writes) == [
                [
                    .delete(.witness, key: root.bytes),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ]
            ])
        #expect(bench.machine.snapshot(now: bench.now).totalSize == 4096)
    }

    @Test func damagedRowsAreDeletedAndGoodOnesAreServedAtOnce() {
        let built = Bench.built(1)
        let damaged = Bench.built(2).announcement.root
        let range = StoredChunk.keys(of: damaged)
        let manifest = BodyManifest(
            announcement: built.announcement, received: WallTime(milliseconds: BodyNetwork.epoch),
            held: ChunkBitmap(repeating: true, count: 4), isOwn: false)
        let root = built.announcement.root
        var bench = Bench(loads: false)
        let outputs = bench.tell(
            .loaded(
                [
                    StoreRow(key: root.bytes, value: manifest.sszEncoded()),
                    StoreRow(key: [1], value: manifest.sszEncoded()),
                    StoreRow(key: [2], value: [1, 2, 3]),
                    StoreRow(key: damaged.bytes, value: [1, 2, 3]),
                ], isLast: true))
        // With a manifest go its chunks, which nobody would find again.
        #expect(
            outputs.writes.map(\.writes) == [
                [.delete(.witness, key: [1])], [.delete(.witness, key: [2])],
                [
                    .delete(.witness, key: damaged.bytes),
                    .deleteRange(.chunk, from: range.from, to: range.to),
                ],
            ])
        #expect(bench.machine.counters.rowsMalformed == 3)
        let again = bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        #expect(again.isEmpty)
        let served = bench.tell(
            .serve(
                .init(1), Bench.peer(2),
                ChunksByRootRequest(root: root, indices: [2], held: ChunkBitmap(count: 4)!)!))
        guard case .store(let id, .get(.chunk, let key)) = served.first else {
            Issue.record("the chunk is read first")
            return
        }
        #expect(key == StoredChunk.key(root: root, index: 2))
        let answer = bench.tell(.storeReplied(id, .value(built.chunks[2].sszEncoded())))
        #expect(answer == [.respond(.init(1), built.response(2)), .respondEnd(.init(1))])
    }

    // MARK: Fetching

    @Test func chunksAreVerifiedStoredAndReported() {
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench(
            .init())
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let asked = bench.tell(.peerHas(Bench.peer(1), root: root, held: all)).chunkRequests
        #expect(asked.flatMap(\.indices).sorted() == [0, 1, 2, 3])
        for (number, request) in asked.enumerated() {
            let index = Int(request.indices[0])
            let jobs = bench.tell(.chunkReceived(request.id, built.response(index))).jobs
            #expect(jobs.map(\.check.index) == [index])
            bench.tell(.requestEnded(request.id, .finished))
            #expect(jobs[0].check.run())
            let verified = bench.tell(.chunkVerified(jobs[0].id, true))
            #expect(verified.contains(.progress(root: root, have: number + 1, of: 4)))
            let writes = verified.writes
            #expect(
                writes[0].writes.first
                    == .put(
                        .chunk, key: StoredChunk.key(root: root, index: index),
                        value: built.chunks[index].sszEncoded()))
            let stored = bench.tell(.storeReplied(writes[0].id, .written))
            let isDone = stored.contains {
                if case .completed(built.announcement, [Bench.peer(1)], _) = $0 {
                    true
                } else {
                    false
                }
            }
            #expect(isDone == (number == 3))
        }
        #expect(bench.machine.snapshot(now: bench.now).unstoredSize == 0)
        let read = bench.tell(.read(.init(5), root: root, index: 3))
        #expect(read == [.chunkRead(.init(5), .chunk(built.chunks[3].data.bytes))])
        let absent = bench.tell(.read(.init(6), root: root, index: 4))
        #expect(absent == [.chunkRead(.init(6), .absent)])
    }

    @Test func nothingIsStoredThatWasNotAskedFor() {
        let built = Bench.built(1)
        let other = Bench.built(2)
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let asked = bench.tell(
            .peerHas(Bench.peer(1), root: built.announcement.root, held: all)
        ).chunkRequests
        let unknown = bench.tell(.chunkReceived(.init(999), built.response(0)))
        #expect(unknown.isEmpty)
        let foreign = bench.tell(.chunkReceived(asked[0].id, other.response(0)))
        #expect(foreign.jobs.isEmpty && foreign.writes.isEmpty)
        #expect(
            foreign.penalties == [.unrequestedChunk(root: other.announcement.root, index: 0)])
        #expect(foreign.contains(.cancel(asked[0].id)))
        let index = Int(asked[1].indices[0])
        let wrong = bench.tell(.chunkReceived(asked[1].id, built.response((index + 1) % 4)))
        #expect(wrong.jobs.isEmpty)
        #expect(wrong.penalties.count == 1)
        let counters = bench.machine.counters
        #expect(counters.chunksUnrequested == 2 && counters.chunksLate == 1)
        #expect(counters.chunksReceived == 3)
    }

    @Test func aWrongChunkCostsItsSender() {
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let asked = bench.tell(.peerHas(Bench.peer(1), root: root, held: all)).chunkRequests
        let index = Int(asked[0].indices[0])
        let false_ = ChunkResponse(
            root: root, index: UInt16(index),
            chunk: StoredChunk(
                data: SSZByteList([UInt8](repeating: 9, count: 1024))!,
                proof: built.chunks[index].proof), held: all)
        let job = bench.tell(.chunkReceived(asked[0].id, false_)).jobs[0]
        #expect(!job.check.run())
        let outputs = bench.tell(.chunkVerified(job.id, false))
        #expect(outputs.penalties == [.wrongChunk(root: root, index: index)])
        #expect(outputs.writes.isEmpty)
        // Its other requests are cancelled, and it is asked nothing more, even if it comes back.
        for request in asked.dropFirst() { #expect(outputs.contains(.cancel(request.id))) }
        bench.tell(.peerDisconnected(Bench.peer(1)))
        let back = bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        #expect(back.requests.isEmpty)
        let second = bench.tell(.peerConnected(Bench.peer(2), canServe: true))
        #expect(second.requests.map(\.peer) == [Bench.peer(2)])
    }

    @Test func aFalseShapeCostsTheAnnouncementAndNoHolder() throws {
        let built = Bench.built(1)
        let shape = try #require(BodyShape(size: 4095, chunkSize: 1024))
        let key = BodyNetwork.identity(7)
        let lie = BodyAnnouncement(
            signing: try #require(
                BodyDescription(
                    kind: .witness, shape: shape, root: built.announcement.root, chunkRoots: [],
                    height: 0, issued: WallTime(milliseconds: BodyNetwork.epoch),
                    producer: BodyDescription.producer(of: key))), with: key,
            network: Bench.network)
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(lie, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let asked = bench.tell(.peerHas(Bench.peer(1), root: lie.root, held: all)).chunkRequests
        let index = Int(asked[0].indices[0])
        let job = bench.tell(.chunkReceived(asked[0].id, built.response(index))).jobs[0]
        #expect(job.check.run())
        let outputs = bench.tell(.chunkVerified(job.id, true))
        #expect(outputs.failures == [.announcementFalse])
        #expect(outputs.penalties.isEmpty)
        // The true announcement is still welcome.
        let truth = bench.machine.admission(of: built.announcement, now: bench.now)
        #expect(truth == nil)
    }

    @Test func aSilentPeerIsGivenUpAndLeftAloneForAWhile() {
        let built = Bench.built(1)
        var bench = Bench.fetching(built)
        let before = bench.machine.snapshot(now: bench.now).requests
        #expect(before == 5)
        var cancelled = 0
        while bench.milliseconds < 10_000 {
            bench.milliseconds = (bench.machine.nextDeadline?.nanoseconds ?? .max) / 1_000_000 + 1
            for output in bench.tell(.timeout) { if case .cancel = output { cancelled += 1 } }
        }
        #expect(cancelled == 5)
        #expect(bench.machine.counters.requestsTimedOut == 5)
        let resting = bench.machine.snapshot(now: bench.now).requests
        #expect(resting == 0)
        let again = bench.wait(70_000)
        #expect(!again.requests.isEmpty)
    }

    @Test func aBodyWithoutProgressIsGivenUp() {
        var limits = Bodies.Limits()
        limits.stallTimeout = .seconds(60)
        let built = Bench.built(1)
        var bench = Bench.fetching(built, limits)
        bench.tell(.peerDisconnected(Bench.peer(1)))
        let early = bench.wait(59_000)
        #expect(early.failures.isEmpty)
        let outputs = bench.wait(32_000)
        #expect(outputs.failures == [.stalled])
        #expect(bench.machine.snapshot(now: bench.now).bodies.isEmpty)
    }

    /// A full disk must not have bodies fetched again and again: of each try one chunk is wasted.
    @Test func aFullDiskIsTriedWithOneChunkAtATime() throws {
        let built = Bench.built(1, size: 64 * 1024)
        let root = built.announcement.root
        var bench = Bench()
        for peer in 1...8 {
            bench.tell(.peerConnected(Bench.peer(peer), canServe: true))
        }
        var outputs = bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        for peer in 1...8 {
            outputs += bench.tell(
                .peerHas(
                    Bench.peer(peer), root: root, held: ChunkBitmap(repeating: true, count: 64)))
        }
        let failure = StoreFailure.diskFull(path: "/data")
        var received = 0
        var isFull = true
        /// Peers answer at once, whatever is asked.
        func settle(_ bench: inout Bench, _ first: [Bodies.Output]) {
            var pending = first
            while !pending.isEmpty {
                let output = pending.removeFirst()
                switch output {
                case .request(let id, _, let request, _):
                    if let index = request.indices.first {
                        received += 1
                        pending += bench.tell(.chunkReceived(id, built.response(Int(index))))
                    }
                    pending += bench.tell(.requestEnded(id, .finished))
                case .verifyChunk(let id, _): pending += bench.tell(.chunkVerified(id, true))
                case .store(let id, .write):
                    pending += bench.tell(.storeReplied(id, isFull ? .failed(failure) : .written))
                default: break
                }
            }
        }
        settle(&bench, outputs)
        let atOnce = received
        #expect(atOnce <= 64)
        received = 0
        for _ in 0..<600 { settle(&bench, bench.wait(1000)) }
        // After 10, 20, 40 and then each 60 s.
        #expect((8...13).contains(received), "\(received) chunks in ten minutes")
        isFull = false
        for _ in 0..<61 { settle(&bench, bench.wait(1000)) }
        #expect(bench.complete == [root])
        #expect(received <= 13 + 65)
    }

    @Test func aFullDiskStopsIntakeUntilAWriteSucceeds() {
        let built = Bench.built(1, size: 8 * 1024)
        let root = built.announcement.root
        var bench = Bench()
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.tell(.announced(built.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 8)
        var asked = bench.tell(.peerHas(Bench.peer(1), root: root, held: all)).chunkRequests
        func receive(_ bench: inout Bench, _ request: Bodies.RequestID, _ index: Int)
            -> StoreRequestID
        {
            let job = bench.tell(.chunkReceived(request, built.response(index))).jobs[0]
            let write = bench.tell(.chunkVerified(job.id, true)).writes[0].id
            bench.tell(.requestEnded(request, .finished))
            return write
        }
        let write = receive(&bench, asked[0].id, Int(asked[0].indices[0]))
        let failure = StoreFailure.diskFull(path: "/data")
        let stopped = bench.tell(.storeReplied(write, .failed(failure)))
        #expect(stopped.events == [.intakeStopped(failure)])
        #expect(stopped.chunkRequests.isEmpty)
        let refused = bench.machine.admission(of: Bench.built(2).announcement, now: bench.now)
        #expect(refused == .storeFull)
        // What the store would not take is not worth its way.
        #expect(stopped.filter { if case .cancel = $0 { true } else { false } }.count == 4)
        // Then one chunk is tried, when the peer has rested: it did not answer about its bitmap.
        asked = bench.wait(10_000).chunkRequests
        asked += bench.wait(1000).chunkRequests
        #expect(asked.count == 1)
        let second = receive(&bench, asked[0].id, Int(asked[0].indices[0]))
        let resumed = bench.tell(.storeReplied(second, .written))
        #expect(resumed.events == [.intakeResumed])
        let welcome = bench.machine.admission(of: Bench.built(2).announcement, now: bench.now)
        #expect(welcome == nil)
    }

    @Test func aChunkThatTheStoreLostIsFetchedAgain() {
        var limits = Bodies.Limits()
        limits.cacheSizeMax = 0
        let built = Bench.built(1)
        let root = built.announcement.root
        var bench = Bench(limits)
        let published = bench.publish(1, built)
        #expect(published.contains(.announce(built.announcement)))
        let read = bench.tell(.read(.init(1), root: root, index: 2))
        guard case .store(let id, .get) = read.first else {
            Issue.record("an uncached chunk is read")
            return
        }
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        let lost = bench.tell(.storeReplied(id, .value(nil)))
        #expect(lost.events == [.chunkLost(root: root, index: 2)])
        #expect(lost.contains(.chunkRead(.init(1), .absent)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let asked = bench.tell(.peerHas(Bench.peer(1), root: root, held: all)).chunkRequests
        #expect(asked.map(\.indices) == [[2]])
    }

    // MARK: Serving

    @Test func refusalsNameTheirReason() {
        let built = Bench.built(1)
        let root = built.announcement.root
        var limits = Bodies.Limits()
        limits.servesPerPeerMax = 1
        limits.seedingDuration = .zero
        var bench = Bench(limits)
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.publish(1, built)
        func request(_ root: Bytes32, _ indices: [UInt16], bits: Int = 4) -> ChunksByRootRequest {
            ChunksByRootRequest(
                root: root, indices: indices, held: ChunkBitmap(repeating: false, count: bits))!
        }
        let unknown = bench.tell(.serve(.init(1), Bench.peer(1), request(.zero, [0])))
        #expect(unknown == [.refuse(.init(1), code: 3, text: "this body is not known here")])
        for bad in [request(root, [4]), request(root, [0], bits: 5)] {
            let outputs = bench.tell(.serve(.init(2), Bench.peer(1), bad))
            #expect(outputs.contains(.refuse(.init(2), code: 1, text: "the body has 4 chunks")))
            #expect(outputs.penalties == [.impossibleBitmap(root: root)])
        }
        let first = bench.tell(.serve(.init(3), Bench.peer(1), request(root, [0])))
        #expect(first.contains(.respond(.init(3), built.response(0))))
        let second = bench.tell(.serve(.init(4), Bench.peer(1), request(root, [1])))
        #expect(
            second.contains(
                .refuse(.init(4), code: 4, text: "too many requests are being answered")))
        bench.tell(.serveEnded(.init(3)))
        let third = bench.tell(.serve(.init(5), Bench.peer(1), request(root, [1, 2])))
        #expect(third.contains(.respond(.init(5), built.response(1))))
        #expect(third.contains(.respondEnd(.init(5))))
        let bitmap = bench.tell(.serve(.init(6), Bench.peer(2), request(root, [])))
        #expect(
            bitmap.contains(
                .respond(
                    .init(6),
                    ChunkResponse(root: root, held: ChunkBitmap(repeating: true, count: 4)))))
        let counters = bench.machine.counters
        #expect(counters.servesReceived == counters.servesAnswered + counters.servesRefused)
        #expect(counters.servesRefused == 4)
    }

    /// Whoever does not read what it asked for waits longer each time, also when it comes back.
    @Test func whoDoesNotReadWaits() {
        let built = Bench.built(1)
        let request = ChunksByRootRequest(
            root: built.announcement.root, indices: [0],
            held: ChunkBitmap(repeating: false, count: 4))!
        var limits = Bodies.Limits()
        limits.seedingDuration = .zero
        var bench = Bench(limits)
        bench.tell(.peerConnected(Bench.peer(1), canServe: true))
        bench.publish(1, built)
        var number: UInt64 = 0
        func isServed(_ bench: inout Bench) -> Bool {
            number += 1
            let outputs = bench.tell(.serve(.init(number), Bench.peer(1), request))
            return outputs.contains { if case .respond = $0 { true } else { false } }
        }
        for pause in [10_000, 20_000, 40_000] as [Int64] {
            let first = isServed(&bench)
            #expect(first)
            bench.tell(.serveEnded(.init(number), wasRead: false))
            bench.tell(.peerDisconnected(Bench.peer(1)))
            bench.tell(.peerConnected(Bench.peer(1), canServe: true))
            bench.wait(pause - 1)
            let early = isServed(&bench)
            #expect(!early)
            bench.wait(1)
        }
        // Reading makes up for it.
        for _ in 0..<2 {
            let served = isServed(&bench)
            #expect(served)
            bench.tell(.serveEnded(.init(number)))
        }
    }

    /// Inputs that make no sense, in any order: nothing traps, and the books stay in order.
    @Test(arguments: UInt64(0)..<20)
    func anySequenceOfInputsIsSurvived(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var limits = Bodies.Limits()
        limits.totalSizeMax = 20_000
        limits.producerSizeMax = 10_000
        limits.bodySizeMax = 5000
        limits.cacheSizeMax = 3000
        let bodies = (0..<6).map { Bench.built(UInt8($0), by: $0) }
        var bench = Bench(limits, loads: random.chance(1, in: 2))
        for _ in 0..<2000 {
            bench.milliseconds += Int64(random.below(400))
            let built = bodies[random.below(bodies.count)]
            let peer = Bench.peer(random.below(5))
            let number = UInt64(random.below(400))
            var bits = ChunkBitmap(repeating: false, count: random.chance(1, in: 9) ? 3 : 4)
            for index in 0..<bits.count { bits[index] = random.chance(1, in: 2) }
            let index = random.below(4)
            let input: Bodies.Input =
                switch random.below(14) {
                case 0: .announced(built.announcement, from: peer)
                case 1: .publish(.init(number), built)
                case 2: .peerConnected(peer, canServe: random.chance(4, in: 5))
                case 3: .peerDisconnected(peer)
                case 4: .peerHas(peer, root: built.announcement.root, held: bits)
                case 5, 6: .chunkReceived(.init(number), built.response(index))
                case 7: .requestEnded(.init(number), random.chance(1, in: 2) ? .finished : .failed)
                case 8: .chunkVerified(.init(number), random.chance(3, in: 4))
                case 9:
                    .serve(
                        .init(number), peer,
                        ChunksByRootRequest(
                            root: built.announcement.root, indices: [UInt16(random.below(5))],
                            held: bits)!)
                case 10: .serveEnded(.init(number))
                case 11:
                    .storeReplied(
                        .init(number),
                        random.chance(1, in: 8)
                            ? .failed(.inputOutput("no"))
                            : random.chance(1, in: 2)
                                ? .written : .value(built.chunks[index].sszEncoded()))
                case 12: .loaded([], isLast: random.chance(1, in: 2))
                default: .read(.init(number), root: built.announcement.root, index: index)
                }
            bench.tell(input)
            if let deadline = bench.machine.nextDeadline {
                // A deadline in the past would make a driver spin.
                #expect(deadline > bench.now.instant)
            }
        }
        let counters = bench.machine.counters
        let snapshot = bench.machine.snapshot(now: bench.now)
        #expect(snapshot.totalSize == snapshot.bodies.reduce(0) { $0 + $1.chunksHeld * 1024 })
        #expect(snapshot.totalSize <= limits.totalSizeMax)
        #expect(snapshot.cacheSize <= limits.cacheSizeMax)
        #expect(snapshot.unstoredSize >= 0)
        #expect(counters.servesReceived >= counters.servesAnswered + counters.servesRefused)
        let sent =
            counters.chunkRequests + counters.exchangeRequests + counters.catchUpRequests
        let ended =
            counters.requestsAnswered + counters.requestsTimedOut + counters.requestsFailed
            + counters.requestsRefused + counters.requestsCancelled
        #expect(sent == ended + UInt64(snapshot.requests))
        let underWay = snapshot.bodies.count { !$0.isComplete && !$0.isOwn }
        // Own bodies that lost chunks are fetched too, and so are others that were whole before.
        #expect(
            counters.downloadsStarted + counters.downloadsResumed
                <= counters.downloadsCompleted + counters.downloadsFailed + UInt64(underWay))
        #expect(
            counters.chunksReceived
                >= counters.chunksVerified + counters.chunksWrong + counters.chunksUnrequested
                + counters.chunksDuplicate + counters.chunksLate)
    }
}
