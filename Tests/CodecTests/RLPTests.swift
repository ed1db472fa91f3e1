import ChoraleBase
import Codec
import Foundation
import TestSupport
import Testing

@Suite struct RLPVectorTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let hex: String
        let value: RLPValue
        var testDescription: String { name }

        init(_ name: String, _ hex: String, _ value: RLPValue) {
            self.name = name
            self.hex = hex
            self.value = value
        }
    }

    static let text56 = "Lorem ipsum dolor sit amet, consectetur adipisicing elit"

    /// The examples of Ethereum's RLP page.
    static let rows: [Row] = [
        Row("dog", "83646f67", .bytes(Array("dog".utf8))),
        Row("cat and dog", "c88363617483646f67", .list([.text("cat"), .text("dog")])),
        Row("empty string", "80", .bytes([])),
        Row("empty list", "c0", .list([])),
        Row("byte 0", "00", .bytes([0])),
        Row("byte 0f", "0f", .bytes([0x0F])),
        Row("byte 7f", "7f", .bytes([0x7F])),
        Row("byte 80", "8180", .bytes([0x80])),
        Row("1024", "820400", .bytes([4, 0])),
        Row(
            "the set of three", "c7c0c1c0c3c0c1c0",
            .list([.list([]), .list([.list([])]), .list([.list([]), .list([.list([])])])])),
        Row("56 bytes", "b838" + Hex.encode(text56.utf8), .text(text56)),
        Row(
            "55 bytes", "b7" + Hex.encode(text56.utf8.dropLast()), .text(String(text56.dropLast()))),
        Row(
            "a list of 56 bytes", "f838" + String(repeating: "01", count: 56),
            .list(Array(repeating: .bytes([1]), count: 56))),
    ]

    @Test(arguments: rows) func item(_ row: Row) throws {
        let bytes = try Hex.decode(row.hex)
        #expect(try RLPTests.decode(bytes) == row.value)
        #expect(row.value.encoded() == bytes)
        for count in 0..<bytes.count {
            #expect(throws: RLPError.self) { try RLPTests.decode(Array(bytes.prefix(count))) }
        }
        #expect(throws: RLPError.trailingBytes(1)) { try RLPTests.decode(bytes + [0]) }
    }

    /// Ethereum's official files, where `$CHORALE_EVM_FIXTURES` or its default has them.
    static let fixtures: URL? = {
        let named = ProcessInfo.processInfo.environment["CHORALE_EVM_FIXTURES"]
        let root =
            named.map { URL(fileURLWithPath: $0) }
            ?? Vectors.checkout.deletingLastPathComponent().appendingPathComponent("shared/evm")
        let folder = root.appendingPathComponent("basic")
        return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
    }()

    static let absence: Comment =
        "no Ethereum fixtures: set CHORALE_EVM_FIXTURES to their folder (default ../shared/evm)"

    private static func file(_ name: String) throws -> [(name: String, row: JSON)] {
        let url = try #require(fixtures).appendingPathComponent(name)
        let json = JSON(try JSONSerialization.jsonObject(with: Data(contentsOf: url)))
        let rows = try json.keys.map { ($0, try json[$0]) }
        try #require(!rows.isEmpty)
        return rows
    }

    @Test(.enabled(if: fixtures != nil, absence))
    func officialValid() throws {
        for (name, row) in try Self.file("RLPTests-rlptest.json") {
            let encoding = try row["out"].hex
            let value = try RLPValue(vector: try row["in"].value)
            #expect(value.encoded() == encoding, "\(name)")
            #expect(try RLPTests.decode(encoding) == value, "\(name)")
        }
    }

    @Test(.enabled(if: fixtures != nil, absence))
    func officialInvalid() throws {
        for (name, row) in try Self.file("RLPTests-invalidRLPTest.json") {
            let encoding = try row["out"].hex
            #expect(throws: RLPError.self, "\(name)") { try RLPTests.decode(encoding) }
        }
    }

    @Test(.enabled(if: fixtures != nil, absence))
    func officialRandom() throws {
        for (name, row) in try Self.file("RLPTests-random.json") {
            let encoding = try row["out"].hex
            #expect(try row["in"].string == "VALID")
            #expect(try RLPTests.decode(encoding).encoded() == encoding, "\(name)")
        }
    }
}

