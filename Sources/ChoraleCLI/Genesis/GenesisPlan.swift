import Admin
import ChoraleBase
import Codec
import Crypto
import Glibc
import Node
import PeerIdentity

/// What `chorale genesis` was asked for.
struct GenesisPlan {
    /// Roles with how many nodes have each, in the order of ports.
    var counts: [(role: NodeRole, count: Int)]
    var basePort: UInt16
    /// Nil: keys are random.
    var seed: UInt64?
    var name: String
    /// Seconds since 1970.
    var genesisTime: UInt64

    /// 2026-01-01: equal seeds must give equal bytes.
    static let seededTime: UInt64 = 1_767_225_600

    static func now() -> UInt64 { UInt64(max(0, time(nil))) }

    /// - Throws: when the name cannot stand in a file.
    func network() throws(Failure) -> GenesisNetwork {
        let isPlain = name.utf8.allSatisfy { (0x20...0x7e).contains($0) }
        guard isPlain, (1...64).contains(name.utf8.count) else {
            throw .usage("--name must have 1 to 64 printable ASCII characters")
        }
        let total = counts.map(\.count).reduce(0, +)
        var nodes: [GenesisNetwork.Node] = []
        for (role, count) in counts {
            for index in 0..<count {
                let name = "\(role.names.first ?? "node")-\(index)"
                nodes.append(
                    GenesisNetwork.Node(
                        name: name, role: role, key: key(of: name),
                        port: basePort + UInt16(nodes.count),
                        metricsPort: basePort + UInt16(total + nodes.count)))
            }
        }
        return GenesisNetwork(name: name, genesisTime: genesisTime, nodes: nodes)
    }

    /// A seeded key depends on the seed and the node's name alone, so that adding a prover changes
    /// no validator.
    private func key(of name: String) -> Ed25519.PrivateKey {
        guard let seed else { return .random() }
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale/genesis/test-key".utf8))
        for shift in stride(from: 56, through: 0, by: -8) {
            hasher.update(UInt8(truncatingIfNeeded: seed >> UInt64(shift)))
        }
        hasher.update(Array(name.utf8))
        return Ed25519.PrivateKey(seed: SecretBytes(copying: hasher.finish()))
    }
}

/// A network before it is written: every byte of it follows from the nodes, the name and the time.
struct GenesisNetwork {
    struct Node {
        let name: String
        let role: NodeRole
        let key: Ed25519.PrivateKey
        let port: UInt16
        let metricsPort: UInt16

        var identity: IdentityKey { IdentityKey(key) }
        /// The Ed25519 seed, for the one file that holds keys as text.
        var seedHex: String {
            key.seed.withSpan { span in
                var bytes: [UInt8] = []
                for index in span.indices { bytes.append(span[index]) }
                return Hex.encode(bytes)
            }
        }
        var address: String { "/ip4/127.0.0.1/tcp/\(port)/p2p/\(identity.peerID)" }
    }

    let name: String
    let genesisTime: UInt64
    let nodes: [Node]

    var validators: [Node] { nodes.filter { $0.role == .validator } }

    // MARK: The files that the digest covers

    var config: String {
        var text = """
            # The network. Its digest is made of these bytes: every node must have the same.
            NETWORK_NAME: \(SettingsText.quoted(name))
            GENESIS_TIME: \(genesisTime)
            SECONDS_PER_SLOT: 4
            N_PROVERS: \(nodes.count { $0.role == .prover })
            """
        text += "\n# Ed25519 public keys, in the order of validator indices.\n"
        guard !validators.isEmpty else { return text + "GENESIS_VALIDATORS: []\n" }
        text += "GENESIS_VALIDATORS:\n"
        for node in validators { text += "  - \"0x\(node.key.publicKey)\"\n" }
        return text
    }

    /// The initial state in geth's form; empty until somebody is given something.
    var genesis: String {
        """
        {
          "config": {"chainId": 1337},
          "timestamp": "0x\(String(genesisTime, radix: 16))",
          "extraData": "0x",
          "gasLimit": "0x1c9c380",
          "difficulty": "0x0",
          "alloc": {}
        }

        """
    }

