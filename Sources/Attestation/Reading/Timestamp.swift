import Crypto

/// Times as Intel writes them: `2026-02-18T10:58:51Z`.
enum Timestamp {
    /// Seconds since 1970, or nil for any other form.
    static func seconds(_ text: String) -> Int64? {
        let characters = Array(text.utf8)
        guard characters.count == 20 else { return nil }
        var numbers: [Int64] = [0]
        for (index, character) in characters.enumerated() {
            switch index {
            case 4, 7, 10, 13, 16, 19:
                guard character == separators[index] else { return nil }
                numbers.append(0)
            default:
                guard (0x30...0x39).contains(character) else { return nil }
                numbers[numbers.count - 1] =
                    10 * numbers[numbers.count - 1] + Int64(character - 0x30)
            }
        }
        return CivilTime.seconds(
            year: numbers[0], month: numbers[1], day: numbers[2], hour: numbers[3],
            minute: numbers[4], second: numbers[5])
    }

    private static let separators: [Int: UInt8] = [
        4: 0x2D, 7: 0x2D, 10: 0x54, 13: 0x3A, 16: 0x3A, 19: 0x5A,
    ]
}
