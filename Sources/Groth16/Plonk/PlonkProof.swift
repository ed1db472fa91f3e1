import ChoraleBase
public import Curves

/// Why a PLONK proof was refused.
public enum PlonkFault: Error, Hashable, Sendable {
    case size(found: Int, expected: Int)
    /// No encoding of a point of the subgroup; the offset counts from the proof's first byte.
    case point(CurveError)
    /// A claimed value that is not below the group's order.
    case valueNotBelowOrder(index: Int)
    case inputCount(found: Int, expected: Int)
    case inputNotBelowOrder(index: Int)
    /// Not as many commitments, or values of their selectors, as the key has.
    case commitmentCount(found: Int, expected: Int)
    /// The claimed value of the linearised polynomial is another than the one that follows from the rest.
    case linearisation
    /// The challenge hit a root of unity, which happens once in 2²²⁵ times.
    case challenge
    /// The openings do not hold.
    case equation
}

/// A proof of gnark's PLONK.
public struct PlonkProof<Curve: ProofCurve>: Equatable, Sendable {
    /// L, R, O.
    public let wires: [Curve.Point1]
    /// H₀, H₁, H₂.
    public let quotient: [Curve.Point1]
    public let z: Curve.Point1
    /// l, r, o, s₁ and s₂ at ζ.
    public let values: [Scalar<Curve.Order>]
    /// z at ω·ζ.
    public let shiftedValue: Scalar<Curve.Order>
    public let opening: Curve.Point1
    public let shiftedOpening: Curve.Point1
    /// Of each commitment's selector, at ζ.
    public let selectorValues: [Scalar<Curve.Order>]
    public let commitments: [Curve.Point1]
    /// What the prover says that the linearised polynomial is at ζ, where the format has it.
    public let linearised: Scalar<Curve.Order>?

    public init(
        wires: [Curve.Point1], quotient: [Curve.Point1], z: Curve.Point1,
        values: [Scalar<Curve.Order>], shiftedValue: Scalar<Curve.Order>,
        opening: Curve.Point1, shiftedOpening: Curve.Point1,
        selectorValues: [Scalar<Curve.Order>], commitments: [Curve.Point1],
        linearised: Scalar<Curve.Order>? = nil
    ) {
        precondition(
            wires.count == 3 && quotient.count == 3 && values.count == 5,
            "the numbers that every proof has")
        self.wires = wires
        self.quotient = quotient
        self.z = z
        self.values = values
        self.shiftedValue = shiftedValue
        self.opening = opening
        self.shiftedOpening = shiftedOpening
        self.selectorValues = selectorValues
        self.commitments = commitments
        self.linearised = linearised
    }
}

extension PlonkProof where Curve == BN254 {
    /// Size of a proof of SP1, without what stands in front of it, in bytes.
    public static var size: Int { 864 }

    /// A proof as SP1's contracts take it, from `offset` on.
    public init(contract bytes: Span<UInt8>, at offset: Int) throws(PlonkFault) {
        guard offset >= 0, offset <= bytes.count, bytes.count - offset >= Self.size else {
            throw .size(found: bytes.count, expected: Self.size)
        }
        func point(_ position: Int) throws(PlonkFault) -> BN254.Point1 {
            do {
                return try BN254.Point1(uncompressed: bytes, at: offset + position)
            } catch {
                throw .point(error)
            }
        }
        func value(_ index: Int, _ position: Int) throws(PlonkFault) -> Scalar<BN254.Order> {
            guard let value = Scalar<BN254.Order>(bytes, at: offset + position) else {
                throw .valueNotBelowOrder(index: index)
            }
            return value
        }
        var values: [Scalar<BN254.Order>] = []
        for index in 0..<5 { values.append(try value(index, 384 + 32 * index)) }
        self.init(
            wires: [try point(0), try point(64), try point(128)],
            quotient: [try point(192), try point(256), try point(320)],
            z: try point(544), values: values, shiftedValue: try value(5, 608),
            opening: try point(640), shiftedOpening: try point(704),
            selectorValues: [try value(6, 768)], commitments: [try point(800)])
    }
}
