import ArgumentParser

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a node until it is told to stop.",
        discussion: """
            Every flag is also an environment variable (CHORALE_MAX_PEERS for --max-peers) and a key of \
            config.yaml in the data directory. A flag hides the variable, which hides the file. Lists take \
            repeated flags or commas.

            SIGTERM or Ctrl-C lets the node say goodbye and ends it within five seconds; a second one ends \
            it at once.

            EXAMPLE
              chorale run --data-dir node --bootnodes @bootnodes.txt
              chorale run --data-dir node --network mynet --role validator,prover
            """)

    @OptionGroup var settings: SettingOptions

    func run() throws {
        let environment = Environment.load()
        let settings = try RunSettings.load(flags: settings.given, environment: environment)
        let process = try NodeProcess(settings)
        process.warn(aboutUnknown: environment)
        try process.run()
    }
}

/// The flags of ``RunCommand``, one for each ``Setting``.
struct SettingOptions: ParsableArguments {
    @Option(help: "Where the node keeps its key, configuration and database.")
    var dataDir: String?

    @Option(help: "A directory that describes the network, as `chorale genesis` writes it.")
    var network: String?

    @Option(help: "The network's digest, four bytes in hex. (default: from --network)")
    var networkDigest: String?

    @Option(help: "The node's private key. (default: identity.key in the data directory)")
    var nodeKey: String?

    @Option(
        help: ArgumentHelp(
            "Nodes to join through: multiaddrs, enr: records, or files of them.",
            valueName: "bootnodes"))
    var bootnodes: [String] = []

    @Option(
        help: ArgumentHelp(
            "Peers to stay connected to and to give every message, if they say the same of us.",
            valueName: "bootnodes"))
    var directPeers: [String] = []

    @Option(help: "observer, validator, executor, prover. (default: observer)")
    var role: [String] = []

    @Option(help: "A multiaddr to listen on. (default: \(RunSettings.defaultListen))")
    var listen: [String] = []

    @Option(help: "A multiaddr to announce, for nodes behind a port mapping.")
    var externalAddress: [String] = []

    @Option(help: "public: ignore private addresses; local: use them too. (default: public)")
    var addressPolicy: String?

    @Option(help: "Peers to keep at most. (default: \(RunSettings.maxPeersDefault))")
    var maxPeers: String?

    @Option(help: "Gossip topics to join at start, by full name.")
    var gossipTopics: [String] = []

    @Option(
        help: "strict-sign, or strict-no-sign. (default: strict-no-sign, as Chorale's networks do)")
    var gossipSigning: String?

    @Option(
        help:
            "auto, client (asks only) or server. (default: auto, which serves if others can reach it)"
    )
    var dhtMode: String?

    @Option(help: "The DHT's protocol. (default: /chorale/kad/1.0.0/<digest>)")
    var kadProtocol: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Speak Chorale's own requests, or only libp2p. (default: speak them)")
    var choraleRequests: Bool?

    @Option(help: "Whether to serve /libp2p/perf/1.0.0. (default: only with the local policy)")
    var servePerf: String?

    @Option(help: "The admin socket. (default: chorale.ipc in the data directory)")
    var adminSocket: String?

    @Option(help: "HOST:PORT of /metrics and /health, or off. (default: off)")
    var metricsAddress: String?

    @Option(
        help: "HOST:PORT of the HTTP API, so far /health and /info, or off. (default: off)")
    var httpAddress: String?

    @Option(
        help: "HOST:PORT of JSON-RPC for wallets and scripts, or off. (default: off)")
    var rpcAddress: String?

    @Option(help: "Host names that JSON-RPC is asked by, or *. (default: localhost)")
    var rpcVhosts: [String] = []

    @Option(help: "Origins of web pages that may use JSON-RPC, or *. (default: none)")
    var rpcCors: [String] = []

    @Option(
        help: """
            HOST:PORT of the engine API, which verifies payloads for others, or off. The usual port \
            is 8551. (default: off)
            """)
    var engineAddress: String?

    @Option(
        help: ArgumentHelp(
            "The secret of the engine API's callers, made if it is not there. (default: jwt.hex in the data directory)",
            valueName: "file"))
    var jwtSecret: String?

