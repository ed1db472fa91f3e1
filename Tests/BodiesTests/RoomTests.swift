import Bodies
import ChoraleBase
import ChoraleTypes
import Codec
import PeerIdentity
import Testing

/// What is held, and what may drive it out.
@Suite struct BodiesRoomTests {
    /// Room for two bodies of 4096 bytes.
    private static var limits: Bodies.Limits {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 4096
        limits.totalSizeMax = 12_288
        return limits
    }

    @Test func announcementsDeleteNothing() {
        var bench = Bench(Self.limits)
        bench.publish(1, Bench.built(1, by: 1))
        bench.download(Bench.built(2, by: 2), from: 1)
        bench.download(Bench.built(3, by: 3), from: 1)
        let held = bench.complete
        #expect(held.count == 3)
        for number in 10..<40 {
            bench.milliseconds += 1000
            let outputs = bench.tell(
                .announced(
                    Bench.built(UInt8(number), by: number).announcement,
                    from: Bench.peer(number)))
            let deletions = outputs.writes.flatMap(\.writes)
            #expect(deletions.isEmpty)
        }
        #expect(bench.complete == held)
        #expect(bench.machine.counters.bodiesEvicted == 0)
    }

    @Test func whatComesDrivesOutTheOldestOfOthersAndNeverOurOwn() {
        var bench = Bench(Self.limits)
        let own = Bench.built(1, by: 1)
        bench.publish(1, own)
        let others = (2...4).map { Bench.built(UInt8($0), by: $0) }
        for body in others {
            bench.milliseconds += 1000
            bench.download(body, from: 1)
        }
        let roots = [own, others[1], others[2]].map(\.announcement.root)
        #expect(bench.complete == roots)
        // What made room may come back.
        let back = bench.machine.admission(of: others[0].announcement, now: bench.now)
        #expect(back == nil)
        // Of our own the newest replaces the oldest.
        let second = Bench.built(9, by: 1)
        bench.milliseconds += 1000
        bench.publish(2, second)
        #expect(Set(bench.complete) == Set(roots.dropFirst() + [second.announcement.root]))
    }

    /// One peer, or one producer, cannot take what all may have under way.
    @Test func whatIsUnderWayIsSharedAmongThoseWhoTellOfIt() {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 80_000
        limits.totalSizeMax = 80_000  // shares of 10 000, 40 000 in all
        limits.producerBurst = 100
        var bench = Bench(limits)
        func refusal(
            _ seed: Int, by producer: Int, from peer: Int, _ bench: inout Bench
        ) -> Bodies.Refusal? {
            let announcement = Bench.built(UInt8(seed), by: producer).announcement
            let refusal = bench.machine.admission(
                of: announcement, from: Bench.peer(peer), now: bench.now)
            bench.tell(.announced(announcement, from: Bench.peer(peer)))
            bench.show(announcement, by: peer)
            return refusal
        }
        let first = [refusal(1, by: 1, from: 50, &bench), refusal(2, by: 2, from: 50, &bench)]
        #expect(first == [nil, nil])
        let third = refusal(3, by: 3, from: 50, &bench)
        #expect(third == .sourceBudget(size: 12_288, limit: 10_000))
        let others = [refusal(3, by: 3, from: 51, &bench), refusal(4, by: 3, from: 52, &bench)]
        #expect(others == [nil, nil])
        let producer = refusal(5, by: 3, from: 53, &bench)
        #expect(producer == .producerBudget(size: 12_288, limit: 10_000))
        for number in 6...10 {
            let next = refusal(number, by: number, from: 50 + number, &bench)
            #expect(next == nil)
        }
        let full = refusal(11, by: 11, from: 61, &bench)
        #expect(full == .noRoom(size: 40_960, limit: 40_000))
    }

    /// What nobody has shown makes room for the next announcement, at no cost to the disk; what
    /// somebody holds does not.
    @Test func whatNobodyHasKeepsNothingOut() {
        var limits = Bodies.Limits()
        limits.bodySizeMax = 4096
        limits.producerSizeMax = 80_000
        limits.totalSizeMax = 80_000  // shares of 10 000, 40 000 in all
        var bench = Bench(limits)
        let served = Bench.built(0, by: 100).announcement
        bench.tell(.announced(served, from: Bench.peer(50)))
        bench.show(served, by: 50)
        for number in 1...30 {
            let announcement = Bench.built(UInt8(number), by: number).announcement
            // Of one peer, and of many.
            let source = number % 2 == 0 ? 50 : 50 + number
            let refusal = bench.machine.admission(
                of: announcement, from: Bench.peer(source), now: bench.now)
            #expect(refusal == nil)
            let outputs = bench.tell(.announced(announcement, from: Bench.peer(source)))
            #expect(outputs.writes.isEmpty)
            #expect(outputs.failures.allSatisfy { $0 == .displaced })
            let bodies = bench.machine.snapshot(now: bench.now).bodies
            #expect(bodies.reduce(0) { $0 + $1.size } <= 40_000)
            #expect(bodies.last?.root == announcement.root)
        }
        let first = bench.machine.snapshot(now: bench.now).bodies.first
        #expect(first?.root == served.root)
        let counters = bench.machine.counters
        #expect(counters.announcementsRefused == 0 && counters.downloadsFailed >= 21)
    }

    /// Small bodies are many: neither one peer nor one producer may have all places.
    @Test func placesAreSharedToo() {
        var limits = Bodies.Limits()
        limits.bodiesMax = 64  // 16 that are not whole, two of one peer
        var bench = Bench(limits)
        var refusals: [Bodies.Refusal?] = []
        for number in 0..<3 {
            let announcement = Bench.built(UInt8(number), size: 1024, by: number).announcement
            refusals.append(
                bench.machine.admission(of: announcement, from: Bench.peer(50), now: bench.now))
            bench.tell(.announced(announcement, from: Bench.peer(50)))
            bench.show(announcement, by: 51)
        }
        let limit = limits.incompleteShareMax
        #expect(refusals == [nil, nil, .sourceBudget(size: 3072, limit: limit)])
    }
}
