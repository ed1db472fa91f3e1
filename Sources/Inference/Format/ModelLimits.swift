/// What a model may be. Every limit that the decoder enforces is here, with its reason.
public enum ModelLimits {
    /// Largest file, in bytes. It travels as a body, and is in memory once as bytes and once decoded.
    public static let sizeMax = 64 << 20
    /// Layers. Work and parts of a plan are bounded by other limits; this one bounds fixed costs.
    public static let layerCountMax = 64
    /// Values of one vector: of the input, and between layers. A commitment to a vector has as many
    /// generators as the vector has values, and a part of a split layer may carry two vectors.
    public static let vectorCountMax = 1 << 16
    /// Multiplications of one execution. A convolution uses a weight many times, so that the size
    /// of the file does not bound the work; 2²⁷ take about 0.1 s.
    public static let multiplicationCountMax = 1 << 27
    /// Constraints that a part may have for what it computes. Any single output needs fewer than 256;
    /// with 2¹⁶ of them a part is proven in seconds.
    public static let partConstraintCounts = 256...1 << 16
    /// Largest multiplier. With it an accumulator below 2³¹ gives a product below 2⁶¹, so that the
    /// product, what rounding adds, and as much again to make it positive fit in an `Int64`.
    public static let multiplierMax: UInt32 = 1 << 30 - 1
    /// Largest shift: a scale may be as small as 2⁻¹⁸ with all 30 bits of a multiplier.
    public static let shiftMax: UInt8 = 48
}

/// Why bytes are not a model.
///
/// Every case is the fault of who wrote the file. `layer` counts from 0.
public enum ModelError: Error, Hashable, Sendable {
    case tooLarge(size: Int, limit: Int)
    case truncated(offset: Int, needed: Int)
    case trailingBytes(count: Int)
    case badMagic
    case unsupportedVersion(UInt16)
    case layerCount(Int)
    case inputCount(Int)
    case partConstraintCount(Int)
    case unknownKind(layer: Int, UInt8)
    case unknownOutput(layer: Int, UInt8)
    case reservedNotZero(layer: Int, UInt8)
    case multiplier(layer: Int, UInt32)
    case shift(layer: Int, UInt8)
    /// Accumulators are not int8, so that no further layer can take them.
    case accumulatorsBeforeEnd(layer: Int)
    case outputCount(layer: Int, Int)
    /// A size of a convolution is zero, or its kernel is larger than its image.
    case convolutionShape(layer: Int)
    /// A convolution's image has another number of values than the layer before it gives.
    case inputMismatch(layer: Int, expected: Int, found: Int)
    case tooManyMultiplications(count: Int, limit: Int)
    /// Some input could make a sum leave int32: `bound` is |bias| + Σ |weight| · largest |input|.
    case accumulatorOverflow(layer: Int, row: Int, bound: Int)
}
