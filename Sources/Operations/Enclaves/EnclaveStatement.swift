public import Attestation
public import ChoraleBase
import ChoraleTypes
public import Codec
public import ProofSystems

/// What an executor shows of an enclave that has executed a part: the part that it signs.
///
/// It names everything that the enclave's evidence is bound to, so that whoever has it alone can check it. The
/// signature is what makes it the executor's: an enclave vouches for whichever key it is told, and nobody is to be
/// slashed for what somebody else's enclave says of him.
///
/// Specification: mechanisms rows 0.7 and 0.8.
public struct EnclaveStatementContent: Hashable, Sendable {
    /// Largest evidence with its collateral, in bytes. What Intel publishes of a platform has some 30 KiB; with a
    /// commitment beside it, it has to fit into a block.
    public static let proofSizeMax = 47 << 10

    public let operation: Bytes32
    /// Of the plan, `1...64`.
    public let partCount: UInt8
    /// Digest of the enclave's measurement.
    public let program: Bytes32
    /// SHA-256 of the rules that the evidence is judged by.
    public let artefact: Bytes32
    /// Part, input, output, prover, kind of enclave, and an ``Attestation/AttestationProof``.
    public let body: SubProof

    /// Nil when the part is not one of so many, the type is no kind of enclave, or the proof is too large.
    public init?(
        operation: Bytes32, partCount: UInt8, program: Bytes32, artefact: Bytes32, body: SubProof
    ) {
        guard (1...UInt8(ExecutionCommitmentContent.partsMax)).contains(partCount),
            body.part < UInt32(partCount), AttestationKind(rawValue: body.type.rawValue) != nil,
            (1...Self.proofSizeMax).contains(body.proof.bytes.count)
        else { return nil }
        self.operation = operation
        self.partCount = partCount
        self.program = program
        self.artefact = artefact
        self.body = body
    }

    /// What an executor would show of a part; nil when the proof is too large.
    ///
    /// - Precondition: the key's type is that of a kind of enclave, and commitments have room for as many parts.
    public init?(_ statement: ProofStatement, proof: AttestationProof) {
        guard
            let body = SubProof(
                plan: statement.plan, part: statement.part, input: statement.input,
                output: statement.output, prover: statement.prover, type: statement.key.type,
                proof: proof.sszEncoded()), let count = UInt8(exactly: statement.partCount)
        else { return nil }
        self.init(
            operation: statement.operation, partCount: count, program: statement.key.program,
            artefact: statement.key.artefact, body: body)
    }

    /// The kind of enclave.
    public var kind: AttestationKind {
        guard let kind = AttestationKind(rawValue: body.type.rawValue) else {
            preconditionFailure("it was one when this was made")
        }
        return kind
    }

    /// What allows it.
    public var measurement: EnclaveMeasurement {
        EnclaveMeasurement(kind: kind, digest: program)
    }

    /// What the enclave says to have proven.
    public var statement: ProofStatement {
        ProofStatement(
            operation: operation, part: body.part, partCount: UInt32(partCount), plan: body.plan,
            key: VerifierKey(type: body.type, program: program, artefact: artefact),
            input: body.input, output: body.output, prover: body.prover)
    }
}

/// A signed one: on the topic `attestation_tee`, and as the body that a commitment names beside a part's proof.
public struct EnclaveStatement: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax =
        8 + 101 + 137 + EnclaveStatementContent.proofSizeMax + 5
        + ConsensusBounds.signatureSizeMax

    public let content: EnclaveStatementContent
    /// Unchecked until ``isSigned(network:)``.
    public let signature: ExecutorSignature

    public init(content: EnclaveStatementContent, signature: ExecutorSignature) {
        self.content = content
        self.signature = signature
    }
}

extension EnclaveStatementContent: ExecutorContent {
    public static let signingDomain = "chorale/enclave-statement/1"
    public static let sszLayout = SSZLayout(
        Bytes32.self, UInt8.self, Bytes32.self, Bytes32.self, SubProof.self)

    /// Whose enclave it is.
    public var executor: Bytes32 { body.prover }

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(partCount)
        fields.visit(program)
        fields.visit(artefact)
        fields.visit(body)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let value = Self(
            operation: try fields.next(in: input), partCount: try fields.next(in: input),
            program: try fields.next(in: input), artefact: try fields.next(in: input),
            body: try fields.next(in: input))
        guard let value else {
            throw .invalidValue("a part that is none, no kind of enclave, or too large a proof")
        }
        self = value
    }
}

extension EnclaveStatement: ExecutorSigned {
    public static let sszLayout = signedLayout
}
