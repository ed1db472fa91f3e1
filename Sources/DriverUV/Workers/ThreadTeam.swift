import CLibuv
public import ChoraleBase
import Synchronization

/// Threads that divide one computation with whoever asks for it.
///
/// Unlike a ``WorkerPool`` it belongs to no loop: ``map(_:_:)`` waits. Several threads may ask at once;
/// their pieces wait for each other then, and the askers' own pieces do not, so that all come to an end.
public final class ThreadTeam: ParallelMap {
    public let width: Int

    private let queue = JobQueue<@Sendable () -> Void>()
    private let threads: Mutex<[ThreadBox]>

    /// Arrays hold no noncopyable elements.
    private final class ThreadBox: @unchecked Sendable {
        // Touched by the initializer and the deinitializer of the team only.
        var thread: WorkerThread?
        init(_ thread: consuming WorkerThread) { self.thread = consume thread }
    }

    /// - Parameters:
    ///   - name: of the threads, for tools.
    ///   - width: values computed at once, at least 1: the asking thread computes, too.
    public init(name: String, width: Int) throws(SystemError) {
        precondition(width >= 1, "somebody has to compute")
        self.width = width
        var boxes: [ThreadBox] = []
        let queue = queue
        do throws(SystemError) {
            for _ in 1..<width {
                let thread = try WorkerThread(name: name) {
                    while let jobs = queue.take(countMax: 1) { for job in jobs { job() } }
                }
                boxes.append(ThreadBox(thread))
            }
        } catch {
            _ = queue.close(discarding: true)
            for box in boxes { box.thread.take()?.join() }
            throw error
        }
        threads = Mutex(boxes)
    }

    deinit {
        // Nobody asks any more: whoever did has waited for the end.
        _ = queue.close(discarding: true)
        for box in threads.withLock({ $0 }) { box.thread.take()?.join() }
    }

    public func map<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) -> Value
    ) -> [Value] {
        guard width > 1, count > 1 else { return (0..<count).map(body) }
        let task = Task<Value>(count: count)
        for _ in 1..<min(width, count) { queue.put { task.work(body) } }
        task.work(body)
        return task.values()
    }

    /// One computation: who comes takes the next index that nobody has taken.
    private final class Task<Value: Sendable>: @unchecked Sendable {
        private struct State {
            var next = 0
            var values: [Value?]
            var missing: Int
        }

        private let count: Int
        private let state: Mutex<State>
        /// Posted once, by whoever computes the last value.
        private let done: UnsafeMutablePointer<uv_sem_t>

        init(count: Int) {
            self.count = count
            state = Mutex(State(values: Array(repeating: nil, count: count), missing: count))
            done = .allocate(capacity: 1)
            // Fails only for want of memory.
            precondition(uv_sem_init(done, 0) == 0, "threads need locks")
        }

        deinit {
            uv_sem_destroy(done)
            done.deallocate()
        }

        func work(_ body: @Sendable (Int) -> Value) {
            while let index = take() {
                let value = body(index)
                let isLast = state.withLock { state in
                    state.values[index] = value
                    state.missing -= 1
                    return state.missing == 0
                }
                if isLast { uv_sem_post(done) }
            }
        }

        private func take() -> Int? {
            state.withLock { state in
                guard state.next < count else { return nil }
                state.next += 1
                return state.next - 1
            }
        }

        func values() -> [Value] {
            uv_sem_wait(done)
            return state.withLock { $0.values.compactMap(\.self) }
        }
    }
}
