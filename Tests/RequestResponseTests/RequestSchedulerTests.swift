import ChoraleBase
import RequestResponse
import Testing

@Suite struct RequestSchedulerTests {
    typealias Scheduler = RequestScheduler<Int>
    typealias ID = ScheduledRequestID

    @Test func oursWaitForTheirProtocolOnly() {
        var scheduler = Scheduler()
        var outputs: [Scheduler.Output] = []
        for id in 1...3 {
            scheduler.request(ID(UInt64(id)), to: 7, .ping, now: at(0), into: &outputs)
        }
        scheduler.request(ID(4), to: 7, .status, now: at(0), into: &outputs)
        scheduler.request(ID(5), to: 8, .ping, now: at(0), into: &outputs)
        #expect(outputs == [.open(ID(1)), .open(ID(2)), .open(ID(4)), .open(ID(5))])
        outputs = []
        scheduler.ended(ID(4), now: at(0), into: &outputs)
        #expect(outputs.isEmpty)
        scheduler.ended(ID(1), now: at(0), into: &outputs)
        scheduler.ended(ID(1), now: at(0), into: &outputs)
        #expect(outputs == [.open(ID(3))])
        #expect(scheduler.nextDeadline == nil)
    }

    @Test func oursAreRefusedWhenTooManyWait() {
        var limits = Scheduler.Limits()
        limits.outboundWaitingMax = 1
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        for id in UInt64(1)...4 {
            scheduler.request(ID(id), to: 7, .ping, now: at(0), into: &outputs)
        }
        #expect(outputs == [.open(ID(1)), .open(ID(2)), .refuse(ID(4))])
    }

    @Test func theirsAreDelayedThenLimited() {
        var limits = Scheduler.Limits()
        limits.inboundWaitingMax = 1
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        for id in UInt64(1)...4 {
            scheduler.arrived(ID(id), from: 7, .ping, cost: 1, now: at(0), into: &outputs)
        }
        #expect(outputs == [.serve(ID(1)), .serve(ID(2)), .rateLimit(ID(4))])
        outputs = []
        scheduler.ended(ID(2), now: at(0), into: &outputs)
        #expect(outputs == [.serve(ID(3))])
    }

    @Test func theirsWaitForTokensInTheirOrder() {
        var limits = Scheduler.Limits()
        limits.burst = 10
        limits.tokenInterval = .seconds(1)
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        // A cost above the bucket is a full bucket.
        scheduler.arrived(ID(1), from: 7, .chunksByRoot, cost: 99, now: at(0), into: &outputs)
        scheduler.arrived(ID(2), from: 7, .chunksByRoot, cost: 5, now: at(0), into: &outputs)
        // Cheap, but not before the one that waits; another peer's tokens are its own.
        scheduler.arrived(ID(3), from: 7, .ping, cost: 0, now: at(0), into: &outputs)
        scheduler.arrived(ID(4), from: 8, .ping, cost: 1, now: at(0), into: &outputs)
        #expect(outputs == [.serve(ID(1)), .serve(ID(4))])
        #expect(scheduler.nextDeadline == at(5))
        outputs = []
        scheduler.timeout(now: at(4), into: &outputs)
        #expect(outputs.isEmpty)
        scheduler.timeout(now: at(5), into: &outputs)
        #expect(outputs == [.serve(ID(2))])
        #expect(scheduler.nextDeadline == at(6))
        outputs = []
        scheduler.timeout(now: at(6), into: &outputs)
        #expect(outputs == [.serve(ID(3))])
        #expect(scheduler.nextDeadline == nil)
    }

    @Test func cancellingLetsTheNextPass() {
        var limits = Scheduler.Limits()
        limits.burst = 10
        limits.tokenInterval = .seconds(1)
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        scheduler.arrived(ID(1), from: 7, .ping, cost: 9, now: at(0), into: &outputs)
        scheduler.arrived(ID(2), from: 7, .ping, cost: 5, now: at(0), into: &outputs)
        scheduler.arrived(ID(3), from: 7, .status, cost: 1, now: at(0), into: &outputs)
        outputs = []
        let waited = scheduler.cancel(ID(2), of: 7, now: at(0), into: &outputs)
        let served = scheduler.cancel(ID(1), of: 7, now: at(0), into: &outputs)
        let unknown = scheduler.cancel(ID(9), of: 9, now: at(0), into: &outputs)
        #expect(waited && !served && !unknown)
        #expect(outputs == [.serve(ID(3))])
        #expect(scheduler.nextDeadline == nil)
    }

    /// A waiting request that leaves frees its place, and so do those under way: after any number of
    /// peers that came, asked and left, a new one is answered.
    @Test func whoeverLeavesIsForgotten() {
        var limits = Scheduler.Limits()
        limits.peerCountMax = 16
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        for peer in 0..<100 {
            let ids = (0..<3).map { ID(UInt64(peer * 3 + $0)) }
            for id in ids {
                scheduler.arrived(id, from: peer, .status, cost: 1, now: at(0), into: &outputs)
            }
            #expect(outputs == [.serve(ids[0]), .serve(ids[1])])
            outputs = []
            for id in [ids[2], ids[0], ids[1], ids[1]] {
                scheduler.leave(id, of: peer, now: at(0), into: &outputs)
            }
            #expect(outputs.isEmpty)
        }
        #expect(scheduler.waitingCount == 0)
        #expect(scheduler.counters.inboundAbandoned == 100)
        #expect(scheduler.counters.rateLimited == 0)
    }

