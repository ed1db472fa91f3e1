import ChoraleBase
import Synchronization
import Testing

@testable import DriverUV

@Suite struct WorkerPoolTests {
    @Test func everyJobIsDeliveredOnce() throws {
        try withLoop { loop in
            var outcomes: [Int] = []
            let pool = try WorkerPool<Int>(
                loop: loop, name: "test", threadCount: 3, inFlightMax: 500
            ) { outcomes += $0 }
            let submissions = (0..<500).map { value in pool.submit { value * value } }
            #expect(submissions.allSatisfy { $0 == .accepted })
            try loop.drive { outcomes.count == 500 }
            #expect(outcomes.sorted() == (0..<500).map { $0 * $0 })
            #expect(pool.counters.inFlight == 0)
            pool.shutDown(discarding: false)
        }
    }

    @Test func aFullPoolRefusesUntilOutcomesAreDelivered() throws {
        try withLoop { loop in
            var outcomes: [Int] = []
            let pool = try WorkerPool<Int>(
                loop: loop, name: "test", threadCount: 1, inFlightMax: 2
            ) { outcomes += $0 }
            let submissions = (0..<4).map { value in pool.submit { value } }
            // However fast the thread is, its outcomes count until the loop has had its turn.
            #expect(submissions == [.accepted, .accepted, .full, .full])
            try loop.drive { outcomes == [0, 1] }
            let later = pool.submit { 2 }
            #expect(later == .accepted)
            try loop.drive { outcomes == [0, 1, 2] }
            let counters = pool.counters
            #expect(
                (counters.submitted, counters.delivered, counters.refused, counters.discarded)
                    == (3, 3, 2, 0))
            pool.shutDown(discarding: false)
        }
    }

    @Test func shuttingDownDrains() throws {
        try withLoop { loop in
            var outcomes: [Int] = []
            let pool = try WorkerPool<Int>(
                loop: loop, name: "test", threadCount: 2, inFlightMax: 100
            ) { outcomes += $0 }
            for value in 0..<100 { _ = pool.submit { value } }
            pool.shutDown(discarding: false)
            // Without another turn of the loop.
            #expect(outcomes.sorted() == Array(0..<100))
            let refused = pool.submit { 1 }
            #expect(refused == .closed)
            pool.shutDown(discarding: true)
        }
    }

    @Test func shuttingDownMayDiscardWhatHasNotBegun() throws {
        try withLoop { loop in
            var outcomes: [Int] = []
            let pool = try WorkerPool<Int>(
                loop: loop, name: "test", threadCount: 1, inFlightMax: 100
            ) { outcomes += $0 }
            let gate = Gate()
            let begun = Gate()
            _ = pool.submit {
                begun.open()
                gate.wait()
                return 0
            }
            begun.wait()
            for value in 1..<10 { _ = pool.submit { value } }
            let opener = Joined(
                try WorkerThread(name: "opener") {
                    begun.wait()
                    gate.open()
                })
            pool.shutDown(discarding: true)
            opener.join()
            let counters = pool.counters
            #expect(counters.submitted == 10)
            #expect(counters.delivered == UInt64(outcomes.count))
            #expect(counters.delivered + counters.discarded == 10)
            #expect(outcomes == Array(0..<outcomes.count))
        }
    }

    /// A pool that nobody shut down ends with its owner, and calls nobody back.
    @Test func aForgottenPoolEndsItsThreads() throws {
        try withLoop { loop in
            let runs = Atomic<Int>(0)
            var delivered = 0
            do {
                let pool = try WorkerPool<Int>(
                    loop: loop, name: "test", threadCount: 2, inFlightMax: 10
                ) { delivered += $0.count }
                _ = pool.submit { runs.add(1, ordering: .relaxed).newValue }
            }
            let late = loop.run(until: { delivered > 0 }, patience: .milliseconds(3))
            #expect(!late)
            #expect(runs.load(ordering: .relaxed) <= 1)
        }
    }

    @Test func poolsOutliveTheirLoopWithoutHarm() throws {
        let loop = try EventLoop()
        let pool = try WorkerPool<Int>(
            loop: loop, name: "test", threadCount: 1, inFlightMax: 10
        ) { _ in }
        _ = pool.submit { 1 }
        loop.close()
        pool.shutDown(discarding: false)
        #expect(pool.counters.discarded + pool.counters.delivered <= 1)
    }
}

@Suite struct SerialWorkerTests {
    @Test func requestsAreAnsweredInOrder() throws {
        try withLoop { loop in
            var replies: [Int] = []
            let largest = Atomic<Int>(0)
            let worker = try SerialWorker<Int, Int>(
                loop: loop, name: "store", inFlightMax: 2_000, batchCountMax: 16,
                perform: { requests in
                    largest.max(requests.count, ordering: .relaxed)
                    return requests.map { $0 + 1 }
                },
                deliver: { replies += $0 })
            for request in 0..<2_000 {
                let submission = worker.submit(request)
                #expect(submission == .accepted)
            }
            let refused = worker.submit(0)
            #expect(refused == .full)
            try loop.drive { replies.count == 2_000 }
            #expect(replies == Array(1...2_000))
            #expect((1...16).contains(largest.load(ordering: .relaxed)))
            worker.shutDown()
        }
    }

    @Test func shuttingDownFinishesWhatWasAccepted() throws {
        try withLoop { loop in
            var replies: [Int] = []
            let worker = try SerialWorker<Int, Int>(
                loop: loop, name: "store", inFlightMax: 100,
                perform: { $0 }, deliver: { replies += $0 })
            for request in 0..<100 { _ = worker.submit(request) }
            worker.shutDown()
            #expect(replies == Array(0..<100))
            #expect(worker.counters.delivered == 100)
            let refused = worker.submit(1)
            #expect(refused == .closed)
        }
    }
}

/// Blocks threads until it is opened.
final class Gate: Sendable {
    private let queue = JobQueue<Void>()

    func open() { _ = queue.close(discarding: false) }

    func wait() { _ = queue.take(countMax: 1) }
}
