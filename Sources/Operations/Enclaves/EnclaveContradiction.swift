public import ChoraleBase
public import ChoraleTypes
public import Codec
import ProofSystems

/// That an enclave vouches for another output of a part than an executor has committed to, shown to everybody: the
/// one or the other is wrong.
///
/// The registry keeps nothing but the root of a commitment, so the whole of it is here.
///
/// Specification: mechanisms row 0.8.
public struct EnclaveContradiction: Hashable, Sendable {
    /// Largest encoding, in bytes: some 62 KiB.
    public static let encodedSizeMax =
        8 + ExecutionCommitment.encodedSizeMax + EnclaveStatement.encodedSizeMax

    public let commitment: ExecutionCommitmentContent
    public let statement: EnclaveStatement

    /// Nil when both say the same, or do not speak of the same part of one computation.
    public init?(commitment: ExecutionCommitmentContent, statement: EnclaveStatement) {
        let content = statement.content
        guard content.operation == commitment.operation,
            let part = commitment.part(
                Int(content.body.part), of: Int(content.partCount), input: content.body.input),
            part.output != content.body.output
        else { return nil }
        self.commitment = commitment
        self.statement = statement
    }

    /// Of the commitment.
    public var part: UInt8 { UInt8(statement.content.body.part) }
}

extension ExecutionCommitmentContent {
    /// The part that an enclave's statement is about: of as many, and with the same input. What comes out can be
    /// compared then.
    public func part(_ index: Int, of count: Int, input: Bytes32) -> PartCommitment? {
        guard parts.count == count, parts.indices.contains(index), parts[index].input == input
        else { return nil }
        return parts[index]
    }
}

extension EnclaveContradiction: SSZContainer {
    public static let sszLayout = SSZLayout(
        ExecutionCommitmentContent.self, EnclaveStatement.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(commitment)
        fields.visit(statement)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let value = Self(
            commitment: try fields.next(in: input), statement: try fields.next(in: input))
        guard let value else { throw .invalidValue("no contradiction") }
        self = value
    }
}

/// What a contradiction says to the registry. Whoever hands it in has checked signature, evidence, and that it
/// belongs to the commitment.
public struct EnclaveFinding: Hashable, Sendable {
    public let operation: Bytes32
    /// Root of the commitment's content.
    public let commitment: Bytes32
    public let dispute: EnclaveDispute
    /// Proofs of the part of which any decides.
    public let proofs: [SubProofID]

    public init(
        operation: Bytes32, commitment: Bytes32, _ dispute: EnclaveDispute, proofs: [SubProofID]
    ) {
        self.operation = operation
        self.commitment = commitment
        self.dispute = dispute
        self.proofs = proofs
    }
}

/// Why an operation is frozen until everyone has judged a part.
public struct EnclaveDispute: Hashable, Sendable {
    public let part: UInt8
    /// Key of the platform.
    public let enclave: Bytes32
    /// Who has signed what it says.
    public let executor: Bytes32
    /// What it says came out.
    public let output: Bytes32

    public init(part: UInt8, enclave: Bytes32, executor: Bytes32, output: Bytes32) {
        self.part = part
        self.enclave = enclave
        self.executor = executor
        self.output = output
    }
}

extension EnclaveDispute: SSZContainer {
    public static let sszLayout = SSZLayout(
        UInt8.self, Bytes32.self, Bytes32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(part)
        fields.visit(enclave)
        fields.visit(executor)
        fields.visit(output)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        part = try fields.next(in: input)
        enclave = try fields.next(in: input)
        executor = try fields.next(in: input)
        output = try fields.next(in: input)
    }
}
