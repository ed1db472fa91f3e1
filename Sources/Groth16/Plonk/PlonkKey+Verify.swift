import ChoraleBase
import Crypto
public import Curves

extension PlonkKey {
    /// Checks a proof of the statement that `inputs` are.
    ///
    /// - Throws: ``PlonkFault``, unless it holds.
    /// - Complexity: a sum of some 30 multiples in G1 and one product of two pairings.
    ///
    /// Specification: PLONK, section 8.3, as gnark's verifier has it (`backend/plonk/*/verify.go`): the
    /// constants and the blinding of the quotient's parts are gnark's.
    public func verify(
        _ proof: PlonkProof<Curve>, inputs: [Scalar<Curve.Order>]
    ) throws(PlonkFault) {
        typealias Value = Scalar<Curve.Order>
        guard inputs.count == inputCount else {
            throw .inputCount(found: inputs.count, expected: inputCount)
        }
        let expected = commitmentSelectors.count
        guard proof.commitments.count == expected, proof.selectorValues.count == expected else {
            throw .commitmentCount(
                found: max(proof.commitments.count, proof.selectorValues.count),
                expected: expected)
        }
        let challenges = PlonkChallenges(key: self, proof: proof, inputs: inputs)
        let (alpha, beta, gamma, zeta) = (
            challenges.alpha, challenges.beta, challenges.gamma, challenges.zeta
        )
        let (l, r, o) = (proof.values[0], proof.values[1], proof.values[2])
        let (s1, s2) = (proof.values[3], proof.values[4])
        let shifted = proof.shiftedValue

        // What the public inputs and the commitments add at ζ, by Lagrange's polynomials.
        let zetaPower = zeta.power(size)
        let vanishing = zetaPower - .one
        guard !vanishing.isZero else { throw .challenge }
        func lagrange(_ index: UInt64) -> Value {
            let power = root.power(index)
            return vanishing * power * sizeInverse * (zeta - power).inverse()
        }
        var publicPart = Value.zero
        for (index, input) in inputs.enumerated() where !input.isZero {
            publicPart += input * lagrange(UInt64(index))
        }
        for (index, commitment) in proof.commitments.enumerated() {
            let hash: Value = HashToField.scalar(
                commitment.uncompressed, domain: "BSB22-Plonk")
            publicPart += hash * lagrange(UInt64(inputCount) + commitmentIndices[index])
        }

        // The value that the linearised polynomial must have at ζ.
        let firstLagrange = lagrange(0)
        let alphaSquaredLagrange = alpha * alpha * firstLagrange
        let permuted = (l + beta * s1 + gamma) * (r + beta * s2 + gamma)
        let linearised =
            alphaSquaredLagrange - publicPart - alpha * permuted * (o + gamma) * shifted
        if let claimed = proof.linearised, claimed != linearised { throw .linearisation }

        // Its commitment, from those of its parts.
        let shift = cosetShift * zeta
        let identity =
            (l + beta * zeta + gamma) * (r + beta * shift + gamma)
            * (o + beta * cosetShift * shift + gamma)
        let step = zetaPower * zeta * zeta
        var terms: [(point: Curve.Point1, scalar: Value)] = [
            (ql, l), (qr, r), (qm, l * r), (qo, o), (qk, .one),
            (permutation[2], alpha * beta * shifted * permuted),
            (proof.z, alphaSquaredLagrange - alpha * identity),
            (proof.quotient[0], -vanishing), (proof.quotient[1], -(vanishing * step)),
            (proof.quotient[2], -(vanishing * step * step)),
        ]
        for (index, commitment) in proof.commitments.enumerated() {
            terms.append((commitment, proof.selectorValues[index]))
        }
        let linearisedPoint = Curve.sum(terms)

        // All openings at ζ folded into one, and that one with the opening at ω·ζ.
        let points =
            [linearisedPoint] + proof.wires + [permutation[0], permutation[1]]
            + commitmentSelectors
        let values = [linearised, l, r, o, s1, s2] + proof.selectorValues
        let fold = challenges.fold(points: points, values: values, shifted: shifted)
        var power = Value.one
        var value = Value.zero
        terms.removeAll(keepingCapacity: true)
        for (index, point) in points.enumerated() {
            terms.append((point, power))
            value += power * values[index]
            power *= fold
        }
        let mix = challenges.mix(fold: fold, points: points, proof: proof)
        terms += [
            (proof.z, mix), (generator1, -(value + mix * shifted)), (proof.opening, zeta),
            (proof.shiftedOpening, mix * zeta * root),
        ]
        let left = Curve.sum(terms)
        let right = proof.opening + Curve.sum([(proof.shiftedOpening, mix)])
        let product = Curve.pairingProduct([(left, generator2), (-right, tau)])
        guard product == Curve.targetOne else { throw .equation }
    }
}

/// What the verifier of an interactive proof would draw, by Fiat and Shamir's method: each digest covers
/// the digest before it, and is reduced where it is used.
private struct PlonkChallenges<Curve: ProofCurve> {
    typealias Value = Scalar<Curve.Order>

    let gamma: Value
    let beta: Value
    let alpha: Value
    let zeta: Value
    private let zetaDigest: Bytes32

    init(key: PlonkKey<Curve>, proof: PlonkProof<Curve>, inputs: [Value]) {
        var message: [UInt8] = []
        let fixed =
            key.permutation + [key.ql, key.qr, key.qm, key.qo, key.qk]
            + key.commitmentSelectors
        for point in fixed { message += point.uncompressed }
        for input in inputs { message += input.bytes }
        for point in proof.wires { message += point.uncompressed }
        let gamma = Self.digest("gamma", message)
        let beta = Self.digest("beta", gamma.bytes)
        message = beta.bytes
        for point in proof.commitments + [proof.z] { message += point.uncompressed }
        let alpha = Self.digest("alpha", message)
        message = alpha.bytes
        for point in proof.quotient { message += point.uncompressed }
        zetaDigest = Self.digest("zeta", message)
        self.gamma = Scalar(reducing: gamma)
        self.beta = Scalar(reducing: beta)
        self.alpha = Scalar(reducing: alpha)
        zeta = Scalar(reducing: zetaDigest)
    }

    /// The challenge by whose powers openings at one point are folded.
    func fold(points: [Curve.Point1], values: [Value], shifted: Value) -> Value {
        var message = zeta.bytes
        for point in points { message += point.uncompressed }
        for value in values { message += value.bytes }
        message += shifted.bytes
        return Scalar(reducing: Self.digest("gamma", message))
    }

    /// The challenge that joins the two points of opening. Only this verifier draws it, from everything
    /// that the prover could still have chosen.
    func mix(fold: Value, points: [Curve.Point1], proof: PlonkProof<Curve>) -> Value {
        var message = zetaDigest.bytes + fold.bytes
        for point in points + [proof.z, proof.opening, proof.shiftedOpening] {
            message += point.uncompressed
        }
        return Scalar(reducing: Self.digest("U", message))
    }

    private static func digest(_ name: String, _ message: [UInt8]) -> Bytes32 {
        var hasher = SHA256.Hasher()
        hasher.update([UInt8](name.utf8))
        hasher.update(message)
        return hasher.finish()
    }
}
