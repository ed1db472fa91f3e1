import Testing

/// What goes wrong in a simulated network, until it heals.
struct Scenario: Sendable, CustomTestStringConvertible {
    var name: String
    var count = 4
    /// By index; all 1 when empty.
    var stakes: [UInt64] = []
    var seed: UInt64 = 0
    /// Whether signatures are real.
    var signs = false
    /// Per message and link, of 1000.
    var dropsPer1000 = 0
    var duplicatesPer1000 = 0
    /// One way, in milliseconds.
    var latency: ClosedRange<Int> = 1...40
    /// Two halves that do not hear each other, changing each second.
    var partitions = false
    /// Crashes of 1000 syncs, each losing what was not synced.
    var crashesPer1000 = 0
    /// Clocks differ by so much either way, in milliseconds.
    var clockSkew = 0
    var silent: Set<Int> = []
    var faulty: [Int: Fault] = [:]
    /// Heights of an epoch, after which the set changes. 0: never.
    var epochLength = 0
    /// Until when faults are on, in milliseconds. Byzantine validators stay so.
    var faultsUntil = 4000
    /// Heights that everybody honest must commit beyond the highest when the faults end.
    var heightsAfter: UInt64 = 3
    /// Within so many milliseconds.
    var healBound = 60_000

    enum Fault: Sendable {
        /// Proposes one block to one half and another to the other.
        case equivocatingProposer
        /// Votes one way to one half and another way to the other.
        case equivocatingVoter
        /// Proposes invalid blocks and votes for all it hears of.
        case liar
        /// Proposes blocks that nobody can get.
        case withholder
        /// Forgets lock, log and signing state whenever it crashes, and crashes often.
        case amnesiac
        /// Votes in any round of any height.
        case roundFlooder
    }

    var testDescription: String { "\(name), \(count) validators, seed \(seed)" }

    func seeded(_ seeds: Range<UInt64>) -> [Scenario] {
        seeds.map { seed in
            var scenario = self
            scenario.seed = seed
            return scenario
        }
    }
}
