import ArgumentParser
import Chain
import ChoraleBase
import Codec
import Crypto
import DriverUV
import EngineAPI
import Execution
import Glibc
import RPCServer

struct EngineCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Serve Ethereum's engine API: execute and build for a consensus client.",
        discussion: """
            JSON-RPC over HTTP with a token, as consensus clients call it: payloads are executed, witnesses come out of the same \
            execution, other engines' blocks are executed statelessly. With --data-dir, chain and state are on a disk: what is final in a \
            database, blocks that are not in files, executed again at the start; it may be killed at any time. Without, all is in memory and gone when this ends. \
            The secret is made, with mode 0600, where there is none. With --http.port wallets are served, whose transactions \
            wait in a pool for the next payload; peers are not known here. SIGTERM or SIGINT ends it.

            EXAMPLE
              chorale engine --genesis genesis.json --data-dir engine
              chorale engine --genesis genesis.json --http.port 8545
            """)

    @Option(help: ArgumentHelp("Genesis file in geth's form.", valueName: "file"))
    var genesis: String
    @Option(
        help: ArgumentHelp(
            "Where chain, state and jwt.hex are. (default: in memory, and jwt.hex here)",
            valueName: "directory"))
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
    @Option(
        name: .customLong("http.addr"),
        help: ArgumentHelp("Address to serve wallets on.", valueName: "host"))
    var walletAddress = "127.0.0.1"
    @Option(
        name: .customLong("http.port"),
        help: ArgumentHelp(
            "Port to serve wallets on; 0 for any. (default: they are not served)",
            valueName: "port"))
    var walletPort: UInt16?
    @Option(
        name: .customLong("http.vhosts"),
        help: ArgumentHelp(
            "Names that wallets' requests may be for, with commas between; `*` for all.",
            valueName: "names"))
    var walletHosts = "localhost"
    @Flag(help: "Say that it is ready in JSON.")
    var json = false

    func run() throws {
        ProcessMemory.keepHeap(threadCount: 5)
        let start = try readGenesis()
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
        let (server, close) = try serve(start, path)
        defer { close() }
        say(server, start, path)
        var received: Int32 = 0
        sigwait(&signals, &received)
        // Asked again, it ends at once, whatever runs.
        signal(SIGTERM, SIG_DFL)
        signal(SIGINT, SIG_DFL)
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        server.stop()
    }

    private func readGenesis() throws(Failure) -> ExecutionGenesis {
        let contents = try WitnessInput.contents(genesis)
        do throws(GenesisError) {
            return try ExecutionGenesis(contents)
        } catch {
            throw Failure("\(genesis): \(error)")
        }
    }

    private func say(_ server: EngineServer, _ start: ExecutionGenesis, _ secretPath: String) {
        let state = dataDir == nil ? "memory" : "disk"
        guard json else {
            Console.print("engine API on http://\(server.address), secret in \(secretPath)")
            if let address = server.walletAddress { Console.print("wallets on http://\(address)") }
            Console.print(
                "genesis 0x\(start.blockHash), state \(dataDir.map { "in \($0)" } ?? "in memory")")
            return
        }
        var ready: JSONObject = [
            "ready": .bool(true), "address": .string("http://\(server.address)"),
            "jwtsecret": .string(secretPath), "genesisHash": .string("0x\(start.blockHash)"),
            "stateRoot": .string("0x\(start.stateRoot)"),
            "chainId": JSONValue(start.rules.chainID), "state": .string(state),
        ]
        if let address = server.walletAddress { ready["http"] = .string("http://\(address)") }
        Console.print(.object(ready))
    }

    /// - Returns: what ends what the server rests on.
    private func serve(
        _ start: ExecutionGenesis, _ path: String
    ) throws(Failure) -> (EngineServer, close: () -> Void) {
        let (key, isNew) = try key(path)
        let (engine, close) = try engine(start)
        do throws(Failure) {
            let server = try EngineServer(
                engine,
                EngineServer.Ports(
                    address: Self.join(address, port), secret: key,
                    virtualHosts: hosts.split(separator: ",").map(String.init),
                    walletAddress: walletPort.map { Self.join(walletAddress, $0) },
                    walletHosts: walletHosts.split(separator: ",").map(String.init)))
            if isNew { Console.error("made the secret \(path)") }
            return (server, close)
        } catch {
            close()
            throw error
        }
    }

    private func engine(
        _ start: ExecutionGenesis
    ) throws(Failure) -> (any ServedEngine, close: () -> Void) {
        guard let dataDir else {
            var entries: [Address: StateStore.Entry] = [:]
            for account in start.accounts { entries[account.address] = account.entry }
            let store: StateStore
            do throws(StateError) {
                store = try StateStore(entries)
            } catch {
                throw Failure("\(genesis): \(error)")
            }
            let base = MemoryEngineBase(genesis: start.header, state: store)
            return (try Engine(base, start.rules, files: nil), {})
        }
        let base = try DiskEngineBase(directory: Files.join(dataDir, "chain"), start)
        do throws(Failure) {
            let engine = try Engine(base, start.rules, files: EngineFiles(dataDir))
            return (engine, { base.close() })
        } catch {
            base.close()
            throw error
        }
    }

    private static func join(_ host: String, _ port: UInt16) -> String {
        (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
    }

    private func key(_ path: String) throws(Failure) -> (SecretBytes, isNew: Bool) {
        do throws(TokenSecretError) {
            return try TokenSecretFile.open(path)
        } catch {
            throw Failure("\(error)")
        }
    }
}
