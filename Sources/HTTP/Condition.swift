import Glibc

/// A lock, and something that threads wait for while they hold it.
///
/// Time is that of the monotonic clock, which nobody sets.
// @unchecked: the system's own locks.
final class Condition: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>

    init() {
        mutex = .allocate(capacity: 1)
        wakeUp = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        // Fails only for want of memory.
        precondition(
            pthread_condattr_init(&attributes) == 0
                && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0
                && pthread_mutex_init(mutex, nil) == 0
                && pthread_cond_init(wakeUp, &attributes) == 0,
            "threads need locks")
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(wakeUp)
        pthread_mutex_destroy(mutex)
        wakeUp.deallocate()
        mutex.deallocate()
    }

    func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Wakes all who wait.
    func broadcast() { pthread_cond_broadcast(wakeUp) }

    /// Lets go of the lock until somebody calls ``broadcast()``, or for no reason.
    ///
    /// - Precondition: called within ``locked(_:)``.
    func wait() { pthread_cond_wait(wakeUp, mutex) }

    /// As ``wait()``, and no longer than until a time.
    ///
    /// - Returns: false when the time has come.
    func wait(until deadline: timespec) -> Bool {
        var deadline = deadline
        return pthread_cond_timedwait(wakeUp, mutex, &deadline) != ETIMEDOUT
    }

    /// A time to wait until, at most 136 years from now.
    static func deadline(after duration: Duration) -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let (seconds, attoseconds) = max(.zero, duration).components
        time.tv_sec += Int(min(seconds, 1 << 32))
        time.tv_nsec += Int(attoseconds / 1_000_000_000)
        if time.tv_nsec >= 1_000_000_000 {
            time.tv_sec += 1
            time.tv_nsec -= 1_000_000_000
        }
        return time
    }
}
