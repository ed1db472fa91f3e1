import ChoraleBase
import Foundation
import Testing

@testable import Store

/// A process that writes blocks, killed while it does.
///
/// The process is this one's program again, told to run nothing but ``StateWriter``.
@Suite struct StateKillTests {
    @Test(arguments: [1, 2, 9, 40, 90]) func aKilledProcessLeavesOneStateWhole(
        blocks: Int
    ) throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("state")
        let writer = Process()
        writer.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        writer.arguments = ["--testing-library", "swift-testing", "--filter", "StateWriter"]
        var environment = ProcessInfo.processInfo.environment
        environment[WriterProcess.variable] = path
        writer.environment = environment
        let output = Pipe()
        writer.standardOutput = output
        try writer.run()
        var lines = Lines(output.fileHandleForReading)
        var last: UInt64 = 0
        while last < UInt64(blocks), let line = try lines.next() {
            last = WriterProcess.number(in: line) ?? last
        }
        // It is writing the next ones now.
        kill(writer.processIdentifier, SIGKILL)
        writer.waitUntilExit()
        #expect(writer.terminationReason == .uncaughtSignal)
        while let line = try lines.next() { last = WriterProcess.number(in: line) ?? last }
        try #require(last >= blocks, "the writer ended by itself")

        let database = try StateDatabase.open(directory: path, options: .small)
        defer { database.close() }
        let head = try #require(database.head)
        // What was acknowledged is there; the one after it may be.
        #expect(head.blockNumber == last || head.blockNumber == last + 1)
        var model = MadeUpChain.Model()
        for _ in 0..<head.blockNumber { try model.append() }
        #expect(head == model.head)
        let expected = try MadeUpChain.Contents(root: head.stateRoot, model.store)
        #expect(try MadeUpChain.Contents(root: head.stateRoot, database) == expected)
        // And it goes on.
        try MadeUpChain.append(to: database)
        try model.append()
        #expect(database.head == model.head)
    }
}

/// How the process is told what to do, and tells what it has done.
private enum WriterProcess {
    static let variable = "CHORALE_TEST_STATE_WRITER"

    static var path: String? { ProcessInfo.processInfo.environment[variable] }

    static func number(in line: String) -> UInt64? {
        line.hasPrefix("committed ") ? UInt64(line.dropFirst("committed ".count)) : nil
    }
}

/// What the process does that is killed.
@Suite(.enabled(if: WriterProcess.path != nil, "only as a process of its own"))
struct StateWriter {
    @Test func writesBlocks() throws {
        let database = try StateDatabase.open(
            directory: try #require(WriterProcess.path), options: .small)
        // An end, should nobody be there to kill it.
        for number in 1...20_000 {
            try MadeUpChain.append(to: database, sync: false)
            let line = Array("committed \(number)\n".utf8)
            guard write(STDOUT_FILENO, line, line.count) == line.count else { return }
        }
    }
}