private struct UnreadableVector: Error, CustomStringConvertible { let description: String }

extension RLPValue {
    fileprivate static func text(_ text: String) -> RLPValue { .bytes(Array(text.utf8)) }

    /// As the official files write values: text, numbers, decimal text behind `#`, and lists.
    fileprivate init(vector: Any) throws {
        switch vector {
        case let list as [Any]:
            self = .list(try list.map { try RLPValue(vector: $0) })
        case let text as String where text.hasPrefix("#"):
            self = .bytes(Self.bigEndian(decimal: text.dropFirst()))
        case let text as String:
            self = .text(text)
        case let number as NSNumber:
            self = .bytes(Self.bigEndian(decimal: Substring(number.stringValue)))
        default:
            throw UnreadableVector(description: "neither text, number nor list: \(vector)")
        }
    }

    private static func bigEndian(decimal: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        for digit in decimal.utf8 {
            var carry = Int(digit) - 0x30
            for index in bytes.indices.reversed() {
                carry += Int(bytes[index]) * 10
                bytes[index] = UInt8(carry & 0xFF)
                carry >>= 8
            }
            if carry > 0 { bytes.insert(UInt8(carry), at: 0) }
        }
        return bytes
    }
}

@Suite struct RLPTests {
    static func decode(
        _ bytes: [UInt8],
        limits: RLPValue.Limits = .init()
    ) throws(RLPError) -> RLPValue {
        try RLPValue(bytes.span, limits: limits)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let hex: String
        let error: RLPError
        var testDescription: String { name }

        init(_ name: String, _ hex: String, _ error: RLPError) {
            self.name = name
            self.hex = hex
            self.error = error
        }
    }

    static let refused: [Refused] = [
        Refused("nothing", "", .truncated),
        Refused("a byte with a header", "8100", .byteNotMinimal(0)),
        Refused("the last byte with a header", "817f", .byteNotMinimal(0x7F)),
        Refused("a byte with a header in a list", "c28101", .byteNotMinimal(1)),
        Refused("long form of 55 bytes", "b837", .lengthNotMinimal),
        Refused("long form of an empty list", "f800", .lengthNotMinimal),
        Refused("a length with a leading zero", "b90038", .lengthNotMinimal),
        Refused("a length cut", "b901", .truncated),
        Refused("a payload cut", "83646f", .lengthBeyondEnd(length: 3, remaining: 2)),
        Refused(
            "the greatest length", "bfffffffffffffffff",
            .lengthBeyondEnd(length: .max, remaining: 0)),
        Refused(
            "the greatest list", "ffffffffffffffffff00",
            .lengthBeyondEnd(length: .max, remaining: 1)),
        Refused(
            "an item that leaves its list", "c3830102", .lengthBeyondEnd(length: 3, remaining: 2)),
        Refused("two items", "0102", .trailingBytes(1)),
    ]

    @Test(arguments: refused) func refuses(_ row: Refused) throws {
        let bytes = try Hex.decode(row.hex)
        #expect(throws: row.error) { try Self.decode(bytes) }
    }

    @Test func limits() throws {
        let deep: [UInt8] = [0xC3, 0xC2, 0xC1, 0xC0]
        #expect(throws: RLPError.tooDeep(limit: 3)) {
            try Self.decode(deep, limits: .init(depthMax: 3))
        }
        #expect(try Self.decode(deep, limits: .init(depthMax: 4)).encoded() == deep)

