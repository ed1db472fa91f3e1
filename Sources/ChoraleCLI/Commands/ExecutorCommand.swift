import ArgumentParser
import Chain
import ChoraleBase
import Codec
import Crypto
import Execution
import Operations
import PeerIdentity

struct ExecutorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "executor",
        abstract: "Register a node as an executor of operations, and look after it.",
        discussion: """
            An executor is elected for operations in proportion to its bond, which it loses when it \
            contradicts itself. See docs/operations.md.

            EXAMPLE
              chorale executor register --data-dir node --bond 32 --account account.key
              chorale executor status --data-dir node
            """,
        subcommands: [Register.self, Exit.self, Status.self])

    struct Register: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "register",
            abstract: "Register the node's key as an executor's, or add to its bond.",
            discussion: """
                The account pays the bond, is paid for what the node executes, and is the one that can \
                take the bond out again. The node must have the role executor.

                EXAMPLE
                  chorale executor register --data-dir node --bond 32 --account account.key
                """)
        @OptionGroup var options: AdminOptions
        @OptionGroup var paying: WalletOptions
        @OptionGroup var identity: ExecutorKeyOptions
        @Option(help: ArgumentHelp("What is bonded: 1 or more.", valueName: "ether"))
        var bond: String
        @Option(help: "What it can execute: inference, or numbers of capabilities.")
        var capabilities: [String] = ["inference"]
        @Option(help: "Who is paid, and takes the bond out. (default: the account)")
        var recipient: String?
        @Option(help: ArgumentHelp("How long to wait for a block.", valueName: "seconds"))
        var timeout = 60.0

        func validate() throws {
            _ = try Self.gwei(bond)
            if let recipient, Address(text: recipient) == nil {
                throw ValidationError(
                    "--recipient must be 0x and 40 hexadecimal digits, not \(recipient)")
            }
            try checkTimeout(timeout)
        }

        static func gwei(_ text: String) throws(ValidationError) -> UInt64 {
            guard let wei = Ether.wei(text), wei.isMultiple(of: 1_000_000_000),
                let gwei = UInt64(exactly: wei / 1_000_000_000),
                gwei >= OperationsContract.bondMin
            else {
                throw ValidationError("--bond must be 1 ether or more, in whole gwei, not \(text)")
            }
            return gwei
        }

        func run() throws {
            let settings = try options.nodeSettings()
            let key = try identity.load(settings)
            guard let genesis = try paying.genesis(settings) else {
                throw Failure.usage("which network? give --network DIR")
            }
            let numbers = try Self.numbers(capabilities, genesis)
            let gwei = try Self.gwei(bond)
            let wei = UInt256(wei: UInt128(gwei) * 1_000_000_000)
            let wallet = try paying.wallet(settings, paying: wei)
            guard genesis.rules.chainID == wallet.chainID else {
                throw Failure(
                    "the node at --rpc is of chain \(wallet.chainID), and the network is "
                        + "\(genesis.rules.chainID)")
            }
            let address = recipient.flatMap(Address.init(text:)) ?? wallet.account.address
            let registration = ExecutorRegistration(
                signing: ExecutorMessage(
                    key: key.publicKey, recipient: address.executionAddress,
                    capabilities: Capabilities(numbers), amount: gwei),
                with: IdentityKey(key), network: genesis.network)
            let hash = try wallet.send(.registerExecutor(registration), value: wei)
            let receipt = try wallet.receipt(of: hash, within: timeout)
            SentCall(
                hash: hash, block: receipt.block,
                words:
                    "executor 0x\(key.publicKey) has bonded \(Ether.text(UInt128(gwei) * 1_000_000_000)) more"
            ).print(json: options.json)
        }

        /// The bits that names stand for on a network.
        static func numbers(
            _ words: [String], _ genesis: ChainGenesis
        ) throws(Failure) -> [UInt8] {
            var numbers: [UInt8] = []
            for word in words.flatMap({ $0.split(separator: ",").map(String.init) }) {
                if let number = UInt8(word) {
                    numbers.append(number)
                } else if let known = SubmittedKind(rawValue: word) {
                    guard let kind = genesis.operations.kind(known.number) else {
                        throw Failure(
                            "this network has no operations of kind \(word) (OPERATION_KINDS in "
                                + "its config.yaml)")
                    }
                    numbers.append(kind.capability)
                } else {
                    let known = SubmittedKind.allCases.map(\.rawValue)
                    throw .usage(
                        "--capabilities must be \(known.joined(separator: ", ")), or numbers from "
                            + "0 to 255, not `\(word)`" + Suggestion.text(for: word, among: known))
                }
            }
            guard !numbers.isEmpty else { throw .usage("--capabilities must name one at least") }
            return numbers
        }
    }

    struct Exit: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "exit",
            abstract: "Take the node's key out of the executors; its bond is paid back later.",
            discussion: """
                Only the account that is paid for the executor can. The bond is paid back after a delay \
                in which it can still be slashed.

                EXAMPLE
                  chorale executor exit --data-dir node --account account.key
                """)
        @OptionGroup var options: AdminOptions
        @OptionGroup var paying: WalletOptions
        @OptionGroup var identity: ExecutorKeyOptions
        @Option(help: ArgumentHelp("How long to wait for a block.", valueName: "seconds"))
        var timeout = 60.0

        func validate() throws { try checkTimeout(timeout) }

        func run() throws {
            let settings = try options.nodeSettings()
            let key = try identity.load(settings).publicKey
            let wallet = try paying.wallet(settings, paying: .zero)
            // A node that executes with another key, or not at all, or does not run, cannot say.
            let executor = (try? options.client().call("chorale_proofs"))?["executor"]
            if executor?["key"] == .string("0x\(key)"), executor?["bondGwei"] == .null {
                throw Failure("executor 0x\(key) is not registered: there is no bond to take out")
            }
            let hash = try wallet.send(.exitExecutor(key: key))
            let receipt = try wallet.receipt(of: hash, within: timeout)
            SentCall(
                hash: hash, block: receipt.block,
                words:
                    "executor 0x\(key) leaves, if \(wallet.account.address) is who is paid for it"
            ).print(json: options.json)
        }
    }

    struct Status: WatchedQuery {
        static let configuration = CommandConfiguration(
            "What the node's executor has bonded, does, and has done.",
            example: "chorale executor status --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_proofs") }

        func lines(_ result: JSONValue) -> [String] {
            guard let executor = result["executor"], executor != .null else {
                return ["the node is no executor: give it --role executor"]
            }
            return OperationDrawing.executor(executor)
        }
    }
}

/// Which key is the executor's.
struct ExecutorKeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The executor's key. (default: identity.key in the data directory)", valueName: "file"))
    var key: String?

    func load(_ settings: SettingValues) throws(Failure) -> Ed25519.PrivateKey {
        let path: String
        if let key {
            path = key
        } else if let said = settings[.nodeKey]?.texts.first {
            path = said
        } else if let directory = settings[.dataDirectory]?.texts.first {
            path = Files.join(directory, RunSettings.keyFile)
        } else {
            throw .usage(
                "which executor? give --data-dir or --key, or set "
                    + Setting.dataDirectory.variable)
        }
        guard let secret = try KeyFile.load(path).ed25519 else {
            throw Failure(
                "\(path) is no Ed25519 key, and executors have no other: "
                    + "`chorale key generate` makes one")
        }
        return secret
    }
}
