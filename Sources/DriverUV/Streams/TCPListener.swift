import CLibuv

/// What the owner of a TCP listener hears. All calls come on the loop.
public protocol TCPListenerDelegate: AnyObject {
    /// Someone connected.
    ///
    /// - Returns: the connection's delegate, or nil to refuse it: it is then closed at once.
    func listener(
        _ listener: TCPListener, didAccept connection: TCPConnection
    ) -> (any TCPConnectionDelegate)?

    /// A connection could not be accepted, for instance for want of file descriptors. The
    /// listener goes on.
    func listener(_ listener: TCPListener, didFailToAccept error: SystemError)
}

/// Why an address cannot be listened on.
public enum ListenError: Error, Hashable, Sendable, CustomStringConvertible {
    case addressInUse(SocketAddress)
    /// Ports below 1024 need a privilege.
    case permissionDenied(SocketAddress)
    /// No interface of this machine has the address.
    case addressNotAvailable(SocketAddress)
    /// For instance IPv6 on a machine without it.
    case familyNotSupported(SocketAddress)
    case outOfResources(SocketAddress, SystemError)
    case other(SocketAddress, SystemError)

    init(_ error: SystemError, at address: SocketAddress) {
        switch uv_errno_t(error.code) {
        case UV_EADDRINUSE: self = .addressInUse(address)
        case UV_EACCES, UV_EPERM: self = .permissionDenied(address)
        case UV_EADDRNOTAVAIL: self = .addressNotAvailable(address)
        case UV_EAFNOSUPPORT: self = .familyNotSupported(address)
        case UV_EMFILE, UV_ENFILE, UV_ENOBUFS, UV_ENOMEM:
            self = .outOfResources(address, error)
        default: self = .other(address, error)
        }
    }

    public var description: String {
        switch self {
        case .addressInUse(let address): "\(address) is already in use"
        case .permissionDenied(let address): "no permission to listen on \(address)"
        case .addressNotAvailable(let address): "no interface has the address \(address)"
        case .familyNotSupported(let address): "this machine cannot use addresses like \(address)"
        case .outOfResources(let address, let error), .other(let address, let error):
            "cannot listen on \(address): \(error)"
        }
    }
}

/// A TCP socket that accepts connections.
public final class TCPListener: LoopHandle {
    /// The address bound, with the port that the kernel chose if port 0 was asked for.
    public private(set) var address: SocketAddress
    /// Connections given to the delegate.
    public private(set) var acceptedCount: UInt64 = 0
    /// Connections that were gone, or could not be accepted, when their turn came.
    public private(set) var failedCount: UInt64 = 0

    private let options: TCPOptions
    /// Held until ``close()``.
    private var delegate: (any TCPListenerDelegate)?

    /// Binds `address` and accepts from now on.
    ///
    /// - Parameter options: also those of the connections accepted.
    public init(
        on loop: EventLoop,
        address: SocketAddress,
        options: TCPOptions = TCPOptions(),
        delegate: any TCPListenerDelegate
    ) throws(ListenError) {
        self.address = address
        self.options = options
        self.delegate = delegate
        super.init(loop: loop, type: UV_TCP)
        // Cannot fail without creating a socket, which bind does.
        uv_tcp_init(loop.raw, raw(as: uv_tcp_t.self))
        adopt()
        do {
            try bind()
        } catch {
            close()
            throw ListenError(error, at: address)
        }
    }

    private func bind() throws(SystemError) {
        let tcp = raw(as: uv_tcp_t.self)
        let flags = address.isIPv6 && options.isIPv6Only ? UInt32(UV_TCP_IPV6ONLY.rawValue) : 0
        try SystemError.check(address.withSocketAddress { uv_tcp_bind(tcp, $0, flags) })
        // An address in use is reported here at the latest.
        let status = uv_listen(stream, Int32(clamping: options.backlog)) { stream, status in
            TCPListener.from(stream?.pointee.data).connectionArrived(status)
        }
        try SystemError.check(status)
        address = TCPSocket.name(of: tcp, uv_tcp_getsockname) ?? address
    }

    private func connectionArrived(_ status: Int32) {
        guard let delegate else { return }
        guard status == 0 else {
            failedCount &+= 1
            return delegate.listener(self, didFailToAccept: SystemError(code: status))
        }
        guard let connection = TCPConnection.accept(from: stream, on: loop, options: options) else {
            failedCount &+= 1
            return
        }
        acceptedCount &+= 1
        if let owner = delegate.listener(self, didAccept: connection) {
            connection.start(delegate: owner)
        } else {
            connection.close()
        }
    }

    /// Stops accepting. Accepted connections stay. Harmless when repeated.
    public func close() {
        delegate = nil
        closeHandle()
    }

    override func loopIsClosing() { close() }
}
