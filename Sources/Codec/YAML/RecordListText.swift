/// A file of records: a list of flat mappings, in the part of YAML that ``SettingsText`` reads.
///
///     # a comment
///     - name: validator-0
///       stake: 32000000000
///     - name: validator-1
///       stake: 32000000000
///
/// Each record begins with a dash; its other names stand in the column of the first. Values are
/// scalars. Everything else is refused with its line, and what is read, any YAML reader reads the
/// same.
package struct RecordListText: Equatable {
    package struct Record: Equatable {
        package struct Entry: Equatable {
            package let key: String
            package let value: String
            /// Counted from 1.
            package let line: Int
        }

        /// Of the dash, counted from 1.
        package let line: Int
        package fileprivate(set) var entries: [Entry]

        package subscript(key: String) -> Entry? { entries.first { $0.key == key } }
    }

    package private(set) var records: [Record] = []

    /// - Parameter recordCountMax: more are refused.
    /// - Complexity: O(n) for records of a bounded number of names.
    package init(_ text: String, recordCountMax: Int) throws(SettingsText.SyntaxError) {
        let bytes = Array(text.utf8)
        var dashes: Int?
        var names = 0
        var number = 0
        var start = 0
        while start < bytes.count {
            number += 1
            let line = SettingsLine.bytes(of: bytes, from: &start)
            var reader = SettingsLine(line, number)
            let indent = try reader.skipIndent()
            guard !reader.isAtEnd else { continue }
            if reader.isDocumentStart, records.isEmpty, indent == 0 { continue }
            // `[]` is how an empty list is written.
            if reader.isEmptyList, records.isEmpty, indent == 0 {
                dashes = -1
                continue
            }
            if reader.skipListMark() {
                guard dashes == nil || dashes == indent else {
                    throw reader.error("indented otherwise than the record above")
                }
                guard !reader.isAtEnd else { throw reader.error("expected `- name: value`") }
                guard records.count < recordCountMax else {
                    throw reader.error("more than \(recordCountMax) records")
                }
                dashes = indent
                names = reader.column
                records.append(Record(line: number, entries: []))
            } else if records.isEmpty || indent != names {
                throw reader.error(
                    records.isEmpty
                        ? "expected a list of records, each beginning with `- name: value`"
                        : "indented otherwise than the record's first name")
            }
            let entry = try reader.entry()
            let record = records.count - 1
            if let earlier = records[record][entry.key] {
                throw reader.error("`\(entry.key)` is given again; first on line \(earlier.line)")
            }
            guard records[record].entries.count < Self.entryCountMax else {
                throw reader.error("more than \(Self.entryCountMax) names in one record")
            }
            records[record].entries.append(entry)
        }
    }

    /// Names of one record: each is compared with those before it.
    private static let entryCountMax = 32
}

extension SettingsLine {
    /// A name with its scalar, and the end of the line.
    fileprivate mutating func entry() throws(SettingsText.SyntaxError)
        -> RecordListText.Record.Entry
    {
        let key = try key()
        let (values, isList) = try values()
        guard !isList, let value = values.first else {
            throw error("`\(key)` must have one plain value")
        }
        return RecordListText.Record.Entry(key: key, value: value, line: line)
    }
}
