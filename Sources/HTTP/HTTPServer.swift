import CMicrohttpd
import Glibc

/// Answers requests of HTTP/1.1: one thread moves the bytes, others do the work.
///
/// A request is read whole, within limits of bytes and time, and then waits for a worker; its connection
/// waits with it. What is too large, too slow or too much is refused or cut off, and counted.
///
/// 1. A connection is suspended from the moment its request is queued until a worker, or ``stop()``, has
///    resumed it. Checked by the HTTP library, which ends the process otherwise.
/// 2. A request's body is counted in ``HTTPTraffic`` until the request is over.
///
/// Memory: `connectionCountMax` × `headSizeMax`, and `bodiesSizeMax`, and the answers.
// @unchecked: all is set before the thread starts, but for `daemon`, which only `stop` changes, and
// `stop` is called by the one owner.
public final class HTTPServer: @unchecked Sendable {
    public struct Limits: Hashable, Sendable {
        /// Connections at a time; more are closed as they come.
        public var connectionCountMax: UInt32 = 64
        /// Time without progress after which a connection is closed, in seconds. 0: never.
        public var idleSecondsMax: UInt32 = 30
        /// Memory for the head of one request and of its answer, in bytes.
        public var headSizeMax = 32 << 10
        /// Bytes of the bodies of all requests that are being read or answered.
        public var bodiesSizeMax = 64 << 20
        /// From a request's first byte, or the end of the answer before it, to the last byte of its
        /// body. Whoever sends a byte now and then holds a connection so long and no longer.
        public var readTimeMax: Duration = .seconds(60)
        /// From the beginning of an answer to its last byte, for the same reason.
        public var writeTimeMax: Duration = .seconds(120)
        /// Requests answered at once. 0: the thread that moves the bytes answers, which is for answers
        /// that take microseconds.
        public var workerCount = 4

        public init() {}
    }

    /// The address that it listens on, with the port that the system chose for port 0.
    public let address: String
    private let traffic: HTTPTraffic
    private var daemon: OpaquePointer?
    private var threads: [NamedThread] = []
    private let context: Unmanaged<HTTPTraffic>

    /// Starts listening.
    ///
    /// - Parameter address: `HOST:PORT`, where the host is an IPv4 address, an IPv6 address in
    ///   brackets, or `localhost`.
    public init(
        address: String, limits: Limits = Limits(), handler: any HTTPHandler
    ) throws(HTTPServerError) {
        let listener = try HTTPListener.open(address)
        self.address = listener.address
        let traffic = HTTPTraffic(limits, handler)
        self.traffic = traffic
        context = Unmanaged.passRetained(traffic)
        var options = chorale_mhd_options()
        options.handler = { context, connection, url, method, _, bytes, size, state in
            HTTPServer.answer(context, connection, url, method, bytes, size, state)
        }
        options.completed = { context, _, state, _ in HTTPServer.completed(context, state) }
        options.connection = { context, connection, _, event in
            HTTPServer.changed(context, connection, isNew: event == .CONNECTION_NOTIFY_STARTED)
        }
        options.context = context.toOpaque()
        options.connection_limit = limits.connectionCountMax
        options.timeout_seconds = limits.idleSecondsMax
        options.memory_limit = limits.headSizeMax
        daemon = chorale_mhd_start(listener.descriptor, &options)
        guard daemon != nil else {
            Glibc.close(listener.descriptor)
            context.release()
            throw .failed(address: address, detail: "the HTTP library did not start")
        }
        for index in 0..<limits.workerCount {
            start("http-\(index)", address) { $0.work() }
        }
        // Whoever answers without workers answers little, to few.
        if limits.workerCount > 0 { start("http-clock", address) { $0.watchClock() } }
        guard threads.count == (limits.workerCount > 0 ? limits.workerCount + 1 : 0) else {
            stop()
            throw .failed(address: address, detail: "there are no more threads")
        }
    }

    deinit { stop() }

    public var counters: HTTPCounters { traffic.counters }

    /// Refuses what waits, lets running answers end, closes all connections and waits for the threads.
    /// Calling it again does nothing.
    public func stop() {
        guard let daemon else { return }
        self.daemon = nil
        for exchange in traffic.close() { MHD_resume_connection(exchange.connection) }
        for thread in threads { thread.join() }
        MHD_stop_daemon(daemon)
        context.release()
    }

