import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import Execution
import Foundation
import Testing

@testable import Store

@Suite struct StateImportTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func open() throws -> ChainDatabase {
        try ChainDatabase.open(
            directory: directory.appending("chain"), network: TestChain.network, options: .small)
    }

    private static func accounts(
        _ count: Int, seed: UInt64
    ) -> [(address: Address, entry: StateStore.Entry)] {
        var random = DeterministicRandom(seed: seed)
        return (0..<count).map { index in
            var entry = StateStore.Entry(
                nonce: random.next() % 3, balance: UInt256(random.next()))
            if random.chance(1, in: 4) {
                entry.code = random.bytes(count: 60)
                for slot in 0..<random.below(20) {
                    entry.storage[UInt256(UInt64(slot))] = UInt256(random.next() % 5)
                }
            }
            return (Address(UInt256(UInt64(0x10_0000 + index))), entry)
        }
    }

    private func firstWrite(_ root: Bytes32) -> BlockWrite {
        TestChain.write(0, parent: .zero, root: root, [], [], transactionCount: 0)
    }

    @Test(arguments: [0, 1, 2, 3, 17, 2000]) func partsGiveTheStateOfTheWhole(
        count: Int
    ) throws {
        let accounts = Self.accounts(count, seed: UInt64(count))
        let store = try StateStore(Dictionary(accounts.map { ($0.address, $0.entry) }) { $1 })
        let database = try open()
        defer { database.close() }
        let state = try database.importState()
        for start in stride(from: 0, to: count, by: 300).reversed() {
            try state.add(Array(accounts[start..<min(count, start + 300)]))
        }
        let root = try state.finish()
        #expect(root == store.root)
        #expect(database.head == nil)
        try database.write(firstWrite(root), sync: true)
        #expect(database.stateHead?.stateRoot == root)
        let flat = try database.makeReader().state(after: 0)
        let tries = TrieState(root: root, source: database, blockHashes: [:])
        let expected = TrieState(root: root, source: store, blockHashes: [:])
        for (address, entry) in accounts {
            let account = try #require(try expected.account(at: address))
            #expect(try flat.account(at: address) == account)
            #expect(try tries.account(at: address) == account)
            for slot in entry.storage.keys where account.storageRoot != Trie.emptyRoot {
                let word = try expected.storage(at: slot, of: address, account)
                #expect(try flat.storage(at: slot, of: address, account) == word)
                #expect(try tries.storage(at: slot, of: address, account) == word)
            }
            if !entry.code.isEmpty {
                #expect(try flat.code(account.codeHash, of: address).bytes == entry.code)
            }
        }
        // A row for every place: as many as a walk finds, those that are shared more often.
        #expect(Set(try database.nodeRows().keys) == Set(store.nodes.keys))
    }

    /// A chain goes on from an imported state, and prunes what it had.
    @Test func theChainGoesOn() throws {
        var chain = TestChain(seed: 50)
        try chain.append()
        var entries: [(address: Address, entry: StateStore.Entry)] = []
        let state = TrieState(root: chain.roots[0], source: chain.store, blockHashes: [:])
        for index in 0..<TestChain.accountCount {
            let address = TestChain.address(index)
            guard let account = try state.account(at: address) else { continue }
            var entry = StateStore.Entry(nonce: account.nonce, balance: account.balance)
            if account.codeHash != Account.emptyCodeHashBytes {
                entry.code = try state.code(account.codeHash, of: address).bytes
            }
            for slot in 0..<TestChain.slotCount where account.storageRoot != Trie.emptyRoot {
                entry.storage[UInt256(UInt64(slot))] =
                    try state.storage(at: UInt256(UInt64(slot)), of: address, account)
            }
            entries.append((address, entry))
        }
        let database = try open()
        defer { database.close() }
        let parts = try database.importState()
        try parts.add(entries)
        let root = try parts.finish()
        #expect(root == chain.roots[0])
        var first = chain.writes[0]
        first.execution?.newNodes = []
        try database.write(first, sync: false)
        for _ in 0..<40 { try database.write(chain.append(), sync: false) }
        let last = try #require(database.last)
        var live: Set<Bytes32> = []
        for height in last.oldestTrie...last.height {
            live.formUnion(try chain.liveNodes(chain.roots[Int(height)]))
        }
        let rows = try database.nodeRows()
        #expect(live.isSubset(of: rows.keys))
        if try database.rowCount(.journal, prefix: [2]) == 0 { #expect(live == Set(rows.keys)) }
        #expect(database.counters.nodesMissing == 0)
        let found = try TestChain.Contents(Opened(database.makeReader().state(after: 35)))
        #expect(try found == chain.contents(after: 35))
    }

    @Test func whatAnEarlierImportHasLeftGoes() throws {
        var database = try open()
        let left = try database.importState()
        try left.add(Self.accounts(300, seed: 1))
        database.close()
        database = try open()
        let abandoned = try database.importState()
        try abandoned.add(Self.accounts(20, seed: 2))
        _ = try abandoned.finish()
        database.close()
        // Another state than the one that was imported: that goes, too.
        database = try open()
        defer { database.close() }
        var chain = TestChain(seed: 9)
        try database.write(chain.append(), sync: false)
        #expect(try Set(database.nodeRows().keys) == chain.liveNodes(chain.roots[0]))
        let found = try TestChain.Contents(Opened(database.makeReader().state(after: 0)))
        #expect(try found == chain.contents(after: 0))
        #expect(try database.rowCount(.account) == found.accounts.count)
    }

    @Test func aSlotNeedsItsAccount() throws {
        let database = try open()
        defer { database.close() }
        let state = try database.importState()
        try state.add(Self.accounts(3, seed: 3))
        try state.add([(key: TestChain.hash("slot"), word: UInt256(1))], of: TestChain.hash("a"))
        #expect(throws: StoreFailure.self) { try state.finish() }
    }
}
