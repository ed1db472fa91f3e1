import CAres
import CLibuv
import Glibc

/// What the owner of a Unix socket hears. All calls come on the loop.
public protocol UnixListenerDelegate: AnyObject {
    /// Someone connected.
    ///
    /// - Returns: the connection's delegate, or nil to refuse it: it is then closed at once.
    func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)?
}

/// Why a path cannot be listened on.
public enum UnixListenError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Another process answers there.
    case inUse(path: String)
    /// Something other than a socket is there, and it stays.
    case notASocket(path: String)
    /// The kernel's limit, in bytes.
    case pathTooLong(path: String, limit: Int)
    case permissionDenied(path: String)
    case noSuchDirectory(path: String)
    case other(path: String, SystemError)

    init(_ error: SystemError, path: String) {
        switch uv_errno_t(error.code) {
        case UV_EADDRINUSE: self = .inUse(path: path)
        case UV_EACCES, UV_EPERM, UV_EROFS: self = .permissionDenied(path: path)
        case UV_ENOENT, UV_ENOTDIR: self = .noSuchDirectory(path: path)
        default: self = .other(path: path, error)
        }
    }

    public var description: String {
        switch self {
        case .inUse(let path): "another process answers on \(path)"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .pathTooLong(let path, let limit):
            "\(path) is longer than the \(limit) bytes that a socket's path may have"
        case .permissionDenied(let path): "no permission to create \(path)"
        case .noSuchDirectory(let path): "the directory of \(path) does not exist"
        case .other(let path, let error): "cannot listen on \(path): \(error)"
        }
    }
}

/// A Unix socket, usable by this user only, that accepts line connections.
public final class UnixListener: LoopHandle {
    /// Longest path, in bytes: `sun_path` less its terminator.
    public static let pathSizeMax = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    public let path: String
    /// Connections given to the delegate.
    public private(set) var acceptedCount: UInt64 = 0
    /// Connections that could not be accepted.
    public private(set) var failedCount: UInt64 = 0

    private let options: UnixOptions
    private var delegate: (any UnixListenerDelegate)?

    /// Creates the socket with mode 0600 and accepts from now on.
    ///
    /// A socket left behind by a process that died is replaced; one that answers is not. Two
    /// processes that start at the same instant may both find a dead socket: whoever shares a path
    /// between processes needs a lock elsewhere, as a data directory has.
    public init(
        on loop: EventLoop,
        path: String,
        options: UnixOptions = UnixOptions(),
        delegate: any UnixListenerDelegate
    ) throws(UnixListenError) {
        self.path = path
        self.options = options
        self.delegate = delegate
        super.init(loop: loop, type: UV_NAMED_PIPE)
        // Below, libuv would cut a longer path without a word.
        guard path.utf8.count <= Self.pathSizeMax else {
            throw .pathTooLong(path: path, limit: Self.pathSizeMax)
        }
        try Self.removeIfDead(path)
        // Cannot fail without creating a socket, which bind does.
        uv_pipe_init(loop.raw, raw(as: uv_pipe_t.self), 0)
        adopt()
        do {
            try bind()
        } catch {
            close()
            // libuv reports a missing directory as a missing permission, for the sake of Windows.
            guard error.code != UV_EACCES.rawValue || Self.hasDirectory(path) else {
                throw .noSuchDirectory(path: path)
            }
            throw UnixListenError(error, path: path)
        }
    }

    private func bind() throws(SystemError) {
        try SystemError.check(uv_pipe_bind(raw(as: uv_pipe_t.self), path))
        // Before listening nobody can connect, so the mode is never wider for anyone. A umask would
        // do the same for every thread of the process.
        guard chmod(path, S_IRUSR | S_IWUSR) == 0 else { throw SystemError.last }
        let status = uv_listen(stream, Int32(clamping: options.backlog)) { stream, status in
            UnixListener.from(stream?.pointee.data).connectionArrived(status)
        }
        try SystemError.check(status)
    }

    private static func hasDirectory(_ path: String) -> Bool {
        guard let slash = path.lastIndex(of: "/") else { return true }
        return access(String(path[...slash]), F_OK) == 0 || errno != ENOENT
    }

    /// Removes a socket on which nobody answers. The check does not wait: connecting to a Unix
    /// socket either succeeds or fails at once.
    private static func removeIfDead(_ path: String) throws(UnixListenError) {
        var information = stat()
        guard lstat(path, &information) == 0 else { return }  // Bind says it better.
        guard information.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }

        let probe = socket(AF_UNIX, chorale_sock_stream | chorale_sock_nonblock, 0)
        guard probe >= 0 else { throw .other(path: path, SystemError.last) }
        defer { _ = Glibc.close(probe) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            // A `sockaddr_un` begins as every `sockaddr` does.
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(probe, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        // A full backlog (EAGAIN) is an answer too.
        guard status != 0, errno != EAGAIN, errno != EINPROGRESS else { throw .inUse(path: path) }
        switch errno {
        case ECONNREFUSED: unlink(path)
        case ENOENT: break
        default: throw UnixListenError(SystemError.last, path: path)
        }
    }

    private func connectionArrived(_ status: Int32) {
        guard let delegate else { return }
        guard status == 0,
            let connection = UnixConnection.accept(from: stream, on: loop, options: options)
        else {
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

    /// Stops accepting and removes the socket. Accepted connections stay. Harmless when repeated.
    public func close() {
        delegate = nil
        // libuv removes the path of a pipe that it bound.
        closeHandle()
    }

    override func loopIsClosing() { close() }
}
