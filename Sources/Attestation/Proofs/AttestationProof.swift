import ChoraleBase
public import Codec

/// What travels as the proof of a part for which an enclave vouches.
///
/// Specification: mechanisms row 0.7, `TeeAttestation{kind, quote, collateral}`; the kind is the proof's
/// type.
public struct AttestationProof: Hashable, Sendable {
    /// When the evidence was good, in milliseconds since 1970: the prover's choice, within what the rules
    /// allow. All nodes judge it at this time, whenever they do.
    public let time: UInt64
    public let evidence: SSZByteList<16384>
    /// ``Collateral/encoded``.
    public let collateral: SSZByteList<786432>

    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 8 + 4 + 4 + 16_384 + 786_432

    public init(time: UInt64, evidence: SSZByteList<16384>, collateral: SSZByteList<786432>) {
        self.time = time
        self.evidence = evidence
        self.collateral = collateral
    }
}

extension AttestationProof: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt64.self, SSZByteList<16384>.self, SSZByteList<786432>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(time)
        fields.visit(evidence)
        fields.visit(collateral)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        time = try fields.next(in: input)
        evidence = try fields.next(in: input)
        collateral = try fields.next(in: input)
        guard time <= UInt64(Int64.max) else { throw .invalidValue("time \(time)") }
    }
}
