// Hexadecimal inside other text, whose end is not known beforehand: found and decoded in one pass.

extension Hex {
    /// What a run of digits was like.
    public struct Run: Hashable, Sendable {
        /// Digits decoded, always even.
        public var digitCount = 0
        /// Whether there were letters A to F.
        public var hasUpperCase = false
        /// Whether there were letters a to f.
        public var hasLowerCase = false

        public init() {}
    }

    /// Digits decoded before the output is asked for more room.
    private static let runChunkSize = 8192

    /// Appends the bytes that the digits from `start` on stand for, up to the first character that is
    /// none. Of an odd number of digits the last is left.
    ///
    /// - Precondition: `start` lies inside `text` or at its end.
    public static func decodeRun(
        _ text: Span<UInt8>, from start: Int, into bytes: inout [UInt8]
    ) -> Run {
        precondition(start >= 0 && start <= text.count, "the run begins outside the text")
        var run = Run()
        var position = start
        var upper: UInt64 = 0
        var lower: UInt64 = 0
        var isEnd = false
        while !isEnd, text.count - position >= 8 {
            let capacity = min((text.count - position) / 8 * 8, runChunkSize)
            // Sound: eight digits from `position + taken` on are inside the span, because
            // `taken + 8 <= capacity`, and half as many bytes inside the capacity asked for.
            bytes.append(addingCapacity: capacity / 2) { output in
                unsafe text.withUnsafeBytes { source in
                    unsafe output.withUnsafeMutableBufferPointer { target, count in
                        let target = UnsafeMutableRawBufferPointer(target)
                        var taken = 0
                        while taken < capacity {
                            let chunk = UInt64(
                                littleEndian: unsafe source.loadUnaligned(
                                    fromByteOffset: position + taken, as: UInt64.self))
                            let (value, isValid) = decodeEight(chunk)
                            guard isValid else {
                                isEnd = true
                                break
                            }
                            // Letters have bit 6; lower case has bit 5 as well.
                            let letters = chunk & 0x4040_4040_4040_4040
                            let small = (chunk & 0x2020_2020_2020_2020) << 1
                            upper |= letters & ~small
                            lower |= letters & small
                            unsafe target.storeBytes(
                                of: value.littleEndian, toByteOffset: taken / 2, as: UInt32.self)
                            taken += 8
                        }
                        count = taken / 2
                        position += taken
                    }
                }
            }
        }
        while text.count - position >= 2, let high = value(text[position]),
            let low = value(text[position + 1])
        {
            bytes.append(high << 4 | low)
            for index in position..<position + 2 where text[index] & 0x40 != 0 {
                if text[index] & 0x20 == 0 { upper = 1 } else { lower = 1 }
            }
            position += 2
        }
        run.digitCount = position - start
        run.hasUpperCase = upper != 0
        run.hasLowerCase = lower != 0
        return run
    }
}
