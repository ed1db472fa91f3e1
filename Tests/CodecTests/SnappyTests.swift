import ChoraleBase
import Testing

@testable import Codec

@Suite struct SnappyVectorTests {
    static let checksums: [(String, UInt32, UInt32)] = [
        ("", 0, 0xA282_EAD8),
        ("123456789", 0xE306_9283, 0xC78A_B0E5),
        (String(repeating: "\0", count: 32), 0x8A91_36AA, 0x0FD7_FFFA),
        ("a", 0xC1D0_4330, 0x28E4_6E78),
    ]

    /// RFC 3720, appendix B.4.
    static let iSCSI: [(String, [UInt8], UInt32)] = [
        ("32 bytes of zeroes", [UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ("32 bytes of ones", [UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ("incrementing", Array(0..<32), 0x46DD_794E),
        ("decrementing", (0..<32).reversed(), 0x113F_DB5C),
        (
            "an iSCSI read command",
            [
                0x01, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14,
                0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
            ], 0xD996_3A56
        ),
    ]

    @Test(arguments: iSCSI) func checksumOfRFC3720(name: String, bytes: [UInt8], crc: UInt32) {
        #expect(CRC32C.checksum(bytes.span) == crc)
        #expect(CRC32C.checksumByTable(bytes.span) == crc)
    }

    /// Sizes around those at which the instruction's three blocks begin, and any alignment.
    @Test(arguments: UInt64(0)..<64) func checksumByInstructionIsThatByTable(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let bytes = random.bytes(count: 100_000)
        let edges = [
            0, 1, 7, 8, 767, 768, 769, 1_535, 12_287, 12_288, 12_289, 24_576 + 768, 65_536,
        ]
        let sizes = edges + (0..<16).map { _ in Int(random.next() % 30_000) }
        for size in sizes {
            let start = Int(random.next() % 64)
            let part = bytes.span.extracting(start..<start + size)
            let native = CRC32C.checksum(part)
            let table = CRC32C.checksumByTable(part)
            #expect(native == table, "\(size) bytes from \(start)")
        }
    }

    @Test(arguments: checksums) func checksum(text: String, crc: UInt32, masked: UInt32) {
        let bytes = Array(text.utf8)
        #expect(CRC32C.checksum(bytes.span) == crc)
        #expect(CRC32C.masked(bytes.span) == masked)
    }

    struct Block: Sendable, CustomTestStringConvertible {
        let name: String
        let hex: String
        let data: String?
        var testDescription: String { name }
    }

    static let blocks: [Block] = [
        Block(name: "nothing", hex: "00", data: ""),
        Block(name: "a literal", hex: "040c61626364", data: "61626364"),
        Block(
            name: "a copy with one byte of offset", hex: "0d0c616263641504",
            data: "61626364616263646162636461"),
        Block(
            name: "a copy that overlaps itself", hex: "080c616263640101", data: "6162636464646464"),
        Block(name: "no bytes", hex: "", data: nil),
        Block(name: "a length that does not end", hex: "ff", data: nil),
        Block(name: "a length of 35 bits", hex: "ffffffff7f00", data: nil),
        Block(name: "offset zero", hex: "060c61626364060000", data: nil),
        Block(name: "an offset before the start", hex: "080c616263640105", data: nil),
        Block(name: "data longer than claimed", hex: "030c61626364", data: nil),
        Block(name: "data shorter than claimed", hex: "050c61626364", data: nil),
        Block(name: "2^31 bytes from one", hex: "80808080080061", data: nil),
    ]

    @Test(arguments: blocks) func block(_ row: Block) throws {
        let bytes = try Hex.decode(row.hex)
        guard let data = row.data else {
            #expect(throws: SnappyError.blockDamaged) { try decode(bytes, sizeMax: 1 << 32) }
            return
        }
        #expect(try Hex.encode(decode(bytes, sizeMax: 1 << 32)) == data)
    }

    /// The stream that golang/snappy's writer is tested to give.
    @Test func goldenFrames() throws {
        let stream = try Hex.decode(
            "ff060000734e61507059010800006810e6b661626364001100005febf21096010041fe0100fe01005201000018"
                + "0000308569eb700042ee01000d01086566434e01004e5a000067")
        var expected = Array("abcd".utf8)
        expected += Array(repeating: 0x41, count: 150)
        expected += Array(repeating: 0x42, count: 68)
        let outcome = SnappyFrameTests.read([stream])
        #expect(outcome.error == nil)
        #expect(outcome.data.starts(with: expected.prefix(154)))
        #expect(outcome.data.count == 266)
    }
}

/// A block, decoded; the tests' macros cannot hold spans.
private func decode(_ block: [UInt8], sizeMax: Int) throws(SnappyError) -> [UInt8] {
    try Snappy.decode(block.span, sizeMax: sizeMax)
}

@Suite struct SnappyBlockTests {
    @Test(arguments: [0, 1, 15, 16, 1_000, 65_536, 65_537, 300_000]) func roundTrip(size: Int)
        throws
    {
        var random = DeterministicRandom(seed: UInt64(size))
        let noise = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for data in [noise, [UInt8](repeating: 7, count: size)] {
            let block = Snappy.encode(data.span)
            #expect(block.count <= Snappy.encodedSizeMax(size))
            #expect(Snappy.claimedSize(block.span) == size)
            #expect(try decode(block, sizeMax: size) == data)
        }
    }

    @Test func claimIsCheckedBeforeAnythingIsAllocated() {
        let block = Snappy.encode([UInt8](repeating: 1, count: 1_000).span)
        #expect(throws: SnappyError.tooLarge(claimed: 1_000, limit: 999)) {
            try decode(block, sizeMax: 999)
        }
        // 4 GiB - 1 bytes allowed, and claimed by a block of six: refused for the disproportion.
        #expect(throws: SnappyError.blockDamaged) {
            try decode([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x00], sizeMax: 1 << 40)
        }
    }

    @Test func theBestPossibleRatioIsAccepted() throws {
        // 65,536 zeros: libsnappy's own best is close to 21 : 1.
        let data = [UInt8](repeating: 0, count: 65_536)
        let block = Snappy.encode(data.span)
        #expect(block.count * 22 > data.count)
        #expect(try decode(block, sizeMax: data.count) == data)
    }

    @Test func truncatedAtEveryByte() {
        let block = Snappy.encode(Array("a block, a block and another block".utf8).span)
        for count in 0..<block.count {
            #expect(throws: SnappyError.blockDamaged) {
                try decode(Array(block.prefix(count)), sizeMax: 100)
            }
        }
    }

    @Test(arguments: UInt64(0)..<32) func hostileBlocksGiveAnAnswer(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let good = Snappy.encode(Array("a block, a block and another block".utf8).span)
        for _ in 0..<300 {
            var block = good
            for _ in 0..<(1 + random.next() % 4) {
                block[Int(random.next() % UInt64(block.count))] = UInt8(
                    truncatingIfNeeded: random.next())
            }
            if let data = try? decode(block, sizeMax: 10_000) {
                #expect(data.count == Snappy.claimedSize(block.span))
            }
        }
    }
}

@Suite struct SnappyFrameTests {
    struct Outcome: Equatable {
        var data: [UInt8] = []
        var error: SnappyError?
    }

