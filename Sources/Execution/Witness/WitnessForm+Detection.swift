import ChoraleBase
import Codec

extension WitnessForm {
    /// What bytes seem to be.
    public struct Detection: Hashable, Sendable {
        public var container: Container
        /// Whether they are hexadecimal digits of the container's bytes.
        public var isHexText: Bool
    }

    /// Bytes looked at, white space and the end of hexadecimal text aside.
    private static let sampleSize = 64
    /// White space passed over at either end.
    private static let whiteSpaceMax = 1024

    /// Tells from the first bytes which container a witness is in; nil for none of them.
    ///
    /// Says nothing of whether the rest is well-formed. Looks at some hundred bytes, however many
    /// there are.
    public static func detect(_ bytes: Span<UInt8>) -> Detection? {
        if let container = binary(bytes, size: bytes.count) {
            return Detection(container: container, isHexText: false)
        }
        guard let text = HexText.trimmed(bytes, whiteSpaceMax: whiteSpaceMax) else { return nil }
        if bytes[text.lowerBound] == UInt8(ascii: "{") {
            return Detection(container: .json, isHexText: false)
        }
        guard let digits = HexText.digits(bytes, text) else { return nil }
        var sample: [UInt8] = []
        let end = min(digits.upperBound, digits.lowerBound + 2 * sampleSize)
        do throws(Hex.DecodeError) {
            try Hex.decode(bytes.extracting(digits.lowerBound..<end), into: &sample)
        } catch {
            return nil
        }
        return binary(sample.span, size: digits.count / 2).map {
            Detection(container: $0, isHexText: true)
        }
    }

    /// - Parameter size: of the whole, of which `bytes` may be the beginning.
    private static func binary(_ bytes: Span<UInt8>, size: Int) -> Container? {
        guard bytes.count > 0 else { return nil }
        // Neither text nor the first byte of an offset that SSZ would begin with.
        if bytes[0] >= 0xC0 { return .rlp }
        guard bytes.count >= 4 else { return nil }
        if bytes.loadLittleEndian(UInt32.self, at: 0) == 12 { return .ssz }
        return StatelessInputLayout(bytes, size: size) == nil ? nil : .statelessInput
    }
}

/// Hexadecimal digits as files have them: perhaps in quotes, perhaps behind `0x`, with white space at
/// both ends.
enum HexText {
    /// Without the white space; nil if nothing is left, or there is too much of it.
    static func trimmed(_ bytes: Span<UInt8>, whiteSpaceMax: Int) -> Range<Int>? {
        var start = 0
        while start < bytes.count, isSpace(bytes[start]) {
            start += 1
            guard start <= whiteSpaceMax else { return nil }
        }
        var end = bytes.count
        while end > start, isSpace(bytes[end - 1]) {
            end -= 1
            guard bytes.count - end <= whiteSpaceMax else { return nil }
        }
        return start < end ? start..<end : nil
    }

    /// The digits in a trimmed text, without quotes and `0x`; nil if they are not even in number.
    static func digits(_ bytes: Span<UInt8>, _ text: Range<Int>) -> Range<Int>? {
        var (start, end) = (text.lowerBound, text.upperBound)
        if end - start >= 2, bytes[start] == UInt8(ascii: "\""),
            bytes[end - 1] == UInt8(ascii: "\"")
        {
            (start, end) = (start + 1, end - 1)
        }
        if isPrefixed(bytes, start, end) { start += 2 }
        return end > start && (end - start).isMultiple(of: 2) ? start..<end : nil
    }

    static func isPrefixed(_ bytes: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        end - start >= 2 && bytes[start] == UInt8(ascii: "0")
            && bytes[start + 1] | 0x20 == UInt8(ascii: "x")
    }

    /// All bytes of a text that ``WitnessForm/detect(_:)`` took for hexadecimal.
    static func decode(
        _ bytes: Span<UInt8>, into output: inout [UInt8]
    ) throws(WitnessError) -> (Hex.Run, isPrefixed: Bool) {
        guard let text = trimmed(bytes, whiteSpaceMax: bytes.count),
            let digits = digits(bytes, text)
        else { throw .hex(position: 0) }
        let run = Hex.decodeRun(
            bytes.extracting(0..<digits.upperBound), from: digits.lowerBound, into: &output)
        guard run.digitCount == digits.count else {
            throw .hex(position: digits.lowerBound + run.digitCount)
        }
        return (
            run,
            digits.lowerBound >= 2 && isPrefixed(bytes, digits.lowerBound - 2, digits.lowerBound)
        )
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || (0x09...0x0D).contains(byte)
    }
}
