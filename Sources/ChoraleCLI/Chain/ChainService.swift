import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import CrossValidation
import DriverUV
import EthereumRPC
import Execution
import HTTP
import JSONRPC
import Node
import NodeHost
import PartVerification
import PeerIdentity
import RPCServer
import Store
import Synchronization
import Telemetry

/// What a network's chain needs of a process: its database, a validator's files, and the threads on which
/// they are used.
///
/// Opened before the node is made, because the node is told where the chain stands.
final class ChainService {
    let genesis: ChainGenesis
    let start: ChainStart
    let executor: any ChainExecutor
    /// Reads for peers beside it.
    let reader: any ChainExecutor
    /// nil for whoever does not validate.
    let journal: (any JournalExecutor)?

    private let database: ChainDatabase
    private let settings: RunSettings
    private let board = ChainBoard()
    private var calls: NodeCalls?
    private var server: RPCServer?
    private var engine: NodeEngine?
    private var opinions: BlockOpinions?
    private var settler: Settler?

    /// The chain's thread is the only one that touches the processor.
    private final class Executor: ChainExecutor, @unchecked Sendable {
        private let processor: ChainProcessor<ChainDatabase>

        init(_ processor: ChainProcessor<ChainDatabase>) { self.processor = processor }

        func perform(_ task: ChainTask) -> ChainAnswer { processor.perform(task) }
    }

    /// The journal's thread is the only one that touches the files.
    private final class JournalThread: JournalExecutor, @unchecked Sendable {
        private let journal: ValidatorJournal
        private let key: IdentityKey
        private let network: NetworkDigest

        init(_ journal: ValidatorJournal, _ key: Ed25519.PrivateKey, _ network: NetworkDigest) {
            self.journal = journal
            self.key = IdentityKey(key)
            self.network = network
        }

        func perform(_ orders: [JournalOrder]) -> [JournalAnswer] { journal.perform(orders) }

        func sign(_ requests: [PartSignRequest]) -> [SignedPart] {
            requests.map { $0.signed(with: key, network: network) }
        }
    }

    init(
        _ genesis: ChainGenesis, _ settings: RunSettings, identity: IdentityKey, log: Logger
    ) throws(Failure) {
        self.genesis = genesis
        self.settings = settings
        let parameters = ChainParameters(genesis)
        let key = try Self.validatorKey(identity, settings, genesis, log)
        database = try Self.open(settings, genesis)
        do throws(Failure) {
            let keepsState = !settings.isStateless
            let checkpoint = try CheckpointChoice.checkpoint(settings, database, log)
            if checkpoint == nil {
                try Self.begin(database, genesis, parameters, keepsState: keepsState, log)
            }
            let processor = try Self.processor(
                parameters, database, keepsState: keepsState, key: key, checkpoint)
            executor = Executor(processor)
            reader = CheckpointReader(database.makeReader())
            var recovery: ConsensusRecovery?
            if let key {
                let files = try Self.journal(settings, key, parameters.network)
                recovery = files.recovery
                journal = JournalThread(files, key, parameters.network)
            } else {
                journal = nil
            }
            var configuration = ChainConfiguration(
                parameters: parameters,
                localKey: key.flatMap {
                    SigningKeyBytes(scheme: .ed25519, bytes: $0.publicKey.bytes)
                }, keepsState: keepsState)
            // A proposer has an interval; what is slower than that is given more from round to round.
            configuration.timing.propose = parameters.blockInterval
            if !settings.verifiers.isEmpty {
                // Its proposer may ask others too, and so does this validator.
                configuration.timing.propose += BlockOpinions.timeMax(genesis) * 2
            }
            configuration.crossValidates = !settings.verifiers.isEmpty
            configuration.checkpoint = checkpoint
            start = try Self.start(processor, configuration, recovery)
        } catch {
            database.close()
            throw error
        }
    }

    private static func start(
        _ processor: ChainProcessor<ChainDatabase>, _ configuration: ChainConfiguration,
        _ recovery: ConsensusRecovery?
    ) throws(Failure) -> ChainStart {
        do throws(ValidatorSet.ListError) {
            var start = ChainStart(
                configuration: configuration, head: try processor.head(), recovery: recovery)
            start.earliest = processor.store.earliest ?? 0
            start.checkpoint = processor.checkpoint
            return start
        } catch {
            throw Failure("the genesis has no validators: \(error)")
        }
    }

    // MARK: Opening

