import ChoraleBase

/// The name of a peer: the multihash of its encoded public key.
///
/// A value is always one of the two legal forms: an identity multihash of at most 42 bytes of
/// encoded key (Ed25519 and secp256k1), or a SHA-256 multihash (everything larger). It is held
/// inline, so that copying and hashing one never touches a reference count.
///
/// Specification: libp2p/specs `peer-ids/peer-ids.md`.
public struct PeerID: Hashable, Comparable, Sendable {
    /// Longest multihash: two bytes of header and an inlined key of 42 bytes.
    public static let encodedSizeMax = 44

    /// Longest encoded public key that is inlined rather than hashed, in bytes.
    public static let inlinedKeySizeMax = 42

    private var storage: [44 of UInt8]
    private var count: UInt8

    public enum DecodeError: Error, Equatable, Sendable {
        /// Neither an identity nor a SHA-256 multihash.
        case unknownHash(code: UInt8)
        /// The length byte disagrees with what follows it, or is not that of SHA-256.
        case wrongLength(declared: Int, actual: Int)
        /// An identity multihash longer than any key that is inlined.
        case inlinedKeyTooLarge(size: Int, limit: Int)
        case empty
    }

    /// Reads the raw multihash, the form used on the wire.
    public init(multihash: Span<UInt8>) throws(DecodeError) {
        guard multihash.count >= 2 else { throw .empty }
        let declared = Int(multihash[1])
        let actual = multihash.count - 2
        switch multihash[0] {
        case 0x00:
            guard declared <= Self.inlinedKeySizeMax else {
                throw .inlinedKeyTooLarge(size: declared, limit: Self.inlinedKeySizeMax)
            }
            guard declared > 0 else { throw .empty }
        case 0x12:
            guard declared == 32 else { throw .wrongLength(declared: declared, actual: actual) }
        case let code:
            throw .unknownHash(code: code)
        }
        guard declared == actual else { throw .wrongLength(declared: declared, actual: actual) }
        storage = .init(repeating: 0)
        for index in multihash.indices { storage[index] = multihash[index] }
        count = UInt8(multihash.count)
    }

    public init(multihash: [UInt8]) throws(DecodeError) { try self.init(multihash: multihash.span) }

    /// The raw multihash, 34 to 44 bytes.
    public var multihash: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(count))
        for index in 0..<Int(count) { bytes.append(storage[index]) }
        return bytes
    }

    /// Size of the raw multihash, in bytes.
    public var encodedSize: Int { Int(count) }

    public static func == (lhs: Self, rhs: Self) -> Bool {
        // Unused bytes are zero. The middle first: the beginnings of keys of one kind are alike, and the
        // ends of short ones.
        guard lhs.word(2) == rhs.word(2) else { return false }
        for index in 0..<5 where lhs.word(index) != rhs.word(index) { return false }
        return lhs.lastBytes == rhs.lastBytes && lhs.count == rhs.count
    }

    private func word(_ index: Int) -> UInt64 {
        storage.span.loadLittleEndian(UInt64.self, at: 8 * index)
    }

    private var lastBytes: UInt32 { storage.span.loadLittleEndian(UInt32.self, at: 40) }

    /// Lexicographic over the multihash bytes: an order that is the same in every process.
    public static func < (lhs: Self, rhs: Self) -> Bool {
        for index in 0..<Int(min(lhs.count, rhs.count))
        where lhs.storage[index] != rhs.storage[index] {
            return lhs.storage[index] < rhs.storage[index]
        }
        return lhs.count < rhs.count
    }

    public func hash(into hasher: inout Hasher) {
        // All of them, the unused too, which are zero: who chooses some bytes of ids that nobody has
        // verified must not be able to make them meet in a table.
        for index in 0..<5 { hasher.combine(word(index)) }
        hasher.combine(lastBytes)
    }
}
