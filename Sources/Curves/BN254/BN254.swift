import ChoraleBase

/// The pairing-friendly curve alt_bn128 with a prime of 254 bits: y² = x³ + 3.
///
/// The operations take and give bytes exactly as the precompiled contracts at addresses 6, 7 and 8
/// do. Integers are big-endian and of 32 bytes; a point of G1 is x, y; a point of G2 is the imaginary
/// and real part of x, then those of y; 64 or 128 zero bytes are the point at infinity.
///
/// Nothing runs in constant time: this is for checking public data.
///
/// Specification: EIP-196 (addition, multiplication) and EIP-197 (pairing).
public enum BN254: Sendable {
    /// Size of a point of G1, in bytes.
    public static let g1Size = 64
    /// Size of a point of G2, in bytes.
    public static let g2Size = 128
    /// Size of a scalar, in bytes.
    public static let scalarSize = 32
    /// Size of a pair of points in a pairing check, in bytes.
    public static let pairSize = g1Size + g2Size

    /// The sum of two points of G1, 64 bytes.
    ///
    /// - Parameter input: two points. Missing bytes are zero, and those after 128 are not read.
    /// - Throws: ``CurveError`` naming the coordinate or point that was refused.
    ///
    /// Specification: EIP-196, "ECADD".
    public static func add(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        let padded = padded(input)
        let first = try decodeG1(padded.span, at: 0)
        let second = try decodeG1(padded.span, at: g1Size)
        return encode((JacobianPoint(first) + second).affine)
    }

    /// A multiple of a point of G1, 64 bytes.
    ///
    /// - Parameter input: the point, then the scalar, any integer of 32 bytes. Missing bytes are zero,
    ///   and those after 96 are not read.
    /// - Throws: ``CurveError`` naming the coordinate or point that was refused.
    ///
    /// Specification: EIP-196, "ECMUL".
    public static func multiply(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        let padded = padded(input)
        let point = try decodeG1(padded.span, at: 0)
        let scalar = Limbs<4>(padded.span, at: g1Size)
        return encode(MultiScalar.multiply(point, by: scalar).affine)
    }

    /// Whether the product of the pairings of all pairs is one.
    ///
    /// - Parameter input: pairs of a point of G1 and a point of G2, any number of them. The product of
    ///   none is one.
    /// - Throws: ``CurveError``: `inputSize` unless the size is a multiple of 192; otherwise naming the
    ///   coordinate or point that was refused. Points of G2 must be in the subgroup of order r.
    /// - Complexity: one Miller loop for all pairs and one final exponentiation.
    ///
    /// Specification: EIP-197, "Encoding" and "Definition of the pairing check".
    public static func pairingCheck(_ input: Span<UInt8>) throws(CurveError) -> Bool {
        guard input.count.isMultiple(of: pairSize) else { throw .inputSize(input.count) }
        var terms: [PairingTerm<BN254>] = []
        terms.reserveCapacity(input.count / pairSize)
        for offset in stride(from: 0, to: input.count, by: pairSize) {
            let p = try decodeG1(input, at: offset)
            let q = try decodeG2(input, at: offset + g1Size)
            // e(p, q) is one when either is infinity, but both have to be valid.
            if !p.isInfinity, !q.isInfinity { terms.append(PairingTerm(p, q)) }
        }
        return pairingProduct(terms) == .one
    }

    /// The first 128 bytes, with zeros for those that are missing.
    private static func padded(_ input: Span<UInt8>) -> [128 of UInt8] {
        var bytes = [128 of UInt8](repeating: 0)
        for index in 0..<min(input.count, 128) { bytes[index] = input[index] }
        return bytes
    }
}

// MARK: Encodings

extension BN254 {
    static func decodeG1(_ bytes: Span<UInt8>, at offset: Int) throws(CurveError) -> G1 {
        let x = try Fp(decoding: bytes, at: offset)
        let y = try Fp(decoding: bytes, at: offset + Fp.size)
        guard let point = G1(x: x, y: y) else { throw .notOnCurve(offset: offset) }
        return point
    }

    static func decodeG2(_ bytes: Span<UInt8>, at offset: Int) throws(CurveError) -> G2 {
        let x = try Fp2<BN254>(decoding: bytes, at: offset)
        let y = try Fp2<BN254>(decoding: bytes, at: offset + 2 * Fp.size)
        guard let point = G2(x: x, y: y) else { throw .notOnCurve(offset: offset) }
        guard G2Shape.isInSubgroup(point) else { throw .notInSubgroup(offset: offset) }
        return point
    }

    static func encode(_ point: G1) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(g1Size)
        point.x.append(to: &bytes)
        point.y.append(to: &bytes)
        return bytes
    }
}
