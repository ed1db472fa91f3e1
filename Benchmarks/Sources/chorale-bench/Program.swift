import DriverUV
import ExecutionMeasurements
import Glibc

/// The Swift half of `Benchmarks/run`: processes that are measured, and measurements that need no
/// process. Not meant for people; the Python half knows its commands.
///
///     chorale-bench node  --control PATH [--topic NAME] [--peers N] [--seed N] [--plain 1]
///     chorale-bench dials ADDRESS [--count N] [--concurrency N] [--plain 1]
///     chorale-bench hold  ADDRESS [--count N] [--seed N]
///     chorale-bench micro [--only TEXT] [--vectors FOLDER] [--models FOLDER]
///     chorale-bench votes --control PATH --network DIGEST --keys FILE
///     chorale-bench execution
///     chorale-bench records --directory PATH [--count N] [--batch N] [--sync 1]
@main
enum Program {
    static let usage =
        "usage: chorale-bench node|dials|hold|micro|votes|execution|records [ADDRESS] "
        + "[--option VALUE]…"

    static func main() {
        guard let arguments = Arguments(CommandLine.arguments.dropFirst()) else { fail(usage) }
        do {
            switch arguments.command {
            case "node": try NodeProcess.run(arguments)
            case "dials": try Dials.run(arguments)
            case "hold": try Crowd.run(arguments)
            case "micro": try Micro.run(arguments)
            case "votes": try VoteFeeder.run(arguments)
            case "execution":
                // As whoever executes block after block has it.
                ProcessMemory.keepHeap(threadCount: 1)
                try ExecutionTool.run()
            case "records": try Records.run(arguments)
            default: fail(usage)
            }
        } catch {
            fail("chorale-bench: \(error)")
        }
    }

    /// One line for the harness, at once.
    static func say(_ text: String) { put(text, on: STDOUT_FILENO) }

    static func fail(_ text: String) -> Never {
        put(text, on: STDERR_FILENO)
        exit(2)
    }

    private static func put(_ text: String, on descriptor: Int32) {
        let line = Array(text.utf8) + [UInt8(ascii: "\n")]
        _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// A command, its address if it has one, and options with values.
struct Arguments {
    let command: String
    let address: String?
    private var options: [String: String] = [:]

    init?(_ words: some Sequence<String>) {
        var plain: [String] = []
        var name: String?
        for word in words {
            if let option = name {
                options[option] = word
                name = nil
            } else if word.hasPrefix("--") {
                name = String(word.dropFirst(2))
            } else {
                plain.append(word)
            }
        }
        guard name == nil, let command = plain.first, plain.count <= 2 else { return nil }
        self.command = command
        address = plain.count == 2 ? plain[1] : nil
    }

    subscript(name: String) -> String? { options[name] }

    func number(_ name: String, or fallback: Int) -> Int {
        options[name].flatMap(Int.init) ?? fallback
    }
}

/// A fault of how the tool was used or of what it met.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
