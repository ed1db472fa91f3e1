import Testing

@testable import Codec

@Suite struct JSONMembersTests {
    static func members(_ text: String) throws(JSONError) -> [String] {
        let bytes = Array(text.utf8)
        var walk = try JSONMembers(bytes.span)
        var members: [String] = []
        while let member = try walk.next(bytes.span) {
            let value = String(decoding: bytes[member.value], as: UTF8.self)
            members.append("\(member.name)=\(value)")
        }
        // The end stays the end.
        guard try walk.next(bytes.span) == nil else { return ["more"] }
        return members
    }

    @Test func walksMembers() throws {
        #expect(try Self.members("{}") == [])
        #expect(try Self.members(" { } \n") == [])
        #expect(try Self.members(#"{"a":1}"#) == ["a=1"])
        #expect(
            try Self.members(#"{"a": {"b": [1, "}"]}, "c\n": "\"]", "d":[],"e" : null}"#)
                == [#"a={"b": [1, "}"]}"#, "c\n=\"\\\"]\"", "d=[]", "e=null"])
        let bytes = Array(#"xx{"a": 1}yy"#.utf8)
        var walk = try JSONMembers(bytes.span, in: 2..<10)
        let member = try walk.next(bytes.span)
        #expect(member?.name == "a" && member?.value == 8..<9)
        let end = try walk.next(bytes.span)
        #expect(end == nil)
    }

    static let refusals: [(text: String, error: JSONError)] = [
        ("", .unexpectedEnd), ("[]", .unexpectedByte(0x5B, offset: 0)),
        ("{", .unexpectedEnd), (#"{"a""#, .unexpectedEnd), (#"{"a":"#, .unexpectedEnd),
        (#"{"a":1"#, .unexpectedEnd), (#"{"a":1,}"#, .unexpectedByte(0x7D, offset: 7)),
        (#"{,"a":1}"#, .unexpectedByte(0x2C, offset: 1)),
        (#"{"a" 1}"#, .unexpectedByte(0x31, offset: 5)),
        (#"{"a":}"#, .unexpectedByte(0x7D, offset: 5)),
        (#"{"a":1}}"#, .trailingBytes(offset: 7)), (#"{"a":"b}"#, .unexpectedEnd),
        (#"{"a":"b\"#, .unexpectedEnd), (#"{"a":[}"#, .unexpectedEnd),
        (#"{"a":{}1}"#, .unexpectedByte(0x31, offset: 7)),
        (#"{"\x":1}"#, .malformedEscape(offset: 1)),
    ]

    @Test(arguments: refusals.indices) func refuses(index: Int) {
        let row = Self.refusals[index]
        #expect(throws: row.error, "\(row.text)") { try Self.members(row.text) }
    }

    /// Whatever a reader of whole documents takes, this finds the same members of.
    @Test func agreesWithTheParserOnEveryChangedByte() throws {
        let text = Array(#"{"a": {"b": [1, "}"]}, "c": "\"]", "d":[],"e" : -1.5e3}"#.utf8)
        for position in text.indices {
            for byte in [UInt8(ascii: "{"), 0x7D, 0x22, 0x5B, 0x5D, 0x2C, 0x3A, 0x5C, 0x20, 0x31] {
                var changed = text
                changed[position] = byte
                guard case .object(let object)? = try? JSONValue(parsing: changed) else { continue }
                var walk = try JSONMembers(changed.span)
                var found: [JSONObject.Member] = []
                while let member = try walk.next(changed.span) {
                    let value = try JSONValue(parsing: Array(changed[member.value]))
                    found.append(.init(member.name, value))
                }
                #expect(found == object.members)
            }
        }
    }
}
