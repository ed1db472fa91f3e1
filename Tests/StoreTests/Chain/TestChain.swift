import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Testing

@testable import Execution
@testable import Store

/// A chain whose blocks are made of nothing but their numbers and a seed, with the states after each of
/// them in memory: what a database must agree with.
///
/// Accounts share storages, words and balances come back to what they were, accounts go with their storage
/// and come again: whatever makes nodes stand in several places, go, and return.
struct TestChain {
    static let network = Bytes32(storage: .init(repeating: 7))
    static let accountCount = 24
    static let slotCount = 40

    var seed: UInt64
    /// All nodes ever made.
    var store = StateStore()
    /// After each height, from 0 on.
    private(set) var roots: [Bytes32] = []
    private(set) var writes: [BlockWrite] = []

    static func address(_ index: Int) -> Address { Address(UInt256(UInt64(0xA000 + index))) }

    static func hash(_ text: String) -> Bytes32 { Keccak256.hash(Array(text.utf8)) }

    var height: UInt64 { UInt64(writes.count) - 1 }

    /// The changes of the next height.
    private func changes(_ height: UInt64, _ state: some StateReader) throws -> [AccountChange] {
        var random = DeterministicRandom(seed: seed &* 1_000_003 &+ height)
        if height > 0, random.chance(1, in: 8) { return [] }
        let count = height == 0 ? 16 : 1 + random.below(6)
        let indices = Set((0..<count).map { _ in random.below(Self.accountCount) })
        return try indices.sorted().compactMap { index in
            let address = Self.address(index)
            let before = try state.account(at: address)
            if before != nil, random.chance(1, in: 6) {
                return AccountChange(
                    address: address, account: nil, isChanged: true, isStorageCleared: true,
                    slots: [])
            }
            let clears = before != nil && random.chance(1, in: 8)
            // Few values, so that they return: the same storage in several accounts, and again later.
            var words: [UInt256: UInt256] = [:]
            if random.chance(1, in: 3) {
                let pattern = random.below(3)
                for slot in 0..<(5 + 5 * pattern) {
                    words[UInt256(UInt64(slot))] = UInt256(UInt64(slot + 1))
                }
            }
            for _ in 0..<random.below(4) {
                words[UInt256(UInt64(random.below(Self.slotCount)))] =
                    UInt256(UInt64(random.below(3)))
            }
            let slots = try words.sorted { $0.key < $1.key }.compactMap { slot, word in
                var old = UInt256.zero
                if let before, !clears { old = try state.storage(at: slot, of: address, before) }
                return old == word ? nil : AccountChange.Slot(key: slot, value: word)
            }
            let code =
                before == nil && random.chance(1, in: 3) ? Code([UInt8(random.below(4)), 1]) : nil
            return AccountChange(
                address: address,
                account: Account(
                    nonce: UInt64(random.below(2)), balance: UInt256(UInt64(random.below(3))),
                    storageRoot: before?.storageRoot ?? Trie.emptyRoot,
                    codeHash: code.map { Keccak256.hash($0.bytes) } ?? before?.codeHash
                        ?? Account.emptyCodeHashBytes),
                isChanged: true, isStorageCleared: clears || before == nil, slots: slots,
                code: code)
        }
    }

    /// Makes the next height.
    @discardableResult
    mutating func append() throws -> BlockWrite {
        let made = self
        return try append { try made.changes($0, $1) }
    }

    /// Makes a height after which there is nothing.
    mutating func appendEnd() throws {
        try append { _, state in
            try (0..<Self.accountCount).compactMap { index in
                let address = Self.address(index)
                guard try state.account(at: address) != nil else { return nil }
                return AccountChange(
                    address: address, account: nil, isChanged: true, isStorageCleared: true,
                    slots: [])
            }
        }
    }

    /// Makes a height that changes nothing.
    @discardableResult
    mutating func appendNothing() throws -> BlockWrite { try append { _, _ in [] } }

    @discardableResult
    private mutating func append(
        _ changes: (UInt64, TrieState<StateStore>) throws -> [AccountChange]
    ) throws -> BlockWrite {
        let height = UInt64(writes.count)
        let before = roots.last ?? Trie.emptyRoot
        let state = TrieState(root: before, source: store, blockHashes: [:])
        let changes = try changes(height, state)
        let root = try state.apply(changes)
        var nodes: [(hash: Bytes32, encoding: [UInt8])] = []
        state.forEachNewNode { nodes.append(($0, $1)) }
        store.insert(state, changes, root: root)
        let write = Self.write(
            height, parent: writes.last?.block.blockHash ?? .zero, root: root, changes, nodes)
        roots.append(root)
        writes.append(write)
        return write
    }

