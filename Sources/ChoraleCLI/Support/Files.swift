import Glibc

/// Files of the program itself: small ones, read and written whole.
enum Files {
    /// - Parameter sizeMax: refuses larger files instead of filling memory.
    static func read(_ path: String, sizeMax: Int) throws(Failure) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot read", path) }
        defer { close(descriptor) }
        return try read(descriptor, path, sizeMax: sizeMax)
    }

    /// Everything from standard input.
    static func readStandardInput(sizeMax: Int) throws(Failure) -> [UInt8] {
        try read(STDIN_FILENO, "standard input", sizeMax: sizeMax)
    }

    private static func read(
        _ descriptor: Int32, _ path: String, sizeMax: Int
    ) throws(Failure) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure("cannot read", path) }
            guard count > 0 else { return bytes }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= sizeMax else {
                throw Failure("\(path) has more than \(sizeMax) bytes, which is the limit")
            }
        }
    }

    static func text(_ path: String, sizeMax: Int = 1 << 20) throws(Failure) -> String {
        let bytes = try read(path, sizeMax: sizeMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(path) is not a text in UTF-8")
        }
        return text
    }

    /// Creates a file that did not exist, and makes it durable.
    static func create(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o644) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            guard errno != EEXIST else {
                throw Failure("\(path) exists already and is not overwritten")
            }
            throw failure("cannot create", path)
        }
        defer { close(descriptor) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = failure("cannot write", path)
                // Half a file would be in the way of the next attempt.
                unlink(path)
                throw error
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(descriptor) == 0 else { throw failure("cannot write", path) }
    }

    /// Writes a file that may exist; whoever reads it sees all of the old or all of the new.
    static func replace(_ path: String, _ bytes: [UInt8]) throws(Failure) {
        let draft = "\(path).\(getpid()).new"
        try create(draft, bytes)
        guard rename(draft, path) == 0 else {
            let error = failure("cannot write", path)
            unlink(draft)
            throw error
        }
    }

    static func create(_ path: String, _ text: String, mode: mode_t = 0o644) throws(Failure) {
        try create(path, Array(text.utf8), mode: mode)
    }

    /// Creates a directory and those above it. One that exists is fine.
    static func createDirectory(_ path: String, mode: mode_t = 0o755) throws(Failure) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            guard mkdir(made, mode) != 0, errno != EEXIST else { continue }
            // A parent that we may not write to may still exist.
            let error = failure("cannot create the directory", made)
            guard isDirectory(made) else { throw error }
        }
        guard isDirectory(path) else { throw Failure("\(path) exists and is not a directory") }
    }

    /// The files of a directory and of those below it whose names end so, sorted; a file is itself.
    static func tree(_ path: String, suffixes: [String]) throws(Failure) -> [String] {
        guard isDirectory(path) else { return [path] }
        guard let directory = opendir(path) else { throw failure("cannot read", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        var paths: [String] = []
        for name in names.sorted() {
            let full = join(path, name)
            if isDirectory(full) {
                // A link back to a directory above would never end.
                if !isLink(full) { paths += try tree(full, suffixes: suffixes) }
            } else if suffixes.contains(where: name.hasSuffix) {
                paths.append(full)
            }
        }
        return paths
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Permission bits, or nil when there is no such file.
    static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    /// `path` from the working directory, without links resolved.
    static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        guard let pointer = getcwd(nil, 0) else { return path }
        defer { free(pointer) }
        return join(String(cString: pointer), path)
    }

    static func join(_ directory: String, _ path: String) -> String {
        guard !path.hasPrefix("/") else { return path }
        return directory.hasSuffix("/") ? directory + path : directory + "/" + path
    }

    private static func failure(_ action: String, _ path: String) -> Failure {
        Failure("\(action) \(path): \(String(cString: strerror(errno)))")
    }
}
