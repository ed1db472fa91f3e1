import ChoraleBase
import Spartan
import Testing

@testable import Inference

/// For each group of constraints there is a wrong output that passes without it, and that the whole
/// system refuses.
@Suite struct MaliciousWitnessTests {
    /// A part, an honest assignment, and one of its outputs that is rich: of either sign, and with
    /// several excess bits, one above the lowest of which is set, so that it saturates.
    struct Subject {
        let model: QuantisedModel
        let part: PartRange
        let layout: RequantisationLayout
        /// Where the output's internal values begin.
        let firstInternal: Int
        /// Where the output stands in the output section.
        let place: Int
        let accumulator: Int
        var assignment: Assignment

        var honestOutput: Scalar { assignment.outputs[place] }

        init() throws {
            let model = try Samples.model("synthetic")
            for part in try InferencePlan(model).parts {
                let layer = model.layers[part.layer]
                for vector in try Samples.vectors("synthetic") {
                    let execution = try model.execute(.int8(vector.input))
                    var first = 0
                    for (index, output) in part.outputs.enumerated() {
                        guard let layout = layer.layout(row: layer.map.row(ofOutput: output)) else {
                            continue
                        }
                        let accumulator = Int(execution.accumulators[part.layer][output])
                        let sum = accumulator * layout.multiplier + layout.offset
                        let upper = layout.excessBits.dropFirst().contains { sum >> $0 & 1 == 1 }
                        let value = sum >> layout.shift & layout.valueMax
                        if layout.hasSign, layout.excessBits.count > 1, upper,
                            value != layout.valueMax, sum >> layout.magnitudeBitCount & 1 == 1,
                            !part.carried(layer).isEmpty
                        {
                            self.model = model
                            self.part = part
                            self.layout = layout
                            firstInternal = first
                            place = part.carried(layer).count + index
                            self.accumulator = accumulator
                            assignment = model.assignment(of: part, in: execution)
                            return
                        }
                        first += layout.internalCount
                    }
                }
            }
            throw NoSubject()
        }

        struct NoSubject: Error {}

        mutating func set(bit: Int, _ value: Scalar) {
            assignment.internals[firstInternal + bit] = value
        }

        mutating func setInternals(_ values: [Int64]) {
            #expect(values.count == layout.internalCount)
            for (index, value) in values.enumerated() { set(bit: index, Scalar(value)) }
        }
    }

    /// Values of an output's variables that are not its computation's, but meet all groups but one.
    func forge(_ group: ConstraintGroup, _ subject: inout Subject) {
        let layout = subject.layout
        #expect(subject.honestOutput == 127)
        switch group {
        case .carry:
            subject.assignment.outputs[0] = subject.assignment.outputs[0] + 1
        case .bits:
            // Value 5, no excess, not negative; the lowest "bit" is whatever is missing.
            var rest = Scalar(Int64(subject.accumulator * layout.multiplier + layout.offset))
            for bit in 0..<layout.bitCount {
                let isSet =
                    bit == layout.magnitudeBitCount || bit == layout.valueBits.lowerBound
                    || bit == layout.valueBits.lowerBound + 2
                subject.set(bit: bit, isSet ? 1 : 0)
                if isSet { rest = rest - Scalar(Int64(1) << bit) }
            }
            subject.set(bit: 0, rest)
            for extra in layout.bitCount..<layout.internalCount { subject.set(bit: extra, 0) }
            subject.assignment.outputs[subject.place] = Scalar(Int64(5 + layout.lowest))
        case .decomposition:
            // The bits of another accumulator.
            let row = subject.model.layers[subject.part.layer]
            var other: [Int64] = []
            layout.appendInternals(accumulator: 0, to: &other)
            subject.setInternals(other)
            subject.assignment.outputs[subject.place] = Scalar(
                Int64(row.value(ofAccumulator: 0)))
        case .excess:
            // Nothing is too large, whatever the bits say.
            for extra in layout.bitCount..<layout.internalCount { subject.set(bit: extra, 0) }
            subject.assignment.outputs[subject.place] = value(subject)
        case .saturation:
            // Saturates halfway.
            subject.set(bit: layout.internalCount - 1, 1)
            subject.assignment.outputs[subject.place] = value(subject) + 1
        case .output:
            subject.assignment.outputs[subject.place] = -3
        }
    }

