import ChoraleBase
import Inference
import Testing

@Suite struct ModelFormatTests {
    @Test(arguments: ["digits", "synthetic"]) func decodingAndEncodingGiveTheFile(name: String)
        throws
    {
        let file = try Samples.file("\(name)/\(name).model")
        #expect(try QuantisedModel(decoding: file).encoded() == file)
    }

    @Test(arguments: ["digits", "synthetic"]) func everyTruncationIsRefused(name: String) throws {
        let file = try Samples.file("\(name)/\(name).model")
        for size in 0..<file.count {
            let error = #expect(throws: ModelError.self) {
                try QuantisedModel(decoding: Array(file[..<size]))
            }
            guard case .truncated = error else {
                Issue.record("\(size) bytes: \(String(describing: error))")
                continue
            }
        }
    }

    /// Whatever stands in the header's and the layers' fields, there is a model that encodes to the
    /// same bytes, or an error.
    @Test func everyChangeOfAByteGivesThatFileOrAnError() throws {
        let file = try Samples.file("synthetic/synthetic.model")
        for place in file.indices {
            for value: UInt8 in [0, 1, 2, 3, 0x7F, 0x80, 0xFF] {
                var changed = file
                changed[place] = value
                guard let model = try? QuantisedModel(decoding: changed) else { continue }
                #expect(model.encoded() == changed)
            }
        }
    }

    struct Refusal: CustomTestStringConvertible {
        let testDescription: String
        let writer: ModelWriter
        let error: ModelError

        init(
            _ description: String, _ error: ModelError, layers: [ModelWriter.Layer] = [small],
            inputCount: UInt32 = 2, _ change: (inout ModelWriter) -> Void = { _ in }
        ) {
            testDescription = description
            self.error = error
            var writer = ModelWriter(inputCount: inputCount, layers: layers)
            change(&writer)
            self.writer = writer
        }
    }

    static let small = ModelWriter.Layer.dense([[1, -2], [3, 4], [5, 6]], bias: [7, 8, 9])
    static let scaled = ModelWriter.Layer.dense(
        [[1, -2], [3, 4]], bias: [7, 8], output: 2, multiplier: 3, shift: 4)
    static func convolution(
        height: UInt16 = 3, width: UInt16 = 3, channels: UInt16 = 2, filters: UInt16 = 1,
        kernel: (UInt8, UInt8) = (2, 2), stride: UInt8 = 1, reserved: UInt8 = 0
    ) -> ModelWriter.Layer {
        .convolution(
            height: height, width: width, channels: channels, filters: filters, kernel: kernel,
            stride: stride, reserved: reserved, weights: [1, 2, 3, 4, 5, 6, 7, 8], bias: [9])
    }
    static func changed(
        _ layer: ModelWriter.Layer, _ change: (inout ModelWriter.Layer) -> Void
    ) -> ModelWriter.Layer {
        var layer = layer
        change(&layer)
        return layer
    }

    static let refusals: [Refusal] = [
        Refusal("other magic", .badMagic) { $0.magic[3] = 0 },
        Refusal("version 2", .unsupportedVersion(2)) { $0.version = 2 },
        Refusal("no layers", .layerCount(0), layers: []),
        Refusal("65 layers", .layerCount(65)) { $0.layerCount = 65 },
        Refusal("no inputs", .inputCount(0), inputCount: 0),
        Refusal("65,537 inputs", .inputCount(65_537), inputCount: 65_537),
        Refusal("parts of 255 constraints", .partConstraintCount(255)) {
            $0.partConstraints = 255
        },
        Refusal("parts of 65,537 constraints", .partConstraintCount(65_537)) {
            $0.partConstraints = 65_537
        },
        Refusal(
            "a layer of kind 3", .unknownKind(layer: 0, 3), layers: [changed(small) { $0.kind = 3 }]
        ),
        Refusal(
            "output 3", .unknownOutput(layer: 0, 3), layers: [changed(small) { $0.output = 3 }]),
        Refusal(
            "a reserved byte", .reservedNotZero(layer: 0, 1),
            layers: [changed(small) { $0.reserved = 1 }]),
        Refusal(
            "accumulators with a multiplier", .multiplier(layer: 0, 1),
            layers: [changed(small) { $0.multiplier = 1 }]),
        Refusal(
            "accumulators with a shift", .shift(layer: 0, 1),
            layers: [changed(small) { $0.shift = 1 }]),
        Refusal(
            "multiplier 0", .multiplier(layer: 0, 0),
            layers: [changed(scaled) { $0.multiplier = 0 }]),
        Refusal(
            "multiplier 2³⁰", .multiplier(layer: 0, 1 << 30),
            layers: [changed(scaled) { $0.multiplier = 1 << 30 }]),
        Refusal("shift 0", .shift(layer: 0, 0), layers: [changed(scaled) { $0.shift = 0 }]),
        Refusal("shift 49", .shift(layer: 0, 49), layers: [changed(scaled) { $0.shift = 49 }]),
        Refusal(
            "accumulators before the end", .accumulatorsBeforeEnd(layer: 1),
            layers: [scaled, small, small]),
        Refusal("no outputs", .outputCount(layer: 0, 0), layers: [.dense([], bias: [])]),
        Refusal(
            "65,537 outputs", .outputCount(layer: 0, 65_537),
            layers: [changed(small) { $0.shape = [1, 0, 1, 0] }]),
        Refusal(
            "a convolution of another image", .inputMismatch(layer: 0, expected: 17, found: 18),
            layers: [convolution()], inputCount: 17),
        Refusal(
            "no channels", .convolutionShape(layer: 0), layers: [convolution(channels: 0)],
            inputCount: 18),
        Refusal(
            "no filters", .convolutionShape(layer: 0), layers: [convolution(filters: 0)],
            inputCount: 18),
        Refusal(
            "an image without height", .convolutionShape(layer: 0),
            layers: [convolution(height: 0)], inputCount: 18),
        Refusal(
            "a kernel without width", .convolutionShape(layer: 0),
            layers: [convolution(kernel: (2, 0))], inputCount: 18),
        Refusal(
            "a kernel higher than the image", .convolutionShape(layer: 0),
            layers: [convolution(kernel: (4, 2))], inputCount: 18),
        Refusal(
            "stride 0", .convolutionShape(layer: 0), layers: [convolution(stride: 0)],
            inputCount: 18),
        Refusal(
            "a reserved byte of a convolution", .reservedNotZero(layer: 0, 2),
            layers: [convolution(reserved: 2)], inputCount: 18),
        Refusal(
            "a convolution that gives 2¹⁷ values", .outputCount(layer: 0, 1 << 17),
            layers: [
                convolution(height: 1 << 15, width: 1, channels: 1, filters: 4, kernel: (1, 1))
            ], inputCount: 1 << 15),
        Refusal(
            "152 million multiplications, of a file of kilobytes",
            .tooManyMultiplications(count: 193 * 193 * 64 * 64, limit: 1 << 27),
            layers: [
                convolution(height: 256, width: 256, channels: 1, filters: 1, kernel: (64, 64))
            ], inputCount: 65_536),
        Refusal("a byte too many", .trailingBytes(count: 1)) { $0.trailing = [0] },
        Refusal(
            "sums that could leave int32",
            .accumulatorOverflow(layer: 0, row: 0, bound: Int(Int32.max) + 1),
            layers: [.dense([[1, -2]], bias: [Int32.max - 383])]),
        Refusal(
            "a bias of −2³¹", .accumulatorOverflow(layer: 0, row: 1, bound: 1 << 31),
            layers: [.dense([[0, 0], [0, 0]], bias: [0, Int32.min])]),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        let bytes = row.writer.bytes
        #expect(throws: row.error) { try QuantisedModel(decoding: bytes) }
    }

    @Test func theLargestSumIsAccepted() throws {
        // 1 · 128 + 2 · 128 more are exactly 2³¹ − 1.
        let writer = ModelWriter(
            inputCount: 2, layers: [.dense([[1, -2]], bias: [Int32.max - 384])])
        let model = try QuantisedModel(decoding: writer.bytes)
        let output = try model.execute(.int8([127, -128])).output
        #expect(output == .int32([Int32.max - 1]))
    }

    @Test func aFileLargerThanTheLimitIsRefusedUnread() {
        let file = [UInt8](repeating: 0, count: ModelLimits.sizeMax + 1)
        #expect(throws: ModelError.tooLarge(size: file.count, limit: ModelLimits.sizeMax)) {
            try QuantisedModel(decoding: file)
        }
    }

    @Test func syntheticModelsAreTheSameForTheSameSeed() throws {
        let model = try QuantisedModel.synthetic(widths: [256, 128, 64, 10], seed: 7)
        #expect(try QuantisedModel.synthetic(widths: [256, 128, 64, 10], seed: 7) == model)
        #expect(try QuantisedModel.synthetic(widths: [256, 128, 64, 10], seed: 8) != model)
        let output = try model.execute(model.syntheticInput(seed: 1)).output
        #expect(Set(output.values).count == 10)
        #expect(throws: ModelError.outputCount(layer: 0, 0)) {
            try QuantisedModel.synthetic(widths: [1, 0], seed: 0)
        }
        #expect(throws: ModelError.self) {
            try QuantisedModel.synthetic(widths: [65_536, 65_536], seed: 0)
        }
    }
}