    /// A height with two transactions, of which nothing but the hashes is looked at.
    static func write(
        _ height: UInt64, parent: Bytes32, root: Bytes32, _ changes: [AccountChange],
        _ nodes: [(hash: Bytes32, encoding: [UInt8])], transactionCount: Int = 2
    ) -> BlockWrite {
        let header = header(height, parent: parent, root: root)
        let block = Block(header: header, transactions: [], withdrawals: [])
        let hashes = (0..<transactionCount).map { Self.hash("transaction \(height) \($0)") }
        let receipts = hashes.indices.map { index in
            Receipt(
                kind: index % 2 == 0 ? .legacy : .dynamicFee, succeeded: index % 3 != 0,
                cumulativeGasUsed: UInt64(21_000 * (index + 1)),
                logs: index == 0
                    ? [
                        Log(
                            address: address(1), topics: hashes,
                            data: [UInt8](repeating: 3, count: 70))
                    ]
                    : [])
        }
        return BlockWrite(
            block: StoredBlock(
                height: height, blockID: hash("block \(height)"), blockHash: header.hash,
                block: height == 0 ? [] : Array("consensus block \(height)".utf8),
                payload: block.encoded,
                commit: height == 0 ? [] : Array("commit \(height)".utf8)),
            execution: ExecutionWrite(
                header: header, stateRoot: root, transactionHashes: hashes, receipts: receipts,
                changes: changes, newNodes: nodes),
            head: Array("head \(height)".utf8))
    }

    static func header(_ height: UInt64, parent: Bytes32, root: Bytes32) -> Header {
        Header(
            parentHash: parent, ommersHash: Header.emptyOmmersHash, coinbase: .zero,
            stateRoot: root, transactionsRoot: Trie.emptyRoot, receiptsRoot: Trie.emptyRoot,
            bloom: [UInt8](repeating: 0, count: Header.bloomSize), difficulty: .zero,
            number: height, gasLimit: 30_000_000, gasUsed: 0, timestamp: height, extraData: [],
            mixHash: .zero, nonce: 0, baseFeePerGas: UInt256(7), withdrawalsRoot: Trie.emptyRoot,
            blobGasUsed: 0, excessBlobGas: 0, parentBeaconRoot: .zero, requestsHash: nil)
    }

    /// Everything that the state after a height can be asked for.
    struct Contents: Equatable {
        var accounts: [Address: Account] = [:]
        var words: [[UInt256]] = []
        var codes: [[UInt8]] = []

        init(_ state: some StateReader) throws {
            for index in 0..<TestChain.accountCount {
                let address = TestChain.address(index)
                guard let account = try state.account(at: address) else { continue }
                accounts[address] = account
                words.append(
                    try (0..<TestChain.slotCount).map {
                        account.storageRoot == Trie.emptyRoot
                            ? .zero
                            : try state.storage(at: UInt256(UInt64($0)), of: address, account)
                    })
                if account.codeHash != Account.emptyCodeHashBytes {
                    codes.append(try state.code(account.codeHash, of: address).bytes)
                }
            }
        }
    }

    func contents(after height: UInt64) throws -> Contents {
        try Contents(
            TrieState(root: roots[Int(height)], source: store, blockHashes: [:]))
    }

    /// Hashes of all nodes of the state with a root, found by walking it.
    func liveNodes(_ root: Bytes32) throws -> Set<Bytes32> {
        var found: Set<Bytes32> = []
        var open = root == Trie.emptyRoot ? [] : [root]
        while let hash = open.popLast() {
            guard found.insert(hash).inserted else { continue }
            let encoding = try #require(store.nodes[hash])
            try TrieNodeView(encoding).forEachReference(
                hash: { open.append($0) },
                value: { value in
                    if let account = Account(rlp: value.span),
                        account.storageRoot != Trie.emptyRoot
                    {
                        open.append(account.storageRoot)
                    }
                })
        }
        return found
    }
}

extension ChainStoreOptions {
    /// Small buffers, so that tables, their merging and the log take part; a short past.
    static var small: ChainStoreOptions {
        var options = ChainStoreOptions()
        options.state = .small
        options.trieCountMax = 4
        options.diffCountMax = 9
        return options
    }
}

extension ChainDatabase {
    /// How many rows every node has.
    func nodeRows() throws -> [Bytes32: Int] {
        var rows: [Bytes32: Int] = [:]
        let cursor = try opened().cursor(.node)
        let start: [UInt8] = []
        var isThere = try cursor.seek(start.span)
        while isThere {
            rows[try #require(Bytes32(cursor.key.prefix(32))), default: 0] += 1
            isThere = try cursor.next()
        }
        return rows
    }

    func rowCount(_ family: ChainFamily, prefix: [UInt8] = []) throws -> Int {
        var count = 0
        let cursor = try opened().cursor(family)
        var isThere = try cursor.seek(prefix.span)
        while isThere, cursor.key.starts(with: prefix) {
            count += 1
            isThere = try cursor.next()
        }
        return count
    }

    func plant(_ family: ChainFamily, _ key: [UInt8], _ value: [UInt8]) throws {
        let files = try opened()
        let batch = TableBatch()
        files.put(family, key.span, value, in: batch)
        try files.write(batch, sync: false)
    }
}
