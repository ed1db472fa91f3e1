public import Curves

/// The points that a verifying key consists of.
public struct Groth16KeyPoints<Curve: ProofCurve>: Sendable {
    /// Most public inputs. Real circuits hash what they have many of.
    public static var inputCountMax: Int { 1024 }

    public let alpha: Curve.Point1
    public let beta: Curve.Point2
    public let gamma: Curve.Point2
    public let delta: Curve.Point2
    /// K₀, then one for each public input, and last one for the commitment's hash if there is one.
    public let inputs: [Curve.Point1]

    public init(
        alpha: Curve.Point1, beta: Curve.Point2, gamma: Curve.Point2, delta: Curve.Point2,
        inputs: [Curve.Point1]
    ) {
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.delta = delta
        self.inputs = inputs
    }
}

/// A verifying key, with what can be computed of it before a proof is there.
///
/// Whoever knows the set-up's trapdoor can prove anything under a key: which key counts is the caller's
/// decision.
///
/// Specification: J. Groth, "On the size of pairing-based non-interactive arguments", section 3.2.
public struct Groth16Key<Curve: ProofCurve>: Sendable {
    /// A key that lets a circuit commit to some of its wires with Pedersen's scheme.
    ///
    /// Specification: gnark's extension of Groth16 (`frontend.Committer`).
    public struct Commitment: Sendable {
        /// G and −σ·G.
        public let g: Curve.Point2
        public let gSigmaNegated: Curve.Point2
        /// Which public inputs are committed to as well, counted from 0.
        public let committedInputs: [Int]

        public init(g: Curve.Point2, gSigmaNegated: Curve.Point2, committedInputs: [Int]) {
            self.g = g
            self.gSigmaNegated = gSigmaNegated
            self.committedInputs = committedInputs
        }
    }

    /// e(α, β).
    let alphaBeta: Curve.Target
    let gammaNegated: Curve.Point2
    let deltaNegated: Curve.Point2
    /// The point of the constant, then those of the inputs, and last that of the commitment's hash.
    let points: [Curve.Point1]
    let commitment: Commitment?

    /// How many public inputs a statement has.
    public var inputCount: Int { points.count - 1 - (commitment == nil ? 0 : 1) }

    /// - Throws: ``VerifyingKeyFault`` for too many inputs or none of the points that must be there, and
    ///   for points at infinity: with one of those the equation loses a term, and anybody can prove
    ///   anything.
    public init(
        _ key: Groth16KeyPoints<Curve>, commitment: Commitment? = nil
    ) throws(VerifyingKeyFault) {
        let extra = commitment == nil ? 1 : 2
        let limit = Groth16KeyPoints<Curve>.inputCountMax
        guard (0...limit).contains(key.inputs.count - extra) else {
            throw .inputCount(found: key.inputs.count - extra, limit: limit)
        }
        guard !key.alpha.isInfinity, !key.beta.isInfinity, !key.gamma.isInfinity,
            !key.delta.isInfinity
        else { throw .infinity }
        if let commitment {
            guard !commitment.g.isInfinity, !commitment.gSigmaNegated.isInfinity else {
                throw .infinity
            }
            let count = key.inputs.count - extra
            guard commitment.committedInputs.allSatisfy({ (0..<count).contains($0) }) else {
                throw .inconsistent("a committed input that the key does not have")
            }
        }
        alphaBeta = Curve.pairingProduct([(key.alpha, key.beta)])
        gammaNegated = -key.gamma
        deltaNegated = -key.delta
        points = key.inputs
        self.commitment = commitment
    }
}

/// A proof: three points, and with a key that has a commitment two more.
public struct Groth16Proof<Curve: ProofCurve>: Equatable, Sendable {
    public struct Commitment: Equatable, Sendable {
        public let point: Curve.Point1
        public let proofOfKnowledge: Curve.Point1

        public init(point: Curve.Point1, proofOfKnowledge: Curve.Point1) {
            self.point = point
            self.proofOfKnowledge = proofOfKnowledge
        }
    }

    public let a: Curve.Point1
    public let b: Curve.Point2
    public let c: Curve.Point1
    public let commitment: Commitment?

    public init(
        a: Curve.Point1, b: Curve.Point2, c: Curve.Point1, commitment: Commitment? = nil
    ) {
        self.a = a
        self.b = b
        self.c = c
        self.commitment = commitment
    }

    /// Size of A, B and C uncompressed, in bytes.
    public static var size: Int {
        2 * Curve.Point1.uncompressedSize + Curve.Point2.uncompressedSize
    }

    /// A, B and C uncompressed, as contracts take them, from `offset` on.
    public init(uncompressed bytes: Span<UInt8>, at offset: Int) throws(Groth16Fault) {
        guard offset >= 0, offset <= bytes.count, bytes.count - offset >= Self.size else {
            throw .size(found: bytes.count, expected: Self.size)
        }
        let first = Curve.Point1.uncompressedSize
        a = try Self.point(.a) { () throws(CurveError) in
            try Curve.Point1(uncompressed: bytes, at: offset)
        }
        b = try Self.point(.b) { () throws(CurveError) in
            try Curve.Point2(uncompressed: bytes, at: offset + first)
        }
        c = try Self.point(.c) { () throws(CurveError) in
            try Curve.Point1(uncompressed: bytes, at: offset + Self.size - first)
        }
        commitment = nil
    }

    /// A, B and C uncompressed.
    public var uncompressed: [UInt8] { a.uncompressed + b.uncompressed + c.uncompressed }

    static func point<Point: CurvePoint>(
        _ name: Groth16Fault.Point, _ decode: () throws(CurveError) -> Point
    ) throws(Groth16Fault) -> Point {
        do {
            return try decode()
        } catch {
            throw .point(name, error)
        }
    }
}
