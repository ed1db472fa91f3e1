import ChoraleBase
import ChoraleTypes
import Crypto
import Foundation
import TestSupport
import Testing

@testable import Subproof

/// Who is asked to verify a part.
@Suite struct AssignmentTests {
    static func digest(_ words: String) -> Bytes32 { SHA256.hash(Array(words.utf8)) }

    @Test("the order is that of an implementation of its own, in Python") func goldenVectors()
        throws
    {
        let url = Vectors.checkout.appendingPathComponent("Tests/SubproofVectors/assignment.txt")
        let text = try String(contentsOf: url, encoding: .utf8)
        var lines = 0
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            let star = try #require(words.firstIndex(of: "*"))
            let beacon = try #require(Bytes32(try Hex.decode(words[0])))
            let operation = try #require(Bytes32(try Hex.decode(words[1])))
            let part = try #require(UInt16(words[2]))
            let count = try #require(Int(words[3]))
            let seed = PartOrder.partSeed(beacon: beacon, operation: operation, part: part)
            let order = PartOrder(seed: seed, count: count)
            let first = words[4..<star].map { UInt16($0)! }
            #expect(Array(order.positions.prefix(16)) == first, "count \(count)")
            var bytes: [UInt8] = []
            for position in order.positions { bytes.appendLittleEndian(position) }
            #expect(SHA256.hash(bytes).description == words[star + 1], "count \(count)")
            lines += 1
        }
        #expect(lines == 36)
    }

    @Test(
        "an index that is followed alone goes where the list says", arguments: [1, 2, 5, 97, 300])
    func indexAndOrderAgree(count: Int) {
        let seed = Self.digest("seed \(count)")
        let order = SwapOrNot.order(count: count, seed: seed)
        for index in 0..<count {
            let alone = SwapOrNot.index(index, count: count, seed: seed)
            #expect(Int(order[index]) == alone)
        }
    }

    @Test("ranks undo positions, and tranches are prefixes") func ranks() {
        let order = PartOrder(seed: Self.digest("ranks"), count: 200)
        for (rank, position) in order.positions.enumerated() {
            #expect(order.rank(of: ValidatorIndex(Int(position))) == rank)
        }
        #expect(order.rank(of: ValidatorIndex(200)) == nil)
        #expect(order.members(of: .first).count == 32)
        #expect(order.members(of: .second).prefix(32) == order.members(of: .first)[...])
        #expect(order.members(of: .second).count == 128)
        #expect(order.members(of: .everyone).count == 200)
        for (tranche, size) in [(Tranche.first, 20), (.second, 20), (.everyone, 20)] {
            #expect(tranche.size(of: 20) == size)
        }
    }

    @Test("a part, an operation or a beacon more is another order") func seeds() {
        let (a, b) = (Self.digest("a"), Self.digest("b"))
        let seeds = [
            PartOrder.partSeed(beacon: a, operation: b, part: 0),
            PartOrder.partSeed(beacon: b, operation: a, part: 0),
            PartOrder.partSeed(beacon: a, operation: a, part: 0),
            PartOrder.partSeed(beacon: a, operation: b, part: 1),
            PartOrder.partSeed(beacon: a, operation: b, part: 256),
            PartOrder.committeeSeed(beacon: a, operation: b),
        ]
        #expect(Set(seeds).count == seeds.count)
    }

    /// 400 operations of 64 parts. With 100 validators each expects 8,192 duties; the standard deviation
    /// of a load is 75 (a part takes or leaves each with p = 0.32), and 3.6 of them catch a bias of 3 %.
    @Test("duties are spread evenly: chi-square, and nobody has twice the mean")
    func uniformity() {
        let count = 100
        var loads = [Int](repeating: 0, count: count)
        var firsts = [Int](repeating: 0, count: count)
        let parts = 400 * 64
        for part in 0..<parts {
            let seed = PartOrder.partSeed(
                beacon: Self.digest("uniform"), operation: Self.digest("\(part / 64)"),
                part: UInt16(part % 64))
            let order = PartOrder(seed: seed, count: count)
            for member in order.members(of: .first) { loads[member.position] += 1 }
            firsts[Int(order.positions[0])] += 1
        }
        // Sampled without replacement: the sum of squares has mean (n − 1) after dividing by the variance
        // np(1 − p) and multiplying by (n − 1)/n.
        let mean = Double(parts) * 0.32
        let variance = mean * (1 - 0.32)
        let loadSquare =
            loads.map { pow(Double($0) - mean, 2) / variance }.reduce(0, +) * Double(count - 1)
            / Double(count)
        let firstMean = Double(parts) / Double(count)
        let firstSquare = firsts.map { pow(Double($0) - firstMean, 2) / firstMean }.reduce(0, +)
        // 99 degrees of freedom: 0.1 % lie above 149, and 0.1 % below 61.
        #expect(61 < loadSquare && loadSquare < 149, "chi-square of loads \(loadSquare)")
        #expect(61 < firstSquare && firstSquare < 149, "chi-square of firsts \(firstSquare)")
        #expect(Double(loads.max()!) <= 2 * mean)
        print(
            "duties of 100 validators in \(parts) parts: mean \(mean), \(loads.min()!)…\(loads.max()!),",
            "chi-square \(loadSquare) and \(firstSquare) of 99")
    }

    @Test("64 parts: a validator of 100 has at most twice the mean, one of 1,000 verifies 2.05")
    func loads() {
        for (count, mean) in [(100, 20.48), (1000, 2.048)] {
            var most = 0
            var sum = 0
            for operation in 0..<20 {
                var loads = [Int](repeating: 0, count: count)
                for part in 0..<64 {
                    let seed = PartOrder.partSeed(
                        beacon: Self.digest("load"), operation: Self.digest("\(operation)"),
                        part: UInt16(part))
                    for member in PartOrder(seed: seed, count: count).members(of: .first) {
                        loads[member.position] += 1
                    }
                }
                most = max(most, loads.max()!)
                sum += loads.reduce(0, +)
            }
            #expect(abs(Double(sum) / Double(20 * count) - mean) < 1e-9)
            // Of so few duties as two, some validator always has more than twice the mean.
            if count == 100 { #expect(Double(most) <= 2 * mean) }
            print("one operation of 64 parts, \(count) validators: mean \(mean), most \(most)")
        }
    }

    @Test("what an order costs, printed") func cost() {
        for count in [100, 1000, 10000] {
            let clock = ContinuousClock()
            let runs = 20_000 / count
            let time = clock.measure {
                for run in 0..<runs {
                    let order = PartOrder(seed: Self.digest("\(run)"), count: count)
                    #expect(order.count == count)
                }
            }
            print("an order of \(count) validators: \(time / runs)")
        }
    }
}
