/// Standard base64 (RFC 4648 §4), padded, for bytes inside JSON.
///
/// `Codec.Multibase` has it too, one bit group at a time and for short texts; here a message of a
/// mebibyte is encoded on the loop thread.
public enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xff, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    public static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        let alphabet = alphabet
        var index = 0
        while index < bytes.count {
            let rest = bytes.count - index
            let group =
                UInt32(bytes[index]) << 16
                | (rest > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                | (rest > 2 ? UInt32(bytes[index + 2]) : 0)
            text.append(alphabet[Int(group >> 18)])
            text.append(alphabet[Int(group >> 12 & 63)])
            text.append(rest > 1 ? alphabet[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            text.append(rest > 2 ? alphabet[Int(group & 63)] : UInt8(ascii: "="))
            index += 3
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// - Returns: nil for anything but canonical padded base64: strange characters, missing padding,
    ///   bits set behind the end.
    public static func decode(_ text: String) -> [UInt8]? {
        let characters = Array(text.utf8)
        guard characters.count.isMultiple(of: 4) else { return nil }
        guard !characters.isEmpty else { return [] }
        let values = values
        let padding = characters.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count / 4 * 3)
        for start in stride(from: 0, to: characters.count, by: 4) {
            let isLast = start + 4 == characters.count
            let used = isLast ? 4 - padding : 4
            var group: UInt32 = 0
            for index in 0..<4 {
                var value: UInt8 = 0
                if index < used {
                    value = values[Int(characters[start + index])]
                    guard value < 64 else { return nil }
                }
                group = group << 6 | UInt32(value)
            }
            if used == 3, group & 0xff != 0 { return nil }
            if used == 2, group & 0xffff != 0 { return nil }
            bytes.append(UInt8(truncatingIfNeeded: group >> 16))
            if used > 2 { bytes.append(UInt8(truncatingIfNeeded: group >> 8)) }
            if used > 3 { bytes.append(UInt8(truncatingIfNeeded: group)) }
        }
        return bytes
    }
}
