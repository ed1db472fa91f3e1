import ChoraleBase
import ChoraleTypes
import Foundation
import Testing

@testable import Subproof

/// How likely the thresholds fail, against the table that they were chosen by.
@Suite struct CommitteeTableTests {
    /// Fewest equal votes that the rule takes for a quorum.
    private func quorum(_ rule: QuorumRule, _ tranche: Tranche) -> Int {
        (1...rule.validators.count).first {
            rule.accepts(VoteWeight(count: $0, stake: UInt64($0)), in: tranche)
        }!
    }

    /// Probability of at least `least` of `faulty` among `drawn` of `count`, drawn without replacement.
    private func tail(_ count: Int, _ faulty: Int, _ drawn: Int, _ least: Int) -> Double {
        func logChoose(_ n: Int, _ k: Int) -> Double {
            lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
        }
        var sum = 0.0
        for hits in max(0, least)...drawn
        where hits <= faulty && drawn - hits <= count - faulty {
            sum += exp(
                logChoose(faulty, hits) + logChoose(count - faulty, drawn - hits)
                    - logChoose(count, drawn))
        }
        return sum
    }

    struct Row: Sendable {
        let validators: Int
        let faulty: Int
        let tranche: Tranche
        let wrong: Double
        let stalled: Double
    }

    /// Mechanisms section 5.2, 33 % Byzantine: the rows with our thresholds.
    static let rows = [
        Row(validators: 100, faulty: 33, tranche: .first, wrong: 3.7e-7, stalled: 0.51),
        Row(validators: 1000, faulty: 333, tranche: .first, wrong: 3.3e-5, stalled: 0.52),
        Row(validators: 1000, faulty: 333, tranche: .second, wrong: 9e-6, stalled: 2.1e-5),
    ]

    @Test("what is accepted wrongly and what stalls, in each tranche, as the table says")
    func table() {
        for row in Self.rows {
            let set = row.validators == 100 ? World.hundred : World.thousand
            let order = PartOrder(seed: World.digest("table"), count: row.validators)
            let rule = QuorumRule(validators: set, order: order)
            let quorum = quorum(rule, row.tranche)
            let drawn = row.tranche.size(of: row.validators)
            #expect(quorum == (row.tranche == .first ? 2 * drawn / 3 : drawn / 2) + 1)
            let wrong = tail(row.validators, row.faulty, drawn, quorum)
            let stalled = tail(row.validators, row.faulty, drawn, drawn - quorum + 1)
            print(
                "\(row.validators) validators, \(row.faulty) faulty, \(drawn) drawn, quorum",
                "\(quorum): wrong \(wrong) (table \(row.wrong)), stalled \(stalled) (\(row.stalled))"
            )
            // The table has two digits.
            #expect(abs(wrong / row.wrong - 1) < 0.06, "\(wrong) is not \(row.wrong)")
            #expect(abs(stalled / row.stalled - 1) < 0.06, "\(stalled) is not \(row.stalled)")
        }
    }

    @Test("everyone is safe and live below a third, whatever the draw") func everyone() {
        let order = PartOrder(seed: World.digest("everyone"), count: 100)
        let rule = QuorumRule(validators: World.hundred, order: order)
        #expect(quorum(rule, .everyone) == 67)
    }

    /// The same by drawing: real orders, real weights. 8,000 draws of probability 1/2 have a standard
    /// deviation of 0.0056; four of them, and the rounding of the table.
    @Test(
        "half of the parts stall in the first tranche when a third is silent, as drawn by the order"
    )
    func drawn() throws {
        let draws = 8000
        var stalled = 0
        var wrong = 0
        for draw in 0..<draws {
            let seed = PartOrder.partSeed(
                beacon: World.digest("drawn"), operation: World.digest("\(draw)"), part: 0)
            let rule = QuorumRule(
                validators: World.hundred, order: PartOrder(seed: seed, count: 100))
            let honest = rule.order.members(of: .first).filter {
                $0.position % 3 != 0 || $0 == .init(99)
            }
            let faulty = 32 - honest.count
            if !rule.accepts(
                VoteWeight(count: honest.count, stake: UInt64(honest.count)), in: .first)
            {
                stalled += 1
            }
            if rule.accepts(VoteWeight(count: faulty, stake: UInt64(faulty)), in: .first) {
                wrong += 1
            }
        }
        let rate = Double(stalled) / Double(draws)
        print("of \(draws) drawn committees of 32 of 100, \(rate) stall and \(wrong) are bought")
        #expect(abs(rate - 0.51) < 0.0225 + 0.005)
        #expect(wrong == 0)
    }
}
