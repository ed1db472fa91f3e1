import ChoraleBase
import Testing

@testable import Codec

@Suite struct SettingsTextTests {
    struct Row: Sendable, CustomStringConvertible {
        let text: String
        let values: [String]

        init(_ text: String, _ values: [String]) { (self.text, self.values) = (text, values) }

        var description: String { text }
    }

    static let accepted = [
        Row("a: b", ["b"]),
        Row("a:   b c  ", ["b c"]),
        Row("a: b # comment", ["b"]),
        Row("a: b#c", ["b#c"]),
        Row("---\na: b\n", ["b"]),
        Row("a: /ip4/1.2.3.4/tcp/1", ["/ip4/1.2.3.4/tcp/1"]),
        Row("a: enr:-abc", ["enr:-abc"]),
        Row("a: 'it''s'", ["it's"]),
        Row(#"a: "b # \"c\" \\ \n""#, ["b # \"c\" \\ \n"]),
        Row("a: []", []),
        Row("a: [b, c ,'d,e']", ["b", "c", "d,e"]),
        Row("a:\n  - b\n  - 'c: d'\n", ["b", "c: d"]),
        Row("a:\n- b\n\n# between\n- c", ["b", "c"]),
        Row("a:", []),
        Row("\"a\" : 'b' # c", ["b"]),
        Row("a: b\r\n\r\n", ["b"]),
        Row(#"a: "\x07\r""#, ["\u{7}\r"]),
        // Quotes inside plain items and escaped ones in quoted items: both were cut wrongly.
        Row("a: [it's, he's]", ["it's", "he's"]),
        Row(#"a: ["b\"", 'c,d']"#, ["b\"", "c,d"]),
        // The accent belongs to the value, though it makes one character with the quote.
        Row("a: \"\u{301}b\"", ["\u{301}b"]),
    ]

    @Test(arguments: accepted) func reads(_ row: Row) throws {
        let text = try SettingsText(row.text)
        #expect(text.entries.count == 1)
        #expect(text["a"]?.values == row.values)
    }

    struct Refusal: Sendable, CustomStringConvertible {
        let text: String
        let line: Int
        let words: String

        init(_ text: String, line: Int, _ words: String) {
            (self.text, self.line, self.words) = (text, line, words)
        }

        var description: String { text }
    }

    static let refusals = [
        Refusal("a", line: 1, "name: value"),
        Refusal("a: b\na: c", line: 2, "first on line 1"),
        Refusal("a: b\n- c", line: 2, "without a name"),
        Refusal("- c", line: 1, "without a name"),
        Refusal("a:\n  b: c", line: 2, "indented"),
        Refusal("a:\n\t- c", line: 2, "tab"),
        Refusal("a:\n  - b: c", line: 2, "mapping inside a list"),
        Refusal("a: [b", line: 1, "must end with `]`"),
        Refusal("a: [b,,c]", line: 1, "empty item"),
        Refusal("a: [[b]]", line: 1, "list inside"),
        Refusal("a: 'b", line: 1, "not closed"),
        Refusal("a: \"b\"c\"", line: 1, "follows the closing quote"),
        Refusal("a: &b c", line: 1, "quote it"),
        Refusal("a: *b", line: 1, "quote it"),
        Refusal("a: !!str b", line: 1, "quote it"),
        Refusal("a: |", line: 1, "quote it"),
        Refusal(#"a: "\x""#, line: 1, "unknown escape"),
        // To other readers of YAML these say something else than they seem to, or nothing.
        Refusal("a:\n  - b\n    - c", line: 3, "indented otherwise"),
        Refusal("a: b: c", line: 1, "another mapping"),
        Refusal("a: [b: c]", line: 1, "mapping inside a list"),
        Refusal("a: - b", line: 1, "quote it"),
        Refusal("a: [b] c", line: 1, "follows the list"),
        Refusal("a: b\u{7}", line: 1, "control character"),
    ]

    @Test(arguments: refusals) func refuses(_ row: Refusal) {
        do throws(SettingsText.SyntaxError) {
            let text = try SettingsText(row.text)
            Issue.record("was read as \(text.entries)")
        } catch {
            #expect(error.line == row.line)
            #expect(error.reason.contains(row.words), "\(error.reason)")
        }
    }

    @Test(arguments: [
        "", "a b", "a: b", "#a", "it's", "say \"hi\"", "back\\slash", "-x", "a\nb\tc", "é",
        "\u{301}", "a\r\u{0}\u{7F}b", "\u{2028}", "a\r\n",
    ])
    func whatIsQuotedReadsBack(text: String) throws {
        let read = try SettingsText("a: " + SettingsText.quoted(text))
        #expect(read["a"]?.values == [text])
    }

    @Test(arguments: UInt64(0)..<64) func hostileTextsNeverTrap(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        let pieces = [
            "a", ":", " ", "- ", "\n", "'", "\"", "\\", "[", "]", ",", "#", "\t", "é", "---",
        ]
        for _ in 0..<200 {
            var text = ""
            for _ in 0..<Int(random.next() % 24) {
                text += pieces[Int(random.next() % UInt64(pieces.count))]
            }
            _ = try? SettingsText(text)
        }
    }
}
