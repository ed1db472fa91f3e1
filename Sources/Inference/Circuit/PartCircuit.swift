internal import Spartan

/// What the constraints of a part are for. Tests leave out one group at a time, to show that each is
/// needed.
enum ConstraintGroup: CaseIterable {
    /// What a split layer carries to its next part is what came in.
    case carry
    /// Bits are 0 or 1.
    case bits
    /// The bits are those of the scaled accumulator.
    case decomposition
    /// Whether any excess bit is set.
    case excess
    /// What is added to the value bits when it saturates at the top.
    case saturation
    /// The output from value, saturation and sign; or the accumulator itself.
    case output
}

/// Builds the constraint system of one part: that the output vector is what some rows of one layer
/// make of the input vector.
///
/// **What is proven.** For every assignment that satisfies the system, if the layer's inputs in the
/// input section are integers in the layer's input range (as elements of the field), the output
/// section holds exactly the values of ``Layer/value(ofAccumulator:)``. Inputs' ranges need no
/// constraints here: a verifier knows the first vector, and each further one is the committed output
/// of the part before, whose values are in range by the same statement (docs/inference.md).
///
/// **Why it is exact.** Weights and bias are coefficients, so that the accumulator is no variable but a
/// linear combination, and equals the integer that plain execution sums, of which
/// ``RequantisationLayout`` knows the range. Everything that follows are integers below 2⁶³ in a
/// field of more than 2²⁵² elements: equality in the field is equality of integers.
struct PartCircuit {
    private var builder = R1CSBuilder()
    private let omitted: ConstraintGroup?

    static func build(
        _ model: QuantisedModel, _ part: PartRange, omitting omitted: ConstraintGroup? = nil
    ) -> R1CS {
        var circuit = PartCircuit(omitting: omitted)
        circuit.build(model.layers[part.layer], part)
        return circuit.builder.finish()
    }

    private init(omitting omitted: ConstraintGroup?) { self.omitted = omitted }

    private mutating func build(_ layer: Layer, _ part: PartRange) {
        let inputs = (0..<part.inputCount(layer)).map { _ in builder.input() }
        let outputs = (0..<part.outputCount(layer)).map { _ in builder.output() }
        let carried = part.carried(layer)
        for (input, output) in zip(inputs[carried], outputs) {
            constrain(
                .carry, LinearCombination(input), LinearCombination(Variable.one),
                equals: LinearCombination(output))
        }
        for (output, variable) in zip(part.outputs, outputs[carried.count...]) {
            add(layer, output: output, inputs: inputs, variable)
        }
    }

    private mutating func add(
        _ layer: Layer, output: Int, inputs: [Variable], _ variable: Variable
    ) {
        let row = layer.map.row(ofOutput: output)
        guard let layout = layer.layout(row: row) else {
            // Raw accumulators: linear, and within int32 because the model was checked.
            constrain(
                .output,
                accumulator(layer, output: output, inputs: inputs, times: 1, plus: 0),
                LinearCombination(Variable.one), equals: LinearCombination(variable))
            return
        }
        let sum = accumulator(
            layer, output: output, inputs: inputs, times: layout.multiplier, plus: layout.offset)

        // b·(b − 1) = 0 has two roots in a field.
        let bits = (0..<layout.bitCount).map { _ in builder.internal() }
        for bit in bits {
            constrain(
                .bits, LinearCombination(bit), LinearCombination(bit) - 1,
                equals: LinearCombination())
        }

        // Unique: sums of at most 63 bits differ as integers and so, being below the modulus, in the
        // field; and V + 2^N itself is an integer in that range.
        constrain(
            .decomposition, sum, LinearCombination(Variable.one),
            equals: Self.number(bits, 0..<layout.bitCount))

        let value = Self.number(bits, layout.valueBits)
        var total = value
        if let addition = saturation(layout, bits: bits, value: value) { total += addition }

        // Not negative: value and saturation; negative: zero. Either is 0 … 2ᵏ − 1.
        let sign = layout.hasSign ? bits[layout.magnitudeBitCount] : .one
        constrain(
            .output, LinearCombination(sign), total,
            equals: LinearCombination(variable) - LinearCombination(Scalar(Int64(layout.lowest))))
    }

    /// What must be added to the value bits: nothing, or what brings them to 2ᵏ − 1 when an excess bit
    /// is set. Nil when there are no excess bits.
    private mutating func saturation(
        _ layout: RequantisationLayout, bits: [Variable], value: LinearCombination
    ) -> LinearCombination? {
        guard layout.saturates else { return nil }
        // anyⱼ = anyⱼ₋₁ ∨ bitⱼ, as anyⱼ − anyⱼ₋₁ = (1 − anyⱼ₋₁)·bitⱼ: determined, and again 0 or 1. A
        // test of their sum for zero would be two constraints instead of a few, but its witness is
        // an inverse, a number of 252 bits, and commitments are fast because numbers here are small.
        var any = bits[layout.excessBits.lowerBound]
        for bit in layout.excessBits.dropFirst() {
            let next = builder.internal()
            constrain(
                .excess, 1 - LinearCombination(any), LinearCombination(bits[bit]),
                equals: LinearCombination(next) - LinearCombination(any))
            any = next
        }
        let addition = builder.internal()
        constrain(
            .saturation, LinearCombination(any),
            LinearCombination(Scalar(Int64(layout.valueMax))) - value,
            equals: LinearCombination(addition))
        return LinearCombination(addition)
    }

    /// factor · (bias + Σ weight · input) + offset.
    private func accumulator(
        _ layer: Layer, output: Int, inputs: [Variable], times factor: Int, plus offset: Int
    ) -> LinearCombination {
        let map = layer.map
        let row = map.row(ofOutput: output)
        var sum = LinearCombination()
        sum.reserveCapacity(map.rowSize + 1)
        for run in 0..<map.runCount {
            let input = map.firstInput(ofRun: run, output: output)
            let weight = row * map.rowSize + run * map.runSize
            for place in 0..<map.runSize where layer.weights[weight + place] != 0 {
                // Below 2⁷ · 2³¹.
                sum.add(
                    Scalar(Int64(factor * Int(layer.weights[weight + place]))),
                    inputs[input + place])
            }
        }
        sum.add(Scalar(Int64(factor * Int(layer.bias[row]) + offset)), .one)
        return sum
    }

    /// The number that some bits are, the first being the lowest.
    private static func number(_ bits: [Variable], _ range: Range<Int>) -> LinearCombination {
        var number = LinearCombination()
        number.reserveCapacity(range.count)
        for bit in range { number.add(Scalar(Int64(1) << (bit - range.lowerBound)), bits[bit]) }
        return number
    }

    private mutating func constrain(
        _ group: ConstraintGroup,
        _ a: LinearCombination, _ b: LinearCombination, equals c: LinearCombination
    ) {
        guard group != omitted else { return }
        builder.constrain(a, b, equals: c)
    }
}

extension Layer {
    /// How the accumulators of a row of weights become int8, or nil where they stay what they are.
    func layout(row: Int) -> RequantisationLayout? {
        guard let (scale, lowest) = output.requantisation else { return nil }
        return RequantisationLayout(
            scale, lowest: lowest, accumulators: accumulatorRanges[row])
    }
}
