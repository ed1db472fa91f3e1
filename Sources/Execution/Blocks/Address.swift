import ChoraleBase
public import Crypto

/// An account's address: 20 bytes.
public struct Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var storage: [20 of UInt8]

    public static let size = 20
    public static let zero = Address(storage: .init(repeating: 0))

    public init(storage: [20 of UInt8]) { self.storage = storage }

    /// Copies exactly 20 bytes, or gives nil for any other count.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        storage = .init(repeating: 0)
        for index in 0..<Self.size { storage[index] = bytes[index] }
    }

    /// The lowest 20 bytes of a word.
    public init(_ word: UInt256) {
        storage = .init(repeating: 0)
        for index in 0..<Self.size { storage[index] = word.byte(12 + index) }
    }

    /// Of the holder of a secp256k1 key: the lowest 20 bytes of the hash of its coordinates.
    public init(_ key: Secp256k1.PublicKey) {
        self.init(UInt256(Keccak256.hash(key.uncompressed)))
    }

    /// The address as a word of the virtual machine.
    public var word: UInt256 {
        let (high, middle, low) = limbs
        return UInt256(0, UInt64(high), middle, low)
    }

    private var limbs: (UInt32, UInt64, UInt64) {
        let span = storage.span
        return (
            span.loadBigEndian(UInt32.self, at: 0), span.loadBigEndian(UInt64.self, at: 4),
            span.loadBigEndian(UInt64.self, at: 12)
        )
    }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        let (a, b) = (lhs.limbs, rhs.limbs)
        return a.0 == b.0 && a.1 == b.1 && a.2 == b.2
    }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.limbs < rhs.limbs
    }

    public func hash(into hasher: inout Hasher) {
        let (high, middle, low) = limbs
        hasher.combine(high)
        hasher.combine(middle)
        hasher.combine(low)
    }

    /// Lower-case hexadecimal behind `0x`.
    public var description: String { "0x" + Hex.encode(storage.span.copied()) }
}
