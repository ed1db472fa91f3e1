import Chain
import ChoraleBase
import Foundation
import Testing

@testable import Store

/// A process that writes heights, killed while it does, again and again on the same database.
@Suite struct ChainKillTests {
    @Test(arguments: UInt64(0)..<3) func aKilledProcessLeavesWholeHeights(seed: UInt64) throws {
        let directory = try TemporaryDirectory()
        let path = directory.appending("chain")
        var random = DeterministicRandom(seed: seed)
        var chain = TestChain(seed: ChainWriterProcess.seed)
        for _ in 0..<8 {
            let killAfter = 1 + random.below(60)
            let writer = Process()
            writer.executableURL =
                URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            writer.arguments = ["--testing-library", "swift-testing", "--filter", "ChainWriter"]
            var environment = ProcessInfo.processInfo.environment
            environment[ChainWriterProcess.variable] = path
            writer.environment = environment
            let output = Pipe()
            writer.standardOutput = output
            try writer.run()
            var lines = Lines(output.fileHandleForReading)
            var count = 0
            var last: UInt64?
            while count < killAfter, let line = try lines.next() {
                guard let height = ChainWriterProcess.height(in: line) else { continue }
                last = height
                count += 1
            }
            kill(writer.processIdentifier, SIGKILL)
            writer.waitUntilExit()
            #expect(writer.terminationReason == .uncaughtSignal)
            while let line = try lines.next() {
                last = ChainWriterProcess.height(in: line) ?? last
            }
            let acknowledged = try #require(last)
            try check(path, &chain, acknowledged)
        }
    }

    private func check(_ path: String, _ chain: inout TestChain, _ acknowledged: UInt64) throws {
        let database = try ChainDatabase.open(
            directory: path, network: TestChain.network, options: .small)
        defer { database.close() }
        let last = try #require(database.last)
        // What was acknowledged is there; the one after it may be.
        #expect(last.height == acknowledged || last.height == acknowledged + 1)
        while chain.writes.count <= Int(last.height) { try chain.append() }
        let write = chain.writes[Int(last.height)]
        #expect(last.record == write.head)
        #expect(last.stateRoot == chain.roots[Int(last.height)])
        #expect(try database.block(at: last.height) == write.block)
        let reader = database.makeReader()
        #expect(try reader.receipts(at: last.height) == write.execution?.receipts)
        for height in last.oldestState...last.height {
            let found = try TestChain.Contents(Opened(reader.state(after: height)))
            #expect(try found == chain.contents(after: height))
        }
        // Neither lost nor left: see `ChainPruningTests`.
        var live: Set<Bytes32> = []
        for height in last.oldestTrie...last.height {
            live.formUnion(try chain.liveNodes(chain.roots[Int(height)]))
        }
        let rows = try database.nodeRows()
        #expect(live.isSubset(of: rows.keys))
        if try database.rowCount(.journal, prefix: [2]) == 0 {
            #expect(Set(rows.keys).subtracting(live).isEmpty)
        }
    }
}

/// How the process is told what to do, and tells what it has done.
private enum ChainWriterProcess {
    static let variable = "CHORALE_TEST_CHAIN_WRITER"
    static let seed: UInt64 = 77

    static var path: String? { ProcessInfo.processInfo.environment[variable] }

    static func height(in line: String) -> UInt64? {
        line.hasPrefix("committed ") ? UInt64(line.dropFirst("committed ".count)) : nil
    }
}

/// What the process does that is killed.
@Suite(.enabled(if: ChainWriterProcess.path != nil, "only as a process of its own"))
struct ChainWriter {
    @Test func writesHeights() throws {
        let database = try ChainDatabase.open(
            directory: try #require(ChainWriterProcess.path), network: TestChain.network,
            options: .small)
        var chain = TestChain(seed: ChainWriterProcess.seed)
        if let height = database.height {
            while chain.writes.count <= Int(height) { try chain.append() }
        }
        // An end, should nobody be there to kill it.
        for _ in 0..<20_000 {
            try database.write(chain.append(), sync: chain.height % 3 == 0)
            let line = Array("committed \(chain.height)\n".utf8)
            guard write(STDOUT_FILENO, line, line.count) == line.count else { return }
        }
    }
}
