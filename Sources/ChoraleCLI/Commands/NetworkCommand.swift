import Admin
import ArgumentParser
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Execution

/// `chorale network`: what the files of a network say, checked as a node checks them.
struct NetworkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "network",
        abstract: "Check a network's directory and print what its chain starts from.",
        discussion: """
            Whoever publishes a network and whoever joins it compare the digest: equal digests are
            equal networks, byte for byte.

            EXAMPLE
              chorale network mynet
            """)

    @Argument(help: "A directory with config.yaml, genesis.json and validators.yaml.")
    var directory: String
    @Flag(help: "Print JSON instead of text.") var json = false

    func run() throws {
        // Compares the digest with the file `network-digest`, and reads the bootnodes, too.
        let network = try NetworkDirectory.load(directory)
        guard let chain = try NetworkDirectory.genesis(directory) else {
            throw Failure("\(directory): nobody validates in this network, so it has no chain")
        }
        if json {
            Console.print(Self.json(network, chain))
        } else {
            Console.print(Self.lines(network, chain).joined(separator: "\n"))
        }
    }

    private static func lines(_ network: NetworkDirectory, _ chain: ChainGenesis) -> [String] {
        var table = Table("INDEX", "STAKE (GWEI)", "PUBLIC KEY", "FEE RECIPIENT")
        for (index, validator) in chain.validators.validators.enumerated() {
            table.add(
                "\(index)", "\(validator.stake)", Hex.encode(validator.key.bytes),
                "\(chain.feeRecipients[index])")
        }
        return [
            "network \(chain.name), digest \(chain.digest)",
            "chain \(chain.rules.chainID), from \(chain.time), a block each "
                + "\(chain.blockInterval.components.seconds) s, epochs of \(chain.epochLength) blocks",
            "genesis state root 0x\(chain.stateRoot), \(chain.accounts.count) accounts",
            "genesis block hash 0x\(chain.blockHash)", "genesis block id   0x\(chain.blockID)",
            "bootnodes \(network.bootnodes.count)", "",
        ] + table.lines
    }

    private static func json(_ network: NetworkDirectory, _ chain: ChainGenesis) -> JSONValue {
        .object([
            "name": .string(chain.name), "digest": .string("\(chain.digest)"),
            "shortDigest": .string(Hex.encode(network.shortDigest)),
            "chainId": JSONValue(chain.rules.chainID), "genesisTime": JSONValue(chain.time),
            "blockSeconds": JSONValue(chain.blockInterval.components.seconds),
            "epochBlocks": JSONValue(chain.epochLength),
            "witnessSizeMax": JSONValue(chain.witnessSizeMax),
            "stateRoot": .string("0x\(chain.stateRoot)"),
            "blockHash": .string("0x\(chain.blockHash)"),
            "blockId": .string("0x\(chain.blockID)"),
            "accounts": JSONValue(chain.accounts.count),
            "bootnodes": JSONValue(network.bootnodes.count),
            "validators": .array(
                chain.validators.validators.enumerated().map { index, validator in
                    .object([
                        "index": JSONValue(index),
                        "publicKey": .string("0x" + Hex.encode(validator.key.bytes)),
                        "stake": JSONValue(validator.stake),
                        "feeRecipient": .string("\(chain.feeRecipients[index])"),
                    ])
                }),
        ])
    }
}
