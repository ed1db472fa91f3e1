import ChoraleBase

/// Why RLP bytes were refused. Every case is their author's fault.
public enum RLPError: Error, Hashable, Sendable {
    /// The input ends inside an item's header.
    case truncated
    /// An item claims more bytes than are left of its list or of the input.
    case lengthBeyondEnd(length: UInt64, remaining: Int)
    /// A length has a leading zero, or would fit the short form.
    case lengthNotMinimal
    /// A byte below 0x80 that is its own encoding was given a header.
    case byteNotMinimal(UInt8)
    /// Bytes follow the item that should be the whole input.
    case trailingBytes(Int)
    case tooManyItems(limit: Int)
    case tooDeep(limit: Int)
    /// Bytes where the reader's declaration says list, or the other way round.
    case unexpectedKind(RLPItem.Kind)
    /// A list ended before the item that its declaration requires.
    case missingItem
    /// An integer with a leading zero byte.
    case integerNotMinimal
    /// An integer, or bytes of fixed size, of another size than the declaration allows.
    case wrongSize(found: Int, expected: Int)
}

/// One item: what it is and where its payload lies.
public struct RLPItem: Hashable, Sendable {
    public enum Kind: Hashable, Sendable { case bytes, list }

    public let kind: Kind
    /// The bytes, or the items of the list, in the span that the reader walks.
    public let payload: Range<Int>
    /// The item with its header, for hashing what a list's item is.
    public let encoding: Range<Int>

    /// Where the bytes lie.
    ///
    /// - Throws: ``RLPError/unexpectedKind(_:)`` when the item is a list.
    public func bytes() throws(RLPError) -> Range<Int> {
        guard kind == .bytes else { throw .unexpectedKind(kind) }
        return payload
    }

    /// A reader of the list's items.
    ///
    /// - Throws: ``RLPError/unexpectedKind(_:)`` when the item is not a list.
    public func list(itemCountMax: Int) throws(RLPError) -> RLPReader {
        guard kind == .list else { throw .unexpectedKind(kind) }
        return RLPReader(payload, itemCountMax: itemCountMax)
    }

    /// An unsigned integer of at most 64 bits: big-endian without leading zeros, zero being empty.
    ///
    /// - Precondition: `input` is the span the item was read from.
    public func uint64(in input: Span<UInt8>) throws(RLPError) -> UInt64 {
        let range = try bytes()
        guard range.count <= 8 else { throw .wrongSize(found: range.count, expected: 8) }
        var value: UInt64 = 0
        for index in range {
            guard index > range.lowerBound || input[index] != 0 else { throw .integerNotMinimal }
            value = value << 8 | UInt64(input[index])
        }
        return value
    }
}

/// Walks the items of one RLP list, or of a whole input, without copying or allocating.
///
/// Like ``ProtobufReader`` it holds positions only; pass the same span to every call. A list inside
/// is another reader (``RLPItem/list(itemCountMax:)``), so nesting is as deep as the declaration of
/// what is read. For items of unknown shape there is ``RLPValue``.
///
/// Only canonical encodings are accepted: each item has one.
///
/// Specification: Ethereum yellow paper, appendix B.
public struct RLPReader: Sendable {
    /// First byte not yet read.
    public private(set) var position: Int
    /// Where the list's payload ends.
    public let end: Int

    private var itemsLeft: Int
    private let itemCountMax: Int

    /// - Parameters:
    ///   - range: where the items lie in the span that will be passed to ``next(in:)``.
    ///   - itemCountMax: most items of this list, those of lists inside not counted.
    public init(_ range: Range<Int>, itemCountMax: Int) {
        position = range.lowerBound
        end = range.upperBound
        itemsLeft = itemCountMax
        self.itemCountMax = itemCountMax
    }

    /// The one item that fills `input`.
    ///
    /// What lies inside a list is not looked at.
    public static func item(_ input: Span<UInt8>) throws(RLPError) -> RLPItem {
        var reader = RLPReader(0..<input.count, itemCountMax: 1)
        guard let item = try reader.next(in: input) else { throw .truncated }
        guard reader.position == input.count else {
            throw .trailingBytes(input.count - reader.position)
        }
        return item
    }

    /// The next item, or nil at the end of the list.
    ///
    /// - Precondition: `input` is the span that the reader's range refers to.
    public mutating func next(in input: Span<UInt8>) throws(RLPError) -> RLPItem? {
        precondition(end <= input.count, "the list lies outside the span")
        guard position < end else { return nil }
        guard itemsLeft > 0 else { throw .tooManyItems(limit: itemCountMax) }
        itemsLeft -= 1

        let start = position
        let prefix = input[start]
        switch prefix {
        case 0x00...0x7F:
            position = start + 1
            return RLPItem(kind: .bytes, payload: start..<position, encoding: start..<position)
        case 0x80...0xB7:
            let payload = try take(UInt64(prefix - 0x80), after: start + 1)
            if payload.count == 1, input[payload.lowerBound] < 0x80 {
                throw .byteNotMinimal(input[payload.lowerBound])
            }
            return RLPItem(kind: .bytes, payload: payload, encoding: start..<position)
        case 0xB8...0xBF:
            let payload = try takeLong(lengthSize: Int(prefix - 0xB7), after: start + 1, input)
            return RLPItem(kind: .bytes, payload: payload, encoding: start..<position)
        case 0xC0...0xF7:
            let payload = try take(UInt64(prefix - 0xC0), after: start + 1)
            return RLPItem(kind: .list, payload: payload, encoding: start..<position)
        default:
            let payload = try takeLong(lengthSize: Int(prefix - 0xF7), after: start + 1, input)
            return RLPItem(kind: .list, payload: payload, encoding: start..<position)
        }
    }

    /// The next item, which must be there.
    public mutating func required(in input: Span<UInt8>) throws(RLPError) -> RLPItem {
        guard let item = try next(in: input) else { throw .missingItem }
        return item
    }

    /// Says that the list should have no further items.
    public func finish() throws(RLPError) {
        guard position == end else { throw .trailingBytes(end - position) }
    }

    /// A length of one to eight bytes, for payloads of 56 bytes and more.
    private mutating func takeLong(
        lengthSize: Int,
        after start: Int,
        _ input: Span<UInt8>
    ) throws(RLPError) -> Range<Int> {
        guard lengthSize <= end - start else { throw .truncated }
        guard input[start] != 0 else { throw .lengthNotMinimal }
        var length: UInt64 = 0
        for index in start..<start + lengthSize { length = length << 8 | UInt64(input[index]) }
        guard length >= 56 else { throw .lengthNotMinimal }
        return try take(length, after: start + lengthSize)
    }

    private mutating func take(_ length: UInt64, after start: Int) throws(RLPError) -> Range<Int> {
        guard length <= UInt64(end - start) else {
            throw .lengthBeyondEnd(length: length, remaining: end - start)
        }
        position = start + Int(length)
        return start..<position
    }
}
