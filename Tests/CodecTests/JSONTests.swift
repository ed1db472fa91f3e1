import ChoraleBase
import Testing

@testable import Codec

@Suite struct JSONTests {
    struct Row: Sendable, CustomStringConvertible {
        let text: String
        let value: JSONValue
        /// What is written; nil when the same as `text`.
        var written: String?

        init(_ text: String, _ value: JSONValue, written: String? = nil) {
            (self.text, self.value, self.written) = (text, value, written)
        }

        var description: String { text }
    }

    static let accepted = [
        Row("null", .null),
        Row("true", .bool(true)),
        Row(" \t\r\n false ", .bool(false), written: "false"),
        Row("0", .integer(0)),
        Row("-0", .integer(0), written: "0"),
        Row("-9223372036854775808", .integer(.min)),
        Row("9223372036854775807", .integer(.max)),
        Row("9223372036854775808", .unsigned(1 << 63)),
        Row("18446744073709551615", .unsigned(.max)),
        Row("1.5", .number(1.5)),
        Row("1e2", .number(100), written: "100.0"),
        Row("-1.25E-2", .number(-0.0125), written: "-0.0125"),
        Row("0.1", .number(0.1)),
        Row(#""""#, .string("")),
        Row(
            #""a\"\\\/\b\f\n\r\t""#, .string("a\"\\/\u{8}\u{c}\n\r\t"),
            written: #""a\"\\/\u0008\u000c\n\r\t""#),
        Row(#""\u00e9\uD83D\uDE00""#, .string("é😀"), written: #""é😀""#),
        Row(#""\u0000\u007f""#, .string("\u{0}\u{7f}")),
        Row("[]", .array([])),
        Row("[1,[2],{}]", .array([.integer(1), .array([.integer(2)]), .object([:])])),
        Row(
            #"{"b":1,"a":{"b":null}}"#,
            .object(["b": .integer(1), "a": .object(["b": .null])])),
    ]

    @Test(arguments: accepted) func readsAndWrites(_ row: Row) throws {
        let value = try JSONValue(parsing: Array(row.text.utf8))
        #expect(value == row.value)
        #expect(value.text == row.written ?? row.text)
        // What was written reads back the same.
        #expect(try JSONValue(parsing: value.encoded) == value)
    }

    /// Every beginning of a document is too short, unless it is a number, which may end anywhere.
    @Test(arguments: accepted) func refusesEveryTruncation(_ row: Row) throws {
        let bytes = row.value.encoded
        switch row.value {
        case .integer, .unsigned, .number: return
        default: break
        }
        for size in 0..<bytes.count {
            #expect(throws: JSONError.unexpectedEnd) {
                try JSONValue(parsing: Array(bytes[..<size]))
            }
        }
    }

    struct Refusal: Sendable, CustomStringConvertible {
        let text: String
        let error: JSONError

        init(_ text: String, _ error: JSONError) { (self.text, self.error) = (text, error) }

        var description: String { text }
    }

    static let refusals = [
        Refusal("", .unexpectedEnd),
        Refusal("   ", .unexpectedEnd),
        Refusal("nul", .unexpectedEnd),
        Refusal("nulL", .unexpectedByte(UInt8(ascii: "L"), offset: 3)),
        Refusal("null null", .trailingBytes(offset: 5)),
        Refusal("'a'", .unexpectedByte(UInt8(ascii: "'"), offset: 0)),
        Refusal("[1,]", .unexpectedByte(UInt8(ascii: "]"), offset: 3)),
        Refusal("[1 2]", .unexpectedByte(UInt8(ascii: "2"), offset: 3)),
        Refusal("{1:2}", .unexpectedByte(UInt8(ascii: "1"), offset: 1)),
        Refusal(#"{"a":1,}"#, .unexpectedByte(UInt8(ascii: "}"), offset: 7)),
        Refusal(#"{"a" 1}"#, .unexpectedByte(UInt8(ascii: "1"), offset: 5)),
        Refusal("// a", .unexpectedByte(UInt8(ascii: "/"), offset: 0)),
        Refusal("NaN", .unexpectedByte(UInt8(ascii: "N"), offset: 0)),
        Refusal("+1", .unexpectedByte(UInt8(ascii: "+"), offset: 0)),
        Refusal("01", .malformedNumber(offset: 0)),
        Refusal("-", .malformedNumber(offset: 0)),
        Refusal("-01", .malformedNumber(offset: 0)),
        Refusal("1.", .malformedNumber(offset: 0)),
        Refusal(".5", .unexpectedByte(UInt8(ascii: "."), offset: 0)),
        Refusal("1e", .malformedNumber(offset: 0)),
        Refusal("1e+", .malformedNumber(offset: 0)),
        Refusal("18446744073709551616", .numberOutOfRange(offset: 0)),
        Refusal("-9223372036854775809", .numberOutOfRange(offset: 0)),
        Refusal("1e999", .numberOutOfRange(offset: 0)),
        Refusal("\"\u{1}\"", .controlCharacter(1, offset: 1)),
        Refusal("\"\n\"", .controlCharacter(10, offset: 1)),
        Refusal(#""\x""#, .malformedEscape(offset: 1)),
        Refusal(#""\u12g4""#, .malformedEscape(offset: 1)),
        Refusal(#""\uD800""#, .loneSurrogate(offset: 1)),
        Refusal(#""\uD800a""#, .loneSurrogate(offset: 1)),
        Refusal(#""\uD800\u0041""#, .loneSurrogate(offset: 1)),
        Refusal(#""\uDC00""#, .loneSurrogate(offset: 1)),
        Refusal(#"{"a":1,"b":2,"a":3}"#, .duplicateName("a", offset: 13)),
        Refusal(#"{"a":1,"\u0061":3}"#, .duplicateName("a", offset: 7)),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        #expect(throws: row.error) { try JSONValue(parsing: Array(row.text.utf8)) }
        #expect(!row.error.description.isEmpty)
    }

    @Test func refusesTextThatIsNotUTF8() {
        for bytes: [UInt8] in [
            [0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80],
        ] {
            #expect(throws: JSONError.malformedText(offset: 0)) {
                try JSONValue(parsing: [0x22] + bytes + [0x22])
            }
        }
    }

    @Test func boundsDepth() throws {
        let limits = JSONValue.Limits()
        let open = { (count: Int) in
            [UInt8](repeating: UInt8(ascii: "["), count: count)
                + [UInt8](repeating: UInt8(ascii: "]"), count: count)
        }
        #expect(try JSONValue(parsing: open(limits.depthMax)).array != nil)
        #expect(throws: JSONError.tooDeep(limit: limits.depthMax)) {
            try JSONValue(parsing: open(limits.depthMax + 1))
        }
        // A hostile line full of brackets ends at the limit rather than at the end of the stack.
        #expect(throws: JSONError.tooDeep(limit: limits.depthMax)) {
            try JSONValue(parsing: [UInt8](repeating: UInt8(ascii: "["), count: 1 << 20))
        }
    }

    @Test func boundsValues() throws {
        var limits = JSONValue.Limits()
        limits.valueCountMax = 3
        #expect(try JSONValue(parsing: Array("[1,2]".utf8), limits: limits).array?.count == 2)
        #expect(throws: JSONError.tooManyValues(limit: 3)) {
            try JSONValue(parsing: Array("[1,2,3]".utf8), limits: limits)
        }
    }

    /// Whatever bytes come, there is a value or an error, and a value reads back from its text.
    @Test(arguments: UInt64(0)..<64) func mutationsNeverTrap(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let whole = Array(
            #"{"jsonrpc":"2.0","id":1.5e3,"params":[{"k":"\uD83D\uDE00\n"},-12,null,true]}"#.utf8)
        for _ in 0..<300 {
            var bytes = whole
            for _ in 0...Int(random.next() % 4) {
                let index = Int(random.next() % UInt64(bytes.count))
                switch random.next() % 3 {
                case 0: bytes[index] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: index)
                default: bytes.insert(bytes[Int(random.next() % UInt64(bytes.count))], at: index)
                }
            }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            #expect((try? JSONValue(parsing: value.encoded)) == value)
        }
    }

    @Test func numbersThatAreNoneBecomeNull() {
        #expect(JSONValue.number(.nan).text == "null")
        #expect(JSONValue.number(.infinity).text == "null")
    }

    @Test func integersAreReadHoweverTheyAreWritten() {
        #expect(JSONValue.number(3).int == 3)
        #expect(JSONValue.number(3.5).int == nil)
        #expect(JSONValue.number(1e300).int == nil)
        #expect(JSONValue.unsigned(.max).int == nil)
        #expect(JSONValue.unsigned(.max).uint64 == .max)
        #expect(JSONValue.integer(-1).uint64 == nil)
    }
}

@Suite struct Base64Tests {
    /// RFC 4648 §10.
    static let vectors = [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
    ]

    @Test(arguments: vectors) func vector(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
        #expect(Base64.decode(encoded) == Array(text.utf8))
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "====", "Zh==", "Zm9=", "Z=g=", "Zg==Zg==", "Zm 8", "Zm-_",
    ])
    func refuses(text: String) { #expect(Base64.decode(text) == nil) }

    @Test(arguments: UInt64(0)..<32) func roundTrips(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let bytes = (0..<Int(random.next() % 300)).map { _ in
            UInt8(truncatingIfNeeded: random.next())
        }
        #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
}
