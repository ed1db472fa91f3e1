import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

/// Hearing of bodies that were announced while a node was away.
@Suite struct CatchUpTests {
    private typealias Request = (id: Bodies.RequestID, peer: PeerID, known: [Bytes32])

    private static func asked(_ outputs: [Bodies.Output]) -> [Request] {
        outputs.compactMap {
            if case .requestAnnouncements(let id, let peer, let request, _) = $0 {
                (id, peer, request.known)
            } else {
                nil
            }
        }
    }

    private static func checks(_ outputs: [Bodies.Output]) -> [(Bodies.JobID, BodyAnnouncement)] {
        outputs.compactMap {
            if case .checkAnnouncement(let id, let announcement) = $0 {
                (id, announcement)
            } else {
                nil
            }
        }
    }

    private static func penalties(_ outputs: [Bodies.Output]) -> [Bodies.Fault] {
        outputs.compactMap { if case .penalize(_, let fault) = $0 { fault } else { nil } }
    }

    private static func offered(_ outputs: [Bodies.Output]) -> [Bytes32]? {
        for output in outputs {
            if case .offer(_, let announcements) = output { return announcements.map(\.root) }
        }
        return nil
    }

    private static func connect(_ bench: inout Bench, _ index: Int) -> [Bodies.Output] {
        bench.tell(.peerConnected(Bench.peer(index), canServe: true, offers: true))
    }

    /// Has the machine ask peer 1.
    private static func ask(_ bench: inout Bench) throws -> Request {
        let outputs = asked(connect(&bench, 1))
        return try #require(outputs.first)
    }

    @Test func eachNewPeerIsAskedOnceOneAtATime() {
        var bench = Bench()
        let first = Self.asked(Self.connect(&bench, 1))
        #expect(first.map(\.peer) == [Bench.peer(1)])
        let whileAsking = Self.asked(Self.connect(&bench, 2))
        #expect(whileAsking.isEmpty)
        let stillAsking = Self.asked(Self.connect(&bench, 3))
        #expect(stillAsking.isEmpty)
        let whileBusy = Self.asked(bench.wait(1500))
        #expect(whileBusy.isEmpty, "the first has not answered")
        var peers: [PeerID] = []
        let second = Self.asked(bench.tell(.requestEnded(first[0].id, .finished)))
        peers += second.map(\.peer)
        bench.tell(.requestEnded(second[0].id, .finished))
        let early = Self.asked(bench.wait(900))
        #expect(early.isEmpty, "less than the pause")
        let third = Self.asked(bench.wait(100))
        peers += third.map(\.peer)
        #expect(Set(peers) == [Bench.peer(2), Bench.peer(3)])
        bench.tell(.requestEnded(third[0].id, .finished))
        // Then one a minute, whoever was asked longest ago.
        let beforeRotation = Self.asked(bench.wait(59_000))
        #expect(beforeRotation.isEmpty)
        let again = Self.asked(bench.wait(1000))
        #expect(again.map(\.peer) == [Bench.peer(1)])
        #expect(bench.machine.counters.catchUpRequests == 4)
    }

    @Test func nobodyIsAskedBeforeTheRowsAreLoaded() {
        var bench = Bench(loads: false)
        let beforeRows = Self.asked(Self.connect(&bench, 1))
        #expect(beforeRows.isEmpty)
        let outputs = bench.tell(.loaded([], isLast: true))
        #expect(Self.asked(outputs).map(\.peer) == [Bench.peer(1)])
    }