    static func read(
        _ pieces: [[UInt8]],
        limits: SnappyFrameDecoder.Limits = .init(dataSizeMax: 1 << 20, inputSizeMax: 1 << 20)
    ) -> Outcome {
        var decoder = SnappyFrameDecoder(limits: limits)
        var outcome = Outcome()
        do throws(SnappyError) {
            for piece in pieces {
                var offset = 0
                while try decoder.next(in: piece.span, from: &offset, into: &outcome.data) {
                    #expect(decoder.dataSize == outcome.data.count)
                }
                #expect(offset == piece.count)
                #expect(decoder.bufferedSize < 76_494)
            }
            try decoder.end()
        } catch {
            outcome.error = error
        }
        return outcome
    }

    static let identifier: [UInt8] = [0xFF, 6, 0, 0] + Array("sNaPpY".utf8)

    static func chunk(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [type]
        for shift in [0, 8, 16] { bytes.append(UInt8(truncatingIfNeeded: body.count >> shift)) }
        return bytes + body
    }

    static func plain(_ data: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        body.appendLittleEndian(CRC32C.masked(data.span))
        return chunk(1, body + data)
    }

    static func compressed(_ data: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        body.appendLittleEndian(CRC32C.masked(data.span))
        return chunk(0, body + Snappy.encode(data.span))
    }

    @Test(arguments: [0, 1, 100, 65_535, 65_536, 65_537, 200_000]) func roundTrip(size: Int) {
        var random = DeterministicRandom(seed: UInt64(size))
        let noise = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        for data in [noise, [UInt8](repeating: 7, count: size)] {
            let stream = SnappyFrameEncoder.encoded(data.span)
            #expect(stream.count <= Snappy.encodedSizeMax(size))
            let limits = SnappyFrameDecoder.Limits(dataSize: size)
            #expect(Self.read([stream], limits: limits) == Outcome(data: data))
        }
    }

    @Test func compressesOnlyWhatShrinks() {
        let text = [UInt8](repeating: 7, count: 100)
        #expect(SnappyFrameEncoder.encoded(text.span) == Self.identifier + Self.compressed(text))
        let noise = (0..<100).map { UInt8(($0 * 167 + 13) % 251) }
        #expect(SnappyFrameEncoder.encoded(noise.span) == Self.identifier + Self.plain(noise))
    }

    static let mixed =
        identifier + plain([1, 2, 3]) + chunk(0xFE, [0, 0])
        + compressed([UInt8](repeating: 4, count: 90))
        + identifier + chunk(0x80, []) + plain([])
    static let mixedData: [UInt8] = [1, 2, 3] + [UInt8](repeating: 4, count: 90)

    @Test func splitAtEveryByte() {
        for cut in 0...Self.mixed.count {
            let pieces = [Array(Self.mixed.prefix(cut)), Array(Self.mixed.dropFirst(cut))]
            #expect(Self.read(pieces) == Outcome(data: Self.mixedData))
        }
        #expect(Self.read(Self.mixed.map { [$0] }) == Outcome(data: Self.mixedData))
    }

