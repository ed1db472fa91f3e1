import ChoraleBase

// What the encodings of points of all curves have in common.

extension PrimeField {
    /// The element at `offset` of bytes that are at `origin` of the input.
    ///
    /// - Precondition: the bytes lie within the span.
    init(
        decoding bytes: Span<UInt8>, at offset: Int, origin: Int = 0
    ) throws(CurveError) {
        guard let element = Self(bytes, at: offset) else {
            throw .coordinateNotBelowPrime(offset: origin + offset)
        }
        self = element
    }

    /// The canonical residues as big-endian integers, one behind the other.
    static func encode(_ elements: [Self]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size * elements.count)
        for element in elements { element.append(to: &bytes) }
        return bytes
    }
}

extension Fp2 {
    /// The element at `offset` of bytes that are at `origin` of the input, the imaginary part first.
    ///
    /// - Precondition: the bytes lie within the span.
    init(
        decoding bytes: Span<UInt8>, at offset: Int, origin: Int = 0
    ) throws(CurveError) {
        let c1 = try Base(decoding: bytes, at: offset, origin: origin)
        let c0 = try Base(decoding: bytes, at: offset + Base.size, origin: origin)
        self.init(c0, c1)
    }
}

/// A coordinate that a point can be compressed to.
protocol CompressibleCoordinate: FieldElement {
    /// Whether the element is above its negative, by an order that the curves' encodings agree on.
    var isLarger: Bool { get }

    /// A square root, or nil for a non-square.
    func squareRoot() -> Self?
}

extension AffinePoint where Shape.Coordinate: CompressibleCoordinate {
    /// The point with this x and, of the two y, the larger or the smaller. No point has y = 0.
    ///
    /// - Parameter offset: where the point is in the input.
    init(x: Shape.Coordinate, isLarger: Bool, at offset: Int) throws(CurveError) {
        guard let y = (x.squared() * x + Shape.b).squareRoot() else {
            throw .notOnCurve(offset: offset)
        }
        self.init(knownX: x, knownY: y.isLarger == isLarger ? y : -y)
    }
}

extension Field4: CompressibleCoordinate {
    /// Whether the element is above its negative, as an integer.
    var isLarger: Bool { (-self).canonical < canonical }
}

extension Field6: CompressibleCoordinate {
    /// Whether the element is above its negative, as an integer.
    var isLarger: Bool { (-self).canonical < canonical }
}

extension Fp2: CompressibleCoordinate where Tower.Base: CompressibleCoordinate {
    /// Whether the element is above its negative: by the imaginary part, and by the real part when that
    /// is zero.
    var isLarger: Bool { c1.isZero ? c0.isLarger : c1.isLarger }
}
