// Hexadecimal in bulk: eight digits at a time in one integer, for witnesses of many megabytes.

extension Hex {
    /// Appends the bytes that hexadecimal digits of either case stand for.
    ///
    /// - Parameter digits: without a leading `0x`.
    public static func decode(
        _ digits: Span<UInt8>, into bytes: inout [UInt8]
    ) throws(DecodeError) {
        guard digits.count.isMultiple(of: 2) else { throw .oddLength(digits.count) }
        let size = digits.count / 2
        bytes.reserveCapacity(bytes.count + size)
        var bad = false
        let start = bytes.count
        // Sound: eight digits from `position` on are inside the span, and `append` takes the value.
        unsafe digits.withUnsafeBytes { source in
            var position = 0
            while position + 8 <= source.count, !bad {
                let chunk = unsafe source.loadUnaligned(
                    fromByteOffset: position, as: UInt64.self)
                let (value, isValid) = decodeEight(UInt64(littleEndian: chunk))
                bad = !isValid
                bytes.append(UInt8(truncatingIfNeeded: value))
                bytes.append(UInt8(truncatingIfNeeded: value >> 16))
                bytes.append(UInt8(truncatingIfNeeded: value >> 32))
                bytes.append(UInt8(truncatingIfNeeded: value >> 48))
                position += 8
            }
        }
        if bad { bytes.removeLast(bytes.count - start) }
        // The rest, and the whole again to say where it is wrong.
        var position = 2 * (bytes.count - start)
        while position < digits.count {
            guard let high = value(digits[position]) else {
                throw .notHexadecimal(position: position)
            }
            guard let low = value(digits[position + 1]) else {
                throw .notHexadecimal(position: position + 1)
            }
            bytes.append(high << 4 | low)
            position += 2
        }
    }

    /// Eight digits, the first lowest, as four bytes that stand in the lower halves of 16 bits each.
    @inline(__always)
    private static func decodeEight(_ digits: UInt64) -> (value: UInt64, isValid: Bool) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let high = ones &* 0x80
        // Every byte is below 128, or nothing that follows means anything.
        let isASCII = digits & high == 0
        // In each byte, bit 7 of a sum says whether the byte passed the bound.
        let lower = digits | ones &* 0x20
        let isDigit =
            (digits &+ ones &* (0x80 - 0x30)) & ~(digits &+ ones &* (0x80 - 0x3A)) & high
        let isLetter =
            (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x80 - 0x67)) & high
        let letters = isLetter >> 7
        let nibbles = (digits & (ones &* 0x0F)) &+ letters &* 9
        let pairs = nibbles << 4 | nibbles >> 8
        return (pairs & 0x00FF_00FF_00FF_00FF, isASCII && isDigit | isLetter == high)
    }

    /// Appends the digits of bytes, in lower case.
    public static func encode(_ bytes: Span<UInt8>, into text: inout [UInt8]) {
        text.reserveCapacity(text.count + 2 * bytes.count)
        for index in bytes.indices {
            text.append(digit(bytes[index] >> 4))
            text.append(digit(bytes[index] & 15))
        }
    }
}
