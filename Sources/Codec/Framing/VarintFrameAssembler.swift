import ChoraleBase

/// Why a stream of length-prefixed frames was refused. Every case is the peer's fault and ends the
/// stream.
public enum FramingError: Error, Hashable, Sendable {
    /// The length prefix has a shorter encoding.
    case lengthNotMinimal
    /// The length prefix takes more than nine bytes.
    case lengthTooLong
    case frameTooLarge(length: UInt64, limit: Int)
    /// The stream ended inside a frame, of which this many bytes had arrived, prefix included.
    case endedInsideFrame(arrived: Int)
}

/// Cuts the bytes of one stream into frames: an unsigned varint, then that many bytes.
///
/// Feed each piece of the stream as it arrives and take frames until there are none:
///
///     var offset = 0
///     while let frame = try assembler.next(in: piece, from: &offset) {
///         switch frame {
///         case .inPlace(let range): use(piece.extracting(range))
///         case .assembled(let bytes): use(bytes.span)
///         }
///     }
///
/// When `next` gives nil the whole piece has been taken: what belongs to an unfinished frame was
/// copied, and this is the only copy made. A frame that lies inside one piece is not copied.
///
/// Invariants:
///   1. A length is compared with the limit before anything is sized by it.
///   2. Memory follows what has arrived: at most twice the bytes of the unfinished frame that came,
///      and never more than the frame's length.
///   3. Frames do not depend on how the stream was cut into pieces, nor does the error.
///
/// Specification: libp2p "length-prefixed with an unsigned varint"; multiformats/unsigned-varint.
public struct VarintFrameAssembler: Sendable {
    /// A whole frame without its prefix.
    public enum Frame: Hashable, Sendable {
        /// The frame lies here in the piece that was passed.
        case inPlace(Range<Int>)
        /// The frame came in several pieces.
        case assembled([UInt8])
    }

    private enum State: Sendable {
        /// Inside the length prefix, of which `size` bytes came.
        case prefix(value: UInt64, size: Int)
        /// Inside a frame of `length` bytes, more than `buffer` holds.
        case body(length: Int, prefixSize: Int)
        case refused(FramingError)
    }

    /// Longest frame accepted, in bytes, without the prefix.
    public let frameSizeMax: Int

    private var state: State = .prefix(value: 0, size: 0)
    private var buffer: [UInt8] = []
    /// What `buffer` was asked to hold; unlike `capacity` the same on every allocator.
    private var reserved = 0

    /// - Parameter frameSizeMax: longest frame accepted, in bytes, without the prefix.
    public init(frameSizeMax: Int) {
        precondition(frameSizeMax >= 0, "a frame size of \(frameSizeMax)")
        self.frameSizeMax = frameSizeMax
    }

    /// Memory held for an unfinished frame, in bytes, for budgets. The same in every run.
    public var bufferedSize: Int { reserved }

    /// How much of an unfinished frame has arrived, and its length, both without the prefix; nil
    /// between frames and inside a prefix.
    public var progress: (received: Int, expected: Int)? {
        guard case .body(let length, _) = state else { return nil }
        return (buffer.count, length)
    }

    /// Whether the stream may end here.
    public var isBetweenFrames: Bool {
        if case .prefix(_, size: 0) = state { return true }
        return false
    }

    /// The next whole frame, or nil when `input` holds no other.
    ///
    /// - Parameters:
    ///   - input: the piece of the stream that arrived.
    ///   - offset: first byte of the piece not yet taken; set to the first byte after the frame, or
    ///     to the end of the piece when nil is given.
    /// - Throws: the same error again if called after an error.
    public mutating func next(
        in input: Span<UInt8>,
        from offset: inout Int
    ) throws(FramingError) -> Frame? {
        precondition(offset >= 0 && offset <= input.count, "offset outside the input")
        switch state {
        case .refused(let error):
            throw error
        case .prefix(var value, var size):
            while offset < input.count {
                let byte = input[offset]
                offset += 1
                value |= UInt64(byte & 0x7F) << UInt64(7 * size)
                size += 1
                if byte < 0x80 {
                    guard byte != 0 || size == 1 else { throw refuse(.lengthNotMinimal) }
                    guard value <= UInt64(frameSizeMax) else {
                        throw refuse(.frameTooLarge(length: value, limit: frameSizeMax))
                    }
                    return begin(length: Int(value), prefixSize: size, in: input, from: &offset)
                }
                guard size < Varint.encodedSizeMax else { throw refuse(.lengthTooLong) }
            }
            state = .prefix(value: value, size: size)
            return nil
        case .body(let length, _):
            return take(length: length, in: input, from: &offset)
        }
    }

    /// Says that the stream ended.
    ///
    /// - Throws: ``FramingError/endedInsideFrame(arrived:)`` unless it ended between two frames, or
    ///   the error that refused the stream before.
    public mutating func end() throws(FramingError) {
        switch state {
        case .refused(let error): throw error
        case .prefix(_, size: 0): return
        case .prefix(_, let size): throw refuse(.endedInsideFrame(arrived: size))
        case .body(_, let prefixSize):
            throw refuse(.endedInsideFrame(arrived: prefixSize + buffer.count))
        }
    }

    /// The prefix is complete and `offset` is at the first byte of the frame.
    private mutating func begin(
        length: Int,
        prefixSize: Int,
        in input: Span<UInt8>,
        from offset: inout Int
    ) -> Frame? {
        guard length > input.count - offset else {
            let start = offset
            offset += length
            state = .prefix(value: 0, size: 0)
            return .inPlace(start..<offset)
        }
        state = .body(length: length, prefixSize: prefixSize)
        return take(length: length, in: input, from: &offset)
    }

    /// Copies what belongs to the unfinished frame.
    private mutating func take(
        length: Int,
        in input: Span<UInt8>,
        from offset: inout Int
    ) -> Frame? {
        let count = min(length - buffer.count, input.count - offset)
        guard count > 0 else { return nil }
        let needed = buffer.count + count
        if needed > reserved {
            reserved = min(length, max(needed, 2 * buffer.count))
            buffer.reserveCapacity(reserved)
        }
        buffer.append(contentsOf: input.extracting(offset..<offset + count))
        offset += count
        guard buffer.count == length else { return nil }

        let frame = buffer
        buffer = []
        reserved = 0
        state = .prefix(value: 0, size: 0)
        return .assembled(frame)
    }

    private mutating func refuse(_ error: FramingError) -> FramingError {
        state = .refused(error)
        buffer = []
        reserved = 0
        return error
    }
}

/// Writes frames of the kind ``VarintFrameAssembler`` reads.
public enum VarintFrame {
    /// Appends the length of `payload` and `payload`.
    public static func append(_ payload: Span<UInt8>, to bytes: inout [UInt8]) {
        Varint.append(UInt64(payload.count), to: &bytes)
        bytes.append(contentsOf: payload)
    }

    /// `payload` with its length in front.
    public static func encoded(_ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Varint.encodedSize(UInt64(payload.count)) + payload.count)
        append(payload.span, to: &bytes)
        return bytes
    }
}
