public import ChoraleBase
public import Codec

/// What a proof is checked against: its system, the program it is about, and the system's set-up.
///
/// State holds these: a kind of operation says which of them its parts may be proven with.
///
/// Specification: mechanisms row 0.6, `VerifierKey{type, program_id, vk_hash}`.
public struct VerifierKey: Hashable, Sendable {
    public let type: ProofType
    /// What the proof system calls the program: SP1's verifying key of the program, RISC Zero's image
    /// ID, the digest of an R1CS, an enclave's measurement.
    public let program: Bytes32
    /// SHA-256 of the set-up artefact that the verifier reads, or zero where the system needs none.
    public let artefact: Bytes32

    public init(type: ProofType, program: Bytes32, artefact: Bytes32 = .zero) {
        self.type = type
        self.program = program
        self.artefact = artefact
    }
}

extension VerifierKey: SSZContainer {
    public static let sszLayout = SSZLayout(ProofType.self, Bytes32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(type)
        fields.visit(program)
        fields.visit(artefact)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        type = try fields.next(in: input)
        program = try fields.next(in: input)
        artefact = try fields.next(in: input)
    }
}
