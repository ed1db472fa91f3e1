import ChoraleBase
import Glibc
import Synchronization
import Testing

@testable import DriverUV

private final class Observer: EventLoop.TurnObserver {
    private let ended: () -> Void
    private let flushed: () -> Void

    init(ended: @escaping () -> Void = {}, flushed: @escaping () -> Void = {}) {
        self.ended = ended
        self.flushed = flushed
    }

    func turnEnded() { ended() }

    func turnFlushed() { flushed() }
}

@Suite struct EventLoopTests {
    @Test func aTimerNeverFiresEarly() throws {
        try withLoop { loop in
            var lateness: [Int64] = []
            for milliseconds in [0, 1, 2, 3, 5, 8] {
                let deadline = loop.now.advanced(
                    by: .milliseconds(milliseconds) + .microseconds(317))
                let timer = LoopTimer(loop: loop) {
                    lateness.append(loop.now.nanoseconds - deadline.nanoseconds)
                }
                timer.schedule(at: deadline)
            }
            try loop.drive { lateness.count == 6 }
            let earliest = lateness.min()
            #expect(earliest.map { $0 >= 0 } == true)
            #expect(loop.lag.timerLateness.count >= 6)
        }
    }

    @Test func aTimerFollowsItsLastDeadline() throws {
        try withLoop { loop in
            var fired: [String] = []
            let start = loop.now
            func timer(_ name: String, _ deadlines: [Int?]) {
                let timer = LoopTimer(loop: loop) { fired.append(name) }
                for deadline in deadlines {
                    timer.schedule(at: deadline.map { start.advanced(by: .milliseconds($0)) })
                }
            }
            timer("moved earlier", [5_000, 4])
            timer("moved later", [1, 12])
            timer("withdrawn", [1, nil])
            timer("withdrawn and set again", [1, nil, 20])
            timer("never", [nil])
            timer("beyond all time", [Int.max / 2_000_000])
            timer("in the past", [-5])
            try loop.drive { fired.count == 4 }
            #expect(
                fired == ["in the past", "moved earlier", "moved later", "withdrawn and set again"])
        }
    }

    @Test func aTimerMayScheduleItselfAndClose() throws {
        try withLoop { loop in
            var count = 0
            var timer: LoopTimer?
            timer = LoopTimer(loop: loop) {
                count += 1
                if count < 3 { timer?.schedule(at: loop.now) } else { timer?.close() }
            }
            timer?.schedule(at: loop.now)
            try loop.drive { count == 3 }
            timer?.schedule(at: loop.now)
            let again = loop.run(until: { count > 3 }, patience: .milliseconds(5))
            #expect(!again)
            timer = nil
        }
    }

    @Test func turnEndRunsAfterCallbacksInOrder() throws {
        try withLoop { loop in
            var trace: [String] = []
            let observer = Observer(
                ended: { trace.append("end") }, flushed: { trace.append("flushed") })
            loop.addTurnObserver(observer)
            loop.afterCallbacks {
                trace.append("deferred")
                // Runs in the next turn, and the loop does not wait for an event first.
                loop.afterCallbacks { trace.append("deferred again") }
            }
            try loop.drive { trace.contains("deferred again") }
            #expect(
                Array(trace.prefix(5)) == ["deferred", "end", "flushed", "deferred again", "end"])
        }
    }

    /// Two machines on one loop: neither takes the other's turns away, and who leaves is not called.
    @Test func severalObserversShareALoop() throws {
        try withLoop { loop in
            var counts = [0, 0]
            let observers = [
                Observer(flushed: { counts[0] += 1 }), Observer(flushed: { counts[1] += 1 }),
            ]
            for observer in observers { loop.addTurnObserver(observer) }
            loop.afterCallbacks {}
            try loop.drive { counts[0] > 0 }
            #expect(counts[0] == counts[1])
            loop.removeTurnObserver(observers[0])
            let before = counts
            loop.afterCallbacks {}
            try loop.drive { counts[1] > before[1] }
            #expect(counts[0] == before[0])
        }
    }

    @Test func stopEndsTheTurnFirst() throws {
        try withLoop { loop in
            var ends = 0
            loop.addTurnObserver(Observer(ended: { ends += 1 }))
            var endsAtStop = -1
            let timer = LoopTimer(loop: loop) {
                endsAtStop = ends
                loop.stop()
            }
            timer.schedule(at: loop.now)
            loop.run()
            #expect(endsAtStop >= 0)
            #expect(ends > endsAtStop)
            let turns = loop.lag.turns.count
            #expect(turns == loop.turnCount)
        }
    }

    @Test func clocksAdvance() throws {
        try withLoop { loop in
            let first = loop.readClocks()
            try loop.drive { loop.now > first.instant }
            #expect(first.instant >= .zero)
            // After 2020 and before 2100.
            #expect((1_577_836_800_000..<4_102_444_800_000).contains(loop.wall.milliseconds))
        }
    }

    @Test func signalsArrive() throws {
        try withLoop { loop in
            var count = 0
            try loop.onSignal(SIGUSR1) { count += 1 }
            // Sent to the process: a test's thread may block signals.
            kill(getpid(), SIGUSR1)
            try loop.drive { count == 1 }
            kill(getpid(), SIGUSR1)
            try loop.drive { count == 2 }
        }
    }

    @Test func patienceRunsOut() throws {
        try withLoop { loop in
            let held = loop.run(until: { false }, patience: .milliseconds(3))
            #expect(!held)
            #expect(loop.now >= MonotonicInstant(nanoseconds: 3_000_000))
        }
    }
}

