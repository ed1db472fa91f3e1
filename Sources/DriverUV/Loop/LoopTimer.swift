import CLibuv
public import ChoraleBase

/// One timer that can be moved at will.
///
/// Made for `StateMachine.nextDeadline`: calling ``schedule(at:)`` after every input is cheap,
/// because a deadline that moves later or away leaves the kernel and libuv's heap alone; the timer
/// then wakes once for nothing and moves itself.
public final class LoopTimer: LoopHandle {
    /// When ``schedule(at:)`` wants the timer to fire. Nil when it does not.
    public private(set) var deadline: MonotonicInstant?

    /// What libuv is waiting for. Never later than `deadline`.
    private var armed: MonotonicInstant?
    private var onFire: (() -> Void)?

    /// - Parameter onFire: runs on the loop, never before the deadline. The timer is then idle and
    ///   may be scheduled again from within. Kept until ``close()``.
    public init(loop: EventLoop, onFire: @escaping () -> Void) {
        self.onFire = onFire
        super.init(loop: loop, type: UV_TIMER)
        // Cannot fail: libuv only fills in the structure.
        uv_timer_init(loop.raw, raw(as: uv_timer_t.self))
        adopt()
    }

    /// Moves the deadline. A deadline in the past fires in the next turn; nil never fires.
    public func schedule(at deadline: MonotonicInstant?) {
        guard state == .open else { return }
        self.deadline = deadline
        guard let deadline else { return }
        if let armed, armed <= deadline { return }
        arm(deadline)
    }

    /// Ends the timer for good. Harmless when repeated.
    public func close() {
        deadline = nil
        onFire = nil
        closeHandle()
    }

    private func arm(_ deadline: MonotonicInstant) {
        armed = deadline
        let timeout = loop.millisecondsUntil(deadline)
        uv_timer_start(
            raw(as: uv_timer_t.self),
            { LoopTimer.from($0?.pointee.data).fired() },
            timeout, 0)
    }

    private func fired() {
        armed = nil
        guard let deadline else { return }
        let now = loop.now
        guard now >= deadline else { return arm(deadline) }
        self.deadline = nil
        loop.lag.timerLateness.record(nanoseconds: now.nanoseconds - deadline.nanoseconds)
        onFire?()
    }

    override func loopIsClosing() { close() }
}
