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
///
/// Why not a YAML library: docs/decisions/0006-json-and-yaml.md.
struct SettingsText: Equatable {
    struct Entry: Equatable {
        let key: String
        /// Items of a list, or the one scalar.
        var values: [String]
        var isList: Bool
        /// Counted from 1.
        let line: Int
    }

    struct SyntaxError: Error, Equatable {
        let line: Int
        let reason: String
    }

    private(set) var entries: [Entry] = []

    subscript(key: String) -> Entry? { entries.first { $0.key == key } }

    init(_ text: String) throws(SyntaxError) {
        var open: Int?
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, raw) in lines.enumerated() {
            let number = index + 1
            let line = try Self.withoutComment(raw, number)
            let content = line.trimmed
            guard !content.isEmpty else { continue }
            let isIndented = line.first == " " || line.first == "\t"
            guard !line.prefix(while: { $0 == " " || $0 == "\t" }).contains("\t") else {
                throw SyntaxError(line: number, reason: "indented with a tab: use spaces")
            }
            if content == "---", entries.isEmpty, !isIndented { continue }
            if content == "-" || content.hasPrefix("- ") {
                guard let position = open else {
                    throw SyntaxError(
                        line: number, reason: "a list item without a name above it, like `listen:`")
                }
                let item = content.dropFirst().trimmed
                guard Self.colon(item) == nil else {
                    throw SyntaxError(
                        line: number,
                        reason: "a mapping inside a list: only plain values may stand here")
                }
                entries[position].values.append(try Self.scalar(item, number))
                entries[position].isList = true
                continue
            }
            guard !isIndented else {
                throw SyntaxError(line: number, reason: "indented, but belongs to no list")
            }
            guard let (key, value) = Self.colon(content) else {
                throw SyntaxError(line: number, reason: "expected `name: value`")
            }
            let name = try Self.scalar(key, number)
            if let earlier = self[name] {
                throw SyntaxError(
                    line: number, reason: "`\(name)` is given again; first on line \(earlier.line)")
            }
            var entry = Entry(key: name, values: [], isList: false, line: number)
            if value.isEmpty {
                open = entries.count
            } else {
                open = nil
                if value.first == "[" {
                    entry.values = try Self.list(value, number)
                    entry.isList = true
                } else {
                    entry.values = [try Self.scalar(value, number)]
                }
            }
            entries.append(entry)
        }
    }

    // MARK: Parts of a line

    /// The key and value around the first `: ` outside quotes, or a `:` at the end.
    private static func colon(_ text: Substring) -> (key: Substring, value: Substring)? {
        var quote: Character?
        var index = text.startIndex
        while index < text.endIndex {
            let character = text[index]
            let next = text.index(after: index)
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == ":", next == text.endIndex || text[next] == " " {
                return (text[..<index].trimmed, text[next...].trimmed)
            }
            index = next
        }
        return nil
    }

    /// A `#` starts a comment at the start or behind a space, outside quotes.
    private static func withoutComment(
        _ line: Substring, _ number: Int
    ) throws(SyntaxError) -> Substring {
        var quote: Character?
        var previous: Character = " "
        var escaped = false
        for index in line.indices {
            let character = line[index]
            if let open = quote {
                if escaped {
                    escaped = false
                } else if character == "\\", open == "\"" {
                    escaped = true
                } else if character == open {
                    quote = nil
                }
            } else if character == "#", previous == " " || previous == "\t" {
                return line[..<index]
            } else if character == "\"" || character == "'",
                " \t[,-:".contains(previous)
            {
                quote = character
            }
            previous = character
        }
        guard quote == nil else {
            throw SyntaxError(line: number, reason: "a quote is opened and not closed")
        }
        return line
    }

    private static func list(_ text: Substring, _ number: Int) throws(SyntaxError) -> [String] {
        guard text.last == "]", text.count >= 2 else {
            throw SyntaxError(line: number, reason: "a list that begins with `[` must end with `]`")
        }
        var values: [String] = []
        var quote: Character?
        var item = ""
        func add(_ item: String) throws(SyntaxError) {
            let trimmed = item[...].trimmed
            guard !trimmed.isEmpty else {
                throw SyntaxError(line: number, reason: "an empty item in a list")
            }
            values.append(try scalar(trimmed, number))
        }
        let inner = text.dropFirst().dropLast()
        guard !inner.trimmed.isEmpty else { return [] }
        for character in inner {
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "\"" || character == "'" {
                quote = character
            } else if character == "," {
                try add(item)
                item = ""
                continue
            } else if character == "[" || character == "]" || character == "{" {
                throw SyntaxError(line: number, reason: "a list inside a list")
            }
            item.append(character)
        }
        try add(item)
        return values
    }

    private static func scalar(_ text: Substring, _ number: Int) throws(SyntaxError) -> String {
        guard let first = text.first else {
            throw SyntaxError(line: number, reason: "a value is missing")
        }
        switch first {
        case "'":
            guard text.count >= 2, text.last == "'" else {
                throw SyntaxError(line: number, reason: "a quote is opened and not closed")
            }
            return try unquoted(text, number, doubled: true)
        case "\"":
            guard text.count >= 2, text.last == "\"" else {
                throw SyntaxError(line: number, reason: "a quote is opened and not closed")
            }
            return try unquoted(text, number, doubled: false)
        case "&", "*", "!", "|", ">", "{", "}", "[", "]", "%", "@", "`", "?":
            throw SyntaxError(
                line: number,
                reason: "`\(first)` means something in YAML that is not read here: quote it")
        default:
            return String(text)
        }
    }

    /// Single quotes know `''`, double quotes the escapes `\\`, `\"`, `\n` and `\t`.
    private static func unquoted(
        _ text: Substring, _ number: Int, doubled: Bool
    ) throws(SyntaxError) -> String {
        var result = ""
        var rest = text.dropFirst().dropLast()[...]
        while let character = rest.popFirst() {
            switch character {
            case "'" where doubled:
                guard rest.popFirst() == "'" else {
                    throw SyntaxError(line: number, reason: "something follows the closing quote")
                }
                result.append("'")
            case "\"" where !doubled:
                throw SyntaxError(line: number, reason: "something follows the closing quote")
            case "\\" where !doubled:
                switch rest.popFirst() {
                case "\\": result.append("\\")
                case "\"": result.append("\"")
                case "n": result.append("\n")
                case "t": result.append("\t")
                default: throw SyntaxError(line: number, reason: "an unknown escape")
                }
            default: result.append(character)
            }
        }
        return result
    }

    /// `text` as a scalar of such a file, quoted if need be.
    static func quoted(_ text: String) -> String {
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
        var result = "\""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            default: result.append(character)
            }
        }
        return result + "\""
    }
}

extension Substring {
    /// Without spaces and tabs at the ends.
    var trimmed: Substring {
        var rest = self
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return rest
    }
}
