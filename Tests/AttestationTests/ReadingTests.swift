import ChoraleBase
import Codec
import Crypto
import MadeEnclaves
import Testing

@testable import Attestation

@Suite struct CBORReaderTests {
    /// One refusal, by what is read.
    struct Row: Sendable {
        let bytes: [UInt8]
        let error: CBORError
        let read: @Sendable (inout CBORReader) throws -> Void
    }

    static let refusals = [
        Row(bytes: [], error: .unexpectedEnd(offset: 0)) { _ = try $0.unsigned() },
        Row(bytes: [0x18], error: .unexpectedEnd(offset: 1)) { _ = try $0.unsigned() },
        Row(bytes: [0x18, 23], error: .notShortest(offset: 0)) { _ = try $0.unsigned() },
        Row(bytes: [0x19, 0, 255], error: .notShortest(offset: 0)) { _ = try $0.unsigned() },
        Row(bytes: [0x1A, 0, 0, 255, 255], error: .notShortest(offset: 0)) {
            _ = try $0.unsigned()
        },
        Row(bytes: [0x1B, 0, 0, 0, 0, 255, 255, 255, 255], error: .notShortest(offset: 0)) {
            _ = try $0.unsigned()
        },
        Row(bytes: [0x1C], error: .unsupported(0x1C, offset: 0)) { _ = try $0.unsigned() },
        Row(bytes: [0x9F, 0xFF], error: .unsupported(0x9F, offset: 0)) {
            _ = try $0.array(countMax: 4)
        },
        Row(bytes: [0x5F, 0xFF], error: .unsupported(0x5F, offset: 0)) {
            _ = try $0.byteString(sizeMax: 4)
        },
        Row(bytes: [0xBF, 0xFF], error: .unsupported(0xBF, offset: 0)) {
            _ = try $0.map(countMax: 4)
        },
        Row(bytes: [0x20], error: .unexpectedType(0x20, offset: 0)) { _ = try $0.unsigned() },
        Row(bytes: [0x43, 1, 2], error: .unexpectedEnd(offset: 3)) {
            _ = try $0.byteString(sizeMax: 4)
        },
        Row(bytes: [0x43, 1, 2, 3], error: .tooLong(size: 3, limit: 2, offset: 0)) {
            _ = try $0.byteString(sizeMax: 2)
        },
        Row(
            bytes: [0x5B] + .init(repeating: 0xFF, count: 8),
            error: .tooLong(size: .max, limit: 9, offset: 0)
        ) { _ = try $0.byteString(sizeMax: 9) },
        Row(bytes: [0x62, 0xC3, 0x28], error: .notText(offset: 0)) {
            _ = try $0.text(sizeMax: 9)
        },
        Row(bytes: [0x01, 0x02], error: .trailingBytes(offset: 1)) {
            _ = try $0.unsigned()
            try $0.finish()
        },
    ]

    @Test(arguments: refusals) func refuses(_ row: Row) {
        var reader = CBORReader(row.bytes)
        #expect(throws: row.error) { try row.read(&reader) }
    }

    /// RFC 8949, appendix A.
    @Test func readsTheExamples() throws {
        let numbers: [([UInt8], UInt64)] = [
            ([0x00], 0), ([0x17], 23), ([0x18, 0x18], 24), ([0x18, 0x64], 100),
            ([0x19, 0x03, 0xE8], 1000), ([0x1A, 0x00, 0x0F, 0x42, 0x40], 1_000_000),
            ([0x1B, 0x00, 0x00, 0x00, 0xE8, 0xD4, 0xA5, 0x10, 0x00], 1_000_000_000_000),
            ([0x1B] + .init(repeating: 0xFF, count: 8), .max),
        ]
        for (bytes, number) in numbers {
            var reader = CBORReader(bytes)
            #expect(try reader.unsigned() == number)
            try reader.finish()
        }
        var reader = CBORReader([0x82, 0x44, 1, 2, 3, 4, 0x64] + Array("IETF".utf8) + [0xF6])
        #expect(try reader.array(countMax: 2) == 2)
        #expect(try reader.byteString(sizeMax: 4) == [1, 2, 3, 4])
        #expect(try reader.text(sizeMax: 4) == "IETF")
        let isNull = reader.takeNull()
        #expect(isNull)
        try reader.finish()
    }
}

