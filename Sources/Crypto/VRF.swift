import CSodium
public import ChoraleBase

/// The verifiable random function ECVRF-EDWARDS25519-SHA512-TAI.
///
/// The owner of an Ed25519 key turns an input `alpha` into 64 bytes that nobody else could have
/// computed, with a proof that they are the right ones. Each key gives one output for each input;
/// which output it is cannot be chosen, because public keys of small order are refused.
///
/// Specification: RFC 9381, suite 0x03 (section 5.5), with key validation (section 5.4.5).
public enum VRF {
    /// Size of a proof (`pi_string`), in bytes: Gamma 32, c 16, s 32.
    public static let proofSize = 80
    /// Size of an output (`beta_string`), in bytes.
    public static let outputSize = 64

    static let suite: UInt8 = 0x03

    /// Why a proof was refused. Every case is the prover's fault.
    public enum VerifyError: Error, Equatable, Sendable {
        case wrongProofSize(Int)
        /// Not the canonical encoding of a point of the curve.
        case publicKeyNotAPoint
        /// RFC 9381 section 5.4.5: such a key could choose its outputs.
        case publicKeyOfSmallOrder
        /// Gamma is not the canonical encoding of a point of the curve.
        case gammaNotAPoint
        /// s is not below the group order.
        case responseOutOfRange
        /// The proof is of another input, by another key, or no proof.
        case challengeMismatch
    }

    /// The proof for `alpha`. Deterministic.
    ///
    /// Operations with the private key take constant time; hashing `alpha` to the curve does not,
    /// and so `alpha` must not be secret (RFC 9381 section 7.6).
    public static func prove(alpha: Span<UInt8>, privateKey: Ed25519.PrivateKey) -> [UInt8] {
        let publicKey = privateKey.publicKey
        let (point, _) = hashToCurve(alpha, salt: publicKey)

        var hasher = SHA512.Hasher()
        privateKey.seed.withSpan { hasher.update($0) }
        let expanded = hasher.finishSecret()
        // RFC 8032 section 5.1.5: the lower half, clamped, is the scalar.
        let scalar = expanded.withSpan { expanded in
            SecretBytes(count: 32) { scalar in
                for index in 0..<32 { scalar[index] = expanded[index] }
                scalar[0] &= 0xF8
                scalar[31] = scalar[31] & 0x7F | 0x40
            }
        }
        expanded.withSpan { hasher.update($0.extracting(32..<64)) }
        hasher.update(point)
        let wide = hasher.finishSecret()
        let nonce = SecretBytes(count: 32) { nonce in
            wide.withPointer { crypto_core_ed25519_scalar_reduce(nonce, $0) }
        }

        let gamma = scalar.withPointer { Edwards25519.multiply($0, point) }
        let commitment = nonce.withPointer { Edwards25519.multiplyBase($0) }
        let commitmentAtPoint = nonce.withPointer { Edwards25519.multiply($0, point) }
        let challenge = challenge(publicKey, point, gamma, commitment, commitmentAtPoint)

        var response = Bytes32.zero
        let product = SecretBytes(count: 32) { product in
            scalar.withPointer { scalar in
                Bytes32(paddingChallenge: challenge.span).withPointer {
                    crypto_core_ed25519_scalar_mul(product, $0, scalar)
                }
            }
        }
        response.withMutablePointer { response in
            product.withPointer { product in
                nonce.withPointer { crypto_core_ed25519_scalar_add(response, $0, product) }
            }
        }
        return gamma.bytes + challenge + response.bytes
    }

    /// The proof for `alpha`. Deterministic.
    public static func prove(alpha: [UInt8], privateKey: Ed25519.PrivateKey) -> [UInt8] {
        prove(alpha: alpha.span, privateKey: privateKey)
    }

    /// Checks a proof and gives the 64 bytes it proves.
    ///
    /// - Throws: ``VerifyError`` naming the first check that fails.
    /// - Complexity: O(size of `alpha`), and half a millisecond.
    public static func verify(
        proof: Span<UInt8>, alpha: Span<UInt8>, publicKey: Bytes32
    ) throws(VerifyError) -> [UInt8] {
        guard let memo = SignatureMemo.current else {
            return try check(proof: proof, alpha: alpha, publicKey: publicKey)
        }
        let digest = SignatureMemo.digest(
            .vrf, signature: proof, message: alpha, publicKey: publicKey)
        if memo.contains(digest) { return output(try Proof(proof).gamma) }
        let output = try check(proof: proof, alpha: alpha, publicKey: publicKey)
        memo.insert(digest)
        return output
    }

