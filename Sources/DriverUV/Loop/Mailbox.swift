import Synchronization

/// How other threads give values to a loop.
///
/// Bounded: a full mailbox refuses, and the sender decides what that means. A send costs a lock, and
/// wakes the loop only if the mailbox was empty.
///
/// Values arrive in the order in which they were accepted, in batches, at most one per turn.
public final class Mailbox<Message: Sendable>: @unchecked Sendable {
    // Unchecked, because `signal` and `receive` belong to the loop. Other threads reach `signal`
    // only in `send`, under the lock and while `isOpen`, that is before the loop closes it;
    // `receive` runs only on the loop.

    /// What became of a message.
    public enum Sending: Hashable, Sendable {
        case accepted
        /// The mailbox holds its limit of messages. The sender keeps this one.
        case full
        /// The mailbox or its loop was closed. Nothing will be accepted again.
        case closed
    }

    private struct Contents {
        var messages: [Message] = []
        var isOpen = true
        var refusedCount: UInt64 = 0
    }

    /// Messages held at most.
    public let capacity: Int
    private let contents = Mutex(Contents())
    private var signal: LoopSignal?
    private var receive: (([Message]) -> Void)?

    /// - Parameters:
    ///   - capacity: messages held at most, at least 1.
    ///   - receive: runs on the loop with at least one message. Kept until ``close()``.
    public init(
        loop: EventLoop, capacity: Int, receive: @escaping ([Message]) -> Void
    ) throws(SystemError) {
        precondition(capacity > 0, "a mailbox holds at least one message")
        self.capacity = capacity
        self.receive = receive
        // The signal keeps the mailbox until either is closed.
        signal = try LoopSignal(
            loop: loop, onLoopClosing: { self.close() }, onSignal: { self.drain() })
    }

    /// From any thread.
    public func send(_ message: Message) -> Sending {
        contents.withLock { contents in
            guard contents.isOpen else { return .closed }
            guard contents.messages.count < capacity else {
                contents.refusedCount &+= 1
                return .full
            }
            contents.messages.append(message)
            if contents.messages.count == 1 { signal?.send() }
            return .accepted
        }
    }

    /// Messages refused because the mailbox was full. From any thread.
    public var refusedCount: UInt64 { contents.withLock { $0.refusedCount } }

    /// Delivers what has arrived, now instead of in the next turn. On the loop.
    public func drain() {
        signal?.loop.preconditionOnLoop()
        let batch = contents.withLock { contents in
            var batch: [Message] = []
            swap(&batch, &contents.messages)
            return batch
        }
        guard !batch.isEmpty else { return }
        receive?(batch)
    }

    /// Refuses further messages and drops those not yet delivered. On the loop.
    public func close() {
        contents.withLock { contents in
            contents.isOpen = false
            contents.messages.removeAll()
        }
        signal?.close()
        signal = nil
        receive = nil
    }
}
