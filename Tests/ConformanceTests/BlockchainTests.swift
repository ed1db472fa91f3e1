import Conformance
import TestSupport
import Testing

/// Ethereum's blockchain tests: chains of blocks, good and bad, from a first state. Every good block
/// is executed again from its recorded witness.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct BlockchainTests {
    @Test func everyOne() async throws {
        try await Tally.run("blockchain") { path in
            var options = TestOptions()
            options.checksReasons = true
            options.replaysWitnesses = true
            return try FixtureFile.document(Fixtures.data(path)).members.map {
                BlockTest(name: $0.name, $0.value).run(options)
            }
        }
    }
}
