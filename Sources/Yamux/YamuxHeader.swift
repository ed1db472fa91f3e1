/// The 12-byte header that starts every Yamux frame.
///
///      0        1        2                4                        8                   12
///     +--------+--------+----------------+------------------------+-------------------+
///     | version|  type  |     flags      |        StreamID        |      length       |
///     +--------+--------+----------------+------------------------+-------------------+
///
/// All fields are big-endian. `length` means something different for each type, so each case names
/// it for what it is instead of exposing one field with four meanings.
///
/// Specification: libp2p/specs `yamux/README.md`, "Framing".
public enum YamuxHeader: Equatable, Sendable {
    /// `length` bytes of payload follow the header.
    case data(stream: StreamID, flags: Flags, length: UInt32)
    /// The peer may now be sent `delta` more bytes on `stream`.
    ///
    /// With ``Flags/rst`` the number is a reason, one of ``StreamResetCode``, and grants nothing.
    case windowUpdate(stream: StreamID, flags: Flags, delta: UInt32)
    /// `value` is opaque and is echoed back unchanged with ``Flags/ack``.
    case ping(flags: Flags, value: UInt32)
    case goAway(GoAwayCode)

    /// Size of an encoded header, in bytes.
    public static let encodedSize = 12
}

extension YamuxHeader {
    public struct Flags: OptionSet, Hashable, Sendable {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// Opens a stream, or asks for the answer to a ping.
        public static let syn = Flags(rawValue: 0x1)
        /// Accepts a stream, or answers a ping.
        public static let ack = Flags(rawValue: 0x2)
        /// The sender will send no more on this stream.
        public static let fin = Flags(rawValue: 0x4)
        /// Ends both directions of the stream at once.
        public static let rst = Flags(rawValue: 0x8)
    }

    /// Why a header was refused.
    ///
    /// Every case is the peer's fault and ends the session.
    public enum DecodeError: Error, Equatable, Sendable {
        case unsupportedVersion(UInt8)
        case unknownType(UInt8)
        case streamIsSession
        case payloadTooLarge(length: UInt32, limit: UInt32)
    }

    /// Decodes the header at the start of `input`.
    ///
    /// Bytes after the header are not looked at.
    ///
    /// - Parameter payloadSizeMax: largest accepted payload of one frame, in bytes.
    /// - Returns: the header, or nil when `input` holds fewer than ``encodedSize`` bytes.
    /// - Complexity: O(1). No allocation.
    @inline(__always)
    public static func decode(
        _ input: Span<UInt8>,
        payloadSizeMax: UInt32
    ) throws(DecodeError) -> YamuxHeader? {
        guard input.count >= encodedSize else { return nil }

        let version = input[0]
        guard version == 0 else { throw .unsupportedVersion(version) }

        // Unknown flag bits are kept and ignored: the specification reserves no meaning for them,
        // and refusing them would break us the day it does.
        let flags = Flags(rawValue: UInt16(input[2]) << 8 | UInt16(input[3]))
        let stream = StreamID(bigEndian32(input, at: 4))
        let length = bigEndian32(input, at: 8)

        switch input[1] {
        case 0x0:
            guard let stream else { throw .streamIsSession }
            guard length <= payloadSizeMax else {
                throw .payloadTooLarge(length: length, limit: payloadSizeMax)
            }
            return .data(stream: stream, flags: flags, length: length)
        case 0x1:
            guard let stream else { throw .streamIsSession }
            return .windowUpdate(stream: stream, flags: flags, delta: length)
        case 0x2:
            // "Should always use the 0 StreamID" is not a must: other values are accepted here.
            return .ping(flags: flags, value: length)
        case 0x3:
            return .goAway(GoAwayCode(wireValue: length))
        case let type:
            throw .unknownType(type)
        }
    }

    /// Spelled out, because a generic load that is not specialized would cost more than the rest.
    @inline(__always)
    private static func bigEndian32(_ input: Span<UInt8>, at offset: Int) -> UInt32 {
        UInt32(input[offset]) << 24 | UInt32(input[offset + 1]) << 16
            | UInt32(input[offset + 2]) << 8 | UInt32(input[offset + 3])
    }

    /// Encodes the header.
    ///
    /// Every header that `decode` returns survives the round trip unchanged.
    @inline(__always)
    public func encoded() -> [12 of UInt8] {
        let (type, flags, stream, length): (UInt8, Flags, UInt32, UInt32) =
            switch self {
            case .data(let stream, let flags, let length): (0x0, flags, stream.rawValue, length)
            case .windowUpdate(let stream, let flags, let delta):
                (0x1, flags, stream.rawValue, delta)
            case .ping(let flags, let value): (0x2, flags, 0, value)
            case .goAway(let code): (0x3, [], 0, code.wireValue)
            }
        var bytes: [12 of UInt8] = .init(repeating: 0)
        bytes[1] = type
        bytes[2] = UInt8(truncatingIfNeeded: flags.rawValue >> 8)
        bytes[3] = UInt8(truncatingIfNeeded: flags.rawValue)
        for index in 0..<4 {
            let shift = UInt32(24 - 8 * index)
            bytes[4 + index] = UInt8(truncatingIfNeeded: stream >> shift)
            bytes[8 + index] = UInt8(truncatingIfNeeded: length >> shift)
        }
        return bytes
    }
}
