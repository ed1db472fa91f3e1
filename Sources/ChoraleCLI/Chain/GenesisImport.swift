import Chain
import ChoraleTypes
import Execution
import Store

/// Writes the accounts that a chain starts with into an empty database.
enum GenesisImport {
    /// Accounts that are held in memory at a time.
    private static let partCount = 4096

    /// - Parameter progress: called now and then with how many accounts are written.
    static func run(
        _ accounts: GenesisAccounts, into database: ChainDatabase,
        progress: (Int) -> Void = { _ in }
    ) throws(StoreFailure) {
        let state = try database.importState()
        var part: [(address: Address, entry: StateStore.Entry)] = []
        var count = 0
        for account in accounts {
            part.append((account.address, account.entry))
            count += 1
            guard part.count == partCount else { continue }
            try state.add(part)
            part = []
            if count.isMultiple(of: 1 << 16) { progress(count) }
        }
        try state.add(part)
        let root = try state.finish()
        guard root == accounts.stateRoot else {
            throw .corrupt("the genesis state has root 0x\(root), not 0x\(accounts.stateRoot)")
        }
    }
}
