import ChoraleBase
import Crypto

/// Checks of KZG openings with the public ceremony's setup.
///
/// Nothing runs in constant time: this is for checking public data.
///
/// Specification: EIP-4844, "Point evaluation precompile", and consensus-specs
/// `deneb/polynomial-commitments.md`.
public enum KZG {
    /// Why an opening was refused.
    public enum OpeningError: Error, Hashable, Sendable {
        /// The input is not of ``inputSize`` bytes.
        case inputSize(Int)
        /// The versioned hash is not that of the commitment.
        case versionedHashMismatch
        /// The evaluation point or the claimed value is not below the group's order.
        case scalarNotBelowOrder(offset: Int)
        /// The commitment or the proof is no point of G1's subgroup.
        case point(CurveError)
        /// The polynomial that was committed to has another value there.
        case proofRefused
    }

    /// Size of an opening, in bytes: versioned hash, z and y of 32 bytes, commitment and proof of 48.
    public static let inputSize = 192

    /// `VERSIONED_HASH_VERSION_KZG`, the first byte of a versioned hash.
    static let versionedHashVersion: UInt8 = 1

    /// [τ]₂ of the ceremony, whose secret τ nobody knows: `g2_monomial[1]` of the trusted setup in
    /// consensus-specs `presets/mainnet/trusted_setups/trusted_setup_4096.json`, uncompressed.
    static let tau = BLS12381.G2(
        knownX: Fp2(
            0x185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2,
            0x15bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72
        ),
        knownY: Fp2(
            0x014353bdb96b626dd7d5ee8599d1fca2131569490e28de18e82451a496a9c9794ce26d105941f383ee689bfbbb832a99,
            0x1666c54b0a32529503432fcae0181b4bef79de09fc63671fda5ed1ba9bfa07899495346f3d7ac9cd23048ef30d0a154f
        ))

    /// Checks that the polynomial behind a commitment has the value y at z.
    ///
    /// - Parameter input: versioned hash, z, y, commitment, proof, as the precompiled contract at
    ///   address 0x0a takes them.
    /// - Returns: the contract's output: the field elements per blob, 4096, and the group's order, each
    ///   in 32 bytes.
    /// - Throws: ``OpeningError``, in every other case.
    /// - Complexity: three scalar multiplications and one pairing check of two pairs.
    ///
    /// Specification: EIP-4844, `point_evaluation_precompile`.
    public static func verifyPointEvaluation(
        _ input: Span<UInt8>
    ) throws(OpeningError) -> [UInt8] {
        guard input.count == inputSize else { throw .inputSize(input.count) }
        let expectedHash = SHA256.hash(input.extracting(96..<144)).bytes
        guard input[0] == versionedHashVersion else { throw .versionedHashMismatch }
        for index in 1..<32 where input[index] != expectedHash[index] {
            throw .versionedHashMismatch
        }
        let z = try scalar(input, at: 32)
        let y = try scalar(input, at: 64)
        let commitment = try point(input, at: 96)
        let proof = try point(input, at: 144)

        // e(C − [y]₁, −[1]₂) · e(π, [τ − z]₂) = 1 with z moved to the other side, so that G2 needs no
        // multiplication: e(C − [y]₁ + [z]π, −[1]₂) · e(π, [τ]₂) = 1.
        let sum = MultiScalar.sum(of: [
            ScalarProduct(point: -BLS12381.generatorOfG1, scalar: y),
            ScalarProduct(point: proof, scalar: z),
        ])
        let left = (sum + commitment).affine
        var terms: [PairingTerm<BLS12381>] = []
        if !left.isInfinity { terms.append(PairingTerm(left, -BLS12381.generatorOfG2)) }
        if !proof.isInfinity { terms.append(PairingTerm(proof, tau)) }
        guard BLS12381.pairingProduct(terms) == .one else { throw .proofRefused }
        return output
    }

    private static let output: [UInt8] = {
        var bytes = [UInt8](repeating: 0, count: 32)
        bytes[30] = UInt8(4096 >> 8)
        for index in stride(from: 3, through: 0, by: -1) {
            bytes.appendBigEndian(BLS12381.order[index])
        }
        return bytes
    }()

    private static func scalar(
        _ input: Span<UInt8>, at offset: Int
    ) throws(OpeningError) -> Limbs<4> {
        let scalar = Limbs<4>(input, at: offset)
        guard scalar < BLS12381.order else { throw .scalarNotBelowOrder(offset: offset) }
        return scalar
    }

    private static func point(
        _ input: Span<UInt8>, at offset: Int
    ) throws(OpeningError) -> BLS12381.G1 {
        do {
            return try BLS12381.decodeCompressedG1(input, at: offset)
        } catch {
            throw .point(error)
        }
    }
}
