public import HTTP

/// Serves the pages of a board over HTTP, on a thread of its own.
///
/// Requests are answered from the last publication, so the loop does not notice them. A request
/// with a body, a head over ``Limits/headSizeMax`` or an idle connection is cut off.
public final class TelemetryServer: Sendable {
    public struct Limits: Hashable, Sendable {
        /// Connections at a time. A few collectors and a person; each costs `headSizeMax`.
        public var connectionCountMax: UInt32 = 16
        /// Time without progress after which a connection is closed, in seconds.
        public var timeoutSeconds: UInt32 = 10
        /// Memory for the head of one request and of its answer, in bytes.
        public var headSizeMax = 16 << 10

        public init() {}
    }

    private struct Pages: HTTPHandler {
        let board: TelemetryBoard
        let pages: [TelemetryPage]

        func admit(_ head: HTTPRequestHead) -> HTTPAdmission {
            // What reads nothing waits for the end of the request, and no body is read for it. What will
            // be refused is refused before its body.
            head.method == "GET" || head.method == "HEAD"
                ? .body(sizeMax: 0) : .refused(answer(head, body: []))
        }

        func answer(_ head: HTTPRequestHead, body: [UInt8]) -> HTTPResponse {
            let response = TelemetryResponse(
                method: head.method, path: head.path, board: board, pages: pages)
            return HTTPResponse(
                status: response.status, contentType: response.contentType,
                body: Array(response.body.utf8),
                fields: response.allow.map { [.init("Allow", $0)] } ?? [])
        }
    }

    private let server: HTTPServer

    /// The address that it listens on, with the port that the system chose for port 0.
    public var address: String { server.address }

    /// Starts listening.
    ///
    /// - Parameter address: `HOST:PORT`, where the host is an IPv4 address, an IPv6 address in
    ///   brackets, or `localhost`.
    public init(
        address: String,
        board: TelemetryBoard,
        pages: [TelemetryPage] = [.metrics, .health],
        limits: Limits = Limits()
    ) throws(HTTPServerError) {
        var options = HTTPServer.Limits()
        options.connectionCountMax = limits.connectionCountMax
        options.idleSecondsMax = limits.timeoutSeconds
        options.headSizeMax = limits.headSizeMax
        options.bodiesSizeMax = 0
        options.workerCount = 0
        server = try HTTPServer(
            address: address, limits: options, handler: Pages(board: board, pages: pages))
    }

    /// Closes all connections and waits for the thread to end. Calling it again does nothing.
    public func stop() { server.stop() }
}
