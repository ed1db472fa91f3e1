import Codec
import Conformance
import DriverUV
import Synchronization

/// Runs fixture files, several at once, and prints what became of them in the order of the files.
struct TestRun {
    typealias Body = (FixtureValue, TestOptions) throws(FixtureError) -> [TestResult]

    private let options: TestRunOptions

    init(_ options: TestRunOptions) { self.options = options }

    /// - Throws: ``Failure`` when a test failed, a file could not be read, or nothing was run.
    func run(_ body: @escaping @Sendable (FixtureValue, TestOptions) throws -> [TestResult]) throws
    {
        var found: [String] = []
        for file in options.files {
            found += try Files.tree(file, suffixes: [".json", ".json.gz"])
        }
        let paths = found
        let queue = Queue(paths: paths, printer: Printer(isJSON: options.json))
        let trace = options.trace
        let reasons = options.reasons
        let team: ThreadTeam
        do throws(SystemError) {
            team = try ThreadTeam(
                name: "tests", width: min(options.jobCount, max(paths.count, 1)))
        } catch {
            throw Failure("no threads: \(error)")
        }
        _ = team.map(paths.count) { index in
            var options = TestOptions()
            options.checksReasons = reasons
            if trace { options.trace = Console.trace }
            queue.finish(index, Self.outcome(paths[index], options, body))
        }
        try queue.end()
    }

    private static func outcome(
        _ path: String, _ options: TestOptions,
        _ body: (FixtureValue, TestOptions) throws -> [TestResult]
    ) -> Outcome {
        do {
            let bytes = try Files.read(path, sizeMax: FixtureFile.sizeMax)
            return .results(try body(FixtureFile.document(bytes), options))
        } catch {
            return .unreadable("\(error)")
        }
    }

    /// What came of one file.
    private enum Outcome: Sendable {
        case results([TestResult])
        case unreadable(String)
    }

    /// Takes the results of files, which it prints as soon as those before are printed.
    private final class Queue: Sendable {
        private struct State {
            var nextPrinted = 0
            var waiting: [Int: Outcome] = [:]
            var passed = 0
            var failed = 0
            var unreadable = 0
        }

        private let paths: [String]
        private let printer: Printer
        private let state = Mutex(State())

        init(paths: [String], printer: Printer) {
            self.paths = paths
            self.printer = printer
        }

        func finish(_ index: Int, _ outcome: Outcome) {
            state.withLock { state in
                state.waiting[index] = outcome
                while let outcome = state.waiting.removeValue(forKey: state.nextPrinted) {
                    print(outcome, of: paths[state.nextPrinted], &state)
                    state.nextPrinted += 1
                }
            }
        }

        private func print(_ outcome: Outcome, of path: String, _ state: inout State) {
            switch outcome {
            case .results(let results):
                for result in results {
                    if result.passed { state.passed += 1 } else { state.failed += 1 }
                    printer.print(result, of: path)
                }
            case .unreadable(let problem):
                state.unreadable += 1
                Console.error("chorale: \(path): \(problem)")
            }
        }

        func end() throws(Failure) {
            let (passed, failed, unreadable) = state.withLock {
                ($0.passed, $0.failed, $0.unreadable)
            }
            printer.end(passed: passed, failed: failed)
            guard unreadable == 0 else {
                throw Failure("\(unreadable) of \(paths.count) files could not be read")
            }
            guard failed == 0 else { throw Failure("\(failed) of \(passed + failed) tests failed") }
            guard passed > 0 else { throw Failure("no test was run: no file has one of this name") }
        }
    }

    private struct Printer: Sendable {
        let isJSON: Bool

        func print(_ result: TestResult, of path: String) {
            guard isJSON else {
                var line = result.passed ? "ok      " : "FAILED  "
                line += result.name
                if !result.fork.isEmpty { line += " \(result.fork)" }
                if let indexes = result.indexes {
                    line += " d\(indexes.data) g\(indexes.gas) v\(indexes.value)"
                }
                if let fault = result.fault { line += ": \(fault)" }
                return Console.print(Table.printable(line))
            }
            var object: JSONObject = [
                "file": .string(path), "name": .string(result.name), "fork": .string(result.fork),
                "pass": .bool(result.passed),
            ]
            if let indexes = result.indexes {
                object["indexes"] = .object([
                    "data": JSONValue(indexes.data), "gas": JSONValue(indexes.gas),
                    "value": JSONValue(indexes.value),
                ])
            }
            if let root = result.stateRoot { object["stateRoot"] = .string("0x\(root)") }
            if let gas = result.gasUsed { object["gasUsed"] = JSONValue(gas) }
            if let refusal = result.refusal { object["refused"] = .string(refusal) }
            if let fault = result.fault { object["error"] = .string(fault) }
            Console.print(.object(object))
        }

        func end(passed: Int, failed: Int) {
            guard isJSON else { return Console.print("\(passed) passed, \(failed) failed") }
            Console.print(
                .object(["passed": JSONValue(passed), "failed": JSONValue(failed)]))
        }
    }
}
