import ChoraleBase

// Encodings: draft-irtf-cfrg-pairing-friendly-curves-10, appendix C.2. The highest three bits of the
// first byte say: compressed, infinity (all else is then zero), and of compressed ones whether y is the
// larger of the two.

extension BLS12381: ProofCurve {
    public enum Order: ScalarOrder {
        public static let constants = ScalarConstants(BLS12381.order)
    }

    /// A point of G1's subgroup: 48 bytes compressed, 96 uncompressed.
    public struct Point1: CurvePoint {
        let affine: G1

        init(_ affine: G1) { self.affine = affine }

        public static var uncompressedSize: Int { 96 }
        public static var compressedSize: Int { 48 }
        public static var infinity: Self { Self(.infinity) }
        public static let generator = Self(generatorOfG1)

        public var isInfinity: Bool { affine.isInfinity }

        public static prefix func - (point: Self) -> Self { Self(-point.affine) }

        public static func + (lhs: Self, rhs: Self) -> Self {
            Self((JacobianPoint(lhs.affine) + rhs.affine).affine)
        }

        public init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.uncompressedSize, in: bytes, at: offset)
            let flags = try BLS12381.flags(bytes, at: offset, size: 96, isCompressed: false)
            guard !flags.isInfinity else {
                affine = .infinity
                return
            }
            let x = try Fp(decoding: flags.bytes.span, at: 0, origin: offset)
            let y = try Fp(decoding: flags.bytes.span, at: Fp.size, origin: offset)
            guard let point = G1(x: x, y: y), !point.isInfinity else {
                throw .notOnCurve(offset: offset)
            }
            guard G1Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
            affine = point
        }

        public init(compressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.compressedSize, in: bytes, at: offset)
            affine = try BLS12381.decodeCompressedG1(bytes, at: offset)
        }

        public var uncompressed: [UInt8] {
            guard !isInfinity else { return [0x40] + [UInt8](repeating: 0, count: 95) }
            return Fp.encode([affine.x, affine.y])
        }
    }

    /// A point of G2's subgroup: 96 bytes compressed, 192 uncompressed, imaginary parts first.
    public struct Point2: CurvePoint {
        let affine: G2

        init(_ affine: G2) { self.affine = affine }

        public static var uncompressedSize: Int { 192 }
        public static var compressedSize: Int { 96 }
        public static var infinity: Self { Self(.infinity) }
        public static let generator = Self(generatorOfG2)

        public var isInfinity: Bool { affine.isInfinity }

        public static prefix func - (point: Self) -> Self { Self(-point.affine) }

        public static func + (lhs: Self, rhs: Self) -> Self {
            Self((JacobianPoint(lhs.affine) + rhs.affine).affine)
        }

        public init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.uncompressedSize, in: bytes, at: offset)
            let flags = try BLS12381.flags(bytes, at: offset, size: 192, isCompressed: false)
            guard !flags.isInfinity else {
                affine = .infinity
                return
            }
            let x = try Fp2<BLS12381>(decoding: flags.bytes.span, at: 0, origin: offset)
            let y = try Fp2<BLS12381>(
                decoding: flags.bytes.span, at: 2 * Fp.size, origin: offset)
            guard let point = G2(x: x, y: y), !point.isInfinity else {
                throw .notOnCurve(offset: offset)
            }
            guard G2Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
            affine = point
        }

        public init(compressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.compressedSize, in: bytes, at: offset)
            let flags = try BLS12381.flags(bytes, at: offset, size: 96, isCompressed: true)
            guard !flags.isInfinity else {
                affine = .infinity
                return
            }
            let x = try Fp2<BLS12381>(decoding: flags.bytes.span, at: 0, origin: offset)
            let point = try G2(x: x, isLarger: flags.isLarger, at: offset)
            guard G2Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
            affine = point
        }

        public var uncompressed: [UInt8] {
            guard !isInfinity else { return [0x40] + [UInt8](repeating: 0, count: 191) }
            return Fp.encode([affine.x.c1, affine.x.c0, affine.y.c1, affine.y.c0])
        }
    }

    public struct Target: Equatable, Sendable {
        let value: Fp12<BLS12381>
    }

    public static var targetOne: Target { Target(value: .one) }

    public static func sum(_ terms: [(point: Point1, scalar: Scalar<Order>)]) -> Point1 {
        let products = terms.map {
            ScalarProduct(point: $0.point.affine, scalar: $0.scalar.canonical)
        }
        return Point1(MultiScalar.sum(of: products).affine)
    }

    public static func pairingProduct(_ pairs: [(Point1, Point2)]) -> Target {
        Target(value: pairingProduct(of: pairs.lazy.map { ($0.0.affine, $0.1.affine) }))
    }

    /// Splits the three flag bits from a point's bytes.
    private static func flags(
        _ source: Span<UInt8>, at offset: Int, size: Int, isCompressed: Bool
    ) throws(CurveError) -> (isInfinity: Bool, isLarger: Bool, bytes: [UInt8]) {
        var bytes = source.extracting(offset..<offset + size).copied()
        let flags = bytes[0] & 0xE0
        bytes[0] &= 0x1F
        let isInfinity = flags & 0x40 != 0
        let isLarger = flags & 0x20 != 0
        guard (flags & 0x80 != 0) == isCompressed, !isLarger || isCompressed && !isInfinity,
            !isInfinity || bytes.allSatisfy({ $0 == 0 })
        else { throw .compressedFlags(offset: offset) }
        return (isInfinity, isLarger, bytes)
    }
}
