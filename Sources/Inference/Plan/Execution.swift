/// One run of a model, with everything that proofs of its parts are made from.
public struct Execution: Hashable, Sendable {
    /// The vector that each layer was given; the first is the input.
    let layerInputs: [[Int8]]
    /// Each layer's sums, before they became its outputs.
    let accumulators: [[Int32]]
    /// What the last layer gave.
    public let output: QuantisedVector
}

/// Why an input cannot be run.
public enum InputError: Error, Hashable, Sendable {
    /// Inputs are int8.
    case notInt8
    case count(Int, expected: Int)
}

extension QuantisedModel {
    /// Runs the model: the definition of what it gives, in integers.
    ///
    /// - Complexity: O(``multiplicationCount``); memory five bytes for each value of each layer.
    public func execute(_ input: QuantisedVector) throws(InputError) -> Execution {
        guard case .int8(var vector) = input else { throw .notInt8 }
        guard vector.count == inputCount else { throw .count(vector.count, expected: inputCount) }
        var layerInputs: [[Int8]] = []
        var accumulators: [[Int32]] = []
        for layer in layers {
            layerInputs.append(vector)
            let sums = layer.accumulate(vector)
            accumulators.append(sums)
            guard layer.output != .accumulators else { break }
            vector = sums.map { Int8(layer.value(ofAccumulator: Int($0))) }
        }
        // Only the last layer gives accumulators.
        let isRaw = layers[layers.count - 1].output == .accumulators
        return Execution(
            layerInputs: layerInputs, accumulators: accumulators,
            output: isRaw ? .int32(accumulators[accumulators.count - 1]) : .int8(vector))
    }
}

extension Layer {
    /// The sums for one input.
    ///
    /// - Precondition: `vector` has ``inputCount`` values.
    func accumulate(_ vector: [Int8]) -> [Int32] {
        precondition(vector.count == inputCount, "a layer's input has its size")
        let (runCount, runSize) = (map.runCount, map.runSize)
        let (inputs, weights) = (vector.span, weights.span)
        var sums: [Int32] = []
        sums.reserveCapacity(outputCount)
        for output in 0..<outputCount {
            let row = map.row(ofOutput: output)
            var sum = bias[row]
            for run in 0..<runCount {
                let input = map.firstInput(ofRun: run, output: output)
                let weight = row * map.rowSize + run * runSize
                sum &+= Self.product(
                    inputs.extracting(input..<input + runSize),
                    weights.extracting(weight..<weight + runSize))
            }
            assert(accumulatorRanges[row].contains(Int(sum)), "a sum left its range")
            sums.append(sum)
        }
        return sums
    }

    /// Wrapping additions, so that the compiler may use vector units: the model is refused when any
    /// partial sum, in any order, could leave int32.
    private static func product(_ inputs: Span<Int8>, _ weights: Span<Int8>) -> Int32 {
        var sum: Int32 = 0
        for index in inputs.indices {
            sum &+= Int32(inputs[index]) &* Int32(weights[index])
        }
        return sum
    }

    /// What becomes of a sum: −128 to 127, or 0 to 127, or the sum itself.
    func value(ofAccumulator accumulator: Int) -> Int {
        guard let (scale, lowest) = output.requantisation else { return accumulator }
        return min(max(scale.scaled(accumulator), lowest), 127)
    }
}
