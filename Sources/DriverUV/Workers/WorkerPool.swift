/// What became of a job.
public enum JobSubmission: Hashable, Sendable {
    case accepted
    /// The limit of jobs in flight is reached. The submitter keeps this one.
    case full
    /// The workers were shut down.
    case closed
}

/// Numbers that add up: submitted = delivered + discarded + in flight.
public struct WorkerCounters: Hashable, Sendable {
    /// Jobs accepted.
    public var submitted: UInt64 = 0
    /// Jobs whose outcome reached the loop.
    public var delivered: UInt64 = 0
    /// Jobs dropped unrun at shutdown.
    public var discarded: UInt64 = 0
    /// Jobs refused because the limit was reached, or after shutdown. Not part of `submitted`.
    public var refused: UInt64 = 0

    public var inFlight: UInt64 { submitted - delivered - discarded }
}

/// Threads that compute for a loop: signature batches, proofs.
///
/// Their own threads and not libuv's, which serve file access. Outcomes reach the loop in batches,
/// in order of completion. The number of jobs in flight is bounded, from submission to the delivery
/// of the outcome, so that the way back can never be full.
///
/// Belongs to the loop; jobs and outcomes cross threads, the pool does not.
public final class WorkerPool<Outcome: Sendable> {
    public typealias Job = @Sendable () -> Outcome

    private let crew: WorkerCrew<Job, Outcome>

    public var counters: WorkerCounters { crew.counters }

    /// - Parameters:
    ///   - name: of the threads, for tools.
    ///   - threadCount: at least 1. More than cores gains nothing.
    ///   - inFlightMax: jobs submitted and not yet delivered, at most.
    ///   - deliver: runs on the loop with at least one outcome.
    public init(
        loop: EventLoop,
        name: String,
        threadCount: Int,
        inFlightMax: Int,
        deliver: @escaping ([Outcome]) -> Void
    ) throws(SystemError) {
        crew = try WorkerCrew(
            loop: loop, name: name, threadCount: threadCount, inFlightMax: inFlightMax,
            // One at a time: a thread that hoards jobs leaves the others idle.
            batchCountMax: 1, perform: { jobs in jobs.map { $0() } }, deliver: deliver)
    }

    /// Queues a job for whichever thread is free first.
    public func submit(_ job: @escaping Job) -> JobSubmission { crew.submit(job) }

    /// Ends the threads and delivers what they had finished. See `WorkerCrew.shutDown`.
    ///
    /// Blocks the loop until running jobs return. Harmless when repeated.
    ///
    /// - Parameter discarding: drops the jobs that no thread has begun.
    public func shutDown(discarding: Bool) { crew.shutDown(discarding: discarding) }
}

/// One thread that takes requests strictly in order: the store.
///
/// It is handed everything that waits, up to a limit, so that it can make one disk batch of it.
/// Otherwise like ``WorkerPool``.
public final class SerialWorker<Request: Sendable, Reply: Sendable> {
    private let crew: WorkerCrew<Request, Reply>

    public var counters: WorkerCounters { crew.counters }

    /// - Parameters:
    ///   - name: of the thread, for tools.
    ///   - inFlightMax: requests submitted and not yet answered, at most.
    ///   - batchCountMax: requests handed to `perform` at once, at most.
    ///   - perform: runs on the thread; answers every request, in the same order.
    ///   - deliver: runs on the loop with at least one reply, in the order of requests.
    public init(
        loop: EventLoop,
        name: String,
        inFlightMax: Int,
        batchCountMax: Int = 64,
        perform: @escaping @Sendable ([Request]) -> [Reply],
        deliver: @escaping ([Reply]) -> Void
    ) throws(SystemError) {
        crew = try WorkerCrew(
            loop: loop, name: name, threadCount: 1, inFlightMax: inFlightMax,
            batchCountMax: batchCountMax, perform: perform, deliver: deliver)
    }

    /// Queues a request behind all earlier ones.
    public func submit(_ request: Request) -> JobSubmission { crew.submit(request) }

    /// Finishes every request already accepted, ends the thread and delivers the replies.
    ///
    /// Blocks the loop meanwhile. Harmless when repeated.
    public func shutDown() { crew.shutDown(discarding: false) }
}

/// Threads, a queue towards them and a mailbox back.
///
/// 1. Each accepted job is delivered or discarded, exactly once. Checked by `counters`.
/// 2. The mailbox is never full: its capacity is the bound of jobs in flight. Checked by the worker.
/// 3. No thread outlives `shutDown`. A crew that is not shut down lives until its loop is closed.
private final class WorkerCrew<Job: Sendable, Outcome: Sendable> {
    private(set) var counters = WorkerCounters()

    private let inFlightMax: UInt64
    private let queue = JobQueue<Job>()
    private let deliver: ([Outcome]) -> Void
    private var mailbox: Mailbox<Outcome>?
    private var threads: [ThreadBox] = []

    /// Arrays hold no noncopyable elements.
    private final class ThreadBox {
        var thread: WorkerThread?
        init(_ thread: consuming WorkerThread) { self.thread = consume thread }
    }

    init(
        loop: EventLoop,
        name: String,
        threadCount: Int,
        inFlightMax: Int,
        batchCountMax: Int,
        perform: @escaping @Sendable ([Job]) -> [Outcome],
        deliver: @escaping ([Outcome]) -> Void
    ) throws(SystemError) {
        precondition(threadCount > 0 && inFlightMax > 0 && batchCountMax > 0, "work needs workers")
        self.inFlightMax = UInt64(inFlightMax)
        self.deliver = deliver
        let mailbox = try Mailbox<Outcome>(loop: loop, capacity: inFlightMax) { [unowned self] in
            received($0)
        }
        self.mailbox = mailbox
        do {
            for index in 0..<threadCount {
                let queue = queue
                let thread = try WorkerThread(name: "\(name)-\(index)") {
                    while let jobs = queue.take(countMax: batchCountMax) {
                        let outcomes = perform(jobs)
                        precondition(outcomes.count == jobs.count, "every job has one outcome")
                        for outcome in outcomes {
                            let sending = mailbox.send(outcome)
                            precondition(sending != .full, "invariant 2: the way back was full")
                        }
                    }
                }
                threads.append(ThreadBox(thread))
            }
        } catch {
            shutDown(discarding: true)
            throw error
        }
    }

    // Delivers nothing: whoever would hear of it is gone.
    deinit { endThreads(discarding: true)?.close() }

    func submit(_ job: Job) -> JobSubmission {
        guard mailbox != nil else {
            counters.refused &+= 1
            return .closed
        }
        guard counters.inFlight < inFlightMax else {
            counters.refused &+= 1
            return .full
        }
        counters.submitted &+= 1
        queue.put(job)
        return .accepted
    }

    private func received(_ outcomes: [Outcome]) {
        counters.delivered &+= UInt64(outcomes.count)
        deliver(outcomes)
    }

    func shutDown(discarding: Bool) {
        guard let mailbox = endThreads(discarding: discarding) else { return }
        mailbox.drain()
        mailbox.close()
    }

    private func endThreads(discarding: Bool) -> Mailbox<Outcome>? {
        guard let mailbox else { return nil }
        self.mailbox = nil
        counters.discarded &+= UInt64(queue.close(discarding: discarding))
        for box in threads { box.thread.take()?.join() }
        threads.removeAll()
        return mailbox
    }
}
