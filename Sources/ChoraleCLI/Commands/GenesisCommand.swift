import Admin
import ArgumentParser
import ChoraleBase
import Node

struct GenesisCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "genesis",
        abstract: "Create a network: keys, configurations, bootnode file, digest.",
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
            "When the chain begins, in seconds since 1970. (default: now; with --seed a fixed time)",
            valueName: "seconds"))
    var genesisTime: UInt64?
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
    }

    func run() throws {
        if seed != nil {
            Console.error(
                "chorale: warning: keys made from --seed are for tests; anybody can make them again"
            )
        }
        let plan = GenesisPlan(
            counts: [
                (.validator, validators), (.executor, executors), (.prover, provers),
                (.observer, observers),
            ],
            basePort: UInt16(basePort), seed: seed, name: name,
            genesisTime: genesisTime ?? (seed == nil ? GenesisPlan.now() : GenesisPlan.seededTime))
        let network = try plan.network()
        try network.write(to: output)
        if json {
            Console.print(network.json(directory: Files.absolute(output)))
        } else {
            Console.print("network \(name), digest \(network.digest)")
            Console.print("genesis state root 0x\(network.stateRoot)\n")
            Console.print(network.table.lines.joined(separator: "\n"))
            Console.print("\nchorale run --data-dir \(Files.join(output, network.nodes[0].name))")
        }
    }
}
