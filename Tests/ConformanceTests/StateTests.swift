import Conformance
import TestSupport
import Testing

/// Ethereum's state tests: one transaction on a given state.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct StateTests {
    @Test func everyOne() async throws {
        try await Tally.run("state") { path in
            var options = TestOptions()
            options.checksReasons = true
            return try FixtureFile.document(Fixtures.data(path)).members.flatMap {
                StateTest(name: $0.name, $0.value).run(options)
            }
        }
    }
}
