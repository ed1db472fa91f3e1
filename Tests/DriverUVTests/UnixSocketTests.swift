import CAres
import CLibuv
import ChoraleBase
import Glibc
import Testing

@testable import DriverUV

@Suite struct UnixSocketTests {
    @Test func linesGoBothWays() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let acceptor = LineAcceptor()
            let listener = try UnixListener(on: loop, path: directory.file, delegate: acceptor)
            let client = LineEnd()
            let connection = UnixConnection.connect(
                to: directory.file, on: loop, delegate: client)
            // Before it is connected.
            let sending = connection.send(Array("{\"id\":1}".utf8))
            #expect(sending == .accepted)
            try loop.drive { acceptor.ends.first?.lines.count == 1 }
            let server = acceptor.ends[0]
            #expect(client.opened == 1)
            #expect(server.lines == ["{\"id\":1}"])

            let big = String(repeating: "x", count: 1_500_000)
            for line in ["{}", big, "last"] { _ = server.connection?.send(Array(line.utf8)) }
            #expect(server.connection?.queuedSize == 3 + 1_500_001 + 5)
            try loop.drive { client.lines.count == 3 && server.drains == 1 }
            #expect(client.lines == ["{}", big, "last"])
            #expect(server.connection?.queuedSize == 0)

            connection.close()
            try loop.drive { client.closes == [.local] && server.closes == [.remoteClosed] }
            #expect(listener.acceptedCount == 1)
            let late = connection.send([1])
            #expect(late == .closed)
        }
    }

    @Test func onlyTheUserMayConnect() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let listener = try UnixListener(
                on: loop, path: directory.file, delegate: LineAcceptor())
            var information = stat()
            try #require(stat(directory.file, &information) == 0)
            #expect(information.st_mode & 0o777 == 0o600)
            #expect(information.st_mode & S_IFMT == S_IFSOCK)
            listener.close()
            #expect(access(directory.file, F_OK) != 0, "a closed listener leaves no socket")
        }
    }

    @Test func aDeadSocketIsReplaced() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            try directory.leaveDeadSocket()
            let acceptor = LineAcceptor()
            let listener = try UnixListener(on: loop, path: directory.file, delegate: acceptor)
            let client = LineEnd()
            _ = UnixConnection.connect(to: directory.file, on: loop, delegate: client)
            try loop.drive { client.opened == 1 && acceptor.ends.count == 1 }
            listener.close()
        }
    }

    @Test func aLivingSocketIsNot() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let acceptor = LineAcceptor()
            let first = try UnixListener(on: loop, path: directory.file, delegate: acceptor)
            #expect(throws: UnixListenError.inUse(path: directory.file)) {
                try UnixListener(on: loop, path: directory.file, delegate: LineAcceptor())
            }
            // And it still works.
            let client = LineEnd()
            _ = UnixConnection.connect(to: directory.file, on: loop, delegate: client)
            try loop.drive { client.opened == 1 }
            first.close()
        }
    }

    @Test func otherFilesAreLeftAlone() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let descriptor = open(directory.file, O_CREAT | O_WRONLY, 0o644)
            try #require(descriptor >= 0)
            close(descriptor)
            #expect(throws: UnixListenError.notASocket(path: directory.file)) {
                try UnixListener(on: loop, path: directory.file, delegate: LineAcceptor())
            }
            #expect(access(directory.file, F_OK) == 0)
        }
    }

    @Test func pathsThatCannotBe() throws {
        try withLoop { loop in
            let long = "/tmp/" + String(repeating: "p", count: 103)
            #expect(
                throws: UnixListenError.pathTooLong(path: long, limit: UnixListener.pathSizeMax)
            ) {
                try UnixListener(on: loop, path: long, delegate: LineAcceptor())
            }
            let nowhere = "/nonexistent/admin.sock"
            #expect(throws: UnixListenError.noSuchDirectory(path: nowhere)) {
                try UnixListener(on: loop, path: nowhere, delegate: LineAcceptor())
            }
            let directory = try TemporaryDirectory()
            try directory.leaveDeadSocket()
            let rows: [(String, TransportCloseReason)] = [
                (long, .addressUnusable), (nowhere, .notFound), (directory.file, .refused),
            ]
            for (path, reason) in rows {
                let client = LineEnd()
                _ = UnixConnection.connect(to: path, on: loop, delegate: client)
                try loop.drive { client.closes.count == 1 }
                #expect(client.closes == [reason])
                #expect(client.opened == 0)
            }
        }
    }

    @Test func aLineWithoutEndIsCutOff() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let acceptor = LineAcceptor()
            var options = UnixOptions()
            options.lineSizeMax = 1_000
            let listener = try UnixListener(
                on: loop, path: directory.file, options: options, delegate: acceptor)
            let client = LineEnd()
            let connection = UnixConnection.connect(
                to: directory.file, on: loop, delegate: client)
            _ = connection.send([UInt8](repeating: 65, count: 1_000))
            _ = connection.send([UInt8](repeating: 66, count: 1_001))
            try loop.drive { acceptor.ends.first?.closes.count == 1 && client.closes.count == 1 }
            #expect(acceptor.ends[0].closes == [.lineTooLong])
            #expect(acceptor.ends[0].lines == [String(repeating: "A", count: 1_000)])
            listener.close()
        }
    }

    @Test func aReaderThatDoesNotReadIsDropped() throws {
        try withLoop { loop in
            let directory = try TemporaryDirectory()
            let acceptor = LineAcceptor()
            var options = UnixOptions()
            options.queueSizeMax = 1 << 20
            let listener = try UnixListener(
                on: loop, path: directory.file, options: options, delegate: acceptor)
            let client = LineEnd()
            let connection = UnixConnection.connect(
                to: directory.file, on: loop, delegate: client)
            connection.pauseReading()
            try loop.drive { acceptor.ends.count == 1 }
            let server = acceptor.ends[0]
            let line = [UInt8](repeating: 65, count: 10_000)
            var outcome = UnixConnection.Sending.accepted
            var accepted = 0
            while let connection = server.connection, outcome == .accepted, accepted < 1_000 {
                outcome = connection.send(line)
                if outcome == .accepted { accepted += 1 }
                #expect(connection.queuedSize <= 1 << 20)
                // Some turns, in which the kernel takes what it can.
                if accepted % 20 == 0 { _ = loop.run(until: { false }, patience: .milliseconds(1)) }
            }
            try loop.drive { server.closes.count == 1 }
            #expect(outcome == .overflowed)
            #expect(server.closes == [.receiverTooSlow])
            // The limit, and what the kernel holds of a Unix socket.
            #expect((100..<250).contains(accepted), "\(accepted)")
            listener.close()
        }
    }

    @Test func closingTheLoopRemovesTheSocket() throws {
        let directory = try TemporaryDirectory()
        let loop = try EventLoop()
        _ = try UnixListener(on: loop, path: directory.file, delegate: LineAcceptor())
        loop.close()
        #expect(access(directory.file, F_OK) != 0)
    }
}

