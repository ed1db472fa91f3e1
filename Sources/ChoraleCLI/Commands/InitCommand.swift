import Codec
import Admin
import ArgumentParser
import Crypto
import PeerIdentity

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Create a node's identity and configuration.",
        discussion: """
            Writes identity.key (mode 0600) and config.yaml. Nothing that exists is overwritten.

            EXAMPLE
              chorale init --data-dir node
              chorale init --data-dir node --network mynet
            """)

    @Option(help: "Where to create the node.")
    var dataDir: String?

    @Option(help: "A directory that describes the network, as `chorale genesis` writes it.")
    var network: String?

    @Flag(help: "Print JSON instead of text.")
    var json = false

    func run() throws {
        let environment = Environment.load()
        guard let directory = dataDir ?? environment[Setting.dataDirectory.variable] else {
            throw Failure.usage("give --data-dir, or set \(Setting.dataDirectory.variable)")
        }
        if let network { _ = try NetworkDirectory.load(network) }
        let keyPath = Files.join(directory, RunSettings.keyFile)
        let configPath = Files.join(directory, RunSettings.configFile)
        // Both are looked at first, so that a refusal leaves nothing behind.
        for path in [keyPath, configPath] where Files.exists(path) {
            throw Failure("\(path) exists already and is not overwritten")
        }
        try Files.createDirectory(directory, mode: 0o700)
        let key = IdentityKey(Ed25519.PrivateKey.random())
        try KeyFile.create(key, at: keyPath)
        try KeyFile.beginSigningState(in: directory)
        try Files.create(configPath, ConfigTemplate.text(network: network.map(Files.absolute)))
        if json {
            Console.print(
                .object([
                    "peerId": .string("\(key.peerID)"), "key": .string(Files.absolute(keyPath)),
                    "config": .string(Files.absolute(configPath)),
                ]))
        } else {
            Console.print("\(key.peerID)")
        }
    }
}

/// The first config.yaml of a node: what it was told, and what else it may be told.
enum ConfigTemplate {
    static func text(network: String?) -> String {
        let network = network.map { "network: \(SettingsText.quoted($0))" } ?? "# network: mynet"
        return """
            # Settings of this node; `chorale run --help` explains each. Flags and environment variables
            # (CHORALE_MAX_PEERS for max-peers) come before this file.
            \(network)
            # bootnodes: [/dns/boot.example/tcp/4001/p2p/12D3KooW…]
            # role: [observer]
            # listen: [\(RunSettings.defaultListen)]
            # external-address: []
            # address-policy: public
            # max-peers: \(RunSettings.maxPeersDefault)
            # metrics-address: 127.0.0.1:9464
            # http-address: 127.0.0.1:9465
            # log-level: info

            """
    }
}