        let wide: [UInt8] = [0xC3, 1, 0xC1, 2]
        #expect(throws: RLPError.tooManyItems(limit: 3)) {
            try Self.decode(wide, limits: .init(itemCountMax: 3))
        }
        #expect(try Self.decode(wide, limits: .init(itemCountMax: 4)).encoded() == wide)
    }

    /// Tens of thousands of lists inside each other must not overflow the stack.
    @Test func hostileNesting() {
        var bytes: [UInt8] = []
        var lengths: [Int] = []
        var size = 0
        while size < 100_000 {
            let header = size < 56 ? 1 : 1 + (Int.bitWidth - size.leadingZeroBitCount + 7) / 8
            lengths.append(size)
            size += header
        }
        for length in lengths.reversed() {
            if length < 56 {
                bytes.append(0xC0 + UInt8(length))
            } else {
                let count = (Int.bitWidth - length.leadingZeroBitCount + 7) / 8
                bytes.append(0xF7 + UInt8(count))
                for shift in (0..<count).reversed() {
                    bytes.append(UInt8(truncatingIfNeeded: length >> (8 * shift)))
                }
            }
        }
        #expect(throws: RLPError.tooDeep(limit: 32)) { try Self.decode(bytes) }
    }

    /// A declared shape read without copies: [name, number, [roots]].
    @Test func walksADeclaredShape() throws {
        var writer = RLPWriter(appendingTo: [0xEE])
        let outer = writer.beginList()
        writer.bytes(Array("name".utf8))
        writer.integer(1024)
        let inner = writer.beginList()
        writer.bytes([UInt8](repeating: 7, count: 60))
        writer.integer(0)
        writer.encoded(([0xC0] as [UInt8]).span)
        writer.endList(inner)
        writer.endList(outer)
        let bytes = Array(writer.bytes.dropFirst())

        let message = try RLPReader.item(bytes.span)
        #expect(message.encoding == 0..<bytes.count)
        var fields = try message.list(itemCountMax: 3)
        let name = try fields.required(in: bytes.span)
        #expect(try Array(bytes[name.bytes()]) == Array("name".utf8))
        let number = try fields.required(in: bytes.span).uint64(in: bytes.span)
        #expect(number == 1024)
        var roots = try fields.required(in: bytes.span).list(itemCountMax: 3)
        try fields.finish()

        let root = try roots.required(in: bytes.span)
        #expect(root.payload.count == 60)
        let error = #expect(throws: RLPError.self) { try roots.finish() }
        #expect(error == .trailingBytes(2))
        let zero = try roots.required(in: bytes.span)
        let value = try zero.uint64(in: bytes.span)
        #expect(value == 0)
        #expect(throws: RLPError.unexpectedKind(.bytes)) { try zero.list(itemCountMax: 1) }
        let list = try roots.required(in: bytes.span)
        #expect(throws: RLPError.unexpectedKind(.list)) { try list.bytes() }
        let missing = #expect(throws: RLPError.self) { try roots.required(in: bytes.span) }
        #expect(missing == .missingItem)
    }

    static let integers: [(String, RLPError?)] = [
        ("80", nil), ("7f", nil), ("88ffffffffffffffff", nil),
        ("00", .integerNotMinimal), ("820001", .integerNotMinimal),
        ("89010000000000000000", .wrongSize(found: 9, expected: 8)), ("c0", .unexpectedKind(.list)),
    ]

    @Test(arguments: integers) func integer(hex: String, error: RLPError?) throws {
        let bytes = try Hex.decode(hex)
        let item = try RLPReader.item(bytes.span)
        do throws(RLPError) {
            let value = try item.uint64(in: bytes.span)
            #expect(error == nil)
            var writer = RLPWriter()
            writer.integer(value)
            #expect(writer.bytes == bytes)
        } catch let found {
            #expect(found == error)
        }
    }

    @Test(arguments: [0, 1, 55, 56, 255, 256, 65_535, 65_536, 70_000]) func sizes(size: Int) throws
    {
        let value = RLPValue.list([.bytes([UInt8](repeating: 9, count: size)), .list([])])
        #expect(try Self.decode(value.encoded()) == value)
    }

    /// Whatever decodes encodes to the same bytes.
    @Test(arguments: UInt64(0)..<64) func hostileBytesGiveAnAnswer(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let good = RLPValue.list([
            .bytes([1]), .list([.bytes([0x80, 2]), .list([])]), .bytes(Array(0..<60)),
        ]).encoded()
        var accepted = 0
        for _ in 0..<300 {
            var bytes = good
            bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
            guard let value = try? Self.decode(bytes) else { continue }
            accepted += 1
            #expect(value.encoded() == bytes)
        }
        #expect(accepted > 0)
    }
}
