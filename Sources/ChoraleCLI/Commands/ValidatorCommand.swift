import Admin
import ArgumentParser
import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import PeerIdentity

/// `chorale validator`: what a wallet sends for a validator.
struct ValidatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validator",
        abstract: "Transactions that make a key a validator, or take its stake out.",
        discussion: """
            Prints receiver, value and call data; any wallet can sign and send them.

            EXAMPLE
              chorale validator deposit id.key --network net --to 0x… --gwei 32000000000
              chorale validator exit identity.key
            """,
        subcommands: [Deposit.self, Exit.self])

    struct Deposit: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "deposit",
            abstract: "A deposit that registers a key, signed by it, or adds to its stake.",
            discussion: """
                The recipient gets the fees of the validator's blocks, and alone may take the stake \
                out: for a key that is registered already it stays as it is. The set of validators \
                changes at the end of an epoch.

                EXAMPLE
                  chorale validator deposit id.key --network net --to 0x… --gwei 32000000000
                """)

        @Argument(help: "The validator's private key, Ed25519.") var file: String
        @Option(help: "The network's directory.") var network: String
        @Option(
            name: .customLong("to"),
            help: "Whose the stake is: an address, 0x and 40 hexadecimal digits.")
        var recipient: String
        @Option(help: "The stake, in gwei: an ether is 1000000000, and the least.")
        var gwei: UInt64
        @Flag(help: "Print JSON instead of text.") var json = false

        func validate() throws {
            guard Address(text: recipient) != nil else {
                throw ValidationError(
                    "'\(recipient)' is no address: --to is 0x and 40 hexadecimal digits")
            }
            guard gwei >= 1_000_000_000 else {
                throw ValidationError(
                    "\(gwei) gwei is less than an ether: --gwei is at least 1000000000")
            }
            guard gwei <= ConsensusBounds.totalStakeMax else {
                throw ValidationError(
                    "\(gwei) gwei is more than a network may have: --gwei is at most "
                        + "\(ConsensusBounds.totalStakeMax)")
            }
        }

        func run() throws {
            let key = try KeyFile.load(file)
            let publicKey = try ValidatorCommand.ed25519(key.publicKey, file)
            guard let chain = try NetworkDirectory.genesis(network) else {
                throw Failure("\(network): nobody validates in this network, so it has no chain")
            }
            guard let address = Address(text: recipient),
                let credentials = Bytes32(
                    [UInt8](repeating: 0, count: 12) + address.storage.span.copied())
            else { throw Failure("checked before") }
            let message = DepositMessage(
                key: publicKey, credentials: credentials, amount: gwei)
            let padding = [UInt8](repeating: 0, count: 16)
            let signature = key.sign(message.signedMessage(network: chain.network))
            let data =
                publicKey.bytes + padding + credentials.bytes + signature + padding + padding
            Console.print(
                WalletTransaction(
                    to: chain.rules.depositContract, value: UInt256(gwei) &* UInt256(1_000_000_000),
                    data: data
                ).text(json: json))
        }
    }

    struct Exit: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "exit",
            abstract: "A request to take a validator's stake out (EIP-7002).",
            discussion: """
                Only the account that the validator is registered with can send it. Without --gwei \
                all of the stake is taken out, and the validator leaves at the end of the epoch: it \
                must run until then. The stake is paid two epochs later. The value pays the contract's \
                fee, which grows with the requests that wait; what is too much is not given back.

                EXAMPLE
                  chorale validator exit identity.key
                """)

        @Argument(help: "The validator's key, private or public half.") var file: String
        @Option(help: "How much to take out, in gwei; all of it when not given.")
        var gwei: UInt64 = 0
        @Option(help: "What to pay the contract, in wei.") var fee: UInt64 = 1
        @Flag(help: "Print JSON instead of text.") var json = false

        func run() throws {
            let publicKey = try ValidatorCommand.ed25519(try KeyFile.publicKey(file), file)
            var data = publicKey.bytes + [UInt8](repeating: 0, count: 16)
            data.appendBigEndian(gwei)
            Console.print(
                WalletTransaction(to: .withdrawalRequests, value: UInt256(fee), data: data)
                    .text(json: json))
        }
    }

    private static func ed25519(_ key: PublicKey, _ file: String) throws(Failure) -> Bytes32 {
        guard case .ed25519(let publicKey) = key else {
            throw Failure("\(file): a \(key.type) key; validators have Ed25519 keys")
        }
        return publicKey
    }
}

/// What a wallet is given to sign.
private struct WalletTransaction {
    let to: Address
    let value: UInt256
    let data: [UInt8]

    func text(json: Bool) -> String {
        guard !json else {
            return JSONValue.object([
                "to": .string("\(to)"), "value": .string("\(value)"),
                "data": .string("0x" + Hex.encode(data)),
            ]).text
        }
        var table = Table("to", "\(to)")
        table.add("value (wei)", value.decimal)
        table.add("data", "0x" + Hex.encode(data))
        return table.lines.joined(separator: "\n")
    }
}

extension Address {
    /// 0x and 40 hexadecimal digits, in any case.
    init?(text: String) {
        guard text.utf8.count == 42, text.hasPrefix("0x"),
            let bytes = try? Hex.decode(String(text.dropFirst(2)))
        else { return nil }
        self.init(bytes.span)
    }
}
