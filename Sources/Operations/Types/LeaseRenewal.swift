public import ChoraleBase
import ChoraleTypes
public import Codec

/// That an executor is still at work, and how far: the part that is signed.
///
/// Specification: mechanisms row 0.14.
public struct LeaseRenewalContent: Hashable, Sendable {
    /// A whole, in thousandths.
    public static let progressMax: UInt16 = 1000

    public let operation: Bytes32
    /// The executor's key.
    public let executor: Bytes32
    /// In thousandths, at least 1. Only ascends, which also keeps a renewal from counting twice.
    public let progress: UInt16

    /// nil when the progress is out of bounds.
    public init?(operation: Bytes32, executor: Bytes32, progress: UInt16) {
        guard (1...Self.progressMax).contains(progress) else { return nil }
        self.operation = operation
        self.executor = executor
        self.progress = progress
    }
}

/// A signed renewal, which a block carries.
public struct LeaseRenewal: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 66 + 4 + 5 + ConsensusBounds.signatureSizeMax

    public let content: LeaseRenewalContent
    /// Unchecked until ``isSigned(network:)``.
    public let signature: ExecutorSignature

    public init(content: LeaseRenewalContent, signature: ExecutorSignature) {
        self.content = content
        self.signature = signature
    }
}

extension LeaseRenewalContent: ExecutorContent {
    public static let signingDomain = "chorale/lease/1"
    public static let sszLayout = SSZLayout(Bytes32.self, Bytes32.self, UInt16.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(operation)
        fields.visit(executor)
        fields.visit(progress)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let value = Self(
            operation: try fields.next(in: input), executor: try fields.next(in: input),
            progress: try fields.next(in: input))
        guard let value else { throw .invalidValue("a progress out of bounds") }
        self = value
    }
}

extension LeaseRenewal: ExecutorSigned {
    public static let sszLayout = signedLayout
}
