import ChoraleBase
public import ChoraleTypes
public import Codec

/// What everyone has found of a proof: more than two thirds of all stake.
///
/// Kept so that whoever voted otherwise can be held to it by signatures alone: nobody needs the proof again, and
/// what a block does rests on nothing that two verifiers could see differently.
public struct ProofJudgement: Hashable, Sendable {
    public let proof: SubProofID
    public let isValid: Bool
    /// Of the block that has the certificate.
    public let height: UInt64

    public init(proof: SubProofID, isValid: Bool, height: UInt64) {
        self.proof = proof
        self.isValid = isValid
        self.height = height
    }
}

extension ProofJudgement: SSZContainer {
    public static let sszLayout = SSZLayout(SubProofID.self, Bool.self, UInt64.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(proof)
        fields.visit(isValid)
        fields.visit(height)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        proof = try fields.next(in: input)
        isValid = try fields.next(in: input)
        height = try fields.next(in: input)
    }
}
