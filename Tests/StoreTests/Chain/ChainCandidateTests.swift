import Chain
import ChoraleBase
import Crypto
import Testing

@testable import Store

/// Blocks that a validator found valid are there after any restart, until their height is over.
@Suite struct ChainCandidateTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open() throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending("chain"), network: TestChain.network, options: .small)
    }

    private static func id(_ number: UInt8) -> Bytes32 { SHA256.hash([number]) }

    @Test func theyAreKeptUntilTheHeightIsWritten() throws {
        var chain = TestChain(seed: 1)
        var database = try open()
        try database.write(chain.append(), sync: true)
        #expect(try database.candidates() == [])
        try database.keep(candidate: Self.id(1), [1, 1])
        try database.keep(candidate: Self.id(2), [])
        try database.keep(candidate: Self.id(1), [9])
        #expect(try database.candidates() == [[1, 1], []])
        database.close()
        database = try open()
        #expect(try database.candidates() == [[1, 1], []])
        try database.keep(candidate: Self.id(3), [3])
        #expect(try database.candidates() == [[1, 1], [], [3]])
        try database.write(chain.append(), sync: true)
        #expect(try database.candidates() == [])
        database.close()
        database = try open()
        defer { database.close() }
        #expect(try database.candidates() == [])
    }

    @Test func theOldestMakesRoom() throws {
        var database = try open()
        let count = UInt8(BlockCandidates.countMax)
        for number in 0..<count + 3 { try database.keep(candidate: Self.id(number), [number]) }
        let kept = (3..<count + 3).map { [$0] }
        #expect(try database.candidates() == kept)
        database.close()
        database = try open()
        defer { database.close() }
        #expect(try database.candidates() == kept)
    }

    @Test func whatIsTooLargeIsRefused() throws {
        let database = try open()
        defer { database.close() }
        let size = database.options.limits.partSizeMax + 1
        #expect(throws: (any Error).self) {
            try database.keep(candidate: Self.id(1), [UInt8](repeating: 0, count: size))
        }
        #expect(try database.candidates() == [])
    }
}
