import ArgumentParser
import ChoraleBase
import Codec
import DriverUV
import Execution

struct WitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract: "Check blocks from nothing but a witness, and look at witnesses.",
        discussion: """
            A block is RLP: as it is, in hexadecimal, or the answer of debug_getRawBlock. A witness is whatever clients \
            write: the answer of debug_executionWitness, RLP with three or four lists, or SSZ; in hexadecimal or not. One file \
            may hold both, with members `block` and `witness`. Files may be packed with gzip; `-` is standard input.

            EXAMPLE
              chorale witness execute block.rlp witness.json
              chorale witness lint block.rlp witness.json
              chorale witness show witness.json
              chorale witness build block.rlp witness.json --output canonical.rlp
              chorale witness serve --socket witness.sock
              chorale witness compare case.json --with geth=http://127.0.0.1:8551
            """,
        subcommands: [
            Execute.self, Lint.self, Show.self, Build.self, WitnessServeCommand.self,
            WitnessCompareCommand.self,
        ])

    struct Execute: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "execute",
            abstract: "Execute a block from its witness, and print the roots that come out.",
            discussion: """
                The block's own state and receipts root are not read: what is printed was computed. Exit status 0 when the \
                block is valid, 1 when it or its witness is not.

                EXAMPLE
                  chorale witness execute block.rlp witness.json --network mainnet
                  chorale witness execute case.json.gz --json
                  chorale witness execute block.rlp witness.json --trace 2>trace.jsonl
                """)

        @Argument(
            help: ArgumentHelp(
                "The block and its witness, or one file that holds both.", valueName: "file"))
        var files: [String]
        @OptionGroup var chain: ChainOptions
        @Flag(help: "Refuse what the block does not need, and what is there twice.")
        var strict = false
        @Flag(
            help: ArgumentHelp(
                "Apply removals before updates, as the first draft of the protocol had it."))
        var deletionsFirst = false
        @Flag(help: "Exit with status 1 also when the block's header has other roots.")
        var compareRoots = false
        @Option(help: "Threads for what can be divided. (default: one for each processor)")
        var workers: Int?
        @Flag(help: "Write each instruction to standard error, as EIP-3155 has it.")
        var trace = false
        @Flag(help: "Print JSON instead of text.")
        var json = false

        func validate() throws {
            if let workers, !(1...256).contains(workers) {
                throw ValidationError("--workers must be from 1 to 256, not \(workers)")
            }
        }

        func run() throws {
            ProcessMemory.keepHeap(threadCount: workers ?? Processors.count)
            let team: ThreadTeam
            do throws(SystemError) {
                team = try ThreadTeam(name: "witness", width: workers ?? Processors.count)
            } catch {
                throw Failure("no threads: \(error)")
            }
            let clock = ContinuousClock()
            var input: WitnessInput?
            var result: Result<StatelessVerdict, StatelessFailure>?
            let time = try clock.measure {
                do {
                    let read = try WitnessInput(files, chain, needsBlock: true)
                    input = read
                    result = executed(read, team)
                } catch let malformed as MalformedInput {
                    result = .failure(malformed.failure)
                }
            }
            guard let result else { return }
            let answer = StatelessAnswer(result, seconds: time / .seconds(1))
            if trace, let input { Console.trace(summary(answer, input)) }
            if json {
                Console.print(answer.json)
            } else {
                Console.print(lines(answer, input).joined(separator: "\n"))
            }
            guard answer.status == .valid, let header = input?.block?.block.header else {
                throw Failure("the block is not valid with this witness")
            }
            guard !compareRoots || Self.hasRoots(header, answer) else {
                throw Failure("block \(header.number) has other roots in its header")
            }
        }

        private func executed(
            _ input: WitnessInput, _ parallel: any ParallelMap
        ) -> Result<StatelessVerdict, StatelessFailure>? {
            guard let (block, size) = input.block else { return nil }
            let execution = StatelessExecution(
                rules: input.rules, mode: strict ? .strict : .compatible,
                order: deletionsFirst ? .deletionsFirst : .updatesFirst, parallel: parallel)
            let writer: TraceWriter? = trace ? { Console.trace($0) } : nil
            do throws(StatelessFailure) {
                return .success(
                    try execution.verdict(
                        block, size: size, input.witness.witness, trace: writer))
            } catch {
                return .failure(error)
            }
        }

        /// The line that ends the trace.
        private func summary(_ answer: StatelessAnswer, _ input: WitnessInput) -> [UInt8] {
            guard let header = input.block?.block.header else { return [] }
            let isValid = answer.status == .valid
            return TraceSummary(
                .block(header.number), stateRoot: isValid ? answer.stateRoot : nil, output: nil,
                gasUsed: answer.gasUsed, pass: isValid,
                fork: "\(input.rules.epoch(at: header.timestamp).fork)",
                error: answer.validationError
            ).line
        }

        private static func hasRoots(_ header: Header, _ answer: StatelessAnswer) -> Bool {
            header.stateRoot == answer.stateRoot && header.receiptsRoot == answer.receiptsRoot
        }

        private func lines(
            _ answer: StatelessAnswer, _ input: WitnessInput?
        ) -> [String] {
            var table = Table(answer.status.rawValue, "")
            guard let input, let block = input.block?.block else {
                table.add("because", answer.validationError ?? "")
                return table.lines
            }
            let header = block.header
            let fork = input.rules.epoch(at: header.timestamp).fork
            table.add(
                "block",
                "\(header.number)  0x\(header.hash)  (\(fork), chain \(input.rules.chainID), "
                    + "\(block.transactions.count) transactions)")
            if let error = answer.validationError {
                table.add("because", error)
                return table.lines
            }
            func root(_ computed: Bytes32, _ said: Bytes32) -> String {
                let note =
                    said == computed
                    ? "as in the header"
                    : said == .zero ? "withheld by the header" : "the header says 0x\(said)"
                return "0x\(computed)  \(note)"
            }
            table.add("state root", root(answer.stateRoot, header.stateRoot))
            table.add("receipts root", root(answer.receiptsRoot, header.receiptsRoot))
            table.add("gas used", "\(answer.gasUsed)")
            let rate = Double(answer.gasUsed) / 1e6 / max(answer.seconds, 1e-9)
            table.add(
                "time",
                "\(Human.milliseconds(answer.seconds * 1000)), \(Human.decimal(rate)) Mgas/s, "
                    + "files read and decoded")
            return table.lines
        }
    }

    struct Build: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "build",
            abstract: "Make the canonical witness of a block, from a larger one or from a state.",
            discussion: """
                The block is executed once, and what that needed is written: sorted, nothing twice, nothing more. A state is JSON: \
                accounts with balance, nonce, code and storage, as in the `alloc` of a genesis file.

                EXAMPLE
                  chorale witness build block.rlp witness.json --output canonical.rlp
                  chorale witness build block.rlp --state genesis.json --headers parent.rlp --format json
                """)

        @Argument(
            help: ArgumentHelp(
                "The block and a witness that has all it needs, or one file that holds both; with --state the block alone.",
                valueName: "file"))
        var files: [String]
        @OptionGroup var chain: ChainOptions
        @Option(
            help: ArgumentHelp(
                "The state before the block: a genesis file, or its accounts.", valueName: "file"))
        var state: String?
        @Option(
            help: ArgumentHelp(
                "With --state: headers as RLP, the parent's and any older that BLOCKHASH asks for.",
                valueName: "file"))
        var headers: [String] = []
        @Option(help: "rlp, as engines exchange it; ssz (EIP-8025); json (debug_executionWitness).")
        var format = WitnessFormat.rlp
        @Option(help: ArgumentHelp("Write there instead of standard output.", valueName: "file"))
        var output: String?
        @Flag(help: "For readers that apply removals before updates.")
        var deletionsFirst = false

        func validate() throws {
            if state == nil, !headers.isEmpty {
                throw ValidationError("--headers belongs to --state")
            }
            if state != nil, headers.isEmpty {
                throw ValidationError("--state needs --headers, the parent's at least")
            }
            if state != nil, files.count != 1 {
                throw ValidationError("with --state give the block alone")
            }
        }

        func run() throws {
            let order: Trie.ChangeOrder = deletionsFirst ? .deletionsFirst : .updatesFirst
            let (product, number) = try state.map { try fromState($0, order) } ?? fromWitness(order)
            let bytes: [UInt8] =
                switch format {
                case .rlp: product.witness.rlp()
                case .ssz: product.witness.ssz
                case .json: product.witness.json + [UInt8(ascii: "\n")]
                }
            if let output {
                try Files.replace(output, bytes)
            } else {
                Console.write(bytes, to: 1)
            }
            let witness = product.witness
            Console.error(
                "block \(number): \(witness.nodes.count) nodes, \(witness.codes.count) codes, "
                    + "\(witness.headers.count) headers, \(bytes.count) bytes; state root "
                    + "0x\(product.verdict.roots.stateRoot)")
        }

        private typealias Made = (WitnessBuilder.Product, block: UInt64)

        private func fromWitness(_ order: Trie.ChangeOrder) throws -> Made {
            let input = try WitnessInput(files, chain, needsBlock: true)
            guard let (block, size) = input.block else {
                throw Failure.usage("\(files[0]) holds no block")
            }
            let builder = WitnessBuilder(rules: input.rules, order: order)
            do throws(StatelessFailure) {
                return (
                    try builder.minimal(input.witness.witness, for: block, size: size),
                    block.header.number
                )
            } catch {
                throw Failure("no witness of block \(block.header.number): \(error)")
            }
        }

        private func fromState(_ path: String, _ order: Trie.ChangeOrder) throws -> Made {
            let (block, size) = try WitnessInput.block(
                WitnessInput.contents(files[0]), files[0])
            var ancestors: [UInt64: [UInt8]] = [:]
            var parent: Header?
            for file in headers {
                let bytes = try WitnessInput.encoding(WitnessInput.contents(file), file)
                do throws(RLPError) {
                    let header = try Header(bytes.span)
                    ancestors[header.number] = bytes
                    if header.hash == block.header.parentHash { parent = header }
                } catch {
                    throw Failure("\(file) is no header: \(error)")
                }
            }
            guard let parent else {
                throw Failure(
                    "none of the headers is the block's parent, 0x\(block.header.parentHash)")
            }
            let document = try WitnessInput.json(WitnessInput.contents(path), path)
            let rules = try chain.rules() ?? StateFile.rules(document, path) ?? .mainnet
            let store = try StateFile.store(document, path)
            guard store.root == parent.stateRoot else {
                throw Failure(
                    "the accounts of \(path) have the state root 0x\(store.root), and the block's parent "
                        + "has 0x\(parent.stateRoot)")
            }
            do throws(StatelessFailure) {
                return (
                    try WitnessBuilder(rules: rules, order: order).build(
                        block, size: size, ancestors: ancestors, from: store), block.header.number
                )
            } catch {
                throw Failure("no witness of block \(block.header.number): \(error)")
            }
        }
    }
}

enum WitnessFormat: String, CaseIterable, ExpressibleByArgument { case rlp, ssz, json }
