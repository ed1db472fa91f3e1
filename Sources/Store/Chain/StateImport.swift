public import ChoraleBase
public import ChoraleTypes
import Crypto
public import Execution

/// A state that comes in parts, for the first height of an empty store: a genesis, or what was downloaded.
///
///     let state = try database.importState()
///     for part in parts { try state.add(part) }
///     let root = try state.finish()
///     try database.write(BlockWrite(…, execution: ExecutionWrite(…, stateRoot: root, …)), sync: true)
///
/// Accounts come in any order, in parts that the caller chooses; the tries are built at the end, from rows
/// in the order of their keys, so that memory holds a part and the way to one entry. Until the first
/// height is written there is no state: what a process leaves that died before is removed.
public final class StateImport {
    private let database: ChainDatabase
    /// Bytes that are written at once.
    private static let batchSize = 4 << 20
    /// Storages of an imported state have begun before all heights that follow.
    private static let incarnation: UInt64 = 0

    init(_ database: ChainDatabase) { self.database = database }

    /// Adds accounts with their codes and storages.
    public func add(_ accounts: [(address: Address, entry: StateStore.Entry)]) throws(StoreFailure)
    {
        try write { files, batch in
            for (address, entry) in accounts {
                let key = Keccak256.hash(address.storage.span)
                var account = Account(nonce: entry.nonce, balance: entry.balance)
                if !entry.code.isEmpty {
                    account.codeHash = Keccak256.hash(entry.code)
                    files.put(.code, account.codeHash.storage.span, entry.code, in: batch)
                }
                files.put(.account, key.storage.span, account.rlp, in: batch)
                for (slot, word) in entry.storage where !word.isZero {
                    let row = ChainKey.slot(
                        key, Self.incarnation, Keccak256.hash(slot.bytes32.storage.span))
                    files.put(.slot, row.span, word.rlp, in: batch)
                }
            }
        }
    }

    /// Adds accounts by the hashes of their addresses. Their storage roots are not taken over.
    public func add(_ accounts: [(key: Bytes32, account: Account)]) throws(StoreFailure) {
        try write { files, batch in Self.put(accounts, in: batch, of: files) }
    }

    static func put(
        _ accounts: [(key: Bytes32, account: Account)], in batch: borrowing TableBatch,
        of files: ChainFiles
    ) {
        for (key, account) in accounts {
            var account = account
            account.storageRoot = Trie.emptyRoot
            files.put(.account, key.storage.span, account.rlp, in: batch)
        }
    }

    /// Adds words of an account's storage by the hashes of their slots.
    public func add(
        _ slots: [(key: Bytes32, word: UInt256)], of account: Bytes32
    ) throws(StoreFailure) {
        try write { files, batch in Self.put(slots, of: account, in: batch, of: files) }
    }

    static func put(
        _ slots: [(key: Bytes32, word: UInt256)], of account: Bytes32,
        in batch: borrowing TableBatch, of files: ChainFiles
    ) {
        for (key, word) in slots where !word.isZero {
            let row = ChainKey.slot(account, Self.incarnation, key)
            files.put(.slot, row.span, word.rlp, in: batch)
        }
    }

    /// Adds codes.
    public func add(codes: [[UInt8]]) throws(StoreFailure) {
        try write { files, batch in
            for code in codes {
                files.put(.code, Keccak256.hash(code).storage.span, code, in: batch)
            }
        }
    }

    /// Builds the tries. Returns the root, with which the first height is written.
    ///
    /// - Throws: also `StoreFailure.corrupt` for a slot of an account that was not added.
    public func finish() throws(StoreFailure) -> Bytes32 {
        do throws(RocksError) {
            let files = try database.opened()
            var builder = StateTrieBuilder(files)
            let root = try builder.build(incarnation: Self.incarnation)
            let batch = TableBatch()
            var mark = root.bytes
            mark.appendBigEndian(builder.nextBirth)
            files.put(.meta, ChainKey.imported.span, mark, in: batch)
            try files.write(batch, sync: true)
            return root
        } catch {
            throw error.failure(in: database.directory)
        }
    }

    private func write(
        _ body: (ChainFiles, borrowing TableBatch) -> Void
    ) throws(StoreFailure) {
        precondition(database.last == nil, "a state is imported into an empty store")
        let directory = database.directory
        let kept = database.options.state.database.freeSpaceMin
        if let size = FileSystem.freeSpace(at: directory), size < kept {
            throw .diskFull(path: directory, kept: kept)
        }
        do throws(RocksError) {
            let files = try database.opened()
            let batch = TableBatch()
            body(files, batch)
            try files.write(batch, sync: false)
        } catch {
            throw error.failure(in: directory)
        }
    }

