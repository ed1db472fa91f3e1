import ChoraleBase
import Codec
import Execution
import Testing

@testable import CrossValidation

@Suite struct TallyTests {
    /// Every tally of up to four, judged row by row: the rule written out instead of computed.
    @Test(arguments: 0...4, 0...4)
    func everyTally(agree: Int, disagree: Int) {
        for silent in 0...4 { check(agree, disagree, silent) }
    }

    private func check(_ agree: Int, _ disagree: Int, _ silent: Int) {
        let tally = Tally(agree: agree, disagree: disagree, silent: silent)
        for policy in UnreachablePolicy.allCases {
            let expected: CrossValidationDecision =
                switch (agree, disagree, silent) {
                case (0, _, _): .refuse(.disagreement)
                case (_, 2..., _): .refuse(.disagreement)
                case (1, 1, _): .refuse(.disagreement)
                case (2..., 1, _): .acceptWithAlarm(.disagreement)
                case (1, 0, 0): .accept
                case (1, 0, _):
                    policy == .accept ? .acceptWithAlarm(.unreachable) : .refuse(.unreachable)
                default: .accept
                }
            #expect(tally.decision(whenUnreachable: policy) == expected)
            #expect(tally.decision(whenUnreachable: policy).isAccepted == expected.isAccepted)
        }
    }

    private func answer(_ family: String, _ outcome: VerifierAnswer.Outcome) -> VerifierAnswer {
        VerifierAnswer(
            verifier: Verifier(family: family, target: .command(path: "/x")), outcome: outcome,
            bytes: [], seconds: 0)
    }

    /// A family has one voice, the host's too.
    @Test func familiesAreCounted() {
        let rows: [([(String, VerifierAnswer.Outcome)], Tally)] = [
            ([], Tally(agree: 1, disagree: 0, silent: 0)),
            (
                [("geth", .agree), ("geth", .agree), ("geth", .agree)],
                Tally(agree: 2, disagree: 0, silent: 0)
            ),
            (
                [("geth", .disagree("")), ("geth", .disagree(""))],
                Tally(agree: 1, disagree: 1, silent: 0)
            ),
            ([("geth", .agree), ("geth", .disagree(""))], Tally(agree: 1, disagree: 1, silent: 0)),
            ([("geth", .silent("")), ("geth", .agree)], Tally(agree: 2, disagree: 0, silent: 0)),
            ([("geth", .silent("")), ("reth", .agree)], Tally(agree: 2, disagree: 0, silent: 1)),
            ([("chorale", .agree)], Tally(agree: 1, disagree: 0, silent: 0)),
            ([("chorale", .silent(""))], Tally(agree: 1, disagree: 0, silent: 0)),
            ([("chorale", .disagree(""))], Tally(agree: 0, disagree: 1, silent: 0)),
        ]
        for (answers, expected) in rows {
            #expect(Tally(answers.map { answer($0.0, $0.1) }) == expected, "\(answers)")
        }
    }

    @Test func answersAreJudged() throws {
        let expected = StatelessVerdict.Roots(
            stateRoot: Bytes32(storage: .init(repeating: 1)),
            receiptsRoot: Bytes32(storage: .init(repeating: 2)), gasUsed: 3)
        let one = String(repeating: "01", count: 32)
        let two = String(repeating: "02", count: 32)
        let rows: [(String, String)] = [
            (#"{"status":"VALID","stateRoot":"0x\#(one)","receiptsRoot":"0x\#(two)"}"#, "agree"),
            (#"{"status":"VALID","stateRoot":"0x\#(two)","receiptsRoot":"0x\#(two)"}"#, "disagree"),
            (#"{"status":"VALID","stateRoot":"0x\#(one)","receiptsRoot":"0x\#(one)"}"#, "disagree"),
            (#"{"status":"VALID","stateRoot":"0x\#(one)"}"#, "silent"),
            (#"{"status":"VALID"}"#, "silent"),
            (#"{"status":"INVALID","validationError":"gas"}"#, "disagree"),
            (#"{"status":"INVALID"}"#, "disagree"),
            (#"{"status":"SYNCING"}"#, "silent"),
            (#"{"status":7}"#, "silent"), ("{}", "silent"), ("[]", "silent"), ("null", "silent"),
        ]
        for (text, name) in rows {
            let status = try JSONValue(parsing: Array(text.utf8))
            let found: String =
                switch VerifierAnswer.Outcome(status, expected: expected) {
                case .agree: "agree"
                case .disagree: "disagree"
                case .silent: "silent"
                }
            #expect(found == name, "\(text)")
        }
    }

    @Test func verifiersAreNamed() throws {
        let engine = try Verifier("geth=http://127.0.0.1:8551,jwtsecret=/a/jwt.hex")
        #expect(engine.family == "geth")
        #expect(
            engine.target == .engine(url: "http://127.0.0.1:8551", secretPath: "/a/jwt.hex"))
        #expect(engine.place == "http://127.0.0.1:8551")
        #expect(
            try Verifier("spec=exec:/a/b c").target == .command(path: "/a/b c"))
        for wrong in [
            "", "geth", "=http://a", "Geth=http://a", "geth=", "geth=http://", "geth=ftp://a",
            "geth=file:///etc/passwd", "geth=exec:relative", "geth=http://a b", "geth=http://a,b",
            "geth=http://a,jwtsecret=", String(repeating: "a", count: 33) + "=http://a",
            "geth=http://a\nb",
        ] {
            #expect(throws: Verifier.ParseError.self, "\(wrong)") { try Verifier(wrong) }
        }
    }
}
