/// Lower-case hexadecimal text.
public enum Hex {
    public enum DecodeError: Error, Equatable, Sendable {
        case oddLength(Int)
        case notHexadecimal(position: Int)
    }

    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(2 * bytes.underestimatedCount)
        for byte in bytes {
            text.append(digit(byte >> 4))
            text.append(digit(byte & 0xF))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Decodes hexadecimal text of either case, with or without a leading `0x`.
    public static func decode(_ text: some StringProtocol) throws(DecodeError) -> [UInt8] {
        var characters = Array(text.utf8)
        if characters.starts(with: [0x30, 0x78]) { characters.removeFirst(2) }
        guard characters.count.isMultiple(of: 2) else { throw .oddLength(characters.count) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 2)
        for position in stride(from: 0, to: characters.count, by: 2) {
            guard let high = value(characters[position]) else {
                throw .notHexadecimal(position: position)
            }
            guard let low = value(characters[position + 1]) else {
                throw .notHexadecimal(position: position + 1)
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    static func digit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
    }

    static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x41...0x46: character - 0x41 + 10
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }
}
