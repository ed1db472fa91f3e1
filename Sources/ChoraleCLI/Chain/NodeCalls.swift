import DriverUV
import Glibc
import Node
import Synchronization

/// Commands to a node from threads that may wait: those of the RPC server.
///
/// 1. Every call ends: with the node's reply, or when its time is up, or with nil once this is closed.
/// 2. At most `callsMax` wait at once.
final class NodeCalls: Sendable {
    /// Above the numbers of the admin socket's commands.
    private static let firstID: UInt64 = 1 << 62
    private static let callsMax = 64
    /// The node answers within a turn, and a transaction waits for the chain's thread.
    private static let patience: Int = 10

    private struct State {
        var waiting: [CommandID: Waiter] = [:]
        var next = NodeCalls.firstID
        var isOpen = true
    }

    /// One thread that waits.
    private final class Waiter: @unchecked Sendable {
        // @unchecked: the semaphore orders the one write and the one read.
        private let semaphore: UnsafeMutablePointer<sem_t>
        private var reply: Reply?

        init() {
            semaphore = .allocate(capacity: 1)
            sem_init(semaphore, 0, 0)
        }

        deinit {
            sem_destroy(semaphore)
            semaphore.deallocate()
        }

        func wake(_ reply: Reply?) {
            self.reply = reply
            sem_post(semaphore)
        }

        func wait(seconds: Int) -> Reply? {
            var deadline = timespec()
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_sec += seconds
            while sem_timedwait(semaphore, &deadline) != 0 {
                guard errno == EINTR else { return nil }
            }
            return reply
        }
    }

    private let state = Mutex(State())
    private let mailbox: Mailbox<(CommandID, Command)>

    /// - Parameter perform: runs on the loop.
    init(
        _ loop: EventLoop, perform: @escaping (CommandID, Command) -> Void
    ) throws(SystemError) {
        mailbox = try Mailbox(loop: loop, capacity: Self.callsMax) { calls in
            for (id, command) in calls { perform(id, command) }
        }
    }

    /// Waits for the node's answer; nil when it gives none.
    func call(_ command: Command) -> Reply? {
        let waiter = Waiter()
        let id = state.withLock { state -> CommandID? in
            guard state.isOpen, state.waiting.count < Self.callsMax else { return nil }
            let id = CommandID(state.next)
            state.next += 1
            state.waiting[id] = waiter
            return id
        }
        guard let id else { return nil }
        defer { _ = state.withLock { $0.waiting.removeValue(forKey: id) } }
        guard mailbox.send((id, command)) == .accepted else { return nil }
        return waiter.wait(seconds: Self.patience)
    }

    /// A reply of the node. Returns whether it is to one of these calls.
    func take(_ id: CommandID, _ reply: Reply) -> Bool {
        guard id.rawValue >= Self.firstID else { return false }
        state.withLock { $0.waiting[id] }?.wake(reply)
        return true
    }

    /// Lets everybody go who waits.
    func close() {
        let waiting = state.withLock { state in
            state.isOpen = false
            defer { state.waiting = [:] }
            return state.waiting
        }
        for waiter in waiting.values { waiter.wake(nil) }
        mailbox.close()
    }
}
