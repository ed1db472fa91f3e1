import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity

extension FuzzTarget {
    static let bodyTargets: [FuzzTarget] = [
        FuzzTarget(
            "body-rows", "rows of bodies from the database; unreadable ones are counted",
            sizeMax: 2048,
            seeds: {
                let held = ChunkBitmap(repeating: true, count: 3)
                let manifest = BodyManifest(
                    announcement: sampleBody.announcement, received: Now.start.wall, held: held,
                    isOwn: false)
                return [
                    [32] + BodyManifest.key(root: sampleBody.announcement.root)
                        + manifest.sszEncoded()
                ]
            }, run: bodyRows),
        FuzzTarget(
            "body-sequence",
            "announcements heard and missed, chunks (true and false), requests, store replies and time "
                + "in any order; a false chunk is never stored", sizeMax: 512,
            seeds: {
                [
                    [0, 1, 0, 2, 1, 0, 3, 0, 0, 4, 0, 5, 0, 3, 0, 1, 4, 0, 5, 0, 8, 10],
                    [2, 1, 0, 0, 1, 3, 0, 0x82, 4, 0, 8, 90, 6, 2, 7, 9, 0],
                    [10, 0, 6, 1, 1, 5, 0, 9, 0, 11, 0, 8, 255],
                    [15, 0, 1, 0, 15, 0, 1, 1, 0, 15, 0, 1, 2, 3, 15, 0, 1, 4, 8, 90, 15, 0, 1, 3],
                ]
            }, run: bodySequence),
    ]

    private static func bodyRows(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        let row = StoreRow(key: program.chunk(), value: program.rest())
        var now = Now.start
        var bodies = Bodies(limits: Bodies.Limits(), seed: 1, now: now)
        var outputs: [Bodies.Output] = []
        bodies.handle(.loaded([row], isLast: true), now: now, into: &outputs)
        findings.note("rows", counters: bodies.counters)
        for output in outputs { findings.note("rows", output) }
        let snapshot = bodies.snapshot(now: now)
        require(snapshot.bodies.count <= 1, "one row, \(snapshot.bodies.count) bodies")
        now.advance(.seconds(3 * 3600))
        bodies.handle(.timeout, now: now, into: &outputs)
        _ = bodies.snapshot(now: now)
    }

    private static let otherBody: BodyBuilder.Built = {
        do {
            return try BodyBuilder(
                (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }, kind: .proof,
                issued: Now.start.wall, identity: Actors.keys[1],
                networkDigest: Actors.networkDigest, chunkSize: BodyShape.chunkSizeMin
            ).run()
        } catch { fatalError("a body within its limits: \(error)") }
    }()

