import Chain
import ChoraleBase
import Codec
import Crypto
import Execution
import Node
import PeerIdentity

/// A network before it is written: every byte of it follows from the plan and the keys.
struct GenesisNetwork {
    struct Node {
        let name: String
        let role: NodeRole
        let key: Ed25519.PrivateKey
        let port: UInt16
        let metricsPort: UInt16

        var identity: IdentityKey { IdentityKey(key) }
        /// The Ed25519 seed, for the one file that holds keys as text.
        var seedHex: String { key.seed.hex }
        var address: String { "/ip4/127.0.0.1/tcp/\(port)/p2p/\(identity.peerID)" }
    }

    let plan: GenesisPlan
    let nodes: [Node]
    /// Who has ether, and to whom validators' fees go, in their order.
    let funded: [GenesisKey]
    let recipients: [GenesisKey]
    /// The text of `genesis.json`, made once: it may be long.
    let genesis: String
    let stateRoot: Bytes32
    let blockHash: Bytes32
    /// What the three files of the network give; nil for a network without validators.
    let chain: ChainGenesis?

    /// - Throws: when the files would not be ones that a node takes.
    init(
        _ plan: GenesisPlan, nodes: [Node], funded: [GenesisKey], recipients: [GenesisKey],
        alloc: [GenesisAccount]
    ) throws(Failure) {
        self.plan = plan
        self.nodes = nodes
        self.funded = funded
        self.recipients = recipients
        genesis = Self.genesisText(plan, alloc)
        let validators = nodes.filter { $0.role == .validator }
        config = Self.configText(plan, nodes, validators)
        validatorList = Self.validatorText(validators, recipients)
        let contents = [config, genesis, validatorList].map { Array($0.utf8) }
        digest = NetworkFile.digest(contents)
        // What is written is read by the code that will read it.
        do throws(GenesisError) {
            if validators.isEmpty {
                let execution = try ExecutionGenesis(contents[1])
                (stateRoot, blockHash) = (execution.stateRoot, execution.blockHash)
                chain = nil
            } else {
                let files = zip(NetworkFile.allCases, contents)
                let chain = try ChainGenesis(files: Dictionary(uniqueKeysWithValues: files))
                (stateRoot, blockHash) = (chain.stateRoot, chain.blockHash)
                self.chain = chain
            }
        } catch {
            throw Failure("this network would be none: \(error)")
        }
    }

    var name: String { plan.name }
    var validators: [Node] { nodes.filter { $0.role == .validator } }

    // MARK: The files that the digest covers

    let config: String
    let validatorList: String
    let digest: Bytes32

    private static func configText(
        _ plan: GenesisPlan, _ nodes: [Node], _ validators: [Node]
    ) -> String {
        var text = """
            # The network. Its digest is made of these bytes: every node must have the same.
            NETWORK_NAME: \(SettingsText.quoted(plan.name))
            # Seconds since 1970; the time of block 0.
            GENESIS_TIME: \(plan.genesisTime)
            # Least time between blocks.
            SECONDS_PER_SLOT: \(plan.blockTime)
            # The set of validators changes at the end of an epoch only.
            BLOCKS_PER_EPOCH: \(plan.epochBlocks)
            # Largest witness of a block, in bytes.
            WITNESS_SIZE_MAX: \(4 << 20)
            N_PROVERS: \(nodes.count { $0.role == .prover })
            # Kinds of operations that are executed once and verified in parts.
            OPERATION_KINDS:
              - "inference ttl-max=4096"
              - "inference-committee ttl-max=4096"
            """
        text += "\n# Ed25519 public keys, in the order of validator indices.\n"
        guard !validators.isEmpty else { return text + "GENESIS_VALIDATORS: []\n" }
        text += "GENESIS_VALIDATORS:\n"
        for node in validators { text += "  - \"0x\(node.key.publicKey)\"\n" }
        return text
    }

    /// The initial state in geth's form, one account a line.
    private static func genesisText(_ plan: GenesisPlan, _ alloc: [GenesisAccount]) -> String {
        var text = """
            {
              "config": {
                "chainId": \(plan.chainID), "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
                "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0, "mergeNetsplitBlock": 0,
                "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "terminalTotalDifficulty": 0,
                "blobSchedule": {
                  "cancun": {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477},
                  "prague": {"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}
                },
                "depositContractAddress": "\(DepositContract.address)"
              },
              "timestamp": "0x\(String(plan.genesisTime, radix: 16))",
              "extraData": "0x",
              "gasLimit": "0x1c9c380",
              "difficulty": "0x0",
              "baseFeePerGas": "0x3b9aca00",
              "alloc": {
            """
        for (index, account) in alloc.enumerated() {
            text += index == 0 ? "\n" : ",\n"
            text += "    \"\(account.address)\": \(account.entry.genesisText)"
        }
        return text + "\n  }\n}\n"
    }

    private static func validatorText(_ validators: [Node], _ recipients: [GenesisKey]) -> String {
        var text = """
            # The validators of the first epoch, in the order of their indices. Stakes are in gwei; fees of
            # a validator's blocks go to its fee recipient.

            """
        guard !validators.isEmpty else { return text + "[]\n" }
        for (index, node) in validators.enumerated() {
            text += """
                - index: \(index)
                  name: \(node.name)
                  publicKey: "0x\(node.key.publicKey)"
                  stake: \(GenesisPlan.stake)
                  feeRecipient: "\(recipients[index].address)"

                """
        }
        return text
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

    /// Accounts with their private keys, for `chorale load` and whoever tries a wallet.
    var accountList: String {
        var text = """
            # Private keys of accounts: account-… have ether from the beginning, …-fees receive the fees of
            # validators' blocks.

            """
        guard !(funded + recipients).isEmpty else { return text + "[]\n" }
        for account in funded + recipients {
            text += """
                - name: \(account.name)
                  address: "\(account.address)"
                  privateKey: "0x\(account.privateHex)"

                """
        }
        return text
    }

    var bootnodes: String { "\(nodes[0].address)  # \(nodes[0].name)\n" }
    var bootnodeList: String { "- \(nodes[0].address)  # \(nodes[0].name)\n" }

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
}

extension StateStore.Entry {
    /// As an account of a genesis file.
    var genesisText: String {
        var members = ["\"balance\": \"\(balance)\""]
        if nonce > 0 { members.append("\"nonce\": \"0x\(String(nonce, radix: 16))\"") }
        if !code.isEmpty { members.append("\"code\": \"0x\(Hex.encode(code))\"") }
        if !storage.isEmpty {
            let slots = storage.sorted { $0.key < $1.key }.map {
                "\"0x\($0.key.bytes32)\": \"0x\($0.value.bytes32)\""
            }
            members.append("\"storage\": {\(slots.joined(separator: ", "))}")
        }
        return "{\(members.joined(separator: ", "))}"
    }
}
