import ChoraleBase
import Codec
import Conformance
import Crypto
import EngineAPI
import Execution
import Glibc
import JSONRPC
import RPCServer
import Synchronization
import TestSupport
import Testing

@testable import CrossValidation

/// Real blocks, asked about over real sockets and of real programs.
@Suite(.enabled(if: Fixtures.root != nil, Comment(rawValue: Fixtures.absence)))
final class CrossValidatorTests {
    static let secret = SecretBytes(copying: [UInt8](repeating: 9, count: 32))

    /// A directory of its own, without what it holds in the end.
    let directory: String
    private var servers: [RPCServer] = []

    init() {
        var template = Array("/tmp/chorale-cross-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
    }

    deinit {
        for server in servers { server.stop() }
        let remove = NamedCommand.run("rm", ["-r", directory])
        precondition(remove == 0, "the tests' directory stays")
    }

    /// A valid block with what the host finds.
    static func item(fork: String = "Prague") throws -> (CrossValidationCase, ChainRules) {
        for line in try FixtureFile.lines(Fixtures.data("witness/fixtures.jsonl.gz")) {
            let sample = try StatelessCase(line)
            guard sample.fork == fork.lowercased(), sample.expected != nil else { continue }
            let verdict = try sample.verdict()
            let block = try Block(sample.block.span)
            guard !block.transactions.isEmpty else { continue }
            return (
                CrossValidationCase(
                    block: block, witness: sample.witness, expected: verdict.roots,
                    requests: verdict.outcome.requests, chainID: sample.rules.chainID,
                    fork: sample.rules.epoch(at: block.header.timestamp).fork), sample.rules
            )
        }
        throw FixtureMissing()
    }

    struct FixtureMissing: Error {}

    /// An engine on loopback that executes, and then says what `change` makes of it.
    private func engine(
        _ rules: ChainRules,
        _ change: @escaping @Sendable (JSONObject) -> JSONValue = { .object($0) }
    ) throws -> String {
        let server = try RPCServer(address: "127.0.0.1:0", options: .engine(Self.secret)) {
            (request) throws(RPCError) in
            let answer = try StatelessService(StatelessExecution(rules: rules)).answer(request)
            return change(answer.object ?? [:])
        }
        servers.append(server)
        return "http://\(server.address)"
    }

    private func script(_ name: String, _ text: String) throws -> Verifier {
        let path = "\(directory)/\(name)"
        let file = open(path, O_WRONLY | O_CREAT, 0o755)
        let bytes = Array("#!/bin/sh\n\(text)\n".utf8)
        #expect(write(file, bytes, bytes.count) == bytes.count)
        close(file)
        return Verifier(family: name, target: .command(path: path))
    }

    private func ask(
        _ verifiers: [Verifier], _ item: CrossValidationCase, seconds: Double = 20,
        incidents: String? = nil
    ) throws -> CrossValidationReport {
        var options = CrossValidator.Options(verifiers: verifiers)
        for index in verifiers.indices { options.secrets[index] = Self.secret }
        options.timeMax = .seconds(seconds)
        options.incidentDirectory = incidents
        let validator = CrossValidator(options)
        let box = Box()
        #expect(validator.ask(item) { report in box.set(report) })
        while box.report == nil { usleep(1000) }
        validator.stop()
        return try #require(box.report)
    }

    private final class Box: Sendable {
        private let value = Mutex<CrossValidationReport?>(nil)

        var report: CrossValidationReport? { value.withLock { $0 } }
        func set(_ report: CrossValidationReport) { value.withLock { $0 = report } }
    }

    private func answer(_ item: CrossValidationCase) -> String {
        #"{"status":"VALID","stateRoot":"0x\#(item.expected.stateRoot)","#
            + #""receiptsRoot":"0x\#(item.expected.receiptsRoot)","validationError":null}"#
    }

    /// One engine of each fork that has a version of the method.
    @Test(arguments: ["Shanghai", "Cancun", "Prague", "Osaka"])
    func anEngineAgrees(fork: String) throws {
        let (item, rules) = try Self.item(fork: fork)
        let report = try ask([try Verifier("geth=" + engine(rules))], item)
        #expect(report.answers.map(\.outcome) == [.agree])
        #expect(report.tally == Tally(agree: 2, disagree: 0, silent: 0))
        #expect(report.decision == .accept)
        #expect(report.blockHash == item.block.header.hash)
    }

    /// Whoever gives back what it was given is caught, because the roots were withheld.
    @Test func anEchoIsCaught() throws {
        let (item, rules) = try Self.item()
        let server = try RPCServer(address: "127.0.0.1:0", options: .engine(Self.secret)) {
            (request) throws(RPCError) in
            let payload = request.params?.array?.first
            return .object([
                "status": .string("VALID"), "stateRoot": payload?["stateRoot"] ?? .null,
                "receiptsRoot": payload?["receiptsRoot"] ?? .null, "validationError": .null,
            ])
        }
        servers.append(server)
        let honest = try Verifier("geth=" + engine(rules))
        let echo = try Verifier("echo=http://" + server.address)
        let report = try ask([honest, echo], item)
        #expect(report.tally == Tally(agree: 2, disagree: 1, silent: 0))
        #expect(report.decision == .acceptWithAlarm(.disagreement))
        #expect(try ask([echo], item).decision == .refuse(.disagreement))
    }

    /// What is wrong with the asking is nobody's opinion of the block.
    @Test func whoHasNoOpinionIsSilent() throws {
        let (item, rules) = try Self.item()
        let other = try engine(.always(.cancun, blobs: .cancun))
        let url = try engine(rules)
        var options = CrossValidator.Options(verifiers: [try Verifier("geth=" + url)])
        options.timeMax = .seconds(20)
        // Without a token.
        let validator = CrossValidator(options)
        let box = Box()
        #expect(validator.ask(item) { report in box.set(report) })
        while box.report == nil { usleep(1000) }
        let answers = try #require(box.report).answers.map(\.outcome)
        guard case .silent(let reason)? = answers.first else {
            Issue.record("\(answers)")
            return
        }
        #expect(reason.hasPrefix("HTTP status 401: missing token"))

        let report = try ask(
            [
                try Verifier("a=" + other), try Verifier("b=http://127.0.0.1:1"),
                try Verifier("c=http://no.such.host.invalid"),
            ], item)
        #expect(report.tally == Tally(agree: 1, disagree: 0, silent: 3))
        #expect(report.decision == .acceptWithAlarm(.unreachable))
        let reasons = report.answers.map { "\($0.outcome)" }
        #expect(reasons[0].contains("-38005"), "\(reasons)")
    }

    @Test func programsAnswer() throws {
        let (item, _) = try Self.item()
        let right = try script("right", "cat >/dev/null; echo '\(answer(item))'")
        let early = try script("early", "echo '\(answer(item))'")
        let wrong = try script(
            "wrong", #"cat >/dev/null; echo '{"status":"INVALID","validationError":"no"}'; exit 1"#)
        let broken = try script("broken", "cat >/dev/null; echo hello; exit 3")
        let large = try script("large", "cat >/dev/null; cat /dev/zero")
        let missing = try Verifier("missing=exec:/no/such/program")
        let report = try ask([right, early, wrong, broken, large, missing], item)
        #expect(report.answers[0].outcome == .agree)
        #expect(report.answers[1].outcome == .agree)
        #expect(report.answers[2].outcome == .disagree("invalid: no"))
        #expect(
            report.answers[3].outcome
                == .silent("no JSON on its output; it ended with wait status 768"))
        #expect(report.answers[4].outcome == .silent("the answer has more than 1048576 bytes"))
        #expect(
            report.answers[5].outcome == .silent("cannot be started: No such file or directory"))
        #expect(report.tally == Tally(agree: 3, disagree: 1, silent: 3))
    }

