import CMicrohttpd
import Glibc

/// Serves the pages of a board over HTTP, on a thread of its own.
///
/// Requests are answered from the last publication, so the loop does not notice them. A request
/// with a body, a head over ``Limits/headSizeMax`` or an idle connection is cut off.
// @unchecked: all is set before the thread starts, but for `daemon`, which only `stop` changes, and
// `stop` is called by the one owner.
public final class TelemetryServer: @unchecked Sendable {
    public struct Limits: Hashable, Sendable {
        /// Connections at a time. A few collectors and a person; each costs `headSizeMax`.
        public var connectionCountMax: UInt32 = 16
        /// Time without progress after which a connection is closed, in seconds.
        public var timeoutSeconds: UInt32 = 10
        /// Memory for the head of one request and of its answer, in bytes.
        public var headSizeMax = 16 << 10

        public init() {}
    }

    /// What a thread of the HTTP library needs; lives as long as the daemon.
    private final class Context: Sendable {
        let board: TelemetryBoard
        let pages: [TelemetryPage]

        init(_ board: TelemetryBoard, _ pages: [TelemetryPage]) {
            self.board = board
            self.pages = pages
        }
    }

    /// The address that it listens on, with the port that the system chose for port 0.
    public let address: String
    private var daemon: OpaquePointer?
    private let context: Unmanaged<Context>

    /// Starts listening.
    ///
    /// - Parameter address: `HOST:PORT`, where the host is an IPv4 address, an IPv6 address in
    ///   brackets, or `localhost`.
    public init(
        address: String,
        board: TelemetryBoard,
        pages: [TelemetryPage] = [.metrics, .health],
        limits: Limits = Limits()
    ) throws(TelemetryServerError) {
        let listener = try TelemetryListener.open(address)
        self.address = listener.address
        context = Unmanaged.passRetained(Context(board, pages))
        daemon = chorale_mhd_start(
            listener.descriptor,
            { context, connection, url, method, _, _, size, state in
                TelemetryServer.answer(context, connection, url, method, size, state)
            },
            context.toOpaque(), limits.connectionCountMax, limits.timeoutSeconds,
            limits.headSizeMax)
        guard daemon != nil else {
            Glibc.close(listener.descriptor)
            context.release()
            throw .failed(address: address, detail: "the HTTP library did not start")
        }
    }

    deinit { stop() }

    /// Closes all connections and waits for the thread to end. Calling it again does nothing.
    public func stop() {
        guard let daemon else { return }
        self.daemon = nil
        MHD_stop_daemon(daemon)
        context.release()
    }

    /// Called several times for one request: when its head is complete, for each piece of its body,
    /// and when it is complete.
    private static func answer(
        _ context: UnsafeMutableRawPointer?,
        _ connection: OpaquePointer?,
        _ url: UnsafePointer<CChar>?,
        _ method: UnsafePointer<CChar>?,
        _ bodySize: UnsafeMutablePointer<Int>?,
        _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> MHD_Result {
        guard let context, let url, let method, let bodySize, let state else { return .NO }
        let verb = String(cString: method)
        // What reads nothing waits for the end of the request. What will be refused is refused
        // before its body is read; the connection then ends.
        if verb == "GET" || verb == "HEAD", state.pointee == nil {
            state.pointee = context  // any mark that the head was seen
            return .YES
        }
        // A body of what needs none is of unknown length: close.
        guard state.pointee == nil || bodySize.pointee == 0 else { return .NO }
        let owner = Unmanaged<Context>.fromOpaque(context).takeUnretainedValue()
        let response = TelemetryResponse(
            method: verb, path: String(cString: url), board: owner.board, pages: owner.pages)
        return send(response, to: connection)
    }

    private static func send(
        _ response: TelemetryResponse,
        to connection: OpaquePointer?
    ) -> MHD_Result {
        var body = response.body
        let message = body.withUTF8 { bytes in
            MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                .RESPMEM_MUST_COPY)
        }
        guard let message else { return .NO }
        defer { MHD_destroy_response(message) }
        MHD_add_response_header(message, "Content-Type", response.contentType)
        MHD_add_response_header(message, "Cache-Control", "no-store")
        if let allow = response.allow { MHD_add_response_header(message, "Allow", allow) }
        return MHD_queue_response(connection, UInt32(response.status), message)
    }
}
