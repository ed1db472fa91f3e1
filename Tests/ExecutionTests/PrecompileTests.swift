import ChoraleBase
import TestSupport
import Testing

@testable import Execution

/// Inputs, outputs and gas of every precompile, where the fixtures are at hand.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
struct PrecompileTests {
    static let forks: [(String, Fork)] = [
        ("cancun", .cancun), ("prague", .prague), ("osaka", .osaka),
    ]

    @Test func vectors() throws {
        let rows = try Fixtures.json("precompiles/vectors.json").array
        #expect(!rows.isEmpty)
        var addresses: Set<UInt64> = []
        for (index, row) in rows.enumerated() {
            let address = try row["address"].uint64
            addresses.insert(address)
            let input = try row["input"].hex
            for (name, fork) in Self.forks {
                // Where forks differ, one without an entry has no precompile there.
                let expected = row.optional("all") ?? row.optional(name)
                let found = Precompile(at: UInt256(address), fork: fork)
                #expect((found != nil) == (expected != nil), "\(index) at \(name)")
                guard let expected, let found else { continue }
                try check(found, fork, input, expected, "\(index) at \(name): \(found)")
            }
        }
        #expect(!addresses.isEmpty)
        print("precompiles: \(rows.count) calls of \(addresses.count) contracts")
    }

    private func check(
        _ precompile: Precompile, _ fork: Fork, _ input: [UInt8], _ expected: JSON, _ label: String
    ) throws {
        var output = Arena<UInt8>()
        let gas = precompile.gas(for: input.span, fork: fork)
        let succeeded = gas != nil && precompile.run(input.span, into: &output)
        #expect(succeeded == (expected.optional("error") == nil), "\(label)")
        guard succeeded, expected.optional("error") == nil else { return }
        let bytes = output.withSpan(0..<output.count) { $0.copied() }
        #expect(try bytes == expected["output"].hex, "\(label)")
        #expect(try gas == expected["gas"].uint64, "\(label)")
    }
}
