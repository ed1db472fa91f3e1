import CLibuv
import Glibc

/// An error of the operating system, as libuv reports it.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// libuv's code: the negated `errno`, or one of libuv's own below -3000.
    public let code: Int32

    public init(code: Int32) { self.code = code }

    /// The symbol, such as `ECONNREFUSED`. Stable, so it may become a log key.
    public var name: String { Self.text { uv_err_name_r(code, $0, $1) } }

    /// A sentence for a person.
    public var message: String { Self.text { uv_strerror_r(code, $0, $1) } }

    public var description: String { "\(message) (\(name))" }

    /// Throws when `status` is a libuv error code, which is any negative value.
    static func check(_ status: Int32) throws(SystemError) {
        guard status < 0 else { return }
        throw SystemError(code: status)
    }

    /// The current `errno` of this thread.
    static var last: SystemError { SystemError(code: -errno) }

    private static func text(
        _ write: (UnsafeMutablePointer<CChar>, Int) -> UnsafeMutablePointer<CChar>?
    ) -> String {
        // The `_r` forms write into our buffer and always terminate it; the others leak a few bytes
        // for every unknown code.
        var buffer = [CChar](repeating: 0, count: 128)
        return buffer.withUnsafeMutableBufferPointer { characters in
            guard let base = characters.baseAddress, let text = write(base, characters.count) else {
                return ""
            }
            return String(cString: text)
        }
    }
}

/// Why a connection ended, or was never made.
///
/// Every connection reports exactly one. The names are stable: they are labels of a metric.
public enum TransportCloseReason: String, Hashable, Sendable, CaseIterable {
    // The other side
    /// The remote side ended its half in good order.
    case remoteClosed
    /// The remote side aborted the connection, or its kernel did.
    case remoteReset
    /// The kernel gave up waiting for acknowledgements or for keepalive probes.
    case timedOut
    /// Bytes waited longer than the write timeout while the remote side took none of them.
    case writeStalled
    /// The outgoing queue of a line connection exceeded its limit.
    case receiverTooSlow
    /// A line exceeded the limit of a line connection.
    case lineTooLong

    // Dialing
    /// Nothing listens at the address.
    case refused
    /// No route to the host or its network.
    case unreachable
    /// No answer before the dial's deadline or the kernel's.
    case connectTimedOut
    /// The local address, family or path cannot be used for this remote address.
    case addressUnusable
    /// The kernel or a firewall forbids it.
    case permissionDenied
    /// No socket exists at the path (Unix sockets).
    case notFound

    // This side
    /// The owner closed it.
    case local
    /// The event loop was closed.
    case loopClosed
    /// Out of file descriptors, buffers or memory.
    case outOfResources
    /// The owner left more bytes unread than one read may carry over.
    case unreadOverflow
    /// Anything else. The connection's `systemError` says what.
    case other
}

extension TransportCloseReason {
    /// Maps every error code; a code without a better name is ``other``.
    init(_ error: SystemError) {
        switch uv_errno_t(error.code) {
        case UV_EOF: self = .remoteClosed
        case UV_ECONNRESET, UV_EPIPE, UV_ECONNABORTED, UV_ENOTCONN, UV_ESHUTDOWN:
            self = .remoteReset
        case UV_ETIMEDOUT: self = .timedOut
        case UV_ECONNREFUSED: self = .refused
        case UV_EHOSTUNREACH, UV_ENETUNREACH, UV_ENETDOWN, UV_EHOSTDOWN: self = .unreachable
        case UV_EADDRNOTAVAIL, UV_EADDRINUSE, UV_EAFNOSUPPORT, UV_EINVAL, UV_ENAMETOOLONG:
            self = .addressUnusable
        case UV_EACCES, UV_EPERM: self = .permissionDenied
        case UV_ENOENT: self = .notFound
        case UV_ECANCELED: self = .local
        case UV_EMFILE, UV_ENFILE, UV_ENOBUFS, UV_ENOMEM: self = .outOfResources
        default: self = .other
        }
    }
}
