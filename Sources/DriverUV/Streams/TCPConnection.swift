import CAres
import CLibuv
import ChoraleBase
import Codec
import Glibc

/// What the owner of a TCP connection hears. All calls come on the loop.
public protocol TCPConnectionDelegate: AnyObject {
    /// A dial succeeded. Not called for accepted connections.
    func connectionDidOpen(_ connection: TCPConnection)

    /// Bytes arrived, or were left by the last call and more followed.
    ///
    /// The owner may change them in place. What it does not consume is presented again in front of
    /// what follows; unless reading is paused it must be at most `EventLoop.Limits.carrySizeMax`.
    ///
    /// - Returns: how many bytes, from the front, are consumed.
    func connection(_ connection: TCPConnection, didReceive bytes: inout MutableSpan<UInt8>) -> Int

    /// The kernel can take bytes. Append up to about `sizeMax` of them to the empty `buffer`.
    ///
    /// Asked again until nothing is appended, the kernel is full, or the turn's share is used up.
    func connection(_ connection: TCPConnection, fill buffer: inout [UInt8], sizeMax: Int)

    /// The last call for this connection, which always comes, and in a turn of its own.
    func connectionDidClose(_ connection: TCPConnection, reason: TransportCloseReason)
}

/// How TCP connections behave.
public struct TCPOptions: Sendable {
    /// Silence after which the kernel probes whether the remote host is still there. Nil: never.
    /// In whole seconds, at least one.
    public var keepAlive: Duration? = .seconds(60)
    /// A connection is closed when the remote side takes no byte for so long.
    public var writeTimeout: Duration = .seconds(10)
    /// `closeAfterWriting` waits at most so long.
    public var lingerTimeout: Duration = .seconds(1)
    /// Bytes that the kernel may take before it has sent those it has (TCP_NOTSENT_LOWAT).
    ///
    /// Urgent bytes wait behind these and no more. Nil leaves the kernel's megabytes.
    public var notSentSizeMax: Int? = 128 * 1024
    /// Connections that the kernel completes before they are accepted.
    public var backlog: Int = 1024
    /// Whether a listener on an IPv6 address refuses IPv4.
    public var isIPv6Only = true

    public init() {}
}

/// A TCP connection, dialed or accepted. `TCP_NODELAY` is always on: writes are batched by turn.
public final class TCPConnection: StreamConnection {
    public enum Direction: Hashable, Sendable { case dialed, accepted }

    public let direction: Direction
    /// The remote end; for a dial, what was dialed.
    public private(set) var remoteAddress: SocketAddress
    /// This end. Nil until connected.
    public private(set) var localAddress: SocketAddress?
    /// For the owner: which of its connections this is.
    public var tag: UInt64 = 0

    /// Held until the last callback.
    private var delegate: (any TCPConnectionDelegate)?
    private let options: TCPOptions
    private var connectRequest: UnsafeMutablePointer<uv_connect_t>?

    private var tcp: UnsafeMutablePointer<uv_tcp_t> { raw(as: uv_tcp_t.self) }

    private init(
        loop: EventLoop, direction: Direction, remote: SocketAddress, options: TCPOptions
    ) {
        self.direction = direction
        self.remoteAddress = remote
        self.options = options
        super.init(
            loop: loop, type: UV_TCP, phase: .connecting,
            timeouts: Timeouts(write: options.writeTimeout, linger: options.lingerTimeout))
        // Cannot fail without creating a socket, which happens in connect or accept.
        uv_tcp_init(loop.raw, tcp)
        adopt()
    }

    deinit { connectRequest?.deallocate() }

    // MARK: Dialing

