import CLibuv
public import ChoraleBase
import Glibc

/// A libuv loop: the one thread that owns sockets, timers and the node.
///
/// One turn of the loop:
///
///      timers ─▶ turn end ─▶ wait for events ─▶ reads, accepts, mailboxes ─▶ closes ─┐
///        ▲          │                                                                │
///        │          └ resume readers, `turnEnded`, fill and write, `turnFlushed`     │
///        └────────────────────────────────────────────────────────────────────────────┘
///
/// 1. Everything that callbacks of one turn cause is written at that turn's end: one write per
///    connection. Checked by construction: only `turnEnd` writes.
/// 2. The loop does not wait while work for the next turn is queued. Checked at the end of
///    `turnEnd`.
/// 3. After ``close()`` no handle is open. Checked there.
///
/// Memory: the buffers of ``Limits`` once per loop; per connection what `StreamConnection` says.
///
/// Not `Sendable`: threads reach a loop only through a ``Mailbox``.
public final class EventLoop {
    /// Somebody whose machine runs on a loop. One loop may carry several.
    public protocol TurnObserver: AnyObject {
        /// Once a turn, after the turn's callbacks and before connections are asked for bytes.
        func turnEnded()
        /// Once a turn, after connections were asked for bytes and before the loop waits: the place
        /// to perform what filling caused and to move the machine's timer.
        func turnFlushed()
    }

    /// Sizes that all connections of a loop share.
    public struct Limits: Sendable {
        /// Bytes asked of the kernel in one read. Measured: larger buffers gain nothing, because
        /// loopback delivers about 54 KB at a time, and smaller ones cost a call each.
        public var readSizeMax = 256 * 1024
        /// Bytes that a connection's owner may leave to be presented again with the next read:
        /// one Noise frame with its length, less a byte.
        public var carrySizeMax = 2 + 65_535
        /// Bytes read from one connection in one turn before the others have theirs: 1 MiB is
        /// decrypted in about 0.3 ms, far below the 5 ms that the loop may lag.
        public var readPerTurnMax = 1024 * 1024
        /// Bytes asked of a connection's owner for one write: 16 Noise frames of 16 KiB.
        public var fillSizeMax = 256 * 1024
        /// Bytes written in one turn, to all connections together, before the loop looks at what has
        /// come: encrypted and handed to the kernel in about 2 ms. A little more when several share it.
        public var writePerTurnMax = 1024 * 1024

        public init() {}
    }

    public let limits: Limits

    private var turnObservers: [any TurnObserver] = []

    /// How late the loop is.
    public internal(set) var lag = LoopLag()
    /// Turns so far.
    public private(set) var turnCount: UInt64 = 0
    /// Handles that libuv knows, internal ones included. Zero after ``close()``.
    public internal(set) var liveHandleCount = 0
    public private(set) var isClosed = false

    let raw: UnsafeMutablePointer<uv_loop_t>
    /// Where every connection's reads land: what it carried over, then new bytes.
    let readBuffer: UnsafeMutableRawBufferPointer

    private let origin: UInt64
    private var owner: pthread_t
    private var isRunning = false
    private var isClosing = false
    /// Of `run(until:patience:)`.
    private var stopCondition: (() -> Bool)?
    private var hooks: TurnHooks?
    private var signals: [SignalWatcher] = []
    private var closers: [() -> Void] = []
    private(set) var deadlines: DeadlineList?

    // Queued for the end of this turn.
    private var deferred: [() -> Void] = []
    private var readersToResume: [StreamConnection] = []
    private var writers: [StreamConnection] = []
    private var scratch: [UInt8] = []

    /// When the first callback of this turn ran, on libuv's clock; nil while the loop waits.
    private var turnStart: UInt64?

