public import ChoraleBase

extension SSZEncodable where Self: FixedWidthInteger & UnsignedInteger {
    public func sszEncode(into bytes: inout [UInt8]) { bytes.appendLittleEndian(self) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 { sszLeaf }

    /// The integer in a leaf of its own.
    var sszLeaf: Bytes32 {
        var leaf = Bytes32.zero
        for index in 0..<MemoryLayout<Self>.size {
            leaf.storage[index] = UInt8(truncatingIfNeeded: self >> Self(8 * index))
        }
        return leaf
    }
}

extension SSZDecodable where Self: FixedWidthInteger & UnsignedInteger {
    public init(ssz input: Span<UInt8>) throws(SSZError) {
        try SSZ.expect(input, size: MemoryLayout<Self>.size)
        self = input.loadLittleEndian(Self.self, at: 0)
    }
}

extension UInt8: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }
}

extension UInt16: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 2 }
    public static var isSSZBasic: Bool { true }
}

extension UInt32: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 4 }
    public static var isSSZBasic: Bool { true }
}

extension UInt64: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 8 }
    public static var isSSZBasic: Bool { true }
}

extension UInt128: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 16 }
    public static var isSSZBasic: Bool { true }
}

extension Bool: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { bytes.append(self ? 1 : 0) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        (self ? 1 : 0 as UInt8).sszLeaf
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        try SSZ.expect(input, size: 1)
        switch input[0] {
        case 0: self = false
        case 1: self = true
        case let other: throw .notBoolean(other)
        }
    }
}

/// `Bytes32`, a root. Little-endian, it also stands for `uint256`, whose encoding and roots (alone,
/// in vectors and in lists) are the same.
extension Bytes32: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { size }

    public func sszEncode(into bytes: inout [UInt8]) { bytes.append(contentsOf: storage.span) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 { self }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard let value = Bytes32(input) else {
            throw .wrongSize(found: input.count, expected: Self.size)
        }
        self = value
    }
}
