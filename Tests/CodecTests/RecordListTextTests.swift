import Testing

@testable import Codec

@Suite struct RecordListTextTests {
    static func read(_ text: String) throws -> [[String]] {
        try RecordListText(text, recordCountMax: 3).records.map { record in
            record.entries.map { "\($0.line) \($0.key)=\($0.value)" }
        }
    }

    @Test func readsRecords() throws {
        let text = """
            ---
            # who
            - name: a   # the first
              key: "0x01"

            - name: 'b: c'
              key:   x y
            """
        #expect(
            try Self.read(text) == [["3 name=a", "4 key=0x01"], ["6 name=b: c", "7 key=x y"]])
        #expect(try Self.read("  - a: b\r\n    c: d\r\n") == [["1 a=b", "2 c=d"]])
        #expect(try Self.read("-   a: b\n    c: d") == [["1 a=b", "2 c=d"]])
        #expect(try Self.read("") == [])
        #expect(try Self.read("# nobody\n[]\n") == [])
    }

    @Test func findsEntriesByName() throws {
        let record = try RecordListText("- a: b\n  c: d", recordCountMax: 1).records[0]
        #expect(record["c"]?.value == "d" && record["c"]?.line == 2)
        #expect(record["b"] == nil && record.line == 1)
    }

    static let refusals: [(text: String, line: Int, words: String)] = [
        ("a: b", 1, "expected a list of records"),
        ("- a: b\n- c", 2, "expected `name: value`"),
        ("- a: b\n-", 2, "expected `- name: value`"),
        ("- a: b\n c: d", 2, "indented otherwise than the record's first name"),
        ("- a: b\n   c: d", 2, "indented otherwise than the record's first name"),
        ("- a: b\n  - c: d", 2, "indented otherwise than the record above"),
        (" - a: b\n- c: d", 2, "indented otherwise than the record above"),
        ("- a: b\n  a: c", 2, "given again; first on line 1"),
        ("- a: [b]", 1, "`a` must have one plain value"),
        ("- a:\n  b: c", 1, "`a` must have one plain value"),
        ("- a: {b: c}", 1, "means something in YAML"),
        ("- a: b: c", 1, "begins another mapping"),
        ("- a: b\n- a: b\n- a: b\n- a: b", 4, "more than 3 records"),
        ("[]\n- a: b", 2, "indented otherwise"),
        ("- a: b\n[]", 2, "indented otherwise"),
        ("- a: b\n---\n- c: d", 2, "indented otherwise"),
        ("- a: b\n\tc: d", 2, "tab"),
        ("- a: \"b", 1, "not closed"),
        (
            "- a: b\n" + (0..<32).map { "  k\($0): v\n" }.joined(), 33,
            "more than 32 names in one record"
        ),
    ]

    @Test(arguments: refusals.indices) func refuses(index: Int) {
        let row = Self.refusals[index]
        do throws(SettingsText.SyntaxError) {
            let list = try RecordListText(row.text, recordCountMax: 3)
            Issue.record("\(row.text) was read as \(list.records)")
        } catch {
            #expect(error.line == row.line, "\(row.text): \(error)")
            #expect(error.reason.contains(row.words), "\(row.text): \(error)")
        }
    }
}
