import CMicrohttpd
import Glibc

/// Numbers since the start.
public struct HTTPCounters: Hashable, Sendable {
    /// Answers with a status below 400.
    public var answers: UInt64 = 0
    /// Answers with another status.
    public var refusals: UInt64 = 0
    /// Connections cut off because a body was longer than it may be, or all together were.
    public var oversized: UInt64 = 0
    /// Connections cut off because a request took longer to come, or an answer to go, than it may.
    public var slow: UInt64 = 0
}

/// One request. Belongs to the thread that moves bytes, and while it is suspended to the worker that has
/// taken it.
// @unchecked: handed over through the locked queue of HTTPTraffic, and back by the HTTP library's own lock.
final class HTTPExchange: @unchecked Sendable {
    let connection: OpaquePointer
    let head: HTTPRequestHead
    let admission: HTTPAdmission
    var body: [UInt8] = []
    /// Of `body`, as counted.
    var bodySize = 0
    var response: HTTPResponse?

    init(_ connection: OpaquePointer, _ head: HTTPRequestHead, _ admission: HTTPAdmission) {
        self.connection = connection
        self.head = head
        self.admission = admission
    }
}

/// What the threads of a server share.
// @unchecked: everything that changes is touched in `locked` only.
final class HTTPTraffic: @unchecked Sendable {
    private struct Connection {
        let descriptor: Int32
        /// When the request must have come, or the answer gone; nil while somebody works for it.
        var deadline: ContinuousClock.Instant?
    }

    let handler: any HTTPHandler
    private let limits: HTTPServer.Limits
    private let condition = Condition()
    private var isOpen = true
    private var waiting: [HTTPExchange] = []
    private var connections: [OpaquePointer: Connection] = [:]
    private var bodiesSize = 0
    private var counts = HTTPCounters()

    init(_ limits: HTTPServer.Limits, _ handler: any HTTPHandler) {
        self.limits = limits
        self.handler = handler
    }

    private func locked<Result>(_ body: () -> Result) -> Result { condition.locked(body) }

    var counters: HTTPCounters { locked { counts } }

    // MARK: The thread that moves bytes

    func opened(_ connection: OpaquePointer, descriptor: Int32) {
        let deadline = ContinuousClock.now + limits.readTimeMax
        locked { connections[connection] = Connection(descriptor: descriptor, deadline: deadline) }
    }

    func closed(_ connection: OpaquePointer) {
        locked { connections[connection] = nil }
    }

    /// - Returns: whether the request may go on.
    func append(_ piece: UnsafeRawBufferPointer, to exchange: HTTPExchange) -> Bool {
        guard case .body(let sizeMax) = exchange.admission, exchange.response == nil else {
            return false
        }
        let fits = locked {
            guard piece.count <= sizeMax - exchange.bodySize,
                piece.count <= limits.bodiesSizeMax - bodiesSize
            else {
                counts.oversized &+= 1
                return false
            }
            bodiesSize += piece.count
            return true
        }
        guard fits else { return false }
        exchange.bodySize += piece.count
        exchange.body.append(contentsOf: piece)
        return true
    }

    /// The whole request is there: it is answered, or queued for a worker.
    func complete(
        _ exchange: HTTPExchange, _ send: (HTTPResponse) -> MHD_Result
    ) -> MHD_Result {
        guard limits.workerCount > 0 else {
            return send(handler.answer(exchange.head, body: exchange.body))
        }
        let isQueued = locked {
            guard isOpen else { return false }
            connections[exchange.connection]?.deadline = nil
            // Suspended before a worker can see it, so that it is resumed after.
            MHD_suspend_connection(exchange.connection)
            waiting.append(exchange)
            condition.broadcast()
            return true
        }
        return isQueued ? .YES : send(Self.stopping)
    }

    /// The request is over, however it ended. The next one of the connection may begin.
    func completed(_ exchange: HTTPExchange) {
        let deadline = ContinuousClock.now + limits.readTimeMax
        locked {
            bodiesSize -= exchange.bodySize
            connections[exchange.connection]?.deadline = deadline
        }
    }

    func answered(_ connection: OpaquePointer, _ status: Int) {
        let deadline = ContinuousClock.now + limits.writeTimeMax
        locked {
            connections[connection]?.deadline = deadline
            if status < 400 { counts.answers &+= 1 } else { counts.refusals &+= 1 }
        }
    }

    // MARK: Workers

    /// Until the server stops.
    func work() {
        while let exchange = take() {
            exchange.response = handler.answer(exchange.head, body: exchange.body)
            MHD_resume_connection(exchange.connection)
        }
    }

    private func take() -> HTTPExchange? {
        locked {
            // There are never more than connections.
            while isOpen, waiting.isEmpty { condition.wait() }
            return isOpen ? waiting.removeFirst() : nil
        }
    }

    /// Cuts off who sends or takes too slowly, until the server stops.
    ///
    /// The HTTP library's own time-out is for those who send nothing at all.
    func watchClock() {
        while true {
            let isOver = locked {
                if isOpen { _ = condition.wait(until: Condition.deadline(after: .seconds(1))) }
                let now = ContinuousClock.now
                for (connection, state) in connections {
                    guard let deadline = state.deadline, deadline < now else { continue }
                    // The library sees the end of the stream and closes; until then the number is
                    // still this connection's, since `closed` comes before.
                    shutdown(state.descriptor, Int32(SHUT_RDWR))
                    connections[connection]?.deadline = nil
                    counts.slow &+= 1
                }
                return !isOpen
            }
            if isOver { return }
        }
    }

    /// Ends the workers.
    ///
    /// - Returns: what nobody has begun, answered with a refusal, to be resumed.
    func close() -> [HTTPExchange] {
        locked {
            isOpen = false
            let left = waiting
            waiting = []
            for exchange in left { exchange.response = Self.stopping }
            condition.broadcast()
            return left
        }
    }

    private static let stopping = HTTPResponse.text(503, "the server is stopping")
}
