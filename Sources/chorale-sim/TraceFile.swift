import ArgumentParser
import ChoraleBase
import Foundation
import Simulator

/// Writes lines in large portions.
final class TraceWriter {
    private let handle: FileHandle
    private var pending = Data()
    private var failure: (any Error)?

    init(path: String, header: TraceHeader) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw ValidationError("cannot write `\(path)`") }
        self.handle = handle
        write(header.line)
    }

    func write(_ line: String) {
        pending.append(contentsOf: line.utf8)
        pending.append(10)
        if pending.count >= 1 << 20 { flush() }
    }

    private func flush() {
        do { try handle.write(contentsOf: pending) } catch { failure = failure ?? error }
        pending.removeAll(keepingCapacity: true)
    }

    /// - Throws: the first failure of any write.
    func finish() throws {
        flush()
        if let failure { throw failure }
        try handle.close()
    }
}

/// Reads a file line by line without holding all of it.
final class LineReader {
    private let handle: FileHandle
    private var buffer = Data()
    private var isAtEnd = false
    private(set) var lineNumber = 0

    init?(path: String) {
        guard let handle = FileHandle(forReadingAtPath: path) else { return nil }
        self.handle = handle
    }

    func next() -> String? {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[buffer.startIndex..<end], as: UTF8.self)
                buffer = buffer[(end + 1)...]
                lineNumber += 1
                return line
            }
            guard !isAtEnd else {
                guard !buffer.isEmpty else { return nil }
                let line = String(decoding: buffer, as: UTF8.self)
                buffer = Data()
                lineNumber += 1
                return line
            }
            let more = (try? handle.read(upToCount: 1 << 16)) ?? nil
            if let more, !more.isEmpty { buffer = Data(buffer) + more } else { isAtEnd = true }
        }
    }
}

struct Replay: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs what a trace recorded once more and reports the first difference.",
        discussion: "Example: chorale-sim replay flood-7.trace")

    @Argument(help: "A file written by `chorale-sim run --trace`.")
    var trace: String

    func run() throws {
        guard let reader = LineReader(path: trace) else {
            throw ValidationError("cannot read `\(trace)`")
        }
        guard let header = reader.next().flatMap(TraceHeader.init),
            let type = Scenarios.named(header.scenario), header.parameters.nodes >= type.nodesMin
        else {
            throw ValidationError(
                "`\(trace)` does not begin like a trace of this version of chorale-sim")
        }
        let progress = Progress(name: header.scenario, seed: header.parameters.seed)
        var difference: (line: Int, recorded: String?, now: String?)?
        _ = type.init(header.parameters).run(
            sink: { line in
                guard difference == nil else { return }
                let recorded = reader.next()
                if recorded != line { difference = (reader.lineNumber, recorded, line) }
            },
            onProgress: progress.show)
        progress.finish()
        if difference == nil, let rest = reader.next() {
            difference = (reader.lineNumber, rest, nil)
        }
        guard let difference else {
            print("the same: \(reader.lineNumber - 1) events")
            return
        }
        print("line \(difference.line) differs")
        print("  recorded: \(difference.recorded ?? "(end of file)")")
        print("  now:      \(difference.now ?? "(end of run)")")
        throw ScenarioFailed(message: "the run differs from `\(trace)`")
    }
}

/// Says on standard error how far a run is, at most once a second.
final class Progress {
    private let name: String
    private let seed: UInt64
    private let start = ContinuousClock.now
    private var shownAt = ContinuousClock.now
    private var shownSteps: UInt64 = 0
    private var hasShown = false
    private let isTerminal = isatty(2) == 1

    init(name: String, seed: UInt64) {
        self.name = name
        self.seed = seed
    }

    /// Seconds since the start.
    var elapsed: Double { Self.seconds(ContinuousClock.now - start) }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.wholeNanoseconds) / 1e9
    }

    func show(_ simulation: Simulation) {
        let now = ContinuousClock.now
        let passed = Self.seconds(now - shownAt)
        guard passed >= 1 else { return }
        let steps = simulation.stepCount >= shownSteps ? simulation.stepCount - shownSteps : 0
        let virtual = MonotonicInstant.zero.duration(to: simulation.now).wholeMilliseconds
        let text =
            "\(name) seed \(seed): \(virtual / 1000) s of virtual time, "
            + "\(simulation.stepCount) events, \(Int(Double(steps) / passed)) a second"
        write(isTerminal ? "\r\u{1B}[K\(text)" : "\(text)\n")
        shownAt = now
        shownSteps = simulation.stepCount
        hasShown = true
    }

    func finish() {
        if isTerminal, hasShown { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
