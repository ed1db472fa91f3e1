import ChoraleBase

/// One line, read from left to right.
///
/// In bytes: every character that means something is ASCII, and a `Character` would take the accent
/// behind a quote for a part of it.
struct SettingsLine {
    /// Where a scalar stands, which decides what may end it.
    enum Place {
        case key, value, list, flowList
    }

    private let bytes: ArraySlice<UInt8>
    private let number: Int
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>, _ number: Int) {
        self.bytes = bytes
        self.number = number
        position = bytes.startIndex
    }

    /// The line at `start`, which moves behind its end: LF, CR or both.
    static func bytes(of bytes: [UInt8], from start: inout Int) -> ArraySlice<UInt8> {
        let first = start
        while start < bytes.count, bytes[start] != 0x0A, bytes[start] != 0x0D { start += 1 }
        let line = bytes[first..<start]
        if start + 1 < bytes.count, bytes[start] == 0x0D, bytes[start + 1] == 0x0A { start += 1 }
        start += 1
        return line
    }

    func error(_ reason: String) -> SettingsText.SyntaxError {
        SettingsText.SyntaxError(line: number, reason: reason)
    }

    // MARK: Bytes

    private func byte(_ offset: Int = 0) -> UInt8? {
        position + offset < bytes.endIndex ? bytes[position + offset] : nil
    }

    private func isBlankOrEnd(_ byte: UInt8?) -> Bool {
        byte == nil || byte == UInt8(ascii: " ") || byte == 0x09
    }

    /// Also behind blanks, and before a comment.
    var isAtEnd: Bool { position == bytes.endIndex }

    /// Moves to what comes next; a comment is behind the end.
    private mutating func skipBlanks() {
        let isBehindBlank = position == bytes.startIndex || isBlankOrEnd(bytes[position - 1])
        let start = position
        while let byte = byte(), byte == UInt8(ascii: " ") || byte == 0x09 { position += 1 }
        if byte() == UInt8(ascii: "#"), isBehindBlank || position > start {
            position = bytes.endIndex
        }
    }

    /// - Returns: how many spaces there are in front.
    mutating func skipIndent() throws(SettingsText.SyntaxError) -> Int {
        for byte in bytes where byte < 0x20 && byte != 0x09 || byte == 0x7F {
            throw error("a control character; in double quotes it may be written as \\x…")
        }
        skipBlanks()
        guard !isAtEnd else { return 0 }
        guard !bytes[..<position].contains(0x09) else {
            throw error("indented with a tab: use spaces")
        }
        return position - bytes.startIndex
    }

    var isDocumentStart: Bool {
        var rest = self
        guard bytes[position...].starts(with: Array("---".utf8)) else { return false }
        rest.position += 3
        guard isBlankOrEnd(rest.byte()) else { return false }
        rest.skipBlanks()
        return rest.isAtEnd
    }

    /// Whether the rest of the line is `[]`.
    var isEmptyList: Bool {
        var rest = self
        guard let (values, isList) = try? rest.values() else { return false }
        return isList && values.isEmpty
    }

    /// How many characters are in front of what comes next.
    var column: Int { position - bytes.startIndex }

    /// Counted from 1.
    var line: Int { number }

    mutating func skipListMark() -> Bool {
        guard byte() == UInt8(ascii: "-"), isBlankOrEnd(byte(1)) else { return false }
        position += 1
        skipBlanks()
        return true
    }

    // MARK: Parts

    /// A name and its colon.
    mutating func key() throws(SettingsText.SyntaxError) -> String {
        let key = try scalar(in: .key)
        guard byte() == UInt8(ascii: ":"), isBlankOrEnd(byte(1)) else {
            throw error("expected `name: value`")
        }
        position += 1
        skipBlanks()
        return key
    }

    /// What is behind a name: nothing, a scalar or a list, and the end of the line.
    mutating func values() throws(SettingsText.SyntaxError) -> ([String], isList: Bool) {
        guard !isAtEnd else { return ([], false) }
        guard byte() == UInt8(ascii: "[") else { return ([try lastScalar(in: .value)], false) }
        position += 1
        skipBlanks()
        var values: [String] = []
        while byte() != UInt8(ascii: "]") || !values.isEmpty {
            guard !isAtEnd else { throw error("a list that begins with `[` must end with `]`") }
            guard byte() != UInt8(ascii: ","), byte() != UInt8(ascii: "]") else {
                throw error("an empty item in a list")
            }
            guard byte() != UInt8(ascii: "["), byte() != UInt8(ascii: "{") else {
                throw error("a list inside a list")
            }
            values.append(try scalar(in: .flowList))
            if byte() == UInt8(ascii: "]") { break }
            guard byte() == UInt8(ascii: ",") else {
                throw error(
                    isAtEnd
                        ? "a list that begins with `[` must end with `]`"
                        : "a mapping inside a list: only plain values may stand here")
            }
            position += 1
            skipBlanks()
        }
        position += 1
        skipBlanks()
        guard isAtEnd else { throw error("something follows the list's `]`") }
        return (values, true)
    }

    /// A scalar behind which the line ends.
    mutating func lastScalar(in place: Place) throws(SettingsText.SyntaxError) -> String {
        let scalar = try scalar(in: place)
        guard isAtEnd else {
            throw error(
                place == .list
                    ? "a mapping inside a list: only plain values may stand here"
                    : "`: ` inside a value begins another mapping in YAML: quote the value")
        }
        return scalar
    }

    /// A scalar and the blanks behind it.
    private mutating func scalar(in place: Place) throws(SettingsText.SyntaxError) -> String {
        guard let first = byte() else { throw error("a value is missing") }
        switch first {
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
            let text = try quoted(by: first)
            let end = position
            skipBlanks()
            switch byte() {
            case nil: break
            case UInt8(ascii: ":") where place != .flowList && isBlankOrEnd(byte(1)): break
            case UInt8(ascii: ",") where place == .flowList: break
            case UInt8(ascii: "]") where place == .flowList: break
            default: throw error("something follows the closing quote at byte \(end)")
            }
            return text
        case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"), UInt8(ascii: "|"),
            UInt8(ascii: ">"), UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "["),
            UInt8(ascii: "]"), UInt8(ascii: "%"), UInt8(ascii: "@"), UInt8(ascii: "`"),
            UInt8(ascii: "?"), UInt8(ascii: ","):
            throw meaningful(first)
        case UInt8(ascii: "-") where isBlankOrEnd(byte(1)): throw meaningful(first)
        case UInt8(ascii: ":") where isBlankOrEnd(byte(1)): throw error("a value is missing")
        default: return try plain(in: place)
        }
    }

    private func meaningful(_ byte: UInt8) -> SettingsText.SyntaxError {
        let character = Character(UnicodeScalar(byte))
        return error("`\(character)` means something in YAML that is not read here: quote it")
    }

    private mutating func plain(in place: Place) throws(SettingsText.SyntaxError) -> String {
        let start = position
        var end = position
        while let byte = byte() {
            if byte == UInt8(ascii: ":"), isBlankOrEnd(self.byte(1)) { break }
            if byte == UInt8(ascii: " ") || byte == 0x09 {
                skipBlanks()
                continue
            }
            if place == .flowList {
                if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "]") { break }
                guard byte != UInt8(ascii: "["), byte != UInt8(ascii: "{"),
                    byte != UInt8(ascii: "}")
                else { throw error("a list inside a list") }
            }
            position += 1
            end = position
        }
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    /// Single quotes know `''`, double quotes the escapes `\\`, `\"`, `\n`, `\r`, `\t` and `\x` with two
    /// hexadecimal digits.
    private mutating func quoted(by quote: UInt8) throws(SettingsText.SyntaxError) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = byte() {
            position += 1
            if byte == quote {
                guard quote == UInt8(ascii: "'"), self.byte() == quote else {
                    return String(decoding: text, as: UTF8.self)
                }
                position += 1
                text.append(quote)
            } else if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                text += try escaped()
            } else {
                text.append(byte)
            }
        }
        throw error("a quote is opened and not closed")
    }

    private mutating func escaped() throws(SettingsText.SyntaxError) -> [UInt8] {
        let kind = byte()
        position += 1
        switch kind {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): return [kind ?? 0]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "x"):
            let digits = bytes[min(position, bytes.endIndex)...].prefix(2)
            let text = String(decoding: digits, as: UTF8.self)
            guard digits.count == 2, let value = try? Hex.decode(text).first else {
                throw error("an unknown escape: `\\x` needs two hexadecimal digits")
            }
            position += 2
            return Array(String(UnicodeScalar(value)).utf8)
        default: throw error("an unknown escape")
        }
    }
}
