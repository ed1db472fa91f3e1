import ArgumentParser
import ChoraleBase
import Codec
import Crypto
import DriverUV
import Execution
import Glibc
import RPCServer

struct EngineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Serve Ethereum's engine API: execute and build for a consensus client.",
        discussion: """
            JSON-RPC over HTTP with a token, as consensus clients call it: payloads are executed, witnesses come out of the same \
            execution, other engines' blocks are executed statelessly. The state is kept in memory and is gone when this ends. \
            The secret is made, with mode 0600, where there is none. Peers and transactions that wait are not known here, so \
            built payloads have no transactions. SIGTERM or SIGINT ends it.

            EXAMPLE
              chorale engine --genesis genesis.json --data-dir engine
              chorale engine --genesis genesis.json --authrpc.jwtsecret jwt.hex
            """)

    @Option(help: ArgumentHelp("Genesis file in geth's form.", valueName: "file"))
    var genesis: String
    @Option(help: ArgumentHelp("Where jwt.hex is. (default: here)", valueName: "directory"))
    var dataDir: String?
    @Option(
        name: .customLong("authrpc.addr"),
        help: ArgumentHelp("Address to listen on.", valueName: "host"))
    var address = "127.0.0.1"
    @Option(
        name: .customLong("authrpc.port"),
        help: ArgumentHelp("Port to listen on; 0 for any.", valueName: "port"))
    var port: UInt16 = 8551
    @Option(
        name: .customLong("authrpc.jwtsecret"),
        help: ArgumentHelp(
            "The secret shared with the consensus client. (default: jwt.hex in --data-dir)",
            valueName: "file"))
    var secret: String?
    @Option(
        name: .customLong("authrpc.vhosts"),
        help: ArgumentHelp(
            "Names that requests may be for, with commas between; `*` for all.",
            valueName: "names"))
    var hosts = "localhost"
    @Flag(help: "Say that it is ready in JSON.")
    var json = false

    func run() throws {
        ProcessMemory.keepHeap(threadCount: 5)
        let start = try EngineGenesis(path: genesis)
        if let dataDir, mkdir(dataDir, 0o700) != 0, errno != EEXIST {
            throw Failure("cannot make \(dataDir): \(String(cString: strerror(errno)))")
        }
        let path = secret ?? (dataDir.map { $0 + "/" } ?? "") + "jwt.hex"
        // Before the first thread, so that none of them takes a signal.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let server = try serve(start, path)
        let hash = start.header.hash
        if json {
            Console.print(
                .object([
                    "ready": .bool(true), "address": .string("http://\(server.address)"),
                    "jwtsecret": .string(path), "genesisHash": .string("0x\(hash)"),
                    "stateRoot": .string("0x\(start.header.stateRoot)"),
                    "chainId": JSONValue(start.rules.chainID), "state": .string("memory"),
                ]))
        } else {
            Console.print("engine API on http://\(server.address), secret in \(path)")
            Console.print("genesis 0x\(hash), state in memory")
        }
        var received: Int32 = 0
        sigwait(&signals, &received)
        // Asked again, it ends at once, whatever runs.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        server.stop()
    }

    private func serve(_ start: EngineGenesis, _ path: String) throws(Failure) -> EngineServer {
        let host = address.contains(":") ? "[\(address)]" : address
        let (key, isNew) = try key(path)
        let server = try EngineServer(
            address: "\(host):\(port)", secret: key, genesis: start,
            virtualHosts: hosts.split(separator: ",").map(String.init))
        if isNew { Console.error("made the secret \(path)") }
        return server
    }

    private func key(_ path: String) throws(Failure) -> (SecretBytes, isNew: Bool) {
        do throws(TokenSecretError) {
            return try TokenSecretFile.open(path)
        } catch {
            throw Failure("\(error)")
        }
    }
}
