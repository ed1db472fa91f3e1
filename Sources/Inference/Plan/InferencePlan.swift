public import ChoraleBase
internal import Crypto
public import Spartan

/// How a model is divided into parts, each with a proof of its own.
///
/// Follows from the model alone, so that every verifier derives the same. Each layer is a part of its
/// own; one that needs more than ``QuantisedModel/partConstraintCountMax`` constraints or
/// ``termCountMax`` multiplications is divided into the fewest parts of (almost) equally many outputs
/// that fit.
public struct InferencePlan: Hashable, Sendable {
    /// In the order of computation: the output of each is the input of the next.
    public let parts: [PartRange]

    /// Most parts of one model.
    public static let partCountMax = 256
    /// Multiplications in one part. A verifier evaluates the weights as polynomials, which takes a
    /// time linear in them, and holds 36 bytes for each.
    public static let termCountMax = 1 << 20

    /// Why a model has no plan.
    public enum PlanError: Error, Hashable, Sendable {
        case tooManyParts(limit: Int)
    }

    public init(_ model: QuantisedModel) throws(PlanError) {
        var parts: [PartRange] = []
        for (index, layer) in model.layers.enumerated() {
            let room = Self.partCountMax - parts.count
            guard
                let ranges = Self.divide(
                    layer, constraintCountMax: model.partConstraintCountMax, partCountMax: room)
            else { throw .tooManyParts(limit: Self.partCountMax) }
            parts += ranges.map { PartRange(layer: index, outputs: $0) }
        }
        self.parts = parts
    }

    private static func divide(
        _ layer: Layer, constraintCountMax: Int, partCountMax: Int
    ) -> [Range<Int>]? {
        // Constraints of all outputs before each.
        var sums = [0]
        sums.reserveCapacity(layer.outputCount + 1)
        let costs = (0..<layer.map.rowCount).map { layer.constraintCount(row: $0) }
        for output in 0..<layer.outputCount {
            sums.append(sums[output] + costs[layer.map.row(ofOutput: output)])
        }
        guard partCountMax > 0 else { return nil }
        // No fewer can fit; when costs differ, or do not divide, a few more are needed.
        let fewest = max(
            1, (sums[layer.outputCount] + constraintCountMax - 1) / constraintCountMax,
            (layer.outputCount * layer.map.rowSize + termCountMax - 1) / termCountMax)
        guard fewest <= partCountMax else { return nil }
        for count in fewest...partCountMax {
            let bounds = (0...count).map { $0 * layer.outputCount / count }
            let ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
            // More parts than outputs: a single output fits, so that this is not reached.
            guard ranges.allSatisfy({ !$0.isEmpty }) else { return nil }
            let fits = ranges.allSatisfy {
                sums[$0.upperBound] - sums[$0.lowerBound] <= constraintCountMax
                    && $0.count * layer.map.rowSize <= termCountMax
            }
            if fits { return ranges }
        }
        return nil
    }
}

extension Layer {
    /// Constraints for one output.
    func constraintCount(row: Int) -> Int { layout(row: row)?.constraintCount ?? 1 }
}

extension QuantisedModel {
    /// What a part is called in statements: SHA-256 of a domain with the version of the circuits, the
    /// model's hash, and which outputs of which layer.
    ///
    /// Not the digest of the constraint system, which follows from these: to know the programs of a
    /// plan, a verifier need not build the systems of the parts that others verify. The proof itself
    /// is bound to that digest.
    public func program(of part: PartRange) -> Bytes32 {
        var bytes = Array("chorale/inference-part/1".utf8)
        bytes += hash.bytes
        bytes.appendLittleEndian(UInt32(part.layer))
        bytes.appendLittleEndian(UInt32(part.outputs.lowerBound))
        bytes.appendLittleEndian(UInt32(part.outputs.upperBound))
        return SHA256.hash(bytes)
    }

    /// The constraint system of a part.
    ///
    /// - Precondition: the part is one of this model's plan.
    public func circuit(of part: PartRange) -> R1CS { PartCircuit.build(self, part) }

    /// What the system of a part is satisfied by.
    ///
    /// - Precondition: the part is one of this model's plan, and the execution is of this model.
    public func assignment(of part: PartRange, in execution: Execution) -> Assignment {
        let layer = layers[part.layer]
        let accumulators = execution.accumulators[part.layer]
        let layouts = (0..<layer.map.rowCount).map { layer.layout(row: $0) }
        var internals: [Int64] = []
        for output in part.outputs {
            layouts[layer.map.row(ofOutput: output)]?.appendInternals(
                accumulator: Int(accumulators[output]), to: &internals)
        }
        return Assignment(
            inputs: inputs(of: part, in: execution).map { Scalar($0) },
            outputs: outputs(of: part, in: execution).map { Scalar($0) },
            internals: internals.map { Scalar($0) })
    }

    /// The vector that a part takes.
    func inputs(of part: PartRange, in execution: Execution) -> [Int64] {
        execution.layerInputs[part.layer].map { Int64($0) }
            + layerOutputs(part.layer, ..<part.outputs.lowerBound, in: execution)
    }

    /// The vector that a part gives.
    func outputs(of part: PartRange, in execution: Execution) -> [Int64] {
        let isLast = part.isLast(of: layers[part.layer])
        return (isLast ? [] : execution.layerInputs[part.layer].map { Int64($0) })
            + layerOutputs(part.layer, ..<part.outputs.upperBound, in: execution)
    }

    private func layerOutputs(
        _ layer: Int, _ range: PartialRangeUpTo<Int>, in execution: Execution
    ) -> [Int64] {
        execution.accumulators[layer][range].map {
            Int64(layers[layer].value(ofAccumulator: Int($0)))
        }
    }
}
