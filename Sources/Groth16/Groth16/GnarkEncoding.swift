import ChoraleBase
public import Curves

/// Keys and proofs as gnark writes them, with compressed points.
public enum GnarkEncoding {
    /// A verifying key file of SP1: α, β₁, β, γ, δ₁, δ, the number of points, the points, and two empty
    /// lists of commitments, for which the oldest version has an unused commitment key.
    ///
    /// β₁ and δ₁ are for provers; they are decoded all the same, so that a key has one encoding.
    ///
    /// Specification: consensys/gnark `backend/groth16/bn254/marshal.go`.
    public static func key<Curve: ProofCurve>(
        _ bytes: Span<UInt8>, on _: Curve.Type
    ) throws(VerifyingKeyFault) -> Groth16Key<Curve> {
        let first = Curve.Point1.compressedSize
        let second = Curve.Point2.compressedSize
        let head = 3 * first + 3 * second + 4
        guard bytes.count >= head else { throw .size(found: bytes.count, expected: head) }
        let count = Int(bytes.loadBigEndian(UInt32.self, at: head - 4))
        guard (1...Groth16KeyPoints<Curve>.inputCountMax + 1).contains(count) else {
            throw .inputCount(found: count - 1, limit: Groth16KeyPoints<Curve>.inputCountMax)
        }
        let end = head + count * first
        // No commitments: two empty lists, or one and a key that nothing refers to.
        guard bytes.count == end + 8 || bytes.count == end + 4 + 2 * second else {
            throw .size(found: bytes.count, expected: end + 8)
        }
        let zeroCount = bytes.count == end + 8 ? 8 : 4
        for offset in end..<end + zeroCount where bytes[offset] != 0 {
            throw .notZero(offset: offset)
        }
        let key: Groth16KeyPoints<Curve>
        do {
            let alpha = try Curve.Point1(compressed: bytes, at: 0)
            _ = try Curve.Point1(compressed: bytes, at: first)
            let beta = try Curve.Point2(compressed: bytes, at: 2 * first)
            let gamma = try Curve.Point2(compressed: bytes, at: 2 * first + second)
            _ = try Curve.Point1(compressed: bytes, at: 2 * first + 2 * second)
            let delta = try Curve.Point2(compressed: bytes, at: 3 * first + 2 * second)
            var points: [Curve.Point1] = []
            points.reserveCapacity(count)
            for index in 0..<count {
                points.append(try Curve.Point1(compressed: bytes, at: head + index * first))
            }
            if zeroCount == 4 {
                _ = try Curve.Point2(compressed: bytes, at: end + 4)
                _ = try Curve.Point2(compressed: bytes, at: end + 4 + second)
            }
            key = Groth16KeyPoints(
                alpha: alpha, beta: beta, gamma: gamma, delta: delta, inputs: points)
        } catch {
            throw .point(error)
        }
        return try Groth16Key(key)
    }

    /// A proof of compressed points: A, B, C, and with a commitment the commitment and the proof that
    /// its content is known.
    public static func proof<Curve: ProofCurve>(
        _ bytes: Span<UInt8>, hasCommitment: Bool, on _: Curve.Type
    ) throws(Groth16Fault) -> Groth16Proof<Curve> {
        let first = Curve.Point1.compressedSize
        let second = Curve.Point2.compressedSize
        let size = (hasCommitment ? 4 : 2) * first + second
        guard bytes.count == size else { throw .size(found: bytes.count, expected: size) }
        func point(_ name: Groth16Fault.Point, _ offset: Int) throws(Groth16Fault) -> Curve.Point1 {
            do {
                return try Curve.Point1(compressed: bytes, at: offset)
            } catch {
                throw .point(name, error)
            }
        }
        let a = try point(.a, 0)
        let b = try Groth16Proof<Curve>.point(.b) { () throws(CurveError) in
            try Curve.Point2(compressed: bytes, at: first)
        }
        let c = try point(.c, first + second)
        guard hasCommitment else { return Groth16Proof(a: a, b: b, c: c) }
        return Groth16Proof(
            a: a, b: b, c: c,
            commitment: .init(
                point: try point(.commitment, 2 * first + second),
                proofOfKnowledge: try point(.proofOfKnowledge, 3 * first + second)))
    }
}
