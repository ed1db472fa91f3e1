import ChoraleBase

// EIP-2537, "Fine points and encoding of base elements".

extension BLS12381 {
    private static let paddingSize = 16

    static func decodeFp(_ bytes: Span<UInt8>, at offset: Int) throws(CurveError) -> Fp {
        for index in offset..<offset + paddingSize where bytes[index] != 0 {
            throw .paddingNotZero(offset: offset)
        }
        guard let element = Fp(bytes, at: offset + paddingSize) else {
            throw .coordinateNotBelowPrime(offset: offset)
        }
        return element
    }

    static func decodeFp2(
        _ bytes: Span<UInt8>, at offset: Int
    ) throws(CurveError) -> Fp2<BLS12381> {
        let c0 = try decodeFp(bytes, at: offset)
        let c1 = try decodeFp(bytes, at: offset + fpSize)
        return Fp2(c0, c1)
    }

    /// A point of the curve, in the subgroup or not.
    static func decodeG1(_ bytes: Span<UInt8>, at offset: Int) throws(CurveError) -> G1 {
        let x = try decodeFp(bytes, at: offset)
        let y = try decodeFp(bytes, at: offset + fpSize)
        guard let point = G1(x: x, y: y) else { throw .notOnCurve(offset: offset) }
        return point
    }

    /// A point of the curve, in the subgroup or not.
    static func decodeG2(_ bytes: Span<UInt8>, at offset: Int) throws(CurveError) -> G2 {
        let x = try decodeFp2(bytes, at: offset)
        let y = try decodeFp2(bytes, at: offset + fp2Size)
        guard let point = G2(x: x, y: y) else { throw .notOnCurve(offset: offset) }
        return point
    }

    static func decodeG1InSubgroup(
        _ bytes: Span<UInt8>, at offset: Int
    ) throws(CurveError) -> G1 {
        let point = try decodeG1(bytes, at: offset)
        guard G1Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
        return point
    }

    static func decodeG2InSubgroup(
        _ bytes: Span<UInt8>, at offset: Int
    ) throws(CurveError) -> G2 {
        let point = try decodeG2(bytes, at: offset)
        guard G2Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
        return point
    }

    /// One or more points of `pointSize` bytes, each with its scalar.
    static func decodeProducts<Shape: CurveShape>(
        _ input: Span<UInt8>, _ pointSize: Int,
        _ decode: (Span<UInt8>, Int) throws(CurveError) -> AffinePoint<Shape>
    ) throws(CurveError) -> [ScalarProduct<Shape>] {
        let size = pointSize + scalarSize
        guard input.count > 0, input.count.isMultiple(of: size) else {
            throw .inputSize(input.count)
        }
        var products: [ScalarProduct<Shape>] = []
        products.reserveCapacity(input.count / size)
        for offset in stride(from: 0, to: input.count, by: size) {
            let point = try decode(input, offset)
            let scalar = Limbs<4>(input, at: offset + pointSize)
            products.append(ScalarProduct(point: point, scalar: scalar))
        }
        return products
    }

    static func encode(_ point: G1) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(g1Size)
        for coordinate in [point.x, point.y] { append(coordinate, to: &bytes) }
        return bytes
    }

    static func encode(_ point: G2) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(g2Size)
        for coordinate in [point.x.c0, point.x.c1, point.y.c0, point.y.c1] {
            append(coordinate, to: &bytes)
        }
        return bytes
    }

    private static func append(_ coordinate: Fp, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: repeatElement(0, count: paddingSize))
        coordinate.append(to: &bytes)
    }

    /// A point of G1's subgroup from its compressed form of 48 bytes.
    ///
    /// The highest bits of the first byte say: compressed (always set), infinity (all else is then
    /// zero), and whether y is the larger of the two.
    ///
    /// Specification: draft-irtf-cfrg-pairing-friendly-curves-10, appendix C.2; what EIP-4844 calls
    /// `validate_kzg_g1`.
    static func decodeCompressedG1(
        _ bytes: Span<UInt8>, at offset: Int
    ) throws(CurveError) -> G1 {
        let flags = bytes[offset] & 0xE0
        var x = [48 of UInt8](repeating: 0)
        for index in 0..<48 { x[index] = bytes[offset + index] }
        x[0] &= 0x1F
        guard flags & 0x80 != 0 else { throw .compressedFlags(offset: offset) }
        guard let x = Fp(x.span, at: 0) else { throw .coordinateNotBelowPrime(offset: offset) }
        if flags & 0x40 != 0 {
            guard flags == 0xC0, x.isZero else { throw .compressedFlags(offset: offset) }
            return .infinity
        }
        let point = try G1(x: x, isLarger: flags & 0x20 != 0, at: offset)
        guard G1Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
        return point
    }
}
