public import ChoraleBase
public import Codec

/// A body that a block is about: named, not carried.
///
/// Specification: mechanisms row 0.10.
public struct ContentReference: Hashable, Sendable {
    public let kind: BodyKind
    /// Which of several of one kind, from 0.
    public let index: UInt16
    /// In bytes, at least 1 and at most ``sizeMax``.
    public let size: UInt64
    /// Of the body, as ``BodyTree`` makes it.
    public let root: Bytes32

    /// Largest body, in bytes.
    public static let sizeMax = UInt64(BodyShape.chunkSizeMax * BodyShape.chunkCountMax)

    /// Nil when no body has this size.
    public init?(kind: BodyKind, index: UInt16 = 0, size: UInt64, root: Bytes32) {
        guard (1...Self.sizeMax).contains(size) else { return nil }
        self.kind = kind
        self.index = index
        self.size = size
        self.root = root
    }
}

extension ContentReference: SSZContainer {
    public static let sszLayout = SSZLayout(
        BodyKind.self, UInt16.self, UInt64.self, Bytes32.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(kind)
        fields.visit(index)
        fields.visit(size)
        fields.visit(root)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let kind = try fields.next(BodyKind.self, in: input)
        let index = try fields.next(UInt16.self, in: input)
        let size = try fields.next(UInt64.self, in: input)
        let root = try fields.next(Bytes32.self, in: input)
        guard let value = Self(kind: kind, index: index, size: size, root: root) else {
            throw .invalidValue("a body of \(size) bytes")
        }
        self = value
    }
}
