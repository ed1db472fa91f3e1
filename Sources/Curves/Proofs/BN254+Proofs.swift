import ChoraleBase

extension BN254: ProofCurve {
    public enum Order: ScalarOrder {
        public static let constants = ScalarConstants(BN254.order)
    }

    /// A point of G1, in the encodings of EIP-197 (uncompressed) and of gnark (compressed).
    ///
    /// The first two bits of a compressed point say: 10 the smaller y, 11 the larger y, 01 infinity.
    public struct Point1: CurvePoint {
        let affine: G1

        init(_ affine: G1) { self.affine = affine }

        public static var uncompressedSize: Int { g1Size }
        public static var compressedSize: Int { 32 }
        public static var infinity: Self { Self(.infinity) }
        public static let generator = Self(G1(knownX: 1, knownY: 2))

        public var isInfinity: Bool { affine.isInfinity }

        public static prefix func - (point: Self) -> Self { Self(-point.affine) }

        public static func + (lhs: Self, rhs: Self) -> Self {
            Self((JacobianPoint(lhs.affine) + rhs.affine).affine)
        }

        public init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.uncompressedSize, in: bytes, at: offset)
            affine = try BN254.decodeG1(bytes, at: offset)
        }

        public init(compressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.compressedSize, in: bytes, at: offset)
            let flags = try BN254.flags(bytes, at: offset, size: Self.compressedSize)
            guard let isLarger = flags.isLarger else {
                affine = .infinity
                return
            }
            let x = try Fp(decoding: flags.x.span, at: 0, origin: offset)
            affine = try G1(x: x, isLarger: isLarger, at: offset)
        }

        public var uncompressed: [UInt8] { BN254.encode(affine) }
    }

    /// A point of G2, in the encodings of EIP-197 (uncompressed) and of gnark (compressed).
    public struct Point2: CurvePoint {
        let affine: G2

        init(_ affine: G2) { self.affine = affine }

        public static var uncompressedSize: Int { g2Size }
        public static var compressedSize: Int { 64 }
        public static var infinity: Self { Self(.infinity) }

        /// EIP-197's.
        public static let generator = Self(
            G2(
                knownX: Fp2(
                    0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed,
                    0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2),
                knownY: Fp2(
                    0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa,
                    0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b)))

        public var isInfinity: Bool { affine.isInfinity }

        public static prefix func - (point: Self) -> Self { Self(-point.affine) }

        public static func + (lhs: Self, rhs: Self) -> Self {
            Self((JacobianPoint(lhs.affine) + rhs.affine).affine)
        }

        public init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.uncompressedSize, in: bytes, at: offset)
            affine = try BN254.decodeG2(bytes, at: offset)
        }

        public init(compressed bytes: Span<UInt8>, at offset: Int) throws(CurveError) {
            try Self.expect(Self.compressedSize, in: bytes, at: offset)
            let flags = try BN254.flags(bytes, at: offset, size: Self.compressedSize)
            guard let isLarger = flags.isLarger else {
                affine = .infinity
                return
            }
            let x = try Fp2<BN254>(decoding: flags.x.span, at: 0, origin: offset)
            let point = try G2(x: x, isLarger: isLarger, at: offset)
            guard G2Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
            affine = point
        }

        public var uncompressed: [UInt8] {
            Fp.encode([affine.x.c1, affine.x.c0, affine.y.c1, affine.y.c0])
        }
    }

    public struct Target: Equatable, Sendable {
        let value: Fp12<BN254>
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

    /// Splits gnark's two flag bits from a compressed point; `isLarger` is nil for infinity.
    private static func flags(
        _ bytes: Span<UInt8>, at offset: Int, size: Int
    ) throws(CurveError) -> (isLarger: Bool?, x: [UInt8]) {
        var x = bytes.extracting(offset..<offset + size).copied()
        let flags = x[0] >> 6
        x[0] &= 0x3F
        switch flags {
        case 0b10: return (false, x)
        case 0b11: return (true, x)
        case 0b01:
            guard x.allSatisfy({ $0 == 0 }) else { throw .compressedFlags(offset: offset) }
            return (nil, x)
        default: throw .compressedFlags(offset: offset)
        }
    }
}