    /// The value bits alone.
    func value(_ subject: Subject) -> Scalar {
        let layout = subject.layout
        let sum = subject.accumulator * layout.multiplier + layout.offset
        return Scalar(Int64(sum >> layout.shift & layout.valueMax + layout.lowest))
    }

    @Test(arguments: ConstraintGroup.allCases)
    func withoutItAWrongOutputPasses(group: ConstraintGroup) throws {
        var subject = try Subject()
        let whole = PartCircuit.build(subject.model, subject.part)
        let weak = PartCircuit.build(subject.model, subject.part, omitting: group)
        #expect(whole.isSatisfied(by: subject.assignment))
        #expect(weak.constraintCount < whole.constraintCount)
        let honest = subject.assignment.outputs
        forge(group, &subject)
        #expect(subject.assignment.outputs != honest)
        #expect(weak.firstViolatedRow(by: subject.assignment) == nil)
        #expect(!whole.isSatisfied(by: subject.assignment))
        #expect(whole.digest != weak.digest)
    }

    @Test func accumulatorsThatComeOutAreConstrained() throws {
        let model = try Samples.model("digits")
        let part = try #require(try InferencePlan(model).parts.last)
        let execution = try model.execute(.int8(try Samples.vectors("digits")[0].input))
        var assignment = model.assignment(of: part, in: execution)
        let whole = PartCircuit.build(model, part)
        #expect(whole.isSatisfied(by: assignment))
        assignment.outputs[9] = assignment.outputs[9] + 1
        #expect(whole.firstViolatedRow(by: assignment) == 9)
        #expect(
            PartCircuit.build(model, part, omitting: .output).isSatisfied(by: assignment))
    }

    /// Of a circuit so small that all values of its bits can be tried: for each input one output.
    @Test(arguments: [UInt8(1), 2]) func noOtherBitsAreSatisfying(output: UInt8) throws {
        // V has 10 bits and a sign; from −128 the value bits are 8, from 0 they are 7 and two exceed.
        let writer = ModelWriter(
            inputCount: 1,
            layers: [.dense([[2]], bias: [-7], output: output, multiplier: 3, shift: 1)])
        let model = try QuantisedModel(decoding: writer.bytes)
        let part = try #require(try InferencePlan(model).parts.first)
        let circuit = model.circuit(of: part)
        let layout = try #require(model.layers[0].layout(row: 0))
        #expect(layout.bitCount <= 12 && layout.saturates)
        for input: Int8 in [-128, -43, -1, 0, 3, 4, 31, 44, 45, 70, 127] {
            let execution = try model.execute(.int8([input]))
            let honest = model.assignment(of: part, in: execution)
            #expect(circuit.isSatisfied(by: honest))
            var satisfying = 0
            for bits in 0..<1 << layout.bitCount {
                // All else follows from the bits, with each constraint in turn.
                var forged = honest
                let sign = layout.hasSign ? bits >> layout.magnitudeBitCount & 1 : 1
                let value = bits >> layout.shift & (1 << layout.valueBits.count - 1)
                for bit in 0..<layout.bitCount {
                    forged.internals[bit] = Scalar(Int64(bits >> bit & 1))
                }
                var any = bits >> layout.excessBits.lowerBound & 1
                for (index, bit) in layout.excessBits.dropFirst().enumerated() {
                    any |= bits >> bit & 1
                    forged.internals[layout.bitCount + index] = Scalar(Int64(any))
                }
                let addition = any * (layout.valueMax - value)
                forged.internals[layout.internalCount - 1] = Scalar(Int64(addition))
                forged.outputs[0] = Scalar(Int64(sign * (value + addition) + layout.lowest))
                guard circuit.isSatisfied(by: forged) else { continue }
                satisfying += 1
                #expect(forged == honest)
            }
            #expect(satisfying == 1)
        }
    }
}
