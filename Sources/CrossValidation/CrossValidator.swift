import ChoraleBase
import Codec
public import Crypto
import EngineAPI
import Execution
import Glibc
import HTTP
import JSONRPC
import Synchronization

/// Asks other implementations about blocks, all at once, and says what follows from their answers.
///
/// Each question has a thread of its own and one for each verifier, which end with it; nothing here runs on
/// the asker's thread. A question ends at the time limit at the latest, whatever the verifiers do.
///
/// 1. Every question that was taken is answered once. Checked by `stop`, which waits for it.
/// 2. At most `questionCountMax` are asked at once.
public final class CrossValidator: Sendable {
    public struct Options: Sendable {
        public var verifiers: [Verifier]
        /// For tokens, by the verifier's place in `verifiers`.
        public var secrets: [Int: SecretBytes] = [:]
        /// From the question to the last answer that counts.
        public var timeMax: Duration = .seconds(4)
        /// Bytes of one answer.
        public var answerSizeMax = 1 << 20
        public var whenUnreachable = UnreachablePolicy.accept
        /// Where disagreements are kept; nil for nowhere.
        public var incidentDirectory: String?
        /// Disagreements that are kept; some 30 MB each at worst.
        public var incidentCountMax = 64
        /// Blocks asked about at once. Each costs its witness in hexadecimal for every verifier.
        public var questionCountMax = 4

        public init(verifiers: [Verifier]) { self.verifiers = verifiers }
    }

    private let options: Options
    private let questions: OpenQuestions
    private let cancellation = HTTPClient.Cancellation()

    public init(_ options: Options) {
        self.options = options
        questions = OpenQuestions(countMax: options.questionCountMax)
    }

    deinit { stop() }

    /// Asks about a block.
    ///
    /// - Parameter done: called once, from another thread.
    /// - Returns: false when so many questions are open that this one was not taken.
    public func ask(
        _ item: CrossValidationCase,
        _ done: @escaping @Sendable (CrossValidationReport) -> Void
    ) -> Bool {
        guard questions.begin() else { return false }
        let question = Question(options: options, cancellation: cancellation)
        let thread = NamedThread("cross-validate") { [questions] in
            done(question.report(item))
            questions.end()
        }
        guard let thread else {
            questions.end()
            return false
        }
        thread.detach()
        return true
    }

    /// Asks about a block and waits for the report, on the calling thread, which is not one that others wait for.
    ///
    /// - Returns: nil when so many questions are open that this one was not taken, or after ``stop()``.
    public func report(_ item: CrossValidationCase) -> CrossValidationReport? {
        guard questions.begin() else { return nil }
        defer { questions.end() }
        return Question(options: options, cancellation: cancellation).report(item)
    }

    /// Ends all questions, whose verifiers are silent then, and waits until each has been answered.
    /// Not to be called from a callback. Calling it again does nothing.
    public func stop() {
        // Verifiers look at it several times a second.
        cancellation.cancel()
        questions.close()
    }
}

/// Answers as they come, by the verifier's place.
private final class Found: Sendable {
    private let answers = Mutex<[Int: VerifierAnswer]>([:])

    func put(_ index: Int, _ answer: VerifierAnswer) { answers.withLock { $0[index] = answer } }

    func take(_ index: Int) -> VerifierAnswer? { answers.withLock { $0[index] } }
}

/// One question to all verifiers, on the thread that waits for them.
private struct Question: Sendable {
    let options: CrossValidator.Options
    let cancellation: HTTPClient.Cancellation

    func report(_ item: CrossValidationCase) -> CrossValidationReport {
        let answers = answers(item)
        let tally = Tally(answers)
        var report = CrossValidationReport(
            blockHash: item.blockHash, blockNumber: item.block.header.number,
            expected: item.expected, answers: answers, tally: tally,
            decision: tally.decision(whenUnreachable: options.whenUnreachable))
        guard tally.disagree > 0, let directory = options.incidentDirectory else { return report }
        do throws(IncidentError) {
            report.incident = try IncidentBundle.write(
                report, item, in: directory, countMax: options.incidentCountMax)
        } catch {
            report.incidentFailure = error.description
        }
        return report
    }