    @Test func whatIsOfferedIsCheckedAndThenFetched() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        let built = Bench.built(1)
        let check = Self.checks(bench.tell(.announcementReceived(request.id, built.announcement)))
        #expect(check.map(\.1) == [built.announcement])
        bench.tell(.requestEnded(request.id, .finished))
        let outputs = bench.tell(
            .announcementVerified(check[0].0, .accept(built.announcement)))
        let exchanged = outputs.contains {
            if case .request(_, Bench.peer(1), _, _) = $0 { true } else { false }
        }
        #expect(exchanged, "whoever told us is asked for chunks")
        let counters = bench.machine.counters
        #expect(counters.downloadsStarted == 1)
        #expect(counters.offersReceived == 1 && counters.offersAccepted == 1)
        // It is named to the next, who must not offer it again.
        let next = Self.asked(Self.connect(&bench, 2)) + Self.asked(bench.wait(1000))
        #expect(next.map(\.known) == [[built.announcement.root]])
        let unwanted = bench.tell(.announcementReceived(next[0].id, built.announcement))
        #expect(
            Self.penalties(unwanted) == [.unwantedAnnouncement(root: built.announcement.root)])
    }

    @Test func aFalseOfferCostsAndIsTheLast() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        let root = Bench.built(1).announcement.root
        let check = Self.checks(
            bench.tell(.announcementReceived(request.id, Bench.built(1).announcement)))
        let outputs = bench.tell(.announcementVerified(check[0].0, .reject(.badSignature)))
        #expect(Self.penalties(outputs) == [.falseAnnouncement(root: root)])
        #expect(outputs.contains(.cancel(request.id)))
        #expect(bench.machine.counters.offersRejected == 1)
        #expect(bench.machine.snapshot(now: bench.now).bodies.isEmpty)
        let distrusted = Self.asked(bench.wait(120_000))
        #expect(distrusted.isEmpty, "it is distrusted for ten minutes")
        let forgiven = Self.asked(bench.wait(500_000))
        #expect(forgiven.map(\.peer) == [Bench.peer(1)])
    }

    @Test func theSameTwiceAndTooManyAreUnwanted() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        bench.tell(.announcementReceived(request.id, Bench.built(1).announcement))
        let twice = bench.tell(.announcementReceived(request.id, Bench.built(1).announcement))
        #expect(Self.penalties(twice).count == 1)
        let late = bench.tell(.announcementReceived(request.id, Bench.built(2).announcement))
        #expect(late.isEmpty)
        #expect(bench.machine.counters.offersLate == 1)

        var other = Bench()
        let second = try Self.ask(&other)
        for seed in UInt8(1)...16 {
            let outputs = other.tell(
                .announcementReceived(second.id, Bench.built(seed).announcement))
            #expect(Self.penalties(outputs).isEmpty)
        }
        let more = other.tell(.announcementReceived(second.id, Bench.built(17).announcement))
        #expect(Self.penalties(more).count == 1)
    }

    @Test(arguments: [Bodies.RequestEnd.failed, .refused(code: 4), .malformed, .unsupported])
    func whoFailsIsLeftAlone(end: Bodies.RequestEnd) throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        let outputs = bench.tell(.requestEnded(request.id, end))
        #expect(Self.penalties(outputs) == (end == .malformed ? [.malformedAnswer] : []))
        let next = Self.asked(Self.connect(&bench, 2)) + Self.asked(bench.wait(1000))
        #expect(next.map(\.peer) == [Bench.peer(2)])
    }

    @Test func whoDoesNotAnswerIsGivenUp() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        _ = Self.connect(&bench, 2)
        let patient = Self.asked(bench.wait(9_999))
        #expect(patient.isEmpty)
        let outputs = bench.wait(1)
        #expect(outputs.contains(.cancel(request.id)))
        #expect(Self.asked(outputs).map(\.peer) == [Bench.peer(2)])
        #expect(bench.machine.counters.requestsTimedOut == 1)
    }

    /// A peer that asks for what we have not heard of has something to tell.
    @Test func aRequestForSomethingUnknownIsAHint() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        bench.tell(.requestEnded(request.id, .finished))
        let unknown = try #require(
            ChunksByRootRequest(
                root: Bench.built(1).announcement.root, indices: [],
                held: ChunkBitmap(repeating: true, count: 4)))
        bench.milliseconds += 1000
        bench.tell(.serve(.init(1), Bench.peer(1), unknown))
        let tooSoon = Self.asked(bench.wait(999))
        #expect(tooSoon.isEmpty, "it was asked less than two seconds ago")
        let again = Self.asked(bench.wait(1))
        #expect(again.map(\.peer) == [Bench.peer(1)])
    }

    @Test func whoHintsWithoutEndDoesNotKeepOthersOut() throws {
        var bench = Bench()
        let request = try Self.ask(&bench)
        for index in 2...4 { _ = Self.connect(&bench, index) }
        var unknown: UInt8 = 0
        var peers: [PeerID] = []
        var open = request.id
        for _ in 0..<12 {
            unknown += 1
            let root = Bench.built(unknown).announcement.root
            let hint = try #require(
                ChunksByRootRequest(
                    root: root, indices: [], held: ChunkBitmap(repeating: true, count: 4)))
            bench.tell(.requestEnded(open, .finished))
            bench.tell(.serve(.init(UInt64(unknown)), Bench.peer(1), hint))
            let next = Self.asked(bench.wait(2000))
            peers += next.map(\.peer)
            if let id = next.first?.id { open = id }
        }
        #expect(Set(peers) == Set((1...4).map(Bench.peer)))
    }

    @Test func offersAreTheNewestUnknownOnesThatCanBeServed() throws {
        var limits = Bodies.Limits()
        limits.offersMax = 2
        var bench = Bench(limits)
        var roots: [Bytes32] = []
        for seed in UInt8(1)...4 {
            let built = Bench.built(seed)
            roots.append(built.announcement.root)
            bench.publish(UInt64(seed), built)
        }
        // Nothing of this one is here.
        bench.tell(.announced(Bench.built(5).announcement, from: nil))
        func offers(_ bench: inout Bench, _ known: [Bytes32]) throws -> [Bytes32]? {
            let request = try #require(AnnouncementsRequest(known: known))
            return Self.offered(bench.tell(.serveAnnouncements(.init(99), request)))
        }
        let newest = try offers(&bench, [])
        #expect(newest == [roots[3], roots[2]])
        let unknownOnes = try offers(&bench, [roots[3], roots[1]])
        #expect(unknownOnes == [roots[2], roots[0]])
        let nothing = try offers(&bench, roots)
        #expect(nothing == [])
        #expect(bench.machine.counters.offersSent == 4)
        // What is deleted soon is not worth fetching.
        bench.milliseconds += 2 * 3600 * 1000 * 7 / 8
        let old = try offers(&bench, [])
        #expect(old == [])
    }

    @Test func whatWasMissedDrivesNothingOut() throws {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 8192
        limits.totalSizeMax = 8192
        var bench = Bench(limits)
        bench.download(Bench.built(1), from: 7)
        bench.download(Bench.built(2), from: 7)
        bench.tell(.peerDisconnected(Bench.peer(7)))
        #expect(bench.complete.count == 2)
        let request = try Self.ask(&bench)
        let missed = Bench.built(3, by: 8).announcement
        let check = Self.checks(bench.tell(.announcementReceived(request.id, missed)))
        let outputs = bench.tell(.announcementVerified(check[0].0, .accept(missed)))
        #expect(
            outputs.contains(
                .event(.refused(root: missed.root, .noRoom(size: 12_288, limit: 8192)))))
        #expect(bench.machine.counters.bodiesEvicted == 0)
        // Gossip's own may, once something of it has come.
        bench.download(Bench.built(3, by: 8), from: 7)
        #expect(bench.machine.counters.bodiesEvicted == 1)
    }

    /// A late body expires with the others of its age, not later.
    @Test func whatWasMissedExpiresByItsIssue() throws {
        var bench = Bench()
        bench.milliseconds = 3_600_000
        let request = try Self.ask(&bench)
        let missed = Bench.built(1).announcement
        let check = Self.checks(bench.tell(.announcementReceived(request.id, missed)))
        bench.tell(.announcementVerified(check[0].0, .accept(missed)))
        let body = bench.machine.snapshot(of: missed.root, now: bench.now)
        #expect(body?.received == missed.description.issued)
    }

    /// Gossip does not bring an announcement twice. What there was no room for is asked for again when
    /// there is some, and not before.
    @Test func whatWasRefusedForWantOfRoomIsHeardOfAgain() throws {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 32_768
        limits.totalSizeMax = 32_768  // shares of 4096
        var bench = Bench(limits)
        let first = try Self.ask(&bench)
        bench.tell(.requestEnded(first.id, .finished))
        let held = Bench.built(1, by: 1)
        bench.tell(.announced(held.announcement, from: Bench.peer(1)))
        let all = ChunkBitmap(repeating: true, count: 4)
        let chunks = bench.tell(
            .peerHas(Bench.peer(1), root: held.announcement.root, held: all)
        ).chunkRequests
        let refused = Bench.built(2, by: 2).announcement
        let outputs = bench.tell(.announced(refused, from: Bench.peer(1)))
        #expect(
            outputs.events == [
                .refused(root: refused.root, .sourceBudget(size: 8192, limit: 4096))
            ])
        // Not while there is no room.
        let early = Self.asked(bench.wait(5000))
        #expect(early.isEmpty)
        var later: [Bodies.Output] = []
        for request in chunks {
            later += bench.receive(held, request.id, Int(request.indices[0]))
            later += bench.tell(.requestEnded(request.id, .finished))
        }
        #expect(bench.complete == [held.announcement.root])
        let again = try #require(Self.asked(later).first)
        #expect(again.peer == Bench.peer(1) && !again.known.contains(refused.root))
        let checks = Self.checks(bench.tell(.announcementReceived(again.id, refused)))
        bench.tell(.announcementVerified(checks[0].0, .accept(refused)))
        #expect(bench.machine.snapshot(of: refused.root, now: bench.now) != nil)
    }

    /// Even if nothing makes room that we would notice, once a minute somebody is asked.
    @Test func whatWasRefusedForItsRateIsOfferedWithinAMinute() throws {
        var limits = Bodies.Limits()
        limits.producerBurst = 1
        limits.producerInterval = .seconds(5)
        var bench = Bench(limits)
        let first = try Self.ask(&bench)
        bench.tell(.requestEnded(first.id, .finished))
        let built = (1...2).map { Bench.built(UInt8($0)).announcement }
        var outputs = bench.tell(.announced(built[0], from: Bench.peer(1)))
        let refused = bench.tell(.announced(built[1], from: Bench.peer(1)))
        #expect(refused.events == [.refused(root: built[1].root, .producerRate)])
        var asked: [Request] = []
        while bench.milliseconds < 61_000, asked.isEmpty {
            for request in outputs.requests {
                bench.tell(.requestEnded(request.id, .refused(code: 3)))
            }
            outputs = bench.wait(100)
            asked = Self.asked(outputs)
        }
        let again = try #require(asked.first)
        #expect(!again.known.contains(built[1].root))
        let checks = Self.checks(bench.tell(.announcementReceived(again.id, built[1])))
        bench.tell(.announcementVerified(checks[0].0, .accept(built[1])))
        #expect(bench.machine.snapshot(of: built[1].root, now: bench.now) != nil)
    }

    @Test(arguments: UInt64(0)..<4)
    func aNodeThatWasAwayGetsTheBody(seed: UInt64) {
        var conditions = BodyNetwork.Conditions()
        conditions.offersMissed = true
        let network = BodyNetwork(conditions, seed: seed)
        let neighbours = network.nodes[5].neighbours.sorted()
        network.kill(5)
        let content = SpreadTests.content(seed, size: 1 << 20)
        let root = network.publish(content, from: 0)
        let others = (1..<12).filter { $0 != 5 }
        network.run(limit: .seconds(60)) { others.allSatisfy { network.hasAll(root, $0) } }
        network.run(limit: .seconds(30)) { false }
        network.restart(5, neighbours: neighbours)
        network.run(limit: .seconds(20)) { network.hasAll(root, 5) }
        SpreadTests.check(network, root, content, nodes: 1..<12)
        #expect(network.penalties.isEmpty)
    }
}
