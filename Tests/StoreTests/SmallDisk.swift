import Foundation
import Testing

@testable import Store

/// A small disk of its own, which can be filled without harm to anybody.
final class SmallDisk {
    let path: String
    private let directory: TemporaryDirectory

    /// 24 MiB: a few of the database's files.
    static let options = "size=24m,mode=0700"

    init?() {
        guard getuid() == 0, let directory = try? TemporaryDirectory() else { return nil }
        self.directory = directory
        path = directory.path
        guard Self.run("/bin/mount", "-t", "tmpfs", "-o", Self.options, "tmpfs", path) else {
            return nil
        }
    }

    deinit { _ = Self.run("/bin/umount", "-l", path) }

    /// Leaves about `size` bytes.
    func fill(leaving size: Int) throws {
        let free = try #require(FileSystem.freeSpace(at: path))
        let ballast = Data(count: max(0, free - size))
        try ballast.write(to: URL(fileURLWithPath: path + "/ballast"))
    }

    func makeRoom() throws { try FileManager.default.removeItem(atPath: path + "/ballast") }

    static let isPossible = SmallDisk() != nil

    private static func run(_ command: String, _ arguments: String...) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
