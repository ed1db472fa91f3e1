import Admin
import Codec
import Glibc

/// Standard output and standard error.
///
/// Results go to standard output, everything else to standard error, so that output can be piped.
enum Console {
    /// Writes a line and flushes: streams are read while they run.
    static func print(_ line: String) { write(line + "\n", to: STDOUT_FILENO) }

    static func print(_ value: JSONValue) { print(value.text) }

    /// Takes lines of traces (EIP-3155).
    static func trace(_ lines: [UInt8]) { write(lines, to: STDERR_FILENO) }

    static func error(_ line: String) { write(line + "\n", to: STDERR_FILENO) }

    static func write(_ text: String, to descriptor: Int32) {
        write(Array(text.utf8), to: descriptor)
    }

    /// Writes everything. A reader that is gone ends the program quietly, as it does `cat`.
    static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EPIPE, descriptor == STDOUT_FILENO {
                exit(0)
            } else if errno != EINTR, errno != EAGAIN, descriptor == STDOUT_FILENO {
                // A result that nobody gets is no result.
                error(
                    "chorale: cannot write to standard output: \(String(cString: strerror(errno)))")
                exit(Program.Status.failed)
            } else if errno == EAGAIN {
                var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&poller, 1, 1000)
            } else if errno != EINTR {
                return
            }
        }
    }

    /// Occupies standard descriptors that whoever started us closed.
    ///
    /// Otherwise the next file or socket would get the number, and results would be written into it.
    /// Opened the wrong way round, so that using them still fails.
    static func reserveStandardFiles() {
        for (descriptor, flags) in [(0, O_WRONLY), (1, O_RDONLY), (2, O_WRONLY)] as [(Int32, Int32)]
        where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest free number is this one: those below are open by now.
            _ = open("/dev/null", flags)
        }
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
}

/// Rows in aligned columns, as people read them.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    init(_ header: String...) { self.header = header }

    mutating func add(_ cells: String...) { rows.append(cells.map(Self.printable)) }

    /// Lines without trailing spaces. Numbers are aligned like words: columns are narrow.
    var lines: [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in
            all.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column + 1 < row.count {
                    line += String(repeating: " ", count: widths[column] - cell.count + 2)
                }
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Peers choose some of these texts: control characters would steer the terminal.
    static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { scalar in
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "?"
                default: Character(scalar)
                }
            })
    }
}

/// Numbers for people.
enum Human {
    static func bytes(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit + 1 < units.count {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(decimal(value)) \(units[unit])"
    }

    static func milliseconds(_ value: Double) -> String {
        value < 1000 ? "\(decimal(value)) ms" : duration(seconds: Int64(value / 1000))
    }

    static func duration(seconds: Int64) -> String {
        switch seconds {
        case ..<60: "\(seconds) s"
        case ..<3600: "\(seconds / 60) min \(seconds % 60) s"
        case ..<86_400: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
        }
    }

    /// One digit behind the point below 100, none above.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let tenths = Int64((value * 10).rounded())
        guard abs(tenths) < 1000 else { return "\(Int64(value.rounded()))" }
        let sign = tenths < 0 ? "-" : ""
        return "\(sign)\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }
}