    /// A node validates when it is told to, with the key by which peers know it.
    private static func validatorKey(
        _ identity: IdentityKey, _ settings: RunSettings, _ genesis: ChainGenesis, _ log: Logger
    ) throws(Failure) -> Ed25519.PrivateKey? {
        guard settings.roles.contains(.validator) else { return nil }
        guard let key = identity.ed25519 else {
            throw Failure(
                "\(settings.keyPath) is no Ed25519 key, and validators have no other: "
                    + "`chorale key generate` makes one")
        }
        let bytes = SigningKeyBytes(scheme: .ed25519, bytes: key.publicKey.bytes)
        if bytes.flatMap({ genesis.validators.index(of: $0) }) == nil {
            log.info("this key is no validator of the genesis; it votes once it has stake")
        }
        return key
    }

    private static func open(
        _ settings: RunSettings, _ genesis: ChainGenesis
    ) throws(Failure) -> ChainDatabase {
        var options = ChainStoreOptions()
        options.state.database.openFileCountMax = chainFilesMax
        do throws(StoreOpenError) {
            return try ChainDatabase.open(
                directory: settings.chainDirectory, network: genesis.digest, options: options)
        } catch {
            throw Failure("\(error)")
        }
    }

    /// Files of the chain's database that are open at once.
    static let chainFilesMax = 128

    /// Writes the genesis into an empty database.
    private static func begin(
        _ database: ChainDatabase, _ genesis: ChainGenesis, _ parameters: ChainParameters,
        keepsState: Bool, _ log: Logger
    ) throws(Failure) {
        guard database.head == nil else { return }
        let write: BlockWrite
        do throws(ValidatorSet.ListError) {
            var execution: ExecutionWrite?
            if keepsState {
                execution = ExecutionWrite(
                    header: genesis.header, stateRoot: genesis.stateRoot, transactionHashes: [],
                    receipts: [], changes: [], newNodes: [])
            }
            write = try BlockProcessor<ChainDatabase>.genesisWrite(parameters, state: execution)
        } catch {
            throw Failure("the genesis has no validators: \(error)")
        }
        do throws(StoreFailure) {
            if keepsState { try importState(genesis.accounts, into: database, log) }
            try database.write(write, sync: true)
        } catch {
            throw Failure("the genesis could not be written: \(error)")
        }
    }

    private static func importState(
        _ accounts: GenesisAccounts, into database: ChainDatabase, _ log: Logger
    ) throws(StoreFailure) {
        try GenesisImport.run(accounts, into: database) { count in
            log.info(
                "writing the genesis",
                [.count: LogValue(count), .limit: LogValue(accounts.count)])
        }
    }

    private static func processor(
        _ parameters: ChainParameters, _ database: ChainDatabase, keepsState: Bool,
        key: Ed25519.PrivateKey?, _ checkpoint: CheckpointID?
    ) throws(Failure) -> ChainProcessor<ChainDatabase> {
        let options = ChainProcessor<ChainDatabase>.Options(keepsState: keepsState, key: key)
        do throws(BlockProcessor<ChainDatabase>.OpenError) {
            let processor = try ChainProcessor(
                parameters, store: database, options, checkpoint: checkpoint)
            guard database.head == nil || keepsState == (database.stateHead != nil) else {
                throw BlockProcessor<ChainDatabase>.OpenError.otherNetwork
            }
            return processor
        } catch {
            switch error {
            case .empty, .headMalformed:
                throw Failure("the chain's database is damaged: restore a backup")
            case .store(let failure): throw Failure("\(failure)")
            case .otherNetwork:
                throw Failure(
                    keepsState
                        ? "this database was made with --stateless and has no state: start with "
                            + "--stateless, or with an empty data directory"
                        : "this database keeps the state: start without --stateless, or with an "
                            + "empty data directory")
            }
        }
    }

    private static func journal(
        _ settings: RunSettings, _ key: Ed25519.PrivateKey, _ network: NetworkDigest
    ) throws(Failure) -> ValidatorJournal {
        do throws(ConsensusFileError) {
            return try ValidatorJournal(
                directory: settings.dataDirectory, key: key, network: network, keyIsNew: false,
                resetHeight: settings.resetSigningStateAt,
                equivocates: settings.byzantine == .equivocate)
        } catch {
            throw Failure("\(error)")
        }
    }

    // MARK: Running

    /// Begins to answer calls, and to ask others about blocks.
    func run(_ host: NodeHost, on loop: EventLoop, log: Logger) throws(Failure) {
        if !settings.verifiers.isEmpty {
            let opinions = try BlockOpinions(settings, genesis, log: log, loop: loop, host)
            self.opinions = opinions
            host.onCrossValidate = { contents, requests in opinions.ask(contents, requests) }
        }
        do throws(SystemError) {
            calls = try NodeCalls(loop) { id, command in host.perform(command, as: id) }
        } catch {
            throw Failure("cannot start: \(error)")
        }
        guard let calls else { return }
        try beginSettling(calls, host, on: loop, log)
        try serveWallets(calls, log)
        try serveEngine(calls, log)
    }

