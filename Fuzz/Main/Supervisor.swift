import Foundation
import FuzzTargets
import Glibc

/// Runs each target in a child process, a few at a time, and keeps what made one trap or hang.
struct Supervisor {
    let targets: [FuzzTarget]
    let seconds: Double
    let seed: UInt64
    let corpus: String
    let crashes: String
    let jobs: Int
    /// Whether targets that pass are passed over in silence.
    let isBrief: Bool

    private struct Child {
        let target: FuzzTarget
        let process: Process
        let files: String
        let deadline: Date
        var isHung = false
    }

    /// - Returns: how many targets failed.
    func run() throws -> Int {
        let scratch = NSTemporaryDirectory() + "chorale-fuzz-\(getpid())"
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        say(
            column("target", 22) + column("runs", 10) + column("runs/s", 9) + column("found", 7)
                + column("kept", 6) + "slowest")
        var waiting = targets[...]
        var running: [Child] = []
        var failures = 0
        while !waiting.isEmpty || !running.isEmpty {
            while running.count < jobs, let target = waiting.popFirst() {
                running.append(try start(target, scratch: scratch))
            }
            usleep(20_000)
            for index in running.indices.reversed() {
                if !running[index].process.isRunning {
                    if !report(running.remove(at: index)) { failures += 1 }
                } else if Date() > running[index].deadline {
                    running[index].isHung = true
                    kill(running[index].process.processIdentifier, SIGKILL)
                }
            }
        }
        return failures
    }

    private func start(_ target: FuzzTarget, scratch: String) throws -> Child {
        let files = scratch + "/" + target.name
        for name in [".out", ".err"] {
            _ = FileManager.default.createFile(atPath: files + name, contents: nil)
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [
            "--worker", files + ".run", "--target", target.name, "--seconds", "\(seconds)",
            "--seed", "\(seed)", "--corpus", corpus,
        ]
        var environment = ProcessInfo.processInfo.environment
        // A trap is reported by this process; `--replay` shows where it was.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        process.environment = environment
        process.standardOutput = FileHandle(forWritingAtPath: files + ".out")
        process.standardError = FileHandle(forWritingAtPath: files + ".err")
        try process.run()
        return Child(
            target: target, process: process, files: files,
            deadline: Date().addingTimeInterval(seconds * 3 + 60))
    }

    private func report(_ child: Child) -> Bool {
        child.process.waitUntilExit()
        if child.process.terminationStatus == 0, child.process.terminationReason == .exit,
            let data = FileManager.default.contents(atPath: child.files + ".out"),
            let result = try? JSONDecoder().decode(Worker.Result.self, from: data)
        {
            say(
                column(child.target.name, 22) + column("\(result.executions)", 10)
                    + column("\(Int(Double(result.executions) / max(result.seconds, 0.001)))", 9)
                    + column("\(result.features)", 7) + column("\(result.corpus)", 6)
                    + "\(result.slowest) µs")
            return true
        }
        let input = CrashFile.read(path: child.files + ".run") ?? []
        let path = "\(crashes)/\(child.target.name)-\(name(of: input))"
        try? FileManager.default.createDirectory(atPath: crashes, withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: path, contents: Data(input))
        let said = FileManager.default.contents(atPath: child.files + ".err").map {
            String(decoding: $0.prefix(2000), as: UTF8.self)
        }
        print(column(child.target.name, 22) + (child.isHung ? "HANGS" : "FAILS") + ", input kept:")
        print("    \(path)")
        if input.count <= 512 { print("    \(input.map { hex($0) }.joined())") }
        // Where it trapped is for `--replay` to show, with names.
        let words = (said ?? "").split(separator: "\n").prefix { $0 != "Current stack trace:" }
        for line in words.prefix(6) { print("    \(line)") }
        let binary = CommandLine.arguments.first ?? "chorale-fuzz"
        print("    again: \(binary) --target \(child.target.name) --replay \(path)")
        fflush(nil)
        return false
    }

    /// For people who watch.
    private func say(_ line: String) {
        guard !isBrief else { return }
        print(line)
        fflush(nil)
    }

    private func name(of input: [UInt8]) -> String {
        var hash = FNV()
        hash.add(input)
        return String(hash.value, radix: 16)
    }

    private func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    private func column(_ text: String, _ width: Int) -> String {
        text.padding(toLength: max(width, text.count + 1), withPad: " ", startingAt: 0)
    }
}
