/// A curve as verifiers of proofs see it: points, scalars and products of pairings, but no coordinates.
///
/// Every value is valid: a point is in the subgroup of prime order, a scalar is reduced. Nothing runs in
/// constant time: this is for checking public data.
public protocol ProofCurve: Sendable {
    associatedtype Order: ScalarOrder
    associatedtype Point1: CurvePoint
    associatedtype Point2: CurvePoint
    /// An element of the subgroup that pairings lead into.
    associatedtype Target: Equatable & Sendable

    /// Σ scalar · point.
    ///
    /// - Complexity: see the module's README.
    static func sum(_ terms: [(point: Point1, scalar: Scalar<Order>)]) -> Point1

    /// The product of the pairings of all pairs, with one final exponentiation.
    static func pairingProduct(_ pairs: [(Point1, Point2)]) -> Target

    /// The product of no pairings.
    static var targetOne: Target { get }
}

/// A point of a subgroup of prime order.
public protocol CurvePoint: Equatable, Sendable {
    /// Size of x and y, in bytes.
    static var uncompressedSize: Int { get }
    /// Size of x with flags, in bytes.
    static var compressedSize: Int { get }

    static var infinity: Self { get }
    /// The generator that the curve's specification names.
    static var generator: Self { get }

    var isInfinity: Bool { get }

    static prefix func - (point: Self) -> Self
    static func + (lhs: Self, rhs: Self) -> Self

    /// The point of an uncompressed encoding that begins at `offset`: big-endian coordinates, of which
    /// imaginary parts come first. Zeros are infinity; on BLS12-381 the top bits are flags.
    ///
    /// - Throws: ``CurveError``: `inputSize` when there are not enough bytes; otherwise what is wrong
    ///   with the point. Only the canonical encoding of a point of the subgroup is taken.
    init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(CurveError)

    /// The point of a compressed encoding that begins at `offset`.
    ///
    /// - Throws: as for ``init(uncompressed:at:)``.
    init(compressed bytes: Span<UInt8>, at offset: Int) throws(CurveError)

    /// The encoding that ``init(uncompressed:at:)`` reads.
    var uncompressed: [UInt8] { get }
}

extension CurvePoint {
    public static func - (lhs: Self, rhs: Self) -> Self { lhs + -rhs }

    /// Whether an encoding of `size` bytes lies within the span.
    static func expect(
        _ size: Int, in bytes: Span<UInt8>, at offset: Int
    ) throws(CurveError) {
        guard offset >= 0, offset <= bytes.count, bytes.count - offset >= size else {
            throw .inputSize(bytes.count)
        }
    }
}