    /// What a program gets is a case without the two roots, which executes.
    @Test func programsGetACase() throws {
        let (item, rules) = try Self.item()
        let path = directory + "/given.json"
        let program = try script("keeper", "cat >\(path); echo '{}'")
        _ = try ask([program], item)
        let given = try JSONValue(parsing: Self.contents(path))
        let digits = try #require(given["block"]?.string)
        let encoding = try Hex.decode(digits)
        let block = try Block(encoding.span)
        #expect(block.header.stateRoot == .zero)
        #expect(block.header.receiptsRoot == .zero)
        #expect(block.transactions == item.block.transactions)
        let witness = try Witness(json: #require(given["witness"]).encoded)
        let verdict = try StatelessExecution(rules: rules).verdict(
            block, size: block.encoded.count, witness)
        #expect(verdict.roots == item.expected)
        #expect(
            !String(decoding: given.encoded, as: UTF8.self).contains("\(item.expected.stateRoot)"))
    }

    /// A program that never ends, with a child that never ends, costs the time limit and no more.
    @Test func whoIsTooLateIsSilentAndKilled() throws {
        let (item, rules) = try Self.item()
        let path = directory + "/pid"
        let slow = try script("slow", "sleep 1000 & echo $! >\(path); sleep 1000")
        let honest = try Verifier("geth=" + engine(rules))
        let clock = ContinuousClock()
        var report: CrossValidationReport?
        let time = try clock.measure { report = try ask([slow, honest], item, seconds: 2) }
        #expect(time < .seconds(10))
        #expect(report?.answers[0].outcome == .silent("no answer in time"))
        #expect(report?.tally == Tally(agree: 2, disagree: 0, silent: 1))
        #expect(report?.decision == .accept)
        let text = String(decoding: try Self.contents(path), as: UTF8.self)
        let child = try #require(pid_t(text.dropLast()))
        // An orphan is somebody else's to reap, so it is asked for until it is gone or a zombie.
        while kill(child, 0) == 0, !Self.isZombie(child) { usleep(1000) }
    }

