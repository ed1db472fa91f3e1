import ChoraleBase
import Crypto
import Execution

@testable import Store

/// A chain whose blocks are made of nothing but their numbers, for states on disks and in memory.
enum MadeUpChain {
    static let accountCount = 300
    static let slotCount = 40

    static func address(_ index: Int) -> Address { Address(UInt256(UInt64(0xA000 + index))) }

    static func blockHash(_ number: UInt64) -> Bytes32 {
        Keccak256.hash([UInt8](withUnsafeBytes(of: number.bigEndian) { Array($0) }))
    }

    /// What block `number` changes in the state before it.
    static func changes(_ number: UInt64, on state: some StateReader) throws -> [AccountChange] {
        var random = DeterministicRandom(seed: number)
        let indices = Set((0..<24).map { _ in random.below(accountCount) })
        return try indices.sorted().map { index in
            let address = address(index)
            let before = try state.account(at: address)
            if before != nil, random.chance(1, in: 8) {
                return AccountChange(
                    address: address, account: nil, isChanged: true, isStorageCleared: true,
                    slots: [])
            }
            let code = random.chance(1, in: 6) ? Code(random.bytes(count: 200)) : nil
            let keys = Set((0..<5).map { _ in random.below(slotCount) })
            let slots = keys.sorted().map { key in
                AccountChange.Slot(
                    key: UInt256(UInt64(key)),
                    value: random.chance(1, in: 3) ? .zero : UInt256(random.next()))
            }
            return AccountChange(
                address: address,
                account: Account(
                    nonce: number, balance: UInt256(random.next()),
                    storageRoot: before?.storageRoot ?? Trie.emptyRoot,
                    codeHash: code.map { Keccak256.hash($0.bytes) } ?? before?.codeHash
                        ?? Account.emptyCodeHashBytes),
                isChanged: true, isStorageCleared: false, slots: slots, code: code)
        }
    }

    /// The states in memory.
    struct Model {
        var store = StateStore()
        private(set) var number: UInt64 = 0

        mutating func append() throws {
            number += 1
            let state = TrieState(root: store.root, source: store, blockHashes: [:])
            let changes = try MadeUpChain.changes(number, on: state)
            store.insert(state, changes, root: try state.apply(changes))
        }

        /// The head of a database with the same state.
        var head: StateHead? {
            guard number > 0 else { return nil }
            return StateHead(
                blockNumber: number, blockHash: MadeUpChain.blockHash(number),
                stateRoot: store.root)
        }
    }

    /// Executes the next block on a database's head.
    static func append(to database: StateDatabase, sync: Bool = true) throws {
        let number = (database.head?.blockNumber ?? 0) + 1
        let state = TrieState(
            root: database.head?.stateRoot ?? Trie.emptyRoot, source: database, blockHashes: [:])
        let changes = try changes(number, on: state)
        let root = try state.apply(changes)
        try database.commit(
            state, changes,
            head: StateHead(blockNumber: number, blockHash: blockHash(number), stateRoot: root),
            sync: sync)
    }

    /// Everything that a state can be asked for.
    struct Contents: Equatable {
        var accounts: [Address: Account] = [:]
        var slots: [[UInt256]] = []
        var codes: Set<[UInt8]> = []

        init(root: Bytes32, _ source: some TrieNodeSource & CodeSource) throws {
            let state = TrieState(root: root, source: source, blockHashes: [:])
            for index in 0..<MadeUpChain.accountCount {
                let address = MadeUpChain.address(index)
                guard let account = try state.account(at: address) else { continue }
                accounts[address] = account
                slots.append(
                    try (0..<MadeUpChain.slotCount).map {
                        try state.storage(at: UInt256(UInt64($0)), of: address, account)
                    })
                if account.codeHash != Account.emptyCodeHashBytes {
                    codes.insert(try state.code(account.codeHash, of: address).bytes)
                }
            }
        }
    }
}

extension StateOptions {
    /// Small buffers, so that tables, their merging and the log take part.
    static var small: StateOptions {
        var options = StateOptions()
        options.database.writeBufferSizeMax = 128 << 10
        options.database.cacheSizeMax = 256 << 10
        options.nodeCacheSizeMax = 64 << 10
        options.database.freeSpaceMin = 0
        return options
    }
}

extension StateDatabase {
    /// Puts a row under a key whatever its value.
    func plant(_ family: StateFamily, _ key: [UInt8], _ value: [UInt8]) throws {
        let files = try opened()
        let batch = TableBatch()
        files.put(family, key.span, value, in: batch)
        try files.write(batch, sync: false)
    }

    /// The node with this hash, if it is there.
    func node(_ hash: Bytes32) throws(SourceFailure) -> [UInt8]? {
        var bytes: [UInt8] = [7]
        let isThere = try appendNode(hash, to: &bytes)
        precondition(isThere || bytes == [7], "nothing is appended when there is nothing")
        return isThere ? Array(bytes.dropFirst()) : nil
    }
}
