import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Testing

@testable import Operations

@Suite struct ElectionTests {
    static func hash(_ name: String, _ index: Int) -> Bytes32 {
        SHA256.hash(Array("\(name)\(index)".utf8))
    }

    /// As in `contracts/election.py`.
    static func executors(_ count: Int) -> [ExecutorRecord] {
        (0..<count).map { index in
            ExecutorRecord(
                key: hash("executor", index), recipient: Fixture.address(1),
                bond: 1_000_000_000 * UInt64(1 + index * index % 11),
                capabilities: Capabilities([UInt8(index % 3)]))
        }
    }

    static func draw(_ count: Int, _ seed: Int, _ capability: UInt8) -> [Bytes32] {
        ExecutorElection.draw(
            operation: hash("operation", seed), beacon: hash("beacon", seed),
            capability: capability, among: executors(count))
    }

    /// Executors, seed, capability, and who is elected: printed by `contracts/election.py`.
    static let golden: [(Int, Int, UInt8, [Int])] = [
        (1, 0, 0, [0]), (1, 0, 1, []), (2, 0, 0, [0]), (2, 0, 1, [1]), (2, 2, 1, [1]),
        (4, 0, 0, [3, 0]), (4, 0, 1, [1]), (4, 1, 0, [3, 0]), (4, 2, 0, [3, 0]),
        (7, 0, 0, [3, 6, 0]), (7, 0, 1, [1, 4]), (7, 1, 0, [3, 6, 0]), (7, 1, 1, [4, 1]),
        (7, 2, 0, [0, 3, 6]), (7, 2, 1, [4, 1]), (100, 0, 0, [63, 9, 75]),
        (100, 0, 1, [79, 7, 67]), (100, 1, 0, [69, 81, 96]), (100, 1, 1, [13, 16, 1]),
        (100, 2, 0, [39, 96, 9]), (100, 2, 1, [55, 46, 19]), (1000, 0, 0, [30, 135, 42]),
        (1000, 0, 1, [904, 58, 634]), (1000, 1, 0, [702, 930, 969]),
        (1000, 1, 1, [142, 802, 160]), (1000, 2, 0, [924, 261, 690]),
        (1000, 2, 1, [94, 178, 136]),
    ]

    @Test func drawsWhatAnotherImplementationDraws() {
        for (count, seed, capability, indices) in Self.golden {
            let expected = indices.map { Self.hash("executor", $0) }
            #expect(Self.draw(count, seed, capability) == expected, "\(count), \(seed)")
        }
    }

    @Test func paysWhomAnotherImplementationPays() {
        let addresses = (0..<100).map {
            ExecutionAddress(Self.hash("address", $0).bytes.prefix(20))!
        }
        let expected = [
            55, 84, 32, 3, 36, 20, 13, 27, 4, 88, 25, 18, 67, 75, 96, 19, 14, 66, 61, 9, 30, 31, 39,
            11, 92, 57, 78, 98, 37, 38, 87, 46,
        ].map { addresses[$0] }
        // All at once, in two parts, and one after the other in any order.
        for seed in 0..<20 {
            var random = DeterministicRandom(seed: UInt64(seed))
            var order = addresses
            random.shuffle(&order)
            var commitment = CommittedExecution(
                root: SHA256.hash(Array("root".utf8)), height: 1,
                seed: SHA256.hash(Array("seed".utf8)), executor: .zero,
                recipient: Fixture.address(1), outputHash: .zero, outputSize: 1, price: 1,
                partCount: 1, certifiedParts: 0, committers: [])
            while !order.isEmpty {
                let count = min(order.count, 1 + random.below(40))
                commitment.add(Array(order.prefix(count)))
                order.removeFirst(count)
                commitment.add(Array(addresses.prefix(3)))
            }
            #expect(commitment.committers == expected)
        }
    }

    /// How often each is primary, against its part of the stake: chi-square, 4 degrees of freedom.
    @Test func electsByStake() {
        let bonds: [UInt64] = [1, 2, 3, 10, 84]
        let executors = bonds.enumerated().map { index, bond in
            ExecutorRecord(
                key: Self.hash("executor", index), recipient: Fixture.address(1),
                bond: bond * 1_000_000_000, capabilities: Capabilities([7]))
        }
        var primaries = [Int](repeating: 0, count: 5)
        var members = [Int](repeating: 0, count: 5)
        let rounds = 100_000
        for round in 0..<rounds {
            let keys = ExecutorElection.draw(
                operation: Self.hash("operation", round), beacon: Self.hash("beacon", 0),
                capability: 7, among: executors)
            #expect(Set(keys).count == 3)
            for (index, executor) in executors.enumerated() {
                if keys[0] == executor.key { primaries[index] += 1 }
                if keys.contains(executor.key) { members[index] += 1 }
            }
        }
        var square = 0.0
        for (bond, count) in zip(bonds, primaries) {
            let expected = Double(rounds) * Double(bond) / 100
            square += (Double(count) - expected) * (Double(count) - expected) / expected
        }
        // One in a thousand is above 18.5; the numbers are the same in every run.
        #expect(square < 18.5, "\(primaries)")
        // Who has more is more often one of the three.
        #expect(members == members.sorted())
        #expect(members[4] > rounds * 99 / 100)
    }

