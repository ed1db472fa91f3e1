import CLibuv

/// What the owner of a line connection hears. All calls come on the loop.
public protocol UnixConnectionDelegate: AnyObject {
    /// A connection that this side asked for is made. Not called for accepted ones.
    func connectionDidOpen(_ connection: UnixConnection)

    /// One line arrived, without its end. Never empty.
    func connection(_ connection: UnixConnection, didReceive line: [UInt8])

    /// Everything sent was taken by the kernel: a stream that waited may go on.
    func connectionDidDrain(_ connection: UnixConnection)

    /// The last call, which always comes, and in a turn of its own.
    func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason)
}

/// How line connections behave.
public struct UnixOptions: Sendable {
    /// Longest line accepted, in bytes. A request carries at most one gossip message of 1 MiB, in
    /// base64, and its envelope.
    public var lineSizeMax = 2 * 1024 * 1024
    /// Bytes that may wait for a reader before it is dropped: room for a few answers of the largest
    /// size, and the memory that one stuck terminal may hold.
    public var queueSizeMax = 8 * 1024 * 1024
    /// A connection is closed when the other side takes no byte for so long.
    public var writeTimeout: Duration = .seconds(10)
    /// `closeAfterWriting` waits at most so long.
    public var lingerTimeout: Duration = .seconds(1)
    public var backlog = 64

    public init() {}
}

/// A connection of lines over a Unix socket: JSON-RPC, one object a line, in either direction.
public final class UnixConnection: StreamConnection {
    /// What became of a line.
    public enum Sending: Hashable, Sendable {
        case accepted
        /// The queue exceeded its limit: the connection closes with `.receiverTooSlow`.
        case overflowed
        /// The connection is not open any more.
        case closed
    }

    /// For the owner: which of its connections this is.
    public var tag: UInt64 = 0
    /// Bytes accepted and not yet given to the kernel.
    public var queuedSize: Int { queue.count - queueStart }

    private let options: UnixOptions
    private var delegate: (any UnixConnectionDelegate)?
    private var assembler: LineAssembler
    /// What waits to be written begins at `queueStart`.
    private var queue: [UInt8] = []
    private var queueStart = 0
    private var owesDrain = false
    private var connectRequest: UnsafeMutablePointer<uv_connect_t>?

    private init(loop: EventLoop, options: UnixOptions) {
        self.options = options
        assembler = LineAssembler(lineSizeMax: options.lineSizeMax)
        super.init(
            loop: loop, type: UV_NAMED_PIPE, phase: .connecting,
            timeouts: Timeouts(write: options.writeTimeout, linger: options.lingerTimeout))
        // Cannot fail without creating a socket, which happens in connect or accept.
        uv_pipe_init(loop.raw, raw(as: uv_pipe_t.self), 0)
        adopt()
    }

    deinit { connectRequest?.deallocate() }

    /// Connects to the socket at `path`.
    ///
    /// Never fails at once: the delegate hears `connectionDidOpen`, or `connectionDidClose` with the
    /// reason, such as `.notFound` or `.refused`.
    public static func connect(
        to path: String,
        on loop: EventLoop,
        options: UnixOptions = UnixOptions(),
        delegate: any UnixConnectionDelegate
    ) -> UnixConnection {
        let connection = UnixConnection(loop: loop, options: options)
        connection.delegate = delegate
        guard path.utf8.count <= UnixListener.pathSizeMax else {
            connection.end(UV_ENAMETOOLONG.rawValue)
            return connection
        }
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        connection.connectRequest = request
        uv_pipe_connect(request, connection.raw(as: uv_pipe_t.self), path) { request, status in
            UnixConnection.from(request?.pointee.handle.pointee.data).connected(status)
        }
        return connection
    }

    static func accept(
        from listener: UnsafeMutablePointer<uv_stream_t>, on loop: EventLoop, options: UnixOptions
    ) -> UnixConnection? {
        let connection = UnixConnection(loop: loop, options: options)
        let status = uv_accept(listener, connection.stream)
        guard status == 0 else {
            connection.end(status)
            return nil
        }
        return connection
    }

    func start(delegate: any UnixConnectionDelegate) {
        self.delegate = delegate
        guard phase == .connecting else { return }
        start()
    }

    /// Queues one line. Its end is added.
    ///
    /// `line` holds no LF. May be called before the connection is made.
    public func send(_ line: [UInt8]) -> Sending {
        assert(!line.contains(UInt8(ascii: "\n")), "a line has one end")
        guard phase == .open || phase == .connecting else { return .closed }
        guard line.count < options.queueSizeMax - queuedSize else {
            end(.receiverTooSlow, error: nil)
            return .overflowed
        }
        queue.append(contentsOf: line)
        queue.append(UInt8(ascii: "\n"))
        owesDrain = true
        requestWrite()
        return .accepted
    }

    override func didConnect() { delegate?.connectionDidOpen(self) }

    override func didReceive(_ bytes: inout MutableSpan<UInt8>) -> Int {
        var lines: [[UInt8]] = []
        var isTooLong = false
        do {
            try assembler.append(bytes.span, to: &lines)
        } catch {
            isTooLong = true
        }
        for line in lines {
            // The owner may close the connection at any line.
            guard phase == .open else { break }
            delegate?.connection(self, didReceive: line)
        }
        if isTooLong { end(.lineTooLong, error: nil) }
        return bytes.count
    }

    override func fill(_ buffer: inout [UInt8], sizeMax: Int) {
        let end = min(queue.count, queueStart + sizeMax)
        buffer.append(contentsOf: queue[queueStart..<end])
        queueStart = end
        guard queueStart == queue.count else {
            // Moving the rest costs as much as was written since the last move.
            if queueStart > queue.count / 2 {
                queue.removeSubrange(..<queueStart)
                queueStart = 0
            }
            return
        }
        queue = []
        queueStart = 0
        // Asked again with nothing left: the kernel has taken everything.
        if buffer.isEmpty, owesDrain, phase == .open {
            owesDrain = false
            delegate?.connectionDidDrain(self)
        }
    }

    override func didClose(_ reason: TransportCloseReason) {
        let last = delegate
        // The owner usually holds the connection: no cycle may survive.
        delegate = nil
        queue = []
        queueStart = 0
        last?.connectionDidClose(self, reason: reason)
    }
}
