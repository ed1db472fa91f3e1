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
            let line = SettingsLine.bytes(of: bytes, from: &start)
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