    @Test func needsTheCapabilityAndABond() {
        let names = Self.draw(100, 0, 1)
        #expect(names.count == 3)
        #expect(Self.draw(100, 0, 200).isEmpty)
        var one = Self.executors(1)[0]
        one.bond = 0
        let none = ExecutorElection.draw(
            operation: .zero, beacon: .zero, capability: 0, among: [one])
        #expect(none.isEmpty)
    }

    // MARK: Turns

    /// Three of seven, drawn at 1,000, until 1,060.
    static func election() -> ExecutorElection {
        ExecutorElection(
            operation: hash("operation", 0), beacon: hash("beacon", 0), capability: 0,
            among: executors(7), drawn: 1000, expiry: 1060)!
    }

    static let keys = [3, 6, 0].map { hash("executor", $0) }

    @Test func standbysMayFromOneAndTwoThirdsOn() {
        let election = Self.election()
        #expect(election.candidates.map(\.turn) == [1000, 1020, 1040])
        let first = [1000: 0, 1019: 0, 1020: 1, 1039: 1, 1040: 2, 1060: 2]
        for (height, last) in first {
            for (index, key) in Self.keys.enumerated() {
                #expect(election.mayCommit(key, at: UInt64(height)) == (index <= last))
            }
            #expect(election.holder(at: UInt64(height)) == last)
        }
        #expect(!election.mayCommit(Self.keys[0], at: 999))
        #expect(!election.mayCommit(Self.keys[0], at: 1061))
        #expect(!election.mayCommit(Self.hash("executor", 1), at: 1030))
        #expect(election.holder(at: 999) == nil)
    }

    @Test func progressPushesTheNextBackUpToABound() {
        var election = Self.election()
        let key = Self.keys[0]
        // Early progress changes nothing: the turn is later than a sixth from here.
        #expect(election.mayRenew(key, progress: 10, at: 1005))
        election.renew(key, progress: 10, at: 1005)
        #expect(election.candidates.map(\.turn) == [1000, 1020, 1040])
        #expect(!election.mayRenew(key, progress: 10, at: 1006))
        election.renew(key, progress: 11, at: 1015)
        #expect(election.candidates.map(\.turn) == [1000, 1025, 1040])
        election.renew(key, progress: 12, at: 1024)
        // A half of the time, and no further.
        #expect(election.candidates.map(\.turn) == [1000, 1030, 1040])
        #expect(election.mayRenew(key, progress: 13, at: 1029))
        #expect(!election.mayRenew(key, progress: 13, at: 1030))
        // The standby starts from nothing.
        let second = Self.keys[1]
        #expect(!election.mayRenew(second, progress: 1, at: 1029))
        #expect(election.mayRenew(second, progress: 1, at: 1030))
        election.renew(second, progress: 1, at: 1038)
        election.renew(second, progress: 2, at: 1047)
        #expect(election.candidates.map(\.turn) == [1000, 1030, 1050])
        let third = Self.keys[2]
        #expect(election.mayRenew(third, progress: 1, at: 1050))
        election.renew(third, progress: 1, at: 1050)
        #expect(!election.mayRenew(third, progress: 2, at: 1061))
        #expect(!election.mayRenew(Self.hash("executor", 1), progress: 2, at: 1050))
    }

    @Test func whoIsRefusedGivesWayAtOnce() {
        var election = Self.election()
        election.refuse(Self.keys[0], at: 1003)
        #expect(election.candidates.map(\.turn) == [1000, 1004, 1040])
        #expect(!election.mayCommit(Self.keys[0], at: 1003))
        #expect(election.holder(at: 1003) == nil)
        #expect(election.holder(at: 1004) == 1)
        election.refuse(Self.keys[1], at: 1010)
        election.refuse(Self.keys[2], at: 1011)
        #expect(election.holder(at: 1060) == nil)
        election.refuse(Self.hash("executor", 1), at: 1011)
        #expect(Self.keys.allSatisfy { !election.mayCommit($0, at: 1060) })
    }

    @Test(arguments: [16, 17, 100, 65_536]) func thereIsAlwaysTimeForOneMore(span: UInt64) {
        var election = ExecutorElection(
            operation: .zero, beacon: .zero, capability: 0, among: Self.executors(7),
            drawn: 5, expiry: 5 + span)!
        // Whoever's turn it is renews at every height.
        for height in 5...(5 + span) {
            guard let holder = election.holder(at: height) else { continue }
            let key = election.candidates[holder].key
            let permille: UInt64 = height * 990 / (5 + span)
            let progress = UInt16(min(1000, 1 + permille))
            if election.mayRenew(key, progress: progress, at: height) {
                election.renew(key, progress: progress, at: height)
            }
        }
        let turns = election.candidates.map(\.turn)
        #expect(turns == turns.sorted())
        #expect(turns[1] <= 5 + span / 2)
        #expect(turns[2] <= 5 + span * 5 / 6)
    }
}
