/// Why bytes were refused as an operand of a curve operation.
///
/// Offsets are positions in the whole input, in bytes, of the encoding that was refused.
public enum CurveError: Error, Hashable, Sendable {
    /// The input's size is not the operation's, or not a positive multiple of an item's.
    case inputSize(Int)
    /// An integer that names a field element is not below the field's prime.
    case coordinateNotBelowPrime(offset: Int)
    /// The bytes above a field element, or below a flag, are not zero.
    case paddingNotZero(offset: Int)
    /// The coordinates do not satisfy the curve's equation.
    case notOnCurve(offset: Int)
    /// The point lies on the curve but outside the subgroup of prime order.
    case notInSubgroup(offset: Int)
    /// The flags of a compressed point contradict one another or its coordinate.
    case compressedFlags(offset: Int)
}
