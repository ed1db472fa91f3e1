import ChoraleBase
import Inference
import Testing

@Suite struct VectorFormatTests {
    static let vectors: [QuantisedVector] = [
        .int8([0]), .int8([-128, 127, 1]), .int32([Int32.min, -1, 0, Int32.max]),
    ]

    @Test(arguments: vectors) func decodingGivesWhatWasEncoded(vector: QuantisedVector) throws {
        let file = vector.encoded()
        #expect(try QuantisedVector(decoding: file) == vector)
        for size in file.indices {
            #expect(throws: QuantisedVector.DecodeError.self) {
                try QuantisedVector(decoding: Array(file[..<size]))
            }
        }
    }

    @Test func bytesAreLittleEndianWithoutPadding() {
        #expect(
            QuantisedVector.int32([-2]).encoded()
                == Array("CHQV".utf8) + [1, 0, 2, 0, 1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF])
    }

    static let refusals: [(place: Int, value: UInt8, error: QuantisedVector.DecodeError)] = [
        (0, 0, .badMagic), (4, 2, .unsupportedVersion(2)), (6, 0, .unknownElement(0)),
        (6, 3, .unknownElement(3)), (7, 1, .reservedNotZero(1)), (8, 0, .count(0)),
        (8, 4, .truncated(size: 15, needed: 16)), (8, 2, .trailingBytes(count: 1)),
        (10, 2, .count(131_075)), (6, 2, .truncated(size: 15, needed: 24)),
    ]

    @Test(arguments: refusals.indices) func refuses(row: Int) {
        let refusal = Self.refusals[row]
        var file = QuantisedVector.int8([1, 2, 3]).encoded()
        file[refusal.place] = refusal.value
        #expect(throws: refusal.error) { try QuantisedVector(decoding: file) }
    }

    @Test func theMaximumIsTheFirstOfEqualOnes() {
        #expect(QuantisedVector.int32([1, 5, 5, -3]).indexOfMaximum == 1)
        #expect(QuantisedVector.int8([-1]).indexOfMaximum == 0)
    }
}
