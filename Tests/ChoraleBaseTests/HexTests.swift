import ChoraleBase
import Testing

@Suite struct HexTests {
    private static func decoded(_ text: String) throws(Hex.DecodeError) -> [UInt8] {
        var bytes: [UInt8] = [0xAA]
        let digits = Array(text.utf8)
        do throws(Hex.DecodeError) {
            try Hex.decode(digits.span, into: &bytes)
        } catch {
            throw error
        }
        precondition(bytes[0] == 0xAA, "what was there before stays")
        return Array(bytes.dropFirst())
    }

    /// Eight digits at once give what two at a time do, at every length and offset.
    @Test func bulkDecodingAgrees() throws {
        var bytes: [UInt8] = []
        for value in 0...255 { bytes += [UInt8(value), UInt8(255 - value)] }
        for count in 0..<40 {
            for start in stride(from: 0, to: bytes.count - count, by: 7) {
                let part = Array(bytes[start..<start + count])
                let text = Hex.encode(part)
                #expect(try Self.decoded(text) == part)
                #expect(try Self.decoded(text.uppercased()) == part)
                var again: [UInt8] = []
                Hex.encode(part.span, into: &again)
                #expect(String(decoding: again, as: UTF8.self) == text)
            }
        }
    }

    /// Every character that is no digit is found, wherever it stands.
    @Test func everyOtherCharacterIsRefused() {
        for character in UInt8(0)...255 {
            for position in 0..<20 {
                var text = Array("0123456789abcdefABCD".utf8)
                text[position] = character
                var bytes: [UInt8] = []
                let scalar = Character(UnicodeScalar(character))
                if character < 128, scalar.isHexDigit {
                    #expect(throws: Never.self) { try Hex.decode(text.span, into: &bytes) }
                } else {
                    #expect(throws: Hex.DecodeError.notHexadecimal(position: position)) {
                        try Hex.decode(text.span, into: &bytes)
                    }
                }
            }
        }
        #expect(throws: Hex.DecodeError.oddLength(3)) { try Self.decoded("abc") }
    }
}
