public import ChoraleBase
public import Codec
import Crypto
public import PeerIdentity

/// What a producer says about a body: the part of an announcement that is signed.
///
/// A value is always consistent with itself: its shape is one a body can have, and when it names
/// the chunk roots there is one for each chunk. That they lead to `root` is for
/// ``rootIsConsistent`` to find out, because it costs hashes.
public struct BodyDescription: Hashable, Sendable {
    /// Most chunk roots in an announcement: with everything around them they stay below
    /// ``BodyAnnouncement/encodedSizeMax``. Bodies of more chunks are announced without.
    public static let chunkRootsMax = 240

    public let kind: BodyKind
    public let shape: BodyShape
    /// ``BodyTree``.
    public let root: Bytes32
    /// SHA-256 of each chunk in order, or empty.
    public let chunkRoots: [Bytes32]
    /// Height of the block that the body belongs to; 0 when it belongs to none.
    public let height: UInt64
    public let issued: WallTime
    public let producer: SigningKeyBytes

    public init?(
        kind: BodyKind, shape: BodyShape, root: Bytes32, chunkRoots: [Bytes32], height: UInt64,
        issued: WallTime, producer: SigningKeyBytes
    ) {
        guard chunkRoots.isEmpty || chunkRoots.count == shape.chunkCount else { return nil }
        guard chunkRoots.count <= Self.chunkRootsMax, issued.milliseconds >= 0 else { return nil }
        self.kind = kind
        self.shape = shape
        self.root = root
        self.chunkRoots = chunkRoots
        self.height = height
        self.issued = issued
        self.producer = producer
    }

    /// Whether the chunk roots lead to ``root``; true when there are none.
    ///
    /// - Complexity: one hash a chunk.
    public var rootIsConsistent: Bool {
        chunkRoots.isEmpty || BodyTree.root(chunkRoots: chunkRoots, shape: shape) == root
    }
}

extension BodyDescription: SSZContainer {
    public static let sszLayout = SSZLayout(
        BodyKind.self, UInt64.self, UInt32.self, Bytes32.self, SSZList<Bytes32, 240>.self,
        UInt64.self, UInt64.self, SignatureScheme.self, SSZByteList<64>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let roots = SSZList<Bytes32, 240>(chunkRoots),
            let key = SSZByteList<64>(producer.bytes)
        else { preconditionFailure("a description keeps to its limits") }
        fields.visit(kind)
        fields.visit(UInt64(shape.size))
        fields.visit(UInt32(shape.chunkSize))
        fields.visit(root)
        fields.visit(roots)
        fields.visit(height)
        fields.visit(UInt64(issued.milliseconds))
        fields.visit(producer.scheme)
        fields.visit(key)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        let kind = try fields.next(BodyKind.self, in: input)
        let size = try fields.next(UInt64.self, in: input)
        let chunkSize = try fields.next(UInt32.self, in: input)
        let root = try fields.next(Bytes32.self, in: input)
        let chunkRoots = try fields.next(SSZList<Bytes32, 240>.self, in: input)
        let height = try fields.next(UInt64.self, in: input)
        let issued = try fields.next(UInt64.self, in: input)
        let scheme = try fields.next(SignatureScheme.self, in: input)
        let key = try fields.next(SSZByteList<64>.self, in: input)
        guard let shape = BodyShape(size: size, chunkSize: chunkSize) else {
            throw .invalidValue("no body of \(size) bytes has chunks of \(chunkSize)")
        }
        guard let milliseconds = Int64(exactly: issued) else {
            throw .invalidValue("issued \(issued) ms after 1970")
        }
        guard let producer = SigningKeyBytes(scheme: scheme, bytes: key.bytes),
            let value = BodyDescription(
                kind: kind, shape: shape, root: root, chunkRoots: chunkRoots.elements,
                height: height, issued: WallTime(milliseconds: milliseconds), producer: producer)
        else {
            throw .invalidValue(
                "\(chunkRoots.elements.count) chunk roots for \(shape.chunkCount) chunks")
        }
        self = value
    }
}

/// A signed description: what is gossiped when a body exists.
///
/// The signature is over `"chorale/body-announcement/1" ‖ network digest ‖ hash_tree_root` of the
/// description, so that one network's announcements mean nothing in another.
public struct BodyAnnouncement: Hashable, Sendable {
    /// Largest encoding, in bytes.
    public static let encodedSizeMax = 8 * 1024

    public let description: BodyDescription
    /// At most 96 bytes; unchecked until ``isSigned(inNetwork:)``.
    public let signature: [UInt8]

    /// Nil when no scheme has signatures that long.
    public init?(description: BodyDescription, signature: [UInt8]) {
        guard signature.count <= 96 else { return nil }
        self.description = description
        self.signature = signature
    }

    /// Signs a description of the key's own.
    ///
    /// - Precondition: `description.producer` is `key`; see ``BodyDescription/producer(of:)``.
    public init(signing description: BodyDescription, with key: IdentityKey, network: [UInt8]) {
        precondition(
            description.producer == SigningKeyBytes(key), "a producer signs what it produced")
        self.description = description
        signature = key.sign(Self.message(description, network: network))
        precondition(signature.count <= 96, "a signature of \(signature.count) bytes")
    }

    public var root: Bytes32 { description.root }
    public var shape: BodyShape { description.shape }

    /// Whether the producer signed this for the network. False for a scheme that is unknown.
    public func isSigned(inNetwork network: [UInt8]) -> Bool {
        guard let key = description.producer.publicKey else { return false }
        return key.verify(
            signature: signature, message: Self.message(description, network: network))
    }

    private static func message(_ description: BodyDescription, network: [UInt8]) -> [UInt8] {
        Array("chorale/body-announcement/1".utf8) + network + description.hashTreeRoot.bytes
    }
}

extension BodyDescription {
    /// What ``producer`` is when `key` signs.
    public static func producer(of key: IdentityKey) -> SigningKeyBytes { SigningKeyBytes(key) }
}

extension BodyAnnouncement: SSZContainer {
    public static let sszLayout = SSZLayout(BodyDescription.self, SSZByteList<96>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        guard let signature = SSZByteList<96>(signature) else {
            preconditionFailure("an announcement keeps to its limits")
        }
        fields.visit(description)
        fields.visit(signature)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        description = try fields.next(in: input)
        signature = try fields.next(SSZByteList<96>.self, in: input).bytes
    }
}
