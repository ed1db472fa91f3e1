/// Why bytes are not a JSON document that we accept. Offsets are in bytes, from 0.
public enum JSONError: Error, Hashable, Sendable {
    case unexpectedEnd
    case unexpectedByte(UInt8, offset: Int)
    /// Something follows the document.
    case trailingBytes(offset: Int)
    /// Leading zeros, a bare sign, a point without digits.
    case malformedNumber(offset: Int)
    /// An integer outside `Int64.min...UInt64.max`, or a number beyond the largest `Double`.
    case numberOutOfRange(offset: Int)
    case malformedEscape(offset: Int)
    /// Half of a surrogate pair: no such character exists.
    case loneSurrogate(offset: Int)
    /// A control character that must be escaped.
    case controlCharacter(UInt8, offset: Int)
    /// Not UTF-8. The offset is that of the string.
    case malformedText(offset: Int)
    /// Which of the two would count differs between readers.
    case duplicateName(String, offset: Int)
    case tooDeep(limit: Int)
    case tooManyValues(limit: Int)
}

extension JSONError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unexpectedEnd: "the document ends too early"
        case .unexpectedByte(let byte, let offset):
            if (0x21...0x7e).contains(byte) {
                "unexpected `\(Character(UnicodeScalar(byte)))` at byte \(offset)"
            } else {
                "unexpected byte \(byte) at byte \(offset)"
            }
        case .trailingBytes(let offset): "something follows the document at byte \(offset)"
        case .malformedNumber(let offset): "malformed number at byte \(offset)"
        case .numberOutOfRange(let offset): "the number at byte \(offset) is out of range"
        case .malformedEscape(let offset): "malformed escape at byte \(offset)"
        case .loneSurrogate(let offset): "half a surrogate pair at byte \(offset)"
        case .controlCharacter(let byte, let offset):
            "control character \(byte) at byte \(offset) must be escaped"
        case .malformedText(let offset): "the string at byte \(offset) is not UTF-8"
        case .duplicateName(let name, let offset):
            "the name `\(name.prefix(64))` occurs again at byte \(offset)"
        case .tooDeep(let limit): "nested deeper than \(limit) levels"
        case .tooManyValues(let limit): "more than \(limit) values"
        }
    }
}

extension JSONValue {
    public struct Limits: Hashable, Sendable {
        /// Arrays and objects inside each other. Bounds recursion; no request needs more than four.
        public var depthMax = 32
        /// Values in the whole document. A value takes 40 bytes here and two in the text, so this
        /// keeps a hostile line from growing twentyfold.
        public var valueCountMax = 65_536

        public init() {}
    }

    /// Reads exactly one document, with white space around it.
    ///
    /// Strict: no comments, no trailing commas, no lone surrogates, no repeated names.
    public init(parsing bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) {
        var parser = JSONParser(bytes: bytes, limits: limits)
        self = try parser.document()
    }
}

struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONValue.Limits
    private var offset = 0
    private var valueCount = 0

    init(bytes: [UInt8], limits: JSONValue.Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw .trailingBytes(offset: offset) }
        return value
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        guard offset < bytes.count else { throw .unexpectedEnd }
        valueCount += 1
        guard valueCount <= limits.valueCountMax else {
            throw .tooManyValues(limit: limits.valueCountMax)
        }
        switch bytes[offset] {
        case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"):
            try literal("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try literal("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try literal("null")
            return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case let byte: throw .unexpectedByte(byte, offset: offset)
        }
    }

    // MARK: Containers

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        guard depth <= limits.depthMax else { throw .tooDeep(limit: limits.depthMax) }
        offset += 1
        var members: [JSONObject.Member] = []
        var names: Set<String> = []
        guard try !closes(UInt8(ascii: "}")) else { return JSONObject() }
        while true {
            skipSpace()
            try expectNext(UInt8(ascii: "\""))
            let start = offset
            let name = try string()
            guard names.insert(name).inserted else {
                throw .duplicateName(name, offset: start)
            }
            skipSpace()
            try expectNext(UInt8(ascii: ":"))
            offset += 1
            members.append(.init(name, try value(depth: depth)))
            if try closes(UInt8(ascii: "}")) { return JSONObject(distinct: members) }
            try expectNext(UInt8(ascii: ","))
            offset += 1
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        guard depth <= limits.depthMax else { throw .tooDeep(limit: limits.depthMax) }
        offset += 1
        var values: [JSONValue] = []
        guard try !closes(UInt8(ascii: "]")) else { return [] }
        while true {
            values.append(try value(depth: depth))
            if try closes(UInt8(ascii: "]")) { return values }
            try expectNext(UInt8(ascii: ","))
            offset += 1
        }
    }

    /// Whether the container ends here; then its end is consumed.
    private mutating func closes(_ end: UInt8) throws(JSONError) -> Bool {
        skipSpace()
        guard offset < bytes.count else { throw .unexpectedEnd }
        guard bytes[offset] == end else { return false }
        offset += 1
        return true
    }

    // MARK: Tokens

    private mutating func skipSpace() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0a, 0x0d: offset += 1
            default: return
            }
        }
    }

    private func expectNext(_ byte: UInt8) throws(JSONError) {
        guard offset < bytes.count else { throw .unexpectedEnd }
        guard bytes[offset] == byte else { throw .unexpectedByte(bytes[offset], offset: offset) }
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        for byte in text.description.utf8 {
            try expectNext(byte)
            offset += 1
        }
    }

    private mutating func number() throws(JSONError) -> JSONValue {
        let start = offset
        let isNegative = bytes[offset] == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        let integerStart = offset
        skipDigits()
        guard offset > integerStart else { throw .malformedNumber(offset: start) }
        guard offset == integerStart + 1 || bytes[integerStart] != UInt8(ascii: "0") else {
            throw .malformedNumber(offset: start)
        }
        var isInteger = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            let fractionStart = offset
            skipDigits()
            guard offset > fractionStart else { throw .malformedNumber(offset: start) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            offset += 1
            if offset < bytes.count,
                bytes[offset] == UInt8(ascii: "+") || bytes[offset] == UInt8(ascii: "-")
            {
                offset += 1
            }
            let exponentStart = offset
            skipDigits()
            guard offset > exponentStart else { throw .malformedNumber(offset: start) }
        }
        // Longest exact integer: 20 characters. Longer fractions gain no precision, but are legal.
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger {
            if let value = Int64(text) { return .integer(value) }
            if let value = UInt64(text) { return .unsigned(value) }
            throw .numberOutOfRange(offset: start)
        }
        guard let value = Double(text), value.isFinite else {
            throw .numberOutOfRange(offset: start)
        }
        return .number(value)
    }

    private mutating func skipDigits() {
        while offset < bytes.count,
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[offset])
        {
            offset += 1
        }
    }

    private mutating func string() throws(JSONError) -> String {
        let start = offset
        offset += 1
        // Most strings have no escapes: they are read where they stand.
        let plain = takePlain()
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") {
            offset += 1
            return try text(plain, start)
        }
        var characters = Array(plain)
        while true {
            guard offset < bytes.count else { throw .unexpectedEnd }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return try text(characters[...], start)
            case UInt8(ascii: "\\"):
                try escape(into: &characters)
                characters += takePlain()
            case let byte: throw .controlCharacter(byte, offset: offset)
            }
        }
    }

    private func text(_ bytes: ArraySlice<UInt8>, _ start: Int) throws(JSONError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformedText(offset: start)
        }
        return text
    }

    /// The characters up to the next quote, backslash or control character, where the offset is then.
    private mutating func takePlain() -> ArraySlice<UInt8> {
        let start = offset
        offset = plainEnd(from: start)
        return bytes[start..<offset]
    }

    private func plainEnd(from start: Int) -> Int {
        let characters = bytes.span
        var end = start
        while end < characters.count, !Self.endsPlain(characters[end]) { end += 1 }
        return end
    }

    private static func endsPlain(_ character: UInt8) -> Bool {
        character == UInt8(ascii: "\"") || character == UInt8(ascii: "\\") || character < 0x20
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        let start = offset
        guard offset + 1 < bytes.count else { throw .unexpectedEnd }
        offset += 2
        switch bytes[start + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            text.append(bytes[start + 1])
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            let scalar = try escapedScalar(start)
            text.append(contentsOf: Character(scalar).utf8)
        default: throw .malformedEscape(offset: start)
        }
    }

    private mutating func escapedScalar(_ start: Int) throws(JSONError) -> Unicode.Scalar {
        let first = try fourHexDigits(start)
        guard (0xd800..<0xe000).contains(first) else {
            guard let scalar = Unicode.Scalar(first) else { throw .loneSurrogate(offset: start) }
            return scalar
        }
        guard first < 0xdc00 else { throw .loneSurrogate(offset: start) }
        for expected in [UInt8(ascii: "\\"), UInt8(ascii: "u")] {
            guard offset < bytes.count else { throw .unexpectedEnd }
            guard bytes[offset] == expected else { throw .loneSurrogate(offset: start) }
            offset += 1
        }
        let second = try fourHexDigits(offset - 2)
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
        else { throw .loneSurrogate(offset: start) }
        return scalar
    }

    private mutating func fourHexDigits(_ start: Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard offset < bytes.count else { throw .unexpectedEnd }
            let byte = bytes[offset]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw .malformedEscape(offset: start)
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }
}