    /// Ignores SIGPIPE for the process: writing to a closed socket is an error code here.
    ///
    /// The calling thread owns the loop until another one calls ``run()``.
    public init(limits: Limits = Limits()) throws(SystemError) {
        precondition(limits.readSizeMax > 0 && limits.carrySizeMax >= 0, "reads need a buffer")
        precondition(limits.fillSizeMax > 0, "writes need a buffer")
        self.limits = limits
        raw = .allocate(capacity: 1)
        let status = uv_loop_init(raw)
        guard status == 0 else {
            raw.deallocate()
            throw SystemError(code: status)
        }
        readBuffer = .allocate(byteCount: limits.carrySizeMax + limits.readSizeMax, alignment: 64)
        origin = uv_hrtime()
        owner = pthread_self()
        scratch.reserveCapacity(limits.fillSizeMax)
        signal(SIGPIPE, SIG_IGN)
        do {
            hooks = try TurnHooks(loop: self)
        } catch {
            // No handle was opened, so the loop can go as it came.
            uv_loop_close(raw)
            isClosed = true
            throw error
        }
        deadlines = DeadlineList(loop: self)
    }

    deinit {
        // Open handles keep the loop alive, so this is reached only after `close()`.
        assert(isClosed)
        readBuffer.deallocate()
        raw.deallocate()
    }
}

// MARK: - Time

extension EventLoop {
    /// Time since the loop was made. Never goes backwards.
    public var now: MonotonicInstant {
        MonotonicInstant(nanoseconds: Int64(clamping: uv_hrtime() &- origin))
    }

    /// The calendar time.
    public var wall: WallTime {
        var time = uv_timeval64_t()
        guard uv_gettimeofday(&time) == 0 else { return WallTime(milliseconds: 0) }
        return WallTime(milliseconds: time.tv_sec * 1000 + Int64(time.tv_usec) / 1000)
    }

    /// Both clocks, for a machine's input.
    public func readClocks() -> Now { Now(instant: now, wall: wall) }

    /// What libuv must be told so that a timer does not fire before `deadline`.
    func millisecondsUntil(_ deadline: MonotonicInstant) -> UInt64 {
        // libuv's time is whole milliseconds of the same clock, rounded down and cached per turn.
        let nanoseconds = UInt64(max(0, deadline.nanoseconds))
        let (absolute, overflow) = origin.addingReportingOverflow(nanoseconds)
        guard !overflow else { return .max / 2 }
        let milliseconds = absolute / 1_000_000 + (absolute % 1_000_000 == 0 ? 0 : 1)
        let cached = uv_now(raw)
        return milliseconds > cached ? milliseconds - cached : 0
    }
}

// MARK: - Running

extension EventLoop {
    /// Traps unless the caller is the loop's thread.
    @inline(__always)
    public func preconditionOnLoop() {
        precondition(pthread_equal(owner, pthread_self()) != 0, "the event loop has one thread")
    }

    /// Runs turns until ``stop()``. The calling thread becomes the loop's.
    public func run() {
        enter()
        defer { isRunning = false }
        uv_run(raw, UV_RUN_DEFAULT)
        // The turn that stopped the loop has its end too, or its last bytes would be lost.
        turnEnd()
    }

    /// Runs turns until `condition` holds, at the end of one or after the events of one.
    ///
    /// - Returns: false when `patience` ran out first.
    public func run(until condition: () -> Bool, patience: Duration) -> Bool {
        enter()
        defer { isRunning = false }
        let deadline = now.advanced(by: patience)
        let timer = LoopTimer(loop: self) {}
        timer.schedule(at: deadline)
        defer { timer.close() }
        return withoutActuallyEscaping(condition) { condition in
            stopCondition = condition
            defer { stopCondition = nil }
            while !condition() {
                guard now < deadline else { return false }
                uv_run(raw, UV_RUN_ONCE)
            }
            return true
        }
    }

    private func enter() {
        precondition(!isRunning, "a loop runs in one thread and does not nest")
        precondition(!isClosed && !isClosing, "a closed loop does not run")
        isRunning = true
        owner = pthread_self()
        turnStart = nil
    }

    /// Makes ``run()`` return after this turn.
    public func stop() {
        preconditionOnLoop()
        uv_stop(raw)
    }

    /// Runs `work` at the end of this turn, before connections are written to.
    ///
    /// For answers that must not arrive within the call that asked.
    public func afterCallbacks(_ work: @escaping () -> Void) {
        preconditionOnLoop()
        deferred.append(work)
    }

