internal import ChoraleBase

/// Reads a model file once, front to back.
///
/// Sizes are checked before anything is allocated: weights are copied only when the file has them.
struct ModelDecoder {
    private var offset = 0
    private var multiplicationCount = 0

    init() {}

    mutating func decode(
        _ file: Span<UInt8>
    ) throws(ModelError) -> (inputCount: Int, partConstraintCountMax: Int, layers: [Layer]) {
        try need(ModelHeader.size, file)
        for index in 0..<4 where file[index] != ModelHeader.magic[index] { throw .badMagic }
        let version = file.loadLittleEndian(UInt16.self, at: 4)
        guard version == ModelHeader.version else { throw .unsupportedVersion(version) }
        let layerCount = Int(file.loadLittleEndian(UInt16.self, at: 6))
        guard (1...ModelLimits.layerCountMax).contains(layerCount) else {
            throw .layerCount(layerCount)
        }
        let inputCount = Int(file.loadLittleEndian(UInt32.self, at: 8))
        guard (1...ModelLimits.vectorCountMax).contains(inputCount) else {
            throw .inputCount(inputCount)
        }
        let partConstraintCountMax = Int(file.loadLittleEndian(UInt32.self, at: 12))
        guard ModelLimits.partConstraintCounts.contains(partConstraintCountMax) else {
            throw .partConstraintCount(partConstraintCountMax)
        }
        offset = ModelHeader.size

        var layers: [Layer] = []
        var count = inputCount
        var range = -128...127
        for index in 0..<layerCount {
            let layer = try self.layer(
                index, of: layerCount, inputCount: count, inputRange: range, file)
            count = layer.outputCount
            range = layer.output.range
            layers.append(layer)
        }
        guard offset == file.count else { throw .trailingBytes(count: file.count - offset) }
        return (inputCount, partConstraintCountMax, layers)
    }

    private func need(_ size: Int, _ file: Span<UInt8>) throws(ModelError) {
        guard size <= file.count - offset else { throw .truncated(offset: offset, needed: size) }
    }

    private mutating func layer(
        _ index: Int,
        of layerCount: Int,
        inputCount: Int,
        inputRange: ClosedRange<Int>,
        _ file: Span<UInt8>
    ) throws(ModelError) -> Layer {
        try need(8, file)
        let kind = file[offset]
        let output = try output(index, isLast: index == layerCount - 1, file)
        offset += 8
        let map =
            switch kind {
            case Layer.Kind.dense: try dense(index, inputCount: inputCount, file)
            case Layer.Kind.convolution: try convolution(index, inputCount: inputCount, file)
            default: throw .unknownKind(layer: index, kind)
            }

        // Below 2³² · 2¹⁶: no overflow.
        multiplicationCount += map.outputCount * map.rowSize
        guard multiplicationCount <= ModelLimits.multiplicationCountMax else {
            throw .tooManyMultiplications(
                count: multiplicationCount, limit: ModelLimits.multiplicationCountMax)
        }
        let weightCount = map.rowCount * map.rowSize
        try need(weightCount + 4 * map.rowCount, file)
        var weights: [Int8] = []
        weights.reserveCapacity(weightCount)
        for place in offset..<offset + weightCount { weights.append(Int8(bitPattern: file[place])) }
        offset += weightCount
        var bias: [Int32] = []
        bias.reserveCapacity(map.rowCount)
        for _ in 0..<map.rowCount {
            bias.append(Int32(bitPattern: file.loadLittleEndian(UInt32.self, at: offset)))
            offset += 4
        }
        let ranges = try accumulatorRanges(
            index, map: map, weights: weights, bias: bias, inputRange: inputRange)
        return Layer(
            map: map, weights: weights, bias: bias, output: output, accumulatorRanges: ranges,
            inputRange: inputRange)
    }

