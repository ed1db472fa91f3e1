/// Thirty-two bytes held inline: a digest, a root, a public key.
///
/// Wrapped in a type of its own wherever the meaning matters.
public struct Bytes32: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var storage: [32 of UInt8]

    public static let size = 32
    public static let zero = Bytes32(storage: .init(repeating: 0))

    public init(storage: [32 of UInt8]) { self.storage = storage }

    /// Copies exactly 32 bytes, or gives nil for any other count.
    public init?(_ bytes: Span<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        storage = .init(repeating: 0)
        for index in 0..<Self.size { storage[index] = bytes[index] }
    }

    /// Copies exactly 32 bytes, or gives nil for any other count.
    public init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size else { return nil }
        storage = .init(repeating: 0)
        var index = 0
        for byte in bytes {
            storage[index] = byte
            index += 1
        }
    }

    public subscript(index: Int) -> UInt8 { storage[index] }

    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        for index in 0..<Self.size { bytes.append(storage[index]) }
        return bytes
    }

    /// Lower-case hexadecimal, 64 digits.
    public var description: String { Hex.encode(bytes) }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        // Whole words: digests are compared wherever they are looked up.
        let (a, b) = (lhs.storage.span, rhs.storage.span)
        var difference: UInt64 = 0
        for offset in stride(from: 0, to: size, by: 8) {
            difference |=
                a.loadLittleEndian(UInt64.self, at: offset)
                ^ b.loadLittleEndian(UInt64.self, at: offset)
        }
        return difference == 0
    }

    /// Lexicographic, as big-endian integers.
    public static func < (lhs: Self, rhs: Self) -> Bool {
        for index in 0..<size where lhs.storage[index] != rhs.storage[index] {
            return lhs.storage[index] < rhs.storage[index]
        }
        return false
    }

    public func hash(into hasher: inout Hasher) {
        let span = storage.span
        for offset in stride(from: 0, to: Self.size, by: 8) {
            hasher.combine(span.loadLittleEndian(UInt64.self, at: offset))
        }
    }
}
