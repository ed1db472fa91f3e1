public import ChoraleBase
import ChoraleTypes
public import Codec

/// A proof that is somewhere else: named, not carried.
///
/// Specification: mechanisms row 0.10, `ProofRef`.
public struct ProofReference: Hashable, Sendable {
    /// As in ``KindRecord/proofTypes``.
    public let type: UInt8
    /// In bytes, at least 1.
    public let size: UInt32
    /// Of the body.
    public let root: Bytes32

    /// nil when the size is zero.
    public init?(type: UInt8, size: UInt32, root: Bytes32) {
        guard size >= 1 else { return nil }
        self.type = type
        self.size = size
        self.root = root
    }
}

/// A part of a split computation: what goes in, what comes out, and what proves it.
public struct PartCommitment: Hashable, Sendable {
    /// Most proofs of one part: an attestation, a proof, and two to spare.
    public static let proofsMax = 4
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 68 + 37 * proofsMax

    /// Commitments to the values on both sides, as the proof system has them.
    public let input: Bytes32
    public let output: Bytes32
    /// Of types that ascend.
    public let proofs: [ProofReference]

    /// nil when there are too many proofs or their types do not ascend.
    public init?(input: Bytes32, output: Bytes32, proofs: [ProofReference]) {
        guard proofs.count <= Self.proofsMax,
            zip(proofs, proofs.dropFirst()).allSatisfy({ $0.type < $1.type })
        else { return nil }
        self.input = input
        self.output = output
        self.proofs = proofs
    }
}

/// What an executor says that it has done: the part that is signed.
///
/// A value's parts always hang together: what comes out of one goes into the next.
///
/// Specification: mechanisms rows 0.2, 0.4, 0.9.
public struct ExecutionCommitmentContent: Hashable, Sendable {
    /// Most parts of one operation.
    public static let partsMax = 64

    public let operation: Bytes32
    /// The executor's key.
    public let executor: Bytes32
    /// Keccak-256 of the output: what the contract will have.
    public let outputHash: Bytes32
    /// Of the output, in bytes, at least 1.
    public let outputSize: UInt64
    /// The output as a body.
    public let outputRoot: Bytes32
    /// What the executor wants for everything, in wei.
    public let price: UInt128
    /// Of the split plan, which the kind derives from the input.
    public let planRoot: Bytes32
    /// In the order of the computation, 1 to ``partsMax``.
    public let parts: [PartCommitment]

    /// nil when size, price or the number of parts is out of bounds, or two parts do not hang together.
    public init?(
        operation: Bytes32, executor: Bytes32, outputHash: Bytes32, outputSize: UInt64,
        outputRoot: Bytes32, price: UInt128, planRoot: Bytes32, parts: [PartCommitment]
    ) {
        guard (1...OperationsContract.outputSizeMax).contains(outputSize),
            price <= OperationsContract.feeMax, (1...Self.partsMax).contains(parts.count),
            zip(parts, parts.dropFirst()).allSatisfy({ $0.output == $1.input })
        else { return nil }
        self.operation = operation
        self.executor = executor
        self.outputHash = outputHash
        self.outputSize = outputSize
        self.outputRoot = outputRoot
        self.price = price
        self.planRoot = planRoot
        self.parts = parts
    }
}

/// An executor's signed commitment, which a block carries.
public struct ExecutionCommitment: Hashable, Sendable {
    /// Largest encoding, in bytes: about 14 KiB.
    public static let encodedSizeMax =
        8 + 188 + ExecutionCommitmentContent.partsMax * (4 + PartCommitment.encodedSizeMax)
        + 5 + ConsensusBounds.signatureSizeMax

    public let content: ExecutionCommitmentContent
    /// Unchecked until ``isSigned(network:)``.
    public let signature: ExecutorSignature

    public init(content: ExecutionCommitmentContent, signature: ExecutorSignature) {
        self.content = content
        self.signature = signature
    }
}

extension ProofReference: SSZContainer {
    public static let sszLayout = SSZLayout(UInt8.self, UInt32.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(type)
        fields.visit(size)
        fields.visit(root)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let type = try fields.next(UInt8.self, in: input)
        let size = try fields.next(UInt32.self, in: input)
        let root = try fields.next(Bytes32.self, in: input)
        guard let value = Self(type: type, size: size, root: root) else {
            throw .invalidValue("a proof of no bytes")
        }
        self = value
    }
}

extension PartCommitment: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, Bytes32.self, SSZList<ProofReference, 4>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let proofs = SSZList<ProofReference, 4>(proofs) else {
            preconditionFailure("a part keeps to its limits")
        }
        fields.visit(input)
        fields.visit(output)
        fields.visit(proofs)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let into = try fields.next(Bytes32.self, in: input)
        let out = try fields.next(Bytes32.self, in: input)
        let proofs = try fields.next(SSZList<ProofReference, 4>.self, in: input).elements
        guard let value = Self(input: into, output: out, proofs: proofs) else {
            throw .invalidValue("proofs of types \(proofs.map(\.type))")
        }
        self = value
    }
}

extension ExecutionCommitmentContent: ExecutorContent {
    public static let signingDomain = "chorale/commitment/1"
    public static let sszLayout = SSZLayout(
        Bytes32.self, Bytes32.self, Bytes32.self, UInt64.self, Bytes32.self, UInt128.self,
        Bytes32.self, SSZList<PartCommitment, 64>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let parts = SSZList<PartCommitment, 64>(parts) else {
            preconditionFailure("a commitment keeps to its limits")
        }
        fields.visit(operation)
        fields.visit(executor)
        fields.visit(outputHash)
        fields.visit(outputSize)
        fields.visit(outputRoot)
        fields.visit(price)
        fields.visit(planRoot)
        fields.visit(parts)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let value = Self(
            operation: try fields.next(in: input), executor: try fields.next(in: input),
            outputHash: try fields.next(in: input), outputSize: try fields.next(in: input),
            outputRoot: try fields.next(in: input), price: try fields.next(in: input),
            planRoot: try fields.next(in: input),
            parts: try fields.next(SSZList<PartCommitment, 64>.self, in: input).elements)
        guard let value else {
            throw .invalidValue("a size, price or number of parts, or parts that do not chain")
        }
        self = value
    }
}

extension ExecutionCommitment: ExecutorSigned {
    public static let sszLayout = signedLayout
}
