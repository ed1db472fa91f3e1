import ChoraleBase
import Execution
import Testing

@testable import CrossValidation

@Suite struct CountersTests {
    private static let verifiers = ["geth", "spec", "geth"].map {
        Verifier(family: $0, target: .command(path: "/x"))
    }

    private func report(_ outcomes: [VerifierAnswer.Outcome]) -> CrossValidationReport {
        let answers = zip(Self.verifiers, outcomes).map {
            VerifierAnswer(verifier: $0, outcome: $1, bytes: [], seconds: 0)
        }
        let tally = Tally(answers)
        return CrossValidationReport(
            blockHash: .zero, blockNumber: 1,
            expected: .init(stateRoot: .zero, receiptsRoot: .zero, gasUsed: 0), answers: answers,
            tally: tally, decision: tally.decision(whenUnreachable: .accept))
    }

    /// A family counts once for each block, however many endpoints it has.
    @Test func voicesAndDecisionsAddUp() {
        var counters = CrossValidationCounters(Self.verifiers)
        #expect(counters.families.map(\.name) == ["chorale", "geth", "spec"])
        counters.count(report([.agree, .agree, .agree]))
        counters.count(report([.disagree(""), .agree, .agree]))
        counters.count(report([.silent(""), .silent(""), .silent("")]))
        counters.count(report([.disagree(""), .disagree(""), .silent("")]))
        counters.count(nil)
        #expect(counters.families.map(\.agreements) == [4, 1, 2])
        #expect(counters.families.map(\.disagreements) == [0, 2, 1])
        #expect(counters.families.map(\.silences) == [0, 1, 1])
        let decisions = Dictionary(
            uniqueKeysWithValues: counters.decisions.map { ($0.name, $0.count) })
        #expect(
            decisions == [
                "accept": 1, "accept_alarm_disagreement": 1, "accept_alarm_unreachable": 1,
                "refuse_disagreement": 1, "refuse_unreachable": 0,
            ])
        #expect(counters.unasked == 1)
    }

    /// Whoever stops waits for questions that are open, and nothing is taken after that.
    @Test func questionsAreCountedAndEnd() {
        let questions = OpenQuestions(countMax: 2)
        #expect(questions.begin())
        #expect(questions.begin())
        #expect(!questions.begin())
        questions.end()
        #expect(questions.begin())
        questions.end()
        questions.end()
        questions.close()
        #expect(!questions.begin())
    }
}
