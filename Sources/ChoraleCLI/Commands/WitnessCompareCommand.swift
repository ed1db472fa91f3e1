import ArgumentParser
import ChoraleBase
import Codec
import CrossValidation
import Execution
import RPCServer

struct WitnessCompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract: "Ask other implementations about a block, and count who agrees.",
        discussion: """
            The block is executed here first; then every verifier gets it with its witness, without the roots of state and receipts. \
            NAME is the implementation's family, which has one voice. An engine is asked with engine_executeStatelessPayload, \
            with a token if its secret is given; a program gets one JSON object on its standard input and writes one. The block is \
            refused, with exit status 1, if two families disagree or as many disagree as agree, this one counted.

            EXAMPLE
              chorale witness compare case.json --with geth=http://127.0.0.1:8551
              chorale witness compare case.json --with spec=exec:/opt/verify --json
            """)

    @Argument(
        help: ArgumentHelp(
            "The block and its witness, or one file that holds both.", valueName: "file"))
    var files: [String]
    @OptionGroup var chain: ChainOptions
    @Option(
        name: .customLong("with"),
        help: ArgumentHelp(
            "NAME=URL[,jwtsecret=FILE] or NAME=exec:/PATH; may be repeated.", valueName: "verifier")
    )
    var verifiers: [String]
    @Option(help: ArgumentHelp("Time for all answers, in seconds.", valueName: "seconds"))
    var timeout: Double = 10
    @Option(help: "accept or refuse, when nobody else has an opinion.")
    var unreachable = "accept"
    @Option(
        help: ArgumentHelp(
            "Where block, witness and answers are kept when somebody disagrees.",
            valueName: "directory"))
    var incidents: String?
    @Flag(help: "Print JSON instead of text.")
    var json = false

    func validate() throws {
        guard timeout > 0, timeout <= 3600 else {
            throw ValidationError("--timeout must be above 0 and at most 3600, not \(timeout)")
        }
        guard UnreachablePolicy(rawValue: unreachable) != nil else {
            throw ValidationError("--unreachable is accept or refuse, not `\(unreachable)`")
        }
    }

    func run() throws {
        var options = CrossValidator.Options(verifiers: [])
        for text in verifiers { try add(text, to: &options) }
        options.timeMax = .seconds(timeout)
        options.whenUnreachable = UnreachablePolicy(rawValue: unreachable) ?? .accept
        options.incidentDirectory = incidents
        let item = try executed(try WitnessInput(files, chain, needsBlock: true))
        guard let report = CrossValidator(options).report(item) else {
            preconditionFailure("it is the first question, and nobody stops it")
        }
        if json {
            Console.print(report.json)
        } else {
            Console.print(Self.lines(report).joined(separator: "\n"))
        }
        guard report.decision.isAccepted else {
            throw Failure("block \(report.blockNumber) is refused: \(report.decision.name)")
        }
    }

    private func add(
        _ text: String, to options: inout CrossValidator.Options
    ) throws(Failure) {
        let verifier: Verifier
        do throws(Verifier.ParseError) {
            verifier = try Verifier(text)
        } catch {
            throw .usage("\(error)")
        }
        if case .engine(_, let path?) = verifier.target {
            do throws(TokenSecretError) {
                options.secrets[options.verifiers.count] = try TokenSecretFile.read(path)
            } catch {
                throw Failure("\(error)")
            }
            guard options.secrets[options.verifiers.count] != nil else {
                throw Failure("there is no secret \(path)")
            }
        }
        options.verifiers.append(verifier)
    }

    private func executed(_ input: WitnessInput) throws(Failure) -> CrossValidationCase {
        guard let (block, size) = input.block else { throw Failure("there is no block") }
        do throws(StatelessFailure) {
            let verdict = try StatelessExecution(rules: input.rules).verdict(
                block, size: size, input.witness.witness)
            return CrossValidationCase(
                block: block, witness: input.witness.witness, expected: verdict.roots,
                requests: verdict.outcome.requests, chainID: input.rules.chainID,
                fork: input.rules.epoch(at: block.header.timestamp).fork)
        } catch {
            throw Failure("the block is not valid here: \(error)")
        }
    }

    private static func lines(_ report: CrossValidationReport) -> [String] {
        var lines = ["block \(report.blockNumber) 0x\(report.blockHash)"]
        for answer in report.answers {
            let said =
                switch answer.outcome {
                case .agree: "agrees"
                case .disagree(let detail): "disagrees: \(detail)"
                case .silent(let detail): "has no opinion: \(detail)"
                }
            let milliseconds = Int(answer.seconds * 1000)
            lines.append("  \(answer.verifier.family) \(said) (\(milliseconds) ms)")
        }
        let tally = report.tally
        lines.append(
            "\(report.decision.name): \(tally.agree) agree with this one, "
                + "\(tally.disagree) disagree, \(tally.silent) silent")
        if let incident = report.incident { lines.append("kept in \(incident)") }
        if let failure = report.incidentFailure { lines.append("not kept: \(failure)") }
        return lines
    }
}
