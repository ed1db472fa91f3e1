/// Unsigned LEB128 as multiformats restricts it: minimal, at most nine bytes, below 2^63.
///
/// Specification: multiformats/unsigned-varint.
public enum Varint {
    /// Longest encoding, in bytes.
    public static let encodedSizeMax = 9

    public enum DecodeError: Error, Equatable, Sendable {
        /// The last byte is zero, so a shorter encoding of the same value exists.
        case notMinimal
        /// More than nine bytes.
        case tooLong
    }

    /// A decoded integer and how many bytes it took.
    public struct Decoded: Equatable, Sendable {
        public let value: UInt64
        public let size: Int

        public init(value: UInt64, size: Int) {
            self.value = value
            self.size = size
        }
    }

    /// Decodes the varint at `offset` of `input`.
    ///
    /// - Returns: the value and its size in bytes, or nil when `input` ends inside the varint.
    /// - Complexity: O(1). No allocation.
    public static func decode(
        _ input: Span<UInt8>,
        at offset: Int = 0
    ) throws(DecodeError) -> Decoded? {
        precondition(offset >= 0 && offset <= input.count, "offset outside the input")
        var value: UInt64 = 0
        for index in 0..<encodedSizeMax {
            let position = offset + index
            guard position < input.count else { return nil }
            let byte = input[position]
            value |= UInt64(byte & 0x7F) << UInt64(7 * index)
            if byte & 0x80 == 0 {
                guard byte != 0 || index == 0 else { throw .notMinimal }
                return Decoded(value: value, size: index + 1)
            }
        }
        throw .tooLong
    }

    /// Bytes that `value` takes, 1 to 9.
    ///
    /// - Precondition: `value < 2^63`.
    public static func encodedSize(_ value: UInt64) -> Int {
        precondition(value >> 63 == 0, "a varint holds 63 bits")
        return value == 0 ? 1 : (70 - value.leadingZeroBitCount) / 7
    }

    /// Appends the minimal encoding of `value`.
    ///
    /// - Precondition: `value < 2^63`.
    public static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        precondition(value >> 63 == 0, "a varint holds 63 bits")
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    public static func encoded(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return bytes
    }
}