    private func output(
        _ index: Int, isLast: Bool, _ file: Span<UInt8>
    ) throws(ModelError) -> Layer.Output {
        let (code, shift, reserved) = (file[offset + 1], file[offset + 2], file[offset + 3])
        let multiplier = file.loadLittleEndian(UInt32.self, at: offset + 4)
        guard code <= 2 else { throw .unknownOutput(layer: index, code) }
        guard reserved == 0 else { throw .reservedNotZero(layer: index, reserved) }
        guard code != 0 else {
            guard isLast else { throw .accumulatorsBeforeEnd(layer: index) }
            // Unused fields are zero, or one model would have many names.
            guard multiplier == 0 else { throw .multiplier(layer: index, multiplier) }
            guard shift == 0 else { throw .shift(layer: index, shift) }
            return .accumulators
        }
        guard (1...ModelLimits.multiplierMax).contains(multiplier) else {
            throw .multiplier(layer: index, multiplier)
        }
        guard (1...ModelLimits.shiftMax).contains(shift) else {
            throw .shift(layer: index, shift)
        }
        let scale = Requantisation(multiplier: multiplier, shift: shift)
        return code == 1 ? .signed(scale) : .rectified(scale)
    }

    private mutating func dense(
        _ index: Int, inputCount: Int, _ file: Span<UInt8>
    ) throws(ModelError) -> LinearMap {
        try need(4, file)
        let outputCount = Int(file.loadLittleEndian(UInt32.self, at: offset))
        guard (1...ModelLimits.vectorCountMax).contains(outputCount) else {
            throw .outputCount(layer: index, outputCount)
        }
        offset += 4
        return .dense(inputCount: inputCount, outputCount: outputCount)
    }

    private mutating func convolution(
        _ index: Int, inputCount: Int, _ file: Span<UInt8>
    ) throws(ModelError) -> LinearMap {
        try need(12, file)
        func size(_ place: Int) -> Int {
            Int(file.loadLittleEndian(UInt16.self, at: offset + place))
        }
        let shape = Convolution(
            height: size(0), width: size(2), channels: size(4), filters: size(6),
            kernelHeight: Int(file[offset + 8]), kernelWidth: Int(file[offset + 9]),
            stride: Int(file[offset + 10]))
        guard file[offset + 11] == 0 else {
            throw .reservedNotZero(layer: index, file[offset + 11])
        }
        guard
            shape.channels > 0, shape.filters > 0, shape.stride > 0,
            (1...max(1, shape.height)).contains(shape.kernelHeight),
            (1...max(1, shape.width)).contains(shape.kernelWidth),
            shape.kernelHeight <= shape.height, shape.kernelWidth <= shape.width
        else { throw .convolutionShape(layer: index) }
        let map = LinearMap.convolution(shape)
        // Products of three 16-bit numbers: no overflow.
        guard map.inputCount == inputCount else {
            throw .inputMismatch(layer: index, expected: inputCount, found: map.inputCount)
        }
        guard map.outputCount <= ModelLimits.vectorCountMax else {
            throw .outputCount(layer: index, map.outputCount)
        }
        offset += 12
        return map
    }

    private func accumulatorRanges(
        _ index: Int,
        map: LinearMap,
        weights: [Int8],
        bias: [Int32],
        inputRange: ClosedRange<Int>
    ) throws(ModelError) -> [ClosedRange<Int>] {
        let magnitudeMax = max(-inputRange.lowerBound, inputRange.upperBound)
        var ranges: [ClosedRange<Int>] = []
        ranges.reserveCapacity(map.rowCount)
        for row in 0..<map.rowCount {
            var (negative, positive) = (0, 0)
            for place in row * map.rowSize..<(row + 1) * map.rowSize {
                let weight = Int(weights[place])
                if weight < 0 { negative -= weight } else { positive += weight }
            }
            // The magnitudes of all terms, so that no order of summation leaves int32 on the way.
            let bound = Int(bias[row].magnitude) + (negative + positive) * magnitudeMax
            guard bound <= Int(Int32.max) else {
                throw .accumulatorOverflow(layer: index, row: row, bound: bound)
            }
            let (low, high) = (inputRange.lowerBound, inputRange.upperBound)
            ranges.append(
                Int(bias[row]) + positive * low - negative * high...Int(bias[row]) + positive * high
                    - negative * low)
        }
        return ranges
    }
}