    var validatorList: String {
        var text = "# Which node runs which validators, by index in GENESIS_VALIDATORS.\n"
        for (index, node) in validators.enumerated() { text += "\(node.name):\n  - \(index)\n" }
        return text
    }

    /// Root of the state trie of ``genesis``, whose `alloc` is empty: the hash of an empty trie.
    var stateRoot: Bytes32 { Keccak256.hash([0x80]) }

    var digest: Bytes32 {
        NetworkDirectory.digest([config, genesis, validatorList].map { Array($0.utf8) })
    }

    // MARK: The others

    var nodeList: String {
        var text = "# Every node of the network at its start.\n"
        for node in nodes { text += "- name: \(node.name)\n  multiaddr: \(node.address)\n" }
        return text
    }

    /// What tools that deploy lean networks read: every node with its private key, so the file is for
    /// its owner only.
    var validatorConfig: String {
        var text = """
            # Private keys of all nodes: for whoever deploys the network, and nobody else.
            keyType: ed25519
            validators:

            """
        for node in nodes {
            text += """
                  - name: \(node.name)
                    # peer id \(node.identity.peerID)
                    privkey: "\(node.seedHex)"
                    enrFields:
                      ip: 127.0.0.1
                      tcp: \(node.port)
                    metricsPort: \(node.metricsPort)
                    isAggregator: false
                    count: \(node.role == .validator ? 1 : 0)

                """
        }
        return text
    }

    var bootnodes: String { "\(nodes[0].address)  # \(nodes[0].name)\n" }

    func settings(of node: Node) -> String {
        """
        # \(node.name) of \(name). Flags and environment variables come before this file.
        network: ..
        role: [\(node.role.names.joined(separator: ", "))]
        listen: [/ip4/127.0.0.1/tcp/\(node.port)]
        # Everybody is on one machine.
        address-policy: local
        metrics-address: 127.0.0.1:\(node.metricsPort)

        """
    }

    /// - Throws: when the directory exists, or cannot be written.
    func write(to directory: String) throws(Failure) {
        guard !Files.exists(directory) else {
            throw Failure("\(directory) exists already and is not overwritten")
        }
        try Files.createDirectory(directory)
        let files = [
            ("config.yaml", config), ("genesis.json", genesis), ("validators.yaml", validatorList),
            (NetworkDirectory.digestFile, "\(digest)\n"), ("nodes.yaml", nodeList),
            ("bootnodes.txt", bootnodes),
        ]
        for (file, text) in files { try Files.create(Files.join(directory, file), text) }
        try Files.create(
            Files.join(directory, "validator-config.yaml"), validatorConfig, mode: 0o600)
        for node in nodes {
            let home = Files.join(directory, node.name)
            try Files.createDirectory(home, mode: 0o700)
            try KeyFile.create(node.identity, at: Files.join(home, RunSettings.keyFile))
            try Files.create(Files.join(home, RunSettings.configFile), settings(of: node))
        }
    }

    var table: Table {
        var table = Table("NAME", "ROLE", "PORT", "METRICS", "PEER ID")
        for node in nodes {
            table.add(
                node.name, node.role.names.joined(separator: ","), "\(node.port)",
                "\(node.metricsPort)", "\(node.identity.peerID)")
        }
        return table
    }

    func json(directory: String) -> JSONValue {
        .object([
            "name": .string(name), "digest": .string("\(digest)"),
            "shortDigest": .string(Hex.encode(digest.bytes.prefix(4))),
            "stateRoot": .string("0x\(stateRoot)"),
            "genesisTime": JSONValue(genesisTime), "directory": .string(directory),
            "bootnodes": .array([.string(nodes[0].address)]),
            "nodes": .array(
                nodes.map { node in
                    .object([
                        "name": .string(node.name), "role": .string(node.role.names.first ?? ""),
                        "peerId": .string("\(node.identity.peerID)"),
                        "address": .string(node.address), "port": JSONValue(node.port),
                        "metricsPort": JSONValue(node.metricsPort),
                        "dataDir": .string(Files.join(directory, node.name)),
                    ])
                }),
        ])
    }
}
