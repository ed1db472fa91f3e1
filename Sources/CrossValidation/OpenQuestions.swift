import Glibc

/// Counts the questions that are open, and lets one thread wait until none is.
// @unchecked: everything that changes is touched in `locked` only.
final class OpenQuestions: @unchecked Sendable {
    private let countMax: Int
    private var count = 0
    private var isOpen = true
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let ended: UnsafeMutablePointer<pthread_cond_t>

    init(countMax: Int) {
        self.countMax = countMax
        mutex = .allocate(capacity: 1)
        ended = .allocate(capacity: 1)
        // Fails only for want of memory.
        precondition(
            pthread_mutex_init(mutex, nil) == 0 && pthread_cond_init(ended, nil) == 0,
            "threads need locks")
    }

    deinit {
        pthread_cond_destroy(ended)
        pthread_mutex_destroy(mutex)
        ended.deallocate()
        mutex.deallocate()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// - Returns: false when there is no room for one more, or after ``close()``.
    func begin() -> Bool {
        locked {
            guard isOpen, count < countMax else { return false }
            count += 1
            return true
        }
    }

    func end() {
        locked {
            count -= 1
            pthread_cond_broadcast(ended)
        }
    }

    /// Takes no more, and waits until all have ended.
    func close() {
        locked {
            isOpen = false
            while count > 0 { pthread_cond_wait(ended, mutex) }
        }
    }
}
