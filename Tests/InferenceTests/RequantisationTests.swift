import ChoraleBase
import Spartan
import Testing

@testable import Inference

@Suite struct RequantisationTests {
    /// Halves go up, whatever the sign.
    @Test(arguments: [
        (-5, -2), (-4, -2), (-3, -1), (-2, -1), (-1, 0), (0, 0), (1, 1), (2, 1), (3, 2), (5, 3),
    ]) func halvesAreRoundedUp(accumulator: Int, expected: Int) {
        #expect(Requantisation(multiplier: 1, shift: 1).scaled(accumulator) == expected)
        #expect(Requantisation(multiplier: 4, shift: 3).scaled(accumulator) == expected)
    }

    /// Models of random and extreme scales: nothing traps, circuits are satisfied by executions, and
    /// the number of constraints is what plans count with.
    @Test(arguments: UInt64(0)..<48) func circuitsHoldForAnyScale(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let inputCount = random.integer(in: 1...6)
        let rows = random.integer(in: 1...4)
        func weight() -> Int8 {
            random.element(of: [-128, 127, 0, 1, Int8(random.integer(in: -128...127))])!
        }
        let weights = (0..<rows).map { _ in (0..<inputCount).map { _ in weight() } }
        let bias = weights.map { row -> Int32 in
            let room = Int(Int32.max) - row.reduce(0) { $0 + Int($1.magnitude) } * 128
            return Int32(
                random.element(of: [-room, room, 0, random.integer(in: -room...room), 100])!)
        }
        let multiplier = random.element(of: [1, 1 << 30 - 1, 1 << random.below(30)])!
        let writer = ModelWriter(
            inputCount: UInt32(inputCount),
            layers: [
                .dense(
                    weights, bias: bias, output: UInt8(random.integer(in: 1...2)),
                    multiplier: UInt32(multiplier),
                    shift: random.element(of: [1, 48, UInt8(random.integer(in: 1...48))])!)
            ])
        let model = try QuantisedModel(decoding: writer.bytes)
        let part = try #require(try InferencePlan(model).parts.first)
        let circuit = model.circuit(of: part)
        let counted = (0..<rows).reduce(0) { $0 + model.layers[0].constraintCount(row: $1) }
        #expect(circuit.constraintCount == counted)
        #expect(counted < rows * ModelLimits.partConstraintCounts.lowerBound)
        for kind in 0..<12 {
            let input = (0..<inputCount).map { index -> Int8 in
                switch kind {
                case 0: 127
                case 1: -128
                // What makes the first row's sum largest, and smallest.
                case 2: weights[0][index] < 0 ? -128 : 127
                case 3: weights[0][index] < 0 ? 127 : -128
                default: Int8(random.integer(in: -128...127))
                }
            }
            let execution = try model.execute(.int8(input))
            let assignment = model.assignment(of: part, in: execution)
            #expect(circuit.firstViolatedRow(by: assignment) == nil)
            #expect(assignment.outputs == execution.output.values.map { Scalar(Int64($0)) })
        }
    }
}
