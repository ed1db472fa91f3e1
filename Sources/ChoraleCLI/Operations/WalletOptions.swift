import ArgumentParser
import Chain
import ChoraleBase
import Execution

/// Which account pays, and through which node it is sent.
struct WalletOptions: ParsableArguments {
    @Option(help: "The network's directory. (default: what the node's config.yaml says)")
    var network: String?

    @Option(
        help: ArgumentHelp(
            "A file with the account's private key. (default: an account of accounts.yaml in the network's directory)",
            valueName: "file"))
    var account: String?

    @Option(
        help: ArgumentHelp(
            "Accounts with their private keys, as `chorale genesis` writes them.",
            valueName: "file"))
    var accounts: String?

    @Option(
        help: ArgumentHelp(
            "Which of those accounts, from 0. (default: the first that has enough)",
            valueName: "number"))
    var accountIndex: Int?

    @Option(
        help: ArgumentHelp(
            "The JSON-RPC of a node. (default: rpc-address of the node's config.yaml, else http://127.0.0.1:8545)",
            valueName: "url"))
    var rpc: String?

    func validate() throws {
        if let rpc, HTTPAddress(rpc) == nil {
            throw ValidationError("--rpc must be http://HOST:PORT, not \(rpc)")
        }
        guard account == nil || (accounts == nil && accountIndex == nil) else {
            throw ValidationError("give --account, or --accounts and --account-index, not both")
        }
        guard accountIndex ?? 0 >= 0, accountIndex ?? 0 < LoadAccounts.countMax else {
            throw ValidationError(
                "--account-index must be from 0 to \(LoadAccounts.countMax - 1)")
        }
    }

    static let defaultRPC = "http://127.0.0.1:8545"

    func client(_ settings: SettingValues) throws(Failure) -> ChainClient {
        let url: String
        if let rpc {
            url = rpc
        } else if let address = try SettingReader(values: settings).hostPort(.rpcAddress) {
            // A node that listens everywhere is reached here.
            let isAny = address.host == "0.0.0.0" || address.host == "::"
            url = "http://" + (isAny ? "127.0.0.1:\(address.port)" : "\(address)")
        } else {
            url = Self.defaultRPC
        }
        guard let address = HTTPAddress(url) else {
            throw .usage("--rpc must be http://HOST:PORT, not \(url)")
        }
        return ChainClient(address)
    }

    /// nil when neither a flag nor the node's settings say where it is.
    func networkDirectory(_ settings: SettingValues) -> String? {
        network ?? settings[.network]?.texts.first
    }

    /// What the network's chain begins with; nil when no directory is known.
    func genesis(_ settings: SettingValues) throws(Failure) -> ChainGenesis? {
        guard let directory = networkDirectory(settings) else { return nil }
        _ = try NetworkDirectory.load(directory)
        guard let genesis = try NetworkDirectory.genesis(directory) else {
            throw .usage("\(directory) is a network without a chain: nobody validates there")
        }
        return genesis
    }

    /// The account that pays.
    ///
    /// - Parameter amount: what it must have, in wei.
    func wallet(
        _ settings: SettingValues, paying amount: UInt256
    ) throws(Failure) -> ContractWallet {
        let client = try client(settings)
        if let account {
            return try ContractWallet(client, try AccountFile.load(account))
        }
        let path: String
        if let accounts {
            path = accounts
        } else if let directory = networkDirectory(settings) {
            path = Files.join(directory, GenesisNetwork.accountsFile)
            guard Files.exists(path) else {
                throw .usage("who pays? there is no \(path): give --account FILE")
            }
        } else {
            throw .usage("who pays? give --account FILE, --accounts FILE, or --network DIR")
        }
        let list = try LoadAccounts.load(path)
        if let accountIndex {
            guard accountIndex < list.count else {
                throw .usage("--account-index \(accountIndex), and \(path) has \(list.count)")
            }
            return try ContractWallet(client, list[accountIndex])
        }
        guard let account = try Self.first(of: list, with: amount, client) else {
            throw Failure(
                "none of the \(list.count) accounts of \(path) has more than \(amount.decimal) wei")
        }
        return try ContractWallet(client, account)
    }

    private static func first(
        of accounts: [LoadAccount], with amount: UInt256, _ client: ChainClient
    ) throws(Failure) -> LoadAccount? {
        do throws(ChainClient.CallError) {
            for account in accounts where try client.balance(of: account.address) > amount {
                return account
            }
            return nil
        } catch {
            throw error.failure
        }
    }
}
