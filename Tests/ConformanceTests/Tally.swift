import Conformance
import TestSupport
import Testing

/// How many tests of a folder passed.
enum Tally {
    /// Runs all files of a folder, several at once, and prints the counts of each and of the folder.
    ///
    /// A folder without files, and a file without tests, are failures.
    static func run(
        _ folder: String, _ body: @escaping @Sendable (String) throws -> [TestResult]
    ) async throws {
        let paths = Fixtures.files(in: folder)
        try #require(!paths.isEmpty, "\(folder) has no files")
        let (passed, failed) = try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for path in paths {
                group.addTask {
                    let results = try body(path)
                    return report(results, of: path)
                }
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        print("\(folder): \(paths.count) files, \(passed) passed, \(failed) failed")
    }

    @discardableResult
    static func report(_ results: [TestResult], of path: String) -> (passed: Int, failed: Int) {
        #expect(!results.isEmpty, "\(path) has no tests")
        var failed = 0
        for result in results {
            guard let fault = result.fault else { continue }
            failed += 1
            let indexes = result.indexes.map { " \($0)" } ?? ""
            Issue.record("\(path): \(result.name) \(result.fork)\(indexes): \(fault)")
        }
        print("\(path): \(results.count - failed) passed, \(failed) failed")
        return (results.count - failed, failed)
    }
}
