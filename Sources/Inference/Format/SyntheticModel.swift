import ChoraleBase

extension QuantisedModel {
    /// A dense model with random weights: as large as wanted, for trying and measuring.
    ///
    /// Layers but the last are rectified, scaled so that outputs use the range of int8; the last
    /// gives accumulators. The same arguments give the same model.
    ///
    /// - Parameter widths: values of the input, then of each layer's output. Two at least.
    /// - Throws: ``ModelError`` when the model would be outside of ``ModelLimits``.
    public static func synthetic(
        widths: [Int], partConstraintCountMax: Int = 1 << 16, seed: UInt64
    ) throws(ModelError) -> QuantisedModel {
        precondition(widths.count >= 2, "a model has an input and a layer")
        // What the decoder will refuse must not be made first, however large it is.
        let shapes = zip(widths, widths.dropFirst())
        for (index, width) in widths.enumerated()
        where !(1...ModelLimits.vectorCountMax).contains(width) {
            if index == 0 { throw .inputCount(width) }
            throw .outputCount(layer: index - 1, width)
        }
        guard widths.count - 1 <= ModelLimits.layerCountMax else {
            throw .layerCount(widths.count - 1)
        }
        guard ModelLimits.partConstraintCounts.contains(partConstraintCountMax) else {
            throw .partConstraintCount(partConstraintCountMax)
        }
        let size = shapes.reduce(0) { $0 + ($1.0 + 4) * $1.1 }
        guard size <= ModelLimits.sizeMax else {
            throw .tooLarge(size: size, limit: ModelLimits.sizeMax)
        }

        var random = DeterministicRandom(seed: seed)
        var file = ModelHeader.encode(
            inputCount: widths[0], partConstraintCountMax: partConstraintCountMax,
            layerCount: widths.count - 1)
        for (index, (inputCount, outputCount)) in shapes.enumerated() {
            // A random weight and a random value have a standard deviation of 74 each, and a sum
            // of n products √n times 74². Divided by √n · 74, it is again one of 74.
            var root = 1
            while (root + 1) * (root + 1) <= inputCount { root += 1 }
            let multiplier = 181
            let deviation = multiplier * 74 * root
            let shift = UInt8(Int.bitWidth - deviation.leadingZeroBitCount - 1)
            let isLast = index == widths.count - 2
            LayerEncoding.encode(
                map: .dense(inputCount: inputCount, outputCount: outputCount),
                output: isLast
                    ? .accumulators
                    : .rectified(Requantisation(multiplier: UInt32(multiplier), shift: shift)),
                to: &file)
            file += random.bytes(count: inputCount * outputCount)
            for _ in 0..<outputCount {
                let bias = Int32(random.integer(in: -20_000...20_000))
                file.appendLittleEndian(UInt32(bitPattern: bias))
            }
        }
        return try QuantisedModel(decoding: file)
    }

    /// A random input for this model.
    public func syntheticInput(seed: UInt64) -> QuantisedVector {
        var random = DeterministicRandom(seed: seed)
        return .int8(random.bytes(count: inputCount).map { Int8(bitPattern: $0) })
    }
}
