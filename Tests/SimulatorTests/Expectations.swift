import ChoraleBase
import Foundation
import Testing

@testable import Simulator

extension Scenario {
    /// Runs it, and records what did not hold. With the first two seeds it is run twice, and must be the same byte
    /// for byte.
    func expectPassed() throws {
        let report = parameters.seed <= 2 ? runTwice() : run()
        #expect(!report.checks.isEmpty)
        guard !report.failures.isEmpty else { return }
        // The same again, to look at: `chorale-sim replay` takes it.
        let directory =
            ProcessInfo.processInfo.environment["CHORALE_TRACES"]
            ?? FileManager.default.temporaryDirectory.path
        let path = "\(directory)/\(report.scenario)-\(report.parameters.seed).trace"
        var lines = [TraceHeader(scenario: report.scenario, parameters: report.parameters).line]
        _ = run(sink: { lines.append($0) })
        try (lines.joined(separator: "\n") + "\n").write(
            toFile: path, atomically: true, encoding: .utf8)
        for check in report.failures {
            Issue.record(
                """
                \(report.scenario), \(report.parameters.nodes) nodes, \
                seed \(report.parameters.seed): \(check.name): \(check.detail) (trace: \(path))
                """)
        }
    }
}
