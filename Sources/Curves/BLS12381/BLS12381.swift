import ChoraleBase

/// The pairing-friendly curve BLS12-381 with a prime of 381 bits: y² = x³ + 4.
///
/// The operations take and give bytes exactly as the precompiled contracts at addresses 0x0b to 0x11
/// do. Integers are big-endian. An element of Fp takes 64 bytes of which the first 16 are zero; one of
/// Fp2 is its real and then its imaginary part; a point is x, y; zero bytes are the point at infinity.
///
/// Nothing runs in constant time: this is for checking public data.
///
/// Specification: EIP-2537.
public enum BLS12381: Sendable {
    /// Size of an element of Fp, in bytes.
    public static let fpSize = 64
    /// Size of an element of Fp2, in bytes.
    public static let fp2Size = 128
    /// Size of a point of G1, in bytes.
    public static let g1Size = 128
    /// Size of a point of G2, in bytes.
    public static let g2Size = 256
    /// Size of a scalar, in bytes.
    public static let scalarSize = 32
    /// Size of a pair of points in a pairing check, in bytes.
    public static let pairSize = g1Size + g2Size

    /// The sum of two points of G1's curve, 128 bytes.
    ///
    /// - Parameter input: two points, 256 bytes. They need not be in the subgroup.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    ///
    /// Specification: EIP-2537, "ABI for G1 addition".
    public static func g1Add(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        guard input.count == 2 * g1Size else { throw .inputSize(input.count) }
        let first = try decodeG1(input, at: 0)
        let second = try decodeG1(input, at: g1Size)
        return encode((JacobianPoint(first) + second).affine)
    }

    /// The sum of two points of G2's curve, 256 bytes.
    ///
    /// - Parameter input: two points, 512 bytes. They need not be in the subgroup.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    ///
    /// Specification: EIP-2537, "ABI for G2 addition".
    public static func g2Add(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        guard input.count == 2 * g2Size else { throw .inputSize(input.count) }
        let first = try decodeG2(input, at: 0)
        let second = try decodeG2(input, at: g2Size)
        return encode((JacobianPoint(first) + second).affine)
    }

    /// A sum of multiples of points of G1, 128 bytes.
    ///
    /// - Parameter input: one or more times 160 bytes: a point of the subgroup, then its scalar, any
    ///   integer of 32 bytes.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    /// - Complexity: see the module's README; a subgroup check per point.
    ///
    /// Specification: EIP-2537, "ABI for G1 MSM".
    public static func g1MultiScalar(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        let products = try decodeProducts(input, g1Size) { bytes, offset throws(CurveError) in
            try decodeG1InSubgroup(bytes, at: offset)
        }
        return encode(MultiScalar.sum(of: products).affine)
    }

    /// A sum of multiples of points of G2, 256 bytes.
    ///
    /// - Parameter input: one or more times 288 bytes: a point of the subgroup, then its scalar, any
    ///   integer of 32 bytes.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    /// - Complexity: see the module's README; a subgroup check per point.
    ///
    /// Specification: EIP-2537, "ABI for G2 MSM".
    public static func g2MultiScalar(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        let products = try decodeProducts(input, g2Size) { bytes, offset throws(CurveError) in
            try decodeG2InSubgroup(bytes, at: offset)
        }
        return encode(MultiScalar.sum(of: products).affine)
    }

    /// Whether the product of the pairings of all pairs is one.
    ///
    /// - Parameter input: one or more times 384 bytes: a point of G1 and one of G2, each in its
    ///   subgroup.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    /// - Complexity: one Miller loop for all pairs and one final exponentiation.
    ///
    /// Specification: EIP-2537, "ABI for pairing check".
    public static func pairingCheck(_ input: Span<UInt8>) throws(CurveError) -> Bool {
        guard input.count > 0, input.count.isMultiple(of: pairSize) else {
            throw .inputSize(input.count)
        }
        var terms: [PairingTerm<BLS12381>] = []
        terms.reserveCapacity(input.count / pairSize)
        for offset in stride(from: 0, to: input.count, by: pairSize) {
            let p = try decodeG1InSubgroup(input, at: offset)
            let q = try decodeG2InSubgroup(input, at: offset + g1Size)
            // e(p, q) is one when either is infinity, but both have to be valid.
            if !p.isInfinity, !q.isInfinity { terms.append(PairingTerm(p, q)) }
        }
        return pairingProduct(terms) == .one
    }

    /// The point of G1 that an element of Fp maps to, 128 bytes.
    ///
    /// - Parameter input: the element, 64 bytes.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    ///
    /// Specification: EIP-2537, "ABI for mapping Fp element to G1 point".
    public static func mapFpToG1(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        guard input.count == fpSize else { throw .inputSize(input.count) }
        return encode(G1Shape.map(try decodeFp(input, at: 0)).affine)
    }

    /// The point of G2 that an element of Fp2 maps to, 256 bytes.
    ///
    /// - Parameter input: the element, 128 bytes.
    /// - Throws: ``CurveError``: `inputSize`, or naming what was refused.
    ///
    /// Specification: EIP-2537, "ABI for mapping Fp2 element to G2 point".
    public static func mapFp2ToG2(_ input: Span<UInt8>) throws(CurveError) -> [UInt8] {
        guard input.count == fp2Size else { throw .inputSize(input.count) }
        return encode(G2Shape.map(try decodeFp2(input, at: 0)).affine)
    }
}
