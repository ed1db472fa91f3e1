import Admin
import ArgumentParser
import Chain
import ChoraleBase
import Codec
import Node

struct GenesisCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "genesis",
        abstract: "Create a network: keys, configurations, first state, bootnode file, digest.",
        discussion: """
            Writes the files that describe the network, and a directory for each node that
            `chorale run --data-dir` can start. All nodes listen on 127.0.0.1. The first one is the
            bootnode.

            EXAMPLE
              chorale genesis --validators 4 --provers 4 --output mynet
              chorale run --data-dir mynet/validator-0
            """)

    @Option(help: "How many validators.") var validators: Int
    @Option(help: "How many executors.") var executors = 0
    @Option(help: "How many provers.") var provers = 0
    @Option(help: "How many observers.") var observers = 0
    @Option(help: "The directory to create.") var output: String
    @Option(help: "The first port; each node takes one for peers, then each one for metrics.")
    var basePort = 9100
    @Option(help: "Make keys from this number. For tests: whoever knows it has every key.")
    var seed: UInt64?
    @Option(help: "The network's name.") var name = "chorale-local"
    @Option(
        help: ArgumentHelp(
            "When the chain begins: seconds since 1970, or +N from now. "
                + "(default: now; with --seed a fixed time)",
            valueName: "seconds"))
    var genesisTime: GenesisTime?
    @Option(help: ArgumentHelp("The chain's number in transactions.", valueName: "number"))
    var chainID: UInt64 = 1337
    @Option(help: ArgumentHelp("Least time between blocks, 1 to 3600.", valueName: "seconds"))
    var blockTime: UInt64 = 4
    @Option(
        help: ArgumentHelp(
            "Blocks of an epoch, after which the set of validators may change.", valueName: "count")
    )
    var epochBlocks: UInt64 = 32
    @Option(
        help: ArgumentHelp(
            "How many accounts have a million ether; their keys are in accounts.yaml.",
            valueName: "count"))
    var accounts = 10
    @Option(
        help: ArgumentHelp(
            "Accounts besides: a genesis file of geth's form, or the object `alloc` of one.",
            valueName: "file"))
    var alloc: String?
    @Flag(help: "Print JSON instead of text.") var json = false

    func validate() throws {
        for (flag, count) in [
            ("--validators", validators), ("--executors", executors), ("--provers", provers),
            ("--observers", observers),
        ] where !(0...1000).contains(count) {
            throw ValidationError("\(flag) must be from 0 to 1000, not \(count)")
        }
        let count = validators + executors + provers + observers
        guard count > 0 else { throw ValidationError("a network has at least one node") }
        guard (1...65_536 - 2 * count).contains(basePort) else {
            throw ValidationError(
                "--base-port must leave room for \(2 * count) ports from it to 65535")
        }
        guard (0...1_000_000).contains(accounts) else {
            throw ValidationError("--accounts must be from 0 to 1000000, not \(accounts)")
        }
        guard (1...3600).contains(blockTime) else {
            throw ValidationError("--block-time must be from 1 to 3600 seconds, not \(blockTime)")
        }
        guard (1...1_000_000).contains(epochBlocks) else {
            throw ValidationError("--epoch-blocks must be from 1 to 1000000, not \(epochBlocks)")
        }
    }

    func run() throws {
        if seed != nil {
            Console.error(
                "chorale: warning: keys made from --seed are for tests; anybody can make them again"
            )
        }
        let now = GenesisPlan.now()
        let plan = GenesisPlan(
            counts: [
                (.validator, validators), (.executor, executors), (.prover, provers),
                (.observer, observers),
            ],
            basePort: UInt16(basePort), seed: seed, name: name,
            genesisTime: try genesisTime?.seconds(now: now)
                ?? (seed == nil ? now : GenesisPlan.seededTime),
            chainID: chainID, blockTime: blockTime, epochBlocks: epochBlocks,
            accountCount: accounts, alloc: try alloc.map(AllocFile.accounts) ?? [])
        let network = try plan.network()
        try network.write(to: output)
        if json {
            Console.print(network.json(directory: Files.absolute(output)))
        } else {
            Console.print(network.summary.joined(separator: "\n") + "\n")
            Console.print(network.table.lines.joined(separator: "\n"))
            Console.print("\nchorale run --data-dir \(Files.join(output, network.nodes[0].name))")
        }
    }
}

/// When a chain begins, as a flag says it.
enum GenesisTime: ExpressibleByArgument, Equatable {
    /// Seconds since 1970.
    case at(UInt64)
    /// Seconds from now.
    case fromNow(UInt64)

    init?(argument: String) {
        let isRelative = argument.hasPrefix("+")
        let digits = isRelative ? argument.dropFirst() : argument[...]
        guard digits.allSatisfy({ $0.isASCII && $0.isNumber }), let seconds = UInt64(digits) else {
            return nil
        }
        self = isRelative ? .fromNow(seconds) : .at(seconds)
    }

    func seconds(now: UInt64) throws(Failure) -> UInt64 {
        let (sum, overflow): (UInt64, Bool) =
            switch self {
            case .at(let seconds): (seconds, false)
            case .fromNow(let seconds): now.addingReportingOverflow(seconds)
            }
        // Where `config.yaml` ends as well.
        guard !overflow, sum <= 253_402_300_799 else {
            throw .usage("--genesis-time must be before the year 10000")
        }
        return sum
    }
}

/// The file of `--alloc`.
enum AllocFile {
    static func accounts(_ path: String) throws(Failure) -> [GenesisAccount] {
        let bytes = try Files.read(path, sizeMax: NetworkFile.genesis.sizeMax)
        var alloc = 0..<bytes.count
        do throws(JSONError) {
            var members = try JSONMembers(bytes.span)
            while let member = try members.next(bytes.span) {
                if member.name == "alloc" { alloc = member.value }
            }
        } catch {
            throw Failure("\(path) is no JSON object: \(error)")
        }
        do throws(GenesisError) {
            return Array(try GenesisAccounts(bytes, in: alloc))
        } catch {
            throw Failure("\(path), as a genesis file: \(error)")
        }
    }
}