    @Test func truncatedAtEveryByte() {
        // Where a chunk ends the stream may end, for all that the framing can tell.
        let boundaries: Set<Int> = [10, 21, 27, 44, 54, 58, 66]
        #expect(Self.mixed.count == 66)
        for cut in 0..<Self.mixed.count {
            let error = Self.read([Array(Self.mixed.prefix(cut))]).error
            #expect(error == (boundaries.contains(cut) ? nil : .endedInsideChunk), "cut at \(cut)")
        }
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let stream: [UInt8]
        let error: SnappyError
        var testDescription: String { name }

        init(_ name: String, _ stream: [UInt8], _ error: SnappyError) {
            self.name = name
            self.stream = stream
            self.error = error
        }
    }

    static let refused: [Refused] = [
        Refused("data before the identifier", plain([1]), .identifierWrong),
        Refused("padding before the identifier", chunk(0xFE, [0]), .identifierWrong),
        Refused("another text", chunk(0xFF, Array("SnApPy".utf8)), .identifierWrong),
        Refused("a short text", chunk(0xFF, Array("sNaPp".utf8)), .identifierWrong),
        Refused(
            "another text later", identifier + chunk(0xFF, Array("sNaPpy".utf8)), .identifierWrong),
        Refused("type 02", identifier + chunk(0x02, []), .chunkTypeUnknown(2)),
        Refused("type 7f", identifier + chunk(0x7F, []), .chunkTypeUnknown(0x7F)),
        Refused("no room for a checksum", identifier + chunk(0, [1, 2, 3]), .chunkTooShort(3)),
        Refused("no checksum, uncompressed", identifier + chunk(1, []), .chunkTooShort(0)),
        Refused(
            "65,537 bytes uncompressed", identifier + [1, 5, 0, 1],
            .chunkTooLong(size: 65_541, limit: 65_540)),
        Refused(
            "a compressed chunk no encoder gives", identifier + [0, 0xFF, 0xFF, 0xFF],
            .chunkTooLong(size: 0xFF_FFFF, limit: 76_494)),
        Refused(
            "65,537 bytes compressed",
            identifier + compressed([UInt8](repeating: 1, count: 65_537)),
            .tooLarge(claimed: 65_537, limit: 65_536)),
        Refused(
            "a block that does not decode", identifier + chunk(0, [0xD8, 0xEA, 0x82, 0xA2, 4, 1]),
            .blockDamaged),
        Refused(
            "a wrong checksum", identifier + chunk(1, [0, 0, 0, 0, 0x61]),
            .checksumWrong(found: 0x28E4_6E78, expected: 0)),
    ]

    /// Nothing is delivered from the bad chunk, and the error does not depend on the pieces.
    @Test(arguments: refused) func refuses(_ row: Refused) {
        #expect(Self.read([row.stream]) == Outcome(error: row.error))
        #expect(Self.read(row.stream.map { [$0] }) == Outcome(error: row.error))
    }

    @Test func limits() {
        let stream = Self.identifier + Self.plain([1, 2, 3]) + Self.compressed([4, 5])
        let exact = SnappyFrameDecoder.Limits(dataSizeMax: 5, inputSizeMax: stream.count)
        #expect(Self.read([stream], limits: exact) == Outcome(data: [1, 2, 3, 4, 5]))

        for pieces in [[stream], stream.map { [$0] }] {
            var less = exact
            less.dataSizeMax = 4
            let tooMuchData = Outcome(data: [1, 2, 3], error: .tooLarge(claimed: 2, limit: 1))
            #expect(Self.read(pieces, limits: less) == tooMuchData)
            less.dataSizeMax = 2
            #expect(
                Self.read(pieces, limits: less) == Outcome(error: .tooLarge(claimed: 3, limit: 2)))

            less = exact
            less.inputSizeMax -= 1
            let tooMuchInput = Outcome(
                data: [1, 2, 3], error: .inputTooLarge(limit: stream.count - 1))
            #expect(Self.read(pieces, limits: less) == tooMuchInput)
        }

        // Padding is not free.
        let padded = Self.identifier + Self.chunk(0xFE, [UInt8](repeating: 0, count: 100))
        for pieces in [[padded], padded.map { [$0] }] {
            #expect(
                Self.read(pieces, limits: .init(dataSizeMax: 5, inputSizeMax: 60))
                    == Outcome(error: .inputTooLarge(limit: 60)))
        }
    }

    @Test func anErrorIsFinal() {
        var decoder = SnappyFrameDecoder(limits: .init(dataSize: 10))
        var data: [UInt8] = []
        for bytes in [[0x00, 0, 0, 0], Self.identifier] as [[UInt8]] {
            var offset = 0
            let error = #expect(throws: SnappyError.self) {
                try decoder.next(in: bytes.span, from: &offset, into: &data)
            }
            #expect(error == .identifierWrong)
        }
        #expect(throws: SnappyError.identifierWrong) { try decoder.end() }
    }
}
