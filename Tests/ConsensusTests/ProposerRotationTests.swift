import ChoraleBase
import ChoraleTypes
import Testing

@testable import Consensus

@Suite struct ProposerRotationTests {
    /// Sequence of cometbft `types/validator_set_test.go`, `TestProposerSelection1`.
    @Test func agreesWithCometBFT() {
        let expected =
            "foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar "
            + "foo foo baz foo bar foo foo baz foo bar foo foo baz foo foo bar foo baz foo foo bar "
            + "foo baz foo foo bar foo baz foo foo bar foo baz foo foo foo baz bar foo foo foo baz "
            + "foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo bar foo foo baz foo "
            + "foo bar foo baz foo foo bar foo baz foo foo bar foo baz foo foo"
        var rotation = ProposerRotation(validators: World.validators([1000, 300, 330]))
        let names = ["foo", "bar", "baz"]
        let proposers = (0..<99).map { _ in names[rotation.advance().position] }
        #expect(proposers.joined(separator: " ") == expected)
    }

    @Test func equalStakesTakeTurns() {
        var rotation = ProposerRotation(validators: World.validators([5, 5, 5]))
        let proposers = (0..<9).map { _ in rotation.advance().position }
        #expect(proposers == [0, 1, 2, 0, 1, 2, 0, 1, 2])
    }

    @Test(arguments: UInt64(0)..<8) func turnsAreProportionalToStake(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let stakes = (0..<20).map { _ in UInt64(random.integer(in: 1...1000)) }
        var rotation = ProposerRotation(validators: World.validators(stakes))
        let total = Int(rotation.validators.totalStake)
        var turns = [Int](repeating: 0, count: 20)
        for _ in 0..<total { turns[rotation.advance().position] += 1 }
        for (index, stake) in stakes.enumerated() { #expect(abs(turns[index] - Int(stake)) <= 1) }
        #expect(abs(rotation.priorities.reduce(0, +)) < 20)
    }

    /// The largest stakes, and the change from the largest total to the smallest.
    @Test func nothingOverflows() throws {
        let bound = ConsensusBounds.totalStakeMax
        let large = World.validators([bound - 3, 1, 1, 1])
        var rotation = ProposerRotation(validators: large)
        for _ in 0..<1000 {
            rotation.advance()
            for priority in rotation.priorities { #expect(priority.magnitude <= 3 * bound) }
        }
        let small = World.validators([1, 1, 1, 1, 1])
        rotation = rotation.next(validators: small)
        for priority in rotation.priorities { #expect(priority.magnitude <= 15) }
        rotation = rotation.next(validators: large)
        for _ in 0..<100 { rotation.advance() }
        let extreme = try ProposerRotation(
            validators: World.validators([1, 1]),
            priorities: [3 * Int64(bound), -3 * Int64(bound)])
        var scaled = extreme
        scaled.advance()
        #expect(scaled.priorities.allSatisfy { $0.magnitude <= 6 })
        #expect(throws: ProposerRotation.PriorityError.self) {
            try ProposerRotation(validators: small, priorities: [0, 0, 0, 0, .min])
        }
        #expect(throws: ProposerRotation.PriorityError.wrongCount(1, validators: 5)) {
            try ProposerRotation(validators: small, priorities: [0])
        }
    }

    @Test func whoIsNewStartsBehind() {
        var rotation = ProposerRotation(validators: World.validators([10, 10, 10]))
        rotation = rotation.next(validators: World.validators([10, 10, 10, 10]))
        let newcomer = rotation.priorities[3]
        #expect(rotation.priorities.prefix(3).allSatisfy { $0 > newcomer })
        // Leaving and joining again gains nothing.
        var proposers: [Int] = []
        for _ in 0..<8 { proposers.append(rotation.advance().position) }
        #expect(proposers.prefix(4).contains(3) == false)
        #expect(proposers.contains(3))
    }

    @Test func theRootIsThatOfThePriorities() throws {
        var rotation = ProposerRotation(validators: World.validators([1, 2, 3]))
        let before = rotation.prioritiesRoot
        rotation.advance()
        #expect(rotation.prioritiesRoot != before)
        let copy = try ProposerRotation(
            validators: rotation.validators, priorities: rotation.priorities)
        #expect(copy == rotation)
        #expect(copy.prioritiesRoot == rotation.prioritiesRoot)
    }
}
