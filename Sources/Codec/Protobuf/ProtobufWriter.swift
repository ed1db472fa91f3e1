import ChoraleBase

/// Appends protobuf fields to one array, in the order of the calls.
///
/// Nothing is left out implicitly: the field of an empty string or of zero is written when the
/// method is called, because "absent" and "empty" differ in several libp2p messages. Call in
/// ascending field order where the bytes are hashed or signed.
///
///     var writer = ProtobufWriter()
///     writer.varint(1, 0)
///     let peer = writer.beginMessage(8)
///     writer.bytes(1, peerID)
///     writer.endMessage(peer)
///     send(writer.bytes)
///
/// Specification: protobuf.dev, "Encoding".
public struct ProtobufWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8]

    public init() { bytes = [] }

    /// Reserves room, in bytes, so that a message of known size is written with one allocation.
    public init(reservingCapacity capacity: Int) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Continues after `bytes`, for example after a frame's length prefix.
    public init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    /// Wire type 0: an unsigned integer or an enumeration.
    ///
    /// - Precondition: here and below, `field` is in `1...2^29 - 1`.
    public mutating func varint(_ field: UInt32, _ value: UInt64) {
        appendTag(field, wireType: 0)
        appendVarint(value)
    }

    /// Wire type 0: a boolean.
    public mutating func bool(_ field: UInt32, _ value: Bool) {
        appendTag(field, wireType: 0)
        bytes.append(value ? 1 : 0)
    }

    /// Wire type 1.
    public mutating func fixed64(_ field: UInt32, _ value: UInt64) {
        appendTag(field, wireType: 1)
        bytes.appendLittleEndian(value)
    }

    /// Wire type 5.
    public mutating func fixed32(_ field: UInt32, _ value: UInt32) {
        appendTag(field, wireType: 5)
        bytes.appendLittleEndian(value)
    }

    /// Wire type 2: bytes, a string's UTF-8, or a message encoded before.
    public mutating func bytes(_ field: UInt32, _ value: Span<UInt8>) {
        messageHeader(field, size: value.count)
        bytes.append(contentsOf: value)
    }

    public mutating func bytes(_ field: UInt32, _ value: [UInt8]) {
        messageHeader(field, size: value.count)
        bytes += value
    }

    public mutating func bytes(_ field: UInt32, _ value: ArraySlice<UInt8>) {
        messageHeader(field, size: value.count)
        bytes += value
    }

    /// Wire type 2: a string, as UTF-8.
    public mutating func string(_ field: UInt32, _ value: String) {
        let text = value.utf8
        messageHeader(field, size: text.count)
        bytes.append(contentsOf: text)
    }

    /// Wire type 2: tag and length only. The caller writes exactly `size` bytes of fields next.
    ///
    /// The fastest way to nest, for those who know the size (``ProtobufSize``).
    public mutating func messageHeader(_ field: UInt32, size: Int) {
        precondition(size >= 0, "a size of \(size)")
        appendTag(field, wireType: 2)
        appendVarint(UInt64(size))
    }

    /// A nested message that has been begun. Consumed by ``endMessage(_:)``, so it ends once.
    public struct OpenMessage: ~Copyable, Sendable {
        fileprivate let start: Int
    }

    /// Begins a nested message whose size is not known yet.
    public mutating func beginMessage(_ field: UInt32) -> OpenMessage {
        appendTag(field, wireType: 2)
        // One byte is kept for the length, which is all that messages below 128 bytes need; longer
        // ones are moved when they end.
        bytes.append(0)
        return OpenMessage(start: bytes.count)
    }

    /// Ends the message that was begun last and has not ended.
    ///
    /// - Complexity: O(size of the message) when it is 128 bytes or longer, O(1) otherwise.
    public mutating func endMessage(_ message: consuming OpenMessage) {
        let start = message.start
        let size = bytes.count - start
        precondition(size >= 0, "messages end in the reverse order of their beginning")
        let prefixSize = ProtobufSize.varint(UInt64(size))
        if prefixSize > 1 {
            bytes.insert(contentsOf: repeatElement(0, count: prefixSize - 1), at: start)
        }
        var rest = UInt64(size)
        for index in 0..<prefixSize {
            let more: UInt8 = index == prefixSize - 1 ? 0 : 0x80
            bytes[start - 1 + index] = UInt8(truncatingIfNeeded: rest & 0x7F) | more
            rest >>= 7
        }
    }

    private mutating func appendTag(_ field: UInt32, wireType: UInt64) {
        precondition(field >= 1 && field <= 0x1FFF_FFFF, "field number \(field)")
        appendVarint(UInt64(field) << 3 | wireType)
    }

    private mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}

/// Sizes of encoded fields, for writing nested messages in one pass.
public enum ProtobufSize {
    /// Bytes of an integer without its tag, 1 to 10.
    @inlinable
    public static func varint(_ value: UInt64) -> Int {
        (70 - (value | 1).leadingZeroBitCount) / 7
    }

    /// Bytes of a tag.
    @inlinable
    public static func tag(_ field: UInt32) -> Int { varint(UInt64(field) << 3) }

    /// Bytes of an integer field with its tag.
    @inlinable
    public static func varint(_ field: UInt32, _ value: UInt64) -> Int {
        tag(field) + varint(value)
    }

    /// Bytes of a length-delimited field of `size` bytes, with tag and length.
    @inlinable
    public static func bytes(_ field: UInt32, size: Int) -> Int {
        tag(field) + varint(UInt64(size)) + size
    }
}
