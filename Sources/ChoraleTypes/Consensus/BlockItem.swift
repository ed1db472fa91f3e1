import ChoraleBase
public import Codec

/// Something that a block says besides its payload: a kind, and what is said in that kind's own form.
///
/// As the execution layer's requests (EIP-7685) are a type and bytes: so that a block's form stays as it is
/// when there is more to be said. What kinds there are, and what makes an item valid, are rules of the chain;
/// of a kind that nobody knows there is no valid item.
public struct BlockItem: Hashable, Sendable {
    /// Largest content, in bytes: the signatures of the largest set of validators.
    public static let contentSizeMax = 120 << 10

    public let kind: UInt8
    /// At least one byte.
    public let content: [UInt8]

    /// Nil when the content is empty or too large.
    public init?(kind: UInt8, content: [UInt8]) {
        guard (1...Self.contentSizeMax).contains(content.count) else { return nil }
        self.kind = kind
        self.content = content
    }
}

extension BlockItem: SSZContainer {
    public static let sszLayout = SSZLayout(UInt8.self, SSZByteList<122_880>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let content = SSZByteList<122_880>(content) else {
            preconditionFailure("an item keeps to its limit")
        }
        fields.visit(kind)
        fields.visit(content)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let kind = try fields.next(UInt8.self, in: input)
        let content = try fields.next(SSZByteList<122_880>.self, in: input).bytes
        guard let value = Self(kind: kind, content: content) else {
            throw .invalidValue("an item of kind \(kind) that says nothing")
        }
        self = value
    }
}
