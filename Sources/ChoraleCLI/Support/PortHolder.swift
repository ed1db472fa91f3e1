import Glibc

/// The process that listens on a TCP port of this machine, for messages about ports in use.
struct PortHolder: CustomStringConvertible {
    let name: String
    let processID: Int

    var description: String { "`\(name)` (pid \(processID))" }

    /// Nil when nobody listens, or when the process belongs to a user whose files we may not see.
    ///
    /// Linux: `/proc/net/tcp` gives the socket's inode, and the links in `/proc/<pid>/fd` who has it
    /// open (proc(5)). Costs milliseconds: for failures only.
    static func find(port: UInt16) -> PortHolder? {
        var links: Set<String> = []
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let bytes = (try? Files.read(table, sizeMax: 16 << 20)) ?? []
            let text = String(decoding: bytes, as: UTF8.self)
            for inode in inodes(in: text, port: port) { links.insert("socket:[\(inode)]") }
        }
        guard !links.isEmpty else { return nil }
        for process in names(in: "/proc").compactMap({ Int($0) }).sorted() {
            let directory = "/proc/\(process)/fd"
            guard
                names(in: directory).contains(where: {
                    links.contains(target("\(directory)/\($0)"))
                })
            else { continue }
            let bytes = (try? Files.read("/proc/\(process)/comm", sizeMax: 4096)) ?? []
            let name = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            return PortHolder(name: Table.printable(name), processID: process)
        }
        return nil
    }

    /// Inodes of the sockets in state LISTEN (0A) that have the port.
    static func inodes(in table: String, port: UInt16) -> [Substring] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            let columns = line.split(separator: " ")
            guard columns.count > 9, columns[3] == "0A",
                let colon = columns[1].lastIndex(of: ":"),
                UInt16(columns[1][columns[1].index(after: colon)...], radix: 16) == port
            else { return nil }
            return columns[9]
        }
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                })
        }
        return names
    }

    private static func target(_ link: String) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        let count = readlink(link, &buffer, buffer.count)
        let bytes = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension PortHolder {
    /// Who has the port, if somebody has, and what to do.
    static func advice(port: UInt16?, _ setting: Setting) -> String {
        guard let port, let holder = find(port: port) else {
            return "; another address is given with --\(setting.name)"
        }
        return ", held by \(holder): stop it, or give another address with --\(setting.name)"
    }
}