    private func beginSettling(
        _ calls: NodeCalls, _ host: NodeHost, on loop: EventLoop, _ log: Logger
    ) throws(Failure) {
        guard let path = settings.executorAccountPath else { return }
        let account = try AccountFile.load(path)
        let view = NodeChainView(
            rules: genesis.rules, clientVersion: Version.client, reader: database.makeReader(),
            calls: calls, board: board)
        let settler = try Settler(account, EthereumService(view), on: loop, log: log)
        self.settler = settler
        // The node says it again until it is in a block.
        host.onSettle = { settlement, output in settler.settle(settlement, output: output) }
        log.info("settlements are sent", [.account: LogValue(account.address)])
    }

    private func workers(_ calls: NodeCalls) -> RPCWorkers {
        RPCWorkers(
            rules: genesis.rules, version: Version.client, database: database, calls: calls,
            board: board)
    }

    private func serveEngine(_ calls: NodeCalls, _ log: Logger) throws(Failure) {
        guard let address = settings.engineAddress else { return }
        let secret: (secret: SecretBytes, isNew: Bool)
        do throws(TokenSecretError) {
            secret = try TokenSecretFile.open(settings.jwtSecretPath)
        } catch {
            throw Failure("\(error)")
        }
        if secret.isNew { log.info("made a secret", [.path: LogValue(settings.jwtSecretPath)]) }
        do throws(HTTPServerError) {
            engine = try NodeEngine(
                address: address.description, secret: secret.secret,
                virtualHosts: settings.engineHosts, rules: genesis.rules, database: database,
                wallets: workers(calls))
        } catch {
            throw Failure(
                "cannot serve the engine API: \(error)"
                    + PortHolder.advice(port: address.port, .engineAddress))
        }
        log.info("serving the engine API", [.address: LogValue(engine?.address ?? "")])
    }

    private func serveWallets(_ calls: NodeCalls, _ log: Logger) throws(Failure) {
        guard let address = settings.rpcAddress else { return }
        let workers = workers(calls)
        var options = RPCServer.Options()
        options.virtualHosts = settings.rpcHosts
        options.corsOrigins = settings.rpcOrigins
        do throws(HTTPServerError) {
            server = try RPCServer(address: address.description, options: options) {
                request throws(RPCError) in try workers.answer(request)
            }
        } catch {
            throw Failure(
                "cannot serve JSON-RPC: \(error)"
                    + PortHolder.advice(port: address.port, .rpcAddress))
        }
        log.info("serving JSON-RPC", [.address: LogValue(server?.address ?? "")])
    }

    /// A reply of the node. Returns whether it was for a call of a wallet.
    func take(_ id: CommandID, _ reply: Reply) -> Bool { calls?.take(id, reply) ?? false }

    /// What other implementations said so far; nil where nobody is asked.
    var opinionCounters: CrossValidationCounters? { opinions?.counters }

    func publish(_ info: ChainInfo?, peerCount: Int, isListening: Bool) {
        var reading = ChainBoard.Reading()
        reading.peerCount = peerCount
        reading.isListening = isListening
        if let info, let sync = info.sync {
            reading.sync = SyncProgress(
                starting: sync.from, current: info.head.height, highest: sync.to)
        } else if let download = info?.download {
            reading.sync = SyncProgress(
                starting: 0, current: 0, highest: download.checkpoint.height)
        }
        board.publish(reading)
    }

    /// Ends what asks the node, before the node is gone.
    func stopServing() {
        calls?.close()
        server?.stop()
        engine?.stop()
        opinions?.stop()
        settler?.stop()
    }

    /// After the threads that use it have ended.
    func close() { database.close() }
}

extension ChainParameters {
    init(_ genesis: ChainGenesis) {
        self.init(
            network: genesis.network, genesisID: genesis.blockID,
            genesisTime: WallTime(milliseconds: Int64(genesis.time) * 1000),
            genesisHeader: genesis.header, rules: genesis.rules,
            validators: zip(genesis.validators.validators, genesis.feeRecipients).map {
                RegisteredValidator(key: $0.key, stake: $0.stake, address: $1)
            }, blockInterval: genesis.blockInterval, epochLength: genesis.epochLength,
            gasLimitTarget: genesis.header.gasLimit, witnessSizeMax: genesis.witnessSizeMax,
            operations: genesis.operations)
    }
}
