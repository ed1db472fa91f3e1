import ChoraleBase
import Codec
import Testing

/// Encodings and refusals. Roots are in `SSZRootVectorTests`.
@Suite struct SSZTests {
    static func roundTrip<Value: SSZCodable & Equatable>(
        _ value: Value,
        _ hex: String,
        location: SourceLocation = #_sourceLocation
    ) throws {
        let bytes = try Hex.decode(hex)
        #expect(value.sszEncoded() == bytes, sourceLocation: location)
        #expect(try Value.decoded(bytes) == value, sourceLocation: location)
        if let size = Value.sszFixedSize {
            #expect(bytes.count == size, sourceLocation: location)
            for wrong in [Array(bytes.dropLast()), bytes + [0]] {
                #expect(throws: SSZError.self, sourceLocation: location) {
                    try Value.decoded(wrong)
                }
            }
        }
        // Behind other bytes the same: offsets count from the value's own start.
        var behind: [UInt8] = [1, 2, 3]
        value.sszEncode(into: &behind)
        #expect(behind == [1, 2, 3] + bytes, sourceLocation: location)
    }

    @Test func basicTypes() throws {
        try Self.roundTrip(UInt8(5), "05")
        try Self.roundTrip(UInt16(0x0102), "0201")
        try Self.roundTrip(UInt32(0x0102_0304), "04030201")
        try Self.roundTrip(UInt64.max - 1, "feffffffffffffff")
        try Self.roundTrip(UInt128(1) << 127, "00000000000000000000000000000080")
        try Self.roundTrip(true, "01")
        try Self.roundTrip(false, "00")
        #expect(throws: SSZError.notBoolean(2)) { try Bool.decoded([2]) }
        try Self.roundTrip(Bytes32.zero, String(repeating: "00", count: 32))
    }

    @Test func bytes() throws {
        try Self.roundTrip(SSZByteVector<3>([1, 2, 3])!, "010203")
        try Self.roundTrip(SSZByteList<3>([])!, "")
        try Self.roundTrip(SSZByteList<3>([1, 2, 3])!, "010203")
        #expect(SSZByteList<3>([1, 2, 3, 4]) == nil)
        #expect(SSZByteVector<3>([1, 2]) == nil)
        #expect(throws: SSZError.tooManyElements(found: 4, limit: 3)) {
            try SSZByteList<3>.decoded([1, 2, 3, 4])
        }
        #expect(SSZByteVector<3>([1, 2, 3])! != SSZByteVector<3>([1, 2, 4])!)
        #expect(SSZByteVector<3>([1, 2, 3])!.hashValue == SSZByteVector<3>([1, 2, 3])!.hashValue)
    }

    @Test func bitvectors() throws {
        var ten = SSZBitvector<10>()
        for index in [0, 2, 9] { ten[index] = true }
        try Self.roundTrip(ten, "0502")
        #expect(ten.setCount == 3 && ten[9] && !ten[8])
        ten[9] = false
        try Self.roundTrip(ten, "0500")
        #expect(throws: SSZError.bitBehindEnd) { try SSZBitvector<10>.decoded([0, 4]) }
        try Self.roundTrip(SSZBitvector<8>(), "00")
    }

    @Test func bitlists() throws {
        var four = SSZBitlist<10>(count: 4)!
        for index in [0, 1, 3] { four[index] = true }
        try Self.roundTrip(four, "1b")
        try Self.roundTrip(SSZBitlist<10>(count: 0)!, "01")
        try Self.roundTrip(SSZBitlist<10>(count: 8)!, "0001")
        try Self.roundTrip(SSZBitlist<10>(count: 10)!, "0004")
        #expect(SSZBitlist<10>(count: 11) == nil)
        #expect(SSZBitlist<10>(count: -1) == nil)
        #expect(throws: SSZError.tooShort(found: 0, minimum: 1)) {
            try SSZBitlist<10>.decoded([])
        }
        #expect(throws: SSZError.bitlistWithoutEnd) { try SSZBitlist<10>.decoded([1, 0]) }
        #expect(throws: SSZError.tooManyElements(found: 11, limit: 10)) {
            try SSZBitlist<10>.decoded([0, 8])
        }
    }

    @Test func collections() throws {
        try Self.roundTrip(SSZList<UInt16, 4>([1, 2, 3])!, "010002000300")
        try Self.roundTrip(SSZList<UInt16, 4>(), "")
        try Self.roundTrip(SSZVector<UInt16, 3>([1, 2, 3])!, "010002000300")
        #expect(SSZList<UInt16, 2>([1, 2, 3]) == nil)
        #expect(SSZVector<UInt16, 2>([1]) == nil)
        #expect(throws: SSZError.partialElement(size: 3, elementSize: 2)) {
            try SSZList<UInt16, 4>.decoded([1, 0, 2])
        }
        #expect(throws: SSZError.tooManyElements(found: 3, limit: 2)) {
            try SSZList<UInt16, 2>.decoded([1, 0, 2, 0, 3, 0])
        }
    }

    @Test func collectionsOfVariableElements() throws {
        typealias Lists = SSZList<SSZByteList<4>, 3>
        try Self.roundTrip(
            Lists([SSZByteList([0x61, 0x62])!, SSZByteList([])!])!, "080000000a0000006162")
        try Self.roundTrip(Lists(), "")
        typealias Vectors = SSZVector<SSZByteList<4>, 2>
        try Self.roundTrip(
            Vectors([SSZByteList([])!, SSZByteList([7])!])!, "080000000800000007")
        #expect(Vectors.sszFixedSize == nil)
        #expect(SSZVector<UInt16, 3>.sszFixedSize == 6)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let hex: String
        let error: SSZError
        var testDescription: String { name }

        init(_ name: String, _ hex: String, _ error: SSZError) {
            self.name = name
            self.hex = hex
            self.error = error
        }
    }

    static let refusedLists: [Refused] = [
        Refused("three bytes", "040000", .tooShort(found: 3, minimum: 4)),
        Refused("first offset zero", "00000000", .firstOffsetNotACount(0)),
        Refused("first offset 5", "0500000000", .firstOffsetNotACount(5)),
        Refused("first offset behind the end", "08000000", .offsetBeyondEnd(8, size: 4)),
        Refused("the greatest first offset", "fcffffff", .offsetBeyondEnd(0xFFFF_FFFC, size: 4)),
        Refused(
            "four elements of three", "10000000100000001000000010000000",
            .tooManyElements(found: 4, limit: 3)),
        Refused(
            "an offset before the first", "0800000007000000", .offsetsDescend(7, after: 8)),
        Refused(
            "descending offsets", "0c0000000e0000000d0000006161", .offsetsDescend(13, after: 14)),
        Refused(
            "an offset behind the end", "080000000a00000061", .offsetBeyondEnd(10, size: 9)),
        Refused(
            "an element too long", "040000006162636465", .tooManyElements(found: 5, limit: 4)),
    ]

    @Test(arguments: refusedLists) func refusesList(_ row: Refused) throws {
        let bytes = try Hex.decode(row.hex)
        #expect(throws: row.error) { try SSZList<SSZByteList<4>, 3>.decoded(bytes) }
    }

    @Test func vectorsCountTheirElements() throws {
        #expect(throws: SSZError.wrongSize(found: 1, expected: 2)) {
            try SSZVector<SSZByteList<4>, 2>.decoded([4, 0, 0, 0])
        }
        #expect(throws: SSZError.wrongSize(found: 2, expected: 4)) {
            try SSZVector<UInt16, 2>.decoded([4, 0])
        }
    }

    @Test func containers() throws {
        // From the consensus-specs generic tests: the offset of b stands between a and c.
        try Self.roundTrip(
            VarTestStruct(a: 0xABCD, b: SSZList([1, 2, 3])!, c: 0xFF), "cdab07000000ff010002000300")
        try Self.roundTrip(
            Pair(7), "0700000000000000" + String(repeating: "07", count: 32))
        try Self.roundTrip(
            Tagged(author: Array("hey".utf8), tags: [Array("ab".utf8), []], flag: true),
            "09000000" + "0c000000" + "01" + "686579" + "080000000a0000006162")
        try Self.roundTrip(
            Tagged(author: [], tags: [], flag: false), "09000000" + "09000000" + "00")
        #expect(Pair.sszFixedSize == 40)
        #expect(VarTestStruct.sszFixedSize == nil)
        #expect(VarTestStruct.sszLayout.fixedPartSize == 7)
        #expect(throws: SSZError.invalidValue("slot")) {
            try Pair.decoded([13] + [UInt8](repeating: 0, count: 39))
        }
    }

    static let refusedContainers: [Refused] = [
        Refused("no bytes", "", .tooShort(found: 0, minimum: 9)),
        Refused("fixed part cut", "0900000009000000", .tooShort(found: 8, minimum: 9)),
        Refused(
            "first offset inside the fixed part", "080000000900000000",
            .firstOffset(found: 8, expected: 9)),
        Refused(
            "first offset leaves a gap", "0a0000000a00000000" + "00",
            .firstOffset(found: 10, expected: 9)),
        Refused(
            "second offset before the first", "090000000800000000", .offsetsDescend(8, after: 9)),
        Refused(
            "second offset behind the end", "090000000a00000000", .offsetBeyondEnd(10, size: 9)),
        Refused("a flag of two", "090000000900000002", .notBoolean(2)),
        Refused(
            "a field over its limit", "090000001200000000" + "010203040506070809",
            .tooManyElements(found: 9, limit: 8)),
        Refused(
            "one variable field, offset behind the end", "ffffffff0900000000",
            .firstOffset(found: .max, expected: 9)),
    ]

    @Test(arguments: refusedContainers) func refusesContainer(_ row: Refused) throws {
        let bytes = try Hex.decode(row.hex)
        #expect(throws: row.error) { try Tagged.decoded(bytes) }
    }

    /// Whatever decodes encodes to the same bytes: there is one encoding for each value.
    @Test(arguments: UInt64(0)..<64) func hostileBytesGiveAnAnswer(seed: UInt64) throws {
        var random = DeterministicRandom(seed: seed)
        let good = Tagged(author: [1, 2], tags: [[3], [4, 5], []], flag: true).sszEncoded()
        var accepted = 0
        for _ in 0..<300 {
            var bytes = good
            for _ in 0..<(1 + random.next() % 3) {
                switch random.next() % 3 {
                case 0:
                    bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
                case 1: bytes.append(UInt8(truncatingIfNeeded: random.next()))
                default: if bytes.count > 1 { bytes.removeLast() }
                }
            }
            guard let value = try? Tagged.decoded(bytes) else { continue }
            accepted += 1
            #expect(value.sszEncoded() == bytes)
        }
        #expect(accepted > 0, "the mutations never kept a value")
    }

    @Test func truncatedAtEveryByte() {
        let whole = Tagged(author: [1, 2], tags: [[3], [4, 5]], flag: true).sszEncoded()
        for count in 0..<whole.count {
            let bytes = Array(whole.prefix(count))
            // The last field's bytes run to the end, so a cut there is a shorter value or refused.
            if let value = try? Tagged.decoded(bytes) { #expect(value.sszEncoded() == bytes) }
        }
    }
}