@Suite struct LineAssemblerTests {
    static let streams: [(String, [String])] = [
        ("", []), ("a", []), ("a\n", ["a"]), ("a\r\n", ["a"]), ("\n\r\n\n", []),
        ("ab\ncd\n", ["ab", "cd"]), ("a\rb\n", ["a\rb"]), ("ä\n{}\nrest", ["ä", "{}"]),
        ("12345678\r\n", ["12345678"]),
    ]

    /// Whole, and split at every byte.
    @Test(arguments: streams) func cutsLines(row: (String, [String])) throws {
        let bytes = Array(row.0.utf8)
        for split in 0...bytes.count {
            var assembler = LineAssembler(lineSizeMax: 8)
            var lines: [[UInt8]] = []
            for part in [Array(bytes[..<split]), Array(bytes[split...])] {
                try assembler.append(part.span, to: &lines)
            }
            #expect(lines.map { String(decoding: $0, as: UTF8.self) } == row.1)
        }
    }

    @Test(arguments: ["123456789\n", "123456789\r\n", "1234567890", "ok\n1234567890"])
    func refusesLongLines(text: String) {
        for split in 0...text.utf8.count {
            let bytes = Array(text.utf8)
            var assembler = LineAssembler(lineSizeMax: 8)
            var lines: [[UInt8]] = []
            var isRefused = false
            for part in [Array(bytes[..<split]), Array(bytes[split...])] where !isRefused {
                do { try assembler.append(part.span, to: &lines) } catch { isRefused = true }
            }
            #expect(isRefused)
            #expect(lines == (text.hasPrefix("ok") ? [Array("ok".utf8)] : []))
        }
    }
}

/// One end of a line connection.
final class LineEnd: UnixConnectionDelegate {
    var connection: UnixConnection?
    var lines: [String] = []
    var opened = 0
    var drains = 0
    var closes: [TransportCloseReason] = []

    func connectionDidOpen(_ connection: UnixConnection) { opened += 1 }

    func connection(_ connection: UnixConnection, didReceive line: [UInt8]) {
        lines.append(String(decoding: line, as: UTF8.self))
    }

    func connectionDidDrain(_ connection: UnixConnection) { drains += 1 }

    func connectionDidClose(_ connection: UnixConnection, reason: TransportCloseReason) {
        closes.append(reason)
        self.connection = nil
    }
}

final class LineAcceptor: UnixListenerDelegate {
    var ends: [LineEnd] = []

    func listener(
        _ listener: UnixListener, didAccept connection: UnixConnection
    ) -> (any UnixConnectionDelegate)? {
        let end = LineEnd()
        end.connection = connection
        ends.append(end)
        return end
    }
}

/// A directory that goes with the test.
final class TemporaryDirectory {
    let path: String
    var file: String { path + "/admin.sock" }

    init() throws {
        var template = Array("/tmp/chorale-test-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        unlink(file)
        rmdir(path)
    }

    /// What a process that was killed leaves: a bound socket that nobody has open.
    func leaveDeadSocket() throws {
        let descriptor = socket(AF_UNIX, chorale_sock_stream, 0)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: file.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(status == 0)
    }
}
