import Glibc

/// The process that has a database open, for the message to whoever wants to open it too.
///
/// RocksDB's lock says only that someone holds it. So the holder writes a file `OWNER` beside
/// `LOCK`: its process id, when that process started (ids are reused), and its command line. The
/// file is a hint and never decides anything: after a crash it is stale, which a look at `/proc`
/// shows, and on a full disk it is missing.
public struct StoreHolder: Hashable, Sendable {
    public let processID: Int32
    /// The command line, with blanks between its arguments.
    public let command: String

    /// In clock ticks since the machine started, as in `/proc/PID/stat`.
    let startTime: UInt64

    static let fileName = "OWNER"

    /// This process, or nil where `/proc` is not mounted.
    static func current() -> StoreHolder? { process(getpid()) }

    /// The process with the given id, if it exists.
    static func process(_ processID: Int32) -> StoreHolder? {
        guard let status = FileSystem.read("/proc/\(processID)/stat"),
            let startTime = startTime(inStatus: status),
            let arguments = FileSystem.read("/proc/\(processID)/cmdline", sizeMax: 1024)
        else { return nil }
        return StoreHolder(
            processID: processID,
            command: printable(arguments),
            startTime: startTime
        )
    }

    /// Who holds the database in `directory`, if its owner file names a process that still runs.
    static func read(directory: String) -> StoreHolder? {
        guard let bytes = FileSystem.read(directory + "/" + fileName) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        let fields = text.split(separator: "\n").first?.split(separator: " ") ?? []
        guard fields.count == 2, let processID = Int32(fields[0]), processID > 0,
            let startTime = UInt64(fields[1])
        else { return nil }
        guard let running = process(processID), running.startTime == startTime else { return nil }
        return running
    }

    /// Tells other processes that this one holds the database.
    ///
    /// Call it only while holding RocksDB's lock. A failure is of no consequence here.
    static func announce(directory: String) {
        guard let current = current() else { return }
        let text = "\(current.processID) \(current.startTime)\n\(current.command)\n"
        try? FileSystem.write(Array(text.utf8), to: directory + "/" + fileName)
    }

    static func withdraw(directory: String) { FileSystem.remove(directory + "/" + fileName) }

    /// Field 22 of `/proc/PID/stat`.
    ///
    /// Field 2, the name in parentheses, may contain blanks and parentheses, so counting starts
    /// after the last closing one.
    static func startTime(inStatus status: [UInt8]) -> UInt64? {
        guard let nameEnd = status.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = status[(nameEnd + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19 else { return nil }
        return UInt64(String(decoding: fields[19], as: UTF8.self))
    }

    /// The arguments in one line that is safe to print on a terminal.
    private static func printable(_ arguments: [UInt8]) -> String {
        var bytes = arguments
        while bytes.last == 0 { bytes.removeLast() }
        let line = bytes.map { $0 == 0 ? UInt8(ascii: " ") : $0 < 0x20 || $0 == 0x7F ? 0x3F : $0 }
        return String(decoding: line, as: UTF8.self)
    }
}
