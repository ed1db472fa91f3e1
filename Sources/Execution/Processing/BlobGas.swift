/// How many blobs a block may have and how their price moves (EIP-4844, 7691, 7840, 7892).
public struct BlobSchedule: Hashable, Sendable {
    /// Blobs a block at which the price stands still.
    public var target: UInt64
    /// Most blobs of a block.
    public var max: UInt64
    /// The larger, the slower the price moves.
    public var baseFeeUpdateFraction: UInt64

    public init(target: UInt64, max: UInt64, baseFeeUpdateFraction: UInt64) {
        self.target = target
        self.max = max
        self.baseFeeUpdateFraction = baseFeeUpdateFraction
    }

    public static let cancun = BlobSchedule(target: 3, max: 6, baseFeeUpdateFraction: 3_338_477)
    public static let prague = BlobSchedule(target: 6, max: 9, baseFeeUpdateFraction: 5_007_716)
    public static let bpo1 = BlobSchedule(target: 10, max: 15, baseFeeUpdateFraction: 8_346_193)
    public static let bpo2 = BlobSchedule(target: 14, max: 21, baseFeeUpdateFraction: 11_684_671)

    /// Gas that one blob takes.
    public static let gasPerBlob: UInt64 = 1 << 17

    /// Most blob gas of a block.
    public var gasMax: UInt64 { max * Self.gasPerBlob }

    /// Wei a gas of blobs at this excess.
    ///
    /// Saturates at 2²⁵⁶ − 1, which nobody can pay.
    public func baseFee(excess: UInt64) -> UInt256 {
        // EIP-4844's fake_exponential(1, excess, fraction): a Taylor series in integers. Once the
        // excess is large enough to matter here, the terms pass 2²⁵⁶ within a few hundred steps.
        let numerator = UInt256(excess)
        let denominator = UInt256(baseFeeUpdateFraction)
        var output = UInt256.zero
        var term = denominator
        var step: UInt64 = 1
        while !term.isZero {
            let (sum, carry) = output.addingReportingCarry(term)
            let product = term.multipliedFullWidth(by: numerator)
            guard !carry, product.high.isZero else { return .max }
            output = sum
            term =
                product.low.quotientAndRemainder(
                    dividingBy: denominator &* UInt256(step)
                ).quotient
            step += 1
        }
        return output.quotientAndRemainder(dividingBy: denominator).quotient
    }
}