    /// A thread that fails to start is missing in `threads`.
    private func start(
        _ name: String, _ address: String, _ body: @escaping @Sendable (HTTPTraffic) -> Void
    ) {
        let traffic = traffic
        if let thread = NamedThread(name, { body(traffic) }) { threads.append(thread) }
    }

    // MARK: Called by the HTTP library

    /// Called several times for one request: when its head is complete, for each piece of its body,
    /// when it is complete, and when it was resumed.
    private static func answer(
        _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
        _ url: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
        _ bytes: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>?,
        _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> MHD_Result {
        guard let context, let connection, let url, let method, let size, let state else {
            return .NO
        }
        let traffic = Unmanaged<HTTPTraffic>.fromOpaque(context).takeUnretainedValue()
        guard let known = state.pointee else {
            let head = head(connection, url, method)
            let exchange = HTTPExchange(connection, head, traffic.handler.admit(head))
            state.pointee = Unmanaged.passRetained(exchange).toOpaque()
            return begin(exchange, traffic)
        }
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeUnretainedValue()
        if size.pointee > 0 {
            let piece = UnsafeRawBufferPointer(start: bytes, count: size.pointee)
            guard traffic.append(piece, to: exchange) else { return .NO }
            size.pointee = 0
            return .YES
        }
        if let response = exchange.response { return send(response, exchange, traffic) }
        return traffic.complete(exchange) { send($0, exchange, traffic) }
    }

    /// The head is there.
    private static func begin(_ exchange: HTTPExchange, _ traffic: HTTPTraffic) -> MHD_Result {
        let declared = field("Content-Length", exchange.connection)
        switch exchange.admission {
        case .refused(let response):
            exchange.response = response
            // Without a body, the end of the request comes next, and the connection lives on.
            let hasBody =
                (declared != nil && declared != "0")
                || field("Transfer-Encoding", exchange.connection) != nil
            return hasBody ? send(response, exchange, traffic) : .YES
        case .body(let sizeMax):
            guard let declared else { return .YES }
            guard let size = Int(declared), size >= 0 else { return .NO }
            guard size <= sizeMax else {
                let response = HTTPResponse.text(
                    413, "the body has \(size) bytes, more than \(sizeMax)")
                exchange.response = response
                return send(response, exchange, traffic)
            }
            // What is only claimed costs nothing yet.
            exchange.body.reserveCapacity(min(size, 1 << 20))
            return .YES
        }
    }

    private static func completed(
        _ context: UnsafeMutableRawPointer?,
        _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) {
        guard let context, let state, let known = state.pointee else { return }
        state.pointee = nil
        let exchange = Unmanaged<HTTPExchange>.fromOpaque(known).takeRetainedValue()
        Unmanaged<HTTPTraffic>.fromOpaque(context).takeUnretainedValue().completed(exchange)
    }

    private static func changed(
        _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, isNew: Bool
    ) {
        guard let context, let connection else { return }
        let traffic = Unmanaged<HTTPTraffic>.fromOpaque(context).takeUnretainedValue()
        if isNew {
            traffic.opened(connection, descriptor: chorale_mhd_descriptor(connection))
        } else {
            traffic.closed(connection)
        }
    }

    private static func head(
        _ connection: OpaquePointer, _ url: UnsafePointer<CChar>, _ method: UnsafePointer<CChar>
    ) -> HTTPRequestHead {
        HTTPRequestHead(
            method: String(cString: method), path: String(cString: url),
            host: field("Host", connection), origin: field("Origin", connection),
            contentType: field("Content-Type", connection),
            authorization: field("Authorization", connection))
    }

    private static func field(_ name: String, _ connection: OpaquePointer) -> String? {
        MHD_lookup_connection_value(connection, .HEADER_KIND, name).map { String(cString: $0) }
    }

    private static func send(
        _ response: HTTPResponse, _ exchange: HTTPExchange, _ traffic: HTTPTraffic
    ) -> MHD_Result {
        traffic.answered(exchange.connection, response.status)
        // Not read again: the library copies it.
        exchange.body = []
        let message = response.body.withUnsafeBytes { bytes in
            MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                .RESPMEM_MUST_COPY)
        }
        guard let message else { return .NO }
        defer { MHD_destroy_response(message) }
        MHD_add_response_header(message, "Content-Type", response.contentType)
        MHD_add_response_header(message, "Cache-Control", "no-store")
        for field in response.fields { MHD_add_response_header(message, field.name, field.value) }
        return MHD_queue_response(exchange.connection, UInt32(response.status), message)
    }
}