    /// Builds tries from the flat rows and writes their nodes as they come.
    private struct StateTrieBuilder: ~Copyable {
        private let files: ChainFiles
        private var batch = TableBatch()
        private var batchSize = 0
        private(set) var nextBirth: UInt64 = 0

        init(_ files: ChainFiles) { self.files = files }

        mutating func build(incarnation: UInt64) throws(RocksError) -> Bytes32 {
            // Cursors see the rows as they are now, not what is written on the way.
            let accounts = files.cursor(.account)
            let slots = files.cursor(.slot)
            var trie = TrieBuilder()
            let start: [UInt8] = []
            var hasAccount = try accounts.seek(start.span)
            var hasSlot = try slots.seek(start.span)
            while hasAccount {
                guard let key = Bytes32(Span(_unsafeElements: accounts.key)),
                    var account = FlatAccount(Array(accounts.value))?.account
                else { throw RocksError(message: "Corruption: a row is no account") }
                let prefix = ChainKey.slots(key, incarnation)
                var storage = TrieBuilder()
                while hasSlot, slots.key.starts(with: prefix) {
                    guard let slot = Bytes32(slots.key.dropFirst(prefix.count)) else {
                        throw RocksError(message: "Corruption: a row is no slot")
                    }
                    storage.add(slot, Array(slots.value)) { put($0, $1) }
                    try flush()
                    hasSlot = try slots.next()
                }
                account.storageRoot = storage.finish { put($0, $1) }
                let rlp = account.rlp
                if account.storageRoot != Trie.emptyRoot {
                    let row = FlatAccount.bytes(rlp, incarnation)
                    files.put(.account, key.storage.span, row, in: batch)
                    batchSize += row.count
                }
                trie.add(key, rlp) { put($0, $1) }
                try flush()
                hasAccount = try accounts.next()
            }
            guard !hasSlot else {
                throw RocksError(message: "Corruption: a slot's account was not added")
            }
            let root = trie.finish { put($0, $1) }
            try files.write(batch, sync: false)
            return root
        }

        private mutating func put(_ hash: Bytes32, _ encoding: [UInt8]) {
            files.put(.node, ChainKey.node(hash, nextBirth).span, encoding, in: batch)
            nextBirth += 1
            batchSize += encoding.count + 64
        }

        private mutating func flush() throws(RocksError) {
            guard batchSize >= StateImport.batchSize else { return }
            try files.write(batch, sync: false)
            batch = TableBatch()
            batchSize = 0
        }
    }
}

extension ChainDatabase {
    /// Begins to import a state into an empty store. What an earlier import has left is removed.
    ///
    /// - Precondition: no height was written.
    public func importState() throws(StoreFailure) -> StateImport {
        precondition(last == nil, "a state is imported into an empty store")
        do throws(RocksError) {
            let files = try opened()
            let batch = TableBatch()
            Self.wipeState(in: batch, of: files)
            files.put(.meta, ChainKey.importing.span, [1], in: batch)
            try files.write(batch, sync: true)
        } catch {
            throw error.failure(in: directory)
        }
        nodes = NodeCache(sizeMax: options.state.nodeCacheSizeMax)
        return StateImport(self)
    }

    /// Takes over the state that was imported, if it is that of the first height.
    ///
    /// - Returns: the next birth of a node; nil when another state or none was imported, which then goes.
    func takeImport(
        _ root: Bytes32, in batch: borrowing TableBatch, of files: ChainFiles
    ) throws(StoreFailure) -> UInt64? {
        do throws(RocksError) {
            let rows = ChainRows(files)
            guard try rows.value(.meta, ChainKey.importing) != nil else { return nil }
            files.delete(.meta, ChainKey.importing.span, in: batch)
            let mark = try rows.value(.meta, ChainKey.imported) ?? []
            files.delete(.meta, ChainKey.imported.span, in: batch)
            if mark.count == 40, Bytes32(mark[..<32]) == root {
                return mark.span.loadBigEndian(UInt64.self, at: 32)
            }
            Self.wipeState(in: batch, of: files)
            nodes = NodeCache(sizeMax: options.state.nodeCacheSizeMax)
            return nil
        } catch {
            throw error.failure(in: directory)
        }
    }

    static func wipeState(in batch: borrowing TableBatch, of files: ChainFiles) {
        let end = [UInt8](repeating: 0xFF, count: 81)
        for family in [ChainFamily.account, .slot, .node, .code] {
            files.deleteRange(family, [], end, in: batch)
        }
        files.delete(.meta, ChainKey.imported.span, in: batch)
        dropDownload(in: batch, of: files)
    }

    /// Deletes the marks of a download that has ended, or goes.
    static func dropDownload(in batch: borrowing TableBatch, of files: ChainFiles) {
        files.deleteRange(
            .journal, [ChainKey.downloadPrefix], [ChainKey.downloadPrefix + 1], in: batch)
    }
}