@Suite struct ReadingTests {
    @Test(
        arguments: [
            [0x30], [0x30, 0x80, 0, 0], [0x30, 0x81, 0x7F], [0x30, 0x82, 0, 0x80],
            [0x30, 0x84, 0, 0, 0, 0], [0x1F, 0x01, 0], [0x04, 2, 0],
        ] as [[UInt8]])
    func refusesWhatIsNotDER(bytes: [UInt8]) {
        var reader = DERReader(bytes[...])
        #expect(throws: DERReader.Malformed.self) { _ = try reader.next() }
    }

    @Test func readsNumbersInDER() {
        #expect(DERReader.unsigned([2, 1, 0]) == 0)
        #expect(DERReader.unsigned([2, 1, 0x7F]) == 127)
        #expect(DERReader.unsigned([2, 2, 0, 0x80]) == 128)
        #expect(DERReader.unsigned([2, 5, 0, 0xFF, 0xFF, 0xFF, 0xFF]) == .max)
        // Negative, padded, empty, too large, followed by something, of another type.
        for bytes in [
            [2, 1, 0x80], [2, 2, 0, 0x7F], [2, 0], [2, 6, 0, 1, 0, 0, 0, 0], [2, 1, 1, 0],
            [4, 1, 1],
        ] as [[UInt8]] {
            #expect(DERReader.unsigned(bytes) == nil)
        }
    }

    @Test func readsTimes() {
        #expect(Timestamp.seconds("1970-01-01T00:00:00Z") == 0)
        #expect(Timestamp.seconds("2000-02-29T12:00:00Z") == 951_825_600)
        #expect(Timestamp.seconds("2026-02-18T10:58:51Z") == 1_771_412_331)
        for text in [
            "", "2026-02-18T10:58:51", "2026-02-18 10:58:51Z", "2026-02-29T10:58:51Z",
            "2026-13-18T10:58:51Z", "2026-00-18T10:58:51Z", "2026-01-00T10:58:51Z",
            "2026-01-18T24:58:51Z", "2026-01-18T10:60:51Z", "2026-01-18T10:58:60Z",
            "2026-02-18T10:58:5aZ", "2026-02-18T10:58:51z", "+026-02-18T10:58:51Z",
        ] { #expect(Timestamp.seconds(text) == nil, "\(text)") }
        #expect(
            CivilTime.seconds(year: 1900, month: 2, day: 29, hour: 0, minute: 0, second: 0) == nil)
        #expect(
            CivilTime.seconds(year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0)
                == -62_167_219_200)
        #expect(
            CivilTime.seconds(year: 9999, month: 12, day: 31, hour: 23, minute: 59, second: 59)
                == 253_402_300_799)
    }

    @Test func readsPEM() {
        let bytes = [UInt8](0..<100)
        let one = MadeCertificate.pem([bytes])
        #expect(PEM.certificates(one[...], countMax: 1) == [bytes])
        #expect(PEM.certificates((one + [0])[...], countMax: 1) == [bytes])
        #expect(PEM.certificates((one + one)[...], countMax: 2) == [bytes, bytes])
        #expect(PEM.certificates((one + one)[...], countMax: 1) == nil)
        #expect(PEM.certificates((one + [0, 0])[...], countMax: 1) == nil)
        #expect(PEM.certificates(([0x20] + one)[...], countMax: 1) == nil)
        #expect(PEM.certificates([], countMax: 1) == nil)
        for count in 1..<(one.count - 1) {
            #expect(PEM.certificates(one[..<count], countMax: 1) == nil)
        }
    }
}
