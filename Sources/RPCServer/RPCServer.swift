import ChoraleBase
public import Codec
public import Crypto
import Glibc
public import HTTP
public import JSONRPC

/// Serves calls of JSON-RPC 2.0 over HTTP POST: what wallets use, and with a secret what consensus
/// clients use.
///
/// A page in somebody's browser can reach loopback, so: hosts by name are refused unless they are named
/// here (a name can be made to point anywhere), a body must say that it is JSON (which makes a browser
/// ask first), and no other origin is answered unless it is named.
public final class RPCServer: Sendable {
    /// Answers one call. Runs on the server's workers, several at once.
    public typealias Handler = @Sendable (RPCRequest) throws(RPCError) -> JSONValue

    public struct Options: Sendable {
        /// Names that a request may be for, besides any IP address; `*` for all. As geth's `--http.vhosts`.
        public var virtualHosts = ["localhost"]
        /// Origins of web pages that may call; `*` for all. As geth's `--http.corsdomain`.
        public var corsOrigins: [String] = []
        /// With one, every request needs a token made with it.
        public var secret: SecretBytes?
        /// Bytes of one request.
        public var bodySizeMax = 5 << 20
        public var body = RPCBody.Limits()
        public var http = HTTPServer.Limits()

        /// For wallets and scripts.
        public init() {}

        /// For consensus clients, whose requests carry whole blocks and witnesses.
        public static func engine(_ secret: SecretBytes) -> Options {
            var options = Options()
            options.secret = secret
            options.bodySizeMax = 128 << 20
            options.body.answerSizeMax = 128 << 20
            // A transaction is one value of at least some 200 digits.
            options.body.json.valueCountMax = 1 << 20
            options.http.connectionCountMax = 32
            options.http.bodiesSizeMax = 256 << 20
            return options
        }
    }

    private let server: HTTPServer

    /// The address that it listens on, with the port that the system chose for port 0.
    public var address: String { server.address }
    public var counters: HTTPCounters { server.counters }

    /// Starts listening.
    ///
    /// - Parameter address: `HOST:PORT`, where the host is an IPv4 address, an IPv6 address in
    ///   brackets, or `localhost`.
    public convenience init(
        address: String, options: Options = Options(), handler: @escaping Handler
    ) throws(HTTPServerError) {
        try self.init(address: address, options: options, now: Self.wallTime, handler: handler)
    }

    init(
        address: String, options: Options, now: @escaping @Sendable () -> WallTime,
        handler: @escaping Handler
    ) throws(HTTPServerError) {
        var limits = options.http
        // Calls take as long as they take.
        limits.workerCount = max(limits.workerCount, 1)
        server = try HTTPServer(
            address: address, limits: limits,
            handler: RPCGate(options: options, now: now, handler: handler))
    }

    /// Refuses what waits, lets running calls end, and closes. Calling it again does nothing.
    public func stop() { server.stop() }

    private static func wallTime() -> WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
