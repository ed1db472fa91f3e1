import ArgumentParser
import ChoraleBase
import Codec
import Execution

extension WitnessCommand {
    struct Lint: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "lint",
            abstract: "Say how a witness differs from the form that everybody would write.",
            discussion: """
                Each deviation with the clients that are known to write it so. With the block also what is missing, what is not \
                needed, and what the block itself makes. Exit status 1 when the block cannot be verified with it; with --strict \
                also when it is not canonical.

                EXAMPLE
                  chorale witness lint witness.json
                  chorale witness lint block.rlp witness.json --strict
                """)

        @Argument(
            help: ArgumentHelp(
                "A witness; or a block and its witness, or one file that holds both.",
                valueName: "file"))
        var files: [String]
        @OptionGroup var chain: ChainOptions
        @Flag(help: "Fail when the witness is not canonical.")
        var strict = false
        @Flag(help: "Print JSON instead of text.")
        var json = false

        func run() throws {
            let input = try WitnessInput(files, chain, needsBlock: false)
            let lint = WitnessLint(input.witness.witness, input.witness.form, input.subject)
            if json {
                Console.print(Self.object(lint, input))
            } else {
                Console.print(Self.lines(lint, input).joined(separator: "\n"))
            }
            guard lint.isVerifiable else {
                throw Failure("the block cannot be verified with this witness")
            }
            guard !strict || lint.isCanonical else { throw Failure("not the canonical form") }
        }

        private static func object(_ lint: WitnessLint, _ input: WitnessInput) -> JSONValue {
            let form = input.witness.form
            let findings = lint.findings.map { finding in
                JSONValue.object([
                    "severity": .string("\(finding.severity)"),
                    "name": .string(finding.deviation.name),
                    "message": .string("\(finding.deviation)"),
                    "writers": JSONValue(finding.writers.map(\.description)),
                ])
            }
            return .object([
                "form": .string(form.container.rawValue), "bytes": JSONValue(form.size),
                "checkedWithBlock": .bool(input.block != nil),
                "verifiable": .bool(lint.isVerifiable), "canonical": .bool(lint.isCanonical),
                "findings": .array(findings),
            ])
        }

        private static func lines(_ lint: WitnessLint, _ input: WitnessInput) -> [String] {
            var lines: [String] = []
            for finding in lint.findings {
                lines.append(Table.printable(finding.description))
                lines += finding.writers.map { "    written so by \($0)" }
            }
            let witness = input.witness.witness
            let what =
                "\(input.witness.form.container.rawValue), \(input.witness.form.size) bytes: "
                + "\(witness.nodes.count) nodes, \(witness.codes.count) codes, "
                + "\(witness.headers.count) headers"
            lines.append(what)
            let count = lint.findings.count
            lines.append(
                count == 0
                    ? "canonical"
                    : "\(count) deviation\(count == 1 ? "" : "s"), "
                        + (lint.isVerifiable ? "verifiable" : "not verifiable"))
            if input.block == nil {
                lines.append("not checked with a block: what is missing or not needed is unknown")
            }
            return lines
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Draw what a witness consists of: how much belongs to which account.",
            discussion: """
                With the block, accounts have their addresses and it is known how much was needed.

                EXAMPLE
                  chorale witness show block.rlp witness.json --accounts 10
                """)

        @Argument(
            help: ArgumentHelp(
                "A witness; or a block and its witness, or one file that holds both.",
                valueName: "file"))
        var files: [String]
        @OptionGroup var chain: ChainOptions
        @Option(help: "How many accounts to list, the largest first.")
        var accounts = 20
        @Flag(help: "Print JSON instead of text.")
        var json = false

        func validate() throws {
            guard (0...1_000_000).contains(accounts) else {
                throw ValidationError("--accounts must be from 0 to 1000000, not \(accounts)")
            }
        }

        func run() throws {
            let input = try WitnessInput(files, chain, needsBlock: false)
            let shape = WitnessShape(input.witness.witness, input.subject)
            let drawing = WitnessDrawing(shape, hasBlock: input.block != nil, countMax: accounts)
            if json {
                Console.print(drawing.object)
            } else {
                Console.print(drawing.lines.joined(separator: "\n"))
            }
        }
    }
}

extension WitnessInput {
    /// The block for whoever executes it to look at the witness.
    var subject: WitnessLint.Subject? {
        block.map { WitnessLint.Subject($0.block, size: $0.size, StatelessExecution(rules: rules)) }
    }
}