@Suite struct MailboxTests {
    @Test func valuesFromThreadsArriveInOrderAndOnce() throws {
        try withLoop { loop in
            var received: [Int: [Int]] = [:]
            var total = 0
            let mailbox = try Mailbox<(Int, Int)>(loop: loop, capacity: 1 << 20) { batch in
                for (thread, value) in batch { received[thread, default: []].append(value) }
                total += batch.count
            }
            let threads = try (0..<4).map { thread in
                try Joined(
                    WorkerThread(name: "sender") {
                        for value in 0..<5_000 {
                            let sending = mailbox.send((thread, value))
                            precondition(sending == .accepted)
                        }
                    })
            }
            try loop.drive { total == 20_000 }
            for thread in threads { thread.join() }
            for thread in 0..<4 { #expect(received[thread] == Array(0..<5_000)) }
        }
    }

    @Test func aFullMailboxRefusesAndAClosedOneSaysSo() throws {
        try withLoop { loop in
            var received: [Int] = []
            let mailbox = try Mailbox<Int>(loop: loop, capacity: 2) { received += $0 }
            let sendings = (0..<4).map { mailbox.send($0) }
            #expect(sendings == [.accepted, .accepted, .full, .full])
            #expect(mailbox.refusedCount == 2)
            try loop.drive { received == [0, 1] }
            let later = mailbox.send(5)
            #expect(later == .accepted)
            mailbox.close()
            mailbox.close()
            let closed = mailbox.send(6)
            #expect(closed == .closed)
            let delivered = loop.run(until: { received.count > 2 }, patience: .milliseconds(3))
            #expect(!delivered)
        }
    }

    @Test func sendingToAClosedLoopIsHarmless() throws {
        let loop = try EventLoop()
        let mailbox = try Mailbox<Int>(loop: loop, capacity: 2) { _ in }
        loop.close()
        let sending = mailbox.send(1)
        #expect(sending == .closed)
        #expect(loop.liveHandleCount == 0)
    }

    /// What the closures of a mailbox hold must go when it is closed.
    @Test func closingReleasesTheReceiver() throws {
        final class Owner {}
        weak var owner: Owner?
        weak var leaked: Mailbox<Int>?
        do {
            let loop = try EventLoop()
            let strong = Owner()
            owner = strong
            let mailbox = try Mailbox<Int>(loop: loop, capacity: 2) { _ in _ = strong }
            leaked = mailbox
            loop.close()
        }
        #expect(owner == nil)
        #expect(leaked == nil)
    }
}

@Suite struct DurationHistogramTests {
    @Test func bucketsCoverEveryDurationOnce() {
        var previous = -1
        for bucket in 0..<DurationHistogram.bucketCount {
            let upper = DurationHistogram.upperBound(ofBucket: bucket)
            #expect(Int(upper) > previous)
            #expect(DurationHistogram.bucket(of: upper) == bucket)
            #expect(DurationHistogram.bucket(of: UInt64(previous + 1)) == bucket)
            previous = Int(upper)
        }
        #expect(DurationHistogram.bucket(of: .max) == DurationHistogram.bucketCount - 1)
    }

    @Test func percentilesAreWithinAQuarter() {
        var histogram = DurationHistogram()
        #expect(histogram.percentile(99) == 0)
        for value in 1...1_000 { histogram.record(nanoseconds: Int64(value) * 1_000) }
        histogram.record(nanoseconds: -1)
        for percent in [1, 50, 90, 99] {
            let exact = UInt64(percent) * 10_000
            let given = histogram.percentile(percent)
            #expect((exact * 99 / 100...exact * 5 / 4).contains(given), "p\(percent) was \(given)")
        }
        #expect(histogram.percentile(100) == 1_000_000)
        #expect(histogram.count == 1_001)
        #expect(histogram.maxNanoseconds == 1_000_000)
    }
}

/// A thread that a test joins.
final class Joined {
    private var thread: WorkerThread?

    init(_ thread: consuming WorkerThread) { self.thread = consume thread }

    func join() { thread.take()?.join() }
}
