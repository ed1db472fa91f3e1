import ArgumentParser
import DriverUV
import EngineAPI
import Execution

struct WitnessServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answer calls on a Unix socket: blocks executed from their witnesses.",
        discussion: """
            JSON-RPC 2.0, one object a line, as on geth's socket. Methods: engine_executeStatelessPayloadV1 to V5; \
            chorale_executeBlock with {"block": "0x…", "witness": "0x…" or the object of debug_executionWitness}; rpc_methods. \
            Nothing but codes is kept from one call to the next. SIGTERM or SIGINT ends it.

            EXAMPLE
              chorale witness serve --socket witness.sock --network mainnet
            """)

    @Option(help: ArgumentHelp("The socket to create, with mode 0600.", valueName: "path"))
    var socket: String
    @OptionGroup var chain: ChainOptions
    @Option(help: "Calls that run at once. (default: one for each processor)")
    var workers: Int?
    @Option(
        help: ArgumentHelp(
            "Longest request, in MiB. A call of this size takes about four times as much memory.",
            valueName: "MiB"))
    var requestMax = 64
    @Flag(help: "Refuse what the block does not need, and what is there twice.")
    var strict = false

    func validate() throws {
        if let workers, !(1...256).contains(workers) {
            throw ValidationError("--workers must be from 1 to 256, not \(workers)")
        }
        guard (1...1024).contains(requestMax) else {
            throw ValidationError("--request-max must be from 1 to 1024, not \(requestMax)")
        }
    }

    func run() throws {
        try WitnessServer(
            path: socket, rules: try chain.rules() ?? .mainnet,
            mode: strict ? .strict : .compatible,
            workerCount: workers ?? Processors.count, requestSizeMax: requestMax << 20
        ).run()
    }
}
