import ChoraleBase
import Crypto
import Spartan
import Testing

@testable import Inference

@Suite struct PlanTests {
    static let models: [@Sendable () throws -> QuantisedModel] = [
        { try Samples.model("digits") },
        { try Samples.model("synthetic") },
        { try .synthetic(widths: [100, 300, 10], partConstraintCountMax: 256, seed: 1) },
        { try .synthetic(widths: [1, 1], partConstraintCountMax: 256, seed: 1) },
        { try .synthetic(widths: [2_000, 2_000, 10], seed: 1) },
    ]

    @Test(arguments: models.indices) func partsCoverEveryOutputOnceInOrder(index: Int) throws {
        let model = try Self.models[index]()
        let plan = try InferencePlan(model)
        #expect(plan == (try InferencePlan(model)))
        var layer = 0
        var next = 0
        var vectorCount = model.inputCount
        for part in plan.parts {
            #expect(part.layer == layer && part.outputs.lowerBound == next)
            #expect(!part.outputs.isEmpty)
            #expect(part.inputCount(model.layers[layer]) == vectorCount)
            vectorCount = part.outputCount(model.layers[layer])
            next = part.outputs.upperBound
            let isWhole = next == model.layers[layer].outputCount
            #expect(part.isLast(of: model.layers[layer]) == isWhole)
            if isWhole { (layer, next) = (layer + 1, 0) }
        }
        #expect(layer == model.layers.count && vectorCount == model.outputCount)
    }

    @Test(arguments: models.indices) func partsStayWithinTheirBudget(index: Int) throws {
        let model = try Self.models[index]()
        for part in try InferencePlan(model).parts {
            let layer = model.layers[part.layer]
            let constraints = part.outputs.reduce(0) {
                $0 + layer.constraintCount(row: layer.map.row(ofOutput: $1))
            }
            #expect(constraints <= model.partConstraintCountMax)
            #expect(part.outputs.count * layer.map.rowSize <= InferencePlan.termCountMax)
            if index != 4 {
                // What is counted is what is built; carried values come on top.
                #expect(
                    model.circuit(of: part).constraintCount
                        == constraints + part.carried(layer).count)
            }
        }
    }

    @Test func digitsIsInEightParts() throws {
        let plan = try InferencePlan(try Samples.model("digits"))
        #expect(plan.parts.map(\.layer) == [0, 0, 0, 0, 1, 1, 1, 2])
    }

    /// 4 · 10⁶ multiplications of one layer, at most 2²⁰ a part.
    @Test func aLayerOfManyMultiplicationsIsDivided() throws {
        let plan = try InferencePlan(try Self.models[4]())
        #expect(
            plan.parts.map(\.outputs) == [0..<500, 500..<1000, 1000..<1500, 1500..<2000, 0..<10])
    }

    @Test func aModelOfTooManyPartsHasNoPlan() throws {
        let model = try QuantisedModel.synthetic(
            widths: [2, 4_000, 2], partConstraintCountMax: 256, seed: 3)
        #expect(throws: InferencePlan.PlanError.tooManyParts(limit: 256)) {
            try InferencePlan(model)
        }
    }

    @Test func everyPartHasAProgramOfItsOwn() throws {
        let model = try Samples.model("digits")
        var file = model.encoded()
        // The lowest bit of the first weight: pixel 0 is 0 on every image, and yet it is another program.
        file[ModelHeader.size + 12] ^= 1
        let other = try QuantisedModel(decoding: file)
        let parts = try InferencePlan(model).parts
        let digests = parts.map { model.circuit(of: $0).digest }
        #expect(Set(digests).count == parts.count)
        #expect(other.hash != model.hash)
        let programs = parts.map { model.program(of: $0) }
        #expect(Set(programs + parts.map { other.program(of: $0) }).count == 2 * parts.count)
        #expect(other.circuit(of: parts[0]).digest != digests[0])
        #expect(other.circuit(of: parts[1]).digest == digests[1])
    }

    /// The values are those of `models/circuit.py`, which was written from docs/inference.md alone. Nodes of
    /// different versions must agree on them: a change of circuits or plans is a new version of the
    /// domain in ``QuantisedModel/program(of:)``.
    @Test(arguments: [
        ("digits", "880a1d40b0f246978cdae279e702251b67c8101ca6df03479d8bb6e218a6041d"),
        ("synthetic", "1164b27cdcab0bddb960f4402f00755fa67236eed05e12c9d1e046f0c560a578"),
    ])
    func programsAndSystemsAreThoseOfVersionOne(name: String, expected: String) throws {
        let model = try Samples.model(name)
        var hasher = SHA256.Hasher()
        for part in try InferencePlan(model).parts {
            hasher.update(model.program(of: part))
            hasher.update(model.circuit(of: part).digest)
        }
        #expect("\(hasher.finish())" == expected)
    }

    @Test func anotherPartsAssignmentIsRefused() throws {
        let model = try Samples.model("digits")
        let parts = try InferencePlan(model).parts
        let execution = try model.execute(.int8(try Samples.vectors("digits")[3].input))
        let circuit = model.circuit(of: parts[1])
        #expect(!circuit.fits(model.assignment(of: parts[0], in: execution)))
        // Of another execution: same shape, and true, but not with this part's outputs.
        let other = try model.execute(.int8(try Samples.vectors("digits")[4].input))
        var mixed = model.assignment(of: parts[1], in: execution)
        #expect(circuit.isSatisfied(by: mixed))
        mixed.outputs = model.assignment(of: parts[1], in: other).outputs
        #expect(!circuit.isSatisfied(by: mixed))
    }

    /// Of the widest vectors there can be, where half a layer is carried beside its whole input.
    @Test func theLargestProofIsWithinTheVerifiersBound() throws {
        let writer = ModelWriter(
            inputCount: 65_536,
            layers: [
                .convolution(
                    height: 256, width: 256, channels: 1, filters: 1, kernel: (1, 1), stride: 1,
                    output: 1, multiplier: 1 << 30 - 1, shift: 30, weights: [127],
                    bias: [16_000_000])
            ])
        let model = try QuantisedModel(decoding: writer.bytes)
        let parts = try InferencePlan(model).parts
        #expect(parts.count > 2)
        let circuit = model.circuit(of: parts[parts.count - 2])
        #expect(circuit.inputCount > 120_000 && circuit.outputCount > 120_000)
        let size = SpartanProof.size(for: circuit)
        print("largest proof: \(size) bytes, \(circuit.constraintCount) constraints")
        #expect(size <= InferenceVerifier().proofSizeMax)
    }
}