    /// Calls back whenever the process receives `signal` (SIGTERM, SIGINT, SIGHUP, …).
    public func onSignal(_ signal: Int32, perform: @escaping () -> Void) throws(SystemError) {
        signals.append(try SignalWatcher(loop: self, signal: signal, perform: perform))
    }

    /// Runs `work` when the loop begins to close, for what is more than handles.
    func beforeClosing(_ work: @escaping () -> Void) { closers.append(work) }

    /// Closes every handle and waits until their callbacks have run.
    ///
    /// Connections report `.loopClosed`. Nothing may be opened on the loop afterwards; what is
    /// opened by those callbacks is closed as well.
    public func close() {
        preconditionOnLoop()
        precondition(!isRunning, "stop a loop before closing it")
        guard !isClosed, !isClosing else { return }
        isClosing = true
        for close in closers { close() }
        closers.removeAll()
        turnObservers.removeAll()
        signals.removeAll()
        // Handles of several rounds exist only if close callbacks open new ones.
        while liveHandleCount > 0 {
            uv_walk(
                raw,
                { handle, _ in
                    guard let data = handle?.pointee.data else { return }
                    LoopHandle.from(data).loopIsClosing()
                }, nil)
            uv_run(raw, UV_RUN_NOWAIT)
        }
        hooks = nil
        deadlines = nil
        deferred.removeAll()
        readersToResume.removeAll()
        writers.removeAll()
        let status = uv_loop_close(raw)
        precondition(status == 0, "a handle outlived the loop")
        isClosed = true
    }
}

// MARK: - The end of a turn

extension EventLoop {
    func resumeAtTurnEnd(_ reader: StreamConnection) { readersToResume.append(reader) }

    func writeAtTurnEnd(_ writer: StreamConnection) { writers.append(writer) }

    /// Keeps the observer until ``removeTurnObserver(_:)`` or ``close()``.
    public func addTurnObserver(_ observer: any TurnObserver) {
        preconditionOnLoop()
        turnObservers.append(observer)
    }

    public func removeTurnObserver(_ observer: any TurnObserver) {
        preconditionOnLoop()
        turnObservers.removeAll { $0 === observer }
    }

    /// Everything that the turn's callbacks caused.
    func turnEnd() {
        guard !isClosing else { return }
        turnCount &+= 1

        if !deferred.isEmpty {
            var batch: [() -> Void] = []
            swap(&batch, &deferred)
            for work in batch { work() }
        }
        if !readersToResume.isEmpty {
            var batch: [StreamConnection] = []
            swap(&batch, &readersToResume)
            for reader in batch { reader.resumeNow() }
        }
        for observer in turnObservers { observer.turnEnded() }
        if !writers.isEmpty { write() }
        for observer in turnObservers { observer.turnFlushed() }

        let hasMore = !deferred.isEmpty || !readersToResume.isEmpty || !writers.isEmpty
        hooks?.setIdle(active: hasMore)
        // Else the loop might wait for events, of which there need be none.
        if let stopCondition, stopCondition() { uv_stop(raw) }

        let end = uv_hrtime()
        lag.turns.record(nanoseconds: Int64(clamping: end &- (turnStart ?? end)))
        turnStart = nil
    }

    /// Every callback of libuv begins here: the first one after a wait begins a turn.
    ///
    /// libuv can measure its waits itself, but then asks the kernel twice each time it has nothing to
    /// do: once without waiting and once more to wait.
    @inline(__always)
    func callbackBegins() {
        if turnStart == nil { turnStart = uv_hrtime() }
    }

    private func write() {
        // Those that still have bytes after their share queue again, behind everyone else.
        var batch: [StreamConnection] = []
        swap(&batch, &writers)
        // Taken out so that owners' callbacks meet no exclusive access in progress.
        var buffer: [UInt8] = []
        swap(&buffer, &scratch)
        var written = 0
        var next = 0
        while next < batch.count, written < limits.writePerTurnMax {
            written += batch[next].writeNow(using: &buffer)
            next += 1
        }
        // The others come first in the next turn.
        if next < batch.count { writers.insert(contentsOf: batch[next...], at: 0) }
        buffer.removeAll(keepingCapacity: true)
        swap(&buffer, &scratch)
    }
}
