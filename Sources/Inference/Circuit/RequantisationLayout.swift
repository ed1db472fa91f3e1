/// How one accumulator becomes one int8 in a circuit: which bits there are.
///
/// With accumulator a, multiplier m, shift s, smallest value `lowest` and k value bits
/// (127 − lowest = 2ᵏ − 1), let
///
///     V = a·m + 2^(s−1) − lowest·2^s,
///
/// so that ⌊V / 2^s⌋ is the rounded value less `lowest`, and the output is that, clamped to
/// 0 … 2ᵏ − 1, plus `lowest`. When V may be negative, 2^N is added, with N so large that
/// −2^N ≤ V < 2^N; bit N of the sum then says that V is not negative, and the bits below are those of
/// V whenever it is not. The bits, from the lowest:
///
///     0 … s−1     remainder: what rounding drops
///     s … s+k−1   value
///     s+k … N−1   excess: any of them set means saturation at 127
///     N           sign: not negative; absent when V never is
///
/// Everything follows from the model, so that prover and verifiers derive the same layout.
struct RequantisationLayout: Hashable {
    let multiplier: Int
    let shift: Int
    let lowest: Int
    /// k: 7 from 0, 8 from −128.
    let valueBitCount: Int
    /// N.
    let magnitudeBitCount: Int
    let hasSign: Bool

    /// - Precondition: the range is one of a checked model: within int32.
    init(_ scale: Requantisation, lowest: Int, accumulators: ClosedRange<Int>) {
        multiplier = Int(scale.multiplier)
        shift = Int(scale.shift)
        self.lowest = lowest
        valueBitCount = lowest == 0 ? 7 : 8
        // |a·m| < 2⁶¹, and what is added is at most 2⁴⁷ + 2⁵⁵: |V| < 2⁶².
        let offset = Self.offset(shift: shift, lowest: lowest)
        let low = accumulators.lowerBound * multiplier + offset
        let high = accumulators.upperBound * multiplier + offset
        hasSign = low < 0
        // The smallest N with −2^N ≤ low and high < 2^N; at most 62, so that the sum is an integer
        // below 2⁶³, far from the field's modulus of more than 2²⁵².
        magnitudeBitCount = max(Self.bitLength(max(high, 0)), hasSign ? Self.bitLength(~low) : 0)
    }

    private static func offset(shift: Int, lowest: Int) -> Int {
        1 << (shift - 1) - lowest << shift
    }

    private static func bitLength(_ value: Int) -> Int {
        Int.bitWidth - value.leadingZeroBitCount
    }

    /// Bits, the sign's included.
    var bitCount: Int { magnitudeBitCount + (hasSign ? 1 : 0) }
    /// What is added to a·m before it is decomposed.
    var offset: Int {
        Self.offset(shift: shift, lowest: lowest) + (hasSign ? 1 << magnitudeBitCount : 0)
    }
    var valueBits: Range<Int> {
        min(shift, magnitudeBitCount)..<min(shift + valueBitCount, magnitudeBitCount)
    }
    var excessBits: Range<Int> { valueBits.upperBound..<magnitudeBitCount }
    /// 2ᵏ − 1.
    var valueMax: Int { 1 << valueBitCount - 1 }

    /// Variables that only the prover knows, for one output.
    var internalCount: Int { bitCount + disjunctionCount + (saturates ? 1 : 0) }
    /// Constraints for one output: one for each internal variable, the sum of the bits, the output.
    var constraintCount: Int { internalCount + 2 }
    /// Internal variables that are the "or" of some excess bits: of two, three, … all.
    var disjunctionCount: Int { max(0, excessBits.count - 1) }
    var saturates: Bool { !excessBits.isEmpty }

    /// The internal values for one accumulator, in the order in which the circuit makes them.
    ///
    /// - Precondition: the accumulator is in the range that the layout was made for.
    func appendInternals(accumulator: Int, to values: inout [Int64]) {
        let sum = accumulator * multiplier + offset
        assert(sum >= 0 && Self.bitLength(sum) <= bitCount, "a sum left its range")
        for bit in 0..<bitCount { values.append(Int64(sum >> bit & 1)) }
        guard saturates else { return }
        var any = sum >> excessBits.lowerBound & 1
        for bit in excessBits.dropFirst() {
            any |= sum >> bit & 1
            values.append(Int64(any))
        }
        let value = sum >> valueBits.lowerBound & (1 << valueBits.count - 1)
        values.append(Int64(any * (valueMax - value)))
    }
}