    @Test func aBucketOutlivesTheConnection() {
        var limits = Scheduler.Limits()
        limits.burst = 2
        limits.tokenInterval = .seconds(1)
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        scheduler.arrived(ID(1), from: 7, .ping, cost: 2, now: at(0), into: &outputs)
        scheduler.arrived(ID(2), from: 7, .ping, cost: 2, now: at(0), into: &outputs)
        scheduler.request(ID(3), to: 7, .ping, now: at(0), into: &outputs)
        outputs = []
        scheduler.peerGone(7, into: &outputs)
        #expect(outputs == [.abandon(ID(2))])
        #expect(scheduler.nextDeadline == nil)
        scheduler.ended(ID(1), now: at(0), into: &outputs)
        scheduler.ended(ID(3), now: at(0), into: &outputs)
        outputs = []
        scheduler.arrived(ID(4), from: 7, .ping, cost: 2, now: at(0), into: &outputs)
        #expect(outputs.isEmpty)
        #expect(scheduler.nextDeadline == at(2))
    }

    @Test func rememberedPeersAreBounded() {
        var limits = Scheduler.Limits()
        limits.peerCountMax = 2
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        scheduler.arrived(ID(1), from: 1, .ping, cost: 1, now: at(0), into: &outputs)
        scheduler.arrived(ID(2), from: 2, .ping, cost: 1, now: at(0), into: &outputs)
        scheduler.arrived(ID(3), from: 3, .ping, cost: 1, now: at(0), into: &outputs)
        scheduler.request(ID(4), to: 3, .ping, now: at(0), into: &outputs)
        scheduler.ended(ID(2), now: at(0), into: &outputs)
        scheduler.arrived(ID(5), from: 3, .ping, cost: 1, now: at(0), into: &outputs)
        #expect(
            outputs == [
                .serve(ID(1)), .serve(ID(2)), .rateLimit(ID(3)), .refuse(ID(4)), .serve(ID(5)),
            ])
    }

    /// Whatever happens, limits hold and every request is accounted for.
    @Test(arguments: UInt64(0)..<32) func randomRequests(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var limits = Scheduler.Limits()
        limits.burst = 20
        limits.tokenInterval = .milliseconds(100)
        limits.inboundWaitingMax = 4
        limits.outboundWaitingMax = 4
        limits.peerCountMax = 3
        var scheduler = Scheduler(limits: limits)
        var outputs: [Scheduler.Output] = []
        var now: Int64 = 0
        var known: [ID: (peer: Int, name: String, ours: Bool)] = [:]
        var waiting: Set<ID> = []
        var open: [ID] = []
        for step in UInt64(0)..<2_000 {
            let instant = MonotonicInstant(nanoseconds: now)
            let peer = Int(random.next() % 4)
            let kind = RequestProtocol.all[Int(random.next() % 5)]
            let id = ID(step)
            switch random.next() % 8 {
            case 0, 1:
                known[id] = (peer, kind.name, true)
                waiting.insert(id)
                scheduler.request(id, to: peer, kind, now: instant, into: &outputs)
            case 2, 3:
                known[id] = (peer, kind.name, false)
                waiting.insert(id)
                let cost = Int(random.next() % 30)
                scheduler.arrived(id, from: peer, kind, cost: cost, now: instant, into: &outputs)
            case 4, 5:
                if !open.isEmpty {
                    let ended = open.remove(at: Int(random.next() % UInt64(open.count)))
                    scheduler.ended(ended, now: instant, into: &outputs)
                }
            case 6:
                now += Int64(random.next() % 500_000_000)
                scheduler.timeout(
                    now: MonotonicInstant(nanoseconds: now), into: &outputs)
            default:
                if random.next() % 10 == 0 { scheduler.peerGone(peer, into: &outputs) }
            }
            for output in outputs {
                switch output {
                case .open(let id), .serve(let id):
                    #expect(waiting.remove(id) != nil)
                    open.append(id)
                case .refuse(let id), .rateLimit(let id), .abandon(let id):
                    #expect(waiting.remove(id) != nil)
                }
            }
            outputs = []

            var underWay: [String: Int] = [:]
            for id in open {
                guard let (peer, name, ours) = known[id] else { continue }
                underWay["\(peer) \(name) \(ours)", default: 0] += 1
            }
            #expect(underWay.values.allSatisfy { $0 <= limits.concurrentMax })
            #expect(scheduler.waitingCount == waiting.count)
            let counters = scheduler.counters
            let begun = counters.opened + counters.served
            let denied = counters.refused + counters.rateLimited
            let abandoned = counters.outboundAbandoned + counters.inboundAbandoned
            #expect(
                counters.requested + counters.arrived
                    == begun + denied + abandoned + UInt64(waiting.count))
        }
        #expect(scheduler.counters.served > 0 && scheduler.counters.rateLimited > 0)
    }
}
