public import ChoraleBase
public import Codec

/// A proof that a block is about: named, not carried.
///
/// 73 bytes. Its body is pulled by those who are assigned to it, and nobody else.
///
/// Specification: mechanisms row 0.10, `ProofRef{hash, len, type, part}`.
public struct ProofRef: Hashable, Sendable {
    /// Of the body that carries the ``SubProof``.
    public let hash: Bytes32
    /// The operation that the proof is about.
    public let operation: Bytes32
    /// Size of the body, in bytes: at least 1, at most ``sizeMax``.
    public let size: UInt32
    /// Which part of the operation's plan, below ``SplitPlan/partCountMax``.
    public let part: UInt32
    public let type: ProofType

    /// Largest body, in bytes: a ``SubProof`` around the largest proof.
    public static let sizeMax = SubProof.sszLayout.fixedPartSize + SubProof.proofSizeMax

    /// Nil when there can be no such body or part.
    public init?(hash: Bytes32, operation: Bytes32, size: Int, part: UInt32, type: ProofType) {
        guard (1...Self.sizeMax).contains(size), part < SplitPlan.partCountMax else { return nil }
        self.hash = hash
        self.operation = operation
        self.size = UInt32(size)
        self.part = part
        self.type = type
    }
}

extension ProofRef: SSZContainer {
    public static let sszLayout = SSZLayout(
        Bytes32.self, Bytes32.self, UInt32.self, UInt32.self, ProofType.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(hash)
        fields.visit(operation)
        fields.visit(size)
        fields.visit(part)
        fields.visit(type)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let hash = try fields.next(Bytes32.self, in: input)
        let operation = try fields.next(Bytes32.self, in: input)
        let size = try fields.next(UInt32.self, in: input)
        let part = try fields.next(UInt32.self, in: input)
        let type = try fields.next(ProofType.self, in: input)
        guard
            let value = Self(
                hash: hash, operation: operation, size: Int(size), part: part, type: type)
        else { throw .invalidValue("a proof of \(size) bytes of part \(part)") }
        self = value
    }
}
