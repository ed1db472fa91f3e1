import Glibc

/// The few system calls the store makes itself.
enum FileSystem {
    struct Failure: Error, Equatable {
        let path: String
        let code: Int32

        var message: String { "\(path): \(String(cString: strerror(code)))" }

        var isFullDisk: Bool { code == ENOSPC || code == EDQUOT }
    }

    /// Creates a directory that only its owner can read, and its missing parents.
    static func createDirectories(_ path: String) throws(Failure) {
        if mkdir(path, 0o700) == 0 { return }
        let code = errno
        switch code {
        case EEXIST:
            guard isDirectory(path) else { throw Failure(path: path, code: ENOTDIR) }
        case ENOENT:
            guard let parent = parent(of: path) else { throw Failure(path: path, code: code) }
            try createDirectories(parent)
            if mkdir(path, 0o700) != 0, errno != EEXIST { throw Failure(path: path, code: errno) }
        default:
            throw Failure(path: path, code: code)
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The names in a directory, sorted.
    static func names(in path: String) throws(Failure) -> [String] {
        guard let directory = opendir(path) else { throw Failure(path: path, code: errno) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
                    String(cString: $0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Bytes that this process may still write to the disk of `path`, or nil if that is unknown.
    static func freeSpace(at path: String) -> Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let (size, overflow) = Int(status.f_bavail).multipliedReportingOverflow(
            by: Int(status.f_frsize))
        return overflow ? Int.max : size
    }

    /// The first `sizeMax` bytes of a file, or nil if it cannot be read.
    static func read(_ path: String, sizeMax: Int = 4096) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { _ = Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: sizeMax)
        var count = 0
        while count < sizeMax {
            let size = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress! + count, sizeMax - count)
            }
            if size < 0, errno == EINTR { continue }
            guard size >= 0 else { return nil }
            if size == 0 { break }
            count += size
        }
        return Array(bytes.prefix(count))
    }

    /// Replaces a small file. Not synced: for files that a crash may lose.
    static func write(_ bytes: [UInt8], to path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(path: path, code: errno) }
        defer { _ = Glibc.close(descriptor) }
        let size = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard size == bytes.count else {
            throw Failure(path: path, code: size < 0 ? errno : ENOSPC)
        }
    }

    static func remove(_ path: String) { _ = unlink(path) }

    private static func parent(of path: String) -> String? {
        var path = path[...]
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
        return String(path[..<slash])
    }
}