    @Test func anEngineThatHangsIsSilent() throws {
        let (item, _) = try Self.item()
        let server = try RPCServer(address: "127.0.0.1:0", options: .engine(Self.secret)) { _ in
            usleep(1_500_000)
            return .null
        }
        servers.append(server)
        let report = try ask([try Verifier("geth=http://" + server.address)], item, seconds: 0.3)
        #expect(report.answers.map(\.outcome) == [.silent("no answer in time")])
    }

    @Test func stoppingEndsEverything() throws {
        let (item, _) = try Self.item()
        var options = CrossValidator.Options(
            verifiers: [try script("forever", "sleep 1000")])
        options.timeMax = .seconds(1000)
        options.questionCountMax = 2
        let validator = CrossValidator(options)
        let count = Counter()
        #expect(validator.ask(item) { _ in count.add() })
        #expect(validator.ask(item) { _ in count.add() })
        // There is room for two.
        #expect(!validator.ask(item) { _ in count.add() })
        validator.stop()
        #expect(count.value == 2)
        #expect(!validator.ask(item) { _ in count.add() })
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func add() { count.withLock { $0 += 1 } }
    }

    /// A disagreement leaves a case that executes to what the host found, and everybody's words.
    @Test func anIncidentCanBeReplayed() throws {
        let (item, rules) = try Self.item()
        let honest = try Verifier("geth=" + engine(rules))
        let wrong = try script("wrong", #"cat >/dev/null; echo '{"status":"INVALID"}'"#)
        let incidents = directory + "/incident"
        let report = try ask([honest, wrong], item, incidents: incidents)
        let path = incidents + "/\(item.blockHash)"
        #expect(report.incident == path)
        #expect(report.incidentFailure == nil)
        let record = try JSONValue(parsing: Self.contents(path + "/case.json"))
        let block = try Hex.decode(#require(record["block"]?.string))
        let decoded = try Block(block.span)
        #expect(decoded == item.block)
        #expect(try Self.contents(path + "/block.rlp") == block)
        let witness = try Witness(rlp: Self.contents(path + "/witness.rlp"))
        let verdict = try StatelessExecution(rules: rules).verdict(block.span, witness)
        #expect(record["expect"]?["stateRoot"]?.string == "0x\(verdict.roots.stateRoot)")
        let words = try JSONValue(parsing: Self.contents(path + "/answer-0-geth.json"))
        #expect(words["result"]?["status"]?.string == "VALID")
        #expect(
            try Self.contents(path + "/answer-1-wrong.json")
                == Array("{\"status\":\"INVALID\"}\n".utf8))
        let said = try JSONValue(parsing: Self.contents(path + "/report.json"))
        #expect(said["decision"]?.string == "accept_alarm_disagreement")
        // Again: it is there already.
        #expect(try ask([honest, wrong], item, incidents: incidents).incident == path)
        // Nobody disagrees: nothing is written.
        #expect(try ask([honest], item, incidents: directory + "/none").incident == nil)
        #expect(access(directory + "/none", F_OK) != 0)
        // It cannot be written: the decision stands.
        let failed = try ask([honest, wrong], item, incidents: "/proc/none")
        #expect(failed.incidentFailure != nil)
        #expect(failed.decision == .acceptWithAlarm(.disagreement))
    }

    // MARK: Files

    static func contents(_ path: String) throws -> [UInt8] {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { throw FixtureMissing() }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let size = read(file, &chunk, chunk.count), size > 0 {
            bytes += chunk[..<size]
        }
        return bytes
    }

    static func isZombie(_ process: pid_t) -> Bool {
        guard let status = try? contents("/proc/\(process)/stat") else { return true }
        return String(decoding: status, as: UTF8.self).contains(") Z ")
    }
}

/// A program of the system, waited for.
enum NamedCommand {
    static func run(_ name: String, _ arguments: [String]) -> Int32 {
        var process = pid_t()
        var words = ([name] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        guard posix_spawnp(&process, name, nil, nil, &words, nil) == 0 else { return -1 }
        var status: Int32 = 0
        waitpid(process, &status, 0)
        return status
    }
}
