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
        UInt256(bigEndian: storage.span) ?? .zero
    }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        for index in 0..<size where lhs.storage[index] != rhs.storage[index] { return false }
        return true
    }

    public static func < (lhs: Self, rhs: Self) -> Bool {
        for index in 0..<size where lhs.storage[index] != rhs.storage[index] {
            return lhs.storage[index] < rhs.storage[index]
        }
        return false
    }

    public func hash(into hasher: inout Hasher) {
        for index in 0..<Self.size { hasher.combine(storage[index]) }
    }

    /// Lower-case hexadecimal behind `0x`.
    public var description: String { "0x" + Hex.encode(storage.span.copied()) }
}
