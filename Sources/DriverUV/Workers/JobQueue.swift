import CLibuv

/// A queue between threads that blocks its takers.
///
/// Unchecked, because the compiler cannot see that `mutex` guards the rest. It does: every access is
/// in `locked`.
final class JobQueue<Job: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<uv_mutex_t>
    private let notEmpty: UnsafeMutablePointer<uv_cond_t>
    /// The jobs waiting begin at `start`.
    private var jobs: [Job] = []
    private var start = 0
    private var isOpen = true

    init() {
        mutex = .allocate(capacity: 1)
        notEmpty = .allocate(capacity: 1)
        // Fails only for want of memory.
        precondition(uv_mutex_init(mutex) == 0 && uv_cond_init(notEmpty) == 0, "threads need locks")
    }

    deinit {
        uv_cond_destroy(notEmpty)
        uv_mutex_destroy(mutex)
        notEmpty.deallocate()
        mutex.deallocate()
    }

    /// Never blocks. The caller has bounded the number of jobs.
    func put(_ job: Job) {
        locked {
            jobs.append(job)
            uv_cond_signal(notEmpty)
        }
    }

    /// Up to `countMax` jobs, oldest first. Blocks until there is one.
    ///
    /// - Returns: nil once the queue is closed and empty.
    func take(countMax: Int) -> [Job]? {
        locked {
            while start == jobs.count {
                guard isOpen else { return nil }
                uv_cond_wait(notEmpty, mutex)
            }
            let end = min(jobs.count, start + countMax)
            let taken = Array(jobs[start..<end])
            start = end
            // Moving the rest costs no more than was taken since the last move.
            if start >= jobs.count - start {
                jobs.removeSubrange(..<start)
                start = 0
            }
            return taken
        }
    }

    /// Takers get what is left, then nil.
    ///
    /// - Parameter discarding: drops the jobs that nobody has taken.
    /// - Returns: how many were dropped.
    func close(discarding: Bool) -> Int {
        locked {
            isOpen = false
            let dropped = discarding ? jobs.count - start : 0
            if discarding {
                jobs.removeAll()
                start = 0
            }
            uv_cond_broadcast(notEmpty)
            return dropped
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return body()
    }
}

/// A thread that runs one function and is joined once.
struct WorkerThread: ~Copyable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    private var thread = uv_thread_t()

    /// - Parameter name: shown by tools such as `top -H`; the kernel keeps 15 bytes of it.
    init(name: String, body: @escaping @Sendable () -> Void) throws(SystemError) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let status = uv_thread_create(
            &thread,
            { argument in
                guard let argument else { return }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                chorale_name_thread(String(start.name.utf8.prefix(15)) ?? "worker")
                start.body()
            }, start.toOpaque())
        guard status == 0 else {
            start.release()
            throw SystemError(code: status)
        }
    }

    /// Waits until the function has returned.
    consuming func join() { uv_thread_join(&thread) }
}
