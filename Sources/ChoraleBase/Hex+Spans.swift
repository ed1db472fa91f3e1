// Hexadecimal in bulk: 32 digits at a time in one vector, for witnesses of many megabytes.

extension Hex {
    /// Appends the bytes that hexadecimal digits of either case stand for.
    ///
    /// - Parameter digits: without a leading `0x`.
    public static func decode(
        _ digits: Span<UInt8>, into bytes: inout [UInt8]
    ) throws(DecodeError) {
        guard digits.count.isMultiple(of: 2) else { throw .oddLength(digits.count) }
        let start = bytes.count
        // Sound: 32 digits from `position` on are inside the span, and half as many bytes inside the
        // capacity, which is half the digits.
        bytes.append(addingCapacity: digits.count / 2) { output in
            unsafe digits.withUnsafeBytes { source in
                unsafe output.withUnsafeMutableBufferPointer { target, count in
                    let target = UnsafeMutableRawBufferPointer(target)
                    var position = 0
                    while position + 32 <= source.count {
                        let chunk = unsafe source.loadUnaligned(
                            fromByteOffset: position, as: SIMD32<UInt8>.self)
                        guard let bytes = decode(chunk) else { break }
                        unsafe target.storeBytes(
                            of: bytes, toByteOffset: position / 2, as: SIMD16<UInt8>.self)
                        position += 32
                    }
                    count = position / 2
                }
            }
        }
        // The rest, or what is wrong.
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

    /// The bytes that 32 digits stand for; nil if one of them is none.
    @inline(__always)
    private static func decode(_ digits: SIMD32<UInt8>) -> SIMD16<UInt8>? {
        // Capitals become small letters, and no other byte becomes a letter or a digit that was none.
        let lower = digits | 0x20
        let isDigit = (digits &- 0x30) .< 10
        let isLetter = (lower &- 0x61) .< 6
        guard all(isDigit .| isLetter) else { return nil }
        // Of a digit the lower half is its value, of a letter that less nine; bit 6 tells them apart.
        let nibbles = (digits & 0x0F) &+ (digits &>> 6) &* 9
        return nibbles.evenHalf &<< 4 | nibbles.oddHalf
    }

    /// Eight digits, the first lowest, as four bytes.
    @inline(__always)
    static func decodeEight(_ digits: UInt64) -> (value: UInt32, isValid: Bool) {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let high = ones &* 0x80
        // Every byte is below 128, or nothing that follows means anything.
        let isASCII = digits & high == 0
        // In each byte, bit 7 of a sum says whether the byte passed the bound.
        let lower = digits | (ones &* 0x20)
        let isDigit =
            (digits &+ ones &* (0x80 - 0x30)) & ~(digits &+ ones &* (0x80 - 0x3A)) & high
        let isLetter =
            (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x80 - 0x67)) & high
        let nibbles = (digits & (ones &* 0x0F)) &+ (isLetter >> 7) &* 9
        var value = (nibbles << 4 | nibbles >> 8) & 0x00FF_00FF_00FF_00FF
        value = (value | value >> 8) & 0x0000_FFFF_0000_FFFF
        return (
            UInt32(truncatingIfNeeded: value | value >> 16), isASCII && isDigit | isLetter == high
        )
    }

    /// Appends the digits of bytes, in lower case.
    public static func encode(_ bytes: Span<UInt8>, into text: inout [UInt8]) {
        // Sound: 16 bytes from `position` on are inside the span, and twice as many digits inside the
        // capacity, which is twice the bytes.
        text.append(addingCapacity: 2 * bytes.count) { output in
            unsafe bytes.withUnsafeBytes { source in
                unsafe output.withUnsafeMutableBufferPointer { target, count in
                    let target = UnsafeMutableRawBufferPointer(target)
                    var position = 0
                    while position + 16 <= source.count {
                        let chunk = unsafe source.loadUnaligned(
                            fromByteOffset: position, as: SIMD16<UInt8>.self)
                        unsafe target.storeBytes(
                            of: encode(chunk), toByteOffset: 2 * position,
                            as: SIMD32<UInt8>.self)
                        position += 16
                    }
                    count = 2 * position
                }
            }
        }
        for index in bytes.count / 16 * 16..<bytes.count {
            text.append(digit(bytes[index] >> 4))
            text.append(digit(bytes[index] & 15))
        }
    }

    @inline(__always)
    private static func encode(_ bytes: SIMD16<UInt8>) -> SIMD32<UInt8> {
        var nibbles = SIMD32<UInt8>()
        nibbles.evenHalf = bytes &>> 4
        nibbles.oddHalf = bytes & 0x0F
        // Ten and more are letters, which begin 39 places behind where digits would go on.
        let digits = nibbles &+ 0x30
        return digits.replacing(with: digits &+ 39, where: nibbles .> 9)
    }
}