    private static func bodySequence(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        var limits = Bodies.Limits()
        limits.bodiesMax = 4
        limits.requestsMax = 6
        limits.requestsPerPeerMax = 2
        limits.servesMax = 3
        limits.servesPerPeerMax = 2
        limits.readsMax = 3
        limits.cacheSizeMax = 4096
        limits.waitingMax = 2
        limits.downloadsMax = 1
        limits.exchangesMax = 10
        var now = Now.start
        var bodies = Bodies(limits: limits, seed: 1, now: now)
        let built = [sampleBody, otherBody]
        var outputs: [Bodies.Output] = []
        var requests: [(id: Bodies.RequestID, peer: PeerID, request: ChunksByRootRequest)] = []
        /// Who may be asked, and whose questions were not answered yet.
        var able: Set<PeerID> = []
        var unanswered: [Bodies.ServeID: PeerID] = [:]
        var jobs: [(Bodies.JobID, ChunkCheck)] = []
        var missed: [Bodies.RequestID] = []
        var missedFrom: PeerID?
        var checks: [(Bodies.JobID, BodyAnnouncement)] = []
        var store: [(StoreRequestID, StoreRequest)] = []
        var serves: [Bodies.ServeID] = []
        var publishing: Set<Bodies.PublishID> = []
        var rows: [[UInt8]: [UInt8]] = [:]
        var nextID: UInt64 = 1
        var steps = 0
        bodies.handle(.loaded([], isLast: true), now: now, into: &outputs)
        while !program.isAtEnd, steps < 150 {
            steps += 1
            let instruction = program.byte() & 0x0F
            let body = built[program.below(2)]
            let peer = Actors.peers[1 + program.below(7)]
            nextID += 1
            switch instruction {
            case 0:
                bodies.handle(.announced(body.announcement, from: peer), now: now, into: &outputs)
            case 1:
                able.insert(peer)
                bodies.handle(.peerConnected(peer, canServe: true), now: now, into: &outputs)
            case 2:
                bodies.handle(
                    .peerHas(peer, root: body.announcement.root, held: bitmap(&program, body)),
                    now: now, into: &outputs)
            case 3:
                guard !requests.isEmpty else { continue }
                let (id, _, request) = requests[program.below(requests.count)]
                let source = built.first { $0.announcement.root == request.root } ?? body
                let choice = program.byte()
                let index =
                    choice & 1 == 0
                    ? Int(request.indices.first ?? 0) : Int(choice >> 1) % source.chunks.count
                var response = ChunkResponse(
                    root: choice == 0xFE ? .zero : source.announcement.root,
                    index: UInt16(index), chunk: source.chunks[index % source.chunks.count],
                    held: bitmap(&program, source))
                if choice & 0x80 != 0 {
                    // Anything that decodes may come.
                    var bytes = response.sszEncoded()
                    bytes[(program.word() + 34) % bytes.count] ^= program.byte()
                    if let changed = try? ChunkResponse(ssz: bytes.span) { response = changed }
                }
                bodies.handle(.chunkReceived(id, response), now: now, into: &outputs)
            case 4:
                guard !requests.isEmpty else { continue }
                let (id, asked, _) = requests.remove(at: program.below(requests.count))
                let ends: [Bodies.RequestEnd] = [
                    .finished, .finished, .refused(code: 3), .failed, .malformed, .unsupported,
                ]
                let end = ends[program.below(ends.count)]
                if end == .unsupported { able.remove(asked) }
                bodies.handle(.requestEnded(id, end), now: now, into: &outputs)
            case 5:
                guard !jobs.isEmpty else { continue }
                let (id, check) = jobs.remove(at: program.below(jobs.count))
                bodies.handle(.chunkVerified(id, check.run()), now: now, into: &outputs)
            case 6:
                guard !store.isEmpty else { continue }
                let (id, request) = store.removeFirst()
                let fails = program.byte() == 0xFF
                bodies.handle(
                    .storeReplied(
                        id, fails ? .failed(.diskFull(path: "/")) : reply(request)), now: now,
                    into: &outputs)
            case 7:
                let request = ChunksByRootRequest(
                    root: program.byte() == 0 ? .zero : body.announcement.root,
                    indices: program.byte() & 1 == 0 ? [] : [0, UInt16(1 + program.below(200))],
                    held: bitmap(&program, body))
                guard let request else { continue }
                serves.append(.init(nextID))
                unanswered[.init(nextID)] = peer
                bodies.handle(.serve(.init(nextID), peer, request), now: now, into: &outputs)
            case 8:
                now.advance(program.duration())
                bodies.handle(.timeout, now: now, into: &outputs)
            case 9:
                // Its streams are gone with it.
                able.remove(peer)
                requests.removeAll { $0.peer == peer }
                unanswered = unanswered.filter { $0.value != peer }
                bodies.handle(.peerDisconnected(peer), now: now, into: &outputs)
                if missedFrom == peer { missed = [] }
            case 10:
                publishing.insert(.init(nextID))
                bodies.handle(.publish(.init(nextID), body), now: now, into: &outputs)
            case 11: bodies.handle(.remove(root: body.announcement.root), now: now, into: &outputs)
            case 12:
                bodies.handle(
                    .read(.init(nextID), root: body.announcement.root, index: program.below(9)),
                    now: now, into: &outputs)
            case 13:
                guard !serves.isEmpty else { continue }
                let id = serves.removeFirst()
                unanswered[id] = nil
                bodies.handle(
                    .serveEnded(id, wasRead: program.byte() & 3 != 0), now: now, into: &outputs)
            case 15:
                switch program.below(5) {
                case 0:
                    able.insert(peer)
                    bodies.handle(
                        .peerConnected(peer, canServe: true, offers: true), now: now,
                        into: &outputs)
                case 1:
                    guard let id = missed.last else { continue }
                    var announcement = body.announcement
                    if program.byte() & 1 == 1 {
                        var bytes = announcement.sszEncoded()
                        bytes[program.word() % bytes.count] ^= program.byte()
                        announcement = (try? BodyAnnouncement(ssz: bytes.span)) ?? announcement
                    }
                    bodies.handle(.announcementReceived(id, announcement), now: now, into: &outputs)
                case 2:
                    guard !checks.isEmpty else { continue }
                    let (id, announcement) = checks.remove(at: program.below(checks.count))
                    let policy = AnnouncementPolicy(networkDigest: Actors.networkDigest)
                    let verdict = AnnouncementCheck(announcement, policy: policy).run(
                        wall: now.wall)
                    bodies.handle(.announcementVerified(id, verdict), now: now, into: &outputs)
                case 3:
                    let known = program.byte() & 1 == 0 ? [] : [body.announcement.root]
                    guard let request = AnnouncementsRequest(known: known) else { continue }
                    bodies.handle(
                        .serveAnnouncements(.init(nextID), request), now: now, into: &outputs)
                default:
                    guard let id = missed.popLast() else { continue }
                    bodies.handle(.requestEnded(id, .finished), now: now, into: &outputs)
                }
            default:
                able.remove(peer)
                bodies.handle(.peerConnected(peer, canServe: false), now: now, into: &outputs)
            }
            for output in outputs {
                findings.note("bodies", output)
                switch output {
                case .request(let id, let peer, let request, _):
                    require(able.contains(peer), "a request to somebody who cannot be asked")
                    requests.append((id, peer, request))
                case .requestAnnouncements(let id, let peer, _, _):
                    missedFrom = peer
                    missed.append(id)
                    require(missed.count == 1, "one peer is asked at a time")
                case .checkAnnouncement(let id, let announcement):
                    checks.append((id, announcement))
                    require(checks.count <= limits.offersMax, "checks: \(checks.count)")
                case .offer(_, let announcements):
                    require(announcements.count <= limits.offersMax, "offers")
                case .cancel(let id):
                    let count = requests.count + missed.count
                    requests.removeAll { $0.id == id }
                    missed.removeAll { $0 == id }
                    require(
                        requests.count + missed.count == count - 1, "a request is cancelled twice")
                case .respond(let id, _):
                    require(unanswered[id] != nil, "an answer that nobody waits for")
                case .respondEnd(let id), .refuse(let id, _, _):
                    require(unanswered.removeValue(forKey: id) != nil, "an answer ends twice")
                case .published(let id, let root):
                    require(publishing.remove(id) != nil, "a publication ends twice")
                    let key = BodyManifest.key(root: root)
                    require(rows[key] != nil, "a body is published that is not stored")
                case .publishRefused(let id, _):
                    require(publishing.remove(id) != nil, "a publication ends twice")
                case .verifyChunk(let id, let check): jobs.append((id, check))
                case .store(let id, let request):
                    store.append((id, request))
                    apply(request)
                default: break
                }
            }
            outputs.removeAll(keepingCapacity: true)
            let snapshot = bodies.snapshot(now: now)
            require(snapshot.bodies.count <= limits.bodiesMax + limits.waitingMax, "bodies")
            require(
                snapshot.requests <= limits.requestCountMax, "requests: \(snapshot.requests)")
            require(snapshot.serves <= limits.servesMax, "serves: \(snapshot.serves)")
            require(snapshot.cacheSize <= limits.cacheSizeMax, "cache: \(snapshot.cacheSize)")
            require(snapshot.totalSize <= limits.totalSizeMax, "on disk: \(snapshot.totalSize)")
            let ownSize = built.reduce(0) { $0 + $1.announcement.shape.size }
            require(
                snapshot.unstoredSize <= limits.unstoredSizeMax,
                "not stored: \(snapshot.unstoredSize)")
            require(snapshot.publishingSize <= ownSize, "publishing: \(snapshot.publishingSize)")
            if jobs.isEmpty, store.isEmpty {
                require(snapshot.unstoredSize == 0, "\(snapshot.unstoredSize) bytes of nothing")
                require(
                    publishing.isEmpty && snapshot.publishingSize == 0,
                    "publications that nobody answers")
            }
            // As `Counters` says of them.
            let counters = bodies.counters
            require(
                counters.announcementsReceived
                    == counters.downloadsStarted + counters.announcementsKnown
                    + counters.announcementsRefused, "announcements: \(counters)")
            require(
                counters.chunksReceived
                    == counters.chunksVerified + counters.chunksWrong + counters.chunksUnrequested
                    + counters.chunksDuplicate + counters.chunksLate + UInt64(jobs.count),
                "chunks: \(counters)")
            let sent =
                counters.chunkRequests + counters.exchangeRequests + counters.catchUpRequests
            let ended =
                counters.requestsAnswered + counters.requestsTimedOut + counters.requestsFailed
                + counters.requestsRefused + counters.requestsCancelled
            require(
                sent == ended + UInt64(snapshot.requests + missed.count), "requests: \(counters)")
            let served = counters.servesAnswered + counters.servesRefused
            require(
                (served...served + UInt64(snapshot.serves)).contains(counters.servesReceived),
                "serves: \(counters)")
        }
        findings.note("bodies", counters: bodies.counters)

        func apply(_ request: StoreRequest) {
            guard case .write(let writes, _) = request else { return }
            for write in writes {
                switch write {
                case .put(.chunk, let key, let value):
                    let isTrue = built.contains { body in
                        body.chunks.indices.contains { index in
                            StoredChunk.key(root: body.announcement.root, index: index) == key
                                && body.chunks[index].sszEncoded() == value
                        }
                    }
                    require(isTrue, "a chunk is stored that is none of an announced body's")
                    rows[key] = value
                case .put(_, let key, let value): rows[key] = value
                case .delete(_, let key): rows[key] = nil
                case .deleteRange(_, let from, let to):
                    rows = rows.filter {
                        $0.key.lexicographicallyPrecedes(from)
                            || !$0.key.lexicographicallyPrecedes(to)
                    }
                }
            }
        }
        func reply(_ request: StoreRequest) -> StoreReply {
            switch request {
            case .write: .written
            case .get(_, let key): .value(rows[key])
            case .scan: .rows([], more: false)
            case .checkpoint: .checkpointed
            }
        }
        func bitmap(_ program: inout Program, _ body: BodyBuilder.Built) -> ChunkBitmap {
            let bits = program.byte()
            // One in eight is of a length that the body cannot have.
            let count = bits & 7 == 7 ? Int(bits) : body.chunks.count
            var held = ChunkBitmap(repeating: false, count: count)
            for index in 0..<min(count, 8) where bits >> UInt8(index) & 1 == 1 {
                held[index] = true
            }
            return held
        }
    }
}