    @Option(help: "Host names that the engine API is asked by, or *. (default: localhost)")
    var engineVhosts: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help: "Keep blocks and no state: blocks are judged by their witnesses. (default: keep it)")
    var stateless: Bool?

    @Option(
        help: ArgumentHelp(
            "Begin an empty database at a height that you trust, with the state of peers, instead of the genesis.",
            valueName: "height:0xroot"))
    var checkpoint: String?

    @Option(
        help: ArgumentHelp(
            "Whom to ask before each vote: NAME=URL[,jwtsecret=FILE] or NAME=exec:/PATH.",
            valueName: "verifier"))
    var crossValidate: [String] = []

    @Option(
        help: "accept or refuse blocks while none of them answers. (default: accept)")
    var crossValidationUnreachable: String?

    @Option(
        help: ArgumentHelp(
            "The key of the account that settles what this executor has executed. (default: others settle it)",
            valueName: "file"))
    var executorAccount: String?

    @Option(
        help: ArgumentHelp(
            "What this executor asks for, of the fee. (default: \(RunSettings.executorPriceDefault))",
            valueName: "percent"))
    var executorPrice: String?

    @Option(
        help: ArgumentHelp(
            "What has an enclave vouch for what this executor has executed: KIND:0xMEASUREMENT=/PATH. (default: nothing)",
            valueName: "program"))
    var executorAttester: String?

    @Option(
        help: ArgumentHelp(
            "From here on this key has signed nothing. Only when its signing state was lost.",
            valueName: "height"))
    var resetSigningStateAt: String?

    @Option(
        help: """
            Do wrong, as a test of others: equivocate, silent-parts, reject-parts, garbage-proofs or \
            wrong-output. Local networks only.
            """)
    var byzantine: String?

    @Option(help: "error, warning, info, debug or trace. (default: info)")
    var logLevel: String?

    @Option(help: "text or json. (default: text)")
    var logFormat: String?

    /// What was given, by setting. Checked by `RunSettings`, as variables and files are.
    var given: [(Setting, [String])] {
        Setting.allCases.map { setting in
            let texts: [String]
            switch setting {
            case .dataDirectory: texts = dataDir.map { [$0] } ?? []
            case .network: texts = network.map { [$0] } ?? []
            case .networkDigest: texts = networkDigest.map { [$0] } ?? []
            case .nodeKey: texts = nodeKey.map { [$0] } ?? []
            case .bootnodes: texts = bootnodes
            case .directPeers: texts = directPeers
            case .role: texts = role
            case .listen: texts = listen
            case .externalAddress: texts = externalAddress
            case .addressPolicy: texts = addressPolicy.map { [$0] } ?? []
            case .maxPeers: texts = maxPeers.map { [$0] } ?? []
            case .gossipTopics: texts = gossipTopics
            case .gossipSigning: texts = gossipSigning.map { [$0] } ?? []
            case .dhtMode: texts = dhtMode.map { [$0] } ?? []
            case .kadProtocol: texts = kadProtocol.map { [$0] } ?? []
            case .choraleRequests: texts = choraleRequests.map { ["\($0)"] } ?? []
            case .servePerf: texts = servePerf.map { [$0] } ?? []
            case .adminSocket: texts = adminSocket.map { [$0] } ?? []
            case .metricsAddress: texts = metricsAddress.map { [$0] } ?? []
            case .httpAddress: texts = httpAddress.map { [$0] } ?? []
            case .rpcAddress: texts = rpcAddress.map { [$0] } ?? []
            case .rpcHosts: texts = rpcVhosts
            case .rpcOrigins: texts = rpcCors
            case .engineAddress: texts = engineAddress.map { [$0] } ?? []
            case .jwtSecret: texts = jwtSecret.map { [$0] } ?? []
            case .engineHosts: texts = engineVhosts
            case .stateless: texts = stateless.map { ["\($0)"] } ?? []
            case .checkpoint: texts = checkpoint.map { [$0] } ?? []
            case .crossValidate: texts = crossValidate
            case .whenUnreachable: texts = crossValidationUnreachable.map { [$0] } ?? []
            case .executorAccount: texts = executorAccount.map { [$0] } ?? []
            case .executorPrice: texts = executorPrice.map { [$0] } ?? []
            case .executorAttester: texts = executorAttester.map { [$0] } ?? []
            case .resetSigningState: texts = resetSigningStateAt.map { [$0] } ?? []
            case .byzantine: texts = byzantine.map { [$0] } ?? []
            case .logLevel: texts = logLevel.map { [$0] } ?? []
            case .logFormat: texts = logFormat.map { [$0] } ?? []
            }
            return (setting, texts)
        }
    }
}
