public import ChoraleBase

/// `ByteVector[size]`: exactly `size` bytes, held inline. For keys, signatures and digests.
public struct SSZByteVector<let size: Int>: Hashable, Sendable {
    public var storage: [size of UInt8]

    /// All bytes zero.
    public init() { storage = .init(repeating: 0) }

    public init(storage: [size of UInt8]) { self.storage = storage }

    /// Copies exactly `size` bytes, or gives nil for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == size else { return nil }
        self.init()
        var index = 0
        for byte in bytes {
            storage[index] = byte
            index += 1
        }
    }

    /// Copies exactly `size` bytes, or gives nil for any other count.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == size else { return nil }
        self.init()
        for index in 0..<size { storage[index] = bytes[index] }
    }

    public var bytes: [UInt8] { storage.span.copied() }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        lhs.storage.span.isEqual(to: rhs.storage.span)
    }

    public func hash(into hasher: inout Hasher) {
        for index in 0..<size { hasher.combine(storage[index]) }
    }
}

extension SSZByteVector: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { size }

    public func sszEncode(into bytes: inout [UInt8]) { bytes.append(contentsOf: storage.span) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        var tree = SSZMerkleizer<Hash>()
        tree.append(packing: storage.span)
        return tree.root(leafLimit: (size + 31) / 32)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard let value = Self(input) else {
            throw .wrongSize(found: input.count, expected: size)
        }
        self = value
    }
}

/// `ByteList[limit]`: at most `limit` bytes.
public struct SSZByteList<let limit: Int>: Hashable, Sendable {
    public let bytes: [UInt8]

    public init() { bytes = [] }

    /// Nil when there are more than `limit` bytes.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count <= limit else { return nil }
        self.bytes = bytes
    }
}

extension SSZByteList: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    public func sszEncode(into bytes: inout [UInt8]) { bytes += self.bytes }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        var tree = SSZMerkleizer<Hash>()
        tree.append(packing: bytes.span)
        return SSZMerkleizer<Hash>.mixIn(
            length: bytes.count, root: tree.root(leafLimit: (limit + 31) / 32))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard input.count <= limit else {
            throw .tooManyElements(found: input.count, limit: limit)
        }
        bytes = input.copied()
    }
}
