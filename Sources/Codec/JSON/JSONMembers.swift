/// Walks the members of a JSON object without building it, for documents whose size is in the number
/// of their members: a genesis file with a million accounts.
///
/// It finds where each value ends and does not look at what is inside: whoever uses a value reads its
/// bytes with ``JSONValue/init(parsing:limits:)``, which refuses what is malformed. It holds positions
/// only; pass the same bytes to every call. Repeated names are for the caller to notice.
public struct JSONMembers: Sendable {
    public struct Member: Hashable, Sendable {
        public let name: String
        /// Where the bytes of the value are.
        public let value: Range<Int>
    }

    /// The longest name that is read, in bytes with its escapes.
    public static let nameSizeMax = 1024

    private var position: Int
    private let end: Int
    private var isFirst = true
    private var isFinished = false

    /// Stands before the first member of the object that fills `range` but for white space.
    ///
    /// - Throws: when no object begins there.
    public init(_ bytes: Span<UInt8>, in range: Range<Int>? = nil) throws(JSONError) {
        position = range?.lowerBound ?? 0
        end = range?.upperBound ?? bytes.count
        try take(UInt8(ascii: "{"), bytes)
    }

    /// The next member; nil behind the last, when nothing but white space follows the object.
    public mutating func next(_ bytes: Span<UInt8>) throws(JSONError) -> Member? {
        guard !isFinished else { return nil }
        skipSpace(bytes)
        if position < end, bytes[position] == UInt8(ascii: "}") {
            position += 1
            skipSpace(bytes)
            guard position == end else { throw .trailingBytes(offset: position) }
            isFinished = true
            return nil
        }
        if !isFirst {
            try take(UInt8(ascii: ","), bytes)
            skipSpace(bytes)
        }
        isFirst = false
        let name = try name(bytes)
        try take(UInt8(ascii: ":"), bytes)
        skipSpace(bytes)
        let start = position
        try skipValue(bytes)
        return Member(name: name, value: start..<position)
    }

    private mutating func skipSpace(_ bytes: Span<UInt8>) {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) throws(JSONError) {
        skipSpace(bytes)
        guard position < end else { throw .unexpectedEnd }
        guard bytes[position] == byte else {
            throw .unexpectedByte(bytes[position], offset: position)
        }
        position += 1
    }

    private mutating func name(_ bytes: Span<UInt8>) throws(JSONError) -> String {
        let start = position
        try skipString(bytes)
        guard position - start <= Self.nameSizeMax else { throw .malformedText(offset: start) }
        let text = (start..<position).map { bytes[$0] }
        guard let name = try JSONValue(parsing: text).string else {
            throw .malformedText(offset: start)
        }
        return name
    }

    private mutating func skipString(_ bytes: Span<UInt8>) throws(JSONError) {
        try take(UInt8(ascii: "\""), bytes)
        while position < end {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): position += 2
            default: position += 1
            }
        }
        throw .unexpectedEnd
    }

    /// To the end of a value: of a scalar where it ends, of anything else where its brackets close.
    private mutating func skipValue(_ bytes: Span<UInt8>) throws(JSONError) {
        let start = position
        var depth = 0
        while position < end {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                try skipString(bytes)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
                if depth == 0 {
                    guard position > start else {
                        throw .unexpectedByte(bytes[position], offset: position)
                    }
                    return
                }
                if bytes[position] != UInt8(ascii: ",") { depth -= 1 }
                position += 1
            default: position += 1
            }
            if depth == 0, position <= end, position > start, isClosed(bytes) { return }
        }
        throw .unexpectedEnd
    }

    /// Whether what was passed last ends a value by itself.
    private func isClosed(_ bytes: Span<UInt8>) -> Bool {
        switch bytes[position - 1] {
        case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: "\""): true
        default: false
        }
    }
}
