import CCurl
import Synchronization

extension HTTPClient {
    /// Ends requests and waits of other threads, at once.
    // @unchecked: `transfers` is touched with the lock only.
    public final class Cancellation: @unchecked Sendable {
        private let flag = Atomic(false)
        private let condition = Condition()
        /// Handles of requests under way; as many as there are threads that ask.
        private var transfers: Set<UnsafeMutableRawPointer> = []

        public init() {}

        public var isCancelled: Bool { flag.load(ordering: .relaxed) }

        public func cancel() {
            condition.locked {
                flag.store(true, ordering: .relaxed)
                condition.broadcast()
                for transfer in transfers { curl_multi_wakeup(transfer) }
            }
        }

        /// Waits for a while, or until ``cancel()``.
        public func wait(_ duration: Duration) {
            let deadline = Condition.deadline(after: duration)
            condition.locked {
                while !isCancelled, condition.wait(until: deadline) {}
            }
        }

        /// A request's handle exists. It is woken up, from now on, until ``ended(_:)``.
        func began(_ transfer: UnsafeMutableRawPointer) {
            condition.locked { _ = transfers.insert(transfer) }
        }

        func ended(_ transfer: UnsafeMutableRawPointer) {
            condition.locked { _ = transfers.remove(transfer) }
        }
    }
}