    /// Starts a connection to `address`.
    ///
    /// Never fails at once: the delegate hears `connectionDidOpen`, or `connectionDidClose` with the
    /// reason. ``StreamConnection/close()`` cancels.
    ///
    /// - Parameter timeout: after which the dial fails with `.connectTimedOut`.
    public static func dial(
        _ address: SocketAddress,
        on loop: EventLoop,
        timeout: Duration,
        options: TCPOptions = TCPOptions(),
        delegate: any TCPConnectionDelegate
    ) -> TCPConnection {
        let connection = TCPConnection(
            loop: loop, direction: .dialed, remote: address, options: options)
        connection.delegate = delegate
        connection.dial(timeout: timeout)
        return connection
    }

    private func dial(timeout: Duration) {
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        connectRequest = request
        let status = remoteAddress.withSocketAddress { address in
            uv_tcp_connect(request, tcp, address) { request, status in
                TCPConnection.from(request?.pointee.handle.pointee.data).connected(status)
            }
        }
        guard status == 0 else { return end(status) }
        loop.deadlines?.set(self, at: loop.now.advanced(by: timeout))
    }

    override func didConnect() {
        applyOptions()
        localAddress = name(uv_tcp_getsockname)
        delegate?.connectionDidOpen(self)
    }

    // MARK: Accepting

    /// Takes the next connection from a listener.
    ///
    /// - Returns: nil if it is gone already.
    static func accept(
        from listener: UnsafeMutablePointer<uv_stream_t>, on loop: EventLoop, options: TCPOptions
    ) -> TCPConnection? {
        let unknown = SocketAddress(.ip4(.any), port: 0)
        let connection = TCPConnection(
            loop: loop, direction: .accepted, remote: unknown, options: options)
        let status = uv_accept(listener, connection.stream)
        guard status == 0, let remote = connection.name(uv_tcp_getpeername) else {
            // A peer that reset meanwhile has no name any more.
            if status == 0 {
                connection.end(.remoteReset, error: nil)
            } else {
                connection.end(status)
            }
            return nil
        }
        connection.remoteAddress = remote
        connection.localAddress = connection.name(uv_tcp_getsockname)
        return connection
    }

    /// The owner wants the accepted connection.
    func start(delegate: any TCPConnectionDelegate) {
        self.delegate = delegate
        guard phase == .connecting else { return }
        applyOptions()
        start()
    }

    // MARK: Options and names

    private func applyOptions() {
        // None of these can make a connection useless, so their failures are not failures of it.
        uv_tcp_nodelay(tcp, 1)
        if let keepAlive = options.keepAlive {
            let seconds = max(1, keepAlive.wholeMilliseconds / 1000)
            uv_tcp_keepalive(tcp, 1, UInt32(clamping: seconds))
        }
        if let size = options.notSentSizeMax {
            var descriptor: uv_os_fd_t = -1
            if uv_fileno(raw(as: uv_handle_t.self), &descriptor) == 0 {
                _ = chorale_set_notsent_lowat(descriptor, Int32(clamping: size))
            }
        }
    }

    private func name(
        _ get: (
            UnsafePointer<uv_tcp_t>, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>
        )
            -> Int32
    ) -> SocketAddress? { TCPSocket.name(of: tcp, get) }

    // MARK: Callbacks

    override func didReceive(_ bytes: inout MutableSpan<UInt8>) -> Int {
        delegate?.connection(self, didReceive: &bytes) ?? bytes.count
    }

    override func fill(_ buffer: inout [UInt8], sizeMax: Int) {
        delegate?.connection(self, fill: &buffer, sizeMax: sizeMax)
    }

    override func didClose(_ reason: TransportCloseReason) {
        let last = delegate
        // The owner usually holds the connection: no cycle may survive.
        delegate = nil
        last?.connectionDidClose(self, reason: reason)
    }
}

enum TCPSocket {
    /// An end's address, as getsockname or getpeername tells it.
    static func name(
        of tcp: UnsafeMutablePointer<uv_tcp_t>,
        _ get: (
            UnsafePointer<uv_tcp_t>, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<Int32>
        )
            -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var size = Int32(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutableBytes(of: &storage) { bytes in
            get(tcp, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &size)
        }
        return status == 0 ? SocketAddress(storage) : nil
    }
}
