import Glibc

/// Where lines go.
///
/// `write` takes what it can without waiting and says how many bytes that was.
struct LogSink: Sendable {
    let write: @Sendable (Span<UInt8>) -> Int

    /// Standard error.
    ///
    /// A pipe that reports room takes one page without blocking, whether or not it is set to block,
    /// so no more is offered at a time; changing the mode would change it for everyone who shares
    /// the terminal.
    static let standardError = LogSink { bytes in
        var written = 0
        while written < bytes.count {
            var state = pollfd(fd: STDERR_FILENO, events: Int16(POLLOUT), revents: 0)
            guard poll(&state, 1, 0) == 1, state.revents & Int16(POLLOUT) != 0 else { break }
            let size = min(bytes.count - written, Int(PIPE_BUF))
            let result = bytes.withUnsafeBytes { buffer in
                Glibc.write(STDERR_FILENO, buffer.baseAddress! + written, size)
            }
            if result < 0, errno == EINTR { continue }
            guard result > 0 else { break }
            written += result
        }
        return written
    }
}
