import CGlibc
import Glibc

/// A thread that tools show by its name.
public struct NamedThread: @unchecked Sendable {
    // @unchecked: a number that the system gave.
    private let thread: pthread_t

    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// - Parameter name: the kernel keeps 15 bytes of it.
    /// - Returns: nil when there are no more threads.
    public init?(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(String(name.prefix(15)), body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                chorale_name_current_thread(body.name)
                body.run()
                return nil
            }, body.toOpaque())
        guard status == 0 else {
            body.release()
            return nil
        }
        self.thread = thread
    }

    /// Waits for its end. Either this or ``detach()`` is called, once.
    public func join() { pthread_join(thread, nil) }

    /// Nobody will wait for it.
    public func detach() { pthread_detach(thread) }
}
