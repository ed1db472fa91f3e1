public import ChoraleBase

/// `Bitvector[count]`: exactly `count` bits.
public struct SSZBitvector<let count: Int>: Hashable, Sendable {
    /// Bit `i` is bit `i % 8` of byte `i / 8`; bits behind the end are zero.
    public private(set) var bytes: [UInt8]

    /// All bits zero.
    public init() { bytes = [UInt8](repeating: 0, count: (count + 7) / 8) }

    public subscript(index: Int) -> Bool {
        get {
            precondition(index >= 0 && index < count, "bit \(index) of \(count)")
            return bytes[index / 8] >> UInt8(index % 8) & 1 == 1
        }
        set {
            precondition(index >= 0 && index < count, "bit \(index) of \(count)")
            let mask: UInt8 = 1 << UInt8(index % 8)
            if newValue { bytes[index / 8] |= mask } else { bytes[index / 8] &= ~mask }
        }
    }

    /// How many bits are set.
    public var setCount: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }
}

extension SSZBitvector: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { (count + 7) / 8 }

    public func sszEncode(into bytes: inout [UInt8]) { bytes += self.bytes }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        var tree = SSZMerkleizer<Hash>()
        tree.append(packing: bytes.span)
        return tree.root(leafLimit: (count + 255) / 256)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        try SSZ.expect(input, size: (count + 7) / 8)
        if count % 8 != 0, let last = input.indices.last {
            guard input[last] >> UInt8(count % 8) == 0 else { throw .bitBehindEnd }
        }
        bytes = input.copied()
    }
}

/// `Bitlist[limit]`: at most `limit` bits.
public struct SSZBitlist<let limit: Int>: Hashable, Sendable {
    /// Bit `i` is bit `i % 8` of byte `i / 8`, without the end mark; bits behind the end are zero.
    public private(set) var bytes: [UInt8]
    /// How many bits there are, at most `limit`.
    public let count: Int

    /// `count` bits, all zero. Nil when there would be more than `limit`, or fewer than none.
    public init?(count: Int) {
        guard count >= 0 && count <= limit else { return nil }
        self.count = count
        bytes = [UInt8](repeating: 0, count: (count + 7) / 8)
    }

    public subscript(index: Int) -> Bool {
        get {
            precondition(index >= 0 && index < count, "bit \(index) of \(count)")
            return bytes[index / 8] >> UInt8(index % 8) & 1 == 1
        }
        set {
            precondition(index >= 0 && index < count, "bit \(index) of \(count)")
            let mask: UInt8 = 1 << UInt8(index % 8)
            if newValue { bytes[index / 8] |= mask } else { bytes[index / 8] &= ~mask }
        }
    }

    /// How many bits are set.
    public var setCount: Int { bytes.reduce(0) { $0 + $1.nonzeroBitCount } }
}

extension SSZBitlist: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { nil }

    public func sszEncode(into bytes: inout [UInt8]) {
        bytes += self.bytes
        // The end mark is the bit after the last one.
        if count % 8 == 0 {
            bytes.append(1)
        } else {
            bytes[bytes.count - 1] |= 1 << UInt8(count % 8)
        }
    }

    public func hashTreeRoot<Hash: SHA256Hashing>(_: Hash.Type) -> Bytes32 {
        var tree = SSZMerkleizer<Hash>()
        tree.append(packing: bytes.span)
        return SSZMerkleizer<Hash>.mixIn(
            length: count, root: tree.root(leafLimit: (limit + 255) / 256))
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        guard let lastIndex = input.indices.last else { throw .tooShort(found: 0, minimum: 1) }
        let last = input[lastIndex]
        guard last != 0 else { throw .bitlistWithoutEnd }
        let end = 7 - last.leadingZeroBitCount
        let count = lastIndex * 8 + end
        guard count <= limit else { throw .tooManyElements(found: count, limit: limit) }

        self.count = count
        if end == 0 {
            bytes = input.extracting(0..<lastIndex).copied()
        } else {
            bytes = input.copied()
            bytes[lastIndex] &= ~(1 << UInt8(end))
        }
    }
}