    private func answers(_ item: CrossValidationCase) -> [VerifierAnswer] {
        let start = ContinuousClock.now
        let deadline = start + options.timeMax
        let isAsked = { (isCommand: Bool) in
            options.verifiers.contains {
                if case .command = $0.target { isCommand } else { !isCommand }
            }
        }
        // Made once, whoever gets them.
        let call = isAsked(false) ? Self.engineRequest(item) : []
        let input =
            isAsked(true)
            ? JSONValue.object(item.json(of: item.withheld)).encoded + [0x0A] : []
        let found = Found()
        var threads: [NamedThread] = []
        for (index, verifier) in options.verifiers.enumerated() {
            let secret = options.secrets[index]
            let thread = NamedThread("verifier-\(verifier.family)") {
                let (outcome, bytes) = ask(
                    verifier, secret, call: call, input: input, deadline, item.expected)
                let seconds = start.duration(to: .now) / .seconds(1)
                found.put(
                    index,
                    VerifierAnswer(
                        verifier: verifier, outcome: outcome, bytes: bytes, seconds: seconds))
            }
            if let thread { threads.append(thread) }
        }
        for thread in threads { thread.join() }
        return options.verifiers.enumerated().map { index, verifier in
            found.take(index)
                ?? VerifierAnswer(
                    verifier: verifier, outcome: .silent("there are no more threads"), bytes: [],
                    seconds: 0)
        }
    }

    private func ask(
        _ verifier: Verifier, _ secret: SecretBytes?, call: [UInt8], input: [UInt8],
        _ deadline: ContinuousClock.Instant, _ expected: StatelessVerdict.Roots
    ) -> (VerifierAnswer.Outcome, [UInt8]) {
        switch verifier.target {
        case .engine(let url, _): askEngine(url, secret, call, deadline, expected)
        case .command(let path): askCommand(path, input, deadline, expected)
        }
    }

    // MARK: Engines

    private static func engineRequest(_ item: CrossValidationCase) -> [UInt8] {
        let call = StatelessCall(
            item.block, blockHash: item.blockHash, fork: item.fork, requests: item.requests,
            item.witness)
        return JSONValue.object([
            "jsonrpc": .string("2.0"), "id": .integer(1), "method": .string(call.method),
            "params": call.params,
        ]).encoded
    }

    private func askEngine(
        _ url: String, _ secret: SecretBytes?, _ call: [UInt8],
        _ deadline: ContinuousClock.Instant, _ expected: StatelessVerdict.Roots
    ) -> (VerifierAnswer.Outcome, [UInt8]) {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let now = WallTime(milliseconds: Int64(time.tv_sec) * 1000)
        let timeLeft = ContinuousClock.now.duration(to: deadline)
        guard timeLeft > .zero else { return (.silent("no answer in time"), []) }
        do throws(HTTPClientError) {
            let (status, body) = try HTTPClient.post(
                url, call, bearer: secret.map { JSONWebToken.sign($0, at: now) },
                timeout: timeLeft, answerSizeMax: options.answerSizeMax,
                cancellation: cancellation)
            guard status == 200 else {
                let text = String(decoding: body.prefix(200), as: UTF8.self)
                return (.silent("HTTP status \(status): \(text)"), body)
            }
            guard let document = try? JSONValue(parsing: body) else {
                return (.silent("the answer is not JSON"), body)
            }
            // An error is about the call, not about the block.
            if let error = document["error"], error != .null {
                let text = String(error.text.prefix(300))
                return (.silent("error \(text)"), body)
            }
            guard let result = document["result"] else {
                return (.silent("an answer without a result"), body)
            }
            return (.init(result, expected: expected), body)
        } catch {
            return (.silent("\(error)"), [])
        }
    }

    // MARK: Commands

    private func askCommand(
        _ path: String, _ input: [UInt8], _ deadline: ContinuousClock.Instant,
        _ expected: StatelessVerdict.Roots
    ) -> (VerifierAnswer.Outcome, [UInt8]) {
        do throws(CommandVerifier.Failure) {
            let (output, status) = try CommandVerifier.run(
                path, input: input, deadline: deadline, outputSizeMax: options.answerSizeMax,
                cancellation: cancellation)
            guard let document = try? JSONValue(parsing: output) else {
                return (
                    .silent("no JSON on its output; it ended with wait status \(status)"), output
                )
            }
            return (.init(document, expected: expected), output)
        } catch {
            let text =
                switch error {
                case .notStarted(let detail): "cannot be started: \(detail)"
                case .timedOut: "no answer in time"
                case .cancelled: "cancelled"
                case .tooLarge(let limit): "the answer has more than \(limit) bytes"
                case .ended(let detail): detail
                }
            return (.silent(text), [])
        }
    }
}