    private static func check(
        proof: Span<UInt8>, alpha: Span<UInt8>, publicKey: Bytes32
    ) throws(VerifyError) -> [UInt8] {
        guard let key = Edwards25519.Point(publicKey) else { throw .publicKeyNotAPoint }
        guard !key.isOfSmallOrder else { throw .publicKeyOfSmallOrder }
        let proof = try Proof(proof)
        let (point, _) = hashToCurve(alpha, salt: publicKey)

        let commitment = difference(
            proof.response.withPointer { Edwards25519.multiplyBase($0) },
            key.multiplied(byPublic: proof.challenge.span))
        let commitmentAtPoint = difference(
            proof.response.withPointer { Edwards25519.multiply($0, point) },
            proof.gamma.multiplied(byPublic: proof.challenge.span))
        let expected = challenge(
            publicKey, point, proof.gamma.one, commitment, commitmentAtPoint)
        guard expected == proof.challenge else { throw .challengeMismatch }
        return output(proof.gamma)
    }

    /// As the form with spans.
    public static func verify(
        proof: [UInt8], alpha: [UInt8], publicKey: Bytes32
    ) throws(VerifyError) -> [UInt8] {
        try verify(proof: proof.span, alpha: alpha.span, publicKey: publicKey)
    }

    /// The 64 bytes that a proof proves, for whoever made the proof.
    ///
    /// Checks the proof's form and not that it is valid: for a proof from elsewhere use `verify`.
    public static func output(ofTrusted proof: [UInt8]) throws(VerifyError) -> [UInt8] {
        output(try Proof(proof.span).gamma)
    }

    /// The three parts of a proof, each in its range.
    private struct Proof {
        let gamma: Edwards25519.Point
        let challenge: [UInt8]
        let response: Bytes32

        init(_ bytes: Span<UInt8>) throws(VerifyError) {
            guard bytes.count == proofSize,
                let encoding = Bytes32(bytes.extracting(0..<32)),
                let response = Bytes32(bytes.extracting(48..<80))
            else { throw .wrongProofSize(bytes.count) }
            guard let gamma = Edwards25519.Point(encoding) else { throw .gammaNotAPoint }
            guard Edwards25519.isReduced(response) else { throw .responseOutOfRange }
            self.gamma = gamma
            self.challenge = bytes.extracting(32..<48).copied()
            self.response = response
        }
    }

    private static func output(_ gamma: Edwards25519.Point) -> [UInt8] {
        var hasher = SHA512.Hasher()
        hasher.update([suite, 0x03])
        hasher.update(gamma.eight)
        hasher.update(0x00)
        return hasher.finish()
    }

    /// ECVRF_encode_to_curve_try_and_increment (section 5.4.1.1), and the counter that succeeded.
    static func hashToCurve(_ alpha: Span<UInt8>, salt: Bytes32) -> (point: Bytes32, counter: Int) {
        var prefix = SHA512.Hasher()
        prefix.update([suite, 0x01])
        prefix.update(salt)
        prefix.update(alpha)
        for counter in UInt8.min...UInt8.max {
            var hasher = prefix
            hasher.update(counter)
            hasher.update(0x00)
            let digest = hasher.finish()
            guard let encoding = Bytes32(digest.span.extracting(0..<32)),
                let point = Edwards25519.Point(encoding), !point.isOfSmallOrder
            else { continue }
            return (point.eight, Int(counter))
        }
        // Each attempt succeeds half the time: finding such an input takes 2^256 tries.
        preconditionFailure("256 hashes in a row were no points")
    }

    /// ECVRF_challenge_generation (section 5.4.3): the first 16 bytes.
    private static func challenge(
        _ publicKey: Bytes32, _ point: Bytes32, _ gamma: Bytes32, _ commitment: Bytes32,
        _ commitmentAtPoint: Bytes32
    ) -> [UInt8] {
        var hasher = SHA512.Hasher()
        hasher.update([suite, 0x02])
        for part in [publicKey, point, gamma, commitment, commitmentAtPoint] { hasher.update(part) }
        hasher.update(0x00)
        return Array(hasher.finish().prefix(16))
    }

    private static func difference(_ first: Bytes32, _ second: Bytes32) -> Bytes32 {
        guard let difference = Edwards25519.subtract(first, second) else {
            preconditionFailure("results of multiplications are points")
        }
        return difference
    }
}

extension Bytes32 {
    /// A 16-byte challenge as a scalar.
    fileprivate init(paddingChallenge challenge: Span<UInt8>) {
        self = .zero
        for index in 0..<16 { storage[index] = challenge[index] }
    }
}
