import ChoraleBase
import Codec
import Testing

@Suite struct ProtobufTests {
    /// All fields of a message, or its error.
    static func fields(
        _ bytes: [UInt8],
        form: ProtobufReader.Form = .any,
        limits: ProtobufReader.Limits = .init()
    ) throws(ProtobufError) -> [ProtobufField] {
        var reader = ProtobufReader(bytes.span, form: form, limits: limits)
        var fields: [ProtobufField] = []
        while let field = try reader.next(in: bytes.span) { fields.append(field) }
        return fields
    }

    struct Accepted: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let fields: [ProtobufField]
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ fields: [(UInt32, ProtobufField.Value)]) {
            self.name = name
            self.bytes = bytes
            self.fields = fields.map { ProtobufField(number: $0.0, value: $0.1) }
        }
    }

    static let accepted: [Accepted] = [
        Accepted("an empty message", [], []),
        // The first example of protobuf.dev "Encoding": field 1 is 150.
        Accepted("150", [0x08, 0x96, 0x01], [(1, .varint(150))]),
        // The second: field 2 is "testing".
        Accepted(
            "a string", [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67], [(2, .bytes(2..<9))]
        ),
        Accepted("empty bytes", [0x12, 0x00], [(2, .bytes(2..<2))]),
        Accepted(
            "minus one as int32", [0x08] + Array(repeating: 0xFF, count: 9) + [0x01],
            [(1, .varint(.max))]),
        Accepted("fixed32", [0x0D, 1, 2, 3, 4], [(1, .fixed32(0x0403_0201))]),
        Accepted(
            "fixed64", [0x09, 1, 2, 3, 4, 5, 6, 7, 8], [(1, .fixed64(0x0807_0605_0403_0201))]),
        Accepted(
            "the greatest field number", [0xF8, 0xFF, 0xFF, 0xFF, 0x0F, 0x05],
            [(0x1FFF_FFFF, .varint(5))]),
        Accepted("a field twice", [0x08, 1, 0x08, 2], [(1, .varint(1)), (1, .varint(2))]),
    ]

    @Test(arguments: accepted) func reads(_ row: Accepted) throws {
        #expect(try Self.fields(row.bytes) == row.fields)
        #expect(try Self.fields(row.bytes, form: .deterministic) == row.fields)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let error: ProtobufError
        var testDescription: String { name }

        init(_ name: String, _ bytes: [UInt8], _ error: ProtobufError) {
            self.name = name
            self.bytes = bytes
            self.error = error
        }
    }

    static let refused: [Refused] = [
        Refused("a tag without value", [0x08], .truncated),
        Refused("a tag that ends early", [0x88], .truncated),
        Refused("an integer that ends early", [0x08, 0x96], .truncated),
        Refused("fixed64 of seven bytes", [0x09, 1, 2, 3, 4, 5, 6, 7], .truncated),
        Refused("fixed32 of three bytes", [0x0D, 1, 2, 3], .truncated),
        Refused("a length that ends early", [0x12, 0x80], .truncated),
        Refused("field zero", [0x00, 0x01], .fieldNumberZero),
        Refused("field zero with a length", [0x02, 0x00], .fieldNumberZero),
        Refused(
            "a field number of 2^29", [0x80, 0x80, 0x80, 0x80, 0x10, 1],
            .fieldNumberTooLarge(0x2000_0000)),
        Refused(
            "the greatest tag", Array(repeating: 0xFF, count: 9) + [0x01],
            .fieldNumberTooLarge(.max >> 3)),
        Refused("a group's start", [0x0B], .group(field: 1)),
        Refused("a group's end", [0x0C], .group(field: 1)),
        Refused("wire type 6", [0x0E], .unknownWireType(6, field: 1)),
        Refused("wire type 7", [0x0F], .unknownWireType(7, field: 1)),
        Refused(
            "an integer of 65 bits", [0x08] + Array(repeating: 0xFF, count: 9) + [0x02],
            .varintTooLong),
        Refused(
            "an integer of eleven bytes", [0x08] + Array(repeating: 0x80, count: 10) + [0x00],
            .varintTooLong),
        Refused(
            "a length beyond the end", [0x12, 0x05, 1, 2, 3, 4],
            .lengthBeyondEnd(field: 2, length: 5, remaining: 4)),
        Refused(
            "the greatest length", [0x12] + Array(repeating: 0xFF, count: 9) + [0x01],
            .lengthBeyondEnd(field: 2, length: .max, remaining: 0)),
    ]

    @Test(arguments: refused) func refuses(_ row: Refused) {
        #expect(throws: row.error) { try Self.fields(row.bytes) }
        // What is allowed in a key is allowed everywhere, so the same must be refused there.
        #expect(throws: row.error) { try Self.fields(row.bytes, form: .deterministic) }
    }

    static let onlyNotDeterministic: [Refused] = [
        Refused("an integer with a needless byte", [0x08, 0x81, 0x00], .varintNotMinimal),
        Refused("a tag with a needless byte", [0x88, 0x00, 0x01], .varintNotMinimal),
        Refused("a length with a needless byte", [0x12, 0x80, 0x00], .varintNotMinimal),
        Refused(
            "a zero of ten bytes", [0x08] + Array(repeating: 0x80, count: 9) + [0x00],
            .varintNotMinimal),
        Refused(
            "descending fields", [0x10, 1, 0x08, 1], .fieldsOutOfOrder(field: 1, after: 2)),
    ]

    @Test(arguments: onlyNotDeterministic) func acceptsUnlessDeterministic(_ row: Refused) throws {
        #expect(try !Self.fields(row.bytes).isEmpty)
        #expect(throws: row.error) { try Self.fields(row.bytes, form: .deterministic) }
    }

    @Test func countsFields() throws {
        let three: [UInt8] = [0x08, 1, 0x08, 2, 0x08, 3]
        #expect(try Self.fields(three, limits: .init(fieldCountMax: 3)).count == 3)
        #expect(throws: ProtobufError.tooManyFields(limit: 2)) {
            try Self.fields(three, limits: .init(fieldCountMax: 2))
        }
    }

    @Test func accessorsNameTheField() throws {
        let text = ProtobufField(number: 7, value: .bytes(3..<5))
        let number = ProtobufField(number: 8, value: .varint(2))
        #expect(try text.bytes() == 3..<5)
        #expect(try number.varint() == 2)
        #expect(try number.bool())
        #expect(throws: ProtobufError.wrongWireType(field: 7)) { try text.varint() }
        #expect(throws: ProtobufError.wrongWireType(field: 8)) { try number.bytes() }
        let fixed = ProtobufField(number: 9, value: .fixed32(1))
        #expect(throws: ProtobufError.wrongWireType(field: 9)) { try fixed.bool() }
    }

    @Test func nestedReaderStaysInItsRange() throws {
        // Field 1 holds {2: 5}; the byte after it must not be seen by the inner reader.
        let bytes: [UInt8] = [0x0A, 0x02, 0x10, 0x05, 0x18, 0x09]
        let outer = try Self.fields(bytes)
        var inner = ProtobufReader(try outer[0].bytes())
        let first = try inner.next(in: bytes.span)
        let second = try inner.next(in: bytes.span)
        #expect(first == ProtobufField(number: 2, value: .varint(5)))
        #expect(second == nil)

        // An inner length that reaches into the outer message is beyond the end of the inner one.
        let greedy: [UInt8] = [0x0A, 0x02, 0x12, 0x01, 0x18, 0x09]
        var reader = ProtobufReader(2..<4)
        let error = #expect(throws: ProtobufError.self) { try reader.next(in: greedy.span) }
        #expect(error == .lengthBeyondEnd(field: 2, length: 1, remaining: 0))
    }

    @Test func writesWhatIsRead() throws {
        var writer = ProtobufWriter(reservingCapacity: 64)
        writer.varint(1, 150)
        writer.bytes(2, Array("testing".utf8))
        writer.bytes(3, ArraySlice<UInt8>([9, 9]))
        writer.bytes(4, ([1, 2, 3] as [UInt8]).span)
        writer.string(5, "é")
        writer.bool(6, true)
        writer.bool(6, false)
        writer.fixed32(7, 0x0403_0201)
        writer.fixed64(8, .max)
        writer.varint(0x1FFF_FFFF, .max)
        #expect(
            Hex.encode(writer.bytes)
                == "089601" + "120774657374696e67" + "1a020909" + "2203010203" + "2a02c3a9"
                + "3001" + "3000" + "3d01020304" + "41ffffffffffffffff"
                + "f8ffffff0f" + "ffffffffffffffffff01")
        #expect(try Self.fields(writer.bytes, form: .deterministic).count == 10)
    }

    @Test(arguments: [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000])
    func nestedMessageOfAnySize(size: Int) throws {
        let payload = [UInt8](repeating: 7, count: size)
        var patched = ProtobufWriter(appendingTo: [0xEE])
        let outer = patched.beginMessage(1)
        let inner = patched.beginMessage(2)
        patched.bytes(3, payload)
        patched.endMessage(inner)
        patched.varint(4, 1)
        patched.endMessage(outer)

        let leafSize = ProtobufSize.bytes(3, size: size)
        let innerSize = ProtobufSize.bytes(2, size: leafSize) + ProtobufSize.varint(4, 1)
        var sized = ProtobufWriter(appendingTo: [0xEE])
        sized.messageHeader(1, size: innerSize)
        sized.messageHeader(2, size: leafSize)
        sized.bytes(3, payload)
        sized.varint(4, 1)
        #expect(patched.bytes == sized.bytes)
        #expect(patched.bytes.count == 1 + ProtobufSize.bytes(1, size: innerSize))
        #expect(try Self.fields(Array(patched.bytes.dropFirst())).count == 1)
    }

    @Test func sizesOfIntegers() {
        var value: UInt64 = 1
        while value != 0 {
            for near in [value &- 1, value, value &+ 1] {
                var writer = ProtobufWriter()
                writer.varint(1, near)
                #expect(writer.bytes.count == ProtobufSize.varint(1, near))
            }
            value &<<= 1
        }
        #expect(ProtobufSize.varint(UInt64.max) == 10)
        #expect(ProtobufSize.tag(15) == 1)
        #expect(ProtobufSize.tag(16) == 2)
        #expect(ProtobufSize.tag(0x1FFF_FFFF) == 5)
    }

    /// Every prefix of a message is a shorter message or truncated, and never anything else.
    @Test func truncatedAtEveryByte() throws {
        var writer = ProtobufWriter()
        writer.varint(1, 300)
        writer.bytes(2, [UInt8](repeating: 1, count: 200))
        writer.fixed64(3, 1)
        writer.fixed32(4, 1)
        let whole = writer.bytes
        let boundaries: Set<Int> = [0, 3, 206, 215, 220]
        for count in 0...whole.count {
            let prefix = Array(whole.prefix(count))
            do throws(ProtobufError) {
                _ = try Self.fields(prefix)
                #expect(boundaries.contains(count), "cut at \(count)")
            } catch {
                #expect(!boundaries.contains(count), "cut at \(count)")
                switch error {
                case .truncated, .lengthBeyondEnd: break
                default: Issue.record("cut at \(count): \(error)")
                }
            }
        }
    }

    @Test(arguments: UInt64(0)..<64) func hostileBytesGiveAnAnswer(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        for _ in 0..<500 {
            let count = Int(random.next() % 40)
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            do throws(ProtobufError) {
                for field in try Self.fields(bytes) {
                    if case .bytes(let range) = field.value {
                        #expect(range.lowerBound >= 0 && range.upperBound <= bytes.count)
                    }
                }
            } catch {
                // Any error will do; what matters is that nothing trapped.
            }
        }
    }
}
