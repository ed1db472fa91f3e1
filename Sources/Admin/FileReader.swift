import Codec
import ChoraleBase
import Glibc
import JSONRPC
import Node

/// Reads a file that an operator named, on a worker thread.
enum FileReader {
    /// Largest file, in bytes: what a body may be (`Bodies.Limits`), which the node checks again.
    static let sizeMax = 16 << 20

    /// The whole content of a regular file.
    ///
    /// Anything else is refused without waiting: a pipe nobody writes to would hold the thread.
    static func read(_ path: String) -> Result<[UInt8], RPCError> {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return failure(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return failure(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            return .failure(
                .parameter("file", .string(path), expected: "a regular file"))
        }
        guard status.st_size <= sizeMax else {
            return .failure(
                .parameter(
                    "file", .string("\(path), a file of \(status.st_size) bytes"),
                    expected: "a file of at most \(sizeMax) bytes"))
        }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(
                    descriptor, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return failure(path, errno) }
            // The file became shorter meanwhile.
            guard count > 0 else { break }
            filled += count
        }
        bytes.removeLast(bytes.count - filled)
        return .success(bytes)
    }

    private static func failure(_ path: String, _ code: Int32) -> Result<[UInt8], RPCError> {
        let kind: CommandFailure.Kind = code == ENOENT ? .notFound : .unavailable
        return .failure(
            RPCError(
                CommandFailure(kind, "cannot read \(path): \(String(cString: strerror(code)))")))
    }
}
