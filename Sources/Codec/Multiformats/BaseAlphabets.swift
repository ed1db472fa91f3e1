/// Whether letters are read in the alphabet's own case only.
enum LetterCases { case exact, either }

/// The value of each ASCII character in an alphabet, 0xFF where it is no digit.
private func reversed(_ digits: [UInt8], cases: LetterCases) -> [UInt8] {
    var values = [UInt8](repeating: 0xFF, count: 128)
    for (value, digit) in digits.enumerated() {
        values[Int(digit)] = UInt8(value)
        let isLetter = (0x41...0x5A).contains(digit & 0xDF)
        if cases == .either, isLetter { values[Int(digit ^ 0x20)] = UInt8(value) }
    }
    return values
}

/// A base that is a power of two: digits are groups of bits from the front (RFC 4648).
struct BitAlphabet {
    private let digits: [UInt8]
    private let values: [UInt8]
    private let bits: UInt32
    /// Digits per padded group, or zero for no padding.
    private let padTo: Int

    init(_ digits: String, bits: UInt32, cases: LetterCases = .exact, padTo: Int = 0) {
        self.digits = Array(digits.utf8)
        self.values = reversed(self.digits, cases: cases)
        self.bits = bits
        self.padTo = padTo
    }

    func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 8 / Int(bits) + 8)
        var pending: UInt32 = 0
        var pendingCount: UInt32 = 0
        let mask = UInt32(1) << bits - 1
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            pendingCount += 8
            while pendingCount >= bits {
                pendingCount -= bits
                text.append(digits[Int(pending >> pendingCount & mask)])
            }
            pending &= UInt32(1) << pendingCount - 1
        }
        if pendingCount > 0 { text.append(digits[Int(pending << (bits - pendingCount) & mask)]) }
        if padTo > 0 {
            while !text.count.isMultiple(of: padTo) { text.append(UInt8(ascii: "=")) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    func decode(_ text: [UInt8]) throws(Multibase.DecodeError) -> [UInt8] {
        var count = text.count
        if padTo > 0 {
            guard count.isMultiple(of: padTo) else { throw .wrongPadding }
            while count > 0, text[count - 1] == UInt8(ascii: "=") { count -= 1 }
            guard text.count - count < padTo else { throw .wrongPadding }
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * Int(bits) / 8)
        var pending: UInt32 = 0
        var pendingCount: UInt32 = 0
        for position in 0..<count {
            let character = text[position]
            guard character < 128, values[Int(character)] != 0xFF else {
                throw character == UInt8(ascii: "=")
                    ? .wrongPadding : .invalidDigit(position: position)
            }
            pending = pending << bits | UInt32(values[Int(character)])
            pendingCount += bits
            if pendingCount >= 8 {
                pendingCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: pending >> pendingCount))
                pending &= UInt32(1) << pendingCount - 1
            }
        }
        // A whole digit left over carried nothing; other bits left over are filling, and only zero
        // filling makes the text of some bytes unique.
        guard pendingCount < bits, pending == 0 else { throw .strayBits }
        return bytes
    }
}

/// A base that is not a power of two: one large number, with a digit zero per leading zero byte.
struct RadixAlphabet {
    private let digits: [UInt8]
    private let values: [UInt8]

    init(_ digits: String, cases: LetterCases = .exact) {
        self.digits = Array(digits.utf8)
        self.values = reversed(self.digits, cases: cases)
    }

    func encode(_ bytes: [UInt8]) -> String {
        let zeros = bytes.prefix(while: { $0 == 0 }).count
        let reversed = Self.convert(bytes[zeros...], from: 256, to: UInt32(digits.count))
        var text = [UInt8](repeating: digits[0], count: zeros)
        for digit in reversed.reversed() { text.append(digits[Int(digit)]) }
        return String(decoding: text, as: UTF8.self)
    }

    func decode(_ text: [UInt8]) throws(Multibase.DecodeError) -> [UInt8] {
        var numbers: [UInt8] = []
        numbers.reserveCapacity(text.count)
        for (position, character) in text.enumerated() {
            guard character < 128, values[Int(character)] != 0xFF else {
                throw .invalidDigit(position: position)
            }
            numbers.append(values[Int(character)])
        }
        let zeros = numbers.prefix(while: { $0 == 0 }).count
        let reversed = Self.convert(numbers[zeros...], from: UInt32(digits.count), to: 256)
        return [UInt8](repeating: 0, count: zeros) + reversed.reversed()
    }

    /// The same number in another base: digits in from the most significant, out from the least.
    private static func convert(
        _ number: ArraySlice<UInt8>,
        from source: UInt32,
        to target: UInt32
    ) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(2 * number.count)
        for digit in number {
            var carry = UInt32(digit)
            for index in result.indices {
                carry += UInt32(result[index]) * source
                result[index] = UInt8(truncatingIfNeeded: carry % target)
                carry /= target
            }
            while carry > 0 {
                result.append(UInt8(truncatingIfNeeded: carry % target))
                carry /= target
            }
        }
        return result
    }
}
