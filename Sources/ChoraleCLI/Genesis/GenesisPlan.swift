import Admin
import Chain
import ChoraleBase
import Crypto
import Execution
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
    var chainID: UInt64 = 1337
    /// Seconds between blocks at least.
    var blockTime: UInt64 = 4
    var epochBlocks: UInt64 = 32
    /// Accounts with ether, whose keys are written down.
    var accountCount = 10
    /// Accounts besides, of the file of `--alloc`.
    var alloc: [GenesisAccount] = []

    /// 2026-01-01: equal seeds must give equal bytes.
    static let seededTime: UInt64 = 1_767_225_600
    /// 32 ether in gwei: the stake of each validator.
    static let stake: UInt64 = 32_000_000_000
    /// A million ether in wei: the balance of each account.
    static let balance = UInt256(0, 0, 0xD3C2, 0x1BCE_CCED_A100_0000)

    static func now() -> UInt64 { UInt64(max(0, time(nil))) }

    /// - Throws: when the name cannot stand in a file, or the accounts contradict each other.
    func network() throws(Failure) -> GenesisNetwork {
        guard ChainGenesis.isName(name) else {
            throw .usage("--name must have 1 to 64 printable ASCII characters")
        }
        let total = counts.map(\.count).reduce(0, +)
        var nodes: [GenesisNetwork.Node] = []
        for (role, count) in counts {
            for index in 0..<count {
                let name = "\(role.names.first ?? "node")-\(index)"
                nodes.append(
                    GenesisNetwork.Node(
                        name: name, role: role, key: Ed25519.PrivateKey(seed: secret(of: name)),
                        port: basePort + UInt16(nodes.count),
                        metricsPort: basePort + UInt16(total + nodes.count)))
            }
        }
        let funded = (0..<accountCount).map { account("account-\($0)") }
        let recipients = nodes.filter { $0.role == .validator }.map { account("\($0.name)-fees") }
        return try GenesisNetwork(
            self, nodes: nodes, funded: funded, recipients: recipients,
            alloc: try merged(funded))
    }

    /// Everything that the chain starts with, sorted by address but for what has a key.
    private func merged(_ funded: [GenesisKey]) throws(Failure) -> [GenesisAccount] {
        var accounts = funded.map {
            GenesisAccount(address: $0.address, StateStore.Entry(balance: Self.balance))
        }
        accounts += SystemContracts.accounts + [SystemContracts.operations]
        var known: [Address: StateStore.Entry] = [:]
        for account in accounts { known[account.address] = account.entry }
        for account in alloc.sorted(by: { $0.address < $1.address }) {
            if let other = known[account.address] {
                // A file that was made from another genesis has the system's contracts as well.
                guard other == account.entry else {
                    throw Failure(
                        "--alloc gives \(account.address), which the new network has otherwise")
                }
                continue
            }
            known[account.address] = account.entry
            accounts.append(account)
        }
        return accounts
    }

    private func account(_ name: String) -> GenesisKey {
        guard seed != nil else { return GenesisKey(name: name, key: .random()) }
        do {
            return GenesisKey(name: name, key: try Secp256k1.PrivateKey(secret(of: name)))
        } catch {
            preconditionFailure("a hash is no scalar once in 2^127 times: \(error)")
        }
    }

    /// 32 bytes for a key. Seeded ones depend on the seed and the name alone, so that adding a prover
    /// changes no validator.
    private func secret(of name: String) -> SecretBytes {
        guard let seed else { return .random(count: 32) }
        var hasher = SHA256.Hasher()
        hasher.update(Array("chorale/genesis/test-key".utf8))
        for shift in stride(from: 56, through: 0, by: -8) {
            hasher.update(UInt8(truncatingIfNeeded: seed >> UInt64(shift)))
        }
        hasher.update(Array(name.utf8))
        return SecretBytes(copying: hasher.finish())
    }
}

/// An account of a new network whose key is written down.
struct GenesisKey {
    let name: String
    let key: Secp256k1.PrivateKey

    var address: Address { Address(key.publicKey) }
    var privateHex: String { key.bytes.hex }
}

extension SecretBytes {
    /// For the files that hold keys as text.
    var hex: String {
        withSpan { span in
            var bytes: [UInt8] = []
            for index in span.indices { bytes.append(span[index]) }
            return Hex.encode(bytes)
        }
    }
}
