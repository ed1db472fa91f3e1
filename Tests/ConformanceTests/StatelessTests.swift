import ChoraleBase
import Conformance
import Execution
import TestSupport
import Testing

/// Blocks that are executed from nothing but themselves and a witness.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StatelessTests {
    private static func cases(_ path: String) throws -> [StatelessCase] {
        try FixtureFile.lines(Fixtures.data(path)).map { try StatelessCase($0) }
    }

    @Test func witnesses() async throws {
        try await Tally.run("witness") { path in try Self.cases(path).map { $0.run() } }
    }

    @Test func realBlocks() async throws {
        try await Tally.run("real") { path in
            [try StatelessCase(FixtureFile.document(Fixtures.data(path))).run()]
        }
    }

    /// Threads change nothing: neither roots nor reasons.
    @Test func severalThreadsGiveTheSame() throws {
        struct Threads: ParallelMap {
            var width: Int { 3 }

            func map<Value: Sendable>(
                _ count: Int, _ body: @escaping @Sendable (Int) -> Value
            ) -> [Value] {
                // The last first: nothing may depend on the order.
                (0..<count).reversed().map(body).reversed()
            }
        }
        let samples =
            try Self.cases("witness/damaged.jsonl.gz")
            + Fixtures.files(in: "real").map {
                try StatelessCase(FixtureFile.document(Fixtures.data($0)))
            }
        for sample in samples {
            let one = StatelessExecution(rules: sample.rules)
            let several = StatelessExecution(rules: sample.rules, parallel: Threads())
            let expected = one.result(sample.block.span, sample.witness)
            let found = several.result(sample.block.span, sample.witness)
            switch (expected, found) {
            case (.success(let expected), .success(let found)):
                #expect(expected.roots == found.roots, "\(sample.name)")
            case (.failure(let expected), .failure(let found)):
                #expect(expected == found, "\(sample.name)")
            default: Issue.record("\(sample.name): \(expected) and \(found)")
            }
        }
    }

    /// Its witness lacks the proof that an account does not exist.
    @Test func theIncompleteBlock() throws {
        let path = "real/incomplete/hoodi-1151683.json.gz"
        let sample = try StatelessCase(FixtureFile.document(Fixtures.data(path)))
        #expect {
            try sample.verdict()
        } throws: { error in
            guard case StatelessFailure.incomplete(.trie(.missing)) = error else { return false }
            return true
        }
    }

    /// The order of changes decides which nodes are needed, as the fixtures say of each case.
    @Test func deletionsFirstNeedsMore() throws {
        var failed = 0
        let samples = try Self.cases("witness/stress.jsonl.gz")
        for sample in samples {
            do {
                let roots = try sample.verdict(order: .deletionsFirst).roots
                #expect(roots.stateRoot == sample.expected?.stateRoot)
                #expect(!sample.updateFirstNeeded, "\(sample.name)")
            } catch {
                #expect(sample.updateFirstNeeded, "\(sample.name): \(error)")
                failed += 1
            }
        }
        #expect(failed > 0 && failed < samples.count)
    }
}
