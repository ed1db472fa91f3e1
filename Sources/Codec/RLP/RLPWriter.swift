import ChoraleBase

/// Appends RLP items to one array, in the order of the calls.
///
/// Specification: Ethereum yellow paper, appendix B.
public struct RLPWriter: Sendable {
    /// What has been written so far.
    public private(set) var bytes: [UInt8]

    public init() { bytes = [] }

    /// Continues after `bytes`.
    public init(appendingTo bytes: consuming [UInt8]) { self.bytes = bytes }

    public mutating func bytes(_ value: Span<UInt8>) { Self.append(value, to: &bytes) }

    public mutating func bytes(_ value: [UInt8]) { bytes(value.span) }

    /// An unsigned integer: big-endian without leading zeros, zero being empty.
    public mutating func integer(_ value: UInt64) {
        guard value >= 0x80 else {
            bytes.append(value == 0 ? 0x80 : UInt8(value))
            return
        }
        let size = (UInt64.bitWidth - value.leadingZeroBitCount + 7) / 8
        bytes.append(0x80 + UInt8(size))
        for index in 0..<size {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * (size - 1 - index))))
        }
    }

    /// An item that is encoded already.
    public mutating func encoded(_ item: Span<UInt8>) { bytes.append(contentsOf: item) }

    /// A list that has been begun. Consumed by ``endList(_:)``, so it ends once.
    public struct OpenList: ~Copyable, Sendable {
        fileprivate let start: Int
    }

    /// Begins a list; what is written until it ends are its items.
    public mutating func beginList() -> OpenList {
        // One byte is kept for the header, which is all that lists below 56 bytes need.
        bytes.append(0xC0)
        return OpenList(start: bytes.count)
    }

    /// Ends the list that was begun last and has not ended.
    ///
    /// - Complexity: O(size of the list) when it is 56 bytes or longer, O(1) otherwise.
    public mutating func endList(_ list: consuming OpenList) {
        let start = list.start
        let size = bytes.count - start
        precondition(size >= 0, "lists end in the reverse order of their beginning")
        if size < 56 {
            bytes[start - 1] = 0xC0 + UInt8(size)
            return
        }
        let lengthSize = (Int.bitWidth - size.leadingZeroBitCount + 7) / 8
        bytes[start - 1] = 0xF7 + UInt8(lengthSize)
        bytes.insert(contentsOf: repeatElement(0, count: lengthSize), at: start)
        for index in 0..<lengthSize {
            let shift = 8 * (lengthSize - 1 - index)
            bytes[start + index] = UInt8(truncatingIfNeeded: size >> shift)
        }
    }

    // MARK: Parts, for encoders that know their sizes beforehand

    /// Appends a byte string as an item.
    public static func append(_ value: Span<UInt8>, to output: inout [UInt8]) {
        if value.count == 1, value[0] < 0x80 {
            output.append(value[0])
            return
        }
        appendHeader(.bytes, size: value.count, to: &output)
        output.append(contentsOf: value)
    }

    /// Appends what stands before a payload of `size` bytes.
    public static func appendHeader(
        _ kind: RLPItem.Kind, size: Int, to output: inout [UInt8]
    ) {
        let base: UInt8 = kind == .bytes ? 0x80 : 0xC0
        if size < 56 {
            output.append(base + UInt8(size))
            return
        }
        let lengthSize = (Int.bitWidth - size.leadingZeroBitCount + 7) / 8
        output.append(base + 55 + UInt8(lengthSize))
        for index in 0..<lengthSize {
            output.append(UInt8(truncatingIfNeeded: size >> (8 * (lengthSize - 1 - index))))
        }
    }

    /// Bytes that ``appendHeader(_:size:to:)`` appends.
    public static func headerSize(_ size: Int) -> Int {
        size < 56 ? 1 : 1 + (Int.bitWidth - size.leadingZeroBitCount + 7) / 8
    }
}
