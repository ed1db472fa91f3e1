import Chain
import ChoraleBase
import Codec
import Node
import PeerIdentity

extension GenesisNetwork {
    static let accountsFile = "accounts.yaml"

    /// - Throws: when the directory exists, or cannot be written.
    func write(to directory: String) throws(Failure) {
        guard !Files.exists(directory) else {
            throw Failure("\(directory) exists already and is not overwritten")
        }
        try Files.createDirectory(directory)
        let files = [
            ("config.yaml", config), ("genesis.json", genesis), ("validators.yaml", validatorList),
            (NetworkDirectory.digestFile, "\(digest)\n"), ("nodes.yaml", nodeList),
            ("bootnodes.txt", bootnodes), ("bootnodes.yaml", bootnodeList),
        ]
        for (file, text) in files { try Files.create(Files.join(directory, file), text) }
        for (file, text) in [
            ("validator-config.yaml", validatorConfig), (Self.accountsFile, accountList),
        ] {
            try Files.create(Files.join(directory, file), text, mode: 0o600)
        }
        for node in nodes {
            let home = Files.join(directory, node.name)
            try Files.createDirectory(home, mode: 0o700)
            try KeyFile.create(node.identity, at: Files.join(home, RunSettings.keyFile))
            try KeyFile.beginSigningState(in: home)
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

    /// Besides the table.
    var summary: [String] {
        var lines = [
            "network \(name), digest \(digest)", "genesis state root 0x\(stateRoot)",
            "genesis block hash 0x\(blockHash)",
        ]
        if let chain { lines.append("genesis block id   0x\(chain.blockID)") }
        return lines
    }

    func json(directory: String) -> JSONValue {
        .object([
            "name": .string(name), "digest": .string("\(digest)"),
            "shortDigest": .string(Hex.encode(digest.bytes.prefix(4))),
            "stateRoot": .string("0x\(stateRoot)"), "blockHash": .string("0x\(blockHash)"),
            "blockId": JSONValue(chain.map { "0x\($0.blockID)" }),
            "chainId": JSONValue(plan.chainID), "genesisTime": JSONValue(plan.genesisTime),
            "directory": .string(directory), "bootnodes": .array([.string(nodes[0].address)]),
            "accounts": JSONValue(funded.count),
            "accountsFile": .string(Files.join(directory, Self.accountsFile)),
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
