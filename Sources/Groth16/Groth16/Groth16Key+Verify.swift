import ChoraleBase
public import Curves

extension Groth16Key {
    /// Checks a proof of the statement that `inputs` are.
    ///
    /// - Throws: ``Groth16Fault``, unless it holds.
    /// - Complexity: a sum of as many multiples as there are inputs and a product of three pairings;
    ///   with a commitment one of two more.
    ///
    /// Specification: e(A, B) = e(α, β) · e(K₀ + Σ xᵢ·Kᵢ, γ) · e(C, δ) (Groth, section 3.2).
    public func verify(
        _ proof: Groth16Proof<Curve>, inputs: [Scalar<Curve.Order>]
    ) throws(Groth16Fault) {
        guard inputs.count == inputCount else {
            throw .inputCount(found: inputs.count, expected: inputCount)
        }
        guard (proof.commitment == nil) == (commitment == nil) else {
            throw .commitmentCount(
                found: proof.commitment == nil ? 0 : 1, expected: commitment == nil ? 0 : 1)
        }
        guard !proof.a.isInfinity else { throw .infinity(.a) }
        guard !proof.b.isInfinity else { throw .infinity(.b) }
        guard !proof.c.isInfinity else { throw .infinity(.c) }

        var terms: [(point: Curve.Point1, scalar: Scalar<Curve.Order>)] = []
        terms.reserveCapacity(points.count)
        for (index, input) in inputs.enumerated() where !input.isZero {
            terms.append((points[index + 1], input))
        }
        var sum = points[0]
        if let commitment, let committed = proof.commitment {
            try Self.verifyKnowledge(committed, commitment)
            terms.append(
                (points[points.count - 1], Self.hash(committed, inputs, commitment)))
            sum = sum + committed.point
        }
        sum = sum + Curve.sum(terms)
        let product = Curve.pairingProduct([
            (proof.a, proof.b), (sum, gammaNegated), (proof.c, deltaNegated),
        ])
        guard product == alphaBeta else { throw .equation }
    }

    /// Checks that the prover knows what is committed to: e(D, −σG) · e(P, G) = 1.
    private static func verifyKnowledge(
        _ committed: Groth16Proof<Curve>.Commitment, _ key: Commitment
    ) throws(Groth16Fault) {
        guard !committed.point.isInfinity else { throw .infinity(.commitment) }
        guard !committed.proofOfKnowledge.isInfinity else { throw .infinity(.proofOfKnowledge) }
        let product = Curve.pairingProduct([
            (committed.point, key.gSigmaNegated), (committed.proofOfKnowledge, key.g),
        ])
        guard product == Curve.targetOne else { throw .commitmentNotKnown }
    }

    /// The challenge that the circuit takes as one more input.
    private static func hash(
        _ committed: Groth16Proof<Curve>.Commitment, _ inputs: [Scalar<Curve.Order>],
        _ key: Commitment
    ) -> Scalar<Curve.Order> {
        var message = committed.point.uncompressed
        for index in key.committedInputs { message += inputs[index].bytes }
        return HashToField.scalar(message, domain: "bsb22-commitment")
    }
}

extension Groth16Key {
    /// Reads public inputs, each 32 bytes big-endian and below the order.
    public static func inputs(
        _ bytes: Span<UInt8>, at offset: Int, count: Int
    ) throws(Groth16Fault) -> [Scalar<Curve.Order>] {
        var inputs: [Scalar<Curve.Order>] = []
        inputs.reserveCapacity(count)
        for index in 0..<count {
            guard let input = Scalar<Curve.Order>(bytes, at: offset + 32 * index) else {
                throw .inputNotBelowOrder(index: index)
            }
            inputs.append(input)
        }
        return inputs
    }
}
