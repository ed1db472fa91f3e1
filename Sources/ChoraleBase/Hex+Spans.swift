// Hexadecimal in bulk, for witnesses of many megabytes: digits to bytes by a table of pairs, which is twice as fast as
// arithmetic on eight of them in one integer (measured).

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
                    let pairs = DigitPairs.shared
                    var position = 0
                    while position + 32 <= source.count {
                        var values: UInt16 = 0
                        for pair in 0..<16 {
                            let value = pairs[
                                unsafe source.loadUnaligned(
                                    fromByteOffset: position + 2 * pair, as: UInt16.self)]
                            values |= value
                            unsafe target[position / 2 + pair] = UInt8(truncatingIfNeeded: value)
                        }
                        guard values < DigitPairs.invalid else { break }
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
        // Sound: every index is below the number of bytes, or twice it, for which there is room.
        //
        // One byte at a time and without branches: the compiler makes vectors of it.
        text.append(addingCapacity: 2 * bytes.count) { output in
            unsafe bytes.withUnsafeBufferPointer { source in
                unsafe output.withUnsafeMutableBufferPointer { target, count in
                    for index in 0..<source.count {
                        let byte = unsafe source[index]
                        unsafe target[2 &* index] = smallDigit(byte &>> 4)
                        unsafe target[2 &* index &+ 1] = smallDigit(byte & 15)
                    }
                    count = 2 * source.count
                }
            }
        }
    }

    @inline(__always)
    private static func smallDigit(_ nibble: UInt8) -> UInt8 {
        // Ten and more are letters, which begin 39 places behind where digits would go on.
        nibble &+ 0x30 &+ (nibble > 9 ? 39 : 0)
    }
}

/// The byte that each pair of characters stands for, as they lie in memory.
///
/// Of its 128 KiB only those of digits are ever touched, some four.
///
/// Safe: there is an entry for every number of 16 bits, and none changes.
@safe
private struct DigitPairs: @unchecked Sendable {
    /// For pairs that are no digits; no byte is as large.
    static let invalid: UInt16 = 0x100
    static let shared = DigitPairs()

    private let values: UnsafeMutablePointer<UInt16>

    private init() {
        unsafe values = .allocate(capacity: 1 << 16)
        for pair in UInt16.min...UInt16.max {
            let inMemory = pair.littleEndian
            if let high = Hex.value(UInt8(truncatingIfNeeded: inMemory)),
                let low = Hex.value(UInt8(truncatingIfNeeded: inMemory >> 8))
            {
                unsafe values[Int(pair)] = UInt16(high << 4 | low)
            } else {
                unsafe values[Int(pair)] = Self.invalid
            }
        }
    }

    @inline(__always)
    subscript(pair: UInt16) -> UInt16 { unsafe values[Int(pair)] }
}
