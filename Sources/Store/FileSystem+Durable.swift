import Glibc

/// Writing so that a crash of the machine at any instant leaves the old bytes or the new.
extension FileSystem {
    /// Replaces a file: a draft is written and synced, takes the file's name, and the directory is synced.
    ///
    /// A draft that a crash has left is overwritten. After a failure the old file stands, unless the
    /// directory could not be synced: then a crash decides which of the two is found.
    static func replaceDurably(_ path: String, with bytes: [UInt8]) throws(Failure) {
        let draft = path + ".draft"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(path: draft, code: errno) }
        do throws(Failure) {
            defer { _ = Glibc.close(descriptor) }
            try writeAll(bytes, to: descriptor, of: draft)
            guard fsync(descriptor) == 0 else { throw Failure(path: draft, code: errno) }
        } catch {
            _ = unlink(draft)
            throw error
        }
        guard rename(draft, path) == 0 else {
            let code = errno
            _ = unlink(draft)
            throw Failure(path: path, code: code)
        }
        try syncDirectory(of: path)
    }

    /// Makes names in a file's directory last.
    static func syncDirectory(of path: String) throws(Failure) {
        let directory =
            path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path: directory, code: errno) }
        defer { _ = Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Failure(path: directory, code: errno) }
    }

    /// Writes all bytes where the descriptor stands.
    static func writeAll(
        _ bytes: [UInt8], to descriptor: Int32, of path: String
    ) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let size = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress! + done, buffer.count - done)
            }
            if size < 0, errno == EINTR { continue }
            guard size > 0 else { throw Failure(path: path, code: size < 0 ? errno : ENOSPC) }
            done += size
        }
    }

    /// Whether an open file is the one that has a name.
    static func isFile(_ descriptor: Int32, at path: String) -> Bool {
        var (open, named) = (stat(), stat())
        return fstat(descriptor, &open) == 0 && stat(path, &named) == 0
            && open.st_dev == named.st_dev && open.st_ino == named.st_ino
    }

    /// A whole file; nil when there is none.
    static func contents(_ path: String, sizeMax: Int) throws(Failure) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw Failure(path: path, code: errno) }
            return nil
        }
        defer { _ = Glibc.close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(path: path, code: errno) }
        guard status.st_size <= sizeMax else { throw Failure(path: path, code: EFBIG) }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        var count = 0
        while count < bytes.count {
            let size = bytes.withUnsafeMutableBytes { buffer in
                Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            }
            if size < 0, errno == EINTR { continue }
            guard size >= 0 else { throw Failure(path: path, code: errno) }
            if size == 0 { break }
            count += size
        }
        return Array(bytes.prefix(count))
    }
}
