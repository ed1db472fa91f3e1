import ArgumentParser
import Codec
import Conformance

struct EVMCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evm",
        abstract: "Run Ethereum's official tests on this node's virtual machine.",
        discussion: """
            EXAMPLE
              chorale evm statetest fixtures/state_tests/cancun
              chorale evm blocktest --stateless fixtures/blockchain_tests/prague
              chorale evm statetest --trace --filter mcopy test.json 2>trace.jsonl
            """,
        subcommands: [StateTests.self, BlockTests.self])

    struct StateTests: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "statetest",
            abstract: "Run tests of one transaction on a given state.",
            discussion: """
                A line for each result, `ok` or `FAILED` with what is wrong; then how many there were. Exit status 0 only \
                when all passed and there was one.

                EXAMPLE
                  chorale evm statetest GeneralStateTests/stExample --filter add11
                """)

        @OptionGroup var options: TestRunOptions

        func run() throws {
            try TestRun(options).run { document, options in
                try document.members.lazy.filter { self.options.selects($0.name) }.flatMap {
                    StateTest(name: $0.name, $0.value).run(options)
                }
            }
        }
    }

    struct BlockTests: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "blocktest",
            abstract: "Run tests of chains of blocks.",
            discussion: """
                A line for each test, `ok` or `FAILED` with what is wrong; then how many there were. Exit status 0 only \
                when all passed and there was one.

                EXAMPLE
                  chorale evm blocktest --stateless --json BlockchainTests/ValidBlocks
                """)

        @OptionGroup var options: TestRunOptions

        @Flag(help: "Execute each block again from the witness that is recorded of it.")
        var stateless = false

        func run() throws {
            try TestRun(options).run { document, options in
                var options = options
                options.replaysWitnesses = stateless
                return try document.members.lazy.filter { self.options.selects($0.name) }.map {
                    BlockTest(name: $0.name, $0.value).run(options)
                }
            }
        }
    }
}

/// What both kinds of tests can be told.
struct TestRunOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Fixture files, also packed with gzip; of directories every .json and .json.gz.",
            valueName: "file"))
    var files: [String]

    @Option(help: "Only tests with this text in their name.")
    var filter: String?

    @Flag(help: "Print JSON, one object a line: each result, then the counts.")
    var json = false

    @Flag(help: "Write each instruction to standard error, as EIP-3155 has it.")
    var trace = false

    @Flag(help: "What must be refused must be refused for the reason that the fixture names.")
    var reasons = false

    @Option(help: "Files that run at once. (default: one for each processor)")
    var jobs: Int?

    func validate() throws {
        if let jobs, !(1...256).contains(jobs) {
            throw ValidationError("--jobs must be from 1 to 256, not \(jobs)")
        }
        if trace, let jobs, jobs != 1 {
            throw ValidationError("--trace writes one line after the other: leave --jobs out")
        }
    }

    func selects(_ name: String) -> Bool { filter.map(name.contains) ?? true }

    var jobCount: Int {
        trace ? 1 : jobs ?? Processors.count
    }
}
