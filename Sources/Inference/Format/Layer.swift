/// A layer: a linear map with a bias, and what becomes of the accumulators.
public struct Layer: Hashable, Sendable {
    public let map: LinearMap
    /// Row by row. A dense layer has a row for each output, a convolution one for each filter:
    /// kernel row, kernel column, channel.
    public let weights: [Int8]
    /// One for each row of weights.
    public let bias: [Int32]
    public let output: Output
    /// What each row of weights can sum up to, bias included, for inputs in ``inputRange``.
    let accumulatorRanges: [ClosedRange<Int>]
    /// What the values that come in can be.
    let inputRange: ClosedRange<Int>

    public var inputCount: Int { map.inputCount }
    public var outputCount: Int { map.outputCount }

    /// What a layer gives.
    public enum Output: Hashable, Sendable {
        /// The sums as they are, int32. Only the last layer.
        case accumulators
        /// int8 by scaling and rounding, saturating at −128 and 127.
        case signed(Requantisation)
        /// As `signed`, saturating at 0 and 127: ReLU and requantisation at once.
        case rectified(Requantisation)

        /// How accumulators become int8, and the smallest value that they become.
        var requantisation: (scale: Requantisation, lowest: Int)? {
            switch self {
            case .accumulators: nil
            case .signed(let scale): (scale, -128)
            case .rectified(let scale): (scale, 0)
            }
        }

        /// What the values that come out can be, where they are int8.
        var range: ClosedRange<Int> {
            guard let requantisation else { return -128...127 }
            return requantisation.lowest...127
        }
    }
}

/// Multiplication by `multiplier` / 2^`shift`, rounded to nearest, halves up (towards +∞).
///
/// q(a) = ⌊(a · multiplier + 2^(shift − 1)) / 2^shift⌋. This is the rounding of a plain arithmetic
/// shift and has no case for negative numbers; TFLite's rounding (gemmlowp's
/// `RoundingDivideByPOT`) takes halves away from zero instead.
public struct Requantisation: Hashable, Sendable {
    /// 1 to 2³⁰ − 1.
    public let multiplier: UInt32
    /// 1 to 48.
    public let shift: UInt8

    /// Applies the scale, without saturation.
    ///
    /// - Precondition: |accumulator| < 2³¹, so that everything is below 2⁶³.
    func scaled(_ accumulator: Int) -> Int {
        (accumulator * Int(multiplier) + 1 << (Int(shift) - 1)) >> Int(shift)
    }
}

/// Which inputs are multiplied by which weights for each output.
public enum LinearMap: Hashable, Sendable {
    case dense(inputCount: Int, outputCount: Int)
    case convolution(Convolution)

    public var inputCount: Int {
        switch self {
        case .dense(let inputCount, _): inputCount
        case .convolution(let shape): shape.height * shape.width * shape.channels
        }
    }

    public var outputCount: Int {
        switch self {
        case .dense(_, let outputCount): outputCount
        case .convolution(let shape): shape.rows * shape.columns * shape.filters
        }
    }

    /// Rows of weights.
    var rowCount: Int {
        switch self {
        case .dense(_, let outputCount): outputCount
        case .convolution(let shape): shape.filters
        }
    }

    /// Weights in one row, which is also the number of multiplications for one output.
    var rowSize: Int {
        switch self {
        case .dense(let inputCount, _): inputCount
        case .convolution(let shape): shape.kernelHeight * shape.kernelWidth * shape.channels
        }
    }

    /// The row of weights that gives output `index`.
    func row(ofOutput index: Int) -> Int {
        switch self {
        case .dense: index
        case .convolution(let shape): index % shape.filters
        }
    }

    /// Runs of neighbouring inputs that meet neighbouring weights.
    var runCount: Int {
        switch self {
        case .dense: 1
        case .convolution(let shape): shape.kernelHeight
        }
    }

    var runSize: Int { rowSize / runCount }

    /// The first input of run `run` of output `index`. Its weights begin at `run * runSize` of their
    /// row.
    func firstInput(ofRun run: Int, output index: Int) -> Int {
        switch self {
        case .dense: return 0
        case .convolution(let shape):
            let place = index / shape.filters
            let top = place / shape.columns * shape.stride
            let left = place % shape.columns * shape.stride
            return ((top + run) * shape.width + left) * shape.channels
        }
    }
}

/// A convolution in two dimensions without padding. Images are row by row, channels innermost.
public struct Convolution: Hashable, Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int
    public let filters: Int
    public let kernelHeight: Int
    public let kernelWidth: Int
    public let stride: Int

    /// Height and width of the image that comes out.
    public var rows: Int { (height - kernelHeight) / stride + 1 }
    public var columns: Int { (width - kernelWidth) / stride + 1 }
}
