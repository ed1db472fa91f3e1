import CLibuv
import ChoraleBase

/// The handles that give a loop its turns.
///
/// `prepare` runs right before the loop waits and hence after every other callback. `idle`, while
/// active, keeps the loop from waiting. `wake` keeps the loop running when nothing else is open.
struct TurnHooks {
    private let prepare: PrepareHandle
    private let idle: IdleHandle
    private let wake: LoopSignal

    init(loop: EventLoop) throws(SystemError) {
        wake = try LoopSignal(loop: loop) {}
        prepare = PrepareHandle(loop: loop)
        idle = IdleHandle(loop: loop)
    }

    func setIdle(active: Bool) { idle.set(active: active) }
}

private final class PrepareHandle: LoopHandle {
    init(loop: EventLoop) {
        super.init(loop: loop, type: UV_PREPARE)
        // Neither call can fail: libuv fills in the structure and links it into a list.
        uv_prepare_init(loop.raw, raw(as: uv_prepare_t.self))
        adopt()
        uv_prepare_start(raw(as: uv_prepare_t.self)) { handle in
            PrepareHandle.from(handle?.pointee.data).loop.turnEnd()
        }
    }
}

private final class IdleHandle: LoopHandle {
    private var isActive = false

    init(loop: EventLoop) {
        super.init(loop: loop, type: UV_IDLE)
        uv_idle_init(loop.raw, raw(as: uv_idle_t.self))
        adopt()
    }

    func set(active: Bool) {
        guard active != isActive, state == .open else { return }
        isActive = active
        if active {
            uv_idle_start(raw(as: uv_idle_t.self)) { _ in }
        } else {
            uv_idle_stop(raw(as: uv_idle_t.self))
        }
    }
}

/// Wakes a loop from any thread.
final class LoopSignal: LoopHandle {
    private var onSignal: (() -> Void)?
    private let onLoopClosing: (() -> Void)?

    init(
        loop: EventLoop, onLoopClosing: (() -> Void)? = nil, onSignal: @escaping () -> Void
    ) throws(SystemError) {
        self.onSignal = onSignal
        self.onLoopClosing = onLoopClosing
        super.init(loop: loop, type: UV_ASYNC)
        try SystemError.check(
            uv_async_init(loop.raw, raw(as: uv_async_t.self)) { handle in
                LoopSignal.from(handle?.pointee.data).onSignal?()
            })
        adopt()
    }

    /// The one function here that another thread may call, and only while the handle is open:
    /// the caller holds the lock under which it is closed.
    func send() { uv_async_send(raw(as: uv_async_t.self)) }

    func close() {
        onSignal = nil
        closeHandle()
    }

    override func loopIsClosing() {
        onLoopClosing?()
        close()
    }
}

/// Calls back on the loop when the process receives a signal.
final class SignalWatcher: LoopHandle {
    private let perform: () -> Void

    init(loop: EventLoop, signal: Int32, perform: @escaping () -> Void) throws(SystemError) {
        self.perform = perform
        super.init(loop: loop, type: UV_SIGNAL)
        try SystemError.check(uv_signal_init(loop.raw, raw(as: uv_signal_t.self)))
        adopt()
        let status = uv_signal_start(
            raw(as: uv_signal_t.self),
            { handle, _ in SignalWatcher.from(handle?.pointee.data).perform() },
            signal)
        guard status == 0 else {
            closeHandle()
            throw SystemError(code: status)
        }
    }
}

/// Deadlines of connections: dials, stalled writes, lingering closes.
///
/// Kept in a flat list with one timer, since most are withdrawn long before they pass. Setting and
/// clearing are O(1); a wake-up is O(n) and happens at most once per 10 ms.
final class DeadlineList {
    private var members: [(connection: StreamConnection, deadline: MonotonicInstant)] = []
    private var timer: LoopTimer?
    private let loop: EventLoop

    init(loop: EventLoop) {
        self.loop = loop
        timer = nil
        timer = LoopTimer(loop: loop) { [unowned self] in sweep() }
    }

    func set(_ connection: StreamConnection, at deadline: MonotonicInstant) {
        if let index = connection.deadlineIndex {
            members[index].deadline = deadline
        } else {
            connection.deadlineIndex = members.count
            members.append((connection, deadline))
        }
        if let armed = timer?.deadline, armed <= deadline { return }
        timer?.schedule(at: deadline)
    }

    func clear(_ connection: StreamConnection) {
        guard let index = connection.deadlineIndex else { return }
        connection.deadlineIndex = nil
        let last = members.removeLast()
        guard index < members.count else { return }
        members[index] = last
        last.connection.deadlineIndex = index
    }

    private func sweep() {
        let now = loop.now
        let due = members.filter { $0.deadline <= now }
        for member in due { member.connection.deadlinePassed() }
        guard let next = members.map(\.deadline).min() else { return }
        timer?.schedule(at: max(next, now.advanced(by: .milliseconds(10))))
    }
}
