import ChoraleBase
import Inference
import Spartan

extension FuzzTarget {
    static let inferenceTargets: [FuzzTarget] = [
        FuzzTarget(
            "inference-model",
            "a model file; one encoding, outputs in range, parts that chain and that executions satisfy",
            sizeMax: 2048, seeds: { models }, run: inferenceModel),
        FuzzTarget(
            "inference-vector", "a model's input or output; one encoding", sizeMax: 512,
            seeds: {
                [
                    QuantisedVector.int8([-128, 0, 127]).encoded(),
                    QuantisedVector.int32([Int32.min, -1, Int32.max]).encoded(),
                ]
            },
            run: { input, findings in
                do {
                    let vector = try QuantisedVector(decoding: input)
                    require(vector.encoded() == input, "a vector with two encodings")
                    require(vector.values.count == vector.count, "a vector of another size")
                    findings.note("vector", size: vector.count)
                } catch { findings.note("vector", error) }
            }),
    ]

    /// Dense layers, and a file with each kind of layer and output.
    private static var models: [[UInt8]] {
        var models: [[UInt8]] = []
        for widths in [[1, 1], [3, 4, 2], [8, 8, 8, 8]] {
            if let model = try? QuantisedModel.synthetic(
                widths: widths, partConstraintCountMax: 256, seed: 1)
            {
                models.append(model.encoded())
            }
        }
        // 3 × 3 × 2 through two filters of 2 × 2, signed; then five rectified outputs of the eight.
        var file = Array("CHQM".utf8) + [1, 0, 2, 0, 18, 0, 0, 0, 0, 1, 0, 0]
        file += [2, 1, 9, 0, 3, 0, 0, 0, 3, 0, 3, 0, 2, 0, 2, 0, 2, 2, 1, 0]
        file += (0..<16).map { UInt8(truncatingIfNeeded: 37 * $0) }
        file += [10, 0, 0, 0, 0xF6, 0xFF, 0xFF, 0xFF]
        file += [1, 2, 30, 0, 0xFF, 0xFF, 0xFF, 0x3F, 5, 0, 0, 0]
        file += (0..<40).map { UInt8(truncatingIfNeeded: 91 * $0) }
        file += [UInt8](repeating: 0, count: 20)
        models.append(file)
        return models
    }

    private static func inferenceModel(_ input: [UInt8], _ findings: inout Findings) {
        let model: QuantisedModel
        do { model = try QuantisedModel(decoding: input) } catch {
            return findings.note("model", error)
        }
        require(model.encoded() == input, "a model with two encodings")
        findings.note("layers", size: model.layers.count)
        findings.note("multiplications", size: model.multiplicationCount)
        // Larger ones take longer and show nothing else.
        guard model.multiplicationCount <= 1 << 14 else { return }
        let plan: InferencePlan
        do { plan = try InferencePlan(model) } catch { return findings.note("plan", error) }
        require(plan.parts.count <= InferencePlan.partCountMax, "a plan of too many parts")
        findings.note("parts", size: plan.parts.count)

        // The extremes of int8 and a mixture: sums are largest where signs follow the weights.
        let first = model.layers[0]
        let inputs: [[Int8]] = [
            .init(repeating: -128, count: model.inputCount),
            .init(repeating: 127, count: model.inputCount),
            (0..<model.inputCount).map {
                first.weights[$0 % first.weights.count] < 0 ? -128 : 127
            },
        ]
        for vector in inputs {
            guard let execution = try? model.execute(.int8(vector)) else {
                fatalError("property broken: an input of the right shape is refused")
            }
            require(execution.output.count == model.outputCount, "an output of another size")
            findings.note("output", execution.output)
            // A part's constraints are as many as its budget, and its values are few here.
            guard model.multiplicationCount <= 1 << 10, plan.parts.count <= 8 else { continue }
            var previous = model.assignment(of: plan.parts[0], in: execution).inputs
            for part in plan.parts {
                let assignment = model.assignment(of: part, in: execution)
                require(assignment.inputs == previous, "parts that do not chain")
                let row = model.circuit(of: part).firstViolatedRow(by: assignment)
                require(row == nil, "an execution violates constraint \(row ?? 0)")
                previous = assignment.outputs
            }
        }
    }
}
