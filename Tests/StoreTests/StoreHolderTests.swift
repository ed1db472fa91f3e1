import ChoraleTypes
import Foundation
import Testing

@testable import Store

@Suite struct StoreHolderTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    var path: String { directory.appending("db") }

    private func own(_ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: directory.appending("OWNER")))
    }

    @Test func aLockedDatabaseNamesWhoHoldsIt() throws {
        let store = try RocksStore.open(directory: path)
        let holder = try #require(StoreHolder.current())
        let error = StoreOpenError.locked(directory: path, holder: holder)
        #expect(throws: error) { try RocksStore.open(directory: path) }
        #expect("\(error)".contains("process \(ProcessInfo.processInfo.processIdentifier)"))
        #expect("\(error)".contains(holder.command))
        // The failed attempt took nothing away.
        #expect(store.execute(.get(.meta, key: [1])) == .value(nil))
        store.close()
        #expect(!FileSystem.exists(path + "/OWNER"))
        try RocksStore.open(directory: path).close()
    }

    @Test func aLockWithoutItsOwnerFileIsStillALock() throws {
        let store = try RocksStore.open(directory: path)
        FileSystem.remove(path + "/OWNER")
        let error = StoreOpenError.locked(directory: path, holder: nil)
        #expect(throws: error) { try RocksStore.open(directory: path) }
        #expect("\(error)".contains("fuser \(path)/LOCK"))
        store.close()
    }

    @Test func anotherProcessIsRecognised() throws {
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/bin/cat")
        other.arguments = ["-"]
        let (input, output) = (Pipe(), Pipe())
        other.standardInput = input
        other.standardOutput = output
        try other.run()
        defer { other.terminate() }
        // Its echo shows that it has become the other program.
        try input.fileHandleForWriting.write(contentsOf: Data("x".utf8))
        #expect(try output.fileHandleForReading.read(upToCount: 1) == Data("x".utf8))
        let holder = try #require(StoreHolder.process(other.processIdentifier))
        #expect(holder.command == "/bin/cat -")

        try own("\(holder.processID) \(holder.startTime)\n")
        #expect(StoreHolder.read(directory: directory.path) == holder)
        // The same id, but a process that started at another time.
        try own("\(holder.processID) \(holder.startTime + 1)\n")
        #expect(StoreHolder.read(directory: directory.path) == nil)
    }

    @Test func aProcessThatEndedHoldsNothing() throws {
        let other = Process()
        other.executableURL = URL(fileURLWithPath: "/bin/true")
        try other.run()
        other.waitUntilExit()
        try own("\(other.processIdentifier) 1\n")
        #expect(StoreHolder.read(directory: directory.path) == nil)
    }

    @Test(arguments: [
        "", "\n", "1", "1 \n", "x 1\n", "1 x\n", "-1 1\n", "0 0\n", "1 2 3\n",
        "99999999999999999999 1\n",
    ])
    func nonsenseInTheOwnerFileIsIgnored(text: String) throws {
        try own(text)
        #expect(StoreHolder.read(directory: directory.path) == nil)
    }

    @Test func theStartTimeIsFoundBehindAnyName() {
        let rest = "S 1 1 1 0 -1 4194304 1 1 1 1 1 1 1 1 20 0 1 0 4711 1 1"
        for name in ["sleep", "a b", "a) S 1 (b", "()"] {
            let status = Array("12 (\(name)) \(rest)".utf8)
            #expect(StoreHolder.startTime(inStatus: status) == 4711)
        }
        #expect(StoreHolder.startTime(inStatus: Array("12 (sleep) S 1".utf8)) == nil)
        #expect(StoreHolder.startTime(inStatus: []) == nil)
    }
}
