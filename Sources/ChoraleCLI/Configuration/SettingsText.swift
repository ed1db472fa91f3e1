import ChoraleBase

/// A configuration file: a small, strict part of YAML.
///
///     # a comment
///     listen:
///       - /ip4/0.0.0.0/tcp/4001
///     role: [validator, prover]
///     log-level: info
///
/// One mapping of names to scalars or lists of scalars, plain or quoted, on one line or with one
/// item a line. Everything else that YAML has (nested mappings, anchors, tags, block texts, several
/// documents) is refused with its line, because what a file means must be plain to whoever reads it.
/// What is read, any YAML reader reads the same.
///
/// Why not a YAML library: docs/decisions/0006-json-and-yaml.md.
package struct SettingsText: Equatable {
    package struct Entry: Equatable {
        package let key: String
        /// Items of a list, or the one scalar.
        package var values: [String]
        package var isList: Bool
        /// Counted from 1.
        package let line: Int
    }

    package struct SyntaxError: Error, Equatable {
        package let line: Int
        package let reason: String
    }

    package private(set) var entries: [Entry] = []

    package subscript(key: String) -> Entry? { entries.first { $0.key == key } }

    /// - Complexity: O(n).
    package init(_ text: String) throws(SyntaxError) {
        let bytes = Array(text.utf8)
        var lineOfKey: [String: Int] = [:]
        var openList: (position: Int, indent: Int?)?
        var number = 0
        var start = 0
        while start < bytes.count {
            number += 1
            let line = Self.line(bytes, from: &start)
            var reader = SettingsLine(line, number)
            let indent = try reader.skipIndent()
            guard !reader.isAtEnd else { continue }
            if reader.isDocumentStart, entries.isEmpty, indent == 0 { continue }
            if reader.skipListMark() {
                guard let list = openList else {
                    throw reader.error("a list item without a name above it, like `listen:`")
                }
                // Deeper ones would be text of the item above, higher ones of no list at all.
                guard list.indent == nil || list.indent == indent else {
                    throw reader.error("indented otherwise than the list item above")
                }
                openList = (list.position, indent)
                entries[list.position].values.append(try reader.lastScalar(in: .list))
                entries[list.position].isList = true
                continue
            }
            guard indent == 0 else { throw reader.error("indented, but belongs to no list") }
            let key = try reader.key()
            if let earlier = lineOfKey[key] {
                throw reader.error("`\(key)` is given again; first on line \(earlier)")
            }
            lineOfKey[key] = number
            openList = reader.isAtEnd ? (entries.count, nil) : nil
            let (values, isList) = try reader.values()
            entries.append(Entry(key: key, values: values, isList: isList, line: number))
        }
    }

    /// The line at `start`, which moves behind its end: LF, CR or both.
    private static func line(_ bytes: [UInt8], from start: inout Int) -> ArraySlice<UInt8> {
        let first = start
        while start < bytes.count, bytes[start] != 0x0A, bytes[start] != 0x0D { start += 1 }
        let line = bytes[first..<start]
        if start + 1 < bytes.count, bytes[start] == 0x0D, bytes[start + 1] == 0x0A { start += 1 }
        start += 1
        return line
    }

    /// `text` as a scalar of such a file, quoted if need be.
    package static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                    UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            } && !text.hasPrefix("-")
        guard !isPlain else { return text }
        var result: [UInt8] = [UInt8(ascii: "\"")]
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"), UInt8(ascii: "\""): result += [UInt8(ascii: "\\"), byte]
            case 0x0A: result += Array("\\n".utf8)
            case 0x0D: result += Array("\\r".utf8)
            case 0x09: result += Array("\\t".utf8)
            case ..<0x20, 0x7F: result += Array("\\x\(Hex.encode([byte]))".utf8)
            default: result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self) + "\""
    }
}

/// One line, read from left to right.
///
/// In bytes: every character that means something is ASCII, and a `Character` would take the accent
/// behind a quote for a part of it.
private struct SettingsLine {
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
