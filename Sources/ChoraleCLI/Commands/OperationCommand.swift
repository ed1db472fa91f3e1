import ArgumentParser
import ChoraleBase
import Codec
import Execution
import Operations

struct OperationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "op",
        abstract: "Ask the network to execute something, and follow what becomes of it.",
        discussion: """
            An operation is executed once, by an elected executor, and proven in parts, which \
            validators verify. See docs/operations.md.

            EXAMPLE
              chorale op submit --data-dir node --kind inference --model digits.model --input 7.input --watch
              chorale op show --data-dir node 0x1f3c…
            """,
        subcommands: [
            OperationSubmitCommand.self, OperationModelCommand.self, List.self, Show.self,
            OperationWatchCommand.self,
            Expire.self, Withdraw.self, OperationModelCommand.self,
        ])

    struct List: WatchedQuery {
        static let configuration = CommandConfiguration(
            "Operations that are open, and those that ended last.",
            example: "chorale op list --data-dir node --watch")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions

        func call() throws(Failure) -> AdminCall { AdminCall("chorale_operations") }

        func lines(_ result: JSONValue) -> [String] { OperationDrawing.list(result) }
    }

    struct Show: WatchedQuery {
        static let configuration = CommandConfiguration(
            "One operation, and what is known of each of its parts.",
            example: "chorale op show --data-dir node 0x1f3c…")
        @OptionGroup var options: AdminOptions
        @OptionGroup var watching: WatchOptions
        @Argument(help: "The operation's id, 32 bytes in hex.") var id: String

        func validate() throws { _ = try OperationID.parse(id) }

        func call() throws(Failure) -> AdminCall { OperationID.call(id) }

        func lines(_ result: JSONValue) -> [String] { OperationDrawing.details(result) }
    }

    struct Expire: ParsableCommand {
        static let configuration = CommandConfiguration(
            "Give a requester the fee of an operation back that was not settled in time.",
            example: "chorale op expire --data-dir node 0x1f3c…")
        @OptionGroup var options: AdminOptions
        @OptionGroup var paying: WalletOptions
        @Argument(help: "The operation's id, 32 bytes in hex.") var id: String
        @Option(help: ArgumentHelp("How long to wait for a block.", valueName: "seconds"))
        var timeout = 60.0

        func validate() throws {
            _ = try OperationID.parse(id)
            try checkTimeout(timeout)
        }

        func run() throws {
            let id = try OperationID.parse(self.id)
            let wallet = try paying.wallet(try options.nodeSettings(), paying: .zero)
            let operation = try wallet.operation(id)
            switch operation.state {
            case .unknown: throw Failure("nobody has requested 0x\(id) on this chain")
            case .settled:
                throw Failure("0x\(id) is settled: its fee is paid, and what was left given back")
            case .requested:
                throw Failure(
                    "0x\(id) can still be settled until block \(operation.lastBlock), and the "
                        + "chain is at \(try wallet.height())")
            case .expired:
                // What it still holds is what nobody has fetched.
                guard !operation.fee.isZero else {
                    throw Failure("0x\(id) has expired, and its fee was given back")
                }
            }
            let hash = try wallet.send(.expire(id))
            let receipt = try wallet.receipt(of: hash, within: timeout)
            SentCall(
                hash: hash, block: receipt.block,
                words: "\(operation.fee.decimal) wei given back to \(operation.requester)"
            ).print(json: options.json)
        }
    }

    struct Withdraw: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "withdraw",
            abstract: "Fetch what the operations contract owes an account.",
            discussion: """
                The contract pays by itself. Only who could not take a payment, as contracts may, is \
                owed it.

                EXAMPLE
                  chorale op withdraw --data-dir node --account account.key --to 0x…
                """)
        @OptionGroup var options: AdminOptions
        @OptionGroup var paying: WalletOptions
        @Option(help: "Who gets it. (default: the account)") var to: String?
        @Option(help: ArgumentHelp("How long to wait for a block.", valueName: "seconds"))
        var timeout = 60.0

        func validate() throws {
            if let to, Address(text: to) == nil {
                throw ValidationError("--to must be 0x and 40 hexadecimal digits, not \(to)")
            }
            try checkTimeout(timeout)
        }

        func run() throws {
            let wallet = try paying.wallet(try options.nodeSettings(), paying: .zero)
            let owed = try wallet.owed()
            guard !owed.isZero else {
                throw Failure("nothing is owed to \(wallet.account.address)")
            }
            let recipient = to.flatMap(Address.init(text:)) ?? wallet.account.address
            let hash = try wallet.send(.withdraw(to: recipient.executionAddress))
            let receipt = try wallet.receipt(of: hash, within: timeout)
            SentCall(
                hash: hash, block: receipt.block,
                words: "\(owed.decimal) wei paid to \(recipient)"
            ).print(json: options.json)
        }
    }
}

/// What became of a call of the contract.
struct SentCall {
    let hash: Bytes32
    let block: UInt64
    let words: String

    func print(json: Bool) {
        guard !json else {
            Console.print(
                .object([
                    "transaction": .string("0x\(hash)"), "block": JSONValue(block),
                    "done": .string(words),
                ]))
            return
        }
        Console.print("\(words), in block \(block)")
    }
}

func checkTimeout(_ seconds: Double) throws {
    guard seconds > 0, seconds <= 604_800 else {
        throw ValidationError("--timeout must be above 0 seconds and at most a week")
    }
}

extension ContractWallet {
    func height() throws(Failure) -> UInt64 {
        do throws(ChainClient.CallError) {
            return try client.blockNumber()
        } catch {
            throw error.failure
        }
    }
}
