public import ChoraleBase

/// Why SSZ bytes were refused. Every case is their author's fault.
public enum SSZError: Error, Hashable, Sendable {
    /// A type of fixed size came with another number of bytes.
    case wrongSize(found: Int, expected: Int)
    /// Fewer bytes than the fixed part of a container, or an empty bitlist.
    case tooShort(found: Int, minimum: Int)
    /// A byte list, or a bitlist, that is longer than its type allows, in its own elements.
    case tooManyElements(found: Int, limit: Int)
    /// The bytes of a list are not a whole number of elements.
    case partialElement(size: Int, elementSize: Int)
    /// The first offset does not point right behind the fixed part, so bytes would go unread.
    case firstOffset(found: UInt32, expected: Int)
    /// The first offset of a list is not a multiple of four, or is zero.
    case firstOffsetNotACount(UInt32)
    /// An offset lies before its predecessor.
    case offsetsDescend(UInt32, after: UInt32)
    /// An offset points behind the last byte.
    case offsetBeyondEnd(UInt32, size: Int)
    /// A boolean that is neither 0 nor 1.
    case notBoolean(UInt8)
    /// The last byte of a bitlist is zero, so that its length is unknown.
    case bitlistWithoutEnd
    /// A bit of the last byte of a bitvector is set behind the vector's end.
    case bitBehindEnd
    /// The bytes decode, but the type that uses them says that this value cannot be.
    case invalidValue(String)
}

/// SHA-256 of two nodes side by side, which is all that Merkle trees of SSZ need.
///
/// The codec imports no cryptography; whoever asks for a root brings the function. It must be
/// SHA-256: the roots of empty subtrees are constants (``SSZZeroHashes``).
public protocol SHA256Hashing {
    /// SHA-256 of the 64 bytes `left ‖ right`.
    static func combine(_ left: Bytes32, _ right: Bytes32) -> Bytes32
}

/// What encoder and decoder must know of a type before they see a value.
public protocol SSZType {
    /// Encoded size in bytes of every value, or nil when values differ ("variable size").
    static var sszFixedSize: Int? { get }
    /// Whether the type is an integer or a boolean, many of which share one Merkle leaf.
    static var isSSZBasic: Bool { get }
}

extension SSZType {
    public static var isSSZBasic: Bool { false }
}

/// A value with an SSZ encoding and a Merkle root.
///
/// Specification: ethereum/consensus-specs `ssz/simple-serialize.md`.
public protocol SSZEncodable: SSZType {
    /// Appends the encoding.
    func sszEncode(into bytes: inout [UInt8])
    /// `hash_tree_root`.
    func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32
}

/// A value that can be read from its SSZ encoding.
///
/// Decoding is strict: each value has exactly one encoding, and any other bytes are refused, so
/// that two encodings of one message cannot have two ids.
public protocol SSZDecodable: SSZType {
    /// Decodes a value that takes the whole of `input`.
    ///
    /// Nothing is allocated beyond a small multiple of `input`'s size.
    init(ssz input: Span<UInt8>) throws(SSZError)
}

/// Both directions.
public typealias SSZCodable = SSZEncodable & SSZDecodable

extension SSZEncodable {
    /// The encoding in an array of its own.
    ///
    /// - Parameter reserving: room to begin with, in bytes, where the size varies and growing would copy
    ///   much.
    public func sszEncoded(reserving size: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.sszFixedSize ?? size)
        sszEncode(into: &bytes)
        return bytes
    }
}

enum SSZ {
    /// Size of an offset, in bytes.
    static let offsetSize = 4

    static func expect(_ input: Span<UInt8>, size: Int) throws(SSZError) {
        guard input.count == size else {
            throw .wrongSize(found: input.count, expected: size)
        }
    }

    /// Writes the position of a variable part, counted from `start`, into its place.
    static func patchOffset(_ bytes: inout [UInt8], at position: Int, start: Int) {
        let offset = bytes.count - start
        precondition(offset <= Int(UInt32.max), "an SSZ value has at most 4 GiB")
        for index in 0..<offsetSize {
            bytes[position + index] = UInt8(truncatingIfNeeded: offset >> (8 * index))
        }
    }
}
